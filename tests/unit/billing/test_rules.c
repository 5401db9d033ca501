/* Who pays what: a row for each rule and each boundary between two, and what
 * holds for all of them, on a hundred thousand cases of facts. */
#include "base/attrs.h"
#include "billing/price.h"
#include "billing/rules.h"
#include "tests/tap.h"

/* 1 nano an input token, 10 an output token, 5 a reasoning token. */
static const struct book_row row = {
	.name = "m",
	.input = {1000},
	.cache_read = {500},
	.cache_write = {2000},
	.output = {10000},
	.reasoning = {5000},
};

#define USAGE                              \
	{                                  \
		.input = 100, .output = 20 \
	}
#define DELIVERED                         \
	{                                 \
		.input = 110, .output = 7 \
	}
#define ARRIVED                           \
	{                                 \
		.input = 110, .output = 9 \
	}
#define PLENTY          \
	{               \
		1000000 \
	}

/* A whole answer, as a start for the rows: what follows in a row replaces. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define WHOLE                                                        \
	.ended = true, .delivered_any = true, .delivered_all = true, \
	.has_usage = true, .attempts = 1, .usage = USAGE,            \
	.delivered = DELIVERED, .arrived = ARRIVED, .prices = &row,  \
	.multiplier_ppm = PPM_ONE, .hold = PLENTY, .list = &row,     \
	.cost_ppm = PPM_ONE / 2
/* One that broke off after its first tokens. */
#define PART                                                           \
	.delivered_any = true, .attempts = 1, .delivered = DELIVERED,  \
	.arrived = ARRIVED, .prices = &row, .multiplier_ppm = PPM_ONE, \
	.hold = PLENTY, .list = &row, .cost_ppm = PPM_ONE / 2

