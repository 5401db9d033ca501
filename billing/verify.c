/*
 * The offline check. One pass over the entries builds what balances, slot
 * generations and totals must be; then, in the transaction that saw the last
 * entry, the tables are compared with that. The first difference ends it.
 */
#include "billing/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "billing/catalog.h"
#include "billing/price.h"
#include "billing/records.h"
#include "billing/scan.h"
#include "billing/usage.h"
#include "shm/counters.h"

__extension__ typedef __int128 wide;

#define SLOTS (SHM_SLOTS_MAX + SHM_OWN_SLOTS)

struct verify {
	struct scan scan;
	struct meta_record meta;
	struct catalog *catalog;
	struct balance_record *balance; /* by counter */
	struct slotgen_record *slotgen; /* by slot */
	uint32_t n_slots;		/* that were ever posted from */
	uint8_t chain[ENTRY_CHAIN];
	int64_t debits, credits;
	wide sum;
	bool recompute;
	struct buf *out;
};

static void *
sparse(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool
wrong(struct verify *v, uint64_t seq, const char *what)
{
	buf_printf(v->out, "entry %" PRIu64 ": %s", seq, what);
	return false;
}

/* ---- one entry ---- */

static bool
check_refs(struct verify *v, const struct entry *e)
{
	if (e->account >= v->meta.n_accounts && e->account != SHM_NONE)
		return wrong(v, e->seq, "there is no such account");
	if (e->parent != SHM_NONE && e->parent >= v->meta.n_accounts)
		return wrong(v, e->seq, "there is no such parent account");
	if (e->key != SHM_NONE && e->key >= v->meta.n_keys)
		return wrong(v, e->seq, "there is no such key");
	if (e->channel >= v->meta.n_names || e->served >= v->meta.n_names ||
	    e->note >= v->meta.n_names)
		return wrong(v, e->seq, "there is no such name");
	if (e->price_version > v->meta.n_prices)
		return wrong(v, e->seq, "there is no such price version");
	return true;
}

static bool
check_price(struct verify *v, const struct entry *e)
{
	const struct book_row *row;
	struct money price, hold = {e->hold_nano};

	if (!v->recompute || e->reason != REASON_NORMAL || !e->price_version)
		return true;
	row = catalog_price(v->catalog, e->price_version, e->model);
	if (!row)
		return wrong(v, e->seq, "its price row is missing");
	if (!price_of(row, &e->tokens, e->multiplier_ppm, &price))
		return wrong(v, e->seq, "its price does not fit");
	/* More than the hold is never charged; the entry says so. */
	if (e->flags & (NOTE_OVER_HOLD | NOTE_ESTIMATED))
		price = money_min(price, hold);
	if (price.nano != e->charge_nano)
		return wrong(v, e->seq,
			     "its charge is not the price of its tokens");
	return true;
}

static bool
check_request(struct verify *v, const struct entry *e)
{
	if (e->charge_nano < 0 || e->hold_nano < 0 || e->upstream_nano < 0)
		return wrong(v, e->seq, "an amount is negative");
	if (e->charge_nano > e->hold_nano && e->moves)
		return wrong(v, e->seq, "more is charged than was held");
	if (e->absorbed_nano !=
	    entry_absorbed(e->upstream_nano, e->charge_nano))
		return wrong(v, e->seq, "absorbed is not upstream - charge");
	return check_price(v, e);
}

static bool
same_settlement(const struct entry *a, const struct entry *b)
{
	return a->epoch == b->epoch && a->slot == b->slot && a->gen == b->gen;
}

/* All that the charge moved, but for a budget whose window is over. */
static uint8_t
reversible_moves(const struct verify *v, const struct entry *original)
{
	uint32_t budget = counter_of_key(original->key);

	if ((original->moves & MOVES_KEY) &&
	    v->slotgen[original->slot].window != v->balance[budget].window)
		return original->moves & (uint8_t)~MOVES_KEY;
	return original->moves;
}

static bool
check_reversal(struct verify *v, const struct entry *e)
{
	struct entry original;

	if (e->ref == 0 || e->ref >= e->seq)
		return wrong(v, e->seq, "it reverses no earlier entry");
	if (scan_get(&v->scan, e->ref, &original) != STORE_OK)
		return wrong(v, e->seq, "what it reverses cannot be read");
	if (original.kind != KIND_REQUEST || !same_settlement(e, &original) ||
	    original.charge_nano != -e->charge_nano ||
	    original.account != e->account || original.key != e->key)
		return wrong(v, e->seq, "it is not what it reverses");
	if (e->moves != reversible_moves(v, &original))
		return wrong(v, e->seq,
			     "it moves other counters than it reverses");
	return true;
}

/* A new window holds its limit, whatever is held in it. */
static bool
check_rollover(struct verify *v, const struct entry *e)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(e, counters);

	if (n != 1 || e->moves == MOVES_ACCOUNT)
		return wrong(v, e->seq, "no window of a budget or a cap");
	if (v->balance[counters[0]].balance - e->charge_nano != e->hold_nano)
		return wrong(v, e->seq, "the new window is not at its limit");
	return true;
}

