#pragma once
/*
 * Who waits for a place at a full channel, over all workers. Each waiting
 * request has one of a few places in the channel's queue; the order is that
 * of turns: an account's first request comes before any account's second
 * (start-time fair queueing, unit cost), and within a turn who came first.
 *
 * A place belongs to a worker from the claim on (one compare-and-swap on its
 * owner), so the writer can free the places of one that died. Who looks sees
 * places that are published, and of those only the ones whose time is not
 * over: a worker that hangs holds nobody up for longer.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "shm/region.h"

#define QUEUE_PLACES 256u
#define QUEUE_WORDS  (QUEUE_PLACES / 64)

struct queue_place {
	/* Spawn epoch << 32 | worker row; 0 = free. Worker by CAS; the writer
	 * for a dead one. */
	_Atomic uint64_t owner;
	/* Owner, before it is published; `turn` also whoever leaves. */
	_Atomic uint64_t turn, ticket;
	_Atomic uint32_t account;
	_Atomic uint32_t until_ms; /* monotonic, low bits */
};

struct queue {
	/* A bit a place: it is published. Owner, the writer for a dead one. */
	_Alignas(CACHE_LINE) _Atomic uint64_t waiting[QUEUE_WORDS];
	_Atomic uint64_t turn;	  /* of the last that was served: workers */
	_Atomic uint64_t tickets; /* given so far: workers */
	_Atomic uint64_t held;	  /* queue_note_held(): workers */
	struct queue_place place[QUEUE_PLACES];
};

/* Where a walk along the queue stands; zeroed = before the first. */
struct queue_walk {
	uint64_t turn, ticket;
	uint32_t place;
};

struct queue_spec {
	uint64_t owner; /* queue_owner() */
	uint32_t account;
	uint32_t places; /* of the whole queue; beyond QUEUE_PLACES no more */
	uint64_t until_ns;
};

static inline uint64_t
queue_owner(uint32_t spawn_epoch, uint32_t row)
{
	return (uint64_t)spawn_epoch << 32 | row;
}

/* Master, before workers use it: the channel may have a queue. E_OVERLOAD:
 * run_dir is full. */
NODISCARD enum err queue_need(struct region *r, uint32_t row);
/* Any process; NULL: the channel never had one. */
struct queue *queue_of(const struct region *r, uint32_t row);

/* Any process: does somebody wait. */
static inline bool
queue_busy(const struct queue *q)
{
	uint64_t any = 0;

	/* ordered behind the release of a place: see queue_join() */
	for (unsigned i = 0; i < QUEUE_WORDS; i++)
		any |= atomic_load(&q->waiting[i]);
	return any != 0;
}

/* Any process: how many wait. */
uint32_t queue_length(const struct queue *q);
/* Worker: the place that is the caller's until it leaves; SHM_NONE: none is
 * free. Look for room at the channel afterwards, not only before: what was
 * released meanwhile nobody was told of. */
uint32_t queue_join(struct queue *q, const struct queue_spec *spec);
/* How many are before this place. */
uint32_t queue_rank(const struct queue *q, uint32_t place, uint64_t now_ns);
/* The next in order; false: no more. */
NODISCARD bool queue_next(const struct queue *q, uint64_t now_ns,
			  struct queue_walk *walk);
/* Worker: gives its place back, `served` or without having had its turn. */
void queue_leave(struct queue *q, uint32_t place, bool served);
/* Writer: the places of a dead worker, at all channels. */
void queue_reap(struct region *r, uint64_t owner);

/* Worker: a place at the full channel became free after so long. */
void queue_note_held(struct queue *q, uint64_t us, uint64_t now_ns);
/* When a place at the channel may be free for who has so many before him, if
 * `most` run at once; 0 = not known. */
uint64_t queue_wait_ns(const struct queue *q, uint32_t rank, uint32_t most,
		       uint64_t now_ns);
