/* The retry budget: a token bucket counted from above, so that zeroed memory
 * is a full one. */
#include "shm/retries.h"

#include "base/clock.h"

#define ONE 1000000

void
retry_earn(struct retry_bucket *b, uint32_t ppm)
{
	int64_t taken =
		atomic_load_explicit(&b->taken_ppm, memory_order_relaxed);

	/* Mostly it is full, and nobody writes. */
	while (taken > 0 &&
	       !atomic_compare_exchange_weak_explicit(
		       &b->taken_ppm, &taken, taken > ppm ? taken - ppm : 0,
		       memory_order_relaxed, memory_order_relaxed))
		;
}

static bool
least(struct retry_bucket *b, uint64_t now_ns)
{
	uint64_t last =
		atomic_load_explicit(&b->least_ns, memory_order_relaxed);

	return now_ns >= last + NS_PER_SEC / RETRY_LEAST &&
	       atomic_compare_exchange_strong_explicit(
		       &b->least_ns, &last, now_ns, memory_order_relaxed,
		       memory_order_relaxed);
}

bool
retry_take(struct retry_bucket *b, uint64_t now_ns)
{
	int64_t taken =
		atomic_load_explicit(&b->taken_ppm, memory_order_relaxed);

	while (taken + ONE <= (int64_t)RETRY_BURST * ONE)
		if (atomic_compare_exchange_weak_explicit(
			    &b->taken_ppm, &taken, taken + ONE,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	return least(b, now_ns);
}

/* May pass the burst by what others earn in the same moment. */
void
hedge_earn(struct hedge_bucket *b, uint32_t ppm)
{
	if (atomic_load_explicit(&b->saved_ppm, memory_order_relaxed) <
	    (int64_t)HEDGE_BURST * ONE)
		atomic_fetch_add_explicit(&b->saved_ppm, ppm,
					  memory_order_relaxed);
}

bool
hedge_take(struct hedge_bucket *b)
{
	int64_t saved =
		atomic_load_explicit(&b->saved_ppm, memory_order_relaxed);

	while (saved >= ONE)
		if (atomic_compare_exchange_weak_explicit(
			    &b->saved_ppm, &saved, saved - ONE,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

void
hedge_give(struct hedge_bucket *b)
{
	atomic_fetch_add_explicit(&b->saved_ppm, ONE, memory_order_relaxed);
}
