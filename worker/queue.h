#pragma once
/*
 * A request that finds only full channels waits for a place, at all of them
 * at once, bounded in number and time, its account's turn by turn
 * (shm/queue.h). It stays at STEP_route; each look is that step run again.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "shm/metrics.h"

struct lane;
struct request;
struct waiter;
struct worker;

/* Has the lane a place for this request now: one that nobody waits for, or
 * waits for longer. */
bool queue_room(const struct request *req, const struct lane *l);
/* Nobody has room. True: it waits now, or its turn has come already. False:
 * it may not, or no longer. */
NODISCARD bool queue_enter(struct request *req);
bool queue_waits(const struct request *req);
/* Why it was refused: channels are there, and full; fills when to come again. */
bool queue_was_full(const struct request *req, uint64_t *retry_ns);
/* Takes a place at the channel and ends the wait; false: it is full. */
NODISCARD bool queue_take(struct request *req, struct lane *l);
/* Gives it back, and calls who is next. */
void queue_give(struct worker *w, struct lane *l, uint64_t held_ns);
/* Ends the wait, if it waits. */
void queue_quit(struct request *req, enum metric_queued why);
/* The doorbell rang: whose turn has come? */
void queue_serve(struct worker *w);
/* All its waits together. */
uint64_t queue_waited_ns(const struct request *req);
/* Its last wait was in vain. */
bool queue_in_vain(const struct request *req);
