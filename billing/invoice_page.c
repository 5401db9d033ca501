/* An invoice as JSON, and as a page of HTML that needs nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "billing/invoice.h"

/* The moves of an invoice, in the order of its parts. */
static const struct {
	const char *name;
	const char *title;
	uint8_t kind;
	bool costs; /* shown as what the customer loses */
} parts[] = {
	{"fees", "Fees", KIND_FEE, true},
	{"credits", "Credits", KIND_CREDIT, false},
	{"adjustments", "Adjustments", KIND_CORRECTION, false},
	{"payments", "Payments", KIND_TOPUP, false},
	{"refunds", "Refunds", KIND_REFUND, true},
};

static const struct {
	const char *title;
	const char *unit; /* of the quantity */
	const char *per;  /* of the price */
} classes[SPLIT_CLASSES] = {
	{"input tokens", "tokens", "1M tokens"},
	{"cached input tokens", "tokens", "1M tokens"},
	{"cache write tokens", "tokens", "1M tokens"},
	{"output tokens", "tokens", "1M tokens"},
	{"reasoning tokens", "tokens", "1M tokens"},
	{"requests", "requests", "request"},
	{"images", "images", "image"},
	{"milliseconds", "milliseconds", "second"},
	{"characters", "characters", "1M characters"},
};

static bool
is_by_million(const struct invoice_key *k)
{
	return str_starts(str_of(classes[k->class].per), STR("1M"));
}

static struct str
money(int64_t nano, char out[MONEY_TEXT])
{
	return str_make(out, money_text(money_nano(nano), out));
}

static struct str
instant(uint64_t ms, int digits, char out[TIME_TEXT])
{
	return str_make(out, time_text(ms * NS_PER_MS, digits, out));
}

/* Of a million, or of one: a pico-USD a millisecond is a nano-USD a second. */
static struct str
unit_price(const struct invoice_key *k, char out[MONEY_TEXT])
{
	if (is_by_million(k))
		return str_make(out, price_text((struct price){k->pico}, out));
	if (k->class == SPLIT_SECOND)
		return money(k->pico, out);
	return money(k->pico / 1000, out);
}

static int64_t
part_sum(const struct invoice *v, unsigned i)
{
	int64_t sum = v->by_kind[parts[i].kind];

	return parts[i].costs ? -sum : sum;
}

/* ---- JSON ---- */

static void
put_text(struct json_out *j, const char *name, struct str text)
{
	json_name(j, name);
	json_put_str(j, text);
}

static void
put_money(struct json_out *j, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];

	put_text(j, name, money(nano, text));
}

static void
json_head(struct invoice *v, struct json_out *j)
{
	const struct report_job *job = v->r->job;
	const struct account_record *a =
		catalog_account(v->r->catalog, v->account);
	char number[REPORT_INVOICE_TEXT], text[TIME_TEXT];

	report_invoice_number(v->r, v->account, job->filter.from_ms, number);
	put_text(j, "object", STR("invoice"));
	put_text(j, "number", str_of(number));
	put_text(j, "status", v->draft ? STR("draft") : STR("final"));
	put_text(j, "issuer", job->issuer);
	json_name(j, "account_id");
	json_put_u64(j, v->account);
	put_text(j, "account_name", str_of(a ? a->name : ""));
	put_text(j, "currency", STR("USD"));
	put_text(j, "zone", job->zone);
	put_text(j, "period_start", instant(job->filter.from_ms, 0, text));
	put_text(j, "period_end", instant(job->filter.to_ms, 0, text));
	json_name(j, "requests");
	json_put_u64(j, v->requests);
}

static void
json_line(const struct invoice_line *line, struct json_out *j)
{
	const struct invoice_key *k = &line->key;
	char text[MONEY_TEXT];

	json_open(j, '{');
	put_text(j, "model",
		 str_make(k->model, strnlen(k->model, sizeof(k->model))));
	put_text(j, "class", str_of(split_name(k->class)));
	json_name(j, "quantity");
	json_put_i64(j, line->quantity);
	put_text(j, "unit", str_of(classes[k->class].unit));
	put_text(j,
		 is_by_million(k)	    ? "unit_price_usd_per_1m"
		 : k->class == SPLIT_SECOND ? "unit_price_usd_per_second"
					    : "unit_price_usd",
		 unit_price(k, text));
	put_text(j, "multiplier", str_make(text, ppm_text(k->ppm, text)));
	put_money(j, "amount", line->charge);
	json_close(j, '}');
}

