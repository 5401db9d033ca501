#include "base/money.h"
#include "tests/tap.h"

static struct money
cost_of(uint64_t tokens, int64_t pico, uint32_t ppm)
{
	struct priced_tokens c = {tokens, {pico}};
	struct money m = {-1};

	return money_cost(&c, 1, ppm, &m) ? m : money_nano(-1);
}

TEST(a_cost_is_exact_and_rounded_up_once)
{
	/* 2.50 USD per million = 2 500 000 pico per token = 2 500 nano */
	CHECK_INT(cost_of(1, 2500000, PPM_ONE).nano, 2500);
	CHECK_INT(cost_of(1000000, 2500000, PPM_ONE).nano, 2500000000);
	CHECK_INT(cost_of(1, 2500000, 600000).nano, 1500);
	CHECK_INT(cost_of(0, 2500000, PPM_ONE).nano, 0);
	CHECK_INT(cost_of(5, 0, PPM_ONE).nano, 0);
	CHECK_INT(cost_of(5, 1000, 0).nano, 0);
	/* the smallest price: 0.000001 USD per million = 1 pico */
	CHECK_INT(cost_of(1, 1, PPM_ONE).nano, 1);
	CHECK_INT(cost_of(1000, 1, PPM_ONE).nano, 1);
	CHECK_INT(cost_of(1001, 1, PPM_ONE).nano, 2);
	CHECK_INT(cost_of(1, 1, 1).nano, 1);
	CHECK_INT(cost_of(1000000, 1000, 1).nano, 1);
	CHECK_INT(cost_of(1000001, 1000, 1).nano, 2);
}

TEST(classes_are_rounded_together_not_one_by_one)
{
	struct priced_tokens c[4] = {
		{1, {250}}, {1, {250}}, {1, {250}}, {1, {250}}};
	struct money m;

	CHECK(money_cost(c, 4, PPM_ONE, &m));
	CHECK_INT(m.nano, 1);
	CHECK(money_cost(c, 0, PPM_ONE, &m));
	CHECK_INT(m.nano, 0);
}

TEST(a_whole_request_agrees_with_paper)
{
	/* gpt-4o: 1 234 x 2.50 + 5 678 x 1.25 + 910 x 10.00, x 0.6 */
	struct priced_tokens c[3] = {
		{1234, {2500000}}, {5678, {1250000}}, {910, {10000000}}};
	struct money m;

	CHECK(money_cost(c, 3, 600000, &m));
	CHECK_INT(m.nano, 11569500);
}

TEST(what_does_not_fit_is_refused)
{
	struct priced_tokens two[2] = {{UINT64_MAX, {INT64_MAX}},
				       {UINT64_MAX, {INT64_MAX}}};
	struct priced_tokens three[3] = {two[0], two[0], two[0]};
	struct money m = {7};

	CHECK_INT(cost_of(UINT64_MAX, INT64_MAX, UINT32_MAX).nano, -1);
	CHECK_INT(cost_of(1, -1, PPM_ONE).nano, -1);
	CHECK(!money_cost(two, 2, 1, &m));
	CHECK(!money_cost(three, 3, 1, &m));
	CHECK_INT(m.nano, 7);
	/* the edge: INT64_MAX nano exactly, and one more */
	CHECK(cost_of(INT64_MAX, 1000, PPM_ONE).nano == INT64_MAX);
	CHECK_INT(cost_of((uint64_t)INT64_MAX + 1, 1000, PPM_ONE).nano, -1);
}

TEST(sums_that_overflow_are_refused)
{
	struct money m = {7};

	CHECK(money_add(money_nano(INT64_MAX - 1), money_nano(1), &m));
	CHECK(m.nano == INT64_MAX);
	CHECK(!money_add(money_nano(INT64_MAX), money_nano(1), &m));
	CHECK(!money_add(money_nano(INT64_MIN), money_nano(-1), &m));
	CHECK(m.nano == INT64_MAX);
	CHECK_INT(money_min(money_nano(-2), money_nano(1)).nano, -2);
	CHECK_INT(money_max(money_nano(-2), money_nano(1)).nano, 1);
}

