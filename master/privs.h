#pragma once
/* Rights: what the processes give up, and the limits they raise. */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

/* Makes the directory (with parents); as root it belongs to `user` when one
 * is named. False with a reason. */
NODISCARD bool privs_make_dir(struct str path, struct str user,
			      struct buf *error);
/* The admin socket belongs to `user` as well. */
NODISCARD bool privs_give_socket(struct str run_dir, struct str user,
				 struct buf *error);
/* Drops to `user` for good, if we are root and one is named. */
NODISCARD bool privs_drop(struct str user, struct buf *error);
/* No new rights, no core files, no tracing by the same user; as many
 * descriptors as the hard limit allows. */
void privs_harden(void);
