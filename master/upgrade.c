/*
 * From USR2 to the new program. Until the exec nothing has changed, so every
 * doubt ends it with one line.
 */
#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/fixed.h"
#include "http/tls.h"
#include "master/children.h"
#include "master/control.h"
#include "master/count.h"
#include "master/exec.h"
#include "master/notify.h"

#define TRIAL_NS (10 * NS_PER_SEC)
#define SAID_MAX 4096u

/* ---- what the new program is told ---- */

static bool
numbers_of(struct arena *arena, const int *fds, uint32_t n, struct numbers *out)
{
	out->n = n;
	out->v = arena_zalloc(arena, (n + 1) * sizeof(*out->v));
	for (uint32_t i = 0; out->v && i < n; i++)
		out->v[i] = (uint64_t)(int64_t)fds[i];
	return out->v != NULL;
}

static bool
tell_generation(const struct generation *g, struct arena *arena,
		struct handover_generation **out)
{
	struct handover_generation *of = arena_zalloc(arena, sizeof(*of));

	*out = of;
	if (!of || g->n_workers > HANDOVER_WORKERS)
		return false;
	of->field[GENERATION_NUMBER] = g->number;
	of->field[GENERATION_BOOK] = g->book;
	of->field[GENERATION_DRAINING] = g->draining;
	of->field[GENERATION_HURRIED] = g->hurried;
	of->field[GENERATION_UNTIL] = g->drain_until_ns;
	of->rows.n = g->n_rows;
	of->rows.v = arena_zalloc(arena, (g->n_rows + 1) * sizeof(uint64_t));
	for (uint32_t i = 0; of->rows.v && i < g->n_rows; i++)
		of->rows.v[i] = g->channel_rows[i];
	for (uint32_t i = 0; i < g->n_workers; i++) {
		const struct child *c = &g->workers[i];
		uint64_t *w = of->worker[of->n_workers];

		if (c->row == SHM_NONE)
			continue;
		of->n_workers++;
		w[WORKER_NUMBER] = c->number;
		w[WORKER_ROW] = c->row;
		w[WORKER_EPOCH] = c->spawn_epoch;
		w[WORKER_PID] = (uint64_t)c->pid;
		w[WORKER_SINCE] = c->started_ns;
	}
	return of->rows.v != NULL;
}

