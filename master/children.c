/*
 * Processes: fork, reap, replacement. A worker's row says DEAD before its
 * place is filled again, so the writer reaps what the old one held.
 */
#include "master/children.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"
#include "master/count.h"
#include "master/pause.h"
#include "master/proc.h"
#include "master/reload.h"
#include "master/roles.h"
#include "master/stop.h"
#include "master/takeover.h"
#include "master/upgrade.h"
#include "shm/workers.h"

const char *
role_name(enum role r)
{
	switch (r) {
	case ROLE_WORKER: return "worker";
	case ROLE_WRITER: return "writer";
	case ROLE_ADMIN: return "admin";
	}
	return "";
}

static void
retry_due(evutil_socket_t fd, short what, void *user)
{
	struct child *c = user;

	(void)fd;
	(void)what;
	child_start(c);
}

void
child_init(struct child *c, struct master *m, enum role role)
{
	memset(c, 0, sizeof(*c));
	c->m = m;
	c->role = role;
	c->row = SHM_NONE;
	c->retry = evtimer_new(m->base, retry_due, c);
	must(c->retry);
}

static void
child_start_later(struct child *c)
{
	struct timeval tv = {c->pause_ms / 1000, (c->pause_ms % 1000) * 1000L};

	(void)evtimer_add(c->retry, &tv);
}

/* A row for the new worker; all rows are taken while the writer is away. */
static bool
child_take_row(struct child *c)
{
	struct region *r = &c->m->region;

	if (c->role != ROLE_WORKER)
		return true;
	c->row = worker_row_take(r, c->gen->number, c->number);
	if (c->row == SHM_NONE)
		return false;
	c->spawn_epoch = atomic_load(&r->workers[c->row].spawn_epoch);
	return true;
}

static void
child_row_dead(struct child *c)
{
	struct worker_row *row;

	if (c->role != ROLE_WORKER || c->row == SHM_NONE)
		return;
	row = &c->m->region.workers[c->row];
	if (atomic_load(&row->spawn_epoch) == c->spawn_epoch)
		atomic_store(&row->state, WORKER_DEAD);
	doorbell_ring(c->m->writer_bell);
}

