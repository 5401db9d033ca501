/*
 * The report of channels: what each provider did for us on a day, what that
 * cost, what it brought, and beside it, if there is one, the provider's bill.
 * Requests and lost attempts count on the day on which they began.
 */
#include <stdio.h>
#include <string.h>

#include "base/zone.h"
#include "billing/bill.h"
#include "billing/names.h"
#include "billing/report.h"
#include "billing/report_base.h"
#include "billing/tally.h"

__extension__ typedef unsigned __int128 u128;

static const char *const columns[] = {
	"day",
	"channel",
	"provider",
	"upstream_account",
	"model",
	"requests",
	"attempts_billed",
	"input_tokens",
	"cached_input_tokens",
	"cache_write_tokens",
	"output_tokens",
	"reasoning_tokens",
	"our_cost_usd",
	"invoiced_quantity",
	"invoiced_unit",
	"invoiced_cost_usd",
	"diff_usd",
	"diff_pct",
	"status",
	"charged_usd",
	"margin_usd",
	"absorbed_usd",
};

struct channel_line_key {
	uint32_t day;
	uint32_t channel; /* name id; NAME_NONE: only the bill has it */
	char model[NAME_TEXT];
};

struct channel_line {
	struct channel_line_key key;
	char channel[NAME_TEXT];
	uint32_t provider; /* name id, of the last one */
	uint64_t requests, billed;
	uint64_t tokens[ENTRY_CLASSES];
	int64_t cost, charged, absorbed;
	bool has_cost, has_tokens; /* of the bill */
	int64_t bill_cost;
	uint64_t bill_tokens;
};

/* The zone is asked once a day, not once an entry. */
struct day_cache {
	uint64_t from, to;
	uint32_t day;
};

struct channels {
	struct report *r;
	struct tally rows;
	struct day_cache cache;
	uint32_t only; /* the one channel there is; NAME_NONE: none yet */
	bool several;
};

static uint32_t
day_of(struct day_cache *c, uint64_t ms)
{
	if (ms < c->from || ms >= c->to) {
		c->day = zone_day(ms);
		c->from = zone_start_of_day(c->day);
		c->to = zone_start_of_day(c->day + 1);
	}
	return c->day;
}

/* ---- ours ---- */

static struct channel_line *
row_for(struct channels *c, uint64_t ms, uint32_t channel, struct str model)
{
	struct channel_line_key key;
	struct channel_line *row;

	memset(&key, 0, sizeof(key));
	key.day = day_of(&c->cache, ms);
	key.channel = channel;
	(void)str_copy(key.model, sizeof(key.model), model);
	row = tally_row(&c->rows, &key);
	if (row && !row->channel[0])
		(void)str_copy(row->channel, sizeof(row->channel),
			       str_of(catalog_name(c->r->catalog, channel)));
	return row;
}

static void
count(struct channel_line *row, const struct entry *e)
{
	const uint32_t tokens[ENTRY_CLASSES] = {
		e->tokens.input,  e->tokens.cache_read, e->tokens.cache_write,
		e->tokens.output, e->tokens.reasoning,
	};

	row->charged += e->charge_nano;
	row->absorbed +=
		e->kind == KIND_ATTEMPT ? e->upstream_nano : e->absorbed_nano;
	row->cost += e->upstream_nano;
	row->requests += e->kind == KIND_REQUEST;
	row->billed += e->upstream_nano > 0;
	row->provider = e->provider;
	/* Lost attempts say what they cost, not what they counted. */
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		if (e->kind == KIND_REQUEST)
			row->tokens[i] += tokens[i];
}

static bool
add_entry(struct channels *c, const struct entry *e)
{
	bool reversal = e->kind == KIND_REVERSAL && e->channel != NAME_NONE;
	struct channel_line *row;

	if ((!report_is_leg(e) && !reversal) || !report_wants(c->r, e) ||
	    !report_in_period(c->r, e->start_ms))
		return true;
	row = row_for(c, e->start_ms, e->channel, report_model(c->r, e));
	if (!row)
		return false;
	c->several |= c->only != NAME_NONE && c->only != e->channel;
	c->only = e->channel;
	count(row, e);
	report_add(c->r, e, e->charge_nano);
	return true;
}

static enum store
collect(struct channels *c)
{
	struct entry e;
	enum store s;

	while ((s = scan_next(&c->r->scan, &e)) == STORE_OK) {
		if (add_entry(c, &e))
			continue;
		buf_add_cstr(c->r->error, "out of memory");
		return STORE_FAILED;
	}
	return s;
}

/* ---- theirs ---- */

static bool
add_line(struct channels *c, const struct bill_line *line)
{
	struct channel_line *row;

	if (!line->ms || !report_in_period(c->r, line->ms))
		return true;
	row = row_for(c, line->ms, c->only, line->model);
	if (!row)
		return false;
	if (line->has & BILL_HAS_COST) {
		row->has_cost = true;
		row->bill_cost = report_plus(row->bill_cost, line->cost_nano);
	}
	if (line->has & (1u << BILL_INPUT | 1u << BILL_OUTPUT)) {
		row->has_tokens = true;
		row->bill_tokens +=
			line->tokens[BILL_INPUT] + line->tokens[BILL_OUTPUT];
	}
	return true;
}

