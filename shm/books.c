/* Price books: a place for each live generation, and look-ups. */
#include "shm/books.h"

#include <string.h>

#include "base/must.h"

static uint32_t
rows_of(const struct book *b)
{
	return b->n < BOOK_MODELS ? b->n : BOOK_MODELS;
}

uint32_t
book_effective(const struct book *b, uint32_t first, uint64_t now_ms)
{
	uint32_t n = rows_of(b), best = SHM_NONE;

	/* The chain only goes on: it ends whatever is in it. */
	for (uint32_t i = first, next; i < n; i = next) {
		const struct book_row *row = &b->rows[i];

		if (row->effective_ms <= now_ms &&
		    (best == SHM_NONE ||
		     row->effective_ms >= b->rows[best].effective_ms))
			best = i;
		next = row->next > i + 1 ? row->next - 1u : n;
	}
	return best;
}

uint32_t
book_find(const struct book *b, struct str name)
{
	uint32_t n = rows_of(b);

	if (name.n == 0 || name.n >= MODEL_NAME)
		return SHM_NONE;
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(b->rows[i].name, name.p, name.n) == 0 &&
		    b->rows[i].name[name.n] == '\0')
			return i;
	return SHM_NONE;
}

uint32_t
book_pinned(const struct region *r, uint32_t version)
{
	for (uint32_t i = BOOKS_LIVE; i < SHM_BOOKS && version; i++)
		if (atomic_load_explicit(&r->books[i].version,
					 memory_order_acquire) == version)
			return i;
	return SHM_NONE;
}

uint32_t
book_new(struct region *r, uint32_t generation)
{
	must(generation != 0);
	for (uint32_t i = 0; i < BOOKS_LIVE; i++) {
		struct book *b = &r->books[i];

		if (b->generation != 0)
			continue;
		if (region_reserve(r, b, sizeof(*b)) != E_OK)
			return SHM_NONE;
		b->state = BOOK_UNUSED;
		b->version = 0;
		b->n = 0;
		b->generation = generation;
		return i;
	}
	return SHM_NONE;
}

void
book_release(struct region *r, uint32_t index)
{
	must(index < BOOKS_LIVE);
	atomic_store_explicit(&r->books[index].state, BOOK_UNUSED,
			      memory_order_release);
	r->books[index].generation = 0;
}
