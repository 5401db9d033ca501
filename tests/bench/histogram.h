#pragma once
/* Times in microseconds, counted in buckets that are 1.6 percent wide. */
#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = 40 * HISTOGRAM_STEPS };

struct histogram {
	uint64_t n[HISTOGRAM_BUCKETS];
	uint64_t count, most;
};

/* The time that only goes forward. */
uint64_t now_us(void);

void histogram_add(struct histogram *h, uint64_t us);

/* Prints `,"name":{"count":…,"p50":…,"p90":…,"p99":…,"max":…}`. */
void histogram_print(const char *name, const struct histogram *h);
