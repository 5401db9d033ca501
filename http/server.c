/*
 * Owns the listening sockets, the set of client connections and their
 * limits. Called by the process's main.
 *
 * Hard: running out of descriptors. accept() then fails with the client
 * still in the queue, and a level-triggered loop would spin on it; so one
 * descriptor is kept in reserve, and given up to take such a client out and
 * turn it away.
 */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digits.h"
#include "base/log.h"
#include "base/must.h"
#include "http/exchange.h"
#include "http/tls.h"

#define ACCEPT_BURST 64
/* Connections over a limit that may be told so at the same time. */
#define REFUSED_MAX 64u

/* Lists. */

static void
link_exchange(struct http_server *s, struct exchange *x)
{
	x->next = s->all;
	x->prev = &s->all;
	if (x->next)
		x->next->prev = &x->next;
	s->all = x;
	s->count++;
}

void
exchange_release(struct exchange *x)
{
	struct http_server *s = x->server;

	must(!x->live);
	if (x->conn.released)
		return;
	*x->prev = x->next;
	if (x->next)
		x->next->prev = x->prev;
	s->count--;
	if (x->refused)
		s->refused--;
	ration_forget(x);
	source_give(s->sources, x->source);
	exchange_end(x); /* its memory */
	conn_release(&x->conn);
}

static struct exchange *
new_exchange(struct http_server *s)
{
	struct exchange *x = s->spare;

	if (x)
		s->spare = x->next;
	else
		x = malloc(sizeof(*x));
	if (!x)
		return NULL;
	memset(x, 0, sizeof(*x));
	x->server = s;
	return x;
}

/* Accepting. */

/* Keeps the address; an IPv4 address within IPv6 becomes one of IPv4. */
static void
set_peer(struct exchange *x, const struct sockaddr_storage *from)
{
	struct sockaddr_in6 in6;

	if (from->ss_family == AF_INET) {
		memcpy(&x->peer.in, from, sizeof(x->peer.in));
	} else if (from->ss_family == AF_INET6) {
		memcpy(&in6, from, sizeof(in6));
		x->peer.in6 = in6;
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			x->peer.in =
				(struct sockaddr_in){.sin_family = AF_INET,
						     .sin_port = in6.sin6_port};
			memcpy(&x->peer.in.sin_addr, in6.sin6_addr.s6_addr + 12,
			       4);
		}
	} else {
		x->peer.any.sa_family = AF_UNIX;
	}
}

/* Once a second: how many since. */
static void
log_refused(struct http_server *s, enum err e)
{
	uint64_t now = clock_mono_ns();

	s->turned_away++;
	if (now < s->refused_ns + NS_PER_SEC)
		return;
	LOG_WARN("connections over a limit are refused",
		 F_CSTR("limit", e == E_OVERLOAD ? "connections"
						 : "connections_per_source"),
		 F_U64("refused", s->turned_away),
		 F_U64("connections", s->count));
	s->refused_ns = now;
	s->turned_away = 0;
}

/* An answer that is not sent is counted as those that are. */
static void
count_refused(struct exchange *x, enum err e)
{
	CLEANUP(buf_free) struct buf fields = BUF_INIT;
	CLEANUP(buf_free) struct buf body = BUF_INIT;

	x->server->ops->render_error(x, e, "your address", &fields, &body);
}

/* Over a limit: told so, if that costs little. */
static void
refuse_connection(struct exchange *x, enum err e)
{
	struct http_server *s = x->server;
	unsigned most = MIN_OF(REFUSED_MAX, s->limits.connections / 4 + 8);

	log_refused(s, e);
	if (x->conn.tls || s->refused >= most) {
		count_refused(x, e);
		conn_close(&x->conn);
		exchange_release(x);
		return;
	}
	x->refused = true;
	s->refused++;
	exchange_refuse(x, e, "your address");
}

static void
take_connection(struct listener *l, int fd, const struct sockaddr_storage *from)
{
	struct http_server *s = l->server;
	const struct conn_io *io = l->tls ? &conn_tls : &conn_plain;
	struct exchange *x = new_exchange(s);

	if (!x) {
		(void)close(fd);
		return;
	}
	set_peer(x, from);
	if ((l->tls && !tls_accept(l->tls, &x->conn)) ||
	    !conn_open(&x->conn, &s->loop, fd, &exchange_role, io)) {
		if (io->free)
			io->free(&x->conn);
		exchange_role.rested(&x->conn);
		(void)close(fd);
		return;
	}
	x->conn.writable = true;
	link_exchange(s, x);
	x->source = source_take(s->sources, &x->peer.any);
	conn_deadline(&x->conn, clock_mono_ns() + s->limits.header_timeout_ms *
							  NS_PER_MS);
	if (s->count > s->limits.connections)
		refuse_connection(x, E_OVERLOAD);
	else if (s->limits.connections_per_source != 0 &&
		 source_count(x->source) > s->limits.connections_per_source)
		refuse_connection(x, E_CONCURRENCY);
}

