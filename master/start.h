#pragma once
/* What the master sets up before its loop, and takes down after. */
#include <stdbool.h>

#include "base/attrs.h"
#include "master/master.h"

/* 0, or the exit code; the reason has been logged. */
NODISCARD int start_all(struct master *m);
/* Accepts what start_all() left half done. */
void start_undo(struct master *m);
