#pragma once
/*
 * Models that may answer in place of the asked one: those that the route
 * names, for keys that take another model. They are priced at admission, so
 * that the hold covers the dearest of them. Private to worker/.
 */
#include <stdbool.h>

#include "worker/prices.h"
#include "worker/request.h"

struct fallback {
	struct product *product;
	struct priced priced;
	uint32_t multiplier_ppm;
};

/* Before the hold: those that may take over, into req->fallbacks. */
void fallback_find(struct request *req);
static inline bool
fallback_left(const struct request *req)
{
	return req->next_fallback < req->n_fallbacks;
}
/* What its input and first output, at most `limit` tokens, cost at most. */
NODISCARD bool fallback_worst_price(const struct request *req,
				    const struct fallback *f, uint64_t limit,
				    struct money *cost);
/* The next one is the request's model from now on: channels, prices, hold.
 * False: there is none. Nothing of the answer has begun. */
NODISCARD bool fallback_next(struct request *req);