static const struct {
	const char *text;
	struct facts f;
	enum rule rule;
	enum usage_source source;
	int flags;
	int64_t charge;
	int64_t upstream;
} table[] = {
	{"a whole answer", {WHOLE}, RULE_USAGE, USAGE_UPSTREAM, 0, 300, 150},
	{"the multiplier is the customer's",
	 {WHOLE, .multiplier_ppm = 600000},
	 RULE_USAGE,
	 USAGE_UPSTREAM,
	 0,
	 180,
	 150},
	{"the client left after all of it",
	 {WHOLE, .left = true},
	 RULE_USAGE,
	 USAGE_UPSTREAM,
	 0,
	 300,
	 150},
	{"a price of exactly the hold",
	 {WHOLE, .hold = {300}},
	 RULE_USAGE,
	 USAGE_UPSTREAM,
	 0,
	 300,
	 150},
	{"one nano above the hold",
	 {WHOLE, .hold = {299}},
	 RULE_OVER_HOLD,
	 USAGE_UPSTREAM,
	 NOTE_OVER_HOLD,
	 299,
	 150},
	{"above the hold after a retry",
	 {WHOLE, .attempts = 2, .hold = {1}},
	 RULE_OVER_HOLD,
	 USAGE_UPSTREAM,
	 NOTE_OVER_HOLD,
	 1,
	 150},
	{"an explicit zero",
	 {WHOLE, .usage = {0}},
	 RULE_ZERO,
	 USAGE_UPSTREAM,
	 0,
	 0,
	 0},
	{"an explicit zero after a retry",
	 {WHOLE, .usage = {0}, .attempts = 3},
	 RULE_ZERO,
	 USAGE_UPSTREAM,
	 0,
	 0,
	 0},
	{"no usage",
	 {WHOLE, .has_usage = false},
	 RULE_NO_USAGE,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED,
	 180,
	 100},
	{"no usage, above the hold",
	 {WHOLE, .has_usage = false, .hold = {17}},
	 RULE_NO_USAGE,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED,
	 17,
	 100},
	{"nothing delivered",
	 {PART, .delivered_any = false, .failed = true},
	 RULE_NOTHING,
	 USAGE_NONE,
	 0,
	 0,
	 100},
	{"nothing delivered, and nobody was asked",
	 {PART, .delivered_any = false, .list = NULL},
	 RULE_NOTHING,
	 USAGE_NONE,
	 0,
	 0,
	 0},
	{"the client left before the first token",
	 {PART, .delivered_any = false, .left = true},
	 RULE_NOTHING,
	 USAGE_NONE,
	 0,
	 0,
	 100},
	{"the provider broke off",
	 {PART, .failed = true},
	 RULE_FAILED,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 70,
	 100},
	{"the provider broke off, and the operator waives it",
	 {PART, .failed = true, .failed_answer = FAILED_ANSWER_FREE},
	 RULE_FAILED,
	 USAGE_NONE,
	 NOTE_PARTIAL,
	 0,
	 100},
	{"the provider broke off, and had said how much it was",
	 {PART, .failed = true, .has_usage = true, .usage = {100, .output = 5}},
	 RULE_FAILED,
	 USAGE_UPSTREAM,
	 NOTE_PARTIAL,
	 50,
	 75},
	{"the client left",
	 {PART, .left = true},
	 RULE_LEFT,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 180,
	 100},
	{"the client left, the end had come but not to it",
	 {WHOLE, .delivered_all = false, .left = true},
	 RULE_LEFT,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 180,
	 150},
	{"the client left, and got more than the usage says",
	 {PART, .left = true, .has_usage = true, .usage = {1, .output = 1}},
	 RULE_LEFT,
	 USAGE_UPSTREAM,
	 NOTE_PARTIAL,
	 11,
	 6},
	{"the client left and the rest is read",
	 {PART, .left = true, .reads_on = true},
	 RULE_LEFT_READ,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 180,
	 0},
	{"a whole answer after a lost attempt",
	 {WHOLE, .attempts = 2},
	 RULE_RETRIED,
	 USAGE_UPSTREAM,
	 0,
	 300,
	 150},
	{"the gateway broke off what was not the answer",
	 {PART, .refused = true},
	 RULE_REFUSED,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 70,
	 100},
	{"the gateway broke it off, and the operator waives it",
	 {PART, .refused = true, .failed_answer = FAILED_ANSWER_FREE},
	 RULE_REFUSED,
	 USAGE_NONE,
	 NOTE_PARTIAL,
	 0,
	 100},
	{"the winner of a hedge",
	 {WHOLE, .hedged = true, .attempts = 2},
	 RULE_HEDGED,
	 USAGE_UPSTREAM,
	 0,
	 300,
	 150},
	{"from the cache",
	 {WHOLE, .cached = true, .list = NULL},
	 RULE_CACHED,
	 USAGE_NONE,
	 0,
	 0,
	 0},
	{"the hold was used up",
	 {PART, .at_hold = true},
	 RULE_AT_HOLD,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 180,
	 100},
	{"the hold was used up, one nano short",
	 {PART, .at_hold = true, .hold = {179}},
	 RULE_AT_HOLD,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 179,
	 100},
	{"the worker died",
	 {PART, .reaped = true},
	 RULE_REAPED,
	 USAGE_ESTIMATED,
	 NOTE_ESTIMATED | NOTE_PARTIAL,
	 180,
	 100},
	{"the worker died before anything was delivered",
	 {PART, .reaped = true, .delivered_any = false, .delivered = {0}},
	 RULE_REAPED,
	 USAGE_NONE,
	 0,
	 0,
	 100},
};

TEST(the_table_of_rules_holds)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct verdict v = rules_judge(&table[i].f);

		if (v.rule != table[i].rule || v.source != table[i].source ||
		    v.flags != table[i].flags ||
		    v.charge.nano != table[i].charge ||
		    v.upstream.nano != table[i].upstream)
			printf("# the row \"%s\"\n", table[i].text);
		CHECK_INT(v.rule, table[i].rule);
		CHECK_INT(v.source, table[i].source);
		CHECK_INT(v.flags, table[i].flags);
		CHECK_INT(v.charge.nano, table[i].charge);
		CHECK_INT(v.upstream.nano, table[i].upstream);
	}
}

TEST(every_rule_has_a_row_and_a_name)
{
	char name[8];

	for (uint8_t rule = 1; rule < RULE_COUNT; rule++) {
		unsigned rows = 0;

		for (size_t i = 0; i < ARRAY_LEN(table); i++)
			rows += table[i].rule == rule;
		CHECK(rows > 0);
		(void)snprintf(name, sizeof(name), "R%u", rule);
		CHECK_STR(rule_name(rule), name);
	}
	CHECK_STR(rule_name(0), "");
	CHECK_STR(rule_name(RULE_COUNT), "");
	CHECK_STR(rule_name(255), "");
}

