#pragma once
/*
 * A laboratory: one loop in this process with a server, a client and raw
 * sockets that speak to them byte by byte. Time is the wheel's and can be
 * moved forward.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/must.h"
#include "http/client.h"
#include "http/server.h"
#include "tests/tap.h"

#define LAB_SPIN_NS (30 * NS_PER_SEC)

struct lab {
	struct event_base *base;
	struct pool *pool;
	struct wheel *wheel;
	struct http_server *server;
	struct http_client *client;
	struct http_limits limits;
	uint64_t pool_base; /* what server and client hold for ever */
	uint64_t ahead_ns;  /* how far the wheel is ahead of the clock */
	int listening;
	uint16_t port;
	/* what the server's user saw */
	char log[4096];
	struct exchange *x; /* the last one that waits for the test */
	enum err why;
	int ends;
};

static struct lab lab;

/* The server's user: the path says what to do. */

static void
lab_note(const char *what)
{
	size_t n = strlen(lab.log);

	(void)snprintf(lab.log + n, sizeof(lab.log) - n, "%s ", what);
}

static void
lab_head(struct exchange *x, const struct http_head *h)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "%.*s:%.*s", STR_ARG(h->method_text),
		       STR_ARG(h->path));
	lab_note(what);
	lab.x = x;
	if (str_eq(h->path, STR("/now")))
		exchange_reply(x, 200, STR("x-a: b\r\n"), STR("now"), 7);
	else if (str_eq(h->path, STR("/abort")))
		exchange_abort(x);
	else if (str_eq(h->path, STR("/destroy")))
		http_server_destroy(lab.server);
	else if (!str_eq(h->path, STR("/wait")))
		exchange_read_body(x);
}

static void
lab_body(struct exchange *x, struct str body)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "body:%zu", body.n);
	lab_note(what);
	lab.x = x;
	if (lab.log[0] && strstr(lab.log, ":/echo"))
		exchange_reply(x, 200, STR(""), body, 1);
	else if (strstr(lab.log, ":/gone"))
		http_server_destroy(lab.server);
}

static void
lab_progress(struct exchange *x)
{
	(void)x;
}

static void
lab_end(struct exchange *x, enum err why)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "end:%s", err_row(why)->name);
	lab_note(what);
	lab.why = why;
	lab.ends++;
	if (lab.x == x)
		lab.x = NULL;
}

static void
lab_render(struct exchange *x, enum err e, const char *detail,
	   struct buf *fields, struct buf *body)
{
	(void)x;
	buf_add_cstr(fields, "content-type: text/plain\r\n");
	buf_printf(body, "%s: %s\n", err_row(e)->name, detail);
}

static const struct exchange_ops lab_ops = {.on_head = lab_head,
					    .on_body = lab_body,
					    .on_progress = lab_progress,
					    .on_end = lab_end,
					    .render_error = lab_render};

