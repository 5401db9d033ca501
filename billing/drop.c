/*
 * Dropping. First all is checked: the file by itself, and the ledger's entries
 * up to its end. One transaction makes what they add up to the base; from then
 * on they do not count any more, and are removed in small ones.
 */
#include "billing/drop.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "billing/base.h"
#include "billing/scan.h"
#include "billing/segment.h"

/* Entries of one transaction: it must not grow large. */
#define PART 4096u

struct drop {
	const char *state_dir;
	const char *path;
	uint32_t month;
	struct segment file;
	struct segment_head want;
	struct meta_record meta;
	struct replay books;
	struct base_record base;
	struct buf *out;
	bool base_stands; /* an earlier attempt got that far */
};

static enum drop_result
refuse(struct drop *d, const char *why)
{
	buf_add_cstr(d->out, why);
	return DROP_REFUSED;
}

/* ---- looking ---- */

static enum drop_result
compare_file(struct drop *d)
{
	const struct segment_head *h = d->file.head, *w = &d->want;

	if (!segment_check(&d->file, d->out))
		return DROP_DAMAGED;
	if (memcmp(h->uuid, w->uuid, LEDGER_UUID) != 0)
		return refuse(d, "the file is of another ledger");
	if (h->month != w->month || h->first_seq != w->first_seq ||
	    h->last_seq != w->last_seq ||
	    memcmp(h->chain_before, w->chain_before, ENTRY_CHAIN) != 0 ||
	    memcmp(h->chain_after, w->chain_after, ENTRY_CHAIN) != 0)
		return refuse(d, "the file does not hold these entries");
	return DROP_DONE;
}

static enum drop_result
find_month(struct drop *d, struct ledger *l)
{
	if (!segment_range(l, &d->meta, d->month, &d->want, d->out))
		return DROP_REFUSED;
	d->base_stands = d->want.last_seq < d->meta.first_seq;
	if (d->base_stands)
		return DROP_DONE;
	if (d->want.first_seq != d->meta.first_seq) {
		buf_printf(d->out,
			   "drop the months before first: the oldest entry is "
			   "%" PRIu64,
			   d->meta.first_seq);
		return DROP_REFUSED;
	}
	if (!d->meta.clean)
		return refuse(d, "the last server did not end in order: start "
				 "it and stop it again first");
	return compare_file(d);
}

static uint32_t
seals_until(struct ledger *l, uint64_t last_seq)
{
	struct seal_record row;
	struct str value;
	uint64_t number = 1;
	uint32_t n = 0;
	enum store s = ledger_seek(l, TABLE_SEAL, &number, &value);

	for (; s == STORE_OK && record_read(value, &row, sizeof(row)) &&
	       row.last_seq <= last_seq;
	     s = ledger_next(l, TABLE_SEAL, &number, &value))
		n = row.number;
	return n;
}

static enum drop_result
wrong(struct drop *d, uint64_t seq, const char *what)
{
	buf_printf(d->out, "entry %" PRIu64 ": %s", seq, what);
	return DROP_DAMAGED;
}

/* What the base and the entries up to the month's end add up to. */
static enum drop_result
follow(struct drop *d, struct scan *scan)
{
	const char *fault = "";
	struct entry e;
	enum store s;

	if (base_load(scan->ledger, &d->meta, &d->books, &d->base) != STORE_OK)
		return refuse(d, "the base is damaged");
	scan->end = d->want.last_seq + 1;
	while ((s = scan_next(scan, &e)) == STORE_OK) {
		enum entry_fault f = entry_check(&e, d->books.chain);

		if (f != ENTRY_FINE)
			return wrong(d, e.seq, entry_fault_text(f));
		if (!replay_entry(&d->books, &e, &fault))
			return wrong(d, e.seq, fault);
		memcpy(d->books.chain, e.chain, ENTRY_CHAIN);
	}
	if (s != STORE_NONE)
		return wrong(d, scan->next, "it is missing");
	d->base = (struct base_record){
		.first_seq = d->want.last_seq + 1,
		.made_ms = clock_wall_ns() / NS_PER_MS,
		.n_seals = seals_until(scan->ledger, d->want.last_seq),
	};
	return DROP_DONE;
}

