/* Entries, one after the other, into balances and slot generations. */
#include "billing/replay.h"

#include <sys/mman.h>

#include "shm/counters.h"

#define BALANCES (sizeof(struct balance_record) * SHM_COUNTERS)
#define SLOTGENS (sizeof(struct slotgen_record) * REPLAY_SLOTS)

static void *
sparse(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

bool
replay_init(struct replay *r)
{
	*r = (struct replay){
		.balance = sparse(BALANCES),
		.slotgen = sparse(SLOTGENS),
	};
	return r->balance && r->slotgen;
}

void
replay_free(struct replay *r)
{
	if (r->balance)
		(void)munmap(r->balance, BALANCES);
	if (r->slotgen)
		(void)munmap(r->slotgen, SLOTGENS);
	*r = (struct replay){0};
}

/* Of the budget that a request is charged to. */
static uint32_t
window_of(const struct replay *r, const struct entry *e)
{
	if (e->kind != KIND_REQUEST || !(e->moves & MOVES_KEY))
		return 0;
	return r->balance[counter_of_key(e->key)].window;
}

/* Each slot's generations only grow: nothing is posted or reversed twice. */
static bool
follow_slot(struct replay *r, const struct entry *e, const char **fault)
{
	struct slotgen_record *g;

	if (e->slot == SHM_NONE)
		return true;
	*fault = "there is no such slot";
	if (e->slot >= REPLAY_SLOTS)
		return false;
	g = &r->slotgen[e->slot];
	if (e->kind == KIND_REVERSAL) {
		*fault = "it is reversed twice";
		if (g->phase != PHASE_POSTED || g->seq != e->ref)
			return false;
		g->phase = PHASE_REVERSED;
		g->moves = e->moves;
		return true;
	}
	*fault = "it is posted twice";
	if (g->phase != PHASE_NONE && e->epoch <= g->epoch &&
	    (e->epoch != g->epoch || e->gen <= g->gen))
		return false;
	r->n_slots += g->phase == PHASE_NONE;
	*g = (struct slotgen_record){
		.epoch = e->epoch,
		.gen = e->gen,
		.phase = PHASE_POSTED,
		.window = window_of(r, e),
		.seq = e->seq,
	};
	return true;
}

static bool
move(struct replay *r, struct balance_record *b, const struct entry *e)
{
	int64_t loss = entry_amount(e), amount = loss >= 0 ? loss : -loss;
	int64_t *side = loss >= 0 ? &b->debits : &b->credits;
	int64_t *all = loss >= 0 ? &r->debits : &r->credits;

	if (__builtin_sub_overflow(b->balance, loss, &b->balance) ||
	    __builtin_add_overflow(*side, amount, side) ||
	    __builtin_add_overflow(*all, amount, all))
		return false;
	b->last_seq = e->seq;
	if (entry_begins_window(e))
		b->window = entry_window(e);
	return true;
}

static bool
follow_money(struct replay *r, const struct entry *e, const char **fault)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(e, counters);

	*fault = "a balance overflows";
	if (entry_amount(e) == INT64_MIN)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!move(r, &r->balance[counters[i]], e))
			return false;
	*fault = "its balance is not the sum of the entries";
	return e->account == SHM_NONE ||
	       r->balance[counter_of_account(e->account)].balance ==
		       e->balance_nano;
}

bool
replay_entry(struct replay *r, const struct entry *e, const char **fault)
{
	return follow_slot(r, e, fault) && follow_money(r, e, fault);
}
