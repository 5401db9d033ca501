#pragma once
/*
 * What each key used, by day and model: kept in memory from the entries, read
 * once from the first day that is kept and then entry by entry as they come.
 * Nothing is stored; whoever starts anew reads anew. Days are those of the
 * process's zone, by the time of the commit, like the windows of budgets.
 * The memory is bounded: when it is used up the oldest days go. Admin
 * process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "billing/ledger.h"
#include "billing/usage.h"

/* Days that are kept, today included. */
#define ROLLUP_DAYS  400u
#define ROLLUP_CELLS (1u << 20)

struct rollup;

/* Sums of one key, day and model. A reversal counts its request as failed
 * and takes its tokens and its charge back, on the day of the reversal. */
struct rollup_cell {
	uint32_t day;
	uint32_t model; /* rollup_model() */
	uint32_t next;	/* older or equal day, same key; index + 1 */
	uint32_t spare;
	int64_t requests; /* all of them */
	int64_t failed;
	int64_t tokens[ENTRY_CLASSES];
	int64_t charge_nano;
};

/* NULL: out of memory. `cells`: at most so many. */
struct rollup *rollup_new(struct ledger *l, uint32_t cells);
void rollup_free(struct rollup *r);

/* Reads on until `until_ns` (monotonic) or the end of the ledger as it is
 * now; *whole says which. A transaction is open only inside. */
NODISCARD enum store rollup_read(struct rollup *r, uint64_t until_ns,
				 bool *whole);
/* Entries up to this one are in. */
uint64_t rollup_seq(const struct rollup *r);
/* Days before it are not in memory. */
uint32_t rollup_first_day(const struct rollup *r);

/* The cells of a key, newest day first; NULL: no more. */
const struct rollup_cell *rollup_first(const struct rollup *r, uint32_t key);
const struct rollup_cell *rollup_next(const struct rollup *r,
				      const struct rollup_cell *c);
/* The name of a model of the price book. */
struct str rollup_model(const struct rollup *r, uint32_t model);
