#pragma once
/*
 * The offline check: everything that the ledger says is recomputed from its
 * entries, tolerance 0. With or without a running server. Tools.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"

struct buf;

enum verify_result {
	VERIFY_BALANCED,
	VERIFY_DIFFERS, /* `out` names the first thing that is wrong */
	VERIFY_DAMAGED, /* the store itself cannot be read */
};

/* `recompute`: also prices every request anew from its tokens. `out` gets
 * the line to print. */
NODISCARD enum verify_result verify_ledger(struct ledger *l, bool recompute,
					   struct buf *out);
/* The same from the first entry on: those that were dropped stand in the
 * segments in folder `segments`. */
NODISCARD enum verify_result verify_history(struct ledger *l,
					    const char *segments,
					    bool recompute, struct buf *out);
