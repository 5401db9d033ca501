#pragma once
/*
 * The worker role: HTTP in and out, the whole life of a request on one event
 * loop. Never blocks, never opens LMDB.
 *
 * Signals from the master: TERM = drain (close the listening sockets,
 * finish, exit 0), INT = end now, USR1 = reopen logs.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "shm/region.h"

struct conf;
struct tls_tickets;

struct worker_listen {
	int fd;
	unsigned index; /* of conf->listen */
};

struct worker_args {
	const struct conf *conf;
	struct region *region;
	uint32_t row; /* of the worker table */
	uint32_t spawn_epoch;
	uint32_t generation;
	uint32_t book;		      /* price book of this generation */
	const uint32_t *channel_rows; /* one per conf->channels */
	const struct worker_listen *listen;
	unsigned n_listen;
	int doorbell;	      /* our eventfd: something was committed, or a
				 channel has a place again */
	const int *doorbells; /* of all rows */
	int writer_doorbell;
	int master_doorbell;   /* rung once when READY */
	int alive;	       /* a pipe: EOF = the master is gone */
	const uint8_t *pepper; /* PEPPER_BYTES */
	const struct tls_tickets *tickets; /* http/tls.h; shared memory */
};

/* Returns the exit code. */
int worker_run(const struct worker_args *args);
