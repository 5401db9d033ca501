/*
 * Owns one exchange on an upstream connection: the request out, the answer
 * in, deadlines. Called from the loop, but for link_send().
 *
 * Hard: an answer may come before the request is sent, be followed by bytes
 * that belong to nothing, end with the connection, or be paused at any
 * point; only a connection about which nothing is in doubt is used again.
 */
#include "http/link.h"

#include <errno.h>

#include "base/clock.h"
#include "base/must.h"

#define HEAD_SIZE   (64 * 1024)
#define INTERIM_MAX 16
/* A reset that comes together with the last bytes has no edge of its own,
 * and libevent tells it from plain readiness no more than a short read does.
 * So after so much silence the socket is read once again. */
#define LOOK_MS 1000

static void
deadline(struct link *l, uint32_t ms)
{
	l->give_up_ns = conn_now(&l->conn) + ms * NS_PER_MS;
	conn_deadline(&l->conn, l->give_up_ns);
}

/* Sending. */

static int
rest_of_request(const struct call *call, struct iovec *iov)
{
	int n = 0;

	for (unsigned i = call->iov_at; i < call->n_iov; i++)
		iov[n++] = call->iov[i];
	iov[0].iov_base = (char *)iov[0].iov_base + call->iov_used;
	iov[0].iov_len -= call->iov_used;
	return n;
}

static void
advance(struct call *call, size_t took)
{
	took += call->iov_used;
	while (call->iov_at < call->n_iov &&
	       took >= call->iov[call->iov_at].iov_len)
		took -= call->iov[call->iov_at++].iov_len;
	call->iov_used = took;
}

void
link_send(struct link *l)
{
	struct call *call = l->call;
	struct conn *c = &l->conn;
	bool moved = false;

	while (c->writable && !l->sent && !l->broken) {
		struct iovec iov[CALL_PIECES];
		ssize_t took = 0;

		if (call->iov_at < call->n_iov)
			took = c->io->write(c, iov, rest_of_request(call, iov));
		if (took == CONN_AGAIN)
			break;
		if (took < 0) {
			/* There may be an answer that says why. */
			l->broken = c->readable = true;
			conn_later(c);
			break;
		}
		advance(call, (size_t)took);
		l->sent = call->iov_at == call->n_iov;
		moved = true;
	}
	if (l->phase == LINK_HEAD && (moved || !l->sent))
		deadline(l, call->timeouts.first_byte_ms);
}

/* Reading. The steps return whether there may be more to do. */

static bool
no_bytes(struct link *l, ssize_t got)
{
	if (got == CONN_AGAIN)
		return true; /* not readable any more: the caller sees that */
	if (got == CONN_NO_MEMORY)
		link_fail(l, CALL_NO_MEMORY);
	else if (l->phase == LINK_HEAD)
		link_fail(l, CALL_RESET);
	else
		link_fail(l, CALL_CUT);
	return false;
}

static ssize_t
fill(struct link *l, size_t max)
{
	ssize_t got = conn_fill(&l->conn, max);

	if (got > 0) {
		l->heard = true;
		l->looked = false;
	}
	return got;
}

/* The socket has no more. */
static bool
wait_for_bytes(struct link *l)
{
	uint64_t now_ns;

	if (l->looked) {
		conn_deadline(&l->conn, l->give_up_ns);
		return false;
	}
	now_ns = clock_mono_ns();
	if (l->phase == LINK_BODY)
		l->give_up_ns = now_ns + l->call->timeouts.idle_ms * NS_PER_MS;
	conn_deadline(&l->conn,
		      MIN_OF(l->give_up_ns, now_ns + LOOK_MS * NS_PER_MS));
	return false;
}

static bool
begin_body(struct link *l, const struct http_head *h)
{
	struct call *call = l->call;

	if (!l->sent)
		l->broken = true; /* from here on the request may be freed */
	l->phase = LINK_BODY;
	l->kind = h->body;
	l->left = h->length;
	l->keep_alive = h->keep_alive;
	l->whole = h->body == HTTP_BODY_NONE ||
		   (h->body == HTTP_BODY_LENGTH && h->length == 0);
	call->ops->on_head(call, h);
	return l->call != NULL;
}

