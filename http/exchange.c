/*
 * Owns the reading side of a client's connection: the head, the body, the
 * watch while the user works, the end. Called from the loop only.
 *
 * Hard: every callback may end the exchange, the connection or the server.
 * So each step looks at c->closed after a callback and touches nothing else;
 * the memory itself rests (conn.h).
 */
#include "http/exchange.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

#define PROBE_MS   100
#define LINGER_MS  1000
#define BODY_FIRST (64 * 1024)
#define BODY_TAKEN (8 * 1024) /* not copied if it came whole with its head */
#define STASH_SIZE POOL_BLOCK /* pipelined input that is taken in ahead */

static uint64_t
after_ms(uint64_t ns, uint64_t ms)
{
	return ns + ms * NS_PER_MS;
}

void
exchange_free_body(struct exchange *x)
{
	pool_free(x->server->loop.pool, x->body, x->body_size);
	x->body = NULL;
	x->body_n = x->body_size = x->body_skip = 0;
}

void
exchange_reset(struct exchange *x)
{
	struct conn *c = &x->conn;

	x->phase = PHASE_IDLE;
	x->user = NULL;
	x->scan = (struct head_scan){0};
	x->chunked = (struct chunked){0};
	x->left = x->bytes_in = x->mark = 0;
	x->given_before = c->given;
	x->idle_ns = conn_now(c);
	x->why = E_OK;
	x->kind = HTTP_BODY_NONE;
	x->head_only = x->expects = x->wants_body = x->has_body = false;
	x->begun = x->chunks = x->bodiless = x->answered = x->stalls = false;
}

/* The peer is gone, or the socket is broken. */
static void
gone(struct exchange *x)
{
	struct conn *c = &x->conn;

	if (x->live && x->answered && c->queued == 0)
		x->close = true; /* it has all: on_end is on its way */
	else
		exchange_fail(x, E_CLIENT_GONE);
	c->readable = false;
}

/* A read gave no bytes. */
static void
no_bytes(struct exchange *x, ssize_t got)
{
	if (got == CONN_NO_MEMORY)
		exchange_refuse(x, E_OVERLOAD, NULL);
	else if (got != CONN_AGAIN)
		gone(x);
}

static void
body_done(struct exchange *x)
{
	struct conn *c = &x->conn;

	x->phase = PHASE_ANSWER;
	x->has_body = false;
	conn_deadline(c, after_ms(x->start_ns, PROBE_MS));
	x->server->ops->on_body(
		x, x->body ? str_make(x->body + x->body_skip, x->body_n)
			   : STR_NONE);
}

static void
too_large(struct exchange *x)
{
	char limit[24];

	(void)snprintf(limit, sizeof(limit), "%llu",
		       (unsigned long long)x->server->limits.body_size);
	exchange_refuse(x, E_TOO_LARGE, limit);
}

static void
begin_body(struct exchange *x)
{
	if (x->kind == HTTP_BODY_LENGTH &&
	    x->left > x->server->limits.body_size) {
		too_large(x);
		return;
	}
	if (!x->has_body) {
		body_done(x);
		return;
	}
	x->phase = PHASE_BODY;
	if (x->expects && x->conn.n == 0)
		exchange_continue(x);
}

static void
begin(struct exchange *x, const struct http_head *h)
{
	struct conn *c = &x->conn;

	conn_use(c, x->scan.size);
	conn_deadline(c, after_ms(x->start_ns, PROBE_MS));
	x->phase = PHASE_ANSWER;
	x->live = true;
	x->bytes_in = x->scan.size;
	x->kind = h->body;
	x->left = h->body == HTTP_BODY_LENGTH ? h->length : 0;
	x->has_body = h->body == HTTP_BODY_CHUNKED || x->left > 0;
	x->minor = (uint8_t)h->minor;
	x->head_only = h->method == HTTP_HEAD;
	x->expects = h->expect_continue;
	x->keep_alive = h->keep_alive;
	x->server->ops->on_head(x, h);
	if (!c->closed && x->wants_body && !x->begun)
		begin_body(x);
}

static bool
fill_head(struct exchange *x)
{
	struct conn *c = &x->conn;
	ssize_t got;

	if (!c->readable)
		return false;
	got = conn_fill(c, c->n ? x->server->limits.header_size : CONN_SCRATCH);
	if (got <= 0)
		no_bytes(x, got);
	return true;
}

