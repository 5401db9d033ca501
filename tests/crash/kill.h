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
#include <sys/types.h>

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
/* Attempts of one request. */
#define KILL_TRIES 3u

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
	uint32_t account, parent, key; /* indexes; SHM_NONE: not held */
	int64_t full;		       /* cost of the whole answer */
	bool stream;
	bool capped;	 /* there are caps: it needs attempts */
	uint32_t leaves; /* client: 1 before the commit, 2 after it */
};

/* An attempt, by the slot and generation of its own. */
struct leg {
	uint32_t cap[MINI_CAPS - 1]; /* those that it holds, from 0 on */
	uint32_t k;
	int64_t cost; /* to the operator; lost: all the same */
	bool lost;
};

struct kill_stats {
	_Atomic uint64_t holds[SLOT_COUNTERS + 1];
	_Atomic uint64_t refused, extended, cut, sent, unsent, streamed;
	_Atomic uint64_t won, lost, spent, no_channel;
};

struct kill_shared {
	struct crash_word crash;
	_Atomic uint32_t stop; /* 1: workers end, 2: the writer too */
	_Atomic uint32_t full; /* a slot is near KILL_GENS: audit now */
	uint32_t caps;	       /* plans have channel caps */
	int doorbell;	       /* of the writer; -1: it polls */
	_Atomic uint32_t days; /* that the wall clock is ahead */
	struct kill_stats stats;
	uint32_t first_gen[KILL_SLOTS];
	struct mini mini;
	_Atomic uint8_t said[KILL_SLOTS][KILL_GENS];
	uint8_t posted[KILL_SLOTS][KILL_GENS]; /* of the audit */
};

/* `caps`: with a channel cap as the fourth counter. */
struct plan plan_of(uint32_t slot, uint32_t gen, bool caps);
struct leg leg_of(uint32_t slot, uint32_t gen);
/* What the operator owes for an answer of that cost. */
int64_t plan_upstream(int64_t cost);

/* A worker process; returns when told to stop and all its requests ended. */
void kill_worker(struct kill_shared *k, struct region *r, uint32_t row);

/* Every entry against its plan and against what the owners said; `entry` are
 * those since the last audit. */
bool kill_audit(struct kill_shared *k, const struct region *r,
		const struct mini_entry *entry, uint64_t n);

/* ---- who kills ---- */

struct kill_test;

/* The ledger behind the slots. */
struct kill_ledger {
	/* The writer process; returns when it has ended in order. */
	int (*writer)(struct kill_test *t);
	/* Before the first fork of a round, nothing runs. */
	void (*begin)(struct kill_test *t);
	/* Asked again until true: the writer takes holds. Workers start then. */
	bool (*ready)(struct kill_test *t);
	/* While a round goes on, every few microseconds: money comes in. */
	void (*tick)(struct kill_test *t);
	void (*writer_died)(struct kill_test *t);
	/* All that was asked of the writer is answered. */
	bool (*at_rest)(struct kill_test *t);
	/* The writer may end: how it learns that. */
	void (*stop)(struct kill_test *t);
	/* After a round, nothing runs. */
	bool (*audit)(struct kill_test *t);
	/* Places that can be hit with it. */
	bool (*has_place)(uint32_t place);
};

struct kill_test {
	const struct kill_ledger *ledger;
	struct kill_shared *k;
	struct region r;
	pid_t writer;
	uint32_t n_workers; /* of this round: 1 to KILL_WORKERS */
	pid_t worker[KILL_WORKERS];
	uint32_t row[KILL_WORKERS];
	uint32_t per_point, only;
	/* By the number of workers: kills, and looks for a victim in vain. */
	uint32_t kills[KILL_WORKERS + 1][CRASH_PLACES];
	uint32_t in_vain[KILL_WORKERS + 1][CRASH_PLACES];
	uint32_t counted[CRASH_PLACES];
	uint64_t deadline_ns;
	uint64_t entries, reversals, attempts, rollovers, limits;
	uint32_t kills_worker, kills_writer, second_kills, reaped, rounds;
	bool reaping; /* a worker that has died */
	bool failed;
};

/* Reads the options, maps the memory; false: no memory, the test is over. */
bool kill_open(struct kill_test *t, int argc, char **argv);
void kill_fail(struct kill_test *t, const char *what);
/* Rounds until every place was hit often enough or time is up; prints TAP,
 * returns the exit code. */
int kill_run(struct kill_test *t);
