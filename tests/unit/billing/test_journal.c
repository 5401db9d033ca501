/* The journal, byte for byte; that hledger accepts it is shown by
 * tests/e2e/test_reports.py. */
#include "tests/tap.h"
#include "tests/unit/billing/months.h"

#define ORG "liabilities:prepaid:org___main_#0"
#define CMD "liabilities:prepaid:_cmd__#1"

TEST(each_movement_of_money_is_a_transaction)
{
	struct sample s;
	struct paper p = {0};

	sample_open(&s);
	sample_read(&s);
	paper_write(&p, &s, report_journal);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK(str_starts(str_of(p.text.p),
			 STR("; written by tollgate-ledger export journal\n"
			     "decimal-mark .\ncommodity 1000.000000000 USD\n\n"
			     "2025-11-20 * (1) topup\n"
			     "    " ORG "  -100.00 USD =  -100.00 USD\n"
			     "    assets:cash  100.00 USD\n")));
	CHECK(strstr(p.text.p,
		     "2025-11-20 * (4) request req_aaaaaaaaaaaaaaaaaaaaaaaa"
		     "aaaaaaaa\n"
		     "    " CMD "  0.003492 USD =  -19.996508 USD\n"
		     "    revenue:usage:_cmd__#1  -0.003492 USD\n"
		     "    " ORG "  0.003492 USD\n"
		     "    equity:shared  -0.003492 USD\n"
		     "    expenses:upstream:openai-main  0.003492005 USD\n"
		     "    liabilities:payable:openai-main  -0.003492005 "
		     "USD\n"));
	CHECK(strstr(p.text.p, "closing balances\n"
			       "    " ORG "  0.00 USD =  -69.993016 USD\n"
			       "    " CMD "  0.00 USD =  -19.993016 USD\n"));
	CHECK(!strstr(p.text.p, "limit"));
	/* All but the limit and the failure, and the closing balances. */
	CHECK_INT(p.sum.rows, SAMPLE_ENTRIES - 1);
	paper_free(&p);
	sample_close(&s);
}

TEST(a_period_opens_with_its_balances)
{
	struct months m;
	struct paper p = {0};

	months_open(&m);
	sample_read(&m.s);
	p.job.filter.from_ms = MONTHS_NOV + 26 * MONTHS_DAY;
	p.job.filter.to_ms = MONTHS_NOV + 26 * MONTHS_DAY + 1;
	paper_write(&p, &m.s, report_journal);
	CHECK(strstr(p.text.p,
		     "USD\n\n2025-11-27 * opening balances\n    " ORG "  -"));
	CHECK(strstr(p.text.p, "    equity:corrections  0.00000001 USD\n"));
	CHECK(strstr(p.text.p, "liabilities:prepaid:later_ltd#2  -0.50 USD"));
	CHECK(!strstr(p.text.p, "closing"));
	CHECK_INT(p.sum.rows, 3);
	paper_free(&p);
	sample_close(&m.s);
}

int
main(void)
{
	RUN(each_movement_of_money_is_a_transaction);
	RUN(a_period_opens_with_its_balances);
	return tap_done();
}
