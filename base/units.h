#pragma once
/*
 * What a request may be paid by besides tokens, counted in whole numbers: one
 * kind a request. Packed into one word, because entries of the ledger hold it:
 * kind 4 | count 28.
 */
#include <stdint.h>

#include "base/attrs.h"

/* Stored in entries; never renumbered. */
enum unit {
	UNIT_NONE,
	UNIT_IMAGE,
	UNIT_MILLISECOND, /* of sound */
	UNIT_CHARACTER,	  /* of text to be spoken */
	UNIT_SEARCH,	  /* of a rerank: pays the price per request */
	UNIT_KINDS
};

#define UNITS_MAX ((1u << 28) - 1)

/* At most UNITS_MAX of them; none at all is no unit either. */
static inline uint32_t
units_of(enum unit unit, uint64_t n)
{
	if (n == 0)
		return 0;
	return (uint32_t)unit << 28 | (uint32_t)MIN_OF(n, (uint64_t)UNITS_MAX);
}

static inline unsigned
units_kind(uint32_t units)
{
	return units >> 28;
}

static inline uint32_t
units_count(uint32_t units)
{
	return units & UNITS_MAX;
}
