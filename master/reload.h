#pragma once
/*
 * From one configuration to the next, in steps: load and check (the same
 * code as -t), let the writer store the price book, start the workers, wait
 * until all are ready, drain the old ones. The start of the server takes the
 * same steps without an old generation.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "master/master.h"

/* What the configuration alone cannot know: sizes of the shared tables, TLS
 * material. False with "file:line: key: reason". */
NODISCARD bool reload_check(const struct conf *c, struct buf *error);
/* The first generation. */
NODISCARD bool reload_first(struct master *m, struct buf *error);
/* The configuration of a program that has taken over: the first generation of
 * its own workers. */
void reload_takeover(struct master *m);
/* HUP, or the admin process (`id` > 0: it is told the outcome). One that
 * comes while another runs follows it; any number that come are one. */
void reload_ask(struct master *m, uint64_t id);
void reload_advance(struct master *m, uint64_t now_ns);
/* The server stops. */
void reload_give_up(struct master *m);
void reload_child_ended(const struct child *c, int status);
