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

/* One row of the table: tokens of five classes and units, multiplier,
 * nano-USD. */
static const struct {
	struct token_counts tokens;
	uint32_t ppm;
	int64_t nano;
} cases[] = {
	{{0, 0, 0, 0, 0, 0}, PPM_ONE, 0},
	{{1, 0, 0, 0, 0, 0}, PPM_ONE, 2500},
	{{0, 1, 0, 0, 0, 0}, PPM_ONE, 1250},
	{{0, 0, 1, 0, 0, 0}, PPM_ONE, 3750},
	{{0, 0, 0, 1, 0, 0}, PPM_ONE, 10000},
	{{0, 0, 0, 0, 1, 0}, PPM_ONE, 10000},
	{{1000000, 0, 0, 0, 0, 0}, PPM_ONE, 2500000000},
	{{1000, 200, 0, 300, 7, 0}, 600000, 3492000},
	/* Rounded up once, on the sum. */
	{{1, 0, 0, 0, 0, 0}, 1, 1},
	{{1, 1, 0, 0, 0, 0}, 1, 1},
	{{1, 0, 0, 0, 0, 0}, 333333, 834},
	{{1, 0, 0, 0, 0, 0}, 0, 0},
	{{UINT32_MAX, 0, 0, UINT32_MAX, 0, 0},
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

/* From above 200 000 input tokens on everything is dearer. */
static const struct book_row tiered = {
	.input = PER_MILLION(1),
	.cache_read = PER_MILLION(0.1),
	.cache_write = PER_MILLION(1.25),
	.output = PER_MILLION(10),
	.reasoning = PER_MILLION(10),
	.n_tiers = 2,
	.tiers = {{200000, PER_MILLION(2), PER_MILLION(0.2), PER_MILLION(2.5),
		   PER_MILLION(15), PER_MILLION(16)},
		  {400000, PER_MILLION(4), PER_MILLION(4), PER_MILLION(4),
		   PER_MILLION(20), PER_MILLION(20)}},
};

static const struct {
	struct token_counts tokens;
	int64_t nano;
} tier_cases[] = {
	{{200000, 0, 0, 1, 0, 0}, 200010000},
	{{200001, 0, 0, 1, 0, 0}, 400017000},
	/* cached tokens are input */
	{{100000, 100000, 0, 1, 1, 0}, 110020000},
	{{100000, 100000, 1, 1, 1, 0}, 220033500},
	{{400000, 0, 0, 0, 0, 0}, 800000000},
	{{400000, 0, 1, 0, 0, 0}, 1600004000},
	/* output is not */
	{{1, 0, 0, 300000, 0, 0}, 3000001000},
};

static const struct {
	uint32_t units, ppm;
	int64_t nano;
} unit_cases[] = {
	{0, PPM_ONE, 1000}, /* the token alone */
	{(uint32_t)UNIT_IMAGE << 28 | 3, PPM_ONE, 120001000},
	{(uint32_t)UNIT_MILLISECOND << 28 | 12340, PPM_ONE, 1235000},
	{(uint32_t)UNIT_MILLISECOND << 28 | 1, 1, 1},
	{(uint32_t)UNIT_CHARACTER << 28 | 7, PPM_ONE, 106000},
	{(uint32_t)UNIT_SEARCH << 28 | 5, PPM_ONE, 1000},
	{15u << 28 | 5, PPM_ONE, 1000}, /* nobody knows what that is */
};

TEST(units_are_paid_beside_tokens_and_rounded_with_them)
{
	struct book_row row = {
		.input = PER_MILLION(1),
		.per_image = {40000000},
		.per_second = {100000},
		.per_character = PER_MILLION(15),
	};
	struct token_counts t = {.input = 1};
	struct money cost;

	for (size_t i = 0; i < ARRAY_LEN(unit_cases); i++) {
		t.units = unit_cases[i].units;
		CHECK(price_of(&row, &t, unit_cases[i].ppm, &cost));
		CHECK_INT(cost.nano, unit_cases[i].nano);
	}
	row.per_request = money_nano(2);
	t.units = units_of(UNIT_SEARCH, 5);
	CHECK(price_of(&row, &t, PPM_ONE, &cost));
	CHECK_INT(cost.nano, 1010);
	row.per_image = money_nano(INT64_MAX);
	t.units = units_of(UNIT_IMAGE, 1);
	CHECK(!price_of(&row, &t, PPM_ONE, &cost));
}

TEST(all_tokens_are_at_the_price_of_the_tier)
{
	struct money cost;

	for (size_t i = 0; i < sizeof(tier_cases) / sizeof(tier_cases[0]);
	     i++) {
		CHECK(price_of(&tiered, &tier_cases[i].tokens, PPM_ONE, &cost));
		CHECK_INT(cost.nano, tier_cases[i].nano);
	}
}

TEST(the_worst_price_is_that_of_the_dearest_class_of_the_tier)
{
	struct money cost;

	CHECK(price_worst(&tiered, 100, 10, PPM_ONE, &cost));
	CHECK_INT(cost.nano, 100 * 1250 + 10 * 10000);
	CHECK(price_worst(&tiered, 200001, 10, PPM_ONE, &cost));
	CHECK_INT(cost.nano, 200001 * 2500ll + 10 * 16000);
	CHECK(price_worst(&tiered, 400001, 10, PPM_ONE, &cost));
	CHECK_INT(cost.nano, 400001 * 4000ll + 10 * 20000);
}

TEST(a_discount_is_taken_off_the_multiplier_and_rounded_up_to_a_ppm)
{
	CHECK_INT(price_discounted(PPM_ONE, 0), PPM_ONE);
	CHECK_INT(price_discounted(600000, 100000), 540000);
	CHECK_INT(price_discounted(600001, 500000), 300001);
	CHECK_INT(price_discounted(1, 999999), 1);
	CHECK_INT(price_discounted(1700000, PPM_ONE), 0);
	CHECK_INT(price_discounted(1700000, UINT32_MAX), 0);
	CHECK_INT(price_discounted(UINT32_MAX, 1), 4294963001);
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
	RUN(units_are_paid_beside_tokens_and_rounded_with_them);
	RUN(all_tokens_are_at_the_price_of_the_tier);
	RUN(the_worst_price_is_that_of_the_dearest_class_of_the_tier);
	RUN(a_discount_is_taken_off_the_multiplier_and_rounded_up_to_a_ppm);
	RUN(a_sum_that_does_not_fit_is_refused);
	RUN(the_first_pattern_of_the_group_gives_the_multiplier);
	return tap_done();
}
