#pragma once
/* Another program in the place of this process, with a handover. */
#include "base/attrs.h"
#include "base/buf.h"
#include "master/handover.h"

#define HANDOVER_VARIABLE "TOLLGATE_HANDOVER"

/* Runs argv[0], or the open `program` (>= 0). What `h` names stays open in
 * it, nothing else beyond the standard three. Returns only when it cannot,
 * with a reason; nothing has changed then. */
void exec_program(const struct handover *h, char *const *argv, int program,
		  struct buf *why);
/* The text of the handover this process was given, once; NULL: none. A text
 * that cannot be read is empty. */
struct buf *exec_given(struct buf *text);
