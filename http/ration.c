/*
 * Owns the requests that a server in overload leaves unread, and how long a
 * request has waited. Called by exchange.c when a connection that is idle can
 * be read, and by the user.
 *
 * To refuse a request costs reading it and writing an answer, a fair part of
 * what serving it would cost; so even refusals are rationed, or a flood of
 * clients that ask again at once would leave no time for anything else.
 *
 * Refusals come first: they are short, and who waits for one waits for nothing
 * else. What came in time is served after them.
 */
#include <netinet/tcp.h>

#include "base/clock.h"
#include "http/exchange.h"

/* By TCP's own clock; it counts from the last bytes that came. What was sent
 * ahead has waited for its turn, not for us. */
uint64_t
exchange_waited_ns(struct exchange *x)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);
	uint64_t own = conn_now(&x->conn) - x->idle_ns;
	uint64_t ns;

	if (x->peer.any.sa_family == AF_UNIX ||
	    getsockopt(conn_fd(&x->conn), IPPROTO_TCP, TCP_INFO, &info, &n) !=
		    0)
		return 0;
	ns = info.tcpi_last_data_recv * NS_PER_MS;
	return x->idle_ns ? MIN_OF(ns, own) : ns;
}

static void
defer(struct exchange *x)
{
	struct http_server *s = x->server;

	x->next_deferred = NULL;
	x->prev_deferred = s->deferred_end;
	*s->deferred_end = x;
	s->deferred_end = &x->next_deferred;
	s->n_deferred++;
}

void
ration_forget(struct exchange *x)
{
	struct http_server *s = x->server;

	if (!x->prev_deferred)
		return;
	*x->prev_deferred = x->next_deferred;
	if (x->next_deferred)
		x->next_deferred->prev_deferred = x->prev_deferred;
	else
		s->deferred_end = x->prev_deferred;
	x->prev_deferred = NULL;
	s->n_deferred--;
}

bool
ration_defers(struct exchange *x)
{
	struct http_server *s = x->server;

	if (x->prev_deferred)
		return true;
	if (s->late_ns == 0 || x->phase != PHASE_IDLE || x->conn.n > 0)
		return false;
	if (exchange_waited_ns(x) < s->late_ns) {
		conn_last(&x->conn);
		return true;
	}
	if (s->ration > 0) {
		s->ration--;
		return false;
	}
	defer(x);
	return true;
}

static void
read_deferred(struct http_server *s, unsigned n)
{
	while (n-- > 0 && s->deferred) {
		struct exchange *x = s->deferred;

		ration_forget(x);
		conn_later(&x->conn); /* the loop goes on with it */
	}
}

void
http_server_ration(struct http_server *s, uint64_t late_ns, unsigned n,
		   unsigned most)
{
	unsigned ration = s->late_ns ? s->ration + n : n;
	unsigned now = MIN_OF(ration, s->n_deferred);

	s->late_ns = late_ns;
	s->ration = MIN_OF(ration - now, most);
	read_deferred(s, late_ns ? now : s->n_deferred);
}

unsigned
http_server_deferred(const struct http_server *s)
{
	return s->n_deferred;
}

bool
http_server_crowded(const struct http_server *s)
{
	return s->crowded;
}
