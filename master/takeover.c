/*
 * The program that takes over. What the handover names is checked before it
 * is used: the text comes from another version.
 */
#include "master/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"
#include "conf/fixed.h"
#include "http/tls.h"
#include "master/children.h"
#include "master/control.h"
#include "master/count.h"
#include "master/exec.h"
#include "master/notify.h"
#include "master/privs.h"
#include "master/reload.h"
#include "master/start.h"
#include "master/upgrade.h"
#include "shm/books.h"
#include "shm/channels.h"

/* The old writer commits and ends, the new one reads all accounts. */
#define WRITER_NS (60 * NS_PER_SEC)
#define AGAIN_NS  (5 * NS_PER_SEC)

/* ---- what was given ---- */

enum given
takeover_given(struct arena *arena, struct handover *h, const char **why)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	if (!exec_given(&text))
		return GIVEN_NOTHING;
	if (text.failed || !handover_read(buf_str(&text), arena, h, why))
		return GIVEN_NONSENSE;
	return GIVEN_HANDOVER;
}

static bool
is_open(uint64_t fd)
{
	return fd < (1u << 20) && fcntl((int)fd, F_GETFD) >= 0;
}

static bool
are_open(const struct numbers *fds)
{
	for (uint32_t i = 0; i < fds->n; i++)
		if (!is_open(fds->v[i]))
			return false;
	return true;
}

static bool
descriptors_fit(const struct handover *h, const struct conf *c)
{
	const uint64_t needed[] = {
		h->pid_lock, h->region,	   h->writer_bell, h->master_bell,
		h->alive_0,  h->alive_1,   h->orders_0,	   h->orders_1,
		h->tickets,  h->control_0, h->control_1,   h->admin_socket};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!is_open(needed[i]))
			return false;
	for (uint32_t i = 0; i < h->n_listens; i++)
		if (h->listens[i].n == 0 || !are_open(&h->listens[i]))
			return false;
	return h->n_listens == c->n_listen && are_open(&h->bells) &&
	       (h->admin_listen == HANDOVER_NONE || is_open(h->admin_listen)) &&
	       (h->program == HANDOVER_NONE || is_open(h->program));
}

static bool
pid_fits(uint64_t pid)
{
	return pid != 1 && pid <= INT32_MAX;
}

static bool
generation_fits(const struct handover_generation *g, uint32_t rows)
{
	uint64_t book = g->field[GENERATION_BOOK];

	if (book != SHM_NONE && book >= BOOKS_LIVE)
		return false;
	for (uint32_t i = 0; i < g->rows.n; i++)
		if (g->rows.v[i] != SHM_NONE && g->rows.v[i] >= SHM_CHANNELS)
			return false;
	for (uint32_t i = 0; i < g->n_workers; i++)
		if (g->worker[i][WORKER_ROW] >= rows ||
		    !pid_fits(g->worker[i][WORKER_PID]))
			return false;
	return true;
}

static bool
processes_fit(const struct handover *h, const struct region *r)
{
	bool serves = false;

	for (uint32_t i = 0; i < h->n_generations; i++) {
		const struct handover_generation *g = h->generations[i];

		serves |= g->field[GENERATION_NUMBER] == h->serving &&
			  !g->field[GENERATION_DRAINING];
		if (!generation_fits(g, r->head->n_workers))
			return false;
	}
	return serves && h->n_workers > 0 && h->n_workers <= HANDOVER_WORKERS &&
	       h->bells.n == r->head->n_workers && pid_fits(h->writer_pid) &&
	       pid_fits(h->admin_pid);
}

/* Everything but the order of things: `r` is mapped when it fits. */
static bool
fits(const struct handover *h, const struct conf *c, struct region *r,
     bool writable, struct buf *error)
{
	const char *why;

	if (!conf_fixed_same(h->fixed, c, error))
		return false;
	if (!descriptors_fit(h, c)) {
		buf_add_cstr(error, "a descriptor is missing");
		return false;
	}
	if (region_inherit(r, (int)h->region, writable, &why) != E_OK) {
		buf_printf(error,
			   "shared memory: %s: restart the server instead",
			   why);
		return false;
	}
	if (processes_fit(h, r))
		return true;
	buf_add_cstr(error, "the list of processes makes no sense");
	return false;
}

