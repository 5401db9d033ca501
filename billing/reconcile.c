/*
 * The provider's bill against our books. What is joined with what is decided
 * in reconcile_id.c and reconcile_day.c; here both sides are compared and the
 * differences written.
 */
#include "billing/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/zone.h"
#include "billing/names.h"
#include "billing/rules.h"

static const char *const columns[] = {
	"status",
	"day",
	"upstream_id",
	"request_id",
	"channel",
	"model",
	"our_requests",
	"invoiced_requests",
	"our_input_tokens",
	"invoiced_input_tokens",
	"our_cached_input_tokens",
	"invoiced_cached_input_tokens",
	"our_cache_write_tokens",
	"invoiced_cache_write_tokens",
	"our_output_tokens",
	"invoiced_output_tokens",
	"our_cost_usd",
	"invoiced_cost_usd",
	"diff_usd",
};

static const char *const status_name[RECONCILE_STATUSES] = {
	[RECONCILE_MATCH] = "match",
	[RECONCILE_MISSING] = "missing",
	[RECONCILE_EXTRA] = "extra",
	[RECONCILE_WRONG_CLASS] = "wrong_class",
	[RECONCILE_WRONG_PRICE] = "wrong_price",
};

/* ---- two sides ---- */

/* The entry has the tokens that are charged; they are the provider's where
 * its answer was whole. */
static bool
tokens_are_theirs(const struct entry *e)
{
	switch (e->rule) {
	case RULE_USAGE:
	case RULE_ZERO:
	case RULE_RETRIED:
	case RULE_HEDGED:
	case RULE_OVER_HOLD: return e->kind == KIND_REQUEST;
	default: return false;
	}
}

void
side_add_entry(struct side *s, const struct entry *e)
{
	const struct token_counts *t = &e->tokens;

	s->present++;
	s->requests += e->kind == KIND_REQUEST || e->upstream_nano > 0;
	s->cost_nano = report_plus(s->cost_nano, e->upstream_nano);
	s->has |= BILL_HAS_COST;
	if (!tokens_are_theirs(e)) {
		s->blind += e->upstream_nano > 0 || t->input || t->output;
		return;
	}
	s->tokens[BILL_INPUT] +=
		(uint64_t)t->input + t->cache_read + t->cache_write;
	s->tokens[BILL_CACHED] += t->cache_read;
	s->tokens[BILL_CACHE_WRITE] += t->cache_write;
	s->tokens[BILL_OUTPUT] += (uint64_t)t->output + t->reasoning;
}

void
side_add_line(struct side *s, const struct bill_line *line)
{
	s->present++;
	s->requests += line->requests;
	s->has |= line->has;
	s->cost_nano = report_plus(s->cost_nano, line->cost_nano);
	for (unsigned i = 0; i < BILL_CLASSES; i++)
		s->tokens[i] += line->tokens[i];
}

static bool
same_tokens(const struct side *ours, const struct side *theirs)
{
	for (unsigned i = 0; i < BILL_CLASSES; i++)
		if ((theirs->has >> i & 1) &&
		    theirs->tokens[i] != ours->tokens[i])
			return false;
	return true;
}

static int64_t
diff_of(const struct side *ours, const struct side *theirs)
{
	return report_plus(theirs->cost_nano, -ours->cost_nano);
}

static enum reconcile_status
compare(const struct side *ours, const struct side *theirs, int64_t tolerance)
{
	int64_t diff = diff_of(ours, theirs);
	/* Each of our legs was rounded up to the nano-USD, once. */
	int64_t allowed = report_plus(tolerance, (int64_t)ours->present);

	if (!ours->present)
		return RECONCILE_EXTRA;
	if (!theirs->present)
		return RECONCILE_MISSING;
	if (!ours->blind && !same_tokens(ours, theirs))
		return RECONCILE_WRONG_CLASS;
	if ((theirs->has & BILL_HAS_COST) &&
	    (diff > allowed || diff < -allowed))
		return RECONCILE_WRONG_PRICE;
	return RECONCILE_MATCH;
}

bool
reconcile_judge(struct reconcile *c, struct finding *f)
{
	f->status = compare(&f->ours, &f->theirs, c->job.tolerance_nano);
	/* What costs nothing is not on every bill. */
	if (f->status == RECONCILE_MISSING && f->ours.cost_nano == 0 &&
	    f->ours.tokens[BILL_INPUT] + f->ours.tokens[BILL_OUTPUT] == 0)
		return true;
	c->count[f->status]++;
	c->ours_nano = report_plus(c->ours_nano, f->ours.cost_nano);
	c->theirs_nano = report_plus(c->theirs_nano, f->theirs.cost_nano);
	if (f->status == RECONCILE_MATCH)
		return true;
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct finding *more = realloc(c->found, cap * sizeof(*more));

		if (!more)
			return false;
		c->found = more;
		c->cap = cap;
	}
	c->found[c->n++] = *f;
	return true;
}

/* ---- rows ---- */

static struct str
id_of(const struct finding *f)
{
	return f->id.n ? f->id : str_of(f->our_id);
}

