#pragma once
/*
 * After the death of a worker: its slots are settled at what was delivered or
 * freed, its pages and its row go back, and the concurrency that it had
 * counted is given back. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/group.h"
#include "shm/region.h"

struct book_row;
struct leak;

struct reaper {
	struct region *r;
	struct group *group;
	/* Healing of concurrency counts, see reap_heal(). */
	unsigned heal_rounds; /* still to do */
	uint64_t heal_began_ns;
	uint64_t *heartbeats; /* per row, when it began */
	uint32_t *counts;     /* slots in use: per account, key, channel */
	struct leak *leaks;
	uint32_t n_leaks;
	/* The price version that was looked at last. */
	uint32_t version;
	uint32_t n_prices;
	struct book_row *prices;
};

NODISCARD bool reaper_init(struct reaper *x, struct region *r, struct group *g);
void reaper_free(struct reaper *x);

/* Own slots that a writer left half taken. Once, at the start. */
void reap_own(struct reaper *x);
/* Rows whose process is gone become DEAD, even if nobody waits for it. */
void reap_look_for_dead(struct reaper *x);
/* One step with all DEAD rows; true: a row has become free. */
bool reap_rows(struct reaper *x);
/* No row is in use. */
bool reap_all_gone(const struct reaper *x);
/* Called every 100 ms: takes back what dead workers had counted as running
 * on accounts and keys and as in flight on channels. Sure of itself only
 * after a second in which every live worker has turned its loop, since a
 * request is counted shortly before it has its slot; and done a few times,
 * since a slot that is in use a little longer than its request is counted
 * hides a leak. */
void reap_heal(struct reaper *x);
