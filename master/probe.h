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
/* Starts to resolve what `g` needs and nobody else has. */
void probes_prepare(struct probes *p, const struct generation *g);
/* All names have been asked for, or have had their time. */
bool probes_ready(const struct probes *p, uint64_t now_ns);
/* `g` serves: its settings count for rows that older ones share. */
void probes_serve(struct probes *p, const struct generation *g);
/* A few times a second. `serving`: NULL or without a configuration of ours:
 * its models are not looked after. */
void probes_tick(struct probes *p, const struct generation *serving,
		 uint64_t now_ns);
