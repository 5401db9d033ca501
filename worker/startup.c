/*
 * The beginning of a stream. Until the first word of the answer another
 * channel can still take over without the client's notice: events that come
 * before it (roles, ids, pings) are held back, as many as `stream.hold_back`
 * allows, and forgotten when the attempt fails. A client that has waited for
 * long gets the head and comments meanwhile; only its status is settled then.
 */
#include "base/clock.h"
#include "worker/hedge.h"
#include "worker/request.h"

/* ---- the head, and signs of life ---- */

static void
open_head(struct request *req)
{
	struct buf *fields = &req->w->fields;

	reply_fields(req, fields);
	req->streaming = true;
	req->status = 200;
	metric_add(req->w->metrics, M_STREAMS_OPEN + req->endpoint->route, 1);
	buf_add_cstr(fields, "content-type: ");
	if (req->leg->raw)
		buf_add_str(fields, req->leg->type);
	else
		buf_add_cstr(fields, req->ask.array ? "application/json"
						    : "text/event-stream");
	buf_add_cstr(fields, "\r\n");
	buf_add_cstr(fields, "cache-control: no-cache\r\n"
			     "x-accel-buffering: no\r\n");
	exchange_stream_begin(req->x, 200, buf_str(fields));
}

static void keepalive(struct wheel_timer *t);

static void
wait_on(struct request *req, uint64_t from_ns)
{
	uint64_t gap = req->w->conf->stream.keepalive_ms * NS_PER_MS;

	if (gap && !req->leg->raw) /* in sound nothing can be said */
		wheel_arm(req->w->wheel, &req->timer, from_ns + gap, keepalive);
}

static void
say_something(struct request *req)
{
	static char comment[] = ": keep-alive\n\n", blank[] = "\n";
	struct iovec piece = {comment, sizeof(comment) - 1};

	if (req->ask.array) /* a comment would be no JSON */
		piece = (struct iovec){blank, sizeof(blank) - 1};
	if (!req->streaming)
		open_head(req);
	exchange_stream_send(req->x, &piece, 1, exchange_mark(req->x));
	req->last_piece_ns = req->w->now_ns;
}

static void
keepalive(struct wheel_timer *t)
{
	struct request *req =
		(void *)((char *)t - offsetof(struct request, timer));
	uint64_t gap = req->w->conf->stream.keepalive_ms * NS_PER_MS;
	uint64_t from;

	request_enter(req);
	if (req->w->now_ns >= req->last_piece_ns + gap &&
	    exchange_queued(req->x) == 0)
		say_something(req);
	from = req->last_piece_ns + gap > req->w->now_ns ? req->last_piece_ns
							 : req->w->now_ns;
	if (!req->answered && !req->client_gone)
		wait_on(req, from);
	request_leave(req);
}

/* ---- what is held back ---- */

static bool
holds(const struct request *req, const struct iovec *piece, unsigned n)
{
	size_t bytes = req->leg->startup.n;

	for (unsigned i = 0; i < n; i++)
		bytes += piece[i].iov_len;
	return bytes <= req->w->conf->stream.hold_back;
}

void
startup_wait(struct request *req)
{
	if (wheel_armed(&req->timer))
		return;
	req->last_piece_ns = req->w->now_ns;
	wait_on(req, req->w->now_ns);
}

static void
hold(struct request *req, const struct iovec *piece, unsigned n)
{
	if (req->leg->startup.n == 0)
		startup_wait(req);
	for (unsigned i = 0; i < n; i++)
		buf_add(&req->leg->startup, piece[i].iov_base,
			piece[i].iov_len);
}

void
startup_send(struct request *req, const struct iovec *piece, unsigned n,
	     bool content)
{
	if (!req->begun && !content && holds(req, piece, n)) {
		hold(req, piece, n);
		return;
	}
	startup_end(req);
	req->last_piece_ns = req->w->now_ns;
	exchange_stream_send(req->x, piece, n, req->leg->seen_bytes);
}

/* Who answers could not be said in a head that went out before. */
static void
say_who(struct request *req)
{
	struct buf *fields = &req->w->fields;
	struct iovec piece;

	buf_reset(fields);
	reply_attempt(req, fields, ": ", "\n");
	buf_add_char(fields, '\n');
	piece = (struct iovec){fields->p, fields->n};
	exchange_stream_send(req->x, &piece, 1, exchange_mark(req->x));
}

void
startup_end(struct request *req)
{
	struct iovec piece = {req->leg->startup.p, req->leg->startup.n};

	if (req->begun)
		return;
	if (req->leg->startup.failed) {
		exchange_abort(req->x);
		return;
	}
	hedge_won(req);
	req->begun = true;
	/* the end of the stream may have to name the model */
	req->ask.model_value.raw =
		arena_dup(&req->arena, req->ask.model_value.raw);
	request_drop_body(req);
	if (!req->streaming)
		open_head(req);
	else if (!req->ask.array)
		say_who(req);
	if (!wheel_armed(&req->timer))
		wait_on(req, req->w->now_ns);
	if (piece.iov_len > 0)
		exchange_stream_send(req->x, &piece, 1, exchange_mark(req->x));
	buf_free(&req->leg->startup);
}
