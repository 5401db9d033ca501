#pragma once
/*
 * A ledger writer of the smallest kind, for tests of the slots: the same
 * passes over the slots as the real one, but its ledger is two copies of a
 * book in shared memory, and a commit is the store that says which copy is
 * valid. That store is atomic under kill -9, as an LMDB commit is.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/region.h"
#include "shm/slots.h"

/* Counters of the tests, in this order: parents, accounts, key budgets,
 * channel caps. */
#define MINI_PARENTS  2u
#define MINI_ACCOUNTS 4u
#define MINI_KEYS     6u
#define MINI_CAPS     4u
#define MINI_COUNTERS (MINI_ACCOUNTS + MINI_PARENTS + MINI_KEYS + MINI_CAPS)
#define MINI_SLOTS    (16u * SLOT_PAGE + SHM_OWN_SLOTS)
#define MINI_ENTRIES  (1u << 22)
#define MINI_TOPUPS   4096u
#define MINI_ASKED    8u

struct mini_entry {
	uint32_t slot, gen;
	uint8_t kind, reversal, k, sent;
	uint16_t reason;
	uint8_t mask; /* reversal: the counters that got it back */
	uint8_t spare;
	uint32_t ctr[SLOT_COUNTERS];
	int64_t cost, up_cost;
	uint64_t ref;
};

/* The durable state: what LMDB would hold. */
struct mini_book {
	int64_t balance[MINI_COUNTERS];
	struct {
		uint32_t gen; /* + 1; 0 = never posted */
		uint16_t phase;
		uint16_t mask; /* of the reversal */
		uint32_t window[SLOT_COUNTERS];
	} posted[MINI_SLOTS];
	uint32_t window[MINI_COUNTERS];
	int64_t limit[MINI_COUNTERS];
	uint8_t topup[MINI_TOPUPS]; /* ids that were posted */
	uint64_t n_entries;
};

enum mini_ask { MINI_UNUSED, MINI_ASKED_FOR, MINI_ANSWERED };

struct mini_topup {
	_Atomic uint32_t state; /* enum mini_ask */
	uint32_t k;
	uint32_t ctr[2];
	uint64_t id;
	int64_t nano;
};

/* All zero at the start, then mini_open(). Lives in shared memory. */
struct mini {
	_Atomic uint32_t window; /* of the clock: rollovers up to here */
	_Atomic uint64_t commits;
	int64_t opening[MINI_COUNTERS];
	_Atomic int64_t limit[MINI_COUNTERS]; /* wanted, of those that roll */
	struct mini_topup ask[MINI_ASKED];
	_Atomic uint32_t valid; /* which book */
	struct mini_book book[2];
	struct mini_entry entry[MINI_ENTRIES];
};

/* The counter of place 0 .. MINI_COUNTERS - 1, and back. */
uint32_t mini_counter(uint32_t place);
uint32_t mini_place(uint32_t counter);
bool mini_rolls(uint32_t place);
/* Balances and counters to the opening amounts, no entries. */
void mini_open(struct mini *m, struct region *r);
/* One pass of the writer; false when it found nothing to do. `fresh`: the
 * first pass of a new process, top-ups and rollovers wait. */
bool mini_pass(struct mini *m, struct region *r, bool fresh);
/* Reaps the slots of a DEAD row as far as that goes without a commit; the
 * number of pages that are left. */
uint32_t mini_reap_worker(struct region *r, uint32_t row);
/* Replays all entries: every counter's replay == balance == available and
 * every slot FREE; else prints what differs. The segment must be at rest. */
bool mini_audit(const struct mini *m, struct region *r);