static enum store
add_bill(struct channels *c)
{
	const struct bill *b = c->r->job->bill;

	if (!b)
		return STORE_NONE;
	if (c->several) {
		buf_add_cstr(c->r->error, "the invoice is of one channel: say "
					  "which (--channel)");
		return STORE_FAILED;
	}
	/* Nothing of ours: then only the name is known, if that. */
	if (c->only == NAME_NONE)
		c->only = c->r->channel;
	for (size_t i = 0; i < b->n; i++)
		if (!add_line(c, &b->lines[i])) {
			buf_add_cstr(c->r->error, "out of memory");
			return STORE_FAILED;
		}
	return STORE_NONE;
}

/* ---- rows ---- */

static int
by_place(const void *a, const void *b)
{
	const struct channel_line *x = a, *y = b;
	int c;

	if (x->key.day != y->key.day)
		return x->key.day < y->key.day ? -1 : 1;
	c = strcmp(x->channel, y->channel);
	return c ? c : strcmp(x->key.model, y->key.model);
}

static const char *
status_of(const struct channel_line *row, int64_t diff, int64_t tolerance)
{
	int64_t off = diff < 0 ? -diff : diff;

	if (!row->has_cost && !row->has_tokens)
		return "no_invoice";
	if (row->requests == 0 && row->billed == 0)
		return "unexpected";
	if (!row->has_cost)
		return "no_cost";
	if (off == 0)
		return "match";
	/* Each leg was rounded up once. */
	if (off <= report_plus(tolerance, (int64_t)row->billed))
		return "within_tolerance";
	return "differs";
}

/* Of our cost, two digits. */
static void
percent_cell(struct sheet *s, int64_t diff, int64_t cost)
{
	uint64_t off = diff < 0 ? 0 - (uint64_t)diff : (uint64_t)diff;
	u128 v;
	char text[48];
	int n;

	if (cost <= 0) {
		sheet_empty(s);
		return;
	}
	v = ((u128)off * 10000 + (uint64_t)cost / 2) / (uint64_t)cost;
	n = snprintf(text, sizeof(text), "%s%llu.%02u",
		     diff < 0 && v ? "-" : "", (unsigned long long)(v / 100),
		     (unsigned)(v % 100));
	sheet_exact(s, str_make(text, (size_t)n));
}

static void
bill_cells(struct report *r, const struct channel_line *row)
{
	struct sheet *s = &r->sheet;
	int64_t diff = report_plus(row->bill_cost, -row->cost);
	const char *status = status_of(row, diff, r->job->tolerance_nano);

	if (row->has_tokens)
		sheet_u64(s, row->bill_tokens);
	else
		sheet_empty(s);
	sheet_text(s, row->has_tokens ? STR("tokens") : STR_NONE);
	if (!row->has_cost) {
		sheet_empty(s);
		sheet_empty(s);
		sheet_empty(s);
	} else {
		sheet_money(s, row->bill_cost);
		sheet_money(s, diff);
		percent_cell(s, diff, row->cost);
	}
	sheet_text(s, r->job->bill ? str_of(status) : STR_NONE);
}

static void
row_of(struct report *r, const struct channel_line *row)
{
	struct sheet *s = &r->sheet;
	char day[ZONE_DATE];

	sheet_exact(s, str_make(day, zone_day_text(row->key.day, day)));
	sheet_text(s, str_of(row->channel));
	sheet_text(s, str_of(catalog_name(r->catalog, row->provider)));
	sheet_empty(s); /* a channel has no account name at its provider */
	sheet_text(s, str_of(row->key.model));
	sheet_u64(s, row->requests);
	sheet_u64(s, row->billed);
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		sheet_u64(s, row->tokens[i]);
	sheet_money(s, row->cost);
	bill_cells(r, row);
	sheet_money(s, row->charged);
	sheet_money(s, row->charged - row->cost);
	sheet_money(s, row->absorbed);
	sheet_end_row(s);
}

static enum store
write_rows(struct channels *c)
{
	enum store s = STORE_OK;

	tally_sort(&c->rows, by_place);
	for (size_t i = 0; i < c->rows.n && s == STORE_OK; i++) {
		row_of(c->r, tally_at(&c->rows, i));
		s = report_flush(c->r, REPORT_CHUNK);
	}
	return s;
}

enum report_result
report_channels(const struct report_job *job, struct report_sum *sum,
		struct buf *error)
{
	struct report r;
	struct channels c = {.r = &r};
	enum report_result result = report_open(&r, job, sum, error);
	enum store s;

	tally_init(&c.rows, sizeof(struct channel_line_key),
		   sizeof(struct channel_line));
	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, job->format, job->raw, columns,
			    ARRAY_LEN(columns));
		s = collect(&c);
		if (s == STORE_NONE)
			s = add_bill(&c);
		if (s == STORE_NONE)
			s = write_rows(&c);
		result = report_finish(&r, s);
	}
	tally_free(&c.rows);
	report_close(&r);
	return result;
}
