/*
 * Sets of eight cells (a cache line); a new prefix takes the place of the one
 * that was used longest ago. A lost race loses a place, nothing else.
 */
#include "shm/affinity.h"

#include "base/clock.h"

#define WAYS	   8u
#define STAMP_BITS 20u
#define ROW_BITS   10u
#define STAMP_MASK ((1u << STAMP_BITS) - 1u)
#define ROW_MASK   ((1u << ROW_BITS) - 1u)

_Static_assert(SHM_CHANNELS <= ROW_MASK + 1u, "a channel fits into a cell");

static uint32_t
stamp(uint64_t now_ns)
{
	return (uint32_t)(now_ns / NS_PER_SEC) & STAMP_MASK;
}

static uint64_t
tag_of(uint64_t hash)
{
	/* 0 is the empty cell */
	return (hash >> (STAMP_BITS + ROW_BITS)) | 1u;
}

static _Atomic uint64_t *
set_of(const struct region *r, uint64_t hash)
{
	return &r->affinity[(hash % (AFFINITY_CELLS / WAYS)) * WAYS];
}

/* Seconds since it was used; a clock that is a second ahead is now. */
static uint32_t
age_of(uint64_t cell, uint64_t now_ns)
{
	uint32_t age = (stamp(now_ns) - (uint32_t)cell) & STAMP_MASK;

	return age > STAMP_MASK - 2 ? 0 : age;
}

uint32_t
affinity_find(const struct region *r, uint64_t hash, uint32_t ttl_ms,
	      uint64_t now_ns)
{
	const _Atomic uint64_t *set = set_of(r, hash);

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t cell =
			atomic_load_explicit(&set[i], memory_order_relaxed);

		if (cell >> (STAMP_BITS + ROW_BITS) != tag_of(hash))
			continue;
		if (age_of(cell, now_ns) * 1000ull > ttl_ms)
			return SHM_NONE;
		return (uint32_t)(cell >> STAMP_BITS) & ROW_MASK;
	}
	return SHM_NONE;
}

void
affinity_put(struct region *r, uint64_t hash, uint32_t channel, uint64_t now_ns)
{
	_Atomic uint64_t *set = set_of(r, hash), *place = &set[0];
	uint64_t to = tag_of(hash) << (STAMP_BITS + ROW_BITS) |
		      (uint64_t)(channel & ROW_MASK) << STAMP_BITS |
		      stamp(now_ns);
	uint64_t was = 0;
	uint32_t oldest = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t cell =
			atomic_load_explicit(&set[i], memory_order_relaxed);
		uint32_t age = cell == 0 ? UINT32_MAX : age_of(cell, now_ns);
		bool mine = cell >> (STAMP_BITS + ROW_BITS) == tag_of(hash);

		if (mine || i == 0 || age > oldest) {
			place = &set[i];
			was = cell;
			oldest = age;
		}
		if (mine)
			break;
	}
	if (was != to)
		(void)atomic_compare_exchange_strong_explicit(
			place, &was, to, memory_order_relaxed,
			memory_order_relaxed);
}
