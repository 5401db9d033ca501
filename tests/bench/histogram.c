/* Times in buckets, as many for each power of two; see histogram.h. */
#include "tests/bench/histogram.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

uint64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static size_t
bucket_of(uint64_t us)
{
	unsigned power;
	size_t at;

	if (us < HISTOGRAM_STEPS)
		return (size_t)us;
	power = 63 - (unsigned)__builtin_clzll(us);
	at = (size_t)(power - 5) * HISTOGRAM_STEPS +
	     (size_t)(us >> (power - 6)) - HISTOGRAM_STEPS;
	return at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
}

static uint64_t
value_of(size_t bucket)
{
	size_t power = bucket / HISTOGRAM_STEPS;

	if (power == 0)
		return bucket;
	return (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS)
	       << (power - 1);
}

void
histogram_add(struct histogram *h, uint64_t us)
{
	h->n[bucket_of(us)]++;
	h->count++;
	if (us > h->most)
		h->most = us;
}

static uint64_t
percentile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)((double)h->count * share);
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->n[i];
		if (seen > rank)
			return value_of(i);
	}
	return h->most;
}

void
histogram_print(const char *name, const struct histogram *h)
{
	(void)printf(",\n \"%s\":{\"count\":%" PRIu64 ",\"p50\":%" PRIu64
		     ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"max\":%" PRIu64
		     "}",
		     name, h->count, percentile(h, 0.50), percentile(h, 0.90),
		     percentile(h, 0.99), h->most);
}
