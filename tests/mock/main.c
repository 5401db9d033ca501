/*
 * mock-upstream: a scripted OpenAI-compatible provider that keeps its own
 * tally and misbehaves when told. A witness: it shares no code with the
 * project. README.md is its manual.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mock/conn.h"

struct setup {
	struct options options;
	struct shared *shared;
	int listener[MAX_WORKERS];
	int wake[MAX_WORKERS];
};

struct listening {
	struct worker worker;
	struct event accept, wake, term, interrupt;
};

static int
usage(void)
{
	(void)fprintf(stderr, "usage: mock-upstream [--port N] [--workers N]\n"
			      "       [--tls CERTIFICATE KEY] [--keys K1,K2]\n"
			      "       [--max-connections N] [--no-last]\n");
	return 2;
}

static int
fail(const char *what)
{
	(void)fprintf(stderr, "mock-upstream: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool
number(const char *text, int least, int most, int *to)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < least || n > most)
		return false;
	*to = (int)n;
	return true;
}

static bool
take_keys(struct options *o, char *list)
{
	char *save = NULL;
	char *key = strtok_r(list, ",", &save);

	for (; key; key = strtok_r(NULL, ",", &save)) {
		if (o->key_count == 8)
			return false;
		o->keys[o->key_count++] = key;
	}
	return true;
}

static bool
read_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"workers", required_argument, NULL, 'w'},
		{"tls", required_argument, NULL, 't'},
		{"keys", required_argument, NULL, 'k'},
		{"max-connections", required_argument, NULL, 'm'},
		{"no-last", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0}};
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'p': ok = number(optarg, 0, 65535, &o->port); break;
		case 'w':
			ok = number(optarg, 1, MAX_WORKERS, &o->workers);
			break;
		case 't':
			o->certificate = optarg;
			ok = optind < argc;
			o->private_key = ok ? argv[optind++] : NULL;
			break;
		case 'k': ok = take_keys(o, optarg); break;
		case 'm':
			ok = number(optarg, 1, 1000000, &o->max_connections);
			break;
		case 'n': o->keep_last = false; break;
		default: return false;
		}
	}
	return ok && optind == argc;
}

static int
listen_on(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)*port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&at, &len)) {
		(void)close(fd);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

static SSL_CTX *
tls_context(const struct options *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, o->private_key,
					SSL_FILETYPE_PEM) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	(void)SSL_CTX_set_mode(ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				       SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listening *l = arg;
	int i;

	(void)what;
	for (i = 0; i < 64; i++) {
		int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got < 0)
			return;
		conn_accept(&l->worker, got);
	}
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct listening *l = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	conn_release(&l->worker);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct listening *l = arg;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(l->worker.base);
}

static struct event_base *
quick_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int
work(struct setup *s, int index)
{
	struct listening *l = calloc(1, sizeof(*l));
	struct worker *w;

	if (!l)
		return fail("memory");
	w = &l->worker;
	w->options = &s->options;
	w->shared = s->shared;
	w->tally = &s->shared->worker[index];
	w->index = index;
	w->wake = s->wake;
	plan_init(&w->plan);
	TAILQ_INIT(&w->held);
	w->base = quick_base();
	if (s->options.certificate)
		w->tls = tls_context(&s->options);
	if (!w->base || (s->options.certificate && !w->tls))
		return fail("set-up, certificate or key");
	(void)event_assign(&l->accept, w->base, s->listener[index],
			   EV_READ | EV_PERSIST, on_accept, l);
	(void)event_assign(&l->wake, w->base, s->wake[index],
			   EV_READ | EV_PERSIST, on_wake, l);
	(void)evsignal_assign(&l->term, w->base, SIGTERM, on_stop, l);
	(void)evsignal_assign(&l->interrupt, w->base, SIGINT, on_stop, l);
	if (event_add(&l->accept, NULL) || event_add(&l->wake, NULL) ||
	    event_add(&l->term, NULL) || event_add(&l->interrupt, NULL))
		return fail("events");
	(void)event_base_dispatch(w->base);
	return 0;
}

static void
die_with_parent(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
}

/* Several workers: wait for the signal, pass it on. */
static int
watch(struct setup *s)
{
	pid_t pid[MAX_WORKERS];
	pid_t me = getpid();
	sigset_t stop;
	int sig;
	int i;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	for (i = 0; i < s->options.workers; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			return fail("fork");
		if (pid[i] == 0) {
			(void)sigprocmask(SIG_UNBLOCK, &stop, NULL);
			die_with_parent(me);
			exit(work(s, i));
		}
	}
	(void)sigwait(&stop, &sig);
	for (i = 0; i < s->options.workers; i++)
		(void)kill(pid[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}

int
main(int argc, char **argv)
{
	struct setup s = {.options = {.workers = 1,
				      .max_connections = 20000,
				      .keep_last = true}};
	struct rlimit files;
	pid_t parent = getppid();
	int i;

	if (!read_options(&s.options, argc, argv))
		return usage();
	die_with_parent(parent);
	(void)signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	s.shared = shared_create();
	if (!s.shared)
		return fail("shared memory");
	for (i = 0; i < s.options.workers; i++) {
		s.listener[i] = listen_on(&s.options.port);
		s.wake[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (s.listener[i] < 0 || s.wake[i] < 0)
			return fail("listen");
	}
	(void)printf("listening %d\n", s.options.port);
	(void)fflush(stdout);
	return s.options.workers == 1 ? work(&s, 0) : watch(&s);
}
