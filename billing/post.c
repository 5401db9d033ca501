/*
 * Posting. The hard part is to stay equal to the disk: everything that a
 * transaction changes in memory is noted in `undo` on its first change and
 * put back when the transaction does not commit.
 */
#include "billing/post.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "billing/seal.h"

__extension__ typedef __int128 wide;

/* Orders post one entry, groups POST_GROUP; each moves three counters. */
#define TOUCHED_MAX (POST_GROUP * ENTRY_MOVES)

struct old_balance {
	uint32_t counter;
	struct balance_record was;
};

struct old_slotgen {
	uint32_t slot;
	struct slotgen_record was;
};

struct post_undo {
	uint32_t n_balances;
	uint32_t n_slots;
	struct old_balance balances[TOUCHED_MAX];
	struct old_slotgen slots[POST_GROUP];
	/* What has changed, in the order of its keys. */
	uint32_t sorted[TOUCHED_MAX];
	uint32_t spare[TOUCHED_MAX];
};

/* ---- loading ---- */

static void *
sparse(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool
make_image(struct post *p)
{
	p->balance = sparse(sizeof(*p->balance) * SHM_COUNTERS);
	p->round_of = sparse(sizeof(*p->round_of) * SHM_COUNTERS);
	p->slotgen = sparse(sizeof(*p->slotgen) * p->n_slots);
	p->slot_round_of = sparse(sizeof(*p->slot_round_of) * p->n_slots);
	p->undo = calloc(1, sizeof(*p->undo));
	return p->balance && p->round_of && p->slotgen && p->slot_round_of &&
	       p->undo;
}

static enum store
load_balances(struct post *p, wide *sum)
{
	uint64_t key = 0;
	struct str value;
	enum store s = ledger_seek(p->ledger, TABLE_BALANCE, &key, &value);

	for (; s == STORE_OK;
	     s = ledger_next(p->ledger, TABLE_BALANCE, &key, &value)) {
		uint32_t counter = balance_counter(key);

		if (counter == SHM_NONE ||
		    value.n != sizeof(struct balance_record))
			return STORE_DAMAGED;
		memcpy(&p->balance[counter], value.p, value.n);
		*sum += p->balance[counter].balance;
	}
	return s == STORE_NONE ? STORE_OK : s;
}

static enum store
load_slotgens(struct post *p)
{
	uint64_t slot = 0;
	struct str value;
	enum store s = ledger_seek(p->ledger, TABLE_SLOTGEN, &slot, &value);

	for (; s == STORE_OK;
	     s = ledger_next(p->ledger, TABLE_SLOTGEN, &slot, &value)) {
		if (value.n != sizeof(struct slotgen_record))
			return STORE_DAMAGED;
		/* Of a boot with more slots. */
		if (slot < p->n_slots)
			memcpy(&p->slotgen[slot], value.p, value.n);
	}
	return s == STORE_NONE ? STORE_OK : s;
}

static enum store
load_all(struct post *p, struct buf *why)
{
	wide sum = 0;
	enum store s =
		record_get(p->ledger, TABLE_META, 1, &p->meta, sizeof(p->meta));

	if (s == STORE_NONE)
		s = STORE_DAMAGED;
	if (s == STORE_OK && p->meta.schema != LEDGER_SCHEMA) {
		buf_printf(why, "the ledger has schema %u, this is for %u",
			   p->meta.schema, LEDGER_SCHEMA);
		return STORE_DAMAGED;
	}
	if (s == STORE_OK)
		s = load_balances(p, &sum);
	if (s == STORE_OK && sum != (wide)p->meta.credits - p->meta.debits) {
		buf_add_cstr(why, "the balances do not add up to the totals");
		return STORE_DAMAGED;
	}
	if (s == STORE_OK)
		s = load_slotgens(p);
	if (s == STORE_OK)
		s = names_load(&p->names, p->ledger, p->meta.n_names);
	return s;
}

enum store
post_load(struct post *p, struct ledger *l, uint32_t n_slots, struct buf *why)
{
	enum store s = STORE_FAILED;

	*p = (struct post){.ledger = l, .n_slots = n_slots};
	if (make_image(p))
		s = ledger_begin(l);
	if (s == STORE_OK)
		s = load_all(p, why);
	ledger_end(l);
	if (s != STORE_OK && why->n == 0)
		buf_printf(why, "the ledger cannot be read: %s",
			   ledger_trouble(l));
	return s;
}

static void
unmap(void *p, size_t bytes)
{
	if (p)
		(void)munmap(p, bytes);
}

void
post_free(struct post *p)
{
	names_free(&p->names);
	unmap(p->balance, sizeof(*p->balance) * SHM_COUNTERS);
	unmap(p->round_of, sizeof(*p->round_of) * SHM_COUNTERS);
	unmap(p->slotgen, sizeof(*p->slotgen) * p->n_slots);
	unmap(p->slot_round_of, sizeof(*p->slot_round_of) * p->n_slots);
	free(p->undo);
	*p = (struct post){0};
}

/* ---- the transaction ---- */

enum store
post_begin(struct post *p)
{
	enum store s = ledger_begin(p->ledger);

	must(!p->open);
	if (s != STORE_OK) {
		p->trouble = s;
		return s;
	}
	p->open = true;
	p->saved = p->meta;
	p->saved_names = p->names.next;
	p->undo->n_balances = 0;
	p->undo->n_slots = 0;
	p->round++;
	p->now_ms = clock_wall_ns() / NS_PER_MS;
	return STORE_OK;
}

void
post_abort(struct post *p, enum store why)
{
	struct post_undo *u = p->undo;

	if (why == STORE_NONE || why == STORE_EXISTS)
		why = STORE_OK;
	p->trouble = why == STORE_OK ? p->trouble : why;
	if (!p->open)
		return;
	p->open = false;
	ledger_end(p->ledger);
	for (uint32_t i = 0; i < u->n_balances; i++)
		p->balance[u->balances[i].counter] = u->balances[i].was;
	for (uint32_t i = 0; i < u->n_slots; i++)
		p->slotgen[u->slots[i].slot] = u->slots[i].was;
	names_forget(&p->names, p->saved_names);
	p->meta = p->saved;
}

static void
remember_balance(struct post *p, uint32_t counter)
{
	struct post_undo *u = p->undo;

	if (p->round_of[counter] == p->round)
		return;
	must(u->n_balances < TOUCHED_MAX);
	p->round_of[counter] = p->round;
	u->balances[u->n_balances++] =
		(struct old_balance){counter, p->balance[counter]};
}

bool
post_fits(const struct post *p, const struct entry *e)
{
	int64_t amount = entry_amount(e), total = 0, ignored;
	bool loses = amount >= 0;
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(e, counters);

	if (amount == INT64_MIN)
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct balance_record *b = &p->balance[counters[i]];

		if (__builtin_sub_overflow(b->balance, amount, &ignored) ||
		    (loses ? __builtin_add_overflow(b->debits, amount, &ignored)
			   : __builtin_sub_overflow(b->credits, amount,
						    &ignored)) ||
		    __builtin_add_overflow(total, amount, &total))
			return false;
	}
	return loses ? !__builtin_add_overflow(p->meta.debits, total, &ignored)
		     : !__builtin_sub_overflow(p->meta.credits, total,
					       &ignored);
}