static int
text_order(struct str a, struct str b)
{
	size_t n = MIN_OF(a.n, b.n);
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int
by_time(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	int c;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	c = text_order(id_of(x), id_of(y));
	if (c)
		return c;
	c = strcmp(x->model, y->model);
	return c ? c : memcmp(x->request_id, y->request_id, 16);
}

static void
what_cells(struct report *r, const struct finding *f)
{
	struct sheet *s = &r->sheet;
	char text[REQUEST_ID_TEXT], day[ZONE_DATE];
	struct request_id id;

	sheet_text(s, str_of(status_name[f->status]));
	if (f->ms)
		sheet_exact(s,
			    str_make(day, zone_day_text(zone_day(f->ms), day)));
	else
		sheet_empty(s);
	sheet_text(s, id_of(f));
	if (f->has_request) {
		memcpy(id.b, f->request_id, sizeof(id.b));
		request_id_text(id, text);
		sheet_exact(s, str_make(text, REQUEST_ID_TEXT - 1));
	} else {
		sheet_empty(s);
	}
	sheet_text(s, str_of(catalog_name(r->catalog, f->channel)));
	sheet_text(s, str_of(f->model));
}

static void
number_if(struct sheet *s, bool is, uint64_t v)
{
	if (is)
		sheet_u64(s, v);
	else
		sheet_empty(s);
}

static void
side_cells(struct sheet *s, const struct side *ours, const struct side *theirs)
{
	bool known = ours->present && !ours->blind;
	bool cost = theirs->has & BILL_HAS_COST;

	number_if(s, ours->present, ours->requests);
	number_if(s, theirs->present && theirs->requests, theirs->requests);
	for (unsigned i = 0; i < BILL_CLASSES; i++) {
		number_if(s, known, ours->tokens[i]);
		number_if(s, theirs->has >> i & 1, theirs->tokens[i]);
	}
	if (ours->present)
		sheet_money(s, ours->cost_nano);
	else
		sheet_empty(s);
	if (cost)
		sheet_money(s, theirs->cost_nano);
	else
		sheet_empty(s);
	if (cost || !theirs->present)
		sheet_money(s, diff_of(ours, theirs));
	else
		sheet_empty(s);
	sheet_end_row(s);
}

static enum store
write_rows(struct reconcile *c)
{
	enum store s = STORE_OK;

	if (c->n)
		qsort(c->found, c->n, sizeof(*c->found), by_time);
	for (size_t i = 0; i < c->n && s == STORE_OK; i++) {
		what_cells(c->r, &c->found[i]);
		side_cells(&c->r->sheet, &c->found[i].ours,
			   &c->found[i].theirs);
		s = report_flush(c->r, REPORT_CHUNK);
	}
	return s;
}

/* ---- the summary ---- */

static void
put_money(struct json_out *j, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];

	json_name(j, name);
	json_put_str(j, str_make(text, money_text(money_nano(nano), text)));
}

static void
summary_json(struct reconcile *c)
{
	struct json_out j;

	json_out_init(&j, &c->r->sheet.out);
	json_open(&j, '{');
	json_name(&j, "summary");
	json_open(&j, '{');
	for (unsigned i = 0; i < RECONCILE_STATUSES; i++) {
		json_name(&j, status_name[i]);
		json_put_u64(&j, c->count[i]);
	}
	put_money(&j, "our_cost_usd", c->ours_nano);
	put_money(&j, "invoiced_cost_usd", c->theirs_nano);
	put_money(&j, "diff_usd", report_plus(c->theirs_nano, -c->ours_nano));
	json_close(&j, '}');
	json_close(&j, '}');
	buf_add_char(&c->r->sheet.out, '\n');
}

static void
summary_text(struct reconcile *c, struct buf *out)
{
	char ours[MONEY_TEXT], theirs[MONEY_TEXT], diff[MONEY_TEXT];

	(void)money_text(money_nano(c->ours_nano), ours);
	(void)money_text(money_nano(c->theirs_nano), theirs);
	(void)money_text(money_nano(report_plus(c->theirs_nano, -c->ours_nano)),
			 diff);
	for (unsigned i = 0; i < RECONCILE_STATUSES; i++)
		buf_printf(out, "%s%llu %s", i ? ", " : "",
			   (unsigned long long)c->count[i], status_name[i]);
	buf_printf(out, "; ours %s, invoiced %s, difference %s USD", ours,
		   theirs, diff);
}

/* ---- the whole ---- */

/* Without a period: the days that the bill speaks of. */
static void
period_of_bill(struct reconcile *c)
{
	struct report_filter *f = &c->job.filter;
	const struct bill *b = c->job.bill;
	uint64_t first = 0, last = 0;

	if (f->from_ms || f->to_ms)
		return;
	for (size_t i = 0; i < b->n; i++) {
		uint64_t ms = b->lines[i].ms;

		if (ms == 0)
			continue;
		first = first == 0 ? ms : MIN_OF(first, ms);
		last = MAX_OF(last, ms);
	}
	if (first == 0)
		return;
	f->from_ms = zone_start_of_day(zone_day(first));
	f->to_ms = zone_start_of_day(zone_day(last) + 1);
}

static enum store
run(struct reconcile *c)
{
	enum store s;

	s = c->job.bill->has_ids ? reconcile_by_id(c) : reconcile_by_day(c);
	if (s != STORE_OK)
		return s;
	s = write_rows(c);
	if (c->job.format == SHEET_JSON)
		summary_json(c);
	return s;
}

enum report_result
report_reconcile(const struct report_job *job, struct report_sum *sum,
		 struct buf *error)
{
	struct report r;
	struct reconcile c = {.r = &r, .job = *job};
	enum report_result result;

	period_of_bill(&c);
	result = report_open(&r, &c.job, sum, error);
	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, job->format, job->raw, columns,
			    ARRAY_LEN(columns));
		result = report_finish(&r, run(&c));
	}
	if (result == REPORT_DONE && job->format == SHEET_CSV)
		summary_text(&c, error);
	sum->differences = c.n;
	sum->upstream_nano = c.ours_nano;
	free(c.found);
	report_close(&r);
	return result;
}
