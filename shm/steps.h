#pragma once
/*
 * The steps that owner, helpers and writer share: inside shm/ only. A step is
 * one double-word compare-and-swap on a counter (applied) and then one
 * compare-and-swap on the slot's word (confirmed).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "shm/counters.h"
#include "shm/region.h"
#include "shm/slots.h"

#define WORD_STEP     (1ull << 20)
#define WORD_EXT(i)   (1ull << (16 + (i)))
#define WORD_MASK(i)  (1ull << (12 + (i)))
#define WORD_EXT_ALL  (15ull << 16)
#define WORD_MASK_ALL (15ull << 12)
#define WORD_CUR      (1ull << 11)
#define WORD_SENT     (1ull << 4)
#define WORD_GEN_MAX  (1u << 31)

/* The word of a claim: nothing taken yet. */
static inline uint64_t
word_make(uint32_t gen, uint32_t k, enum slot_state state)
{
	return (uint64_t)gen << 32 | (uint64_t)k << 8 | REFUSED_NONE << 5 |
	       (uint64_t)state;
}

static inline uint64_t
word_with_state(uint64_t w, enum slot_state state)
{
	return (w & ~15ull) | (uint64_t)state;
}

static inline uint64_t
word_with_refused(uint64_t w, uint32_t refused)
{
	return (w & ~(7ull << 5)) | (uint64_t)refused << 5;
}

/* FREE, next generation. */
static inline uint64_t
word_freed(uint64_t w)
{
	return word_make(word_gen(w) + 1, 0, SLOT_FREE);
}

static inline uint64_t
word_load(const struct slot *s)
{
	return atomic_load_explicit(&s->word, memory_order_acquire);
}

/* Fields written before are seen by who sees the word. */
static inline void
word_store(struct slot *s, uint64_t w)
{
	atomic_store_explicit(&s->word, w, memory_order_release);
}

/* On failure *w is the word as it is. */
static inline bool
/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes it */
word_cas(struct slot *s, uint64_t *w, uint64_t to)
{
	return atomic_compare_exchange_strong_explicit(
		&s->word, w, to, memory_order_acq_rel, memory_order_acquire);
}

static inline int64_t
cell_load(const _Atomic int64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

static inline void
cell_store(_Atomic int64_t *cell, int64_t v)
{
	atomic_store_explicit(cell, v, memory_order_relaxed);
}

/* Caps count what the operator owes, all others what the customer
 * pays. */
static inline bool
counter_is_upstream(uint32_t counter)
{
	return counter >= SHM_ACCOUNTS + SHM_KEYS;
}

/* The final cost in the unit of counter i. */
int64_t slot_cost_of(const struct slot *s, uint32_t i);
/* Applies and confirms the pending step of an own slot in ACQ or EXT; *w is
 * its word and becomes the next one. False: refused, nothing was applied. */
NODISCARD bool slot_take(struct region *r, uint32_t slot, uint64_t *w);
