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
		t->reasoning) == 0;
}

bool
price_of(const struct book_row *prices, const struct token_counts *tokens,
	 uint32_t ppm, struct money *cost)
{
	struct priced_tokens classes[] = {
		{tokens->input, prices->input},
		{tokens->cache_read, prices->cache_read},
		{tokens->cache_write, prices->cache_write},
		{tokens->output, prices->output},
		{tokens->reasoning, prices->reasoning},
		{1, {0}},
	};

	if (nothing_counted(tokens)) {
		*cost = money_nano(0);
		return true;
	}
	if (__builtin_mul_overflow(prices->per_request.nano, PICO_PER_NANO,
				   &classes[5].price.pico))
		return false;
	return money_cost(classes, ARRAY_LEN(classes), ppm, cost);
}
