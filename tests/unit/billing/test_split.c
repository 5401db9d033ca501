/* Shares of a charge. */
#include <string.h>

#include "billing/price.h"
#include "billing/split.h"
#include "tests/tap.h"

static struct book_row
a_row(void)
{
	struct book_row row;

	memset(&row, 0, sizeof(row));
	row.input.pico = 2500000;
	row.cache_read.pico = 1250000;
	row.cache_write.pico = 3125000;
	row.output.pico = 10000000;
	row.reasoning.pico = 10000000;
	row.per_request.nano = 100;
	return row;
}

static int64_t
sum_of(const struct split *s)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < SPLIT_CLASSES; i++)
		sum += s->charge[i];
	return sum;
}

static uint64_t
next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

TEST(shares_are_what_the_classes_cost)
{
	struct book_row row = a_row();
	struct entry e = {.tokens = {1000, 200, 0, 300, 7, 0}};
	struct money price;
	struct split s;

	CHECK(price_of(&row, &e.tokens, PPM_ONE, &price));
	e.charge_nano = price.nano;
	s = split_charge(&row, &e);
	CHECK_INT(s.charge[0], 2500000);
	CHECK_INT(s.charge[1], 250000);
	CHECK_INT(s.charge[2], 0);
	CHECK_INT(s.charge[3], 3000000);
	CHECK_INT(s.charge[4], 70000);
	CHECK_INT(s.charge[SPLIT_REQUEST], 100);
	CHECK_INT(s.quantity[SPLIT_REQUEST], 1);
	CHECK_INT(s.quantity[3], 300);
	CHECK_INT(sum_of(&s), price.nano);
}

TEST(shares_add_up_to_any_charge)
{
	uint64_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		struct book_row row = a_row();
		struct entry e = {0};
		struct split s;

		row.input.pico = (int64_t)(next(&seed) << (next(&seed) % 32));
		row.output.pico = (int64_t)next(&seed) % 3;
		e.tokens.input = (uint32_t)next(&seed) * (next(&seed) % 2);
		e.tokens.output = (uint32_t)next(&seed);
		e.tokens.reasoning = (uint32_t)next(&seed) % 50;
		e.charge_nano = (int64_t)(next(&seed) << (next(&seed) % 32));
		s = split_charge(&row, &e);
		CHECK_INT(sum_of(&s), e.charge_nano);
		for (unsigned k = 0; k < SPLIT_CLASSES; k++)
			CHECK(s.charge[k] >= 0);
	}
}

TEST(a_charge_without_weight_is_not_lost)
{
	struct book_row row = {0};
	struct entry e = {.charge_nano = 5};
	struct split s = split_charge(&row, &e);

	CHECK_INT(sum_of(&s), 5);
	e.charge_nano = INT64_MAX;
	row = a_row();
	row.input.pico = INT64_MAX;
	e.tokens.input = UINT32_MAX;
	s = split_charge(&row, &e);
	CHECK_INT(sum_of(&s), INT64_MAX);
	CHECK_STR(split_name(1), "cached_input");
	CHECK_STR(split_name(SPLIT_CLASSES), "");
	row.per_request.nano = INT64_MAX;
	CHECK_INT(split_price(&row, &e.tokens, SPLIT_REQUEST), 0);
	CHECK_INT(split_price(&row, &e.tokens, 2), 3125000);
	row.n_tiers = 1;
	row.tiers[0].above = 200000;
	row.tiers[0].cache_write.pico = 7;
	CHECK_INT(split_price(&row, &e.tokens, 2), 7);
}

int
main(void)
{
	RUN(shares_are_what_the_classes_cost);
	RUN(shares_add_up_to_any_charge);
	RUN(a_charge_without_weight_is_not_lost);
	return tap_done();
}