/* A listening socket on a free port. */
static inline int
lab_socket(uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0);
	must(bind(fd, (struct sockaddr *)&in, n) == 0);
	must(listen(fd, 1024) == 0);
	must(getsockname(fd, (struct sockaddr *)&in, &n) == 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static inline void
lab_listen(struct tls_server *tls)
{
	struct http_server_args args = {.base = lab.base,
					.pool = lab.pool,
					.wheel = lab.wheel,
					.limits = lab.limits,
					.ops = &lab_ops,
					.user = &lab};

	lab.listening = lab_socket(&lab.port);
	lab.server = http_server_new(&args);
	must(lab.server);
	must(http_server_listen(lab.server, lab.listening, tls) == E_OK);
}

static inline void
lab_open(void)
{
	memset(&lab, 0, sizeof(lab));
	lab.base = event_base_new();
	lab.pool = pool_new(64 * 1024 * 1024);
	lab.wheel = wheel_new(clock_mono_ns());
	lab.limits = (struct http_limits){.header_size = 32 * 1024,
					  .header_fields = 64,
					  .header_timeout_ms = 10000,
					  .body_size = 1024 * 1024,
					  .body_grace_ms = 10000,
					  .body_min_rate = 1024,
					  .idle_timeout_ms = 75000,
					  .write_timeout_ms = 30000,
					  .connections = 1000,
					  .connections_per_source = 1000};
	must(lab.base && lab.pool && lab.wheel);
	lab_listen(NULL);
	lab.client = http_client_new(lab.base, lab.pool, lab.wheel);
	must(lab.client);
	lab.pool_base = pool_used(lab.pool);
}

/* Pool memory of connections. */
static inline uint64_t
lab_used(void)
{
	return pool_used(lab.pool) - lab.pool_base;
}

/* One pass of the loop, without waiting. */
static inline void
lab_turn(void)
{
	(void)event_base_loop(lab.base, EVLOOP_NONBLOCK);
	wheel_turn(lab.wheel, clock_mono_ns() + lab.ahead_ns);
}

static inline void
lab_close(void)
{
	http_server_destroy(lab.server);
	http_client_destroy(lab.client);
	lab_turn();
	CHECK_INT(pool_used(lab.pool), 0);
	(void)close(lab.listening);
	event_base_free(lab.base);
	pool_destroy(lab.pool);
	wheel_destroy(lab.wheel);
}

static inline void
lab_skip(uint64_t ms)
{
	lab.ahead_ns += ms * NS_PER_MS;
	for (int i = 0; i < 4; i++)
		lab_turn();
}

/* Turns until `done` or much more than enough time has passed. */
#define LAB_UNTIL(done)                                               \
	do {                                                          \
		uint64_t until_ = clock_mono_ns() + LAB_SPIN_NS;      \
		bool done_;                                           \
		while (!(done_ = (done)) && clock_mono_ns() < until_) \
			lab_turn();                                   \
		CHECK(done_ &&#done);                                 \
	} while (0)

/* A raw socket and all that came from it. */
struct peer_end {
	int fd;
	char *in;
	size_t n;
	size_t size;
	bool ended; /* FIN */
	bool reset;
};

static inline struct peer_end
peer_of(int fd)
{
	struct peer_end p = {.fd = fd};

	p.size = 4 * 1024 * 1024;
	p.in = malloc(p.size);
	must(p.in);
	p.in[0] = '\0';
	return p;
}

static inline struct peer_end
peer_connect(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0);
	must(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
	return peer_of(fd);
}

static inline void
peer_close(struct peer_end *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	free(p->in);
	*p = (struct peer_end){.fd = -1};
}

static inline void
peer_read(struct peer_end *p)
{
	ssize_t got;

	while (!p->ended && !p->reset && p->n + 1 < p->size) {
		got = recv(p->fd, p->in + p->n, p->size - p->n - 1,
			   MSG_DONTWAIT);
		if (got > 0)
			p->n += (size_t)got;
		else if (got == 0)
			p->ended = true;
		else if (errno == EAGAIN)
			break;
		else
			p->reset = true;
	}
	p->in[p->n] = '\0';
}

/* Sends all of it in pieces of `step` bytes, a turn of the loop after each. */
static inline void
peer_send(struct peer_end *p, struct str text, size_t step)
{
	size_t at = 0;

	while (at < text.n) {
		ssize_t n = send(p->fd, text.p + at, MIN_OF(step, text.n - at),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			return;
		lab_turn();
	}
}

#define PEER_UNTIL(p, done)                                              \
	do {                                                             \
		uint64_t until_ = clock_mono_ns() + LAB_SPIN_NS;         \
		bool done_;                                              \
		do {                                                     \
			lab_turn();                                      \
			peer_read(p);                                    \
		} while (!(done_ = (done)) && clock_mono_ns() < until_); \
		CHECK(done_ &&#done);                                    \
	} while (0)

static inline bool
peer_has(const struct peer_end *p, const char *text)
{
	return strstr(p->in, text) != NULL;
}