void
child_start(struct child *c)
{
	sigset_t all, before;

	if (!c->wanted || c->pid != 0)
		return;
	c->told = false;
	c->started_ns = clock_mono_ns();
	c->killed_ns = 0;
	if (!child_take_row(c)) {
		c->pause_ms = pause_next(c->pause_ms, 0);
		child_start_later(c);
		return;
	}
	/* No handler may run in the child before it is somebody. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	c->pid = fork();
	if (c->pid == 0)
		role_enter(c);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (c->pid > 0) {
		if (c->role == ROLE_WORKER)
			atomic_store(&c->m->region.workers[c->row].pid,
				     (uint32_t)c->pid);
		return;
	}
	LOG_ERROR("cannot fork", F_CSTR("role", role_name(c->role)),
		  F_CSTR("reason", strerror(errno)));
	c->pid = 0;
	child_row_dead(c);
	c->pause_ms = pause_next(c->pause_ms, 0);
	child_start_later(c);
}

void
child_signal(const struct child *c, int sig)
{
	if (c->pid > 0)
		(void)kill(c->pid, sig);
}

void
child_unwant(struct child *c)
{
	c->wanted = false;
	(void)evtimer_del(c->retry);
}

void
child_destroy(struct child *c)
{
	if (c->retry)
		event_free(c->retry);
	c->retry = NULL;
}

static void
child_log_end(const struct child *c, int status)
{
	struct str how = str_of(WIFSIGNALED(status) ? "signal" : "exit");
	int n = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);

	if (!c->wanted || c->told)
		LOG_INFO("process ended", F_CSTR("role", role_name(c->role)),
			 F_I64("child", c->pid), F_STR("by", how),
			 F_I64("code", n));
	else
		LOG_WARN("process died, is replaced",
			 F_CSTR("role", role_name(c->role)),
			 F_I64("child", c->pid), F_STR("by", how),
			 F_I64("code", n), F_U64("pause_ms", c->pause_ms));
}

static void
child_ended(struct child *c, int status)
{
	uint64_t lived = clock_mono_ns() - c->started_ns;
	bool as_told = c->told && WIFEXITED(status);
	uint32_t pause = pause_next(0, lived) == 0 || as_told ? 0 : c->pause_ms;

	c->pause_ms = pause;
	child_log_end(c, status);
	if (c->wanted && !as_told)
		count_restart(c->m);
	c->pid = 0;
	child_row_dead(c);
	if (takeover_child_ended(c, status))
		return;
	stop_child_ended(c, status);
	reload_child_ended(c, status);
	if (!c->wanted)
		return;
	if (pause > 0)
		child_start_later(c);
	c->pause_ms = as_told ? 0 : pause_next(pause, 0);
	if (pause == 0)
		child_start(c);
}

static struct child *
child_find(struct master *m, pid_t pid)
{
	if (m->writer.pid == pid)
		return &m->writer;
	if (m->admin.pid == pid)
		return &m->admin;
	for (struct generation *g = m->generations; g; g = g->next)
		for (unsigned i = 0; i < g->n_workers; i++)
			if (g->workers[i].pid == pid)
				return &g->workers[i];
	return NULL;
}

void
children_reap(struct master *m)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		c = child_find(m, pid);
		if (c)
			child_ended(c, status);
		else
			upgrade_child_ended(m, pid, status);
	}
}

void
children_signal(struct master *m, int sig)
{
	child_signal(&m->writer, sig);
	child_signal(&m->admin, sig);
	for (struct generation *g = m->generations; g; g = g->next)
		generation_signal(g, sig);
}

/* `beat_ns`: the last sign of life of the process (0 = none yet). */
static void
child_watch(struct child *c, uint64_t beat_ns, uint64_t limit_ms,
	    uint64_t now_ns)
{
	uint64_t limit_ns = limit_ms * NS_PER_MS;
	uint64_t heard = MAX_OF(beat_ns, c->m->watch_from_ns);

	heard = MAX_OF(heard, MAX_OF(c->started_ns, c->killed_ns));
	if (c->pid == 0 || now_ns < heard + limit_ns / 4)
		return;
	/* A process inside a system call that the disk delays cannot be
	 * killed, and would only be replaced by one that waits as well. It
	 * may run for moments in between. */
	if (proc_waits_for_disk(c->pid))
		c->disk_ns = now_ns;
	heard = MAX_OF(heard, c->disk_ns);
	if (now_ns < heard + limit_ns)
		return;
	LOG_ERROR("process gives no sign of life: killed",
		  F_CSTR("role", role_name(c->role)), F_I64("child", c->pid),
		  F_U64("silent_ms", (now_ns - heard) / NS_PER_MS));
	child_signal(c, SIGKILL);
	c->killed_ns = now_ns;
}

void
children_watch(struct master *m, uint64_t now_ns)
{
	const struct shm_head *head = m->region.head;
	uint64_t beat;

	for (struct generation *g = m->generations; g; g = g->next)
		for (unsigned i = 0; i < g->n_workers; i++) {
			struct child *c = &g->workers[i];

			if (c->pid == 0)
				continue;
			beat = atomic_load(
				&m->region.workers[c->row].heartbeat_ns);
			child_watch(c, beat, m->conf->worker_timeout_ms,
				    now_ns);
		}
	child_watch(&m->admin, atomic_load(&head->admin_heartbeat_ns),
		    m->conf->worker_timeout_ms, now_ns);
	beat = atomic_load(&head->writer_heartbeat_ns);
	/* Its first beat comes after the recovery, which takes as long as it
	 * takes, if it runs at all. */
	if (beat >= m->writer.started_ns || proc_is_stopped(m->writer.pid))
		child_watch(&m->writer, beat, m->conf->writer_timeout_ms,
			    now_ns);
}