/* Out of descriptors: the spare one takes a client out of the queue. */
static void
turn_away(struct http_server *s, int listening)
{
	uint64_t now = clock_mono_ns();
	int fd;

	if (now >= s->told_ns + NS_PER_SEC) {
		s->told_ns = now;
		LOG_ERROR("out of descriptors: connections are turned away",
			  F_U64("connections", s->count));
	}
	if (s->spare_fd < 0)
		return;
	(void)close(s->spare_fd);
	fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)close(fd);
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
accept_event(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	l->server->crowded = true;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
		socklen_t n = sizeof(from);
		int got = accept4(fd, (struct sockaddr *)&from, &n,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (got >= 0) {
			take_connection(l, got, &from);
			continue;
		}
		l->server->crowded = false;
		if (errno == EMFILE || errno == ENFILE)
			turn_away(l->server, fd);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
		l->server->crowded = true;
	}
}

enum err
http_server_listen(struct http_server *s, int fd, struct tls_server *tls)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return E_NO_MEMORY;
	l->server = s;
	l->tls = tls;
	/* Inherited by what is accepted; a Unix socket refuses them. */
	conn_options(fd, s->limits.write_timeout_ms);
	if (event_assign(&l->event, s->loop.base, fd, EV_READ | EV_PERSIST,
			 accept_event, l) != 0 ||
	    event_add(&l->event, NULL) != 0) {
		free(l);
		return E_INTERNAL;
	}
	l->next = s->listeners;
	s->listeners = l;
	return E_OK;
}

/* Life of the server. */

struct http_server *
http_server_new(const struct http_server_args *args)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	must(args->limits.header_fields <= HTTP_FIELDS_MAX);
	s->limits = args->limits;
	s->ops = args->ops;
	s->user = args->user;
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->deferred_end = &s->deferred;
	s->sources = sources_new();
	if (s->sources &&
	    conn_loop_init(&s->loop, args->base, args->pool, args->wheel))
		return s;
	sources_free(s->sources);
	if (s->spare_fd >= 0)
		(void)close(s->spare_fd);
	free(s);
	return NULL;
}

static void
close_listeners(struct http_server *s)
{
	while (s->listeners) {
		struct listener *l = s->listeners;

		s->listeners = l->next;
		(void)event_del(&l->event);
		free(l);
	}
}

/* A client that has just connected will get its first answer. One that keeps
 * its connection may be sending its next request right now: it gets a moment
 * for that, and an answer that says "connection: close". */
void
http_server_drain(struct http_server *s)
{
	uint64_t until = clock_mono_ns() + DRAIN_IDLE_MS * NS_PER_MS;

	s->draining = true;
	close_listeners(s);
	for (struct exchange *x = s->all; x; x = x->next)
		if (x->phase == PHASE_IDLE && x->conn.n == 0 &&
		    x->given_before > 0)
			conn_deadline(&x->conn, until);
}

static void
destroy(struct conn_loop *l)
{
	struct http_server *s = (struct http_server *)l;

	conn_loop_free(l);
	while (s->spare) {
		struct exchange *x = s->spare;

		s->spare = x->next;
		free(x);
	}
	sources_free(s->sources);
	if (s->spare_fd >= 0)
		(void)close(s->spare_fd);
	free(s);
}

void
http_server_destroy(struct http_server *s)
{
	if (!s || s->loop.doomed)
		return;
	s->loop.doomed = true; /* once */
	close_listeners(s);
	while (s->all) {
		struct exchange *x = s->all;

		if (x->why == E_OK)
			x->why = E_DRAINING;
		conn_close(&x->conn);
		exchange_end(x);
		exchange_release(x);
	}
	conn_loop_doom(&s->loop, destroy);
}

unsigned
http_server_connections(const struct http_server *s)
{
	return s->count;
}

/* What the user may ask of an exchange. */

void *
exchange_server_user(struct exchange *x)
{
	return x->server->user;
}

void
exchange_set_user(struct exchange *x, void *user)
{
	x->user = user;
}

void *
exchange_user(struct exchange *x)
{
	return x->user;
}

/* What inet_ntop() writes, without its printf: this is done for every
 * request. */
static struct str
peer_v4(char text[INET6_ADDRSTRLEN], const struct in_addr *addr)
{
	uint8_t b[4];
	size_t n = 0;

	memcpy(b, addr, sizeof(b));
	for (unsigned i = 0; i < sizeof(b); i++) {
		if (i > 0)
			text[n++] = '.';
		n += digits_write(text + n, b[i]);
	}
	return str_make(text, n);
}

struct str
exchange_peer(struct exchange *x)
{
	char *text = x->server->peer_text;

	switch (x->peer.any.sa_family) {
	case AF_UNIX: return STR("unix");
	case AF_INET: return peer_v4(text, &x->peer.in.sin_addr);
	default: break;
	}
	if (!inet_ntop(x->peer.any.sa_family, &x->peer.in6.sin6_addr, text,
		       INET6_ADDRSTRLEN))
		return STR("unknown");
	return str_of(text);
}

const struct sockaddr *
exchange_peer_addr(struct exchange *x)
{
	return &x->peer.any;
}

bool
exchange_peer_uid(struct exchange *x, uint32_t *uid)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (x->peer.any.sa_family != AF_UNIX || x->conn.closed ||
	    getsockopt(conn_fd(&x->conn), SOL_SOCKET, SO_PEERCRED, &cred, &n) !=
		    0)
		return false;
	*uid = cred.uid;
	return true;
}

uint64_t
exchange_start_ns(struct exchange *x)
{
	return x->start_ns;
}

uint64_t
exchange_bytes_in(struct exchange *x)
{
	return x->bytes_in;
}
