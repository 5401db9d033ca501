/*
 * The report of requests. The entries stand in the order in which they ended;
 * the rows stand in the order in which the requests began. So one pass
 * collects 24 bytes a row, which are sorted, and a second one fetches the
 * entries in that order. Reversals are found on the way: their request's row
 * shows what is left of its charge, nothing. So are attempts that were lost:
 * what they cost the operator is added to the row of their request.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/errors.h"
#include "base/id.h"
#include "billing/report.h"
#include "billing/report_base.h"
#include "billing/rules.h"

static const char *const columns[] = {
	"ts_start",
	"ts_end",
	"request_id",
	"account_id",
	"account_name",
	"key_id",
	"key_name",
	"route",
	"model_requested",
	"model_served",
	"channel",
	"provider",
	"stream",
	"status",
	"error_type",
	"attempts",
	"hedged",
	"cache",
	"input_tokens",
	"cached_input_tokens",
	"cache_write_tokens",
	"output_tokens",
	"reasoning_tokens",
	"usage_source",
	"rule",
	"price_id",
	"tier",
	"unit_price_input_usd_per_1m",
	"unit_price_output_usd_per_1m",
	"multiplier",
	"charge_usd",
	"upstream_cost_usd",
	"ttft_ms",
	"duration_ms",
	"tags",
	"substituted",
	"units",
	"unit",
};

struct place {
	uint64_t start_ms;
	uint64_t id; /* the first half of the request id, big endian */
	uint64_t seq;
};

/* What the operator owes for an attempt that was lost. */
struct leg {
	uint8_t request_id[16];
	int64_t nano;
};

struct places {
	struct place *p;
	size_t n, cap;
	uint64_t *reversed; /* seqs, ascending */
	size_t n_reversed, reversed_cap;
	struct leg *legs; /* by request id */
	size_t n_legs, legs_cap;
};

/* ---- the first pass ---- */

/* Room for one more of `size` bytes. */
static bool
grow(void **p, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 1024;
	void *grown;

	if (n < *cap)
		return true;
	grown = realloc(*p, more * size);
	if (!grown)
		return false;
	*p = grown;
	*cap = more;
	return true;
}

static uint64_t
id_of(const struct entry *e)
{
	uint64_t v;

	memcpy(&v, e->request_id, sizeof(v));
	return __builtin_bswap64(v);
}

static bool
collect_leg(struct places *list, const struct entry *e)
{
	struct leg *leg;

	if (e->upstream_nano == 0)
		return true;
	if (!grow((void **)&list->legs, list->n_legs, &list->legs_cap,
		  sizeof(*list->legs)))
		return false;
	leg = &list->legs[list->n_legs++];
	memcpy(leg->request_id, e->request_id, sizeof(leg->request_id));
	leg->nano = e->upstream_nano;
	return true;
}

static bool
collect_one(struct report *r, struct places *list, const struct entry *e)
{
	if (e->kind == KIND_ATTEMPT)
		return collect_leg(list, e);
	if (e->kind == KIND_REVERSAL) {
		if (!grow((void **)&list->reversed, list->n_reversed,
			  &list->reversed_cap, sizeof(*list->reversed)))
			return false;
		list->reversed[list->n_reversed++] = e->ref;
		return true;
	}
	if (e->kind != KIND_REQUEST || !report_wants(r, e) ||
	    !report_in_period(r, e->start_ms))
		return true;
	if (!grow((void **)&list->p, list->n, &list->cap, sizeof(*list->p)))
		return false;
	list->p[list->n++] = (struct place){e->start_ms, id_of(e), e->seq};
	return true;
}

static enum store
collect(struct report *r, struct places *list)
{
	struct entry e;
	enum store s;

	while ((s = scan_next(&r->scan, &e)) == STORE_OK) {
		if (collect_one(r, list, &e))
			continue;
		buf_add_cstr(r->error, "out of memory; take a shorter period "
				       "(--from, --to)");
		return STORE_FAILED;
	}
	return s;
}

static int
by_start(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->start_ms != y->start_ms)
		return x->start_ms < y->start_ms ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static int
by_seq(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int
by_request(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct leg *)0)->request_id));
}

