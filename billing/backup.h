#pragma once
/*
 * A copy of a ledger, with or without a running server: a folder like a
 * state_dir, with the ledger and the pepper, that was verified before it got
 * its name. Tools.
 */
#include "base/attrs.h"
#include "billing/verify.h"

enum backup_result {
	BACKUP_DONE,
	BACKUP_FAILED,	/* could not read, write or verify at all */
	BACKUP_DIFFERS, /* the copy, and so the ledger, does not balance */
	BACKUP_DAMAGED,
};

/* Makes the folder `to`, which must not exist. `l` is the ledger of
 * `state_dir`, open for reading. `out` gets the line to print. */
NODISCARD enum backup_result backup_ledger(struct ledger *l,
					   const char *state_dir,
					   const char *to, struct buf *out);
