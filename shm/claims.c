/*
 * Claims. What is hard: two requests of one hash may come at the same instant
 * and must meet. Both try the places of the hash in the same order, by
 * compare-and-swap; and because a place further up may have become free in
 * between, each looks at all others once more after it has put its cell
 * down. Of two that do so at once each sees the other or is seen; whoever
 * sees one, gives up. Both may; then the clients come again.
 *
 * A cell that makes no sense any more is never trusted: whether it counts is
 * read from its slot each time.
 */
#include "shm/claims.h"

#include "base/must.h"
#include "shm/steps.h"
#include "shm/workers.h"

enum verdict { CELL_ENDED, CELL_OTHER, CELL_SAME };

static _Atomic uint64_t *
place_of(struct region *r, const uint64_t idem[2], uint32_t level)
{
	uint64_t h = idem[0] + idem[1] * level;
	uint32_t high = (uint32_t)((h * 0x9e3779b97f4a7c15ull) >> 32);

	return &r->claims[(uint64_t)high * CLAIM_CELLS(r->head->n_slots) >> 32];
}

/* Is the worker that claimed the slot, and has nothing in it yet, alive. */
static bool
claimer_lives(const struct region *r, uint32_t slot)
{
	uint64_t mark = atomic_load_explicit(&r->pages[slot / SLOT_PAGE].owner,
					     memory_order_acquire);
	uint32_t row = (uint32_t)mark, epoch = (uint32_t)(mark >> 32), state;

	if (mark == 0 || row >= r->head->n_workers ||
	    __atomic_load_n(&r->slots[slot].owner, __ATOMIC_RELAXED) != epoch ||
	    r->workers[row].spawn_epoch != epoch)
		return false;
	state = atomic_load_explicit(&r->workers[row].state,
				     memory_order_acquire);
	return state != WORKER_DEAD && state != WORKER_UNUSED;
}

static enum verdict
judge(const struct region *r, uint64_t cell, const uint64_t idem[2])
{
	uint32_t slot = (uint32_t)cell - 1, gen = (uint32_t)(cell >> 32);
	const struct note *n;
	uint64_t w;
	bool same;

	if (cell == 0 || slot >= r->head->n_slots)
		return CELL_ENDED;
	w = word_load(&r->slots[slot]);
	if (word_gen(w) != gen ||
	    (word_state(w) == SLOT_FREE && !claimer_lives(r, slot)))
		return CELL_ENDED;
	n = &r->notes[slot];
	same = atomic_load_explicit(&n->idem[0], memory_order_relaxed) ==
		       idem[0] &&
	       atomic_load_explicit(&n->idem[1], memory_order_relaxed) ==
		       idem[1];
	atomic_thread_fence(memory_order_acquire);
	/* Freed since: what was read is of both. */
	if (word_gen(word_load(&r->slots[slot])) != gen)
		return CELL_ENDED;
	return same ? CELL_SAME : CELL_OTHER;
}

/* Puts the cell down at this place: TAKEN, RUNS, or FULL: another's. */
static enum claim
put_down(const struct region *r, _Atomic uint64_t *place, uint64_t mine,
	 const uint64_t idem[2])
{
	uint64_t cell = atomic_load_explicit(place, memory_order_acquire);

	/* `mine` is there already if a worker died with the same slot. */
	while (cell != mine) {
		enum verdict v = judge(r, cell, idem);

		if (v != CELL_ENDED)
			return v == CELL_SAME ? CLAIM_RUNS : CLAIM_FULL;
		if (atomic_compare_exchange_strong(place, &cell, mine))
			break;
	}
	return CLAIM_TAKEN;
}

/* Is there a second claim for the hash. */
static bool
another(struct region *r, uint64_t mine, const uint64_t idem[2])
{
	for (uint32_t i = 0; i < CLAIM_LEVELS; i++) {
		uint64_t cell = atomic_load(place_of(r, idem, i));

		if (cell != mine && judge(r, cell, idem) == CELL_SAME)
			return true;
	}
	return false;
}

enum claim
claim_take(struct region *r, const struct hold *h, uint32_t spawn_epoch)
{
	const struct note *n = &r->notes[h->slot];
	uint64_t idem[2] = {atomic_load(&n->idem[0]), atomic_load(&n->idem[1])};
	uint64_t mine = (uint64_t)h->gen << 32 | (h->slot + 1);
	enum claim c = CLAIM_FULL;

	must(h->slot < r->head->n_slots);
	__atomic_store_n(&r->slots[h->slot].owner, spawn_epoch,
			 __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < CLAIM_LEVELS && c == CLAIM_FULL; i++)
		c = put_down(r, place_of(r, idem, i), mine, idem);
	if (c == CLAIM_TAKEN && another(r, mine, idem)) {
		claim_drop(r, h->slot, h->gen, idem);
		return CLAIM_RUNS;
	}
	return c;
}

void
claim_drop(struct region *r, uint32_t slot, uint32_t gen,
	   const uint64_t idem[2])
{
	for (uint32_t i = 0; i < CLAIM_LEVELS; i++) {
		uint64_t mine = (uint64_t)gen << 32 | (slot + 1);

		(void)atomic_compare_exchange_strong(place_of(r, idem, i),
						     &mine, 0);
	}
}
