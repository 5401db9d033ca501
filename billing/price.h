#pragma once
/*
 * Who pays what, as pure functions: list price x multiplier, rounded once
 * (base/money.h); every charge can be recomputed from its entry.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/money.h"
#include "base/str.h"
#include "conf/conf.h"
#include "shm/books.h"
#include "shm/slots.h"

/* The multiplier of `group` for `model`: its first matching pattern, else its
 * default. */
static inline uint32_t
price_multiplier(const struct conf_group *group, struct str model)
{
	return conf_multiplier(group, model);
}

/* With an account's discount, rounded up to a ppm. */
uint32_t price_discounted(uint32_t ppm, uint32_t discount_ppm);
/* The prices that count for a request of so many input tokens, cached ones
 * included: of the row, or of a tier. */
struct book_tier price_tier(const struct book_row *prices, uint64_t input);
/* For each request: -1 when it does not fit. */
struct price price_request(const struct book_row *prices);
/* How many times that is paid: once, or for each search. */
uint32_t price_requests(const struct token_counts *tokens);
/* For each of the units that were counted; 0 for none. */
struct price price_unit(const struct book_row *prices,
			const struct token_counts *tokens);
/* What `input` and `output` tokens cost at most: each at its dearest class. */
NODISCARD bool price_worst(const struct book_row *prices, uint32_t input,
			   uint32_t output, uint32_t ppm, struct money *cost);
/* The price of these tokens and units; false when it does not fit. The per-request
 * price is part of it when anything was delivered. */
NODISCARD bool price_of(const struct book_row *prices,
			const struct token_counts *tokens, uint32_t ppm,
			struct money *cost);
