/* GET /v1/usage: what the calling key used, from the roll-up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/history.h"
#include "admin/internal.h"
#include "admin/url.h"
#include "admin/views.h"
#include "base/clock.h"
#include "base/zone.h"
#include "billing/rollup.h"
#include "billing/sheet.h"
#include "http/server.h"
#include "shm/keys.h"

#define DAYS_DEFAULT 30u
#define ROWS_DEFAULT 1000u
#define ROWS_MAX     10000u
/* Cells of one answer before they are summed up. */
#define CELLS_MAX 100000u
#define ALL	  UINT32_MAX

enum by { BY_DAY = 1, BY_MODEL = 2, BY_KEY = 4 };

struct wanted {
	uint32_t from, to; /* days, both wanted */
	unsigned by;
	bool csv;
	uint64_t limit, after;
};

/* The answer: summed cells, ALL where a row is not by that. */
struct rows {
	const struct rollup *usage;
	struct rollup_cell *of;
	uint32_t n;
	struct rollup_cell total;
};

static const char *const class_names[ENTRY_CLASSES] = {
	"input_tokens",	 "cache_read_tokens", "cache_write_tokens",
	"output_tokens", "reasoning_tokens",
};

/* ---- what is wanted ---- */

/* The member of the query that makes no sense, as the error's code. */
static bool
refuse(struct page *p, const char *name, const char *text)
{
	page_error(p, 400, name, "%s", text);
	return false;
}

static bool
day_of(struct page *p, const char *name, uint32_t preset, uint32_t *day)
{
	char text[32];

	*day = preset;
	if (!url_query(str_of(p->query), name, text, sizeof(text)))
		return true;
	return zone_parse_day(str_of(text), day) ||
	       refuse(p, name, "A day is written 2026-11-20.");
}

static bool
number_of(struct page *p, const char *name, uint64_t preset, uint64_t *out)
{
	char text[24];

	*out = preset;
	if (!url_query(str_of(p->query), name, text, sizeof(text)))
		return true;
	return str_to_u64(str_of(text), out) ||
	       refuse(p, name, "A number is wanted.");
}

static bool
grouping_of(struct page *p, unsigned *by)
{
	char text[64];
	struct str rest;

	*by = BY_DAY | BY_MODEL;
	if (!url_query(str_of(p->query), "group_by", text, sizeof(text)))
		return true;
	*by = 0;
	for (rest = str_of(text); rest.p;) {
		struct str word = str_cut(&rest, ',');
		unsigned one = str_eq(word, STR("day"))	    ? BY_DAY
			       : str_eq(word, STR("model")) ? BY_MODEL
			       : str_eq(word, STR("key"))   ? BY_KEY
							    : 0;

		if (!one)
			return refuse(p, "group_by", "day, model, key.");
		*by |= one;
	}
	return true;
}

static bool
format_of(struct page *p, bool *csv)
{
	char text[16];

	*csv = false;
	if (!url_query(str_of(p->query), "format", text, sizeof(text)))
		return true;
	*csv = strcmp(text, "csv") == 0;
	return *csv || strcmp(text, "json") == 0 ||
	       refuse(p, "format", "csv or json.");
}

static bool
period_of(struct page *p, struct wanted *w)
{
	uint32_t today = zone_day(clock_wall_ns() / NS_PER_MS), least;

	if (!day_of(p, "to", today, &w->to))
		return false;
	least = w->to < DAYS_DEFAULT ? 0 : w->to - DAYS_DEFAULT + 1;
	if (!day_of(p, "from", least, &w->from))
		return false;
	if (w->from > w->to)
		return refuse(p, "from", "It is after `to`.");
	return w->to - w->from < ROLLUP_DAYS ||
	       refuse(p, "from", "At most 400 days at once.");
}

static bool
wanted_of(struct page *p, struct wanted *w)
{
	if (!period_of(p, w) || !grouping_of(p, &w->by) ||
	    !format_of(p, &w->csv) ||
	    !number_of(p, "limit", ROWS_DEFAULT, &w->limit) ||
	    !number_of(p, "after", 0, &w->after))
		return false;
	return (w->limit > 0 && w->limit <= ROWS_MAX) ||
	       refuse(p, "limit", "1 to 10000.");
}

