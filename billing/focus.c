/*
 * The export in the shape of FOCUS 1.2: usage is summed up by account, key,
 * model, channel, price, class of tokens and hour or day; every other
 * movement of money is a row of its own. All by the time of the commit.
 */
#include "billing/focus.h"

#include <stdlib.h>
#include <string.h>

#include "base/zone.h"
#include "billing/names.h"

#define HOUR_MS 3600000ull

void
focus_month(struct focus *f, uint64_t ms)
{
	uint32_t month;

	if (ms >= f->month_from && ms < f->month_to)
		return;
	month = zone_month(ms);
	f->month_from = zone_start_of_month(month);
	f->month_to = zone_start_of_month(month + 1);
}

/* The hours of a day are counted from its start, so that none belongs to two
 * days wherever the zone's offset is not a whole hour. */
static void
find_period(struct focus *f, uint64_t ms)
{
	uint32_t day;
	uint64_t end;

	if (ms >= f->from && ms < f->to)
		return;
	day = zone_day(ms);
	f->from = zone_start_of_day(day);
	f->to = zone_start_of_day(day + 1);
	if (!f->r->job->hourly)
		return;
	end = f->to;
	f->from += (ms - f->from) / HOUR_MS * HOUR_MS;
	f->to = MIN_OF(f->from + HOUR_MS, end);
}

static struct focus_key
key_of(struct focus *f, const struct entry *e)
{
	struct focus_key key;

	find_period(f, e->commit_ms);
	memset(&key, 0, sizeof(key));
	key.start = f->from;
	key.end = f->to;
	key.account = e->account;
	key.key = e->key;
	key.kind = e->kind;
	return key;
}

/* What it refers to was charged in an earlier month. */
static bool
is_correction(struct focus *f, const struct entry *e, const struct entry *of)
{
	focus_month(f, e->commit_ms);
	return of->commit_ms < f->month_from;
}

static enum store
add_usage(struct focus *f, const struct entry *e, const struct entry *priced,
	  int64_t sign)
{
	const struct book_row *price = catalog_price(
		f->r->catalog, priced->price_version, priced->model);
	struct entry owed = *priced;
	struct focus_key key = key_of(f, e);
	struct split s, up;

	if (!price || priced->charge_nano < 0 || priced->upstream_nano < 0)
		return STORE_DAMAGED;
	owed.charge_nano = sign > 0 ? priced->upstream_nano : 0;
	s = split_charge(price, priced);
	up = split_charge(price, &owed);
	key.kind = KIND_REQUEST;
	key.version = priced->price_version;
	key.above = report_tier(price, priced).above;
	key.model = priced->model;
	key.ppm = priced->multiplier_ppm;
	key.channel = priced->channel;
	key.provider = priced->provider;
	key.correction = sign < 0 && is_correction(f, e, priced);
	for (unsigned i = 0; i < SPLIT_CLASSES; i++) {
		struct focus_row *row;

		if (!s.quantity[i] && !s.charge[i] && !up.charge[i])
			continue;
		key.class = (uint8_t)i;
		key.pico = split_price(price, &priced->tokens, i);
		row = tally_row(&f->rows, &key);
		if (!row)
			return STORE_FAILED;
		row->quantity += sign * s.quantity[i];
		row->charge += sign * s.charge[i];
		row->upstream += up.charge[i];
		row->requests += sign;
	}
	return STORE_OK;
}

/* The entry it refers to; itself if that is not there any more. */
static enum store
referred(struct focus *f, const struct entry *e, struct entry *out)
{
	enum store s = STORE_OK;

	*out = *e;
	if (e->ref > 0 && e->ref < e->seq)
		s = report_entry(f->r, e->ref, out);
	if (s != STORE_NONE)
		return s;
	*out = *e;
	return e->kind == KIND_REVERSAL ? STORE_DAMAGED : STORE_OK;
}

