#pragma once
/*
 * Overload: may a worker take one more request. A request is refused on its
 * head, before its key is looked up, its body read or money held, so that it
 * costs next to nothing:
 *
 *   - above limits.requests of this worker;
 *   - when the worker cannot keep up. Then requests wait in the kernel before
 *     they are read. Once all of them have waited longer than
 *     limits.overload_delay for ADMIT_PATIENCE_NS, those that did are refused,
 *     until for ADMIT_CALM_NS none had to be. What is read in time is always
 *     taken: the worker stays busy with answers, and nobody waits long for
 *     either.
 *
 * Even a refusal costs something. ADMIT_REFUSALS a second are given, a second's
 * worth of them at once; who comes beyond that waits for his, and the time
 * after which clients are told to come again (retry-after) grows until so many
 * are enough. No two of them are told the same time: those that were refused
 * together would come back together.
 *
 * Pages (healthz, models and so on) are always answered.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/clock.h"

struct request;
struct worker;

#define ADMIT_PATIENCE_NS (100 * NS_PER_MS)
#define ADMIT_CALM_NS	  NS_PER_SEC
#define ADMIT_REFUSALS	  4000u
#define ADMIT_RETRY_MAX_S 30u

/* Zeroed at first. */
struct admit {
	uint64_t late_ns;    /* since when all were late; 0 = they are not */
	uint64_t seen_ns;    /* the last late one */
	uint64_t refused_ns; /* the last that was refused */
	uint64_t refused;    /* since it began */
	uint64_t tick_ns;    /* the last one while it lasts */
	uint64_t due_ns;     /* when retry_s is looked at next, and what */
	uint64_t counted;    /* `refused` was then */
	uint32_t retry_s;    /* 0 = 1 */
	bool overloaded;
};

/* A request that has waited for `waited_ns`: true = it is refused. */
NODISCARD bool admit_late(struct admit *a, uint64_t waited_ns,
			  uint64_t limit_ns, uint64_t now_ns);
/* The overload is over. */
bool admit_calm(const struct admit *a, uint64_t now_ns);

/* Once a second: how long clients are to wait, when `refused` of them were
 * refused within it and `deferred` still wait for that. */
uint32_t admit_retry(uint32_t retry_s, uint64_t refused, uint64_t deferred);

/* On the head of a request that has an endpoint; true: it may go on, else
 * req->err and req->retry_after_ns are set. */
NODISCARD bool admit_head(struct request *req);
/* Each tick of the loop: how late it is. */
void admit_tick(struct worker *w, uint64_t lag_ns);