/* Before and within a head. */
static bool
step_head(struct exchange *x)
{
	struct http_server *s = x->server;
	struct conn *c = &x->conn;
	const struct head_rules rules = {.kind = HEAD_REQUEST,
					 .size = s->limits.header_size,
					 .fields = s->limits.header_fields};
	struct head_fault fault;

	if (c->n == x->scan.seen)
		return fill_head(x);
	if (x->phase == PHASE_IDLE) {
		x->phase = PHASE_HEAD;
		x->start_ns = conn_now(c);
		conn_deadline(
			c, after_ms(x->start_ns, s->limits.header_timeout_ms));
	}
	switch (head_parse(&x->scan, &rules, str_make(c->bytes, c->n), &s->head,
			   &fault)) {
	case HEAD_MORE:
		if (!conn_keep(c))
			exchange_refuse(x, E_OVERLOAD, NULL);
		break;
	case HEAD_BAD: exchange_refuse(x, fault.err, fault.detail); break;
	case HEAD_DONE: begin(x, &s->head); break;
	}
	return true;
}

/* Slower than this the body may not come. */
static uint64_t
body_due(const struct exchange *x)
{
	const struct http_limits *limits = &x->server->limits;
	uint64_t rate = MAX_OF(limits->body_min_rate, 1u);

	return after_ms(x->start_ns, limits->body_grace_ms) +
	       x->bytes_in * NS_PER_SEC / rate;
}

static bool
await_body(struct exchange *x)
{
	conn_deadline(&x->conn, body_due(x));
	return false;
}

/* Room for `n` more bytes of a body of `most` bytes at most. The memory
 * grows with what arrives, not with what a head promises. */
static bool
body_room(struct exchange *x, size_t n, size_t most)
{
	size_t size = x->body_size ? x->body_size : BODY_FIRST;
	char *moved;

	if (x->body_size - x->body_n >= n)
		return true;
	while (size < x->body_n + n)
		size *= 2;
	size = MIN_OF(size, most);
	moved = pool_realloc(x->server->loop.pool, x->body, x->body_size, size);
	if (!moved) {
		exchange_refuse(x, E_OVERLOAD, NULL);
		return false;
	}
	x->body = moved;
	x->body_size = size;
	return true;
}

static void
body_add(struct exchange *x, const char *p, size_t n)
{
	memcpy(x->body + x->body_n, p, n);
	x->body_n += n;
}

/* A body that came whole with its head stays where it is. */
static void
take_body(struct exchange *x)
{
	struct conn *c = &x->conn;

	if (x->body_n > 0 || c->n != x->left || c->n < BODY_TAKEN)
		return;
	x->body = conn_take(c, &x->body_skip);
	if (!x->body)
		return;
	x->body_size = CONN_SCRATCH;
	x->body_n = x->left;
	x->bytes_in += x->left;
	x->left = 0;
}

static bool
step_length(struct exchange *x)
{
	struct conn *c = &x->conn;
	size_t room;
	ssize_t got;

	take_body(x);
	if (x->left == 0) {
		body_done(x);
		return true;
	}
	if (c->n == 0 && !c->readable)
		return await_body(x);
	if (!body_room(x, 1, x->body_n + x->left))
		return true;
	room = MIN_OF(x->body_size - x->body_n, x->left);
	if (c->n > 0) {
		got = (ssize_t)MIN_OF(room, c->n);
		body_add(x, c->bytes, (size_t)got);
		conn_use(c, (size_t)got);
	} else {
		got = conn_read(c, x->body + x->body_n, room);
		if (got <= 0) {
			no_bytes(x, got);
			return true;
		}
		x->body_n += (size_t)got;
	}
	x->left -= (uint64_t)got;
	x->bytes_in += (uint64_t)got;
	return true;
}

static bool
step_chunks(struct exchange *x)
{
	struct conn *c = &x->conn;
	uint64_t limit = x->server->limits.body_size;
	enum chunk_state state;
	size_t n, used;

	if (c->n == 0) {
		ssize_t got;

		if (!c->readable)
			return await_body(x);
		got = conn_fill(c, CONN_SCRATCH);
		if (got <= 0)
			no_bytes(x, got);
		return true;
	}
	state = chunked_squeeze(&x->chunked, c->bytes, c->n, &n, &used);
	x->bytes_in += used;
	if (n > limit - x->body_n) {
		too_large(x);
		return true;
	}
	if (n > 0) {
		if (!body_room(x, n, MAX_OF(limit, x->body_n + n)))
			return true;
		body_add(x, c->bytes, n);
	}
	conn_use(c, used);
	if (state == CHUNK_BAD)
		exchange_refuse(x, E_BAD_HTTP, "the chunked body is broken");
	else if (state == CHUNK_END)
		body_done(x);
	return true;
}

static bool
step_body(struct exchange *x)
{
	return x->kind == HTTP_BODY_CHUNKED ? step_chunks(x) : step_length(x);
}

/* While the user works: is the client still there? What it sends ahead is
 * kept, up to a block; beyond that it stays in the kernel. */