/* A leg: the operator's money only. */
static bool
check_attempt(struct verify *v, const struct entry *e)
{
	if (e->upstream_nano < 0 || e->charge_nano != 0)
		return wrong(v, e->seq, "an attempt that charges a customer");
	if (e->kind == KIND_CAP && e->moves != MOVES_CHANNEL)
		return wrong(v, e->seq, "a cap that moves no channel");
	return (e->moves & ~MOVES_CHANNEL) == 0 ||
	       wrong(v, e->seq, "an attempt that moves a customer's counter");
}

static bool
check_kind(struct verify *v, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
	case KIND_REQUEST: return check_request(v, e);
	case KIND_REVERSAL: return check_reversal(v, e);
	case KIND_TOPUP:
		return e->charge_nano < 0 ||
		       wrong(v, e->seq, "a top-up that takes money");
	case KIND_REFUND:
		return e->charge_nano > 0 ||
		       wrong(v, e->seq, "a refund that brings money");
	case KIND_LIMIT:
		return e->moves == MOVES_KEY || e->moves == MOVES_CHANNEL ||
		       wrong(v, e->seq, "a limit that moves an account");
	case KIND_ROLLOVER: return check_rollover(v, e);
	case KIND_ATTEMPT:
	case KIND_CAP: return check_attempt(v, e);
	case KIND_FEE:
		return e->charge_nano >= 0 ||
		       wrong(v, e->seq, "a fee that brings money");
	case KIND_CREDIT:
	case KIND_CORRECTION:
	case KIND_COUNT: break;
	}
	return true;
}

/* Of the budget that a request is charged to. */
static uint32_t
window_of(const struct verify *v, const struct entry *e)
{
	if (e->kind != KIND_REQUEST || !(e->moves & MOVES_KEY))
		return 0;
	return v->balance[counter_of_key(e->key)].window;
}

/* Each slot's generations only grow: nothing is posted or reversed twice. */
static bool
follow_slot(struct verify *v, const struct entry *e)
{
	struct slotgen_record *g;
	bool newer;

	if (e->slot == SHM_NONE)
		return true;
	if (e->slot >= SLOTS)
		return wrong(v, e->seq, "there is no such slot");
	g = &v->slotgen[e->slot];
	newer = g->phase == PHASE_NONE || e->epoch > g->epoch ||
		(e->epoch == g->epoch && e->gen > g->gen);
	if (e->kind == KIND_REVERSAL) {
		if (g->phase != PHASE_POSTED || g->seq != e->ref)
			return wrong(v, e->seq, "it is reversed twice");
		g->phase = PHASE_REVERSED;
		g->moves = e->moves;
		return true;
	}
	if (!newer)
		return wrong(v, e->seq, "it is posted twice");
	v->n_slots += g->phase == PHASE_NONE;
	*g = (struct slotgen_record){
		.epoch = e->epoch,
		.gen = e->gen,
		.phase = PHASE_POSTED,
		.window = window_of(v, e),
		.seq = e->seq,
	};
	return true;
}

