#pragma once
/*
 * The ledger for writing without a server: what holds the writer's lock is
 * the only one that writes. Tools.
 */
#include "base/attrs.h"
#include "billing/ledger.h"

struct buf;

/* The writer's lock of `state_dir`, or -1: `why` says who has it. Closing the
 * descriptor gives it back. */
NODISCARD int offline_lock(const char *state_dir, struct buf *why);