static enum drop_result
look(struct drop *d)
{
	struct ledger *l = NULL;
	struct scan scan = {0};
	enum drop_result r = DROP_DAMAGED;

	if (ledger_open(&l, d->state_dir, LEDGER_READ, 0, d->out) != STORE_OK)
		return r;
	if (scan_begin(&scan, l, &d->meta) == STORE_OK)
		r = find_month(d, l);
	else
		buf_add_cstr(d->out, "the totals are damaged");
	if (r == DROP_DONE && !d->base_stands)
		r = follow(d, &scan);
	scan_end(&scan);
	ledger_close(l);
	return r;
}

/* ---- changing ---- */

static enum store
move_base(struct drop *d, struct ledger *l)
{
	enum store s = ledger_begin(l);

	if (s == STORE_OK)
		s = base_store(l, &d->books, &d->base);
	d->meta.first_seq = d->base.first_seq;
	d->meta.transaction = ledger_transaction(l);
	if (s == STORE_OK)
		s = record_put(l, TABLE_META, 1, &d->meta, sizeof(d->meta));
	if (s == STORE_OK)
		return ledger_commit(l);
	ledger_end(l);
	return s;
}

/* STORE_NONE: nothing is left. */
static enum store
remove_part(struct drop *d, struct ledger *l)
{
	enum store s = ledger_begin(l);
	struct str value;
	uint32_t n = 0;

	while (s == STORE_OK && n < PART) {
		uint64_t seq = 0;

		s = ledger_seek(l, TABLE_ENTRY, &seq, &value);
		if (s == STORE_OK && seq >= d->meta.first_seq)
			s = STORE_NONE;
		if (s == STORE_OK)
			s = ledger_delete(l, TABLE_ENTRY, seq);
		n += s == STORE_OK;
	}
	if ((s != STORE_OK && s != STORE_NONE) || n == 0) {
		ledger_end(l);
		return s;
	}
	d->meta.transaction = ledger_transaction(l);
	s = record_put(l, TABLE_META, 1, &d->meta, sizeof(d->meta));
	if (s == STORE_OK)
		return ledger_commit(l);
	ledger_end(l);
	return s;
}

static enum drop_result
change(struct drop *d)
{
	struct ledger *l = NULL;
	enum store s = ledger_open(&l, d->state_dir, LEDGER_WRITE, 0, d->out);

	if (s == STORE_OK && !d->base_stands)
		s = move_base(d, l);
	while (s == STORE_OK)
		s = remove_part(d, l);
	if (s != STORE_NONE && l)
		buf_printf(d->out, "the entries cannot be removed: %s",
			   ledger_trouble(l));
	ledger_close(l);
	return s == STORE_NONE ? DROP_DONE : DROP_FAILED;
}

enum drop_result
drop_month(const char *state_dir, uint32_t month, const char *path,
	   struct buf *out)
{
	struct drop d = {
		.state_dir = state_dir,
		.path = path,
		.month = month,
		.out = out,
	};
	enum drop_result r = DROP_FAILED;

	if (!segment_open(&d.file, path, out))
		return DROP_REFUSED;
	if (replay_init(&d.books))
		r = look(&d);
	else
		buf_add_cstr(out, "out of memory");
	if (r == DROP_DONE)
		r = change(&d);
	if (r == DROP_DONE)
		buf_printf(out,
			   "entries %" PRIu64 " to %" PRIu64
			   " are dropped; the ledger begins at %" PRIu64,
			   d.want.first_seq, d.want.last_seq, d.meta.first_seq);
	replay_free(&d.books);
	segment_close(&d.file);
	return r;
}
