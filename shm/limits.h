#pragma once
/*
 * Rate limits: GCRA with one 64-bit time per cell, exact over any number of
 * processes; the burst is one minute's worth. Concurrency: one atomic count.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "shm/accounts.h"

/* What the x-ratelimit-* headers say. */
struct limit_view {
	uint32_t limit; /* per minute; 0 = none */
	uint32_t remaining;
	uint64_t reset_ns; /* until all is there again */
};

/* Takes `n` units of a per-minute limit at `now` (monotonic); false: not now,
 * *retry_ns says when to come again (UINT64_MAX: never, n > limit). A limit
 * of 0 always allows. */
NODISCARD bool limit_take(_Atomic uint64_t *tat, uint32_t per_minute,
			  uint64_t n, uint64_t now_ns, uint64_t *retry_ns);
/* Gives back units that were not used; takes more if `n` < 0 (never fails:
 * later requests wait for it). */
void limit_return(_Atomic uint64_t *tat, uint32_t per_minute, int64_t n,
		  uint64_t now_ns);
struct limit_view limit_look(const _Atomic uint64_t *tat, uint32_t per_minute,
			     uint64_t now_ns);

/* Concurrency; 0 = no limit, but counted all the same. */
NODISCARD bool running_take(struct limit_cells *c);
void running_give(struct limit_cells *c);
