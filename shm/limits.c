/*
 * Rate limits (GCRA) and concurrency. Called by workers; any number of
 * processes share a cell, each change is one compare-and-swap.
 *
 * A cell holds the theoretical arrival time: when everything taken so far
 * would have come in at the even rate. A unit costs `interval` nanoseconds,
 * rounded up, and the burst is exactly `per_minute` intervals: so exactly
 * that many units fit into an instant, whatever the rounding.
 */
#include "shm/limits.h"

#include "base/clock.h"

static uint64_t
interval_of(uint32_t per_minute)
{
	return (60 * NS_PER_SEC + per_minute - 1) / per_minute;
}

static uint64_t
saturated_product(uint64_t a, uint64_t b)
{
	uint64_t p;

	return __builtin_mul_overflow(a, b, &p) ? UINT64_MAX : p;
}

bool
limit_take(_Atomic uint64_t *tat, uint32_t per_minute, uint64_t n,
	   uint64_t now_ns, uint64_t *retry_ns)
{
	uint64_t interval, burst, was, next;

	*retry_ns = 0;
	if (per_minute == 0)
		return true;
	if (n > per_minute) {
		*retry_ns = UINT64_MAX;
		return false;
	}
	interval = interval_of(per_minute);
	burst = interval * per_minute;
	was = atomic_load_explicit(tat, memory_order_relaxed);
	do {
		uint64_t ahead = was > now_ns ? was - now_ns : 0;

		if (ahead > burst - n * interval) {
			*retry_ns = ahead - (burst - n * interval);
			return false;
		}
		next = now_ns + ahead + n * interval;
	} while (!atomic_compare_exchange_weak_explicit(
		tat, &was, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void
limit_return(_Atomic uint64_t *tat, uint32_t per_minute, int64_t n,
	     uint64_t now_ns)
{
	uint64_t units = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	uint64_t was, next, cost;

	if (per_minute == 0 || n == 0)
		return;
	cost = saturated_product(units, interval_of(per_minute));
	was = atomic_load_explicit(tat, memory_order_relaxed);
	do {
		uint64_t from = n < 0 ? MAX_OF(was, now_ns) : was;

		if (n > 0)
			next = from > cost ? from - cost : 0;
		else if (__builtin_add_overflow(from, cost, &next))
			next = UINT64_MAX;
	} while (!atomic_compare_exchange_weak_explicit(
		tat, &was, next, memory_order_relaxed, memory_order_relaxed));
}

struct limit_view
limit_look(const _Atomic uint64_t *tat, uint32_t per_minute, uint64_t now_ns)
{
	uint64_t was = atomic_load_explicit(tat, memory_order_relaxed);
	uint64_t ahead = was > now_ns ? was - now_ns : 0;
	struct limit_view v = {.limit = per_minute, .reset_ns = ahead};
	uint64_t interval, burst;

	if (per_minute == 0)
		return (struct limit_view){0};
	interval = interval_of(per_minute);
	burst = interval * per_minute;
	if (ahead < burst)
		v.remaining = (uint32_t)((burst - ahead) / interval);
	return v;
}

bool
running_take(struct limit_cells *c)
{
	uint32_t limit =
		atomic_load_explicit(&c->concurrency, memory_order_relaxed);
	int32_t was = atomic_load_explicit(&c->running, memory_order_relaxed);

	/* Never one too many for an instant: another one would be refused
	 * because of it. */
	do {
		if (limit != 0 && was >= 0 && (uint32_t)was >= limit)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&c->running, &was, was + 1, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

void
running_give(struct limit_cells *c)
{
	int32_t was = atomic_load_explicit(&c->running, memory_order_relaxed);

	/* The writer may have put the count right meanwhile. */
	do {
		if (was <= 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(
		&c->running, &was, was - 1, memory_order_relaxed,
		memory_order_relaxed));
}
