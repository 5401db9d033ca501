#pragma once
/*
 * Rows that are found by their first bytes and summed up, for reports: a hash
 * table of rows of one size in one piece, so that they can be sorted at the
 * end. Tools and admin process.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/hash.h"

struct tally {
	uint8_t *rows;
	size_t n, cap;
	size_t key, row; /* bytes: a row begins with its key */
	uint32_t *table; /* open addressing: index + 1 */
	size_t slots;	 /* a power of two */
	struct sip_key secret;
};

/* Every byte of a key counts: zero its padding. */
void tally_init(struct tally *t, size_t key, size_t row);
void tally_free(struct tally *t);
/* The row of this key; a new one is zeroed behind its key. NULL when out of
 * memory. Valid until the next call. */
NODISCARD void *tally_row(struct tally *t, const void *key);
/* Afterwards no row is found any more. */
void tally_sort(struct tally *t, int (*compare)(const void *, const void *));

static inline void *
tally_at(const struct tally *t, size_t i)
{
	return t->rows + i * t->row;
}
