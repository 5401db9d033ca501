/* The report of channels, byte for byte. */
#include "billing/bill.h"
#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

#define HEAD                                                              \
	"day,channel,provider,upstream_account,model,requests,"           \
	"attempts_billed,input_tokens,cached_input_tokens,"               \
	"cache_write_tokens,output_tokens,reasoning_tokens,our_cost_usd," \
	"invoiced_quantity,invoiced_unit,invoiced_cost_usd,diff_usd,"     \
	"diff_pct,status,charged_usd,margin_usd,absorbed_usd\r\n"
#define MAIN "2025-11-20,openai-main,openai,,"

/* Three requests and a lost attempt; one was reversed, so all of its cost is
 * the operator's. */
#define SERVED MAIN "gpt-4o-2024-11-20,3,4,3000,600,0,900,21,0.010476022,"
#define FAILED MAIN "gpt-4o,1,0,0,0,0,0,0,0.00,"
#define MONEY  "0.006984,-0.003492022,0.003492022\r\n"

static void
with_bill(struct paper *p, struct sample *s, const char *csv)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct bill bill;

	must(bill_read(&bill, str_of(csv), &why));
	p->job.bill = &bill;
	paper_write(p, s, report_channels);
	bill_free(&bill);
	p->job.bill = NULL;
}

TEST(a_row_has_what_a_channel_did_on_a_day)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	struct entry e;

	sample_open(&s);
	sample_leg(&s, 0xaa, 7, MOVES_CAPS);
	e = sample_request(&s, 20, 1, 0xbb);
	e.kind = KIND_CAP; /* of a request that is counted */
	e.moves = MOVES_CAPS;
	e.charge_nano = 0;
	sample_put(&s, &e, 95000);
	sample_read(&s);
	paper_write(&p, &s, report_channels);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK_STR(p.text.p,
		  HEAD FAILED ",,,,,,0.00,0.00,0.00\r\n" SERVED ",,,,,," MONEY);
	CHECK_INT(p.sum.charge_nano, 2 * 3492000);
	CHECK_INT(p.sum.upstream_nano, 3 * 3492005 + 7);
	p.job.filter.channel = STR("openai-main");
	p.job.filter.to_ms = SAMPLE_T0;
	paper_write(&p, &s, report_channels);
	CHECK_STR(p.text.p, HEAD);
	paper_free(&p);
	sample_close(&s);
}

TEST(the_bill_stands_beside_it)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	sample_leg(&s, 0xaa, 7, 0);
	sample_read(&s);
	with_bill(&p, &s,
		  "day,model,input_tokens,output_tokens,cost\n"
		  "2025-11-20,gpt-4o-2024-11-20,3600,921,0.010476022\n"
		  "2025-11-21,gpt-9,,,1.5\n");
	CHECK_STR(p.text.p, HEAD FAILED
		  ",,,,,no_invoice,0.00,0.00,0.00\r\n" SERVED
		  "4521,tokens,0.010476022,0.00,0.00,match," MONEY
		  "2025-11-21,openai-main,,,gpt-9,0,0,0,0,0,0,0,0.00,,,1.50,"
		  "1.50,,unexpected,0.00,0.00,0.00\r\n");
	with_bill(&p, &s,
		  "day,model,cost\n"
		  "2025-11-20,gpt-4o-2024-11-20,0.010476026\n");
	CHECK(strstr(p.text.p, SERVED ",,0.010476026,0.000000004,0.00,"
				      "within_tolerance," MONEY));
	with_bill(&p, &s,
		  "day,model,cost\n"
		  "2025-11-20,gpt-4o-2024-11-20,0.01\n");
	CHECK(strstr(p.text.p,
		     SERVED ",,0.01,-0.000476022,-4.54,differs," MONEY));
	p.job.tolerance_nano = 1000000;
	with_bill(&p, &s,
		  "day,model,cost\n"
		  "2025-11-20,gpt-4o-2024-11-20,0.01\n");
	CHECK(strstr(p.text.p, ",within_tolerance,"));
	with_bill(&p, &s,
		  "day,model,output_tokens\n"
		  "2025-11-20,gpt-4o-2024-11-20,921\n");
	CHECK(strstr(p.text.p, SERVED "921,tokens,,,,no_cost," MONEY));
	paper_free(&p);
	sample_close(&s);
}

TEST(a_bill_is_of_one_channel)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	struct entry e;

	sample_open(&s);
	e = sample_request(&s, 20, 1, 0xbb);
	must(post_begin(&s.post) == STORE_OK);
	must(post_name(&s.post, STR("west"), &e.channel) == STORE_OK);
	must(post_commit(&s.post) == STORE_OK);
	sample_put(&s, &e, 95000);
	sample_read(&s);
	with_bill(&p, &s, "day,cost\n2025-11-20,1\n");
	CHECK_INT(p.result, REPORT_NO_WRITE);
	CHECK_STR(p.error.p, "the invoice is of one channel: say which "
			     "(--channel)");
	p.job.filter.channel = STR("west");
	with_bill(&p, &s, "day,cost\n2025-11-20,1\n");
	CHECK_INT(p.result, REPORT_DONE);
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_row_has_what_a_channel_did_on_a_day);
	RUN(the_bill_stands_beside_it);
	RUN(a_bill_is_of_one_channel);
	return tap_done();
}
