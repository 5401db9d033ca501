/* The report of accounts, byte for byte. */
#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

#define HEAD                                                                     \
	"period_start,period_end,account_id,account_name,plan,currency,"         \
	"opening_balance,topups,credits,usage_charges,refunds,adjustments,fees," \
	"closing_balance,check,requests_ok,requests_error,input_tokens,"         \
	"cached_input_tokens,output_tokens,open_holds,last_request_ts\r\n"
#define ALL  "2025-11-20T12:00:00.001Z,2025-11-20T12:01:30.001Z,"
#define LATE "2025-11-20T12:00:03.001Z,2025-11-20T12:00:03.003Z,"
#define ORG  "0,\"org, \"\"main\"\"\",prepaid,USD,"
#define CMD  "1,\"'=cmd()\",prepaid,USD,"

TEST(every_account_has_its_sums_and_they_check)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	paper_write(&p, &s, report_accounts);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK_STR(p.text.p, HEAD ALL ORG
		  "0.00,100.00,0.00,0.006984,30.00,0.00,0.00,"
		  "69.993016,0.00,0,0,0,0,0,,\r\n" ALL CMD
		  "0.00,20.00,0.00,0.006984,0.00,0.00,0.00,19.993016,"
		  "0.00,3,1,3000,600,921,,"
		  "2025-11-20T12:00:00.900Z\r\n");
	paper_free(&p);
	sample_close(&s);
}

TEST(a_period_opens_with_what_was_before_it)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	p.job.filter.from_ms = SAMPLE_T0 + 3001;
	p.job.filter.to_ms = SAMPLE_T0 + 3003;
	p.job.filter.account = STR("1");
	paper_write(&p, &s, report_accounts);
	/* The reversal comes later. */
	CHECK_STR(p.text.p,
		  HEAD LATE CMD "19.996508,0.00,0.00,0.006984,0.00,0.00,0.00,"
				"19.989524,0.00,2,0,2000,400,614,,"
				"2025-11-20T12:00:00.900Z\r\n");
	paper_free(&p);
	sample_close(&s);
}

TEST(each_kind_of_movement_has_its_column)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	struct entry e;

	sample_open(&s);
	sample_leg(&s, 0xaa, 1000000, MOVES_CAPS);
	e = sample_money(KIND_CREDIT, 1, -5000000000);
	sample_put(&s, &e, 95000);
	e = sample_money(KIND_CREDIT, 1, 1000000000); /* it expired */
	sample_put(&s, &e, 95001);
	e = sample_money(KIND_FEE, 1, 2000000000);
	sample_put(&s, &e, 95002);
	e = sample_money(KIND_CORRECTION, 1, -250000000);
	sample_put(&s, &e, 95003);
	e = sample_money(KIND_ROLLOVER, 1, -1000000);
	e.moves = MOVES_KEY;
	e.key = 0;
	sample_put(&s, &e, 95004);
	e = sample_money(KIND_LIMIT, SHM_NONE, -1000000); /* of a channel */
	e.moves = MOVES_CAPS;
	sample_put(&s, &e, 95005);
	sample_read(&s);
	p.job.filter.account = STR("1");
	paper_write(&p, &s, report_accounts);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK(strstr(p.text.p, "prepaid,USD,0.00,20.00,4.00,0.006984,0.00,0.25,"
			       "2.00,22.243016,0.00,3,1,3000,600,921,,"));
	paper_free(&p);
	sample_close(&s);
}

TEST(open_holds_are_those_of_the_server_that_writes_this_ledger)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	struct region live;
	struct counter *c;

	must(region_anonymous(&live, SLOT_PAGE, 1) == E_OK);
	sample_open(&s);
	sample_read(&s);
	c = &live.counters[counter_of_account(1)];
	c->balance = 20000000;
	c->credit = 5000000;
	c->available = 15000000;
	p.job.live = &live;
	p.job.filter.account = STR("1");
	paper_write(&p, &s, report_accounts);
	CHECK(strstr(p.text.p, ",921,,")); /* another ledger's */
	memcpy(live.head->ledger_uuid, p.sum.uuid, LEDGER_UUID);
	paper_write(&p, &s, report_accounts);
	CHECK(strstr(p.text.p, ",921,0.01,"));
	p.job.filter.to_ms = SAMPLE_T0 + 900000;
	paper_write(&p, &s, report_accounts);
	CHECK(strstr(p.text.p, ",921,,")); /* the past */
	paper_free(&p);
	sample_close(&s);
	region_close(&live);
}

int
main(void)
{
	RUN(every_account_has_its_sums_and_they_check);
	RUN(a_period_opens_with_what_was_before_it);
	RUN(each_kind_of_movement_has_its_column);
	RUN(open_holds_are_those_of_the_server_that_writes_this_ledger);
	return tap_done();
}
