#pragma once
/*
 * The access log: one JSON object a line, one line a request; docs name the
 * fields. Lines are gathered and written in blocks; never a byte of a body.
 */
#include <stdbool.h>

#include "base/str.h"

struct access_log;
struct request;

/* path "" = off, "-" = standard output. NULL: cannot be opened (logged). */
struct access_log *access_open(struct str path, unsigned worker);
void access_close(struct access_log *a);
/* After USR1. */
void access_reopen(struct access_log *a);
void access_write(struct access_log *a, const struct request *req);
/* Writes what is gathered; called by a timer. */
void access_flush(struct access_log *a);