static int64_t
cost_of_legs(const struct places *list, const struct entry *e)
{
	const struct leg *end = list->legs + list->n_legs, *leg;
	int64_t sum = 0;

	if (list->n_legs == 0)
		return 0;
	leg = bsearch(e->request_id, list->legs, list->n_legs, sizeof(*leg),
		      by_request);
	if (!leg)
		return 0;
	while (leg > list->legs && by_request(leg - 1, e->request_id) == 0)
		leg--;
	for (; leg < end && by_request(leg, e->request_id) == 0; leg++)
		sum += leg->nano;
	return sum;
}

static bool
is_reversed(const struct places *list, uint64_t seq)
{
	return list->n_reversed &&
	       bsearch(&seq, list->reversed, list->n_reversed, sizeof(seq),
		       by_seq);
}

/* ---- the second ---- */

static void
who_cells(struct report *r, const struct entry *e)
{
	const struct account_record *a =
		catalog_account(r->catalog, e->account);
	const struct key_record *k =
		e->key == SHM_NONE ? NULL : catalog_key(r->catalog, e->key);
	struct sheet *s = &r->sheet;

	sheet_u64(s, e->account);
	sheet_text(s, str_of(a ? a->name : ""));
	if (e->key == SHM_NONE)
		sheet_empty(s);
	else
		sheet_u64(s, e->key);
	sheet_text(s, str_of(k ? k->name : ""));
}

static void
model_cells(struct report *r, const struct entry *e, const struct book_row *row)
{
	struct str asked =
		row ? str_make(row->name, strnlen(row->name, MODEL_NAME))
		    : STR_NONE;
	struct str served = asked;
	struct sheet *s = &r->sheet;

	if (e->flags & NOTE_FALLBACK)
		asked = str_of(catalog_name(r->catalog, e->served));
	else if (e->served)
		served = str_of(catalog_name(r->catalog, e->served));
	sheet_text(s, str_of(entry_route_name(e->endpoint)));
	sheet_text(s, asked);
	if (e->served || e->channel)
		sheet_text(s, served);
	else
		sheet_empty(s);
	sheet_text(s, str_of(catalog_name(r->catalog, e->channel)));
	sheet_text(s, str_of(catalog_name(r->catalog, e->provider)));
}

static void
outcome_cells(struct report *r, const struct entry *e)
{
	struct sheet *s = &r->sheet;

	sheet_bool(s, e->flags & NOTE_STREAM);
	sheet_u64(s, e->status);
	sheet_text(s, str_of(err_vocab_name(e->error_type)));
	sheet_u64(s, e->attempts);
	sheet_bool(s, e->rule == RULE_HEDGED);
	/* Nothing is answered from a cache by this version. */
	sheet_empty(s);
	sheet_u64(s, e->tokens.input);
	sheet_u64(s, e->tokens.cache_read);
	sheet_u64(s, e->tokens.cache_write);
	sheet_u64(s, e->tokens.output);
	sheet_u64(s, e->tokens.reasoning);
	sheet_text(s, str_of(entry_source_name(e->usage_source)));
	sheet_text(s, str_of(rule_name(e->rule)));
}

/* The prices that were used: those of the tier, if the input was so long. */
static void
price_cells(struct report *r, const struct entry *e, const struct book_row *row)
{
	struct sheet *s = &r->sheet;
	struct book_tier tier;
	char text[MONEY_TEXT];

	sheet_u64(s, e->price_version);
	if (row) {
		tier = report_tier(row, e);
		sheet_u64(s, tier.above);
		sheet_exact(s, str_make(text, price_text(tier.input, text)));
		sheet_exact(s, str_make(text, price_text(tier.output, text)));
	} else {
		sheet_empty(s);
		sheet_empty(s);
		sheet_empty(s);
	}
	sheet_exact(s, str_make(text, ppm_text(e->multiplier_ppm, text)));
}

static void
unit_cells(struct sheet *s, const struct entry *e)
{
	if (e->tokens.units) {
		sheet_u64(s, units_count(e->tokens.units));
		sheet_text(s, str_of(entry_unit_name(e->tokens.units)));
	} else {
		sheet_empty(s);
		sheet_empty(s);
	}
}

