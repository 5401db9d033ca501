/* One row a sealed day. */
#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

#define DAY_MS (24ull * 3600 * 1000)

TEST(each_day_that_is_over_has_its_row)
{
	struct entry e = sample_money(KIND_TOPUP, 1, -1000);
	struct paper p = {.job.format = SHEET_JSON};
	struct sample s;

	sample_open(&s);
	sample_put(&s, &e, DAY_MS);
	sample_put(&s, &e, 2 * DAY_MS);
	sample_read(&s);
	paper_write(&p, &s, report_seals);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK_INT(p.sum.rows, 2);
	CHECK(strstr(p.text.p, "{\"number\":1,\"day\":\"2025-11-20\","
			       "\"first_entry\":1,\"last_entry\":9,"
			       "\"sealed_at\":\"2025-11-21T12:00:00.000Z\","));
	CHECK(strstr(p.text.p, "{\"number\":2,\"day\":\"2025-11-21\","
			       "\"first_entry\":10,\"last_entry\":10,"));
	p.job.format = SHEET_CSV;
	p.job.filter.from_ms = SAMPLE_T0;
	paper_write(&p, &s, report_seals);
	CHECK_INT(p.sum.rows, 1);
	CHECK(strstr(p.text.p, "\r\n2,2025-11-21,10,10,"));
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(each_day_that_is_over_has_its_row);
	return tap_done();
}
