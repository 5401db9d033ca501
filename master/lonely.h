#pragma once
/*
 * One server a run_dir: the pid file is locked by the master and, since the
 * lock is inherited, by all its children. Whoever gets it is alone. If the
 * file names a master that is gone, its children are ended and waited for
 * (the ledger writer last, as it commits what is settled).
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

/* The locked descriptor, or -1 with a reason. Waits at most 20 s. */
NODISCARD int lonely_take(struct str run_dir, struct buf *error);
/* A clean end: the file goes. */
void lonely_give(struct str run_dir, int fd);
