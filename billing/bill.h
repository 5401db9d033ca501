#pragma once
/*
 * A provider's own account of what it delivered, as it exports it:
 *   JSON  pages of OpenAI's /organization/usage/completions (tokens by bucket
 *         and model) or /organization/costs (money by day and line item), or
 *         an array of such pages;
 *   CSV   with a header row of some of the names below.
 *
 *   request_id                    what we know as the upstream's request id
 *   time, day, date, start_time   2026-11-20, RFC 3339 or seconds from 1970
 *   model
 *   requests                      (num_model_requests) 1 when it is left out
 *   input_tokens                  all input, what was cached included
 *   cached_input_tokens           (input_cached_tokens) of that
 *   cache_write_tokens            (input_cache_write_tokens) of that
 *   output_tokens                 all output, reasoning included
 *   cost                          (cost_usd, amount) USD
 *
 * Other columns are left alone. The text comes from elsewhere and may hold
 * anything; it is checked whole before any of it counts. Tools.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

#define BILL_MAX (1ull << 30) /* bytes of a file */

struct buf;

enum bill_class {
	BILL_INPUT,
	BILL_CACHED,
	BILL_CACHE_WRITE,
	BILL_OUTPUT,
	BILL_CLASSES
};
/* bill_line.has: bits of the classes, and */
#define BILL_HAS_COST 16u

struct bill_line {
	struct str id;	  /* upstream request id, or "" */
	struct str model; /* "" = of none, or of all */
	uint64_t ms;	  /* the start of its bucket; 0 = not said */
	uint64_t requests;
	uint64_t tokens[BILL_CLASSES];
	int64_t cost_nano;
	uint8_t has;
};

struct bill {
	struct bill_line *lines;
	size_t n, cap;
	bool has_ids, has_models; /* any line */
	char *texts;		  /* what lines refer to */
	size_t texts_n;
};

/* `text` must be as long as `b`: lines refer to it. False: `error` says what
 * is wrong and where. Dates are those of the process's zone. */
NODISCARD bool bill_read(struct bill *b, struct str text, struct buf *error);
void bill_free(struct bill *b);

/* Decimal USD, with an exponent if need be; rounded to the nearest nano. */
NODISCARD bool bill_money(struct str text, int64_t *nano);
