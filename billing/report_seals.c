/* The seals, one row a day: what an operator publishes. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "billing/report.h"
#include "billing/report_base.h"

static const char *const columns[] = {
	"number", "day",	"first_entry", "last_entry",	"sealed_at",
	"chain",  "debits_usd", "credits_usd", "previous_root", "root",
};

#define DAY_MS (24ull * 3600 * 1000)

static void
hex_cell(struct sheet *s, const uint8_t *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	char text[2 * SHA256_BYTES];

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digit[p[i] >> 4];
		text[2 * i + 1] = digit[p[i] & 15];
	}
	sheet_exact(s, str_make(text, 2 * n));
}

static void
row_of(struct sheet *s, const struct seal_record *r)
{
	char day[TIME_TEXT];

	sheet_u64(s, r->number);
	(void)time_text(r->day * DAY_MS * NS_PER_MS, 0, day);
	sheet_exact(s, str_make(day, strlen("2026-11-20")));
	sheet_u64(s, r->first_seq);
	sheet_u64(s, r->last_seq);
	sheet_time(s, r->sealed_ms);
	hex_cell(s, r->chain, sizeof(r->chain));
	sheet_money(s, r->debits);
	sheet_money(s, r->credits);
	hex_cell(s, r->previous, sizeof(r->previous));
	hex_cell(s, r->root, sizeof(r->root));
	sheet_end_row(s);
}

enum report_result
report_seals(const struct report_job *job, struct report_sum *sum,
	     struct buf *error)
{
	struct report r;
	struct seal_record row;
	struct str value;
	uint64_t number = 1;
	enum report_result result = report_open(&r, job, sum, error);
	enum store s;

	if (result != REPORT_DONE) {
		report_close(&r);
		return result;
	}
	sheet_begin(&r.sheet, job->format, job->raw, columns,
		    ARRAY_LEN(columns));
	s = ledger_seek(job->ledger, TABLE_SEAL, &number, &value);
	while (s == STORE_OK) {
		if (!record_read(value, &row, sizeof(row))) {
			s = STORE_DAMAGED;
			break;
		}
		if (report_in_period(&r, row.day * DAY_MS))
			row_of(&r.sheet, &row);
		s = ledger_next(job->ledger, TABLE_SEAL, &number, &value);
	}
	result = report_finish(&r, s);
	report_close(&r);
	return result;
}
