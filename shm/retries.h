#pragma once
/*
 * The retry budget of the whole server: one bucket that all workers share.
 * Each request earns a part of a retry, and each retry takes a whole one, so
 * in an outage the upstreams that are left get little more than their usual
 * load. The bucket holds a burst, and a few retries a second are always
 * allowed. A process that dies leaves nothing to heal.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"

/* What it holds, in retries. A new one is full. */
#define RETRY_BURST 500
/* Allowed every second, however empty it is. */
#define RETRY_LEAST 3

struct retry_bucket {
	/* Millionths of a retry that have been taken from a full bucket. */
	_Alignas(CACHE_LINE) _Atomic int64_t taken_ppm;
	_Atomic uint64_t least_ns; /* the last one by RETRY_LEAST, monotonic */
};

/* Worker: a request is sent for its first time. */
void retry_earn(struct retry_bucket *b, uint32_t ppm);
/* Worker: one retry; false: the budget is used up. */
NODISCARD bool retry_take(struct retry_bucket *b, uint64_t now_ns);

/*
 * The same for second requests that nobody has asked for: a new one is empty,
 * so that never more than the share of all requests is sent twice.
 */
#define HEDGE_BURST 50

struct hedge_bucket {
	_Alignas(CACHE_LINE) _Atomic int64_t saved_ppm;
};

/* Worker: a request that may be sent twice is sent. */
void hedge_earn(struct hedge_bucket *b, uint32_t ppm);
/* Worker: it is sent a second time; false: the budget is used up. */
NODISCARD bool hedge_take(struct hedge_bucket *b);
/* Worker: there was nobody to send it to. */
void hedge_give(struct hedge_bucket *b);
