#pragma once
/* A small segment with accounts, one worker and nobody else: what the tests
 * of the slots start from. */
#include "base/must.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/workers.h"
#include "tests/tap.h"

struct bench {
	struct region r;
	struct slot_owner *o;
	uint32_t row;
};

#define ACCOUNT counter_of_account(3)
#define PARENT	counter_of_account(1)
#define BUDGET	counter_of_key(7)
#define CAP	counter_of_cap(2)

static inline void
bench_open(struct bench *b, uint32_t pages)
{
	must(region_anonymous(&b->r, pages * SLOT_PAGE, 4) == E_OK);
	b->row = worker_row_take(&b->r, 1, 0);
	must(b->row != SHM_NONE);
	b->o = slot_owner_new(&b->r, b->row, b->r.workers[b->row].spawn_epoch);
	must(b->o);
	b->r.counters[ACCOUNT].available = 1000;
	b->r.counters[PARENT].available = 1000;
	b->r.counters[BUDGET].available = 1000;
	b->r.counters[CAP].available = 1000;
}

static inline void
bench_close(struct bench *b)
{
	slot_owner_free(b->o);
	region_close(&b->r);
}

static inline int64_t
available(const struct bench *b, uint32_t counter)
{
	return b->r.counters[counter].available;
}

static inline uint64_t
word_of(const struct bench *b, const struct hold *h)
{
	return b->r.slots[h->slot].word;
}

static inline struct hold_spec
spec_of(int64_t nano, uint32_t k)
{
	return (struct hold_spec){.ctr = {BUDGET, ACCOUNT, PARENT, CAP},
				  .k = k,
				  .amount = money_nano(nano)};
}

/* A hold on the first k counters; fails the test when it is refused. */
static inline struct hold
hold_of(struct bench *b, int64_t nano, uint32_t k)
{
	struct hold_spec spec = spec_of(nano, k);
	struct hold h;

	CHECK_INT(hold_claim(b->o, &h), E_OK);
	CHECK_INT(hold_take(b->o, &h, &spec), E_OK);
	return h;
}

/* What the writer does with one settled slot; reversal as it asks for. */
static inline void
commit_one(struct bench *b, uint32_t slot, bool owner_dead)
{
	for (;;) {
		switch (slot_todo(&b->r, slot, owner_dead)) {
		case TODO_COMMIT: slot_durable(&b->r, slot); break;
		case TODO_GIVE: slot_give_all(&b->r, slot); break;
		case TODO_FREE: slot_free(&b->r, slot); return;
		case TODO_REVERSE:
			slot_reversed(&b->r, slot,
				      (1u << word_k(b->r.slots[slot].word)) -
					      1);
			break;
		case TODO_NOTHING: return;
		}
	}
}