TEST(a_price_that_does_not_fit_costs_the_hold)
{
	struct book_row dear = row;
	struct facts f = {WHOLE};
	struct verdict v;

	dear.input.pico = INT64_MAX;
	f.prices = &dear;
	f.usage.input = UINT32_MAX;
	v = rules_judge(&f);
	CHECK_INT(v.rule, RULE_OVER_HOLD);
	CHECK_INT(v.price.nano, INT64_MAX);
	CHECK_INT(v.charge.nano, f.hold.nano);
	CHECK_INT(rules_charge(&dear, &v.tokens, PPM_ONE, f.hold).nano,
		  f.hold.nano);
}

/* ---- what holds for all ---- */

static uint64_t state = 88172645463325252u;

static uint32_t
below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % n;
}

static struct token_counts
some_tokens(void)
{
	static const uint32_t most[] = {1, 2, 1000, 200000, UINT32_MAX};
	uint32_t n = most[below(ARRAY_LEN(most))];

	return (struct token_counts){below(n), below(n), below(n),
				     below(n), below(n), 0};
}

static struct facts
some_facts(const struct book_row *prices)
{
	static const uint32_t ppm[] = {0, 1, 333333, PPM_ONE, 1700000};
	struct facts f = {
		.reaped = below(8) == 0,
		.cached = below(8) == 0,
		.hedged = below(8) == 0,
		.ended = below(2),
		.failed = below(3) == 0,
		.refused = below(3) == 0,
		.at_hold = below(3) == 0,
		.left = below(3) == 0,
		.delivered_any = below(4) != 0,
		.delivered_all = below(2),
		.has_usage = below(2),
		.attempts = below(4),
		.usage = some_tokens(),
		.delivered = some_tokens(),
		.arrived = some_tokens(),
		.prices = prices,
		.multiplier_ppm = ppm[below(ARRAY_LEN(ppm))],
		.hold = {below(2) ? below(UINT32_MAX) : INT64_MAX},
		.failed_answer =
			below(2) ? FAILED_ANSWER_FREE : FAILED_ANSWER_OUTPUT,
		.list = below(5) ? prices : NULL,
		.cost_ppm = PPM_ONE,
	};

	f.reads_on = f.left && below(2);
	/* What the meter counts is what was delivered. */
	if (!f.delivered_any)
		f.delivered = (struct token_counts){0};
	return f;
}

TEST(no_rule_charges_more_than_the_hold_or_the_usage_or_the_delivery)
{
	struct book_row dear = row;

	dear.per_request = money_nano(77);
	for (int i = 0; i < 100000; i++) {
		struct facts f = some_facts(i % 2 ? &row : &dear);
		struct verdict v = rules_judge(&f);
		struct money usage, delivered;

		CHECK(v.rule >= RULE_USAGE && v.rule < RULE_COUNT);
		CHECK(v.charge.nano >= 0 && v.charge.nano <= f.hold.nano);
		CHECK(v.charge.nano == rules_charge(f.prices, &v.tokens,
						    f.multiplier_ppm, f.hold)
					       .nano);
		if (f.has_usage &&
		    price_of(f.prices, &f.usage, f.multiplier_ppm, &usage))
			CHECK(v.charge.nano <= usage.nano);
		if (v.rule != RULE_USAGE && v.rule != RULE_RETRIED &&
		    v.rule != RULE_HEDGED && v.rule != RULE_OVER_HOLD &&
		    price_of(f.prices, &f.delivered, f.multiplier_ppm,
			     &delivered))
			CHECK(v.charge.nano <= delivered.nano);
		if (!f.delivered_any)
			CHECK_INT(v.charge.nano, 0);
		if (!f.list)
			CHECK_INT(v.upstream.nano, 0);
	}
}

int
main(void)
{
	RUN(the_table_of_rules_holds);
	RUN(every_rule_has_a_row_and_a_name);
	RUN(a_price_that_does_not_fit_costs_the_hold);
	RUN(no_rule_charges_more_than_the_hold_or_the_usage_or_the_delivery);
	return tap_done();
}
