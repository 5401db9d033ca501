/*
 * Owns the writing side of a client's connection: whole answers, streams,
 * marks, the server's own errors. Called by the user from anywhere; so no
 * user callback runs in here but those of exchange_flush() and
 * exchange_end(), which the loop calls.
 */
#include "base/clock.h"
#include "base/must.h"
#include "http/exchange.h"

#define MARKS_MAX (POOL_BLOCK / sizeof(struct mark))

static void
drop_marks(struct exchange *x)
{
	pool_give(x->server->loop.pool, x->marks);
	x->marks = NULL;
	x->first_mark = x->n_marks = 0;
}

/* The marks of content of which the socket has taken a byte. */
static void
pass_marks(struct exchange *x)
{
	while (x->first_mark < x->n_marks &&
	       x->marks[x->first_mark].at < x->conn.taken) {
		x->mark = MAX_OF(x->mark, x->marks[x->first_mark].mark);
		x->first_mark++;
	}
	if (x->marks && x->first_mark == x->n_marks)
		drop_marks(x);
}

/* The content that begins at `at` carries `mark`. */
static void
note_mark(struct exchange *x, uint64_t at, uint64_t mark)
{
	pass_marks(x);
	if (mark == 0)
		return;
	if (x->conn.taken > at) {
		x->mark = MAX_OF(x->mark, mark);
		return;
	}
	if (!x->marks) {
		x->marks = pool_block(x->server->loop.pool);
		if (!x->marks) {
			exchange_fail(x, E_OVERLOAD);
			return;
		}
	}
	if (x->n_marks == MARKS_MAX && x->first_mark > 0) {
		x->n_marks = (uint16_t)(x->n_marks - x->first_mark);
		memmove(x->marks, x->marks + x->first_mark,
			x->n_marks * sizeof(*x->marks));
		x->first_mark = 0;
	}
	/* Full: the last ones become one, told a little late, never early. */
	if (x->n_marks == MARKS_MAX)
		x->n_marks--;
	x->marks[x->n_marks++] = (struct mark){at, mark};
}

/* Content that waits must move on within the write timeout. */
static void
watch_writes(struct exchange *x, bool moved)
{
	struct conn *c = &x->conn;
	uint64_t timeout_ns = x->server->limits.write_timeout_ms * NS_PER_MS;

	if (x->phase != PHASE_ANSWER || (c->queued > 0 && c->writable))
		return; /* not a stall: held back, to go with what follows */
	if (c->queued > 0 && x->stalls && !moved)
		return;
	x->stalls = c->queued > 0;
	conn_deadline(c, x->stalls ? conn_now(c) + timeout_ns : 0);
}

static void
send_pieces(struct exchange *x, const struct iovec *iov, unsigned n,
	    uint64_t at, uint64_t mark)
{
	struct conn *c = &x->conn;
	enum err e = conn_send(c, iov, n);

	note_mark(x, at, mark);
	if (e != E_OK)
		exchange_fail(x, e);
	else if (!c->closed && (c->queued > 0 || x->stalls))
		watch_writes(x, false);
}

/* Of an answer that may still be given; false: it is too late for one. */
static bool
may_answer(struct exchange *x)
{
	must(x->live);
	return !x->conn.closed && !x->answered;
}

/* A small body that nobody wants came whole with its head: it is skipped, and
 * the connection may stay. */
static void
skip_body(struct exchange *x)
{
	struct conn *c = &x->conn;

	if (!x->has_body || x->wants_body || x->close ||
	    x->kind != HTTP_BODY_LENGTH || x->left > c->n)
		return;
	conn_use(c, x->left);
	x->bytes_in += x->left;
	x->left = 0;
	x->has_body = false;
}

/* Makes the head in `out`; returns its pieces. */
static unsigned
begin_answer(struct exchange *x, struct answer *a, struct str fields,
	     char out[ANSWER_MAX], struct iovec iov[3])
{
	unsigned n = 1;

	skip_body(x);
	x->begun = true;
	x->bodiless = x->head_only || !status_has_body(a->status);
	x->close = x->close || !x->keep_alive || x->has_body ||
		   x->server->draining;
	if (x->close)
		a->connection = ANSWER_SAYS_CLOSE;
	else if (x->minor == 0)
		a->connection = ANSWER_SAYS_KEEP_ALIVE;
	iov[0].iov_base = out;
	iov[0].iov_len = answer_write(out, a, &x->server->date);
	if (fields.n > 0)
		iov[n++] = iov_of(fields);
	iov[n++] = iov_of(STR("\r\n"));
	return n;
}

static void
reply(struct exchange *x, int status, struct str fields, struct str body,
      uint64_t mark)
{
	struct answer a = {.status = status, .length = body.n};
	char out[ANSWER_MAX];
	struct iovec iov[4];
	uint64_t at;
	unsigned n;

	if (!status_has_body(status))
		a.body = ANSWER_NONE;
	n = begin_answer(x, &a, fields, out, iov);
	at = x->conn.given;
	for (unsigned i = 0; i < n; i++)
		at += iov[i].iov_len;
	if (body.n > 0 && !x->bodiless)
		iov[n++] = iov_of(body);
	else
		at--; /* no content: the last byte of the head stands for it */
	x->answered = true;
	send_pieces(x, iov, n, at, mark);
	conn_later(&x->conn);
}