static void
move(struct post *p, uint32_t counter, const struct entry *e)
{
	struct balance_record *b = &p->balance[counter];
	int64_t amount = entry_amount(e);

	remember_balance(p, counter);
	b->balance -= amount;
	b->last_seq = e->seq;
	if (entry_begins_window(e))
		b->window = entry_window(e);
	if (amount >= 0) {
		b->debits += amount;
		p->meta.debits += amount;
	} else {
		b->credits -= amount;
		p->meta.credits -= amount;
	}
}

static enum store
seal_days_before(struct post *p)
{
	enum store s = STORE_OK;

	if (seal_is_due(&p->meta, p->now_ms))
		s = seal_put(p->ledger, &p->meta, p->now_ms);
	if (s == STORE_OK)
		seal_open_day(&p->meta, p->now_ms);
	return s;
}

enum store
post_entry(struct post *p, struct entry *e)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(e, counters);
	enum store s;

	must(p->open && post_fits(p, e));
	s = seal_days_before(p);
	if (s != STORE_OK)
		return s;
	e->seq = p->meta.next_seq++;
	e->commit_ms = p->now_ms;
	for (unsigned i = 0; i < n; i++)
		move(p, counters[i], e);
	e->balance_nano = 0;
	if (e->account != SHM_NONE)
		e->balance_nano =
			p->balance[counter_of_account(e->account)].balance;
	entry_seal(e, p->meta.chain);
	memcpy(p->meta.chain, e->chain, ENTRY_CHAIN);
	return ledger_put(p->ledger, TABLE_ENTRY, e->seq,
			  str_make((const char *)e, sizeof(*e)), PUT_APPEND);
}

static void
remember_slot(struct post *p, uint32_t slot)
{
	struct post_undo *u = p->undo;

	must(p->open && slot < p->n_slots);
	if (p->slot_round_of[slot] == p->round)
		return;
	must(u->n_slots < POST_GROUP);
	p->slot_round_of[slot] = p->round;
	u->slots[u->n_slots++] = (struct old_slotgen){slot, p->slotgen[slot]};
}

void
post_slot(struct post *p, uint32_t slot, uint32_t gen, enum slot_phase phase,
	  uint64_t seq)
{
	remember_slot(p, slot);
	p->slotgen[slot] = (struct slotgen_record){
		.epoch = p->meta.epoch,
		.gen = gen,
		.phase = (uint16_t)phase,
		.seq = seq,
	};
}

