#pragma once
/*
 * Money. struct money is nano-USD (1e-9 USD), struct price is pico-USD per
 * token (1 USD per one million tokens = 1 000 000 pico-USD per token),
 * multipliers are parts per million. Integers only; the one rounding of a
 * request is in money_cost(): up to the next nano-USD. Structs, so that the
 * compiler refuses to mix them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

struct money {
	int64_t nano;
};

struct price {
	int64_t pico; /* per token, >= 0 */
};

struct priced_tokens {
	uint64_t tokens;
	struct price price;
};

#define PPM_ONE 1000000u /* the multiplier 1.0 */
/* Longest text of money_text(), with the NUL: "-9223372036.854775808". */
#define MONEY_TEXT 24

static inline struct money
money_nano(int64_t nano)
{
	return (struct money){nano};
}

/* The sum of tokens x price over `n` classes x ppm, rounded up once; false
 * when it does not fit into int64 nano-USD or a price is negative. */
NODISCARD bool money_cost(const struct priced_tokens *classes, unsigned n,
			  uint32_t ppm, struct money *cost);
/* False on overflow. */
NODISCARD bool money_add(struct money a, struct money b, struct money *sum);
static inline struct money
money_min(struct money a, struct money b)
{
	return a.nano < b.nano ? a : b;
}
static inline struct money
money_max(struct money a, struct money b)
{
	return a.nano > b.nano ? a : b;
}

/* Decimal USD, at most 9 digits after the point, optional leading '-';
 * no exponent, no spaces: "12.5", "-0.000000001". */
NODISCARD bool money_parse(struct str text, struct money *out);
/* Decimal USD per one million tokens, at most 6 digits after the point. */
NODISCARD bool price_parse(struct str text, struct price *out);
/* A decimal multiplier, at most 6 digits after the point: "0.6" -> 600000. */
NODISCARD bool ppm_parse(struct str text, uint32_t *out);

/* Exact decimals; money and prices without trailing zeros beyond the
 * second digit ("12.50", "0.000000001"). Return the length. */
size_t money_text(struct money m, char out[MONEY_TEXT]);
size_t price_text(struct price p, char out[MONEY_TEXT]);
size_t ppm_text(uint32_t ppm, char out[MONEY_TEXT]);