int
takeover_check(const struct handover *h, const struct conf *c)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	char layout[REGION_LAYOUT];
	struct region r;

	if (!fits(h, c, &r, false, &error)) {
		(void)fprintf(stderr, "tollgate: %.*s\n", (int)error.n,
			      error.p);
		return EXIT_RUNTIME;
	}
	region_layout(&r, layout);
	region_close(&r);
	(void)printf(UPGRADE_FIT "%s\n", layout);
	return EXIT_FINE;
}

bool
takeover_patience(const struct buf *error)
{
	const struct timespec moment = {1, 0};
	sigset_t set;

	(void)fprintf(stderr,
		      "tollgate: the file has changed during the upgrade, the "
		      "old processes go on: %.*s\n",
		      (int)error->n, error->p);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGQUIT);
	notify_send("WATCHDOG=1");
	return sigtimedwait(&set, NULL, &moment) < 0;
}

/* ---- the way back ---- */

/* Only returns when there is none. */
static void
go_back(struct master *m, struct str reason)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	CLEANUP(arena_free) struct arena arena;
	struct handover h;
	int program = m->takeover.program;

	if (program < 0)
		return;
	arena_init(&arena);
	LOG_ERROR("upgrade failed: back to the program of before",
		  F_STR("reason", reason));
	if (upgrade_handover(m, &arena, &h)) {
		h.went_back = 1;
		h.reason = reason;
		h.asked = m->takeover.asked_id;
		exec_program(&h, m->options->argv, program, &why);
	}
	LOG_ERROR("there is no way back", F_STR("reason", buf_str(&why)));
}

/* Nothing of it has been touched yet: it is passed on as it came. */
static int
send_back(struct master *m, const struct handover *given, struct str reason)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct handover h = *given;

	LOG_ERROR("the new program cannot take over", F_STR("reason", reason));
	h.program = HANDOVER_NONE;
	h.went_back = 1;
	h.reason = reason;
	if (given->program != HANDOVER_NONE)
		exec_program(&h, m->options->argv, (int)given->program, &why);
	return EXIT_RUNTIME;
}

/* ---- taking over ---- */

static int *
descriptors(const struct numbers *fds, unsigned cap)
{
	int *out = calloc(MAX_OF(cap, fds->n) + 1, sizeof(*out));

	must(out);
	for (uint32_t i = 0; i < fds->n; i++)
		out[i] = (int)fds->v[i];
	return out;
}

static void
take_listeners(struct listeners *l, const struct handover *h)
{
	l->workers = (unsigned)h->n_workers;
	l->n = h->n_listens;
	l->addresses = calloc(l->n, sizeof(*l->addresses));
	must(l->addresses);
	for (unsigned i = 0; i < l->n; i++) {
		l->addresses[i].n = h->listens[i].n;
		l->addresses[i].fds = descriptors(&h->listens[i], 0);
	}
	l->admin = h->admin_listen == HANDOVER_NONE ? -1 : (int)h->admin_listen;
	l->socket = (int)h->admin_socket;
}

static void
take_descriptors(struct master *m, const struct handover *h)
{
	m->pid_lock = (int)h->pid_lock;
	m->worker_bells = descriptors(&h->bells, 0);
	m->writer_bell = (int)h->writer_bell;
	m->master_bell = (int)h->master_bell;
	m->alive[0] = (int)h->alive_0;
	m->alive[1] = (int)h->alive_1;
	m->orders[0] = (int)h->orders_0;
	m->orders[1] = (int)h->orders_1;
	m->control[0] = (int)h->control_0;
	m->control[1] = (int)h->control_1;
	take_listeners(&m->listeners, h);
}

int
takeover_open(struct master *m, const struct handover *h)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct takeover *t = &m->takeover;

	privs_harden();
	if (h->pid != (uint64_t)getpid())
		buf_add_cstr(&error, "the handover is of another process");
	else if (fits(h, m->conf, &m->region, true, &error) &&
		 !start_tickets(m, h->ticket_bytes == sizeof(*m->tickets)
					   ? (int)h->tickets
					   : -1))
		buf_add_cstr(&error, "no memory for session tickets");
	else if (error.n == 0 && !start_pepper(m, &error))
		must(error.n > 0);
	if (error.n > 0)
		return send_back(m, h, buf_str(&error));
	m->n_workers = (unsigned)h->n_workers;
	m->verdict = REGION_ADOPTED;
	if (m->tickets_fd == (int)h->tickets)
		m->tickets_next_ns = h->tickets_next;
	take_descriptors(m, h);
	t->program = h->program == HANDOVER_NONE ? -1 : (int)h->program;
	t->went_back = h->went_back != 0;
	t->asked_id = h->asked;
	(void)str_copy(t->reason, sizeof(t->reason), h->reason);
	(void)str_copy(t->version, sizeof(t->version), h->version);
	return 0;
}

