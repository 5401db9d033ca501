/* Every entry with every field, one JSON object a line. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/errors.h"
#include "base/id.h"
#include "billing/report.h"
#include "billing/report_base.h"
#include "billing/rules.h"

static const char *const columns[] = {
	"seq",		 "kind",	  "txn",	  "account_id",
	"account",	 "parent_id",	  "key_id",	  "moves",
	"charge_usd",	 "hold_usd",	  "upstream_usd", "absorbed_usd",
	"balance_usd",	 "start",	  "commit",	  "first_byte_us",
	"duration_us",	 "status",	  "error_type",	  "reason",
	"attempts",	 "flags",	  "route",	  "dialect",
	"channel",	 "provider",	  "served",	  "model",
	"price_version", "multiplier",	  "input",	  "cache_read",
	"cache_write",	 "output",	  "reasoning",	  "units",
	"unit",		 "usage_source",  "rule",	  "request_id",
	"upstream_id",	 "upstream_hash", "ref",	  "note",
	"chain",	 "crc",
};

static void
hex_cell(struct sheet *s, const uint8_t *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	char text[2 * ENTRY_CHAIN];

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digit[p[i] >> 4];
		text[2 * i + 1] = digit[p[i] & 15];
	}
	sheet_exact(s, str_make(text, 2 * n));
}

static void
number_or_none(struct sheet *s, uint32_t v)
{
	if (v == SHM_NONE)
		sheet_empty(s);
	else
		sheet_u64(s, v);
}

static void
who_cells(struct report *r, const struct entry *e)
{
	const struct account_record *a =
		catalog_account(r->catalog, e->account);
	struct sheet *s = &r->sheet;
	char txn[48];
	int n = snprintf(txn, sizeof(txn), "%u.%u.%u", e->epoch, e->slot,
			 e->gen);

	sheet_u64(s, e->seq);
	sheet_text(s, str_of(entry_kind_name(e->kind)));
	sheet_exact(s, str_make(txn, (size_t)n));
	sheet_u64(s, e->account);
	sheet_text(s, str_of(a ? a->name : ""));
	number_or_none(s, e->parent);
	number_or_none(s, e->key);
	sheet_u64(s, e->moves);
}

static void
money_cells(struct sheet *s, const struct entry *e)
{
	sheet_money(s, e->charge_nano);
	sheet_money(s, e->hold_nano);
	sheet_money(s, e->upstream_nano);
	sheet_money(s, e->absorbed_nano);
	sheet_money(s, e->balance_nano);
}

static void
course_cells(struct sheet *s, const struct entry *e)
{
	sheet_time(s, e->start_ms);
	sheet_time(s, e->commit_ms);
	sheet_u64(s, e->first_byte_us);
	sheet_u64(s, e->duration_us);
	sheet_u64(s, e->status);
	sheet_text(s, str_of(err_vocab_name(e->error_type)));
	sheet_text(s, str_of(entry_reason_name(e->reason)));
	sheet_u64(s, e->attempts);
	sheet_u64(s, e->flags);
	sheet_text(s, str_of(entry_route_name(e->endpoint)));
	sheet_u64(s, e->dialect);
}

static void
model_cells(struct report *r, const struct entry *e)
{
	const struct book_row *row =
		catalog_price(r->catalog, e->price_version, e->model);
	struct sheet *s = &r->sheet;
	char text[MONEY_TEXT];

	sheet_text(s, str_of(catalog_name(r->catalog, e->channel)));
	sheet_text(s, str_of(catalog_name(r->catalog, e->provider)));
	sheet_text(s, str_of(catalog_name(r->catalog, e->served)));
	sheet_text(s, row ? str_make(row->name, strnlen(row->name, MODEL_NAME))
			  : STR_NONE);
	sheet_u64(s, e->price_version);
	sheet_exact(s, str_make(text, ppm_text(e->multiplier_ppm, text)));
	sheet_u64(s, e->tokens.input);
	sheet_u64(s, e->tokens.cache_read);
	sheet_u64(s, e->tokens.cache_write);
	sheet_u64(s, e->tokens.output);
	sheet_u64(s, e->tokens.reasoning);
	sheet_u64(s, entry_counts(e) ? units_count(e->tokens.units) : 0);
	sheet_text(s, entry_counts(e) ? str_of(entry_unit_name(e->tokens.units))
				      : STR_NONE);
	sheet_text(s, str_of(entry_source_name(e->usage_source)));
	sheet_text(s, str_of(rule_name(e->rule)));
}

static void
id_cells(struct report *r, const struct entry *e)
{
	size_t n = strnlen(e->upstream_id, sizeof(e->upstream_id));
	struct sheet *s = &r->sheet;

	hex_cell(s, e->request_id, sizeof(e->request_id));
	sheet_text(s, str_make(e->upstream_id, n));
	sheet_u64(s, e->upstream_id_hash);
	sheet_u64(s, e->ref);
	sheet_text(s, str_of(catalog_name(r->catalog, entry_note(e))));
	hex_cell(s, e->chain, sizeof(e->chain));
	sheet_u64(s, e->crc);
	sheet_end_row(s);
}

static enum store
write_rows(struct report *r)
{
	struct entry e;
	enum store s;

	while ((s = scan_next(&r->scan, &e)) == STORE_OK) {
		if (!report_wants(r, &e) || !report_in_period(r, e.commit_ms))
			continue;
		who_cells(r, &e);
		money_cells(&r->sheet, &e);
		course_cells(&r->sheet, &e);
		model_cells(r, &e);
		id_cells(r, &e);
		report_add(r, &e, e.charge_nano);
		s = report_flush(r, REPORT_CHUNK);
		if (s != STORE_OK)
			break;
	}
	return s;
}

enum report_result
report_dump(const struct report_job *job, struct report_sum *sum,
	    struct buf *error)
{
	struct report r;
	enum report_result result = report_open(&r, job, sum, error);

	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, job->format, job->raw, columns,
			    ARRAY_LEN(columns));
		result = report_finish(&r, write_rows(&r));
	}
	report_close(&r);
	return result;
}
