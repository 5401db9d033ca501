/* What the reconciliation compares, and how it says it. */
#include "tests/tap.h"
#include "tests/unit/billing/invoiced.h"

static void
reconcile(struct paper *p, struct sample *s, const char *csv)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct bill bill;

	must(bill_read(&bill, str_of(csv), &why));
	p->job.bill = &bill;
	paper_write(p, s, report_reconcile);
	bill_free(&bill);
}

TEST(rows_say_what_both_sides_have)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	reconcile(&p, &s,
		  "day,model,input_tokens,cached_input_tokens,cost\n"
		  "2025-11-20,gpt-4o-2024-11-20,3600,601,0.010476015\n");
	CHECK_STR(p.text.p,
		  "status,day,upstream_id,request_id,channel,model,"
		  "our_requests,invoiced_requests,our_input_tokens,"
		  "invoiced_input_tokens,our_cached_input_tokens,"
		  "invoiced_cached_input_tokens,our_cache_write_tokens,"
		  "invoiced_cache_write_tokens,our_output_tokens,"
		  "invoiced_output_tokens,our_cost_usd,invoiced_cost_usd,"
		  "diff_usd\r\n"
		  "wrong_class,2025-11-20,,,openai-main,gpt-4o-2024-11-20,"
		  "3,1,3600,3600,600,601,0,,921,,0.010476015,0.010476015,"
		  "0.00\r\n");
	CHECK_INT(p.sum.differences, 1);
	CHECK_STR(p.error.p,
		  "0 match, 0 missing, 0 extra, 1 wrong_class, 0 wrong_price; "
		  "ours 0.010476015, invoiced 0.010476015, difference 0.00 "
		  "USD");
	paper_free(&p);
	sample_close(&s);
}

TEST(the_period_is_that_of_the_bill_or_the_one_that_is_given)
{
	static const char bill[] = "day,model,cost\n2025-11-19,x,1\n"
				   "2025-11-20,gpt-4o-2024-11-20,0.010476015\n";
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	reconcile(&p, &s, bill);
	CHECK_INT(p.sum.differences, 1);
	CHECK(strstr(p.text.p, "\r\nextra,2025-11-19,,,,x,,1,"));
	p.job.filter.from_ms = SAMPLE_T0 - DAY_MS / 2;
	reconcile(&p, &s, bill);
	CHECK_INT(p.sum.differences, 0);
	p.job.filter.from_ms = 0;
	p.job.filter.to_ms = SAMPLE_T0 + DAY_MS;
	reconcile(&p, &s, "day,model,cost\n2025-11-19,x,1\n");
	CHECK_INT(p.sum.differences, 2);
	CHECK(strstr(p.text.p, "\r\nmissing,2025-11-20,"));
	paper_free(&p);
	sample_close(&s);
}

TEST(sums_of_hostile_numbers_stay_in_their_bounds)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	reconcile(&p, &s,
		  "day,input_tokens,cost\n"
		  "2025-11-20,18446744073709551615,9223372036.854775807\n"
		  "2025-11-20,18446744073709551615,9223372036.854775807\n"
		  "2025-11-20,,-9223372036.854775807\n");
	CHECK_INT(p.result, REPORT_DONE);
	CHECK_INT(p.sum.differences, 1);
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(rows_say_what_both_sides_have);
	RUN(the_period_is_that_of_the_bill_or_the_one_that_is_given);
	RUN(sums_of_hostile_numbers_stay_in_their_bounds);
	return tap_done();
}
