/* The report of requests, byte for byte. */
#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

#define HEAD                                                                      \
	"ts_start,ts_end,request_id,account_id,account_name,key_id,key_name,"     \
	"route,model_requested,model_served,channel,provider,stream,status,"      \
	"error_type,attempts,hedged,cache,input_tokens,cached_input_tokens,"      \
	"cache_write_tokens,output_tokens,reasoning_tokens,usage_source,rule,"    \
	"price_id,tier,unit_price_input_usd_per_1m,unit_price_output_usd_per_1m," \
	"multiplier,charge_usd,upstream_cost_usd,ttft_ms,duration_ms,tags,"       \
	"substituted,units,unit\r\n"
#define ID(d)  "req_" d d d d d d d d d d d d d d d d
#define WHO    ",1,\"'=cmd()\",0,laptop,/v1/chat/completions,gpt-4o,"
#define SERVED "gpt-4o-2024-11-20,openai-main,openai,"
#define TOKENS "1000,200,0,300,7,upstream,R1,1,0,2.50,10.00,0.6,"
#define LAST   "0.003492005,123.456,2000.001,,false,,\r\n"
#define REQUEST_B                                                     \
	"2025-11-20T12:00:00.800Z,2025-11-20T12:00:02.800Z," ID("bb") \
		WHO SERVED "true,200,,1,false,," TOKENS "0.003492," LAST
#define REQUEST_A                                                     \
	"2025-11-20T12:00:00.900Z,2025-11-20T12:00:02.900Z," ID("aa") \
		WHO SERVED "true,200,,1,false,," TOKENS "0.003492," LAST
#define REQUEST_C                                                     \
	"2025-11-20T12:00:00.900Z,2025-11-20T12:00:02.900Z," ID("cc") \
		WHO SERVED "false,200,,1,false,," TOKENS "0.00," LAST
#define REQUEST_D                                                                     \
	"2025-11-20T12:00:00.900Z,2025-11-20T12:00:02.900Z," ID("dd") WHO             \
		"gpt-4o,openai-main,openai,true,502,caller_invalid_request,1,false,," \
		"0,0,0,0,0,none,R4,1,0,2.50,10.00,0.6,0.00,0.00,,2000.001,,false,,\r\n"

TEST(rows_stand_by_start_and_id_and_a_reversed_one_costs_nothing)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK_STR(p.text.p, HEAD REQUEST_B REQUEST_A REQUEST_C REQUEST_D);
	CHECK_INT(p.sum.rows, 4);
	CHECK_INT(p.sum.charge_nano, 2 * 3492000);
	CHECK_INT(p.sum.input_tokens, 3 * 1200);
	CHECK_INT(p.sum.output_tokens, 3 * 307);
	CHECK_INT(p.sum.last_seq, SAMPLE_ENTRIES);
	paper_free(&p);
	sample_close(&s);
}

TEST(the_same_ledger_gives_the_same_bytes)
{
	struct sample s;
	struct paper a = {.job.format = SHEET_CSV};
	struct paper b = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	paper_write(&a, &s, report_requests);
	paper_write(&b, &s, report_requests);
	CHECK_STR(a.text.p, b.text.p);
	paper_free(&a);
	paper_free(&b);
	sample_close(&s);
}

TEST(raw_leaves_formulas_alone)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV, .job.raw = true};

	sample_open(&s);
	sample_read(&s);
	paper_write(&p, &s, report_requests);
	CHECK(strstr(p.text.p, ",1,=cmd(),0,"));
	paper_free(&p);
	sample_close(&s);
}

TEST(the_period_is_that_of_the_start)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	p.job.filter.from_ms = SAMPLE_T0 + 800;
	p.job.filter.to_ms = SAMPLE_T0 + 900;
	paper_write(&p, &s, report_requests);
	CHECK_STR(p.text.p, HEAD REQUEST_B);
	p.job.filter.from_ms = SAMPLE_T0 + 901;
	p.job.filter.to_ms = 0;
	paper_write(&p, &s, report_requests);
	CHECK_STR(p.text.p, HEAD);
	CHECK_INT(p.sum.rows, 0);
	paper_free(&p);
	sample_close(&s);
}

TEST(account_and_key_are_named_or_numbered)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	p.job.filter.account = STR("=cmd()");
	p.job.filter.key = STR("tg_Ab3x");
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.sum.rows, 4);
	p.job.filter.account = STR("0");
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.sum.rows, 0);
	p.job.filter.account = STR("nobody");
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.result, REPORT_NO_SUCH);
	CHECK_STR(p.error.p, "there is no account nobody");
	p.job.filter.account = STR_NONE;
	p.job.filter.key = STR("7");
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.result, REPORT_NO_SUCH);
	CHECK_STR(p.error.p, "there is no key 7");
	paper_free(&p);
	sample_close(&s);
}

TEST(lost_attempts_are_folded_into_their_request)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	struct entry e;

	sample_open(&s);
	sample_leg(&s, 0xaa, 1000000, 0);
	sample_leg(&s, 0xaa, 500000, MOVES_CAPS);
	sample_leg(&s, 0xdd, 7, 0);
	/* The one that answered is in the request already. */
	e = sample_request(&s, 20, 1, 0xbb);
	e.kind = KIND_CAP;
	e.moves = MOVES_CAPS;
	e.charge_nano = 0;
	sample_put(&s, &e, 95000);
	sample_read(&s);
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.sum.rows, 4);
	CHECK_INT(p.sum.upstream_nano, 3 * 3492005 + 1500007);
	CHECK(strstr(p.text.p, "0.003492,0.004992005,123.456,"));
	CHECK(strstr(p.text.p, "0.00,0.000000007,,2000.001,"));
	paper_free(&p);
	sample_close(&s);
}

TEST(one_channel_is_asked_for_by_name)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_read(&s);
	p.job.filter.channel = STR("openai-main");
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.sum.rows, 4);
	p.job.filter.channel = STR("openai");
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.sum.rows, 0);
	p.job.filter.channel = STR("nowhere");
	paper_write(&p, &s, report_requests);
	CHECK_STR(p.error.p, "there is no channel nowhere");
	paper_free(&p);
	sample_close(&s);
}

TEST(json_has_one_object_a_line)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_JSON};

	sample_open(&s);
	sample_read(&s);
	p.job.filter.to_ms = SAMPLE_T0 + 900;
	paper_write(&p, &s, report_requests);
	CHECK(str_starts(str_of(p.text.p),
			 STR("{\"ts_start\":\"2025-11-20T12:00:00.800Z\",")));
	CHECK(strstr(p.text.p, "\"account_name\":\"=cmd()\","));
	CHECK(strstr(p.text.p, "\"charge_usd\":\"0.003492\","));
	CHECK(strstr(p.text.p, "\"provider\":\"openai\","));
	CHECK(strstr(p.text.p, "\"tags\":null,\"substituted\":false,"
			       "\"units\":null,\"unit\":null}\n"));
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(rows_stand_by_start_and_id_and_a_reversed_one_costs_nothing);
	RUN(the_same_ledger_gives_the_same_bytes);
	RUN(raw_leaves_formulas_alone);
	RUN(the_period_is_that_of_the_start);
	RUN(account_and_key_are_named_or_numbered);
	RUN(lost_attempts_are_folded_into_their_request);
	RUN(one_channel_is_asked_for_by_name);
	RUN(json_has_one_object_a_line);
	return tap_done();
}
