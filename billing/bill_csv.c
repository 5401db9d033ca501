/* A bill as a table: RFC 4180, the columns in any order. */
#include <string.h>

#include "base/buf.h"
#include "billing/bill_parts.h"

#define COLUMNS_MAX 256

enum column {
	COLUMN_OTHER,
	COLUMN_ID,
	COLUMN_TIME,
	COLUMN_MODEL,
	COLUMN_REQUESTS,
	COLUMN_COST,
	COLUMN_TOKENS, /* and those of enum bill_class behind it */
};

static const struct {
	const char *name;
	unsigned column;
} names[] = {
	{"request_id", COLUMN_ID},
	{"upstream_id", COLUMN_ID},
	{"time", COLUMN_TIME},
	{"day", COLUMN_TIME},
	{"date", COLUMN_TIME},
	{"start_time", COLUMN_TIME},
	{"model", COLUMN_MODEL},
	{"requests", COLUMN_REQUESTS},
	{"num_model_requests", COLUMN_REQUESTS},
	{"cost", COLUMN_COST},
	{"cost_usd", COLUMN_COST},
	{"amount", COLUMN_COST},
	{"input_tokens", COLUMN_TOKENS + BILL_INPUT},
	{"cached_input_tokens", COLUMN_TOKENS + BILL_CACHED},
	{"input_cached_tokens", COLUMN_TOKENS + BILL_CACHED},
	{"cache_write_tokens", COLUMN_TOKENS + BILL_CACHE_WRITE},
	{"input_cache_write_tokens", COLUMN_TOKENS + BILL_CACHE_WRITE},
	{"output_tokens", COLUMN_TOKENS + BILL_OUTPUT},
};

struct table {
	struct bill *bill;
	struct buf *error;
	struct str rest;
	uint64_t row; /* 1 = the header */
	uint8_t columns[COLUMNS_MAX];
	unsigned n_columns;
	unsigned seen; /* bits of enum column */
};

static bool
wrong(struct table *t, const char *what)
{
	buf_printf(t->error, "row %llu: %s", (unsigned long long)t->row, what);
	return false;
}

/* ---- cells ---- */

/* The first byte of the rest is the quote. */
static bool
quoted(struct table *t, struct str *cell)
{
	char *out = t->bill->texts + t->bill->texts_n;
	size_t n = 0, i = 1;

	for (;; i++) {
		if (i >= t->rest.n)
			return wrong(t, "a quote is not closed");
		if (t->rest.p[i] == '"') {
			if (i + 1 >= t->rest.n || t->rest.p[i + 1] != '"')
				break;
			i++;
		}
		out[n++] = t->rest.p[i];
	}
	t->bill->texts_n += n;
	*cell = str_make(out, n);
	t->rest = str_from(t->rest, i + 1);
	return true;
}

/* The next cell of the row; `last`: there is none behind it. */
static bool
next_cell(struct table *t, struct str *cell, bool *last)
{
	size_t i = 0;

	if (t->rest.n && t->rest.p[0] == '"') {
		if (!quoted(t, cell))
			return false;
	} else {
		while (i < t->rest.n && t->rest.p[i] != ',' &&
		       t->rest.p[i] != '\n' && t->rest.p[i] != '\r')
			i++;
		*cell = str_trim(str_make(t->rest.p, i));
		t->rest = str_from(t->rest, i);
	}
	*last = t->rest.n == 0 || t->rest.p[0] != ',';
	if (!*last) {
		t->rest = str_from(t->rest, 1);
		return true;
	}
	if (str_starts(t->rest, STR("\r\n")))
		t->rest = str_from(t->rest, 2);
	else if (t->rest.n && (t->rest.p[0] == '\n' || t->rest.p[0] == '\r'))
		t->rest = str_from(t->rest, 1);
	else if (t->rest.n)
		return wrong(t, "text behind a quote");
	return true;
}

static void
skip_empty_rows(struct table *t)
{
	while (t->rest.n && (t->rest.p[0] == '\n' || t->rest.p[0] == '\r'))
		t->rest = str_from(t->rest, 1);
}

/* ---- rows ---- */

static bool
read_header(struct table *t)
{
	struct str cell;
	bool last = false;

	while (!last) {
		unsigned column = COLUMN_OTHER;

		if (!next_cell(t, &cell, &last))
			return false;
		if (t->n_columns == COLUMNS_MAX)
			return wrong(t, "too many columns");
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (str_ieq(str_of(names[i].name), cell))
				column = names[i].column;
		if (column != COLUMN_OTHER && (t->seen >> column & 1))
			return wrong(t, "a column stands there twice");
		t->seen |= 1u << column;
		t->columns[t->n_columns++] = (uint8_t)column;
	}
	if (!(t->seen & (1u << COLUMN_ID | 1u << COLUMN_TIME)))
		return wrong(t, "no column request_id, time or day");
	if (!(t->seen >> COLUMN_COST))
		return wrong(t, "no column of tokens, no cost");
	return true;
}

static bool
take_cell(struct table *t, struct bill_line *line, unsigned column,
	  struct str cell)
{
	if (cell.n == 0)
		return true;
	switch (column) {
	case COLUMN_OTHER: return true;
	case COLUMN_ID: line->id = cell; return true;
	case COLUMN_MODEL: line->model = cell; return true;
	case COLUMN_TIME:
		return bill_time(cell, &line->ms) || wrong(t, "not a time");
	case COLUMN_REQUESTS:
		return str_to_u64(cell, &line->requests) ||
		       wrong(t, "not a number of requests");
	case COLUMN_COST:
		line->has |= BILL_HAS_COST;
		return bill_money(cell, &line->cost_nano) ||
		       wrong(t, "a cost is not a number");
	default: break;
	}
	column -= COLUMN_TOKENS;
	line->has |= (uint8_t)(1u << column);
	return str_to_u64(cell, &line->tokens[column]) ||
	       wrong(t, "not a number of tokens");
}

static bool
read_row(struct table *t)
{
	struct bill_line *line = bill_add(t->bill);
	unsigned at = 0;
	struct str cell;
	bool last = false;

	if (!line)
		return false;
	line->requests = 1;
	for (; !last; at++) {
		if (!next_cell(t, &cell, &last))
			return false;
		if (at == t->n_columns)
			return wrong(t, "more cells than the header has");
		if (!take_cell(t, line, t->columns[at], cell))
			return false;
	}
	if (at < t->n_columns)
		return wrong(t, "fewer cells than the header has");
	if (line->id.n == 0 && line->ms == 0)
		return wrong(t, "neither a request_id nor a time");
	bill_done(t->bill, line);
	return true;
}

bool
bill_read_csv(struct bill *b, struct str text, struct buf *error)
{
	struct table t = {.bill = b, .error = error, .rest = text, .row = 1};

	if (!bill_room(b, text.n))
		return false;
	skip_empty_rows(&t);
	if (!read_header(&t))
		return false;
	for (skip_empty_rows(&t); t.rest.n; skip_empty_rows(&t)) {
		t.row++;
		if (!read_row(&t))
			return false;
	}
	return true;
}