static const struct {
	const char *text;
	int64_t nano;
	const char *back;
} moneys[] = {
	{"0", 0, "0.00"},
	{"-0", 0, "0.00"},
	{"12", 12000000000, "12.00"},
	{"12.5", 12500000000, "12.50"},
	{"0.000000001", 1, "0.000000001"},
	{"-0.000000001", -1, "-0.000000001"},
	{"0.100", 100000000, "0.10"},
	{"1.005", 1005000000, "1.005"},
	{"007", 7000000000, "7.00"},
	{"9223372036.854775807", INT64_MAX, "9223372036.854775807"},
	{"-9223372036.854775808", INT64_MIN, "-9223372036.854775808"},
};

TEST(money_is_read_and_written_exactly)
{
	for (size_t i = 0; i < ARRAY_LEN(moneys); i++) {
		char out[MONEY_TEXT];
		struct money m = {0};

		CHECK(money_parse(str_of(moneys[i].text), &m));
		CHECK(m.nano == moneys[i].nano);
		CHECK_INT(money_text(m, out), strlen(moneys[i].back));
		CHECK_STR(out, moneys[i].back);
	}
}

static const char *const no_number[] = {
	"",   "-",   ".",   "1.",    ".5",	 "-.5",	  "+1",
	" 1", "1 ",  "1e3", "1,000", "0x10",	 "1.2.3", "--1",
	"1-", "inf", "nan", "1_000", "\xd9\xa1",
};

TEST(what_is_no_amount_is_refused)
{
	struct money m = {7};
	struct price p = {7};
	uint32_t ppm = 7;

	for (size_t i = 0; i < ARRAY_LEN(no_number); i++) {
		CHECK(!money_parse(str_of(no_number[i]), &m));
		CHECK(!price_parse(str_of(no_number[i]), &p));
		CHECK(!ppm_parse(str_of(no_number[i]), &ppm));
	}
	CHECK(!money_parse(STR("0.0000000001"), &m));
	CHECK(!money_parse(STR("9223372036.854775808"), &m));
	CHECK(!money_parse(STR("-9223372036.854775809"), &m));
	CHECK(!money_parse(STR("18446744073.709551616"), &m));
	CHECK(!money_parse(STR("99999999999999999999"), &m));
	CHECK(!money_parse(STR("1\0"), &m));
	CHECK(m.nano == 7 && p.pico == 7 && ppm == 7);
}

TEST(prices_have_six_digits_and_no_sign)
{
	char out[MONEY_TEXT];
	struct price p;

	CHECK(price_parse(STR("2.50"), &p) && p.pico == 2500000);
	(void)price_text(p, out);
	CHECK_STR(out, "2.50");
	CHECK(price_parse(STR("0.000001"), &p) && p.pico == 1);
	(void)price_text(p, out);
	CHECK_STR(out, "0.000001");
	CHECK(!price_parse(STR("0.0000001"), &p));
	CHECK(!price_parse(STR("-1"), &p));
	CHECK(price_parse(STR("9223372036854.775807"), &p) &&
	      p.pico == INT64_MAX);
	CHECK(!price_parse(STR("9223372036854.775808"), &p));
}

TEST(multipliers_are_parts_per_million)
{
	char out[MONEY_TEXT];
	uint32_t ppm;

	CHECK(ppm_parse(STR("0.6"), &ppm) && ppm == 600000);
	(void)ppm_text(ppm, out);
	CHECK_STR(out, "0.6");
	CHECK(ppm_parse(STR("1"), &ppm) && ppm == PPM_ONE);
	(void)ppm_text(ppm, out);
	CHECK_STR(out, "1.0");
	CHECK(ppm_parse(STR("4294.967295"), &ppm) && ppm == UINT32_MAX);
	CHECK(!ppm_parse(STR("4294.967296"), &ppm));
	CHECK(!ppm_parse(STR("0.0000001"), &ppm));
}

int
main(void)
{
	RUN(a_cost_is_exact_and_rounded_up_once);
	RUN(classes_are_rounded_together_not_one_by_one);
	RUN(a_whole_request_agrees_with_paper);
	RUN(what_does_not_fit_is_refused);
	RUN(sums_that_overflow_are_refused);
	RUN(money_is_read_and_written_exactly);
	RUN(what_is_no_amount_is_refused);
	RUN(prices_have_six_digits_and_no_sign);
	RUN(multipliers_are_parts_per_million);
	return tap_done();
}
