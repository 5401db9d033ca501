#pragma once
/* What the master sets up before its loop, and takes down after. */
#include <stdbool.h>

#include "base/attrs.h"
#include "master/master.h"

/* 0, or the exit code; the reason has been logged. */
NODISCARD int start_all(struct master *m);
/* Shared memory for the keys of session tickets: `fd`, or new if it is -1. */
NODISCARD bool start_tickets(struct master *m, int fd);
/* The pepper of the ledger, false with a reason. */
NODISCARD bool start_pepper(struct master *m, struct buf *error);
/* Accepts what start_all() left half done. */
void start_undo(struct master *m);
