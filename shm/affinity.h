#pragma once
/*
 * Which channel has seen a prefix last: a table of fixed size in shared
 * memory, for all workers. A cell is one word, changed by compare-and-swap;
 * what is pushed out or lost costs a provider's cache, nothing else.
 *
 * cell: tag 34 | channel row 10 | when it was used last 20 (s, modulo)
 */
#include <stdint.h>

#include "shm/region.h"

#define AFFINITY_CELLS (1u << 17)

/* The channel row of what hashes so, used within `ttl_ms`; SHM_NONE: not
 * known. */
uint32_t affinity_find(const struct region *r, uint64_t hash, uint32_t ttl_ms,
		       uint64_t now_ns);
/* It is at `channel` now. */
void affinity_put(struct region *r, uint64_t hash, uint32_t channel,
		  uint64_t now_ns);
