/* The end of the server, in steps. */
#include "master/stop.h"

#include <signal.h>
#include <sys/wait.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "conf/conf.h"
#include "master/children.h"
#include "master/notify.h"
#include "master/reload.h"
#include "master/takeover.h"
#include "master/upgrade.h"

/* Time for workers to end their requests when they are told to hurry. */
#define FAST_NS		(2 * NS_PER_SEC)
#define ADMIN_NS	(3 * NS_PER_SEC)
#define WRITER_FAILURES 5u

static void
drain_all(struct master *m, uint64_t until_ns)
{
	for (struct generation *g = m->generations; g; g = g->next)
		generation_drain(g, until_ns);
}

static void
stop_fast(struct master *m, uint64_t now_ns)
{
	m->stop.step = STOP_FAST;
	drain_all(m, now_ns); /* SIGINT at once, SIGKILL later */
	m->stop.deadline_ns = now_ns + FAST_NS;
}

void
stop_begin(struct master *m, enum stop_kind kind)
{
	uint64_t now = clock_mono_ns();

	if (m->stop.step >= STOP_FAST)
		return;
	if (m->stop.step == STOP_DRAIN) {
		if (kind == STOP_PATIENT)
			drain_all(m, 0);
		else
			stop_fast(m, now);
		return;
	}
	LOG_INFO("stopping",
		 F_CSTR("how", kind == STOP_NOW ? "fast" : "graceful"));
	notify_send("STOPPING=1");
	atomic_store(&m->region.head->draining, 1);
	listen_close(&m->listeners);
	upgrade_give_up(m);
	reload_give_up(m);
	takeover_give_up(m);
	m->stop.step = STOP_DRAIN;
	if (kind == STOP_NOW)
		stop_fast(m, now);
	else
		drain_all(m, kind == STOP_PATIENT
				     ? 0
				     : now + m->conf->drain_timeout_ms *
						       NS_PER_MS);
}

static bool
workers_gone(const struct master *m)
{
	for (const struct generation *g = m->generations; g; g = g->next)
		if (!generation_ended(g))
			return false;
	return true;
}

/* Told once it has its handlers; before, it would just die. */
static void
writer_tell(struct master *m)
{
	const struct shm_head *head = m->region.head;

	if (m->writer.pid == 0 || m->writer.told ||
	    atomic_load(&head->writer_heartbeat_ns) < m->writer.started_ns)
		return;
	m->writer.told = true;
	child_signal(&m->writer, SIGTERM);
}

void
stop_advance(struct master *m, uint64_t now_ns)
{
	if (m->stop.step == STOP_NONE)
		return;
	if (m->stop.step == STOP_FAST && now_ns >= m->stop.deadline_ns)
		for (struct generation *g = m->generations; g; g = g->next)
			generation_signal(g, SIGKILL);
	if (m->stop.step != STOP_WRITER && workers_gone(m)) {
		m->stop.step = STOP_WRITER;
		m->stop.deadline_ns = now_ns + ADMIN_NS;
		child_unwant(&m->admin);
		m->admin.told = true;
		child_signal(&m->admin, SIGTERM);
	}
	if (m->stop.step != STOP_WRITER)
		return;
	writer_tell(m);
	if (m->admin.pid != 0 && now_ns >= m->stop.deadline_ns)
		child_signal(&m->admin, SIGKILL);
	if (m->admin.pid == 0 && m->writer.pid == 0 && !m->writer.wanted)
		(void)event_base_loopbreak(m->base);
}

/* The writer's end while the server stops, and ends nothing can cure. */
void
stop_child_ended(const struct child *c, int status)
{
	struct master *m = c->m;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (c->role != ROLE_WRITER)
		return;
	if (code == EXIT_DAMAGED) {
		LOG_ERROR("the ledger is damaged: run tollgate-ledger verify",
			  F_STR("state_dir", m->conf->state_dir));
		child_unwant(&m->writer);
		master_fail(m, EXIT_DAMAGED);
	} else if (code >= 0 && m->serving == NULL &&
		   m->stop.step == STOP_NONE) {
		child_unwant(&m->writer); /* it has said why */
		master_fail(m, code == EXIT_FINE ? EXIT_RUNTIME : code);
	} else if (m->stop.step == STOP_WRITER && code == EXIT_FINE) {
		child_unwant(&m->writer);
	} else if (m->stop.step != STOP_NONE &&
		   ++m->stop.writer_failures >= WRITER_FAILURES) {
		LOG_ERROR("the ledger writer fails again and again: what is "
			  "settled stays in shared memory for the next start",
			  F_U64("times", m->stop.writer_failures));
		child_unwant(&m->writer);
		m->exit_code = EXIT_RUNTIME;
	}
}
