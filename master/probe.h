#pragma once
/*
 * Upstreams as the master watches them: addresses (it alone resolves names),
 * the breaker of each channel over what the workers counted, and the one
 * probe of a channel that is open. All live by row of the channel table, so
 * they go on over reloads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "shm/region.h"

struct event_base;
struct generation;
struct probes;

/* NULL when out of memory. */
struct probes *probes_new(struct event_base *base, struct region *region);
void probes_free(struct probes *p);
/* All names have been asked for, or have had their time. */
bool probes_ready(const struct probes *p, uint64_t now_ns);
/* `g` is about to serve: its settings count from now on, and its names are
 * looked up. Workers of older ones go on with the addresses they have where it
 * goes another way. If it comes to nothing the one before is taken again. */
void probes_take(struct probes *p, const struct generation *g);
/* No configuration of before is used any more: it may go. */
void probes_leave(struct probes *p);
/* A few times a second. `serving`: NULL or without a configuration of ours:
 * its models are not looked after. */
void probes_tick(struct probes *p, const struct generation *serving,
		 uint64_t now_ns);
