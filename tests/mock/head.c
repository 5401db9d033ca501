/* Heads and framing of answers, right and wrong; see answer.h. */
#include <string.h>

#include "tests/mock/answer.h"

enum { HUGE_HEAD = 1 << 20, MANY = 5000, LONG_EXTENSION = 8192 };

static const char *
reason(int64_t status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 404: return "Not Found";
	case 429: return "Too Many Requests";
	case 500: return "Internal Server Error";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	default: return "Status";
	}
}

static void
interim(const struct answer *a, struct buf *to)
{
	int64_t i;

	for (i = 0; i < a->plan.hints; i++)
		buf_str(to, "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
	for (i = 0; i < a->plan.continue_; i++)
		buf_str(to, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void
status_line(const struct answer *a, struct buf *to)
{
	switch (a->plan.badhead) {
	case HEAD_GARBAGE: buf_str(to, "220 mail ready\r\n"); return;
	case HEAD_STATUS: buf_str(to, "HTTP/1.1 2x0 OK\r\n"); return;
	case HEAD_VERSION: buf_str(to, "HTTP/3.7 200 OK\r\n"); return;
	case HEAD_BARELF: buf_str(to, "HTTP/1.1 200 OK\n"); return;
	default: break;
	}
	buf_str(to, a->plan.http10 ? "HTTP/1.0 " : "HTTP/1.1 ");
	buf_int(to, a->plan.status);
	buf_str(to, " ");
	buf_str(to, reason(a->plan.status));
	buf_str(to, "\r\n");
}

static void
bad_fields(const struct answer *a, struct buf *to)
{
	int64_t i;

	switch (a->plan.badhead) {
	case HEAD_COLON: buf_str(to, "no colon here\r\n"); break;
	case HEAD_SPACE: buf_str(to, "x-space : 1\r\n"); break;
	case HEAD_TWOLEN: buf_str(to, "content-length: 5\r\n"); break;
	case HEAD_LENTE:
		buf_str(to, a->chunked ? "content-length: 5\r\n"
				       : "transfer-encoding: chunked\r\n");
		break;
	case HEAD_FOLD: buf_str(to, "x-fold: a\r\n b\r\n"); break;
	case HEAD_NUL: buf_add(to, "x-nul: a\0b\r\n", 12); break;
	case HEAD_NEGLEN: buf_str(to, "content-length: -1\r\n"); break;
	case HEAD_PLUSLEN: buf_str(to, "content-length: +5\r\n"); break;
	case HEAD_CODING:
		buf_str(to, "transfer-encoding: gzip, chunked\r\n");
		break;
	case HEAD_HUGE:
		buf_str(to, "x-huge: ");
		buf_fill(to, 'h', HUGE_HEAD);
		buf_str(to, "\r\n");
		break;
	case HEAD_MANY:
		for (i = 0; i < MANY; i++)
			buf_fmt(to, "x-many-%lld: 1\r\n", (long long)i);
		break;
	default: break;
	}
}

static void
error_fields(const struct answer *a, struct buf *to)
{
	const struct plan *p = &a->plan;

	if (*p->retry_after)
		buf_fmt(to, "retry-after: %s\r\n", p->retry_after);
	if (*p->retry_after_ms)
		buf_fmt(to, "retry-after-ms: %s\r\n", p->retry_after_ms);
	if (p->status >= 300 && p->status < 400)
		buf_str(to, "location: /v1/models\r\n");
	if (p->status == 401)
		buf_str(to, "www-authenticate: Bearer\r\n");
}

/* The faults that replace the length by one of their own. */
static bool
has_own_length(int64_t badhead)
{
	return badhead == HEAD_NEGLEN || badhead == HEAD_PLUSLEN ||
	       badhead == HEAD_CODING;
}

void
answer_head(const struct answer *a, int64_t length, struct buf *to)
{
	const struct plan *p = &a->plan;

	interim(a, to);
	status_line(a, to);
	buf_str(to, answer_streams(a) ? "content-type: text/event-stream\r\n"
		    : p->badjson == JSON_HTML
			    ? "content-type: text/html\r\n"
			    : "content-type: application/json\r\n");
	buf_str(to, "x-request-id: req_mock");
	buf_hex(to, a->seq);
	buf_str(to, "\r\n");
	if (p->status != 200)
		error_fields(a, to);
	if (p->gzip)
		buf_str(to, "content-encoding: gzip\r\n");
	if (p->badhead)
		bad_fields(a, to);
	if (has_own_length(p->badhead))
		;
	else if (a->chunked)
		buf_str(to, "transfer-encoding: chunked\r\n");
	else if (length >= 0 && p->framing != FRAMING_CLOSE) {
		buf_str(to, "content-length: ");
		buf_int(to, length + p->clen);
		buf_str(to, "\r\n");
	}
	if (!a->keep_alive && p->framing != FRAMING_CLOSE)
		buf_str(to, "connection: close\r\n");
	buf_str(to, "\r\n");
}

static void
frame_one(const struct answer *a, const char *p, size_t n, struct buf *to)
{
	switch (a->plan.badhead) {
	case HEAD_CHUNKSIZE: buf_str(to, "zz\r\n"); break;
	case HEAD_CHUNKHUGE: buf_str(to, "fffffffffffffffff\r\n"); break;
	case HEAD_CHUNKEXT:
		buf_fmt(to, "%zx;x=", n);
		buf_fill(to, 'e', LONG_EXTENSION);
		buf_str(to, "\r\n");
		break;
	default: buf_fmt(to, "%zx\r\n", n); break;
	}
	buf_add(to, p, n);
	if (a->plan.badhead != HEAD_CHUNKCRLF)
		buf_str(to, "\r\n");
}

void
answer_frame(const struct answer *a, const char *p, size_t n, struct buf *to)
{
	if (!a->chunked) {
		buf_add(to, p, n);
		return;
	}
	while (n) {
		size_t take = n;

		if (a->plan.frame && take > (size_t)a->plan.frame)
			take = (size_t)a->plan.frame;
		frame_one(a, p, take, to);
		p += take;
		n -= take;
	}
}

void
answer_frame_end(const struct answer *a, struct buf *to)
{
	if (a->chunked) {
		buf_str(to, "0\r\n");
		if (a->plan.trailers)
			buf_str(to, "x-trailer: 1\r\n");
		buf_str(to, "\r\n");
	}
	if (a->plan.extra)
		buf_str(to,
			"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nextra");
}