static bool
follow_money(struct verify *v, const struct entry *e)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(e, counters);
	int64_t loss = entry_amount(e), amount = loss >= 0 ? loss : -loss;

	for (unsigned i = 0; i < n; i++) {
		struct balance_record *b = &v->balance[counters[i]];
		int64_t *side = loss >= 0 ? &b->debits : &b->credits;
		int64_t *all = loss >= 0 ? &v->debits : &v->credits;

		if (__builtin_sub_overflow(b->balance, loss, &b->balance) ||
		    __builtin_add_overflow(*side, amount, side) ||
		    __builtin_add_overflow(*all, amount, all))
			return wrong(v, e->seq, "a balance overflows");
		b->last_seq = e->seq;
		if (entry_begins_window(e))
			b->window = entry_window(e);
	}
	if (e->account != SHM_NONE &&
	    v->balance[counter_of_account(e->account)].balance !=
		    e->balance_nano)
		return wrong(v, e->seq,
			     "its balance is not the sum of the entries");
	return true;
}

static bool
check_entry(struct verify *v, const struct entry *e, uint64_t seq)
{
	enum entry_fault fault = entry_check(e, v->chain);

	if (fault != ENTRY_FINE)
		return wrong(v, seq, entry_fault_text(fault));
	if (e->seq != seq)
		return wrong(v, seq, "it has another number");
	memcpy(v->chain, e->chain, ENTRY_CHAIN);
	return check_refs(v, e) && check_kind(v, e) && follow_slot(v, e) &&
	       follow_money(v, e);
}

/* ---- the tables ---- */

static bool
wrong_counter(struct verify *v, uint32_t counter, const char *what)
{
	if (counter < SHM_ACCOUNTS)
		buf_printf(v->out, "account %u: %s", counter, what);
	else if (counter < counter_of_channel(0))
		buf_printf(v->out, "budget of key %u: %s",
			   counter - SHM_ACCOUNTS, what);
	else
		buf_printf(v->out, "cap %u: %s",
			   counter - counter_of_channel(0), what);
	return false;
}

static bool
check_balances(struct verify *v)
{
	struct ledger *l = v->scan.ledger;
	static const struct balance_record none;
	struct str value;
	uint64_t key = 0;
	enum store s = ledger_seek(l, TABLE_BALANCE, &key, &value);

	for (; s == STORE_OK; s = ledger_next(l, TABLE_BALANCE, &key, &value)) {
		uint32_t counter = balance_counter(key);

		if (counter == SHM_NONE) {
			buf_printf(v->out, "balance %" PRIu64 ": no counter",
				   key);
			return false;
		}
		if (value.n != sizeof(none) ||
		    memcmp(value.p, &v->balance[counter], value.n) != 0)
			return wrong_counter(v, counter,
					     "the balance table differs from "
					     "the entries");
		v->sum += v->balance[counter].balance;
		/* What is left over below has no row. */
		v->balance[counter] = none;
	}
	if (s != STORE_NONE)
		return wrong(v, 0, "the balance table cannot be read");
	for (uint32_t i = 0; i < v->meta.n_accounts; i++)
		if (v->balance[i].last_seq)
			return wrong_counter(v, i, "it has no balance");
	for (uint32_t i = 0; i < v->meta.n_keys; i++)
		if (v->balance[counter_of_key(i)].last_seq)
			return wrong_counter(v, counter_of_key(i),
					     "it has no balance");
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (v->balance[counter_of_channel(i)].last_seq)
			return wrong_counter(v, counter_of_channel(i),
					     "it has no balance");
	return true;
}

