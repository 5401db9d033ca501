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

/* Before the hold: those that may take over, into req->fallbacks, and the one
 * that races with the asked model (hedge.h), into req->race. */
void fallback_find(struct request *req);
/* None of them after all. */
void fallback_none(struct request *req);
static inline bool
fallback_any(const struct request *req)
{
	return req->n_fallbacks > 0 || req->race;
}
static inline bool
fallback_left(const struct request *req)
{
	return req->next_fallback < req->n_fallbacks;
}
/* What the input and first output, at most `limit` tokens, of the dearest of
 * them cost at most, if that is more than `most`. */
NODISCARD bool fallback_dearest(const struct request *req, uint64_t limit,
				struct money *most);
/* It is the request's model from now on: channels, prices. */
void fallback_use(struct request *req, const struct fallback *f);
/* The hold is repriced to the request's model, before anything of its answer
 * is delivered. */
void fallback_commit(struct request *req);
/* The next one is the request's model from now on: channels, prices, hold.
 * False: there is none. Nothing of the answer has begun. */
NODISCARD bool fallback_next(struct request *req);
