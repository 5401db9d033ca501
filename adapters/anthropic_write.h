#pragma once
/* What writes a request for Anthropic, between its two units. */
#include "adapters/anthropic.h"
#include "base/base64.h"

/* What is asked for of thinking, in a model's own terms. */
struct thinking {
	uint64_t max_tokens; /* always: thoughts count as well */
	const char *type;    /* "enabled", "adaptive", ...; NULL = unsaid */
	uint64_t budget;     /* of "enabled" */
	struct str effort;   /* raw, of output_config; n == 0 = unsaid */
	bool summarized;
};

/* Takes TRAIT_MAX, and TRAIT_THINKING where it can be had. */
void anthropic_think(struct writing *w, struct thinking *out);
void anthropic_put_thinking(struct json_out *o, const struct thinking *t);