static bool
wrong_table(struct verify *v, const char *table, uint64_t id, const char *what)
{
	buf_printf(v->out, "%s %" PRIu64 ": %s", table, id, what);
	return false;
}

static bool
check_slotgens(struct verify *v)
{
	struct ledger *l = v->scan.ledger;
	struct str value;
	uint64_t slot = 0;
	uint32_t n = 0;
	enum store s = ledger_seek(l, TABLE_SLOTGEN, &slot, &value);

	for (; s == STORE_OK;
	     s = ledger_next(l, TABLE_SLOTGEN, &slot, &value)) {
		if (slot >= SLOTS || value.n != sizeof(struct slotgen_record) ||
		    memcmp(value.p, &v->slotgen[slot], value.n) != 0)
			return wrong_table(v, "slot", slot,
					   "its generation differs from the "
					   "entries");
		n++;
	}
	if (s != STORE_NONE)
		return wrong_table(v, "slot", slot, "cannot be read");
	if (n != v->n_slots)
		return wrong_table(v, "slots", v->n_slots,
				   "a generation is missing");
	return true;
}

/* Every row is whole, and they are as many as the totals say. */
static bool
check_rows(struct verify *v, enum ledger_table t, const char *name, size_t size,
	   uint32_t n)
{
	struct ledger *l = v->scan.ledger;
	char *row = malloc(size);
	struct str value;
	uint64_t id = 0, want = 0;
	enum store s = ledger_seek(l, t, &id, &value);
	bool fine = row != NULL;

	for (; fine && s == STORE_OK; s = ledger_next(l, t, &id, &value))
		fine = id == want++ && record_read(value, row, size);
	free(row);
	if (fine && s == STORE_NONE && want == n)
		return true;
	return wrong_table(v, name, fine ? want : want - 1,
			   "the row is damaged or missing");
}

static bool
check_prices(struct verify *v)
{
	for (uint32_t i = 1; i <= v->meta.n_prices; i++) {
		struct book_row *rows = NULL;
		uint32_t n;
		enum store s = price_get(v->scan.ledger, i, &rows, &n);

		free(rows);
		if (s != STORE_OK)
			return wrong_table(v, "price version", i,
					   "damaged or missing");
	}
	return true;
}

static bool
check_names(struct verify *v)
{
	char text[NAME_TEXT];

	for (uint32_t i = 2; i < v->meta.n_names; i++)
		if (name_get(v->scan.ledger, i, text) != STORE_OK)
			return wrong_table(v, "name", i, "damaged or missing");
	return true;
}

static bool
check_caps(struct verify *v)
{
	struct cap_record c;
	struct str value;
	uint64_t id = 0, want = 0;
	enum store s = ledger_seek(v->scan.ledger, TABLE_CAP, &id, &value);

	for (; s == STORE_OK;
	     s = ledger_next(v->scan.ledger, TABLE_CAP, &id, &value))
		if (id != want++ || !record_read(value, &c, sizeof(c)))
			return wrong_table(v, "cap", want - 1,
					   "the row is damaged or missing");
	return s == STORE_NONE || wrong_table(v, "cap", want, "cannot be read");
}

static bool
check_idems(struct verify *v)
{
	struct idem_record r;
	struct str value;
	uint64_t n = 0;
	enum store s = ledger_idem_each(v->scan.ledger, true, &value);

	for (; s == STORE_OK;
	     s = ledger_idem_each(v->scan.ledger, false, &value), n++)
		if (!record_read(value, &r, sizeof(r)) ||
		    r.seq >= v->meta.next_seq)
			return wrong_table(v, "idempotency record", n,
					   "is damaged");
	return s == STORE_NONE ||
	       wrong_table(v, "idempotency record", n, "cannot be read");
}