static enum store
add_reversal(struct focus *f, const struct entry *e)
{
	struct entry original;
	enum store s = referred(f, e, &original);

	if (s != STORE_OK)
		return s;
	return original.kind == KIND_REQUEST ? add_usage(f, e, &original, -1)
					     : STORE_DAMAGED;
}

static enum store
add_movement(struct focus *f, const struct entry *e)
{
	struct focus_key key = key_of(f, e);
	struct focus_row *row;
	struct entry of = *e;
	enum store s = STORE_OK;

	if (e->kind == KIND_REFUND || e->kind == KIND_CORRECTION)
		s = referred(f, e, &of);
	if (s != STORE_OK)
		return s;
	key.seq = e->seq;
	key.correction = is_correction(f, e, &of);
	row = tally_row(&f->rows, &key);
	if (!row)
		return STORE_FAILED;
	row->charge = e->charge_nano;
	return STORE_OK;
}

static enum store
add_entry(struct focus *f, const struct entry *e)
{
	if (!(e->moves & MOVES_ACCOUNT) || !report_wants(f->r, e) ||
	    !report_in_period(f->r, e->commit_ms))
		return STORE_OK;
	report_add(f->r, e, e->charge_nano);
	switch ((enum entry_kind)e->kind) {
	case KIND_REQUEST: return add_usage(f, e, e, 1);
	case KIND_REVERSAL: return add_reversal(f, e);
	case KIND_TOPUP:
	case KIND_REFUND:
	case KIND_CORRECTION:
	case KIND_CREDIT:
	case KIND_FEE: return add_movement(f, e);
	case KIND_LIMIT:
	case KIND_ATTEMPT:
	case KIND_CAP:
	case KIND_ROLLOVER:
	case KIND_COUNT: break; /* move no account */
	}
	return STORE_OK;
}

static enum store
collect(struct focus *f)
{
	enum store s;
	struct entry e;

	while ((s = scan_next(&f->r->scan, &e)) == STORE_OK) {
		s = add_entry(f, &e);
		if (s == STORE_FAILED && f->r->error->n == 0)
			buf_add_cstr(f->r->error, "out of memory");
		if (s != STORE_OK)
			return s;
	}
	return s;
}

#define ORDER(a, b)                                \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

static int
by_period(const void *a, const void *b)
{
	const struct focus_key *x = a, *y = b;

	ORDER(x->start, y->start);
	ORDER(x->account, y->account);
	ORDER(x->key, y->key);
	ORDER(x->seq, y->seq);
	ORDER(x->channel, y->channel);
	ORDER(x->provider, y->provider);
	ORDER(x->version, y->version);
	ORDER(x->model, y->model);
	ORDER(x->above, y->above);
	ORDER(x->ppm, y->ppm);
	ORDER(x->correction, y->correction);
	return x->class - y->class;
}

static enum store
write_rows(struct focus *f)
{
	enum store s = STORE_OK;

	tally_sort(&f->rows, by_period);
	for (size_t i = 0; i < f->rows.n && s == STORE_OK; i++) {
		const struct focus_row *row = tally_at(&f->rows, i);

		/* Taken back in the same period. */
		if (row->quantity || row->charge || row->upstream)
			focus_write(f, row);
		s = report_flush(f->r, REPORT_CHUNK);
	}
	return s;
}

enum report_result
report_focus(const struct report_job *job, struct report_sum *sum,
	     struct buf *error)
{
	struct report r;
	struct focus f = {.r = &r};
	enum report_result result = report_open(&r, job, sum, error);
	enum store s;

	tally_init(&f.rows, sizeof(struct focus_key), sizeof(struct focus_row));
	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, job->format, job->raw, focus_columns,
			    focus_n_columns);
		s = collect(&f);
		if (s == STORE_NONE)
			s = write_rows(&f);
		result = report_finish(&r, s);
	}
	tally_free(&f.rows);
	report_close(&r);
	return result;
}