static void
take_child(struct child *c, uint64_t pid, uint64_t since)
{
	c->pid = (pid_t)pid;
	c->started_ns = since;
}

void
takeover_begin(struct master *m, const struct handover *h)
{
	struct takeover *t = &m->takeover;

	take_child(&m->writer, h->writer_pid, h->writer_since);
	take_child(&m->admin, h->admin_pid, h->admin_since);
	for (uint32_t i = 0; i < h->n_generations; i++) {
		struct generation *g = generation_adopt(m, h->generations[i]);

		if (g->number == h->serving)
			m->serving = g;
	}
	/* Whoever has asked for a reload gets it by this. */
	m->reload.asked_id = m->reload.again_id = h->reload_asked;
	LOG_INFO("took over from the program before", F_CSTR("was", t->version),
		 F_CSTR("is", TOLLGATE_VERSION),
		 F_U64("generations", h->n_generations));
	t->step = TAKEOVER_WRITER;
	t->next_ns = clock_mono_ns() + WRITER_NS;
	t->writer_since = h->writer_since;
	m->writer.wanted = true;
	m->writer.told = true;
	/* Commits what is settled and ends, whoever still runs. */
	if (m->writer.pid != 0)
		child_signal(&m->writer, SIGINT);
	else
		child_start(&m->writer);
	children_reap(m);
}

/* ---- steps ---- */

static bool
new_writer_works(const struct master *m)
{
	return m->writer.pid != 0 &&
	       m->writer.started_ns != m->takeover.writer_since &&
	       atomic_load(&m->region.head->writer_heartbeat_ns) >=
		       m->writer.started_ns;
}

static void
fail(struct master *m, struct str reason)
{
	struct takeover *t = &m->takeover;

	go_back(m, reason);
	LOG_ERROR("the new program cannot serve, the old workers go on",
		  F_STR("reason", reason));
	control_answer_one(m, t->asked_id, false, reason);
	t->asked_id = 0;
	t->step = TAKEOVER_WAIT;
	t->next_ns = clock_mono_ns() + AGAIN_NS;
}

void
takeover_advance(struct master *m, uint64_t now_ns)
{
	struct takeover *t = &m->takeover;

	if (t->step == TAKEOVER_WRITER && new_writer_works(m)) {
		t->step = TAKEOVER_WORKERS;
		reload_takeover(m);
	}
	if (t->step == TAKEOVER_WRITER && now_ns >= t->next_ns)
		fail(m, STR("the new ledger writer was not ready in time"));
	if (t->step == TAKEOVER_WAIT && now_ns >= t->next_ns) {
		t->next_ns = now_ns + AGAIN_NS;
		m->reload.again = true;
	}
}

bool
takeover_child_ended(const struct child *c, int status)
{
	struct master *m = c->m;

	/* One that somebody kills is simply replaced. */
	if (m->takeover.step != TAKEOVER_WRITER || c->role != ROLE_WRITER ||
	    m->takeover.program < 0 || c->told ||
	    (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		return false;
	fail(m, STR("the new ledger writer could not start, see its lines "
		    "above"));
	return false;
}

void
takeover_served(struct master *m)
{
	struct takeover *t = &m->takeover;

	if (t->step == TAKEOVER_NONE)
		return;
	t->step = TAKEOVER_NONE;
	count_upgrade(m, !t->went_back, str_of(t->reason));
	if (t->program >= 0)
		(void)close(t->program);
	t->program = -1;
	if (t->went_back)
		LOG_ERROR("upgrade refused: the program of before serves again",
			  F_CSTR("reason", t->reason));
	else
		LOG_INFO("upgraded", F_CSTR("was", t->version),
			 F_CSTR("is", TOLLGATE_VERSION));
	control_answer_one(m, t->asked_id, !t->went_back, str_of(t->reason));
	notify_main_pid();
}

void
takeover_refused(struct master *m, struct str reason)
{
	if (m->takeover.step == TAKEOVER_WORKERS)
		fail(m, reason);
}

void
takeover_give_up(struct master *m)
{
	struct takeover *t = &m->takeover;

	if (t->step == TAKEOVER_NONE)
		return;
	t->step = TAKEOVER_NONE;
	control_answer_one(m, t->asked_id, false,
			   STR("the server is stopping"));
}
