/*
 * The word of a slot and the steps on counters: take, give, help. Called by
 * the owner of a slot (hold.c), by the ledger writer (reap.c) and, through
 * help, by whoever meets an unconfirmed step on a counter.
 *
 * What is hard: a process may die between any two instructions, and another
 * one must be able to tell whether a step was applied. So the counter itself
 * names the last step (last_op), in one compare-and-swap with the amount; and
 * nobody overwrites that name before the step is confirmed in its word.
 */
#include "shm/slots.h"

#include "base/must.h"
#include "shm/counters.h"
#include "shm/steps.h"

/* Not a call into libatomic, whose locks are private to a process. */
#ifdef __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16
#define SWAP_IS_INLINED 1
#else
#define SWAP_IS_INLINED 0
#endif
_Static_assert(SWAP_IS_INLINED, "16-byte compare-and-swap: x86-64, -mcx16");

__extension__ typedef unsigned __int128 pair;

static int
lowest_clear(uint32_t bits, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!(bits >> i & 1))
			return (int)i;
	}
	return -1;
}

static int
highest_set(uint32_t bits)
{
	return bits ? 31 - __builtin_clz(bits) : -1;
}

int
word_pending(uint64_t w)
{
	switch (word_state(w)) {
	case SLOT_ACQ: return lowest_clear(word_mask(w), word_k(w));
	case SLOT_EXT: return lowest_clear(word_ext(w), word_k(w));
	case SLOT_XBK: return highest_set(word_ext(w));
	case SLOT_BACK:
	case SLOT_DURABLE:
	case SLOT_REVERSED: return highest_set(word_mask(w));
	case SLOT_FREE:
	case SLOT_HELD:
	case SLOT_SETTLED: break;
	}
	return -1;
}

uint64_t
word_next(uint64_t w)
{
	int i = word_pending(w);
	enum slot_state st = word_state(w);

	must(i >= 0 && i < SLOT_COUNTERS);
	w += WORD_STEP;
	return st == SLOT_EXT || st == SLOT_XBK ? w ^ WORD_EXT(i)
						: w ^ WORD_MASK(i);
}

static uint64_t
tag_of(uint32_t slot, uint64_t w)
{
	return (uint64_t)word_gen(w) << 32 | (uint64_t)slot << 12 |
	       (word_step(w) + 1);
}

static struct counter *
counter_at(struct region *r, uint32_t index)
{
	must(index < SHM_COUNTERS);
	return &r->counters[index];
}

/* Both halves at once. The caller read them one after the other, so they may
 * not belong together: then this fails. */
static bool
counter_swap(struct counter *c, int64_t v, uint64_t op, int64_t to,
	     uint64_t to_op)
{
	pair from = (pair)op << 64 | (uint64_t)v;

	return __sync_bool_compare_and_swap((pair *)(void *)c, from,
					    (pair)to_op << 64 | (uint64_t)to);
}

/* The amounts that a word points at. */
static int64_t
total_in(const struct slot *s, uint32_t i, uint32_t cell)
{
	return cell_load(counter_is_upstream(s->ctr[i]) ? &s->held_up[cell]
							: &s->held[cell]);
}

static int64_t
growth_of(const struct slot *s, uint64_t w, uint32_t i)
{
	return total_in(s, i, !word_cur(w)) - total_in(s, i, word_cur(w));
}

/* A reaped extension may have reached some counters only. */
static int64_t
total_of(const struct slot *s, uint64_t w, uint32_t i)
{
	bool extended = word_ext(w) >> i & 1;

	return total_in(s, i, extended ? !word_cur(w) : word_cur(w));
}

int64_t
slot_cost_of(const struct slot *s, uint32_t i)
{
	return cell_load(counter_is_upstream(s->ctr[i]) ? &s->up_cost
							: &s->cost);
}

static int64_t
take_amount(const struct slot *s, uint64_t w, uint32_t i)
{
	return word_state(w) == SLOT_ACQ ? total_in(s, i, word_cur(w))
					 : growth_of(s, w, i);
}

