/*
 * The child's side of a fork: away with everything that is the master's,
 * then into the role. Only the descriptors a role needs stay open.
 */
#include "master/roles.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/must.h"
#include "billing/writer.h"
#include "conf/conf.h"
#include "master/children.h"
#include "worker/worker.h"

struct keep {
	int *fds;
	unsigned n, cap;
};

static void
keep_init(struct keep *k, unsigned cap)
{
	k->n = 0;
	k->cap = cap;
	k->fds = calloc(cap, sizeof(*k->fds));
	must(k->fds);
}

static void
keep_fd(struct keep *k, int fd)
{
	must(k->n < k->cap);
	if (fd >= 0)
		k->fds[k->n++] = fd;
}

static int
fd_order(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Closes all descriptors that are not kept. */
static void
keep_only(struct keep *k)
{
	unsigned from = 0;

	qsort(k->fds, k->n, sizeof(*k->fds), fd_order);
	for (unsigned i = 0; i < k->n; i++) {
		unsigned fd = (unsigned)k->fds[i];

		if (fd > from)
			(void)close_range(from, fd - 1, 0);
		from = fd + 1;
	}
	(void)close_range(from, ~0u, 0);
	free(k->fds);
	k->fds = NULL;
}

/* What every process keeps: the standard three, the log, the segment, the
 * sign that the master lives, and the lock that says that we do. */
static void
keep_common(struct keep *k, const struct master *m)
{
	for (int fd = 0; fd <= 2; fd++)
		keep_fd(k, fd);
	keep_fd(k, log_fd());
	keep_fd(k, m->region.fd);
	keep_fd(k, m->alive[0]);
	keep_fd(k, m->pid_lock);
}
#define KEEP_COMMON 7u

/* Signals as a fresh process has them; those that only mean something to the
 * master, or to a role that has set its handlers, do no harm until then. */
static void
signals_reset(void)
{
	static const int ignored[] = {SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1,
				      SIGUSR2};
	sigset_t none;

	for (unsigned i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
enter_worker(const struct child *c)
{
	struct master *m = c->m;
	unsigned most = listen_most(&m->listeners);
	struct worker_listen *listens = calloc(most + 1, sizeof(*listens));
	uint32_t rows = m->region.head->n_workers;
	struct keep keep;
	unsigned n;

	must(listens && c->gen);
	n = listen_share(&m->listeners, c->number, listens, most);
	keep_init(&keep, KEEP_COMMON + 2 + rows + n);
	keep_common(&keep, m);
	for (uint32_t i = 0; i < rows; i++)
		keep_fd(&keep, m->worker_bells[i]);
	keep_fd(&keep, m->writer_bell);
	keep_fd(&keep, m->master_bell);
	for (unsigned i = 0; i < n; i++)
		keep_fd(&keep, listens[i].fd);
	keep_only(&keep);
	return worker_run(&(struct worker_args){
		.conf = c->gen->conf,
		.region = &m->region,
		.row = c->row,
		.spawn_epoch = c->spawn_epoch,
		.generation = c->gen->number,
		.book = c->gen->book,
		.channel_rows = c->gen->channel_rows,
		.listen = listens,
		.n_listen = n,
		.doorbell = m->worker_bells[c->row],
		.doorbells = m->worker_bells,
		.writer_doorbell = m->writer_bell,
		.master_doorbell = m->master_bell,
		.alive = m->alive[0],
		.pepper = m->pepper,
		.tickets = m->tickets,
	});
}

static int
enter_writer(const struct child *c)
{
	struct master *m = c->m;
	uint32_t rows = m->region.head->n_workers;
	struct keep keep;

	keep_init(&keep, KEEP_COMMON + 3 + rows);
	keep_common(&keep, m);
	keep_fd(&keep, m->writer_bell);
	keep_fd(&keep, m->master_bell);
	keep_fd(&keep, m->orders[0]);
	for (uint32_t i = 0; i < rows; i++)
		keep_fd(&keep, m->worker_bells[i]);
	keep_only(&keep);
	return writer_run(&(struct writer_args){
		.conf = m->conf,
		.region = &m->region,
		.doorbell = m->writer_bell,
		.worker_doorbells = m->worker_bells,
		.master_doorbell = m->master_bell,
		.orders = m->orders[0],
		.cold = m->verdict == REGION_NEW,
		.alive = m->alive[0],
	});
}

static int
enter_admin(const struct child *c)
{
	struct master *m = c->m;
	struct keep keep;

	keep_init(&keep, KEEP_COMMON + 4);
	keep_common(&keep, m);
	keep_fd(&keep, m->listeners.admin);
	keep_fd(&keep, m->listeners.socket);
	keep_fd(&keep, m->orders[1]);
	keep_fd(&keep, m->control[1]);
	keep_only(&keep);
	return admin_run(&(struct admin_args){
		.conf = m->conf,
		.region = &m->region,
		.listen = m->listeners.admin,
		.socket = m->listeners.socket,
		.orders = m->orders[1],
		.alive = m->alive[0],
		.control = m->control[1],
		.pepper = m->pepper,
		.n_channels = m->conf->n_channels,
		.channel_rows = m->serving ? m->serving->channel_rows : NULL,
	});
}

void
role_enter(const struct child *c)
{
	static const char *const names[] = {
		[ROLE_WORKER] = "tollgate-worker",
		[ROLE_WRITER] = "tollgate-writer",
		[ROLE_ADMIN] = "tollgate-admin",
	};
	const struct conf *conf = c->gen ? c->gen->conf : c->m->conf;
	int code = EXIT_RUNTIME;

	signals_reset();
	/* Keys pressed on the terminal are for the master alone. */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, names[c->role], 0, 0, 0);
	log_open(role_name(c->role), conf->error_log.p,
		 (enum log_level)conf->log_level);
	switch (c->role) {
	case ROLE_WORKER: code = enter_worker(c); break;
	case ROLE_WRITER: code = enter_writer(c); break;
	case ROLE_ADMIN: code = enter_admin(c); break;
	}
	exit(code);
}
