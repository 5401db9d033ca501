#pragma once
/*
 * The start of the writer: the store is checked, then shared memory is either
 * taken over as it is (warm: requests may be running) or filled from the
 * ledger (cold: the segment is new). Writer only.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "billing/books.h"
#include "billing/group.h"
#include "billing/post.h"
#include "shm/region.h"

/* Entries at the end that are checked at each start. */
#define RECOVER_CHECK 10000u

struct buf;

/* Checksums and chain of the last entries. */
NODISCARD enum store recover_check_tail(struct post *p, struct buf *why);
/* Is the segment new (cold start), or STORE_DAMAGED: another ledger's. */
NODISCARD enum store recover_is_cold(const struct region *r,
				     const struct post *p, bool *cold,
				     struct buf *why);
/* Raises the boot epoch and commits that: what was held before can never be
 * mistaken for what will be. */
NODISCARD enum store recover_raise_epoch(struct post *p, struct buf *why);
/* The segment belongs to this ledger from now on. */
void recover_claim(struct region *r, const struct post *p);
