/*
 * Changed secrets. Commands run in a process of their own, because one may
 * take seconds; it says one byte if any of them says something new.
 */
#include "master/secrets.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "master/master.h"
#include "master/reload.h"

#define LOOK_NS (500 * NS_PER_MS)
#define PIPE_FD 3

static void
changed(struct master *m, struct str which)
{
	LOG_INFO("a secret has changed: the configuration is read again",
		 F_STR("secret", which));
	reload_ask(m, 0);
}

/* A file is taken when it looks the same twice: whoever writes it is done. */
static void
look(struct master *m)
{
	struct secrets *s = &m->secrets;
	struct str which;
	uint64_t now = secret_vault_look(m->conf->vault, &which);
	bool settled = now == s->seen;

	s->seen = now;
	if (which.n == 0 || !settled || now == s->tried)
		return;
	s->tried = now;
	changed(m, which);
}

/* In the new process, which keeps nothing of the master's but the pipe. */
static void
run_commands(const struct master *m, int out)
{
	bool news;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (dup2(out, PIPE_FD) != PIPE_FD)
		_exit(1);
	(void)close_range(PIPE_FD + 1, ~0u, 0);
	news = secret_vault_renewed(m->conf->vault);
	_exit(news && write(PIPE_FD, "", 1) == 1 ? 0 : 1);
}

void
secrets_stop(struct master *m)
{
	if (!m->secrets.running)
		return;
	event_free(m->secrets.running);
	m->secrets.running = NULL;
	(void)close(m->secrets.fd);
}

static void
answered(evutil_socket_t fd, short what, void *user)
{
	struct master *m = user;
	char news;
	ssize_t n = read(fd, &news, 1);

	(void)what;
	secrets_stop(m);
	if (n == 1)
		changed(m, STR("exec:"));
}

static void
run(struct master *m)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid = fork();
	if (pid == 0)
		run_commands(m, ends[1]);
	(void)close(ends[1]);
	m->secrets.fd = ends[0];
	if (pid > 0)
		m->secrets.running =
			event_new(m->base, ends[0], EV_READ, answered, m);
	if (m->secrets.running && event_add(m->secrets.running, NULL) == 0)
		return;
	if (m->secrets.running)
		secrets_stop(m);
	else
		(void)close(ends[0]);
}

static void
run_if_due(struct master *m, uint64_t now_ns)
{
	struct secrets *s = &m->secrets;
	uint64_t every = m->conf->secret_refresh_ms * NS_PER_MS;

	if (every == 0 || s->running)
		return;
	if (s->run_ns == 0)
		s->run_ns = now_ns + every;
	if (now_ns < s->run_ns)
		return;
	s->run_ns = now_ns + every;
	run(m);
}

void
secrets_tick(struct master *m, uint64_t now_ns)
{
	struct secrets *s = &m->secrets;

	/* Otherwise the vault that counts is about to be another one. */
	if (!m->serving || m->stop.step != STOP_NONE ||
	    m->reload.step != RELOAD_IDLE || m->reload.again)
		return;
	if (now_ns >= s->look_ns) {
		s->look_ns = now_ns + LOOK_NS;
		look(m);
	}
	run_if_due(m, now_ns);
}
