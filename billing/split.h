#pragma once
/*
 * A charge is rounded once, for the whole request; an invoice shows it by
 * class of tokens. Each class gets its share of the charge by what it weighs,
 * tokens x list price, and the shares add up to the charge to the nano-USD,
 * also where the hold or a later reversal made it another one. Pure.
 */
#include <stdint.h>

#include "base/money.h"
#include "billing/usage.h"
#include "shm/books.h"

/* Those of the tokens (struct token_counts), then the request itself, then the
 * units that have a price of their own, in their order. */
#define SPLIT_CLASSES (ENTRY_CLASSES + 4)
#define SPLIT_REQUEST ENTRY_CLASSES
#define SPLIT_SECOND  (SPLIT_REQUEST + 2) /* counted in milliseconds */

struct split {
	int64_t quantity[SPLIT_CLASSES]; /* tokens, requests, or units */
	int64_t charge[SPLIT_CLASSES];	 /* nano-USD */
};

/* Pico-USD for one token, request or unit, in a request of these tokens;
 * 0 when it does not fit. */
int64_t split_price(const struct book_row *row, const struct token_counts *t,
		    unsigned class);
/* "input", "cached_input", "cache_write", "output", "reasoning", "request",
 * "image", "millisecond", "character" */
const char *split_name(unsigned class);
/* The charge of request `e`, which was priced by `row`. */
struct split split_charge(const struct book_row *row, const struct entry *e);
