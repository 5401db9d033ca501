#pragma once
/*
 * The commit loop: which slots wait for the writer, and what it does with
 * them. Settled slots are staged, at most POST_GROUP at a time, posted in one
 * transaction, then made DURABLE, given back and freed. A group that could
 * not be committed stays as it is and is tried again by itself. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/post.h"
#include "shm/region.h"

struct group_item {
	uint32_t slot;
	uint32_t gen;
	enum slot_phase phase; /* that it will have reached */
};

struct group {
	struct region *r;
	struct post *post;
	const int *doorbells; /* eventfd per worker row, or NULL */
	/* Slots to look at: a ring with room for all of them. */
	uint32_t *queue;
	uint32_t queue_head, queue_len, n_slots;
	uint8_t *marks; /* per slot */
	uint32_t n_items;
	struct group_item items[POST_GROUP];
	uint64_t *rows_to_ring; /* one bit per worker row */
	uint32_t n_bad;
};

NODISCARD bool group_init(struct group *g, struct region *r, struct post *p,
			  const int *doorbells);
void group_free(struct group *g);

/* "Look at this slot"; any number, so it is checked. */
void group_note(struct group *g, uint32_t slot);
/* Notes all slots of claimed pages, and the writer's own. */
void group_scan(struct group *g);
/* Looks at noted slots: gives back, frees, stages; until the group is full
 * or nothing is left. Returns the number staged. */
uint32_t group_gather(struct group *g);
/* Posts what is staged and does what follows from it. On an error nothing
 * has changed and the group stays staged. */
NODISCARD enum store group_commit(struct group *g);
/* The slot makes no sense: it was reported and is never touched again. */
bool group_is_bad(const struct group *g, uint32_t slot);
/* Nothing noted, nothing staged. */
bool group_idle(const struct group *g);

/* An own slot after its transaction has committed. */
void group_finish_own(struct group *g, uint32_t slot);
/* An own slot whose transaction never was: as if it had not been. */
void group_void_own(struct group *g, uint32_t slot);
