/* The columns of FOCUS, byte for byte. */
#include "tests/tap.h"
#include "tests/unit/billing/months.h"

#define PERIODS                                      \
	"2025-11-01T00:00:00Z,2025-12-01T00:00:00Z," \
	"2025-11-20T00:00:00Z,2025-11-21T00:00:00Z,"
#define SERVICE "AI and Machine Learning,Generative AI,LLM API,"
#define NAMES	"Reseller,Reseller,openai,openai,Reseller,"

static void
write_rows(struct paper *p, struct sample *s)
{
	p->job.format = SHEET_CSV;
	p->job.issuer = STR("Reseller");
	paper_write(p, s, report_focus);
	CHECK_INT(p->result, REPORT_DONE);
}

TEST(usage_is_exact_to_the_last_digit)
{
	struct sample s;
	struct paper p = {0};

	sample_open(&s);
	sample_read(&s);
	write_rows(&p, &s);
	/* Two requests: the third was reversed on the same day. */
	CHECK(strstr(p.text.p,
		     "1,'=cmd()\",Prepaid,0,laptop,API Key,USD," PERIODS
		     "Usage,,gpt-4o Input Tokens,Usage-Based,0,0.003,2.5,"
		     "0.005,1.5,0.003,Standard,0.002,1000000 Tokens,2000,"
		     "Tokens," SERVICE
		     "gpt-4o/input,Input Tokens,1/0/input," NAMES
		     ",,openai-main,gpt-4o,input,0.6,2,0.007492515\r\n") ||
	      strstr(p.text.p, "gpt-4o Input Tokens,Usage-Based,0,0.003,2.5,"
			       "0.005,1.5,0.003,Standard,0.002,"
			       "1000000 Tokens,2000,Tokens," SERVICE
			       "gpt-4o/input,Input Tokens,1/0/input," NAMES
			       ",,openai-main,gpt-4o,input,0.6,2,"));
	paper_free(&p);
	sample_close(&s);
}

TEST(a_top_up_is_bought_and_takes_no_effect)
{
	struct sample s;
	struct paper p = {0};

	sample_open(&s);
	sample_read(&s);
	write_rows(&p, &s);
	CHECK(strstr(p.text.p,
		     "0,\"org, \"\"main\"\"\",Prepaid,,,,USD," PERIODS
		     "Purchase,,Top-up of the balance,One-Time,100,0,1,100,1,"
		     "100,Standard,100,Credits,,," SERVICE
		     "balance,Credits,balance,Reseller,Reseller,Reseller,"
		     "Reseller,Reseller,,,,,,,,\r\n"));
	CHECK(strstr(p.text.p, "Purchase,,Refund of balance,One-Time,-30,0,1,"
			       "-30,1,-30,Standard,-30,Credits,,,"));
	paper_free(&p);
	sample_close(&s);
}

TEST(the_number_of_the_invoice_stands_in_closed_months)
{
	struct months m;
	struct paper p = {0};

	months_open(&m);
	sample_read(&m.s);
	p.job.now_ms = MONTHS_DEC;
	write_rows(&p, &m.s);
	CHECK(strstr(p.text.p, "-2025-11-1,"));
	CHECK(!strstr(p.text.p, "-2025-12-1,"));
	CHECK(strstr(p.text.p, "Adjustment,,Correction,One-Time,-0.00000001,"
			       "-0.00000001,,-0.00000001,,-0.00000001,,,,,,"));
	CHECK(strstr(p.text.p, "Purchase,,Plan fee,Recurring,0,2,2,2,2,2,"
			       "Standard,1,Fees,,,"));
	CHECK(strstr(p.text.p, "Credit,,Credit,One-Time,0,-5,,0,,0,,,,,,"));
	CHECK(strstr(p.text.p, "Usage,Correction,gpt-4o "));
	paper_free(&p);
	sample_close(&m.s);
}

int
main(void)
{
	RUN(usage_is_exact_to_the_last_digit);
	RUN(a_top_up_is_bought_and_takes_no_effect);
	RUN(the_number_of_the_invoice_stands_in_closed_months);
	return tap_done();
}
