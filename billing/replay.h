#pragma once
/*
 * What entries add up to: balances, slot generations, totals, made anew from
 * the entries one after the other. By what it gets, balances are checked and
 * rebuilt. Tools.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/records.h"
#include "billing/usage.h"

#define REPLAY_SLOTS (SHM_SLOTS_MAX + SHM_OWN_SLOTS)

struct replay {
	struct balance_record *balance; /* by counter */
	struct slotgen_record *slotgen; /* by slot */
	uint32_t n_slots;		/* that were ever posted from */
	int64_t debits, credits;
	uint8_t chain[ENTRY_CHAIN]; /* of the last entry: the caller's */
};

/* False: out of memory. */
NODISCARD bool replay_init(struct replay *r);
void replay_free(struct replay *r);
/* False: `fault` says what is wrong with the entry. */
NODISCARD bool replay_entry(struct replay *r, const struct entry *e,
			    const char **fault);
