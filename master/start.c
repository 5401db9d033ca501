/*
 * What the master sets up before its loop. The order: as root what only root
 * can do (directories, ports), then without rights the rest.
 */
#include "master/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exits.h"
#include "base/hash.h"
#include "base/log.h"
#include "conf/conf.h"
#include "http/tls.h"
#include "master/lonely.h"
#include "master/privs.h"
#include "shm/books.h"
#include "shm/channels.h"
#include "shm/workers.h"

/* Orders and controls that may queue while their reader is replaced. */
#define QUEUE_BYTES (256 * 1024)
#define WORKERS_MAX 64

static int
fail(const struct buf *error, int code)
{
	LOG_ERROR("cannot start", F_STR("reason", buf_str(error)));
	return code;
}

static unsigned
cpu_count(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return (unsigned)MIN_OF(MAX_OF(n, 1), WORKERS_MAX);
}

/* As root, if we are. */
static int
open_outside(struct master *m)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c = m->conf;

	if (!privs_make_dir(c->run_dir, c->user, &error) ||
	    !privs_make_dir(c->state_dir, c->user, &error))
		return fail(&error, EXIT_RUNTIME);
	m->pid_lock = lonely_take(c->run_dir, &error);
	if (m->pid_lock < 0)
		return fail(&error, EXIT_RUNTIME);
	if (!listen_open(&m->listeners, c, m->n_workers, &error))
		return fail(&error, EXIT_BIND);
	if (!privs_give_socket(c->run_dir, c->user, &error) ||
	    !privs_drop(c->user, &error))
		return fail(&error, EXIT_RUNTIME);
	privs_harden();
	return 0;
}

/* What a former server's processes left in the segment: they are gone. */
static void
adopt_rows(struct region *r)
{
	/* Until the new writer has looked at it. */
	atomic_store(&r->head->ledger_state, LEDGER_RECOVERING);
	for (uint32_t i = 0; i < BOOKS_LIVE; i++)
		if (r->books[i].generation != 0)
			book_release(r, i);
	for (uint32_t i = 0; i < r->head->n_workers; i++) {
		uint32_t state = atomic_load(&r->workers[i].state);

		if (state != WORKER_UNUSED)
			atomic_store(&r->workers[i].state, WORKER_DEAD);
	}
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		struct channel_row *ch = &r->channels[i];

		if (atomic_load(&ch->state) == CHANNEL_UNUSED)
			continue;
		/* Bound by nobody; kept for a channel of the same name. */
		ch->generations = 0;
		atomic_store(&ch->in_flight, 0);
	}
}

/* In whole pages of slots. */
static uint32_t
slot_count(const struct conf *c)
{
	uint32_t n = MIN_OF(c->max_requests, SHM_SLOTS_MAX);

	return (n + SLOT_PAGE - 1) / SLOT_PAGE * SLOT_PAGE;
}

bool
start_pepper(struct master *m, struct buf *error)
{
	char dir[PATH_MAX];

	if (str_copy(dir, sizeof(dir), m->conf->state_dir) &&
	    pepper_load(dir, m->pepper))
		return true;
	buf_printf(error, "cannot read %.*s/pepper",
		   STR_ARG(m->conf->state_dir));
	return false;
}

static int
open_region(struct master *m)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c = m->conf;
	const char *why = "";
	char dir[PATH_MAX];

	if (!writer_prepare(c, &error))
		return fail(&error, EXIT_RUNTIME);
	if (!start_pepper(m, &error))
		return fail(&error, EXIT_RUNTIME);
	if (!str_copy(dir, sizeof(dir), c->run_dir) ||
	    region_open(&m->region, dir, slot_count(c), 8 * m->n_workers + 16,
			false, &m->verdict, &why) != E_OK) {
		buf_printf(&error, "cannot map %s/state.shm: %s", dir, why);
		return fail(&error, EXIT_RUNTIME);
	}
	LOG_INFO("shared memory",
		 F_CSTR("start", m->verdict == REGION_NEW ? "cold" : "warm"),
		 F_CSTR("reason", why ? why : ""));
	if (m->verdict == REGION_ADOPTED)
		adopt_rows(&m->region);
	atomic_store(&m->region.head->master_pid, (uint32_t)getpid());
	atomic_store(&m->region.head->draining, 0);
	atomic_store(&m->region.head->started_wall_ns, clock_wall_ns());
	return 0;
}

static bool
open_pair(int fds[2])
{
	int bytes = QUEUE_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes,
				 sizeof(bytes));
	return true;
}

static bool
open_bells(struct master *m)
{
	uint32_t rows = m->region.head->n_workers;

	m->worker_bells = calloc(rows, sizeof(*m->worker_bells));
	if (!m->worker_bells)
		return false;
	for (uint32_t i = 0; i < rows; i++) {
		m->worker_bells[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (m->worker_bells[i] < 0)
			return false;
	}
	m->writer_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->master_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return m->writer_bell >= 0 && m->master_bell >= 0;
}

/* Pages of their own: no core dump holds the keys. A file without a name: so
 * they outlive an upgrade. */
bool
start_tickets(struct master *m, int fd)
{
	void *p;

	if (fd < 0) {
		fd = memfd_create("tollgate-tickets", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, sizeof(*m->tickets)) != 0)
			return false;
	}
	m->tickets_fd = fd;
	p = mmap(NULL, sizeof(*m->tickets), PROT_READ | PROT_WRITE, MAP_SHARED,
		 fd, 0);
	if (p == MAP_FAILED)
		return false;
	(void)madvise(p, sizeof(*m->tickets), MADV_DONTDUMP);
	m->tickets = p;
	return true;
}

/* All that processes share beside the segment, before the first fork. */
static int
open_shared(struct master *m)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;

	if (open_bells(m) && start_tickets(m, -1) &&
	    pipe2(m->alive, O_CLOEXEC) == 0 && open_pair(m->orders) &&
	    open_pair(m->control))
		return 0;
	buf_printf(&error, "descriptors between processes: %s",
		   strerror(errno));
	return fail(&error, EXIT_RUNTIME);
}

int
start_all(struct master *m)
{
	int code;

	m->n_workers = m->conf->workers ? m->conf->workers : cpu_count();
	code = open_outside(m);
	if (code == 0)
		code = open_region(m);
	if (code == 0)
		code = open_shared(m);
	return code;
}

void
start_undo(struct master *m)
{
	char path[PATH_MAX];

	listen_close(&m->listeners);
	if (m->listeners.socket >= 0) {
		(void)snprintf(path, sizeof(path), "%.*s/admin.sock",
			       STR_ARG(m->conf->run_dir));
		(void)unlink(path);
	}
	free(m->worker_bells);
	if (m->tickets)
		(void)munmap(m->tickets, sizeof(*m->tickets));
	if (m->region.head) {
		atomic_store(&m->region.head->master_pid, 0);
		region_close(&m->region);
	}
	lonely_give(m->conf->run_dir, m->pid_lock);
}