static bool
step_answer(struct exchange *x)
{
	struct conn *c = &x->conn;
	ssize_t got;

	if (!c->readable || c->n >= STASH_SIZE || (x->answered && x->close))
		return false;
	if (x->has_body)
		return false; /* not read by the user's choice */
	if (!conn_keep(c)) {
		exchange_fail(x, E_OVERLOAD);
		return false;
	}
	got = conn_fill(c, STASH_SIZE);
	if (got <= 0)
		no_bytes(x, got);
	return true;
}

static bool
step_linger(struct exchange *x)
{
	struct conn *c = &x->conn;
	ssize_t got;

	if (!c->readable)
		return false;
	conn_use(c, c->n);
	got = conn_fill(c, CONN_SCRATCH);
	if (got == CONN_AGAIN)
		return false;
	if (got > 0)
		x->discarded += (uint32_t)got;
	if (got <= 0 || x->discarded > x->server->limits.body_size) {
		conn_close(c);
		exchange_release(x);
	}
	return true;
}

void
exchange_run(struct exchange *x)
{
	static bool (*const steps[])(struct exchange * x) = {
		[PHASE_IDLE] = step_head,     [PHASE_HEAD] = step_head,
		[PHASE_BODY] = step_body,     [PHASE_ANSWER] = step_answer,
		[PHASE_LINGER] = step_linger,
	};
	struct conn *c = &x->conn;

	while (!c->closed && steps[x->phase](x))
		;
	if (!c->closed && !conn_keep(c))
		exchange_fail(x, E_OVERLOAD);
}

/* After the answer. What the client has sent and nobody read would turn
 * close() into a reset, which may overtake the answer: so it is read. */
static void
say_goodbye(struct exchange *x)
{
	struct conn *c = &x->conn;

	if (c->io->farewell)
		c->io->farewell(c);
	if (c->hung_up || !(x->has_body || c->n > 0 || c->readable)) {
		conn_close(c);
		exchange_release(x);
		return;
	}
	(void)shutdown(conn_fd(c), SHUT_WR);
	x->phase = PHASE_LINGER;
	x->discarded = 0;
	c->readable = true;
	conn_deadline(c, after_ms(conn_now(c), LINGER_MS));
	exchange_run(x);
}

static void
exchange_turn(struct conn *c)
{
	struct exchange *x = exchange_of(c);

	if (!c->closed && x->phase == PHASE_IDLE) {
		exchange_run(x); /* it was left unread */
		return;
	}
	if (!c->closed && !(x->answered && c->queued == 0))
		return;
	if (x->phase == PHASE_LINGER)
		return;
	exchange_end(x);
	if (c->closed) {
		exchange_release(x);
		return;
	}
	if (x->close) {
		say_goodbye(x);
		return;
	}
	exchange_reset(x);
	conn_deadline(c, after_ms(conn_now(c),
				  x->server->draining
					  ? DRAIN_IDLE_MS
					  : x->server->limits.idle_timeout_ms));
	if (c->n > 0 || (c->readable && !ration_defers(x)))
		exchange_run(x);
	/* A head that went out before the drain did not say "close". */
	if (x->server->draining && !c->closed && x->phase == PHASE_IDLE &&
	    c->n == 0) {
		conn_close(c);
		exchange_release(x);
	}
}

static void
exchange_ready(struct conn *c)
{
	struct exchange *x = exchange_of(c);

	if (c->writable && c->queued > 0)
		exchange_flush(x);
	if (!c->closed && c->readable && !ration_defers(x))
		exchange_run(x);
}

static void
exchange_due(struct conn *c)
{
	struct exchange *x = exchange_of(c);

	switch (x->phase) {
	case PHASE_HEAD: exchange_refuse(x, E_CLIENT_SLOW, NULL); return;
	case PHASE_BODY:
		if (body_due(x) > c->timer.due_ns)
			(void)await_body(x);
		else
			exchange_refuse(x, E_CLIENT_SLOW, NULL);
		return;
	case PHASE_ANSWER:
		if (x->stalls) {
			exchange_fail(x, E_CLIENT_SLOW);
			return;
		}
		/* A reset that came together with the request has no edge of
		 * its own: one look shows it. */
		c->readable = true;
		exchange_run(x);
		return;
	case PHASE_IDLE:
	case PHASE_LINGER:
	default: conn_close(c); exchange_release(x);
	}
}

static void
exchange_rested(struct conn *c)
{
	struct exchange *x = exchange_of(c);
	struct http_server *s = x->server;

	x->next = s->spare;
	s->spare = x;
}

const struct conn_role exchange_role = {.ready = exchange_ready,
					.turn = exchange_turn,
					.due = exchange_due,
					.rested = exchange_rested};