static int64_t
give_amount(const struct slot *s, uint64_t w, uint32_t i)
{
	switch (word_state(w)) {
	case SLOT_BACK: return total_of(s, w, i);
	case SLOT_XBK: return growth_of(s, w, i);
	case SLOT_DURABLE: return total_of(s, w, i) - slot_cost_of(s, i);
	case SLOT_REVERSED: return slot_cost_of(s, i);
	case SLOT_FREE:
	case SLOT_ACQ:
	case SLOT_HELD:
	case SLOT_EXT:
	case SLOT_SETTLED: break;
	}
	must_fail("something to give", __FILE__, __LINE__);
}

void
slot_help(struct region *r, uint64_t op)
{
	uint32_t slot = (uint32_t)(op >> 12) & 0xfffff;
	struct slot *s;
	uint64_t w;

	if (op == 0)
		return;
	must(slot < r->head->n_slots + SHM_OWN_SLOTS);
	s = &r->slots[slot];
	w = word_load(s);
	while (tag_of(slot, w) == op) {
		CRASH_POINT(CP_HELP_BEFORE);
		if (word_cas(s, &w, word_next(w))) {
			CRASH_POINT(CP_HELP_CONFIRMED);
			return;
		}
	}
}

bool
slot_take(struct region *r, uint32_t slot, uint64_t *w)
{
	struct slot *s = &r->slots[slot];
	int i = word_pending(*w);
	uint64_t next = word_next(*w), tag = tag_of(slot, *w), op, seen = *w;
	struct counter *c = counter_at(r, s->ctr[i]);
	int64_t amount = take_amount(s, *w, (uint32_t)i), v;

	do {
		op = atomic_load_explicit(&c->last_op, memory_order_acquire);
		v = cell_load(&c->available);
		if (v < amount)
			return false;
		slot_help(r, op);
		CRASH_POINT(CP_TAKE_BEFORE);
	} while (!counter_swap(c, v, op, v - amount, tag));
	CRASH_POINT(CP_TAKE_APPLIED);
	/* If this fails, a helper has confirmed the step. */
	(void)word_cas(s, &seen, next);
	CRASH_POINT(CP_TAKE_CONFIRMED);
	*w = next;
	return true;
}

/* Does the next step of this word give. */
static bool
word_gives(uint64_t w)
{
	return word_pending(w) >= 0 && word_state(w) != SLOT_ACQ &&
	       word_state(w) != SLOT_EXT;
}

/* The pending step of `w`, which says the state, the counter, the tag and the
 * amount. All of it may be of the past already: a helper confirms the step, a
 * live owner frees the slot and claims it anew. Then the second look at the
 * word says so; nothing read before counts. */
static void
give(struct region *r, uint32_t slot, uint64_t w)
{
	struct slot *s = &r->slots[slot];
	int i = word_pending(w);
	struct counter *c = counter_at(r, s->ctr[i]);
	int64_t amount = give_amount(s, w, (uint32_t)i), v, sum;
	uint64_t op, tag = tag_of(slot, w);

	CRASH_POINT(CP_GIVE_LOADED);
	do {
		op = atomic_load_explicit(&c->last_op, memory_order_acquire);
		v = cell_load(&c->available);
		slot_help(r, op);
		/* Applied before a crash, and confirmed since. */
		if (word_load(s) != w)
			return;
		must(!__builtin_add_overflow(v, amount, &sum));
		CRASH_POINT(CP_GIVE_BEFORE);
	} while (!counter_swap(c, v, op, sum, tag));
	CRASH_POINT(CP_GIVE_APPLIED);
	(void)word_cas(s, &w, word_next(w));
	CRASH_POINT(CP_GIVE_CONFIRMED);
}

void
slot_give(struct region *r, uint32_t slot)
{
	uint64_t w = word_load(&r->slots[slot]);

	if (word_gives(w))
		give(r, slot, w);
}

void
slot_give_all(struct region *r, uint32_t slot)
{
	uint64_t first = word_load(&r->slots[slot]), w = first;

	/* With the last step confirmed a live owner may have claimed the slot
	 * anew: what it gives back then is its own. */
	while (word_gives(w) && word_gen(w) == word_gen(first) &&
	       word_state(w) == word_state(first)) {
		give(r, slot, w);
		w = word_load(&r->slots[slot]);
	}
}
