/*
 * Slots as the ledger writer sees them: what to do next with one, giving
 * money back, freeing, the writer's own slots, and the slots of workers that
 * have died. Called by the writer only, one process at a time.
 *
 * What is hard: the reaper has to find out whether the last step of a dead
 * worker was applied, while other processes go on helping. It loads the word,
 * then the counter, and then changes the word only from what it had loaded.
 */
#include "base/must.h"
#include "shm/counters.h"
#include "shm/slots.h"
#include "shm/steps.h"
#include "shm/workers.h"

static struct slot *
slot_at(const struct region *r, uint32_t slot)
{
	must(slot < r->head->n_slots + SHM_OWN_SLOTS);
	return &r->slots[slot];
}

static bool
slot_costs(const struct slot *s, uint64_t w)
{
	for (uint32_t i = 0; i < word_k(w); i++) {
		if (slot_cost_of(s, i) != 0)
			return true;
	}
	return false;
}

enum slot_todo
slot_todo(const struct region *r, uint32_t slot, bool owner_dead)
{
	const struct slot *s = slot_at(r, slot);
	uint64_t w = word_load(s);

	if (word_state(w) == SLOT_SETTLED)
		return TODO_COMMIT;
	if (word_state(w) < SLOT_DURABLE)
		return TODO_NOTHING;
	if (word_pending(w) >= 0)
		return TODO_GIVE;
	if (word_state(w) == SLOT_REVERSED || word_sent(w))
		return TODO_FREE;
	if (word_refused(w) != REFUSED_UNSENT && !owner_dead)
		return TODO_NOTHING; /* the owner sends and then says so */
	return slot_costs(s, w) ? TODO_REVERSE : TODO_FREE;
}

static bool
mark_is_dead(const struct region *r, uint64_t mark)
{
	uint32_t row = (uint32_t)mark;
	const struct worker_row *w;

	if (mark == 0)
		return false;
	must(row < r->head->n_workers);
	w = &r->workers[row];
	return atomic_load_explicit(&w->state, memory_order_acquire) ==
		       WORKER_DEAD &&
	       w->spawn_epoch == (uint32_t)(mark >> 32);
}

bool
slot_orphaned(const struct region *r, uint32_t slot)
{
	if (slot >= r->head->n_slots)
		return false;
	return mark_is_dead(r, r->pages[slot / SLOT_PAGE].owner);
}

void
slot_durable(struct region *r, uint32_t slot)
{
	struct slot *s = slot_at(r, slot);
	uint64_t w = word_load(s);

	CRASH_POINT(CP_DURABLE_BEFORE);
	do
		must(word_state(w) == SLOT_SETTLED);
	while (!word_cas(s, &w, word_with_state(w, SLOT_DURABLE)));
	CRASH_POINT(CP_DURABLE);
}

void
slot_reversed(struct region *r, uint32_t slot, uint32_t mask)
{
	struct slot *s = slot_at(r, slot);
	uint64_t w = word_load(s);

	CRASH_POINT(CP_REVERSED_BEFORE);
	do {
		must(word_state(w) == SLOT_DURABLE && word_mask(w) == 0);
		must(mask >> word_k(w) == 0);
	} while (!word_cas(s, &w,
			   word_with_state(w, SLOT_REVERSED) | (uint64_t)mask
								       << 12));
	CRASH_POINT(CP_REVERSED);
}

void
slot_free(struct region *r, uint32_t slot)
{
	struct slot *s = slot_at(r, slot);
	uint64_t w = word_load(s);

	must(word_state(w) == SLOT_BACK || word_state(w) == SLOT_DURABLE ||
	     word_state(w) == SLOT_REVERSED);
	must(word_mask(w) == 0);
	CRASH_POINT(CP_FREE_BEFORE);
	word_store(s, word_freed(w));
	CRASH_POINT(CP_FREE);
}

/* Was the pending step of `w` applied? The counter is looked at after the
 * word: whoever overwrites it in between has confirmed the step, and then no
 * compare-and-swap from `w` works any more. */
static bool
step_applied(const struct region *r, uint32_t slot, uint64_t w)
{
	const struct slot *s = &r->slots[slot];
	int i = word_pending(w);
	uint64_t op;

	if (i < 0)
		return false;
	must(s->ctr[i] < SHM_COUNTERS);
	CRASH_POINT(CP_REAP_LOADED);
	op = atomic_load_explicit(&r->counters[s->ctr[i]].last_op,
				  memory_order_acquire);
	CRASH_POINT(CP_REAP_LOOKED);
	return op == ((uint64_t)word_gen(w) << 32 | (uint64_t)slot << 12 |
		      (word_step(w) + 1));
}

/* What the client took is paid, never more than was held before the last
 * extension. */
