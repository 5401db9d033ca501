#pragma once
/*
 * Dropping a month that was exported: the base moves behind it, then its
 * entries go. The server is stopped, the caller has offline_lock(). Tools.
 */
#include "base/attrs.h"
#include "billing/ledger.h"

struct buf;

enum drop_result {
	DROP_DONE,
	DROP_REFUSED, /* `out` says why; nothing was changed */
	DROP_DAMAGED, /* file or ledger */
	DROP_FAILED,
};

/* Removes the entries of `month`, which must be the oldest that is there and
 * stand in the segment `path`. Broken off, it goes on when called again.
 * `out` gets the line to print. */
NODISCARD enum drop_result drop_month(const char *state_dir, uint32_t month,
				      const char *path, struct buf *out);