void
exchange_reply(struct exchange *x, int status, struct str fields,
	       struct str body, uint64_t mark)
{
	if (!may_answer(x))
		return;
	must(!x->begun);
	reply(x, status, fields, body, mark);
}

void
exchange_stream_begin(struct exchange *x, int status, struct str fields)
{
	struct answer a = {.status = status, .body = ANSWER_CHUNKED};
	char out[ANSWER_MAX];
	struct iovec iov[3];
	unsigned n;

	if (!may_answer(x))
		return;
	must(!x->begun);
	if (x->minor == 0) {
		a.body = ANSWER_CLOSE;
		x->close = true;
	}
	if (!status_has_body(status))
		a.body = ANSWER_NONE;
	n = begin_answer(x, &a, fields, out, iov);
	x->chunks = a.body == ANSWER_CHUNKED && !x->bodiless;
	if (conn_hold(&x->conn, iov, n) != E_OK)
		exchange_fail(x, E_OVERLOAD);
}

void
exchange_stream_send(struct exchange *x, const struct iovec *piece, unsigned n,
		     uint64_t mark)
{
	struct conn *c = &x->conn;
	struct iovec iov[CONN_PIECES];
	char out[CHUNK_MAX];
	uint64_t at = c->given;
	unsigned m = 0;
	size_t size = 0;

	if (!may_answer(x))
		return;
	must(x->begun && n <= CONN_PIECES - 2);
	for (unsigned i = 0; i < n; i++)
		size += piece[i].iov_len;
	if (size == 0 || x->bodiless) {
		/* The head stands for content that has no place. */
		if (c->queued > 0)
			send_pieces(x, NULL, 0, at - 1, mark);
		else
			note_mark(x, at - 1, mark);
		return;
	}
	if (x->chunks) {
		iov[m++] = (struct iovec){out, chunk_write(out, size)};
		at += iov[0].iov_len;
	}
	memcpy(iov + m, piece, n * sizeof(*piece));
	m += n;
	if (x->chunks)
		iov[m++] = iov_of(STR("\r\n"));
	send_pieces(x, iov, m, at, mark);
}

void
exchange_stream_end(struct exchange *x)
{
	struct iovec last = iov_of(STR("0\r\n\r\n"));

	if (!may_answer(x))
		return;
	must(x->begun);
	x->answered = true;
	send_pieces(x, &last, x->chunks ? 1 : 0, 0, 0);
	conn_later(&x->conn);
}

void
exchange_abort(struct exchange *x)
{
	struct conn *c = &x->conn;

	must(x->live);
	if (c->closed || (x->answered && c->queued == 0))
		return;
	x->why = E_UP_CUT;
	/* A chunked answer without its end is seen to be cut. One that ends
	 * with the connection is not, unless that ends with a reset. */
	if (x->chunks)
		conn_close(c);
	else
		conn_reset(c);
	conn_later(c);
}

void
exchange_continue(struct exchange *x)
{
	struct iovec iov = iov_of(STR("HTTP/1.1 100 Continue\r\n\r\n"));

	send_pieces(x, &iov, 1, 0, 0);
}

void
exchange_refuse(struct exchange *x, enum err e, const char *detail)
{
	struct conn *c = &x->conn;
	struct buf fields = BUF_INIT;
	struct buf body = BUF_INIT;

	if (x->begun || c->closed) {
		exchange_fail(x, e);
		return;
	}
	x->why = e;
	x->phase = PHASE_ANSWER;
	x->close = x->has_body = true;
	conn_use(c, c->n);
	x->server->ops->render_error(x, e, detail ? detail : "", &fields,
				     &body);
	if (fields.failed || body.failed)
		exchange_fail(x, E_NO_MEMORY);
	else
		reply(x, err_row(e)->status, buf_str(&fields), buf_str(&body),
		      0);
	buf_free(&fields);
	buf_free(&body);
}

void
exchange_fail(struct exchange *x, enum err why)
{
	struct conn *c = &x->conn;

	if (c->closed)
		return;
	if (x->why == E_OK)
		x->why = why;
	if (why == E_CLIENT_GONE)
		conn_close(c);
	else
		conn_reset(c);
	if (x->live)
		conn_later(c);
	else
		exchange_release(x);
}

void
exchange_flush(struct exchange *x)
{
	struct conn *c = &x->conn;
	uint64_t before = c->taken;
	enum err e = conn_flush(c);

	pass_marks(x);
	if (e != E_OK) {
		exchange_fail(x, e);
		return;
	}
	if (c->taken == before)
		return;
	watch_writes(x, true);
	if (x->live)
		x->server->ops->on_progress(x);
	if (!c->closed && x->answered && c->queued == 0)
		conn_later(c);
}

void
exchange_end(struct exchange *x)
{
	if (x->live) {
		x->live = false;
		x->server->ops->on_end(x, x->why);
	}
	exchange_free_body(x);
	if (x->marks)
		drop_marks(x);
}

void
exchange_read_body(struct exchange *x)
{
	x->wants_body = true;
}

void
exchange_drop_body(struct exchange *x)
{
	must(x->phase != PHASE_BODY);
	exchange_free_body(x);
}

size_t
exchange_queued(const struct exchange *x)
{
	return x->conn.queued;
}

uint64_t
exchange_mark(const struct exchange *x)
{
	return x->mark;
}

uint64_t
exchange_bytes_out(struct exchange *x)
{
	return x->conn.taken - x->given_before;
}
