#pragma once
/*
 * The end: workers drain (bounded by drain_timeout, or not), then the admin
 * process, then the writer, which commits what is settled; exit.
 */
#include <stdint.h>

#include "master/master.h"

enum stop_kind {
	STOP_GRACEFUL, /* TERM: drain_timeout; a second one: fast */
	STOP_PATIENT,  /* QUIT: no limit */
	STOP_NOW,      /* INT: the ledger is still flushed */
};

void stop_begin(struct master *m, enum stop_kind kind);
void stop_advance(struct master *m, uint64_t now_ns);
void stop_child_ended(const struct child *c, int status);
