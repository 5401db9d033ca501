/* Price books: a place for each live generation. Called by the master. */
#include "shm/books.h"

#include "base/must.h"

uint32_t
book_new(struct region *r, uint32_t generation)
{
	must(generation != 0);
	for (uint32_t i = 0; i < SHM_BOOKS; i++) {
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
	must(index < SHM_BOOKS);
	atomic_store_explicit(&r->books[index].state, BOOK_UNUSED,
			      memory_order_release);
	r->books[index].generation = 0;
}