static void
row_of(struct report *r, const struct places *list, const struct entry *e)
{
	const struct book_row *row =
		catalog_price(r->catalog, e->price_version, e->model);
	int64_t charge = is_reversed(list, e->seq) ? 0 : e->charge_nano;
	int64_t legs = cost_of_legs(list, e);
	char id[REQUEST_ID_TEXT];
	struct request_id rid;
	struct sheet *s = &r->sheet;

	memcpy(rid.b, e->request_id, sizeof(rid.b));
	request_id_text(rid, id);
	sheet_time(s, e->start_ms);
	sheet_time(s, e->start_ms + e->duration_us / 1000);
	sheet_exact(s, str_make(id, REQUEST_ID_TEXT - 1));
	who_cells(r, e);
	model_cells(r, e, row);
	outcome_cells(r, e);
	price_cells(r, e, row);
	sheet_money(s, charge);
	sheet_money(s, e->upstream_nano + legs);
	if (e->first_byte_us)
		sheet_us_as_ms(s, e->first_byte_us);
	else
		sheet_empty(s);
	sheet_us_as_ms(s, e->duration_us);
	sheet_empty(s); /* tags: keys and accounts have none */
	sheet_bool(s, e->flags & NOTE_SUBSTITUTED);
	unit_cells(s, e);
	sheet_end_row(s);
	report_add(r, e, charge);
	r->sum->upstream_nano += legs;
}

static void
sort(struct places *list)
{
	if (list->n)
		qsort(list->p, list->n, sizeof(*list->p), by_start);
	if (list->n_reversed)
		qsort(list->reversed, list->n_reversed, sizeof(*list->reversed),
		      by_seq);
	if (list->n_legs)
		qsort(list->legs, list->n_legs, sizeof(*list->legs),
		      by_request);
}

/* Neighbours come soon: to find an entry in the tree costs more than to read
 * the ones beside it, so that they are read together and kept for a while. */
#define SHELF	16u
#define SHELVES 4096u

struct shelf {
	uint64_t number1; /* 1 + which; 0 = empty */
	struct entry e[SHELF];
};

static enum store
fill(struct report *r, struct shelf *shelf, uint64_t number)
{
	uint64_t first = MAX_OF(number * SHELF, r->meta.first_seq);
	enum store s = STORE_OK;
	struct entry e;

	shelf->number1 = 0;
	scan_move(&r->scan, MAX_OF(first, 1));
	while (s == STORE_OK && r->scan.next / SHELF == number) {
		s = scan_next(&r->scan, &e);
		if (s == STORE_OK)
			shelf->e[(r->scan.next - 1) % SHELF] = e;
	}
	if (s != STORE_OK && s != STORE_NONE)
		return s;
	shelf->number1 = number + 1;
	return STORE_OK;
}

static enum store
write_rows(struct report *r, const struct places *list, struct shelf *shelves)
{
	enum store s = STORE_OK;

	for (size_t i = 0; i < list->n && s == STORE_OK; i++) {
		uint64_t seq = list->p[i].seq, number = seq / SHELF;
		struct shelf *shelf = &shelves[number % SHELVES];

		if (shelf->number1 != number + 1)
			s = fill(r, shelf, number);
		if (s != STORE_OK)
			break;
		row_of(r, list, &shelf->e[seq % SHELF]);
		s = report_flush(r, REPORT_CHUNK);
	}
	return s;
}

static enum store
sorted_rows(struct report *r, struct places *list)
{
	struct shelf *shelves = calloc(SHELVES, sizeof(*shelves));
	enum store s = STORE_FAILED;

	if (shelves) {
		sort(list);
		s = write_rows(r, list, shelves);
	} else {
		buf_add_cstr(r->error, "out of memory");
	}
	free(shelves);
	return s;
}

enum report_result
report_requests(const struct report_job *job, struct report_sum *sum,
		struct buf *error)
{
	struct places list = {0};
	struct report r;
	enum report_result result = report_open(&r, job, sum, error);
	enum store s;

	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, job->format, job->raw, columns,
			    ARRAY_LEN(columns));
		s = collect(&r, &list);
		if (s == STORE_NONE)
			s = sorted_rows(&r, &list);
		result = report_finish(&r, s);
	}
	free(list.p);
	free(list.reversed);
	free(list.legs);
	report_close(&r);
	return result;
}
