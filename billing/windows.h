#pragma once
/*
 * Windows: budgets of keys and caps that begin anew each day or
 * month of the configured zone, and the limits of caps. A window is never
 * set: it is a posting of limit - balance, so what is held over its begin
 * weighs on the new one until it is settled. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/group.h"
#include "billing/post.h"
#include "shm/keys.h"
#include "shm/region.h"

struct buf;

struct windows {
	struct region *r;
	struct post *post;
	struct group *group;
	uint32_t day, month; /* now, in the zone */
	uint64_t next_day_ms, next_month_ms;
	uint32_t next_key; /* of the look at all keys; n_keys: it is over */
	uint32_t n_caps;
	bool full; /* said that there are no more */
	/* By cap: what it was set to, and the hash of what it is on. */
	int64_t limit_of[SHM_CAPS];
	uint64_t hash_of[SHM_CAPS];
};

/* Reads the caps; those that shared memory has already keep their money. */
NODISCARD enum store windows_load(struct windows *w, struct region *r,
				  struct post *p, struct group *g,
				  struct buf *why);
/* Begins windows that are due, some at a time, and sets up new caps. False: the store failed, see post->trouble. */
NODISCARD bool windows_step(struct windows *w, uint64_t now_ms);
/* A key was created or changed: its row says when its window ends. */
void windows_show_key(const struct windows *w, uint32_t key);
/* The window of a budget that is set now. */
uint32_t windows_now(const struct windows *w, enum budget_window kind);
