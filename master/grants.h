#pragma once
/*
 * Access tokens of channels with a service account. The master alone fetches
 * them, before the old ones end, and stores them in shared memory for all
 * workers; so there is one request for a token at a time, however many
 * workers there are.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "shm/region.h"

struct conf_channel;
struct event_base;
struct generation;
struct grants;

/* NULL when out of memory. */
struct grants *grants_new(struct event_base *base, struct region *region);
void grants_free(struct grants *g);
/* Is the channel's service account one; else the reason, without secrets. */
NODISCARD bool grants_check(const struct conf_channel *c, struct buf *reason);
/* The channels of `gen` that need a token wait for it from now on. */
void grants_prepare(struct grants *g, const struct generation *gen);
/* `gen` serves: its accounts are those that count. */
void grants_serve(struct grants *g, const struct generation *gen);
/* A few times a second. */
void grants_tick(struct grants *g, uint64_t now_ns);
