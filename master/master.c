/*
 * The master's loop: signals, doorbell, the admin process, the clock. Each
 * event is noted where it belongs; then master_advance() takes the steps
 * that have become possible.
 */
#include "master/master.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"
#include "conf/load.h"
#include "http/tls.h"
#include "master/children.h"
#include "master/control.h"
#include "master/grants.h"
#include "master/notify.h"
#include "master/probe.h"
#include "master/reload.h"
#include "master/start.h"
#include "master/stop.h"
#include "master/takeover.h"
#include "master/upgrade.h"
#include "shm/workers.h"

#define TICK_MS 200
/* A tick that is so late: everything was stopped, nobody is to blame. */
#define SLEPT_NS (2 * NS_PER_SEC)
/* Keys of session tickets live for three of these. */
#define TICKETS_NS (12 * 3600 * NS_PER_SEC)

void
master_advance(struct master *m)
{
	uint64_t now = clock_mono_ns();

	takeover_advance(m, now);
	reload_advance(m, now);
	upgrade_advance(m, now);
	stop_advance(m, now);
	generations_sweep(m, now);
}

void
master_fail(struct master *m, int exit_code)
{
	m->exit_code = exit_code;
	stop_begin(m, STOP_NOW);
}

static void
on_hup(struct master *m)
{
	reload_ask(m, 0);
}

static void
on_term(struct master *m)
{
	stop_begin(m, STOP_GRACEFUL);
}

static void
on_int(struct master *m)
{
	stop_begin(m, STOP_NOW);
}

static void
on_quit(struct master *m)
{
	stop_begin(m, STOP_PATIENT);
}

static void
on_usr2(struct master *m)
{
	upgrade_ask(m, 0);
}

static void
on_usr1(struct master *m)
{
	log_reopen();
	children_signal(m, SIGUSR1);
	LOG_INFO("logs reopened", F_I64("pid", getpid()));
}

/* What each signal to the master means. */
static const struct {
	int sig;
	void (*act)(struct master *m);
} signal_table[] = {
	{SIGCHLD, children_reap}, {SIGHUP, on_hup},   {SIGTERM, on_term},
	{SIGINT, on_int},	  {SIGQUIT, on_quit}, {SIGUSR1, on_usr1},
	{SIGUSR2, on_usr2},
};

static void
signals_read(evutil_socket_t fd, short what, void *user)
{
	struct master *m = user;
	struct signalfd_siginfo si;

	(void)what;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		for (size_t i = 0; i < ARRAY_LEN(signal_table); i++)
			if (signal_table[i].sig == (int)si.ssi_signo)
				signal_table[i].act(m);
	master_advance(m);
}

static bool
signals_open(struct master *m)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signal_table); i++)
		(void)sigaddset(&set, signal_table[i].sig);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
		return false;
	m->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return m->signals >= 0;
}

static void
bell_rung(evutil_socket_t fd, short what, void *user)
{
	(void)what;
	doorbell_clear(fd);
	master_advance(user);
}

static void
control_ready(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	control_read(user);
	master_advance(user);
}

static void
watchdog(struct master *m, uint64_t now_ns)
{
	uint64_t every = notify_watchdog_ns();

	if (every == 0 || now_ns < m->watchdog_next_ns)
		return;
	m->watchdog_next_ns = now_ns + every;
	notify_send("WATCHDOG=1");
}

/* The first time at once: no worker runs before the loop does. */
static void
rotate_tickets(struct master *m, uint64_t now_ns)
{
	if (now_ns < m->tickets_next_ns)
		return;
	tls_tickets_rotate(m->tickets);
	m->tickets_next_ns = now_ns + TICKETS_NS;
}

static void
tick(evutil_socket_t fd, short what, void *user)
{
	struct master *m = user;
	uint64_t now = clock_mono_ns();

	(void)fd;
	(void)what;
	if (now - m->last_tick_ns > SLEPT_NS)
		m->watch_from_ns = now;
	m->last_tick_ns = now;
	children_watch(m, now);
	probes_tick(m->probes, m->serving, now);
	grants_tick(m->grants, now);
	secrets_tick(m, now);
	rotate_tickets(m, now);
	watchdog(m, now);
	master_advance(m);
}

static bool
loop_open(struct master *m)
{
	static const struct timeval every = {0, TICK_MS * 1000};

	m->base = event_base_new();
	if (!m->base || !signals_open(m))
		return false;
	m->probes = probes_new(m->base, &m->region);
	m->grants = grants_new(m->base, &m->region);
	m->on_signal = event_new(m->base, m->signals, EV_READ | EV_PERSIST,
				 signals_read, m);
	m->on_bell = event_new(m->base, m->master_bell, EV_READ | EV_PERSIST,
			       bell_rung, m);
	m->on_control = event_new(m->base, m->control[0], EV_READ | EV_PERSIST,
				  control_ready, m);
	m->on_tick = event_new(m->base, -1, EV_PERSIST, tick, m);
	m->last_tick_ns = clock_mono_ns();
	return m->probes && m->grants && m->on_signal && m->on_bell &&
	       m->on_control && m->on_tick &&
	       event_add(m->on_signal, NULL) == 0 &&
	       event_add(m->on_bell, NULL) == 0 &&
	       event_add(m->on_control, NULL) == 0 &&
	       event_add(m->on_tick, &every) == 0;
}

static void
loop_close(struct master *m)
{
	struct event *events[] = {m->on_signal, m->on_bell, m->on_control,
				  m->on_tick};

	probes_free(m->probes);
	grants_free(m->grants);
	secrets_stop(m);
	buf_free(&m->upgrade.said);
	child_destroy(&m->writer);
	child_destroy(&m->admin);
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (events[i])
			event_free(events[i]);
	if (m->base)
		event_base_free(m->base);
}

static void
first_processes(struct master *m)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;

	m->writer.wanted = true;
	child_start(&m->writer);
	if (!reload_first(m, &error)) {
		LOG_ERROR("cannot start", F_STR("reason", buf_str(&error)));
		master_fail(m, EXIT_RUNTIME);
	}
}

static void
loop_run(struct master *m, const struct handover *handover)
{
	child_init(&m->writer, m, ROLE_WRITER);
	child_init(&m->admin, m, ROLE_ADMIN);
	rotate_tickets(m, clock_mono_ns());
	if (handover)
		takeover_begin(m, handover);
	else
		first_processes(m);
	master_advance(m);
	(void)event_base_dispatch(m->base);
}

int
master_run(const struct options *options, const struct conf *conf,
	   const struct handover *handover)
{
	struct master m;

	memset(&m, 0, sizeof(m));
	m.options = options;
	m.conf = conf;
	m.pid_lock = m.region.fd = m.tickets_fd = -1;
	m.takeover.program = -1;
	m.listeners.admin = m.listeners.socket = -1;
	log_open("master", conf->error_log.p, (enum log_level)conf->log_level);
	for (uint32_t i = 0; i < conf->n_warnings; i++)
		LOG_WARN("configuration", F_STR("warning", conf->warnings[i]));
	m.exit_code = handover ? takeover_open(&m, handover) : start_all(&m);
	if (m.exit_code == 0) {
		must(loop_open(&m));
		loop_run(&m, handover);
		LOG_INFO("stopped", F_I64("code", m.exit_code));
		loop_close(&m);
	}
	start_undo(&m);
	conf_free(m.conf);
	return m.exit_code;
}
