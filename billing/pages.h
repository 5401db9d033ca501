#pragma once
/*
 * The structure of the ledger's file, checked before LMDB walks over it: LMDB
 * has no checksums, trusts every offset it reads, and takes the older of its
 * two states when the newer one's number is damaged. Only at rest: while a
 * writer runs, pages change under the eye, and nothing is checked. Tools.
 */
#include <stdbool.h>

#include "base/attrs.h"

struct buf;

/* False: `why` says which page of STATE_DIR/ledger/data.mdb is damaged. A file
 * that is not there, or that cannot be read, is left to ledger_open(). */
NODISCARD bool pages_check(const char *state_dir, struct buf *why);
