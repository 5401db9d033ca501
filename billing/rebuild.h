#pragma once
/*
 * Balances, slot generations and totals made anew from the entries, for a
 * ledger whose entries are whole and whose tables are not. The server is
 * stopped, the caller has offline_lock(). Tools.
 */
#include "base/attrs.h"
#include "billing/verify.h"

/* `out` gets a line for each row that differs, then verify's line. Nothing is
 * written unless the chain is whole: then the result is verify's, of the
 * entries. */
NODISCARD enum verify_result rebuild_ledger(const char *state_dir,
					    struct buf *out);