static void
tell_descriptors(const struct master *m, struct handover *h)
{
	struct {
		uint64_t *to;
		int fd;
	} all[] = {
		{&h->pid_lock, m->pid_lock},
		{&h->region, m->region.fd},
		{&h->tickets, m->tickets_fd},
		{&h->writer_bell, m->writer_bell},
		{&h->master_bell, m->master_bell},
		{&h->alive_0, m->alive[0]},
		{&h->alive_1, m->alive[1]},
		{&h->orders_0, m->orders[0]},
		{&h->orders_1, m->orders[1]},
		{&h->control_0, m->control[0]},
		{&h->control_1, m->control[1]},
		{&h->admin_listen, m->listeners.admin},
		{&h->admin_socket, m->listeners.socket},
		{&h->program, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		*all[i].to = (uint64_t)(int64_t)all[i].fd;
}

static bool
tell_lists(const struct master *m, struct arena *arena, struct handover *h)
{
	const struct listeners *l = &m->listeners;

	if (!numbers_of(arena, m->worker_bells, m->region.head->n_workers,
			&h->bells))
		return false;
	for (; h->n_listens < l->n; h->n_listens++) {
		const struct listen_address *a = &l->addresses[h->n_listens];

		if (h->n_listens == HANDOVER_LISTENS ||
		    !numbers_of(arena, a->fds, a->n, &h->listens[h->n_listens]))
			return false;
	}
	for (const struct generation *g = m->generations; g; g = g->next)
		if (h->n_generations == HANDOVER_GENERATIONS ||
		    !tell_generation(g, arena,
				     &h->generations[h->n_generations++]))
			return false;
	return true;
}

bool
upgrade_handover(const struct master *m, struct arena *arena,
		 struct handover *h)
{
	CLEANUP(buf_free) struct buf fixed = BUF_INIT;

	memset(h, 0, sizeof(*h));
	conf_fixed(m->conf, &fixed);
	h->pid = (uint64_t)getpid();
	h->n_workers = m->n_workers;
	h->ticket_bytes = sizeof(*m->tickets);
	h->tickets_next = m->tickets_next_ns;
	h->writer_pid = (uint64_t)m->writer.pid;
	h->writer_since = m->writer.started_ns;
	h->admin_pid = (uint64_t)m->admin.pid;
	h->admin_since = m->admin.started_ns;
	h->serving = m->serving->number;
	h->asked = m->upgrade.asked_id;
	h->reload_asked = m->reload.again_id;
	h->version = STR(TOLLGATE_VERSION);
	h->reason = STR("");
	h->fixed = arena_dup(arena, buf_str(&fixed));
	tell_descriptors(m, h);
	return !fixed.failed && h->fixed.p && tell_lists(m, arena, h);
}

/* ---- the trial ---- */

static void
refuse(struct master *m, struct str reason)
{
	struct upgrade *u = &m->upgrade;

	LOG_ERROR("upgrade refused, nothing has changed",
		  F_STR("reason", reason));
	count_upgrade(m, false, reason);
	control_answer_one(m, u->asked_id, false, reason);
	notify_send("READY=1");
	u->asked_id = 0;
}

static void
heard(evutil_socket_t fd, short what, void *user)
{
	struct upgrade *u = user;
	char part[SAID_MAX];
	ssize_t n = read(fd, part, sizeof(part));

	(void)what;
	if (n == 0)
		(void)event_del(u->heard);
	if (n > 0 && u->said.n + (size_t)n <= SAID_MAX)
		buf_add(&u->said, part, (size_t)n);
}

static void
trial_kill(const struct upgrade *u)
{
	/* What it has started as well: it has our sockets. */
	(void)kill(-u->checker, SIGKILL);
	(void)kill(u->checker, SIGKILL);
}

static void
trial_close(struct upgrade *u)
{
	if (u->heard) {
		heard(u->said_fd, 0, u);
		event_free(u->heard);
		(void)close(u->said_fd);
	}
	u->heard = NULL;
	u->checker = 0;
}

/* The arguments of this server with -t. */
static char **
trial_arguments(char *const *argv)
{
	static char test[] = "-t";
	size_t n = 0;
	char **out;

	while (argv[n])
		n++;
	out = calloc(n + 2, sizeof(*out));
	if (!out)
		return NULL;
	out[0] = argv[0];
	out[1] = test;
	memcpy(out + 2, argv + 1, (n - 1) * sizeof(*out));
	return out;
}

/* In the new process; never returns. */
static void
trial_run(const struct master *m, const struct handover *h, int out)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	char **argv = trial_arguments(m->options->argv);
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)setpgid(0, 0);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(out, STDERR_FILENO);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (argv)
		exec_program(h, argv, -1, &why);
	_exit(write(STDERR_FILENO, why.p, why.n) < 0 ? 126 : 127);
}

static bool
trial_start(struct master *m, const struct handover *h)
{
	struct upgrade *u = &m->upgrade;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	u->said_fd = ends[0];
	u->heard = event_new(m->base, ends[0], EV_READ | EV_PERSIST, heard, u);
	if (u->heard && event_add(u->heard, NULL) == 0)
		u->checker = fork();
	if (u->checker == 0 && u->heard)
		trial_run(m, h, ends[1]);
	(void)close(ends[1]);
	if (u->checker > 0)
		return true;
	if (!u->heard)
		(void)close(ends[0]);
	trial_close(u);
	return false;
}

static void
trial_begin(struct master *m, uint64_t now_ns)
{
	CLEANUP(arena_free) struct arena arena;
	struct upgrade *u = &m->upgrade;
	struct handover h;

	arena_init(&arena);
	u->asked = false;
	u->late = false;
	u->deadline_ns = now_ns + TRIAL_NS;
	buf_reset(&u->said);
	LOG_INFO("upgrade: the new program is tried",
		 F_CSTR("program", m->options->argv[0]));
	notify_reloading();
	if (!upgrade_handover(m, &arena, &h) || !trial_start(m, &h))
		refuse(m, STR("out of memory or descriptors"));
}

