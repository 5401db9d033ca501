/*
 * The offline check. One pass over the entries builds what balances, slot
 * generations and totals must be; then, in the transaction that saw the last
 * entry, the tables are compared with that. The first difference ends it.
 * Chains are checked many at a time: each needs the one stored before it
 * only.
 */
#include "billing/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/verify_base.h"

bool
verify_wrong(struct verify *v, uint64_t seq, const char *what)
{
	buf_printf(v->out, "entry %" PRIu64 ": %s", seq, what);
	return false;
}

bool
verify_wrong_row(struct verify *v, const char *table, uint64_t id,
		 const char *what)
{
	buf_printf(v->out, "%s %" PRIu64 ": %s", table, id, what);
	return false;
}

/* ---- the entries ---- */

static bool
check_entry(struct verify *v, const struct entry *e, uint64_t seq)
{
	if (e->seq != seq)
		return verify_wrong(v, seq, "it has another number");
	if (!verify_seals_entry(v, e) || !verify_entry(v, e))
		return false;
	memcpy(v->books.chain, e->chain, ENTRY_CHAIN);
	return true;
}

bool
verify_batch(struct verify *v, const struct entry *e, unsigned n, uint64_t seq)
{
	enum entry_fault fault;
	unsigned good = entry_check_many(e, n, v->books.chain, &fault);

	for (unsigned i = 0; i < good; i++)
		if (!check_entry(v, &e[i], seq + i))
			return false;
	return good == n ||
	       verify_wrong(v, seq + good, entry_fault_text(fault));
}

static enum store
read_batch(struct verify *v, struct entry *e, unsigned *n)
{
	enum store s = STORE_OK;

	for (*n = 0; *n < VERIFY_BATCH; (*n)++) {
		s = scan_next(&v->scan, &e[*n]);
		if (s != STORE_OK)
			break;
	}
	return s;
}

/* Entries that came since; false: none, and the transaction is new. */
static bool
more_came(struct verify *v, enum store *s)
{
	struct meta_record now;

	scan_end(&v->scan);
	*s = ledger_begin(v->scan.ledger);
	v->scan.open = *s == STORE_OK;
	v->scan.left = SCAN_PART;
	scan_move(&v->scan, v->scan.next); /* its cursor is nowhere yet */
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

enum verify_result
verify_entries(struct verify *v)
{
	struct entry batch[VERIFY_BATCH];
	enum store s;
	unsigned n;

	do {
		uint64_t seq = v->scan.next;

		s = read_batch(v, batch, &n);
		if (!verify_batch(v, batch, n, seq))
			return VERIFY_DIFFERS;
		if (s == STORE_DAMAGED) {
			(void)verify_wrong(v, v->scan.next, "it is missing");
			return VERIFY_DIFFERS;
		}
	} while (s == STORE_OK || (s == STORE_NONE && more_came(v, &s)));
	if (s == STORE_OK || s == STORE_NONE)
		return VERIFY_BALANCED;
	buf_add_cstr(v->out, ledger_trouble(v->scan.ledger));
	return VERIFY_DAMAGED;
}

/* ---- the whole ---- */

static bool
begin_at_base(struct verify *v)
{
	if (base_load(v->scan.ledger, &v->meta, &v->books, &v->base) !=
	    STORE_OK) {
		buf_add_cstr(v->out, "the base is damaged");
		return false;
	}
	v->seals_before = v->base.n_seals;
	return verify_seals_begin(v);
}

bool
verify_open(struct verify *v, struct ledger *l, const char *segments,
	    struct buf *out)
{
	*v = (struct verify){
		.scan.ledger = l,
		.catalog = catalog_new(l),
		.out = out,
	};
	if (!replay_init(&v->books) || !v->catalog) {
		buf_add_cstr(out, "out of memory");
		return false;
	}
	if (scan_begin(&v->scan, l, &v->meta) == STORE_OK)
		return segments ? verify_segments(v, segments)
				: begin_at_base(v);
	buf_add_cstr(out, "the totals are damaged");
	return false;
}

void
verify_close(struct verify *v)
{
	scan_end(&v->scan);
	replay_free(&v->books);
	catalog_free(v->catalog);
	for (unsigned i = 0; i < v->n_segments; i++)
		segment_close(&v->segments[i]);
	free(v->segments);
	free(v->seals);
	free(v->ends);
}

static void
say_balanced(struct verify *v)
{
	buf_printf(v->out, "balanced: %" PRIu64 " entries, sum %lld, chain ok",
		   v->meta.next_seq - 1,
		   (long long)(v->sum + v->books.debits - v->books.credits));
	if (v->n_segments)
		buf_printf(v->out, ", with %u segments", v->n_segments);
	else if (v->meta.first_seq > 1)
		buf_printf(v->out, ", from entry %" PRIu64, v->meta.first_seq);
}

enum verify_result
verify_history(struct ledger *l, const char *segments, bool recompute,
	       struct buf *out)
{
	enum verify_result r = VERIFY_DAMAGED;
	struct verify v = {0};
	bool open = verify_open(&v, l, segments, out);

	v.recompute = recompute;
	if (open)
		r = verify_entries(&v);
	else if (segments)
		r = VERIFY_DIFFERS;
	if (r == VERIFY_BALANCED && !verify_tables(&v))
		r = VERIFY_DIFFERS;
	if (r == VERIFY_BALANCED)
		say_balanced(&v);
	verify_close(&v);
	return r;
}

enum verify_result
verify_ledger(struct ledger *l, bool recompute, struct buf *out)
{
	return verify_history(l, NULL, recompute, out);
}