static void
json_part(struct invoice *v, unsigned part, struct json_out *j)
{
	json_name(j, parts[part].name);
	json_open(j, '[');
	for (size_t i = 0; i < v->n; i++) {
		const struct invoice_move *m = &v->moves[i];
		char text[TIME_TEXT];

		if (m->kind != parts[part].kind)
			continue;
		json_open(j, '{');
		put_text(j, "time", instant(m->ms, 3, text));
		put_text(j, "note",
			 str_of(catalog_name(v->r->catalog, m->note)));
		put_money(j, "amount", parts[part].costs ? -m->nano : m->nano);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void
invoice_json(struct invoice *v, struct buf *out)
{
	struct json_out j;
	char name[32];

	json_out_init(&j, out);
	json_open(&j, '{');
	json_head(v, &j);
	json_name(&j, "lines");
	json_open(&j, '[');
	for (size_t i = 0; i < v->lines.n; i++)
		json_line(tally_at(&v->lines, i), &j);
	json_close(&j, ']');
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
		json_part(v, i, &j);
	put_money(&j, "usage_total", v->usage);
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
		(void)snprintf(name, sizeof(name), "%s_total", parts[i].name);
		put_money(&j, name, part_sum(v, i));
	}
	put_money(&j, "total", invoice_total(v));
	put_money(&j, "opening_balance", v->opening);
	put_money(&j, "closing_balance", v->closing);
	put_money(&j, "amount_due", invoice_due(v));
	json_close(&j, '}');
	buf_add_char(out, '\n');
}

/* ---- HTML ---- */

static void
escaped(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		switch (text.p[i]) {
		case '<': buf_add_cstr(b, "&lt;"); break;
		case '>': buf_add_cstr(b, "&gt;"); break;
		case '&': buf_add_cstr(b, "&amp;"); break;
		case '"': buf_add_cstr(b, "&quot;"); break;
		default: buf_add_char(b, text.p[i]);
		}
}

static void
html_head(struct invoice *v, struct buf *b)
{
	const struct report_job *job = v->r->job;
	const struct account_record *a =
		catalog_account(v->r->catalog, v->account);
	char number[REPORT_INVOICE_TEXT], from[TIME_TEXT], to[TIME_TEXT];

	report_invoice_number(v->r, v->account, job->filter.from_ms, number);
	(void)instant(job->filter.from_ms, 0, from);
	(void)instant(job->filter.to_ms, 0, to);
	buf_printf(b,
		   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
		   "<meta charset=\"utf-8\">\n<title>Invoice %s</title>\n"
		   "<style>body{font:14px sans-serif;max-width:60em;"
		   "margin:2em auto}table{border-collapse:collapse;"
		   "width:100%%}td,th{padding:.3em .6em;text-align:left;"
		   "border-bottom:1px solid #ccc}.n{text-align:right}"
		   "</style>\n</head>\n<body>\n<h1>Invoice %s</h1>\n",
		   number, number);
	if (v->draft)
		buf_add_cstr(b, "<p><strong>draft: the period is not "
				"over</strong></p>\n");
	buf_add_cstr(b, "<p>");
	escaped(b, job->issuer);
	buf_add_cstr(b, "</p>\n<p>Account: ");
	escaped(b, str_of(a ? a->name : ""));
	buf_printf(b, " (%u)<br>\nPeriod: %s to %s (", v->account, from, to);
	escaped(b, job->zone);
	buf_printf(b, ")<br>\nRequests: %llu<br>\nCurrency: USD</p>\n",
		   (unsigned long long)v->requests);
}

static void
html_lines(struct invoice *v, struct buf *b)
{
	buf_add_cstr(b, "<table>\n<tr><th>Usage<th class=\"n\">Quantity"
			"<th class=\"n\">List price<th>per"
			"<th class=\"n\">Multiplier"
			"<th class=\"n\">Amount</tr>\n");
	for (size_t i = 0; i < v->lines.n; i++) {
		const struct invoice_line *line = tally_at(&v->lines, i);
		const struct invoice_key *k = &line->key;
		char price[MONEY_TEXT], amount[MONEY_TEXT], ppm[MONEY_TEXT];

		(void)unit_price(k, price);
		(void)money(line->charge, amount);
		(void)ppm_text(k->ppm, ppm);
		buf_add_cstr(b, "<tr><td>");
		escaped(b, str_make(k->model,
				    strnlen(k->model, sizeof(k->model))));
		buf_printf(b,
			   " %s<td class=\"n\">%lld<td class=\"n\">%s<td>%s"
			   "<td class=\"n\">%s<td class=\"n\">%s</tr>\n",
			   classes[k->class].title, (long long)line->quantity,
			   price, classes[k->class].per, ppm, amount);
	}
	buf_add_cstr(b, "</table>\n");
}

static void
html_part(struct invoice *v, unsigned part, struct buf *b)
{
	bool any = false;

	for (size_t i = 0; i < v->n; i++) {
		const struct invoice_move *m = &v->moves[i];
		char when[TIME_TEXT], amount[MONEY_TEXT];

		if (m->kind != parts[part].kind)
			continue;
		if (!any)
			buf_printf(b, "<h2>%s</h2>\n<table>\n",
				   parts[part].title);
		any = true;
		(void)instant(m->ms, 3, when);
		(void)money(parts[part].costs ? -m->nano : m->nano, amount);
		buf_printf(b, "<tr><td>%s<td>", when);
		escaped(b, str_of(catalog_name(v->r->catalog, m->note)));
		buf_printf(b, "<td class=\"n\">%s</tr>\n", amount);
	}
	if (any)
		buf_add_cstr(b, "</table>\n");
}

static void
html_sum(struct buf *b, const char *title, int64_t nano)
{
	char amount[MONEY_TEXT];

	(void)money(nano, amount);
	buf_printf(b, "<tr><td>%s<td class=\"n\">%s</tr>\n", title, amount);
}

void
invoice_html(struct invoice *v, struct buf *out)
{
	html_head(v, out);
	html_lines(v, out);
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
		html_part(v, i, out);
	buf_add_cstr(out, "<h2>Sums</h2>\n<table>\n");
	html_sum(out, "Usage", v->usage);
	for (unsigned i = 0; i < 3; i++)
		html_sum(out, parts[i].title, part_sum(v, i));
	html_sum(out, "<strong>Total</strong>", invoice_total(v));
	html_sum(out, "Opening balance", v->opening);
	for (unsigned i = 3; i < ARRAY_LEN(parts); i++)
		html_sum(out, parts[i].title, part_sum(v, i));
	html_sum(out, "Closing balance", v->closing);
	html_sum(out, "<strong>Amount due</strong>", invoice_due(v));
	buf_add_cstr(out, "</table>\n</body>\n</html>\n");
}