/* ---- rows ---- */

static void
add(struct rollup_cell *to, const struct rollup_cell *c)
{
	to->requests += c->requests;
	to->failed += c->failed;
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		to->tokens[i] += c->tokens[i];
	to->charge_nano += c->charge_nano;
}

static int
by_day_and_model(const void *a, const void *b, void *usage)
{
	const struct rollup_cell *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	if (x->model == y->model)
		return 0;
	return strncmp(rollup_model(usage, x->model).p,
		       rollup_model(usage, y->model).p, PAGE_NAME);
}

static uint32_t
count_cells(const struct rollup *usage, uint32_t key, const struct wanted *w)
{
	const struct rollup_cell *c = rollup_first(usage, key);
	uint32_t n = 0;

	for (; c && c->day >= w->from; c = rollup_next(usage, c))
		n += c->day <= w->to;
	return n;
}

static void
collect(struct rows *r, uint32_t key, const struct wanted *w)
{
	const struct rollup_cell *c = rollup_first(r->usage, key);
	uint32_t n = 0;

	for (; c && c->day >= w->from; c = rollup_next(r->usage, c)) {
		if (c->day > w->to)
			continue;
		add(&r->total, c);
		r->of[n] = *c;
		if (!(w->by & BY_DAY))
			r->of[n].day = ALL;
		if (!(w->by & BY_MODEL))
			r->of[n].model = ALL;
		n++;
	}
	if (n == 0)
		return;
	qsort_r(r->of, n, sizeof(*r->of), by_day_and_model,
		(void *)(uintptr_t)r->usage);
	for (uint32_t i = 1; i < n; i++) {
		struct rollup_cell *last = &r->of[r->n];

		if (last->day == r->of[i].day && last->model == r->of[i].model)
			add(last, &r->of[i]);
		else
			r->of[++r->n] = r->of[i];
	}
	r->n++;
}

/* ---- JSON ---- */

static void
put_day(struct json_out *o, const char *name, uint32_t day)
{
	char text[ZONE_DATE];

	put_str(o, name, str_make(text, zone_day_text(day, text)));
}

static void
put_sums(struct json_out *o, const struct rollup_cell *c)
{
	char text[MONEY_TEXT];

	put_i64(o, "requests", c->requests);
	put_i64(o, "failed", c->failed);
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		put_i64(o, class_names[i], c->tokens[i]);
	json_name(o, "charge_usd");
	json_put_raw(o, str_make(text,
				 money_text(money_nano(c->charge_nano), text)));
}

static void
put_row(struct json_out *o, const struct page *p, const struct rows *r,
	const struct wanted *w, const struct rollup_cell *c)
{
	json_open(o, '{');
	if (w->by & BY_DAY)
		put_day(o, "day", c->day);
	if (w->by & BY_MODEL)
		put_str(o, "model", rollup_model(r->usage, c->model));
	if (w->by & BY_KEY)
		put_u64(o, "key", p->client_key);
	put_sums(o, c);
	json_close(o, '}');
}

static void
put_key(struct json_out *o, const struct page *p)
{
	const struct key_row *k = &p->admin->args->region->keys[p->client_key];

	json_name(o, "key");
	json_open(o, '{');
	put_u64(o, "id", p->client_key);
	put_text(o, "name", k->name);
	put_text(o, "prefix", key_texts(k)->prefix);
	json_close(o, '}');
}

static void
answer_json(struct page *p, const struct rows *r, const struct wanted *w)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	uint64_t end = MIN_OF((uint64_t)r->n, w->after + w->limit);
	struct json_out o;

	json_out_init(&o, &out);
	json_open(&o, '{');
	put_text(&o, "object", "usage");
	put_key(&o, p);
	put_day(&o, "from", w->from);
	put_day(&o, "to", w->to);
	put_text(&o, "currency", "USD");
	json_name(&o, "data");
	json_open(&o, '[');
	for (uint64_t i = w->after; i < end; i++)
		put_row(&o, p, r, w, &r->of[i]);
	json_close(&o, ']');
	json_name(&o, "total");
	json_open(&o, '{');
	put_sums(&o, &r->total);
	json_close(&o, '}');
	json_name(&o, "next");
	if (end < r->n)
		json_put_u64(&o, end);
	else
		json_put_null(&o);
	json_close(&o, '}');
	page_json(p, 200, &out);
}

