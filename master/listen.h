#pragma once
/*
 * Listening sockets. The master makes them once, N per TCP address with
 * SO_REUSEPORT, and keeps them: worker k of every generation inherits socket
 * k, so a reload never closes a queue in which clients wait. Sockets that a
 * service manager passes (LISTEN_FDS) take the place of our own.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/errors.h"
#include "worker/worker.h"

struct conf;

struct listen_address {
	unsigned n;
	int *fds;
};

struct listeners {
	unsigned workers;
	unsigned n; /* one per conf->listen */
	struct listen_address *addresses;
	int admin;  /* TCP, -1 = none */
	int socket; /* admin.sock */
};

/* False with a reason when an address cannot be bound; what was opened is
 * for listen_close(). */
NODISCARD bool listen_open(struct listeners *l, const struct conf *c,
			   unsigned workers, struct buf *error);
/* The sockets of worker `number`; returns their count (<= cap). */
unsigned listen_share(const struct listeners *l, unsigned number,
		      struct worker_listen *out, unsigned cap);
/* The rule behind it: is socket `s` of `sockets` for worker `w` of
 * `workers`? Every socket has a worker, every worker a socket. */
bool listen_is_for(unsigned s, unsigned sockets, unsigned w, unsigned workers);
/* Most sockets one worker may be given. */
unsigned listen_most(const struct listeners *l);
/* Stops queueing clients: the server ends. */
void listen_close(struct listeners *l);
