#pragma once
/*
 * From a slot and its note to a ledger entry. Shared memory is not believed:
 * what no worker could have written makes the slot bad. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/post.h"
#include "billing/usage.h"
#include "shm/region.h"

/* May the word `w` of this slot be acted upon: counters, totals, cost. */
bool slot_sane(const struct region *r, uint32_t slot, uint64_t w);
/* The entry of a settled request; false: its note makes no sense. Texts are
 * interned in the open transaction; *s is its state. */
NODISCARD bool slot_entry(const struct region *r, struct post *p, uint32_t slot,
			  struct entry *e, enum store *s);
/* The entry that undoes `original`. */
struct entry reversal_entry(const struct entry *original);
