#pragma once
/*
 * Who runs for a client's Idempotency-Key: at most one request at a time, in
 * whatever worker. A claim is a cell of a shared table that names the slot of
 * the request and its generation; the slot's note holds the key's hash. A
 * claim ends by itself when its slot is freed (the generation moves on) or
 * when its worker has died before the slot held anything, so a kill leaves
 * nothing to repair: a cell that has ended is taken by whoever needs it.
 *
 * Worker only. The slot is claimed (hold_claim), its note's `idem` is set.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "shm/slots.h"

/* Cells of the table. */
#define CLAIM_CELLS(slots) (2u * (slots))
/* Places that one hash may have. */
#define CLAIM_LEVELS 8u

enum claim {
	CLAIM_TAKEN, /* ours: nobody else runs for this hash */
	CLAIM_RUNS,  /* another request does, or asks at this very moment */
	CLAIM_FULL,  /* no place */
};

enum claim claim_take(struct region *r, const struct hold *h,
		      uint32_t spawn_epoch);
/* Before the claimed slot is given back unused; also after it was refused. */
void claim_drop(struct region *r, uint32_t slot, uint32_t gen,
		const uint64_t idem[2]);
