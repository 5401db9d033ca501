/* What each class of tokens has of a charge. */
#include "billing/split.h"

#include "base/must.h"
#include "billing/price.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t
input_of(const struct token_counts *t)
{
	return (uint64_t)t->input + t->cache_read + t->cache_write;
}

/* The class of what was counted; SPLIT_CLASSES: none. */
static unsigned
split_unit(const struct token_counts *t)
{
	unsigned kind = units_kind(t->units);

	return kind >= UNIT_IMAGE && kind <= UNIT_CHARACTER
		       ? SPLIT_REQUEST + kind
		       : SPLIT_CLASSES;
}

int64_t
split_price(const struct book_row *row, const struct token_counts *t,
	    unsigned class)
{
	struct book_tier tier = price_tier(row, input_of(t));
	switch (class) {
	case 0: return tier.input.pico;
	case 1: return tier.cache_read.pico;
	case 2: return tier.cache_write.pico;
	case 3: return tier.output.pico;
	case 4: return tier.reasoning.pico;
	default: break;
	}
	must(class < SPLIT_CLASSES);
	if (class == SPLIT_REQUEST)
		return MAX_OF(price_request(row).pico, 0);
	return class == split_unit(t) ? MAX_OF(price_unit(row, t).pico, 0) : 0;
}

const char *
split_name(unsigned class)
{
	static const char *const name[SPLIT_CLASSES] = {
		"input",  "cached_input", "cache_write",
		"output", "reasoning",	  "request",
		"image",  "millisecond",  "character",
	};

	return class < SPLIT_CLASSES ? name[class] : "";
}

static void
quantities(const struct book_row *row, const struct token_counts *t,
	   int64_t out[SPLIT_CLASSES])
{
	bool any = t->input | t->cache_read | t->cache_write | t->output |
		   t->reasoning | t->units;

	out[0] = t->input;
	out[1] = t->cache_read;
	out[2] = t->cache_write;
	out[3] = t->output;
	out[4] = t->reasoning;
	/* The price of the request is for what was delivered, and a line of
	 * its own only where there is one. */
	if (any && row->per_request.nano > 0)
		out[SPLIT_REQUEST] = price_requests(t);
	if (split_unit(t) < SPLIT_CLASSES)
		out[split_unit(t)] = units_count(t->units);
}

struct split
split_charge(const struct book_row *row, const struct entry *e)
{
	u128 upto[SPLIT_CLASSES], all = 0;
	uint64_t charge = (uint64_t)e->charge_nano, before = 0;
	struct split s = {0};
	int shift = 0;

	must(e->charge_nano >= 0);
	quantities(row, &e->tokens, s.quantity);
	for (unsigned i = 0; i < SPLIT_CLASSES; i++) {
		all += (u128)(uint64_t)s.quantity[i] *
		       (uint64_t)split_price(row, &e->tokens, i);
		upto[i] = all;
	}
	if (all == 0) {
		s.charge[0] = e->charge_nano;
		return s;
	}
	while (all >> shift > INT64_MAX)
		shift++;
	for (unsigned i = 0; i < SPLIT_CLASSES; i++) {
		uint64_t share = (uint64_t)((upto[i] >> shift) * charge /
					    (all >> shift));

		s.charge[i] = (int64_t)(share - before);
		before = share;
	}
	return s;
}
