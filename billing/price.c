/*
 * Prices: token counts x list price x multiplier. Pure; every charge can be
 * recomputed from its entry and the stored price book with price_of().
 */
#include "billing/price.h"

#define PICO_PER_NANO 1000

static bool
nothing_counted(const struct token_counts *t)
{
	return (t->input | t->cache_read | t->cache_write | t->output |
		t->reasoning | t->units) == 0;
}

uint32_t
price_discounted(uint32_t ppm, uint32_t discount_ppm)
{
	uint32_t left = PPM_ONE - MIN_OF(discount_ppm, PPM_ONE);

	return (uint32_t)(((uint64_t)ppm * left + PPM_ONE - 1) / PPM_ONE);
}

struct book_tier
price_tier(const struct book_row *prices, uint64_t input)
{
	unsigned n = MIN_OF(prices->n_tiers, (uint8_t)BOOK_TIERS);
	struct book_tier t = {
		.input = prices->input,
		.cache_read = prices->cache_read,
		.cache_write = prices->cache_write,
		.output = prices->output,
		.reasoning = prices->reasoning,
	};

	for (unsigned i = 0; i < n; i++)
		if (input > prices->tiers[i].above)
			t = prices->tiers[i];
	return t;
}

static uint64_t
input_of(const struct token_counts *t)
{
	return (uint64_t)t->input + t->cache_read + t->cache_write;
}

/* -1, which is no price, when it does not fit. */
static struct price
in_pico(struct money m)
{
	int64_t pico;

	if (__builtin_mul_overflow(m.nano, PICO_PER_NANO, &pico))
		pico = -1;
	return (struct price){pico};
}

struct price
price_request(const struct book_row *prices)
{
	return in_pico(prices->per_request);
}

uint32_t
price_requests(const struct token_counts *tokens)
{
	return units_kind(tokens->units) == UNIT_SEARCH
		       ? units_count(tokens->units)
		       : 1;
}

struct price
price_unit(const struct book_row *prices, const struct token_counts *tokens)
{
	switch (units_kind(tokens->units)) {
	case UNIT_IMAGE: return in_pico(prices->per_image);
	/* nano-USD a second = pico-USD a millisecond */
	case UNIT_MILLISECOND: return (struct price){prices->per_second.nano};
	case UNIT_CHARACTER: return prices->per_character;
	default: return (struct price){0};
	}
}

bool
price_of(const struct book_row *prices, const struct token_counts *tokens,
	 uint32_t ppm, struct money *cost)
{
	struct book_tier tier = price_tier(prices, input_of(tokens));
	struct priced_tokens classes[] = {
		{tokens->input, tier.input},
		{tokens->cache_read, tier.cache_read},
		{tokens->cache_write, tier.cache_write},
		{tokens->output, tier.output},
		{tokens->reasoning, tier.reasoning},
		{price_requests(tokens), price_request(prices)},
		{units_count(tokens->units), price_unit(prices, tokens)},
	};

	if (nothing_counted(tokens)) {
		*cost = money_nano(0);
		return true;
	}
	return money_cost(classes, ARRAY_LEN(classes), ppm, cost);
}

bool
price_worst(const struct book_row *prices, uint32_t input, uint32_t output,
	    uint32_t ppm, struct money *cost)
{
	struct book_tier tier = price_tier(prices, input);
	struct token_counts t = {0};

	if (tier.cache_write.pico > tier.input.pico)
		t.cache_write = input;
	else
		t.input = input;
	if (tier.reasoning.pico > tier.output.pico)
		t.reasoning = output;
	else
		t.output = output;
	return price_of(prices, &t, ppm, cost);
}
