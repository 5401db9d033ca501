#pragma once
/*
 * A program in the place of the one before (upgrade.h): it takes over
 * sockets, shared memory and children, replaces the ledger writer, starts a
 * generation of its own workers and lets the old ones end; then the admin
 * process. If its writer or its workers cannot start it puts the program of
 * before back in its place, in the same way.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"
#include "master/handover.h"
#include "master/master.h"

enum given { GIVEN_NOTHING, GIVEN_HANDOVER, GIVEN_NONSENSE };

/* Lists lie in `arena`. */
NODISCARD enum given takeover_given(struct arena *arena, struct handover *h,
				    const char **why);
/* -t: says whether it could take over; the exit code. */
int takeover_check(const struct handover *h, const struct conf *c);
/* The configuration cannot be read, the old processes go on meanwhile. Waits
 * a moment; false when the server is told to stop. */
NODISCARD bool takeover_patience(const struct buf *error);
/* In the place of start_all(). Puts the program of before back if it cannot;
 * else the exit code. */
NODISCARD int takeover_open(struct master *m, const struct handover *h);
/* The children, once there is a loop. */
void takeover_begin(struct master *m, const struct handover *h);

void takeover_advance(struct master *m, uint64_t now_ns);
/* True: the rest of what follows from its end is taken care of. */
bool takeover_child_ended(const struct child *c, int status);
/* By the reload that it ends with. */
void takeover_served(struct master *m);
void takeover_refused(struct master *m, struct str reason);
/* The server stops. */
void takeover_give_up(struct master *m);