void
post_settled(struct post *p, const struct entry *e)
{
	if (e->kind == KIND_REVERSAL) {
		remember_slot(p, e->slot);
		p->slotgen[e->slot].phase = PHASE_REVERSED;
		p->slotgen[e->slot].moves = e->moves;
		return;
	}
	post_slot(p, e->slot, e->gen, PHASE_POSTED, e->seq);
	if (e->moves & MOVES_KEY)
		p->slotgen[e->slot].window =
			post_window(p, counter_of_key(e->key));
}

enum store
post_name(struct post *p, struct str text, uint32_t *id)
{
	return names_intern(&p->names, p->ledger, text, id);
}

/* Sorts by the digits of numbers below 2^24; u->sorted holds the result. */
static void
sort_keys(struct post_undo *u, uint32_t n)
{
	uint32_t *from = u->sorted, *to = u->spare;

	for (unsigned shift = 0; shift < 24; shift += 8) {
		uint32_t at[257] = {0};
		uint32_t *done = to;

		for (uint32_t i = 0; i < n; i++)
			at[(from[i] >> shift & 255) + 1]++;
		for (unsigned i = 1; i < 256; i++)
			at[i] += at[i - 1];
		for (uint32_t i = 0; i < n; i++)
			to[at[from[i] >> shift & 255]++] = from[i];
		to = from;
		from = done;
	}
	memcpy(u->sorted, from, sizeof(*from) * n);
}
_Static_assert(SHM_COUNTERS < 1u << 24, "sort_keys() takes 24 bits");

/* Ascending keys keep the cursor on its page. */
static enum store
flush_balances(struct post *p)
{
	struct post_undo *u = p->undo;
	enum store s = STORE_OK;

	for (uint32_t i = 0; i < u->n_balances; i++)
		u->sorted[i] = u->balances[i].counter;
	sort_keys(u, u->n_balances);
	for (uint32_t i = 0; i < u->n_balances && s == STORE_OK; i++) {
		uint32_t counter = u->sorted[i];
		const struct balance_record *b = &p->balance[counter];

		s = ledger_put(p->ledger, TABLE_BALANCE, balance_key(counter),
			       str_make((const char *)b, sizeof(*b)), PUT_ANY);
	}
	return s;
}

static enum store
flush_slots(struct post *p)
{
	struct post_undo *u = p->undo;
	enum store s = STORE_OK;

	for (uint32_t i = 0; i < u->n_slots; i++)
		u->sorted[i] = u->slots[i].slot;
	sort_keys(u, u->n_slots);
	for (uint32_t i = 0; i < u->n_slots && s == STORE_OK; i++) {
		uint32_t slot = u->sorted[i];
		const struct slotgen_record *g = &p->slotgen[slot];

		s = ledger_put(p->ledger, TABLE_SLOTGEN, slot,
			       str_make((const char *)g, sizeof(*g)), PUT_ANY);
	}
	return s;
}

enum store
post_commit(struct post *p)
{
	enum store s = flush_balances(p);

	must(p->open);
	if (s == STORE_OK)
		s = flush_slots(p);
	p->meta.n_names = p->names.next;
	p->meta.changed_ms = p->now_ms;
	p->meta.transaction = ledger_transaction(p->ledger);
	if (s == STORE_OK)
		s = record_put(p->ledger, TABLE_META, 1, &p->meta,
			       sizeof(p->meta));
	if (s == STORE_OK)
		s = ledger_commit(p->ledger);
	if (s != STORE_OK) {
		post_abort(p, s);
		return s;
	}
	p->open = false;
	p->trouble = STORE_OK;
	return s;
}

enum store
post_seal(struct post *p)
{
	enum store s;

	if (!seal_is_due(&p->meta, clock_wall_ns() / NS_PER_MS))
		return STORE_OK;
	s = post_begin(p);
	if (s != STORE_OK)
		return s;
	s = seal_put(p->ledger, &p->meta, p->now_ms);
	if (s == STORE_OK)
		return post_commit(p);
	post_abort(p, s);
	return s;
}

/* ---- looking ---- */

enum slot_phase
post_phase(const struct post *p, uint32_t slot, uint32_t gen, uint64_t *seq)
{
	const struct slotgen_record *g = &p->slotgen[slot];

	*seq = g->seq;
	if (g->epoch != p->meta.epoch || g->gen != gen)
		return PHASE_NONE;
	return g->phase >= PHASE_REVERSED ? PHASE_REVERSED
	       : g->phase == PHASE_POSTED ? PHASE_POSTED
					  : PHASE_NONE;
}

int64_t
post_balance(const struct post *p, uint32_t counter)
{
	return p->balance[counter].balance;
}

uint32_t
post_window(const struct post *p, uint32_t counter)
{
	return p->balance[counter].window;
}