static bool
check_totals(struct verify *v)
{
	struct str value;
	uint64_t seq = 0;
	enum store s = ledger_last(v->scan.ledger, TABLE_ENTRY, &seq, &value);

	if (s == STORE_NONE)
		seq = 0;
	if (seq + 1 != v->meta.next_seq)
		return wrong_table(v, "entries", seq,
				   "the totals name another last entry");
	if (memcmp(v->chain, v->meta.chain, ENTRY_CHAIN) != 0)
		return wrong(v, seq, "it is not the last one of the totals");
	if (v->debits != v->meta.debits || v->credits != v->meta.credits)
		return wrong_table(v, "totals", 1, "differ from the entries");
	return true;
}

/* In one transaction, at a moment where all entries were seen. */
static bool
check_tables(struct verify *v)
{
	return check_totals(v) && check_balances(v) && check_slotgens(v) &&
	       check_rows(v, TABLE_ACCOUNT, "account",
			  sizeof(struct account_record), v->meta.n_accounts) &&
	       check_rows(v, TABLE_KEY, "key", sizeof(struct key_record),
			  v->meta.n_keys) &&
	       check_prices(v) && check_names(v) && check_caps(v) &&
	       check_idems(v);
}

/* ---- the pass ---- */

/* Entries that came since; false: none, and the transaction is new. */
static bool
more_came(struct verify *v, enum store *s)
{
	struct meta_record now;

	scan_end(&v->scan);
	*s = ledger_begin(v->scan.ledger);
	v->scan.open = *s == STORE_OK;
	v->scan.left = SCAN_PART;
	if (*s == STORE_OK)
		*s = record_get(v->scan.ledger, TABLE_META, 1, &now,
				sizeof(now));
	if (*s != STORE_OK)
		return false;
	v->meta = now;
	if (now.next_seq <= v->scan.end)
		return false;
	v->scan.end = now.next_seq;
	return true;
}

static enum verify_result
pass(struct verify *v)
{
	struct entry e;
	enum store s = scan_begin(&v->scan, v->scan.ledger, &v->meta);

	if (s != STORE_OK) {
		buf_add_cstr(v->out, "the totals are damaged");
		return VERIFY_DAMAGED;
	}
	do {
		uint64_t seq = v->scan.next;

		s = scan_next(&v->scan, &e);
		if (s == STORE_DAMAGED) {
			(void)wrong(v, seq, "it is missing");
			return VERIFY_DIFFERS;
		}
		if (s == STORE_OK && !check_entry(v, &e, seq))
			return VERIFY_DIFFERS;
	} while (s == STORE_OK || (s == STORE_NONE && more_came(v, &s)));
	if (s != STORE_OK && s != STORE_NONE) {
		buf_add_cstr(v->out, ledger_trouble(v->scan.ledger));
		return VERIFY_DAMAGED;
	}
	return check_tables(v) ? VERIFY_BALANCED : VERIFY_DIFFERS;
}

enum verify_result
verify_ledger(struct ledger *l, bool recompute, struct buf *out)
{
	size_t balances = sizeof(struct balance_record) * SHM_COUNTERS;
	size_t slotgens = sizeof(struct slotgen_record) * SLOTS;
	struct verify v = {
		.scan.ledger = l,
		.catalog = catalog_new(l),
		.balance = sparse(balances),
		.slotgen = sparse(slotgens),
		.recompute = recompute,
		.out = out,
	};
	enum verify_result r = VERIFY_DAMAGED;

	if (v.catalog && v.balance && v.slotgen)
		r = pass(&v);
	else
		buf_add_cstr(out, "out of memory");
	scan_end(&v.scan);
	if (r == VERIFY_BALANCED)
		buf_printf(out,
			   "balanced: %" PRIu64 " entries, sum %lld, chain ok",
			   v.meta.next_seq - 1,
			   (long long)(v.sum + v.debits - v.credits));
	if (v.balance)
		(void)munmap(v.balance, balances);
	if (v.slotgen)
		(void)munmap(v.slotgen, slotgens);
	catalog_free(v.catalog);
	return r;
}