static bool
is_head_request(const struct call *call)
{
	return call->iov[0].iov_len >= 5 &&
	       memcmp(call->iov[0].iov_base, "HEAD ", 5) == 0;
}

static bool
step_head(struct link *l)
{
	const struct head_rules rules = {.kind = HEAD_ANSWER,
					 .size = HEAD_SIZE,
					 .fields = HTTP_FIELDS_MAX,
					 .no_body = is_head_request(l->call)};
	struct http_head *h = &l->client->head;
	struct conn *c = &l->conn;
	struct head_fault fault;
	enum head_state state;

	if (c->n == l->scan.seen) {
		ssize_t got;

		if (!c->readable)
			return wait_for_bytes(l);
		got = fill(l, HEAD_SIZE);
		if (got <= 0)
			return no_bytes(l, got);
	}
	state = head_parse(&l->scan, &rules, str_make(c->bytes, c->n), h,
			   &fault);
	if (state == HEAD_MORE) {
		if (conn_keep(c))
			return true;
		link_fail(l, CALL_NO_MEMORY);
		return false;
	}
	if (state == HEAD_BAD || h->status == 101 ||
	    (h->status < 200 && ++l->interim > INTERIM_MAX)) {
		link_fail(l, CALL_BAD_ANSWER);
		return false;
	}
	conn_use(c, l->scan.size);
	l->scan = (struct head_scan){0};
	return h->status < 200 || begin_body(l, h);
}

/* The end of the stream ends a body without a length, and cuts others. */
static bool
fill_body(struct link *l)
{
	struct conn *c = &l->conn;
	ssize_t got;

	if (!c->readable)
		return wait_for_bytes(l);
	got = fill(l, CONN_SCRATCH);
	if (got == 0 && l->kind == HTTP_BODY_CLOSE) {
		l->whole = true;
		return true;
	}
	return got > 0 || no_bytes(l, got);
}

static bool
give_piece(struct link *l, const char *p, size_t n)
{
	struct call *call = l->call;

	if (n > 0)
		call->ops->on_data(call, str_make(p, n));
	return l->call != NULL;
}

static bool
step_chunks(struct link *l)
{
	struct conn *c = &l->conn;
	const char *content = c->bytes;
	enum chunk_state state;
	size_t n, used;

	state = chunked_squeeze(&l->chunked, c->bytes, c->n, &n, &used);
	conn_use(c, used);
	l->whole = state == CHUNK_END;
	if (!give_piece(l, content, n))
		return false;
	if (state != CHUNK_BAD)
		return true;
	link_fail(l, CALL_BAD_ANSWER);
	return false;
}

static bool
step_body(struct link *l)
{
	struct conn *c = &l->conn;
	const char *content;
	size_t n;

	if (l->whole) {
		link_finish(l, l->keep_alive);
		return false;
	}
	if (c->n == 0)
		return fill_body(l);
	if (l->kind == HTTP_BODY_CHUNKED)
		return step_chunks(l);
	content = c->bytes;
	n = c->n;
	if (l->kind == HTTP_BODY_LENGTH) {
		n = MIN_OF(n, l->left);
		l->left -= n;
		l->whole = l->left == 0;
	}
	conn_use(c, n);
	return give_piece(l, content, n);
}

static bool
step(struct link *l)
{
	return l->phase == LINK_HEAD ? step_head(l) : step_body(l);
}

/* Opening. True: the request may be sent. */

static bool
begin_request(struct link *l)
{
	l->call->connect_ns = clock_mono_ns() - l->opened_ns;
	l->phase = LINK_HEAD;
	return true;
}

static bool
shake_hands(struct link *l)
{
	struct conn *c = &l->conn;
	int state = c->io->handshake(c);

	if (state == CONN_AGAIN)
		return false;
	if (state != 1) {
		link_fail(l, CALL_TLS);
		return false;
	}
	return begin_request(l);
}

