/*
 * Bytes between a connection and its socket: plain or TLS, in portions and
 * up to the marks of the plan, counted once the kernel has taken them.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/mock/conn.h"

enum { READ_ROOM = 16 * 1024, IN_MAX = 65 * 1024 * 1024 };

void
conn_count(struct conn *c, enum counter counter, int64_t n)
{
	int i;

	for (i = 0; i < 3; i++)
		if (c->rows[i])
			atomic_fetch_add_explicit(&c->rows[i]->n[counter],
						  (uint64_t)n,
						  memory_order_relaxed);
}

static ssize_t
tls_result(struct conn *c, int got)
{
	int why = SSL_get_error(c->ssl, got);

	/* An error undoes this: look before. */
	if (why != SSL_ERROR_SSL && why != SSL_ERROR_SYSCALL)
		c->greeted = SSL_is_init_finished(c->ssl);
	if (got > 0)
		return got;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	if (!c->greeted)
		gauge_add(c->worker->tally, G_tls_errors);
	ERR_clear_error();
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = ECONNRESET;
	return -1;
}

static ssize_t
sock_read(struct conn *c, char *to, size_t room)
{
	if (!c->ssl)
		return recv(c->fd, to, room, 0);
	ERR_clear_error();
	return tls_result(c, SSL_read(c->ssl, to, (int)room));
}

ssize_t
wire_write(struct conn *c, const char *p, size_t n)
{
	if (!c->ssl)
		return send(c->fd, p, n, MSG_NOSIGNAL);
	ERR_clear_error();
	return tls_result(c, SSL_write(c->ssl, p, n > 16384 ? 16384 : (int)n));
}

void
wire_fill(struct conn *c)
{
	while (!c->eof) {
		ssize_t got;

		buf_reserve(&c->in, READ_ROOM);
		got = sock_read(c, c->in.p + c->in.n, c->in.cap - c->in.n);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0 || buf_len(&c->in) > IN_MAX) {
			c->eof = true;
			return;
		}
		c->in.n += (size_t)got;
		if (!c->ssl && c->in.n < c->in.cap)
			return; /* a short read emptied the socket */
	}
}

/* The next byte of the answer at which something is to happen. */
static int64_t
mark(const struct conn *c)
{
	const struct plan *p = &c->answer.plan;

	if (p->cut_head >= 0)
		return p->cut_head;
	if (p->cut >= 0)
		return c->head_len + p->cut;
	if (p->rst >= 0)
		return c->head_len + p->rst;
	if (p->stall_byte >= 0 && !c->mark_passed)
		return c->head_len + p->stall_byte;
	return INT64_MAX;
}

static void
account_bytes(struct conn *c, int64_t before, int64_t now)
{
	int64_t body = now - (before > c->head_len ? before : c->head_len);

	if (!c->record)
		return;
	if (!c->record->first_us)
		c->record->first_us = now_us();
	if (body <= 0)
		return;
	c->record->body_bytes += (uint64_t)body;
	conn_count(c, C_body_bytes, body);
}

static void
account_usage(struct conn *c)
{
	const struct figures *f = &c->answer.figures;

	if (c->record->usage_sent)
		return;
	c->record->usage_sent = 1;
	conn_count(c, C_usages, 1);
	conn_count(c, C_prompt_tokens, f->prompt);
	conn_count(c, C_completion_tokens, f->completion);
	if (f->cached)
		conn_count(c, C_cached_tokens, f->cached);
	if (f->reasoning)
		conn_count(c, C_reasoning_tokens, f->reasoning);
}

/* The last byte of the piece in `out` was taken by the kernel. */
static void
account_unit(struct conn *c)
{
	if (!c->unit_due || !c->record)
		return;
	c->unit_due = false;
	if (c->unit.delta) {
		c->record->chunks++;
		conn_count(c, C_chunks, 1);
	}
	if (c->unit.content) {
		c->record->content_bytes += (uint64_t)c->unit.content;
		conn_count(c, C_content_bytes, c->unit.content);
	}
	if (c->unit.usage)
		account_usage(c);
}

static size_t
portion(const struct conn *c, int64_t until)
{
	size_t n = buf_len(&c->out);
	int64_t split = c->answer.plan.split;

	if ((int64_t)n > until - c->sent)
		n = (size_t)(until - c->sent);
	if (split && n > (size_t)split)
		n = (size_t)split;
	return n;
}

enum flush
wire_flush(struct conn *c)
{
	int64_t until = mark(c);

	while (buf_len(&c->out)) {
		size_t n;
		ssize_t got;

		if (c->sent >= until)
			return c->answer.plan.stall_byte >= 0 && !c->mark_passed
				       ? FLUSH_STALL
				       : FLUSH_CUT;
		n = portion(c, until);
		got = wire_write(c, buf_at(&c->out), n);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return FLUSH_BLOCKED;
		if (got <= 0)
			return FLUSH_GONE;
		account_bytes(c, c->sent, c->sent + got);
		c->sent += got;
		buf_eat(&c->out, (size_t)got);
		if (c->answer.plan.split && buf_len(&c->out))
			return FLUSH_DONE;
	}
	account_unit(c);
	return FLUSH_DONE;
}
