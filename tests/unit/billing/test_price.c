/* The price of tokens, case by case. */
#include "billing/price.h"
#include "tests/tap.h"

#define PER_MILLION(usd)                 \
	{                                \
		(int64_t)((usd)*1000000) \
	}

static const struct book_row gpt = {
	.name = "gpt-4o",
	.input = PER_MILLION(2.5),
	.cache_read = PER_MILLION(1.25),
	.cache_write = PER_MILLION(3.75),
	.output = PER_MILLION(10),
	.reasoning = PER_MILLION(10),
};

/* One row of the table: tokens of five classes, multiplier, nano-USD. */
static const struct {
	struct token_counts tokens;
	uint32_t ppm;
	int64_t nano;
} cases[] = {
	{{0, 0, 0, 0, 0}, PPM_ONE, 0},
	{{1, 0, 0, 0, 0}, PPM_ONE, 2500},
	{{0, 1, 0, 0, 0}, PPM_ONE, 1250},
	{{0, 0, 1, 0, 0}, PPM_ONE, 3750},
	{{0, 0, 0, 1, 0}, PPM_ONE, 10000},
	{{0, 0, 0, 0, 1}, PPM_ONE, 10000},
	{{1000000, 0, 0, 0, 0}, PPM_ONE, 2500000000},
	{{1000, 200, 0, 300, 7}, 600000, 3492000},
	/* Rounded up once, on the sum. */
	{{1, 0, 0, 0, 0}, 1, 1},
	{{1, 1, 0, 0, 0}, 1, 1},
	{{1, 0, 0, 0, 0}, 333333, 834},
	{{1, 0, 0, 0, 0}, 0, 0},
	{{UINT32_MAX, 0, 0, UINT32_MAX, 0},
	 PPM_ONE,
	 (int64_t)UINT32_MAX * 12500},
};

TEST(the_table_of_prices_holds)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct money cost = {-1};

		CHECK(price_of(&gpt, &cases[i].tokens, cases[i].ppm, &cost));
		CHECK_INT(cost.nano, cases[i].nano);
	}
}

TEST(the_price_of_a_request_is_added_once_if_there_was_one)
{
	struct book_row row = gpt;
	struct token_counts one = {.output = 1}, none = {0};
	struct money cost;

	row.per_request = money_nano(5000001);
	CHECK(price_of(&row, &one, 500000, &cost));
	CHECK_INT(cost.nano, (5000001 + 10000 + 1) / 2);
	CHECK(price_of(&row, &none, PPM_ONE, &cost));
	CHECK_INT(cost.nano, 0);
}

TEST(a_sum_that_does_not_fit_is_refused)
{
	struct book_row row = gpt;
	struct token_counts t = {.input = UINT32_MAX};
	struct money cost;

	row.input.pico = INT64_MAX;
	CHECK(!price_of(&row, &t, PPM_ONE, &cost));
	row.input.pico = -1;
	CHECK(!price_of(&row, &t, PPM_ONE, &cost));
	row = gpt;
	row.per_request = money_nano(INT64_MAX);
	CHECK(!price_of(&row, &t, PPM_ONE, &cost));
}

TEST(the_first_pattern_of_the_group_gives_the_multiplier)
{
	struct conf_group_model models[] = {
		{.match = STR("gpt-*"), .multiplier_ppm = 600000},
		{.match = STR("*"), .multiplier_ppm = 1700000},
	};
	struct conf_group group = {
		.multiplier_ppm = PPM_ONE,
		.n_models = 1,
		.models = models,
	};

	CHECK_INT(price_multiplier(&group, STR("gpt-4o")), 600000);
	CHECK_INT(price_multiplier(&group, STR("claude")), PPM_ONE);
	group.n_models = 2;
	CHECK_INT(price_multiplier(&group, STR("gpt-4o")), 600000);
	CHECK_INT(price_multiplier(&group, STR("claude")), 1700000);
}

int
main(void)
{
	RUN(the_table_of_prices_holds);
	RUN(the_price_of_a_request_is_added_once_if_there_was_one);
	RUN(a_sum_that_does_not_fit_is_refused);
	RUN(the_first_pattern_of_the_group_gives_the_multiplier);
	return tap_done();
}