/* ---- CSV ---- */

static void
csv_number(struct sheet *s, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)v);

	sheet_exact(s, str_make(text, n > 0 ? (size_t)n : 0));
}

static void
csv_row(struct sheet *s, const struct page *p, const struct rows *r,
	const struct wanted *w, const struct rollup_cell *c)
{
	char day[ZONE_DATE];

	if (w->by & BY_DAY)
		sheet_exact(s, str_make(day, zone_day_text(c->day, day)));
	if (w->by & BY_MODEL)
		sheet_text(s, rollup_model(r->usage, c->model));
	if (w->by & BY_KEY)
		sheet_u64(s, p->client_key);
	csv_number(s, c->requests);
	csv_number(s, c->failed);
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		csv_number(s, c->tokens[i]);
	sheet_money(s, c->charge_nano);
	sheet_end_row(s);
}

static uint32_t
csv_columns(const struct wanted *w, const char *out[3 + 3 + ENTRY_CLASSES])
{
	uint32_t n = 0;

	if (w->by & BY_DAY)
		out[n++] = "day";
	if (w->by & BY_MODEL)
		out[n++] = "model";
	if (w->by & BY_KEY)
		out[n++] = "key";
	out[n++] = "requests";
	out[n++] = "failed";
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		out[n++] = class_names[i];
	out[n++] = "charge_usd";
	return n;
}

static void
answer_csv(struct page *p, const struct rows *r, const struct wanted *w)
{
	const char *columns[3 + 3 + ENTRY_CLASSES];
	uint64_t end = MIN_OF((uint64_t)r->n, w->after + w->limit);
	char fields[128];
	struct sheet s;
	int n;

	sheet_begin(&s, SHEET_CSV, false, columns, csv_columns(w, columns));
	for (uint64_t i = w->after; i < end; i++)
		csv_row(&s, p, r, w, &r->of[i]);
	n = snprintf(fields, sizeof(fields),
		     "content-type: text/csv; charset=utf-8\r\n");
	if (end < r->n)
		n = snprintf(fields, sizeof(fields),
			     "content-type: text/csv; charset=utf-8\r\n"
			     "x-tollgate-next: %llu\r\n",
			     (unsigned long long)end);
	if (s.out.failed)
		page_error(p, 503, "out_of_memory", "There is no memory.");
	else if (p->x)
		exchange_reply(p->x, 200, str_make(fields, (size_t)n),
			       buf_str(&s.out), 0);
	sheet_free(&s);
}

/* ---- the page ---- */

void
internal_usage(struct page *p, struct str body)
{
	struct rows r = {.usage = history_usage(p->admin->history)};
	struct wanted w;
	uint32_t cells;

	(void)body;
	if (!wanted_of(p, &w))
		return;
	if (!r.usage) {
		page_error(p, 503, "usage_being_read", "Try again.");
		return;
	}
	/* The answer says from which day on it is. */
	w.from = MAX_OF(w.from, rollup_first_day(r.usage));
	if (w.to < w.from) {
		(void)refuse(p, "to", "So old usage is not kept here.");
		return;
	}
	cells = count_cells(r.usage, p->client_key, &w);
	if (cells > CELLS_MAX) {
		(void)refuse(p, "from", "Too many rows. Ask for fewer days.");
		return;
	}
	r.of = calloc(cells + 1, sizeof(*r.of));
	if (!r.of) {
		page_error(p, 503, "out_of_memory", "There is no memory.");
		return;
	}
	collect(&r, p->client_key, &w);
	w.after = MIN_OF(w.after, (uint64_t)r.n);
	if (w.csv)
		answer_csv(p, &r, &w);
	else
		answer_json(p, &r, &w);
	free(r.of);
}