/* What comes from now on is the upstream's. */
static bool
begin_inside(struct link *l)
{
	struct target *t = l->target;
	struct conn *c = &l->conn;

	if (!t->as.tls)
		return begin_request(l);
	if (!c->io->handshake) { /* behind a proxy: not yet */
		if (!tls_connect(t->as.tls, c, t->as.host, &t->memory)) {
			link_fail(l, CALL_NO_MEMORY);
			return false;
		}
		c->io = &conn_tls;
	}
	l->phase = LINK_HANDSHAKE;
	return shake_hands(l);
}

static bool
ask_proxy(struct link *l)
{
	struct conn *c = &l->conn;
	char why[TUNNEL_WHY];

	if (!l->tunnel)
		l->tunnel = tunnel_new(l->target->as.egress);
	if (!l->tunnel) {
		link_fail(l, CALL_NO_MEMORY);
		return false;
	}
	l->phase = LINK_TUNNEL;
	switch (tunnel_step(l->tunnel, conn_fd(c), why)) {
	case TUNNEL_READS: c->readable = false; return false;
	case TUNNEL_WRITES: c->writable = false; return false;
	case TUNNEL_FAILED: link_fail(l, CALL_PROXY); return false;
	case TUNNEL_OPEN: break;
	}
	tunnel_free(l->tunnel);
	l->tunnel = NULL;
	return begin_inside(l);
}

static bool
check_connect(struct link *l)
{
	struct conn *c = &l->conn;
	socklen_t n = sizeof(int);
	int fault = 0;

	if (!c->writable)
		return false;
	if (getsockopt(conn_fd(c), SOL_SOCKET, SO_ERROR, &fault, &n) != 0 ||
	    fault != 0) {
		link_fail(l, fault == ETIMEDOUT ? CALL_CONNECT_TIMEOUT
						: CALL_REFUSED);
		return false;
	}
	return egress_is_proxied(l->target->as.egress) ? ask_proxy(l)
						       : begin_inside(l);
}

/* True: the request may be sent, or is on its way. */
static bool
is_open(struct link *l)
{
	switch (l->phase) {
	case LINK_CONNECTING: return check_connect(l);
	case LINK_TUNNEL: return ask_proxy(l);
	case LINK_HANDSHAKE: return shake_hands(l);
	case LINK_HEAD:
	case LINK_BODY:
	case LINK_IDLE: break;
	}
	return true;
}

/* Nothing may come on an idle connection but what TLS says to itself. */
static void
check_idle(struct link *l)
{
	struct conn *c = &l->conn;

	if (!c->readable || conn_fill(c, CONN_SCRATCH) == CONN_AGAIN)
		return;
	link_drop(l);
}

void
link_run(struct link *l)
{
	struct conn *c = &l->conn;

	if (l->faulted) {
		link_fail(l, l->fault);
		return;
	}
	if (l->phase == LINK_IDLE) {
		check_idle(l);
		return;
	}
	if (!is_open(l))
		return;
	link_send(l);
	while (l->call && !l->call->paused && step(l))
		;
	if (l->call && !conn_keep(c))
		link_fail(l, CALL_NO_MEMORY);
}

static void
link_event(struct conn *c)
{
	if (!c->closed)
		link_run(link_of(c));
}

static void
link_due(struct conn *c)
{
	struct link *l = link_of(c);

	if (!l->looked && (l->phase == LINK_HEAD || l->phase == LINK_BODY)) {
		l->looked = c->readable = c->fresh = true;
		link_run(l);
		return;
	}
	switch (l->phase) {
	case LINK_CONNECTING:
	case LINK_TUNNEL:
	case LINK_HANDSHAKE: link_fail(l, CALL_CONNECT_TIMEOUT); return;
	case LINK_HEAD: link_fail(l, CALL_HEAD_TIMEOUT); return;
	case LINK_BODY: link_fail(l, CALL_IDLE_TIMEOUT); return;
	case LINK_IDLE:
	default: link_drop(l);
	}
}

static void
link_rested(struct conn *c)
{
	struct link *l = link_of(c);

	l->next = l->client->spare_links;
	l->client->spare_links = l;
}

const struct conn_role link_role = {.ready = link_event,
				    .turn = link_event,
				    .due = link_due,
				    .rested = link_rested};
