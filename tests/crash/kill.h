#pragma once
/*
 * The directed-kill test of the holds: real workers on the real functions of
 * shm/, killed at every numbered place. What its files share: the plan of a
 * request (a function of slot and generation, so that the audit can recompute
 * it), and the memory where processes say what they have done.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/crash.h"
#include "shm/slots.h"
#include "tests/crash/mini_writer.h"

#define KILL_WORKERS 3u
#define KILL_ROWS    24u
#define KILL_SLOTS   (16u * SLOT_PAGE)
/* Generations of one slot between two audits. */
#define KILL_GENS 32768u

#define FIRST_TOTAL  500
#define SECOND_TOTAL 1000

/* What the owner says of a generation; grows. */
enum said {
	SAID_NOTHING,
	SAID_HELD,
	SAID_STREAMED, /* settled, everything was delivered */
	SAID_SENDING,  /* bytes may be out */
	SAID_SENT,
	SAID_UNSENT,
};

struct plan {
	uint32_t ctr[SLOT_COUNTERS];
	uint32_t k;
	int64_t full; /* cost of the whole answer */
	bool stream;
	uint32_t leaves; /* client: 1 before the commit, 2 after it */
};

struct kill_stats {
	_Atomic uint64_t holds[SLOT_COUNTERS + 1];
	_Atomic uint64_t refused, extended, cut, sent, unsent, streamed;
};

struct kill_shared {
	struct crash_word crash;
	_Atomic uint32_t stop; /* 1: workers end, 2: the writer too */
	_Atomic uint32_t full; /* a slot is near KILL_GENS: audit now */
	struct kill_stats stats;
	uint32_t first_gen[KILL_SLOTS];
	struct mini mini;
	_Atomic uint8_t said[KILL_SLOTS][KILL_GENS];
	uint8_t posted[KILL_SLOTS][KILL_GENS]; /* of the audit */
};

struct plan plan_of(uint32_t slot, uint32_t gen);
/* What the operator owes for an answer of that cost. */
int64_t plan_upstream(int64_t cost);

/* A worker process; returns when told to stop and all its requests ended. */
void kill_worker(struct kill_shared *k, struct region *r, uint32_t row);

/* Every entry against its plan and against what the owners said. */
bool kill_audit(struct kill_shared *k, struct region *r);