/* ---- its verdict ---- */

/* Only returns when that failed. */
static void
switch_over(struct master *m)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	CLEANUP(arena_free) struct arena arena;
	struct handover h;
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	arena_init(&arena);
	if (upgrade_handover(m, &arena, &h)) {
		h.program = (uint64_t)(int64_t)program;
		exec_program(&h, m->options->argv, -1, &why);
	} else {
		buf_add_cstr(&why, "out of memory");
	}
	if (program >= 0)
		(void)close(program);
	refuse(m, buf_str(&why));
}

static struct str
last_line(struct str text)
{
	struct str line = STR_NONE;

	while (text.p) {
		struct str next = str_trim(str_cut(&text, '\n'));

		if (next.n > 0)
			line = next;
	}
	return line;
}

/* "" or what is wrong with it. */
static void
judge(const struct master *m, int status, struct buf *why)
{
	struct str said = last_line(buf_str(&m->upgrade.said));
	char layout[REGION_LAYOUT];

	region_layout(&m->region, layout);
	if (m->upgrade.late)
		buf_add_cstr(why, "the new program's check took too long");
	else if (WIFSIGNALED(status))
		buf_printf(why, "the new program died in its check, signal %d",
			   WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		buf_printf(why,
			   "the new program's check failed, status %d: "
			   "%.*s",
			   WEXITSTATUS(status), STR_ARG(said));
	else if (!str_starts(said, STR(UPGRADE_FIT)))
		buf_add_cstr(why, "the new program does not know how to take "
				  "over: restart the server instead");
	else if (!str_eq(str_from(said, sizeof(UPGRADE_FIT) - 1),
			 str_of(layout)))
		buf_printf(why,
			   "the new program has another layout of shared "
			   "memory (%.*s, running: %s): restart the server "
			   "instead",
			   STR_ARG(str_from(said, sizeof(UPGRADE_FIT) - 1)),
			   layout);
}

void
upgrade_child_ended(struct master *m, pid_t pid, int status)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	if (pid != m->upgrade.checker)
		return;
	(void)kill(-pid, SIGKILL); /* what it may have left */
	trial_close(&m->upgrade);
	judge(m, status, &why);
	if (why.n > 0)
		refuse(m, buf_str(&why));
	else
		switch_over(m);
}

/* ---- steps ---- */

void
upgrade_ask(struct master *m, uint64_t id)
{
	struct upgrade *u = &m->upgrade;

	if (m->stop.step != STOP_NONE) {
		control_answer_one(m, id, false, STR("the server is stopping"));
		return;
	}
	if (upgrade_busy(m) || m->takeover.step != TAKEOVER_NONE) {
		LOG_WARN("an upgrade is under way already");
		control_answer_one(m, id, false,
				   STR("an upgrade is under way already"));
		return;
	}
	u->asked = true;
	u->asked_id = id;
	master_advance(m);
}

bool
upgrade_busy(const struct master *m)
{
	return m->upgrade.asked || m->upgrade.checker != 0;
}

/* Nothing else is being replaced, and there is room for one generation more. */
static bool
may_begin(struct master *m)
{
	return m->serving && m->reload.step == RELOAD_IDLE &&
	       m->writer.pid != 0 && !m->writer.told &&
	       atomic_load(&m->region.head->writer_heartbeat_ns) >=
		       m->writer.started_ns &&
	       !generations_full(m);
}

void
upgrade_advance(struct master *m, uint64_t now_ns)
{
	struct upgrade *u = &m->upgrade;

	if (u->asked && may_begin(m))
		trial_begin(m, now_ns);
	if (u->checker != 0 && now_ns >= u->deadline_ns) {
		u->late = true;
		trial_kill(u);
	}
}

void
upgrade_give_up(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	if (!upgrade_busy(m))
		return;
	if (u->checker != 0) {
		trial_kill(u);
		trial_close(u);
	}
	u->asked = false;
	control_answer_one(m, u->asked_id, false,
			   STR("the server is stopping"));
}
