/*
 * A pinned version may be replaced by another while it is read: the writer
 * takes its number away first, so the row is copied and the number looked at
 * again. Where a model stands in a pinned version is remembered; looking
 * through 4096 names for each request would cost more than the rest.
 */
#include "worker/prices.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "billing/price.h"
#include "shm/accounts.h"
#include "worker/process.h"

/* By product: row + 1 of a pinned version, NONE, or not looked for yet. */
#define ROW_UNKNOWN 0u
#define ROW_NONE    UINT16_MAX

struct pin_rows {
	uint32_t version;
	uint16_t *first;
};

static struct pin_rows *
pin_rows(struct worker *w, uint32_t place, uint32_t version)
{
	struct pin_rows *p;

	if (!w->pins)
		w->pins = calloc(SHM_BOOKS, sizeof(*w->pins));
	if (!w->pins)
		return NULL;
	p = &w->pins[place];
	if (p->version == version)
		return p;
	if (!p->first)
		p->first = malloc(sizeof(*p->first) * BOOK_MODELS);
	if (!p->first)
		return NULL;
	memset(p->first, 0, sizeof(*p->first) * BOOK_MODELS);
	p->version = version;
	return p;
}

void
pins_free(struct worker *w)
{
	for (uint32_t i = 0; w->pins && i < SHM_BOOKS; i++)
		free(w->pins[i].first);
	free(w->pins);
	w->pins = NULL;
}

/* The first row of the product's name; SHM_NONE: it has none. */
static uint32_t
first_row(struct pin_rows *p, const struct book *b,
	  const struct product *product)
{
	uint16_t *known = &p->first[product->index];
	uint32_t row;

	if (*known == ROW_UNKNOWN) {
		row = book_find(b, product->conf->name);
		*known = row == SHM_NONE ? ROW_NONE : (uint16_t)(row + 1);
	}
	return *known == ROW_NONE ? SHM_NONE : *known - 1u;
}

/* E_NO_MODEL: the version has no price for it. */
static enum err
pinned(struct worker *w, struct arena *arena, uint32_t version,
       const struct product *product, uint64_t now_ms, struct priced *out)
{
	uint32_t place = book_pinned(w->region, version), row;
	struct book_row *copy;
	struct pin_rows *rows;
	const struct book *b;

	if (place == SHM_NONE)
		return E_OVERLOAD;
	b = &w->region->books[place];
	rows = pin_rows(w, place, version);
	copy = arena_alloc(arena, sizeof(*copy));
	if (!rows || !copy)
		return E_OVERLOAD;
	row = first_row(rows, b, product);
	if (row != SHM_NONE)
		row = book_effective(b, row, now_ms);
	if (row != SHM_NONE)
		memcpy(copy, &b->rows[row], sizeof(*copy));
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&b->version, memory_order_relaxed) !=
	    version) {
		rows->version = 0;
		return E_OVERLOAD;
	}
	if (row == SHM_NONE)
		return E_NO_MODEL;
	out->row = copy;
	out->version = version;
	out->index = (uint16_t)row;
	return E_OK;
}

enum err
prices_of(struct worker *w, struct arena *arena, uint32_t account,
	  const struct product *product, uint64_t now_ms, struct priced *out)
{
	const struct book *b = &w->region->books[w->args->book];
	uint32_t pin = atomic_load(&w->region->accounts[account].price_pin);
	uint32_t row = book_effective(b, product->index, now_ms);
	enum err e;

	if (row == SHM_NONE)
		return E_NO_MODEL;
	*out = (struct priced){
		.row = &b->rows[row],
		.version = w->price_version,
		.index = (uint16_t)row,
		.list = &b->rows[row],
		.list_index = (uint16_t)row,
	};
	if (pin == 0)
		return E_OK;
	e = pinned(w, arena, pin, product, now_ms, out);
	if (e == E_OVERLOAD)
		LOG_WARN("a pinned price version is not in shared memory",
			 F_U64("version", pin), F_U64("account", account));
	return e == E_NO_MODEL ? E_OK : e;
}

uint32_t
prices_multiplier(const struct worker *w, uint32_t account,
		  const struct conf_group *group, const struct product *product)
{
	const struct account_row *a = &w->region->accounts[account];

	return price_discounted(price_multiplier(group, product->conf->name),
				atomic_load(&a->discount_ppm));
}
