/*
 * The invoice of an account for a period. Entries are immutable and belong to
 * the period of their commit, prices and names they refer to never change, so
 * an invoice of a period that is over has the same bytes for ever. Nothing in
 * it comes from what can change: no plan, no group, no key.
 */
#include "billing/invoice.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "billing/base.h"
#include "shm/counters.h"

int64_t
invoice_total(const struct invoice *v)
{
	return v->usage - v->by_kind[KIND_FEE] - v->by_kind[KIND_CREDIT] -
	       v->by_kind[KIND_CORRECTION];
}

int64_t
invoice_due(const struct invoice *v)
{
	return v->closing < 0 ? -v->closing : 0;
}

static bool
is_of(const struct invoice *v, const struct entry *e)
{
	return ((e->moves & MOVES_ACCOUNT) && e->account == v->account) ||
	       ((e->moves & MOVES_PARENT) && e->parent == v->account);
}

static enum store
add_usage(struct invoice *v, const struct entry *e, int64_t sign)
{
	const struct book_row *price =
		catalog_price(v->r->catalog, e->price_version, e->model);
	struct invoice_key key;
	struct split s;

	if (!price || e->charge_nano < 0)
		return STORE_DAMAGED;
	s = split_charge(price, e);
	memset(&key, 0, sizeof(key));
	memcpy(key.model, price->name, strnlen(price->name, MODEL_NAME));
	key.ppm = e->multiplier_ppm;
	for (unsigned i = 0; i < SPLIT_CLASSES; i++) {
		struct invoice_line *line;

		if (!s.quantity[i] && !s.charge[i])
			continue;
		key.class = i;
		key.pico = split_price(price, &e->tokens, i);
		line = tally_row(&v->lines, &key);
		if (!line)
			return STORE_FAILED;
		line->quantity += sign * s.quantity[i];
		line->charge += sign * s.charge[i];
	}
	return STORE_OK;
}

static enum store
add_move(struct invoice *v, const struct entry *e)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 32;
		struct invoice_move *more =
			realloc(v->moves, cap * sizeof(*more));

		if (!more)
			return STORE_FAILED;
		v->moves = more;
		v->cap = cap;
	}
	v->by_kind[e->kind] -= e->charge_nano;
	v->moves[v->n++] = (struct invoice_move){
		.ms = e->commit_ms,
		.nano = -e->charge_nano,
		.note = entry_note(e),
		.kind = e->kind,
	};
	return STORE_OK;
}

static enum store
add_reversal(struct invoice *v, const struct entry *e)
{
	struct entry original;
	enum store s = report_entry(v->r, e->ref, &original);

	v->usage += e->charge_nano;
	if (s != STORE_OK)
		return s == STORE_NONE ? STORE_DAMAGED : s;
	if (original.charge_nano != -e->charge_nano)
		return STORE_DAMAGED;
	return add_usage(v, &original, -1);
}

static enum store
add_entry(struct invoice *v, const struct entry *e)
{
	v->closing -= e->charge_nano;
	if (e->commit_ms < v->r->job->filter.from_ms) {
		v->opening -= e->charge_nano;
		return STORE_OK;
	}
	if (v->r->sum->first_seq == 0)
		v->r->sum->first_seq = e->seq;
	v->r->sum->last_seq = e->seq;
	report_add(v->r, e, e->charge_nano);
	switch ((enum entry_kind)e->kind) {
	case KIND_REQUEST:
		v->requests++;
		v->usage += e->charge_nano;
		return add_usage(v, e, 1);
	case KIND_REVERSAL: return add_reversal(v, e);
	case KIND_TOPUP:
	case KIND_REFUND:
	case KIND_CORRECTION:
	case KIND_CREDIT:
	case KIND_FEE: return add_move(v, e);
	case KIND_LIMIT:
	case KIND_ATTEMPT:
	case KIND_CAP:
	case KIND_ROLLOVER:
	case KIND_COUNT: break; /* move no account */
	}
	return STORE_OK;
}

/* The first moment of its month, UTC: whole months are dropped. */
static uint64_t
month_of(uint64_t ms)
{
	char text[TIME_TEXT];
	uint64_t ns = 0;

	(void)time_text(ms * NS_PER_MS, 0, text);
	memcpy(text + 8, "01", 2);
	return time_parse(str_make(text, 10), &ns) ? ns / NS_PER_MS : ms;
}

/* Of entries that were dropped only the balances are left. */
static enum store
open_at_base(struct invoice *v)
{
	struct report *r = v->r;
	struct entry first;
	enum store s;

	s = base_balance(r->job->ledger, &r->meta,
			 counter_of_account(v->account), &v->opening);
	v->closing = v->opening;
	if (s != STORE_OK || r->meta.first_seq <= 1 ||
	    r->meta.first_seq == r->meta.next_seq)
		return s;
	s = scan_get(&r->scan, r->meta.first_seq, &first);
	if (s != STORE_OK ||
	    r->job->filter.from_ms >= month_of(first.commit_ms))
		return s;
	buf_add_cstr(r->error, "entries of this period were dropped from the "
			       "ledger: they are in its segments");
	return STORE_FAILED;
}

static enum store
collect(struct invoice *v)
{
	uint64_t to = v->r->job->filter.to_ms;
	enum store s = open_at_base(v);
	struct entry e;

	if (s != STORE_OK)
		return s;

	/* Of the ledger nothing but its part in the invoice: what comes later
	 * changes no byte. */
	v->r->sum->first_seq = v->r->sum->last_seq = 0;
	while ((s = scan_next(&v->r->scan, &e)) == STORE_OK) {
		if (!is_of(v, &e) || (to && e.commit_ms >= to))
			continue;
		s = add_entry(v, &e);
		if (s == STORE_FAILED && v->r->error->n == 0)
			buf_add_cstr(v->r->error, "out of memory");
		if (s != STORE_OK)
			return s;
	}
	return s;
}

static int
by_model(const void *a, const void *b)
{
	const struct invoice_key *x = a, *y = b;
	int c = strncmp(x->model, y->model, sizeof(x->model));

	if (c)
		return c;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->pico != y->pico)
		return x->pico < y->pico ? -1 : 1;
	return (x->ppm > y->ppm) - (x->ppm < y->ppm);
}

static enum store
write_page(struct invoice *v)
{
	struct sheet *s = &v->r->sheet;

	tally_sort(&v->lines, by_model);
	if (v->r->job->html)
		invoice_html(v, &s->out);
	else
		invoice_json(v, &s->out);
	s->rows = v->lines.n;
	return STORE_OK;
}

enum report_result
report_invoice(const struct report_job *job, struct report_sum *sum,
	       struct buf *error)
{
	struct report r;
	struct invoice v = {.r = &r};
	enum report_result result = report_open(&r, job, sum, error);
	enum store s;

	tally_init(&v.lines, sizeof(struct invoice_key),
		   sizeof(struct invoice_line));
	if (result == REPORT_DONE) {
		v.account = r.account;
		v.draft = job->filter.to_ms == 0 ||
			  job->filter.to_ms > job->now_ms;
		sheet_begin(&r.sheet, SHEET_JSON, true, NULL, 0);
		s = collect(&v);
		if (s == STORE_NONE)
			s = write_page(&v);
		result = report_finish(&r, s);
	}
	tally_free(&v.lines);
	free(v.moves);
	report_close(&r);
	return result;
}