static void
reap_cost(struct slot *s, uint64_t w)
{
	int64_t delivered = cell_load(&s->delivered);
	uint32_t cur = word_cur(w);

	cell_store(&s->cost, MIN_OF(delivered, cell_load(&s->held[cur])));
	for (uint32_t i = 0; i < word_k(w); i++) {
		if (counter_is_upstream(s->ctr[i]))
			cell_store(
				&s->up_cost,
				MIN_OF(delivered, cell_load(&s->held_up[cur])));
	}
	s->reason = REASON_REAPED;
	CRASH_POINT(CP_REAP_COST);
}

bool
slot_reap(struct region *r, uint32_t slot)
{
	struct slot *s = slot_at(r, slot);
	uint64_t w = word_load(s);

	switch (word_state(w)) {
	case SLOT_BACK:
		slot_give_all(r, slot);
		slot_free(r, slot);
		return true;
	case SLOT_ACQ:
		if (step_applied(r, slot, w))
			(void)word_cas(s, &w, word_next(w));
		else
			(void)word_cas(s, &w,
				       word_mask(w)
					       ? word_with_state(w, SLOT_BACK)
					       : word_freed(w));
		CRASH_POINT(CP_REAP_BACK);
		return true;
	case SLOT_HELD:
	case SLOT_EXT:
	case SLOT_XBK:
		if (step_applied(r, slot, w)) {
			(void)word_cas(s, &w, word_next(w));
			return true;
		}
		reap_cost(s, w);
		(void)word_cas(s, &w,
			       word_with_state(w, SLOT_SETTLED) | WORD_SENT);
		CRASH_POINT(CP_REAP_SETTLED);
		return true;
	case SLOT_FREE:
	case SLOT_SETTLED:
	case SLOT_DURABLE:
	case SLOT_REVERSED: break;
	}
	return false;
}

static uint32_t
own_find_free(const struct region *r)
{
	uint32_t n = r->head->n_slots;

	for (uint32_t i = n; i < n + SHM_OWN_SLOTS; i++) {
		uint64_t w = word_load(&r->slots[i]);

		if (word_state(w) == SLOT_FREE && word_gen(w) < WORD_GEN_MAX)
			return i;
	}
	return SHM_NONE;
}

/* Writes the fields of a free own slot; its word says FREE still. */
static uint32_t
own_write(struct region *r, enum slot_kind kind, uint64_t ref,
	  const uint32_t *ctr, uint32_t k, struct money cost)
{
	uint32_t slot = own_find_free(r);
	int64_t held = MAX_OF(cost.nano, 0);
	struct slot *s;

	must(k <= SLOT_COUNTERS);
	if (slot == SHM_NONE)
		return SHM_NONE;
	s = &r->slots[slot];
	for (uint32_t i = 0; i < k; i++)
		s->ctr[i] = ctr[i];
	cell_store(&s->held[0], held);
	cell_store(&s->held_up[0], held);
	cell_store(&s->delivered, 0);
	cell_store(&s->meter, 0);
	cell_store(&s->cost, cost.nano);
	cell_store(&s->up_cost, cost.nano);
	s->kind = (uint8_t)kind;
	s->owner = 0;
	s->price_version = 0;
	s->model = UINT16_MAX;
	s->reason = REASON_NORMAL;
	s->ref = ref;
	CRASH_POINT(CP_OWN_FIELDS);
	return slot;
}

static void
own_settle(struct slot *s, uint64_t w)
{
	uint64_t all = ((1ull << word_k(w)) - 1) << 12;

	word_store(s, word_with_state(w, SLOT_SETTLED) | WORD_SENT | all);
	CRASH_POINT(CP_OWN_SETTLED);
}

uint32_t
own_claim(struct region *r, enum slot_kind kind, uint64_t ref,
	  const uint32_t *ctr, uint32_t k, struct money amount)
{
	uint32_t slot;
	struct slot *s;

	must(amount.nano > INT64_MIN);
	slot = own_write(r, kind, ref, ctr, k, money_nano(-amount.nano));
	if (slot == SHM_NONE)
		return SHM_NONE;
	s = &r->slots[slot];
	/* Nothing is held: what the cost takes is not looked at before. */
	cell_store(&s->held[0], 0);
	cell_store(&s->held_up[0], 0);
	own_settle(s, word_make(word_gen(word_load(s)), k, SLOT_SETTLED));
	return slot;
}

uint32_t
own_take(struct region *r, enum slot_kind kind, uint64_t ref,
	 const uint32_t *ctr, uint32_t k, struct money amount, bool *refused)
{
	uint32_t slot = own_write(r, kind, ref, ctr, k, amount);
	struct slot *s;
	uint64_t w;

	must(amount.nano >= 0);
	*refused = false;
	if (slot == SHM_NONE)
		return SHM_NONE;
	s = &r->slots[slot];
	w = word_make(word_gen(word_load(s)), k, SLOT_ACQ);
	word_store(s, w);
	while (word_pending(w) >= 0) {
		if (slot_take(r, slot, &w))
			continue;
		*refused = true;
		word_store(s, word_with_state(w, SLOT_BACK));
		slot_give_all(r, slot);
		slot_free(r, slot);
		return SHM_NONE;
	}
	own_settle(s, w);
	return slot;
}
