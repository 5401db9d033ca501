#pragma once
/*
 * Price lists of others, turned into the `models` (and `groups`) of a
 * configuration file. Pure: JSON text in, configuration text out. Prices are
 * converted exactly from their digits, to the millionth of a USD per million
 * tokens.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

struct price_list {
	struct str only;  /* globs by commas; "" = all models */
	struct buf *out;  /* configuration text */
	struct buf *said; /* one line for each model that is left out */
	unsigned taken, left_out, rounded;
};

/* model_prices_and_context_window.json of LiteLLM. False, with a reason in
 * `error`: it is not that. */
NODISCARD bool prices_of_litellm(struct price_list *l, struct str text,
				 struct buf *error);
/* The ratios of New API and One API: an export of their options, or the
 * answer of /api/ratio_config. */
NODISCARD bool prices_of_newapi(struct price_list *l, struct str text,
				struct buf *error);
