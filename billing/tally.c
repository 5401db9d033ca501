/* Rows that are found by their first bytes. */
#include "billing/tally.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 64u

void
tally_init(struct tally *t, size_t key, size_t row)
{
	*t = (struct tally){.key = key, .row = row};
	random_bytes(&t->secret, sizeof(t->secret));
}

void
tally_free(struct tally *t)
{
	free(t->rows);
	free(t->table);
	t->rows = NULL;
	t->table = NULL;
	t->n = t->cap = t->slots = 0;
}

static uint32_t *
place_of(const struct tally *t, const void *key)
{
	uint64_t h = siphash(&t->secret, str_make(key, t->key));

	for (size_t i = h & (t->slots - 1);; i = (i + 1) & (t->slots - 1))
		if (t->table[i] == 0 ||
		    memcmp(tally_at(t, t->table[i] - 1), key, t->key) == 0)
			return &t->table[i];
}

/* Twice as many rows, in a table that is at most half full. */
static bool
grow(struct tally *t)
{
	size_t cap = t->cap ? 2 * t->cap : FIRST_ROWS;
	uint32_t *table;
	uint8_t *rows;

	if (cap > UINT32_MAX / 2)
		return false;
	rows = realloc(t->rows, cap * t->row);
	if (!rows)
		return false;
	t->rows = rows;
	table = calloc(2 * cap, sizeof(*table));
	if (!table)
		return false;
	free(t->table);
	t->table = table;
	t->slots = 2 * cap;
	t->cap = cap;
	for (size_t i = 0; i < t->n; i++)
		*place_of(t, tally_at(t, i)) = (uint32_t)i + 1;
	return true;
}

void *
tally_row(struct tally *t, const void *key)
{
	uint32_t *place;
	uint8_t *row;

	if (t->n == t->cap && !grow(t))
		return NULL;
	place = place_of(t, key);
	if (*place)
		return tally_at(t, *place - 1);
	row = tally_at(t, t->n);
	memcpy(row, key, t->key);
	memset(row + t->key, 0, t->row - t->key);
	*place = (uint32_t)++t->n;
	return row;
}

void
tally_sort(struct tally *t, int (*compare)(const void *, const void *))
{
	free(t->table);
	t->table = NULL;
	t->slots = 0;
	if (t->n)
		qsort(t->rows, t->n, t->row, compare);
}
