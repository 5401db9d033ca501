#pragma once
/*
 * A counter: what can still be spent on an account, a key budget or a
 * cap (caps.h). `available` = balance + credit limit - open holds, in
 * nano-USD. Changed only by the double-word compare-and-swap of slots.h.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/money.h"
#include "shm/region.h"

struct counter {
	_Alignas(CACHE_LINE) _Atomic int64_t available;
	_Atomic uint64_t last_op; /* gen 32 | slot 20 | step 12; 0 = none */
	_Atomic int64_t balance;  /* at the last commit; writer, for display */
	_Atomic int64_t credit; /* credit limit included in available; writer */
	_Atomic uint64_t id;	/* account or key id; writer */
	uint8_t spare[24];
};
_Static_assert(sizeof(struct counter) == CACHE_LINE, "counter");

static inline uint32_t
counter_of_account(uint32_t account)
{
	return account;
}

static inline uint32_t
counter_of_key(uint32_t key)
{
	return SHM_ACCOUNTS + key;
}

static inline uint32_t
counter_of_cap(uint32_t cap)
{
	return SHM_ACCOUNTS + SHM_KEYS + cap;
}
