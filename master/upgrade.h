#pragma once
/*
 * Another program in the master's place (USR2): the new one is tried first,
 * with the same arguments, -t and the handover; then it replaces this one in
 * the same process, so that pid, pid file, sockets, shared memory and
 * children stay. See takeover.h for what it does then.
 */
#include <stdbool.h>
#include <stdint.h>

#include "master/handover.h"
#include "master/master.h"

/* `id` > 0: the admin process asks, and is told the outcome. */
void upgrade_ask(struct master *m, uint64_t id);
/* A reload that is asked for has to wait. */
bool upgrade_busy(const struct master *m);
void upgrade_advance(struct master *m, uint64_t now_ns);
/* A process that is none of the children: perhaps the one on trial. */
void upgrade_child_ended(struct master *m, pid_t pid, int status);
/* The server stops. */
void upgrade_give_up(struct master *m);

/* What the new program says of itself when it can take over:
 * "takes over, layout LAYOUT". */
#define UPGRADE_FIT "takes over, layout "

/* All that a program in our place must know; lists lie in `arena`. False:
 * out of memory. */
NODISCARD bool upgrade_handover(const struct master *m, struct arena *arena,
				struct handover *h);
