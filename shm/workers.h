#pragma once
/* The table of processes, and the hints from workers to the writer. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "shm/region.h"

enum worker_state {
	WORKER_UNUSED,
	WORKER_STARTING,
	WORKER_READY,
	WORKER_DRAINING,
	WORKER_DEAD, /* exit seen by the master: the writer reaps, then UNUSED */
};

struct worker_row {
	_Alignas(CACHE_LINE) _Atomic uint32_t state; /* worker; DEAD: master;
							UNUSED: writer */
	_Atomic uint32_t pid;
	_Atomic uint32_t spawn_epoch; /* master, before the fork */
	_Atomic uint32_t generation;
	_Atomic uint64_t heartbeat_ns; /* worker, monotonic */
	_Atomic uint64_t started_ms;
	_Atomic uint32_t connections;
	_Atomic uint32_t requests; /* running now */
	_Atomic uint32_t streams;
	_Atomic uint32_t waiting; /* worker waits for commits: ring it */
	_Atomic uint32_t number;  /* 0 .. workers - 1: which sockets */
	uint32_t spare;
};
_Static_assert(sizeof(struct worker_row) == CACHE_LINE, "worker_row");

/* Hints: "look at this slot". Losing one only delays. SPSC: the worker of
 * the row pushes, the writer pops. */
#define RING_SIZE 4096u
struct hint_ring {
	_Alignas(CACHE_LINE) _Atomic uint32_t head;    /* worker */
	_Alignas(CACHE_LINE) _Atomic uint32_t tail;    /* writer */
	_Alignas(CACHE_LINE) _Atomic uint32_t scan_me; /* was full */
	uint32_t slot[RING_SIZE];
};

void ring_push(struct hint_ring *ring, uint32_t slot);
/* False when empty. */
bool ring_pop(struct hint_ring *ring, uint32_t *slot);

/* Worker, after a push: the writer sleeps, ring its doorbell (true for one of
 * those who ask). */
bool writer_to_wake(struct region *r);
/* Writer: says so before it looks at the rings for the last time; and that
 * it is awake. */
void writer_sleeps(struct region *r, bool asleep);

/* Master: a free row, state STARTING, with a new spawn epoch; SHM_NONE. */
uint32_t worker_row_take(struct region *r, uint32_t generation,
			 uint32_t number);
/* Rings an eventfd. */
void doorbell_ring(int fd);
/* Empties it (after a wake-up). */
void doorbell_clear(int fd);
