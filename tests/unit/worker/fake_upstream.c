/*
 * The fake of http/client.h: what was sent to the upstream, and what a test
 * lets it say.
 */
#include <stdlib.h>

#include "base/must.h"
#include "tests/unit/worker/fixture.h"

struct call *
client_call(struct http_client *client, const struct call_target *target,
	    const struct iovec *iov, unsigned n,
	    const struct call_timeouts *timeouts, const struct call_ops *ops,
	    void *user)
{
	struct fixture *f = (struct fixture *)client;
	struct call *c;

	must(n > 0 && n <= 24);
	if (f->no_calls)
		return NULL;
	c = fix_need(calloc(1, sizeof(*c)));
	c->f = f;
	c->ops = ops;
	c->user = user;
	c->target = *target;
	c->timeouts = *timeouts;
	c->iov = iov;
	c->n_iov = n;
	for (unsigned i = 0; i < n; i++)
		buf_add(&c->sent, iov[i].iov_base, iov[i].iov_len);
	buf_add_char(&c->sent, '\0');
	c->next = f->calls;
	f->calls = c;
	f->n_calls++;
	return c;
}

void *
call_user(struct call *c)
{
	return c->user;
}

void
call_pause(struct call *c)
{
	must(c->end == CALL_RUNS && !c->paused);
	c->paused = true;
	c->pauses++;
}

void
call_resume(struct call *c)
{
	must(c->end == CALL_RUNS && c->paused);
	c->paused = false;
}

void
call_cancel(struct call *c)
{
	must(c->end == CALL_RUNS);
	c->end = CALL_CANCELLED;
}

void
call_release(struct call *c)
{
	must(c->end == CALL_RUNS);
	c->end = CALL_RELEASED;
}

bool
call_reused(const struct call *c)
{
	(void)c;
	return false;
}

bool
call_sent(const struct call *c)
{
	(void)c;
	return true;
}

uint64_t
call_connect_ns(const struct call *c)
{
	(void)c;
	return 250000;
}

/* ---- the upstream ---- */

static struct call *
running_call(struct fixture *f)
{
	must(f->calls && f->calls->end == CALL_RUNS);
	return f->calls;
}

/* The request's pieces must have lived until now. */
static void
check_request(const struct call *c)
{
	size_t at = 0;

	for (unsigned i = 0; i < c->n_iov; i++) {
		must(memcmp(c->sent.p + at, c->iov[i].iov_base,
			    c->iov[i].iov_len) == 0);
		at += c->iov[i].iov_len;
	}
}

void
fix_up_head(struct fixture *f, int status, const char *fields)
{
	struct call *c = running_call(f);
	struct http_head *h = fix_need(calloc(1, sizeof(*h)));
	size_t n = strlen(fields);
	char *bytes = fix_copy(fields, n);

	must(!c->heard);
	c->heard = true;
	check_request(c);
	h->status = status;
	h->minor = 1;
	h->keep_alive = true;
	fix_read_fields(h, str_make(bytes, n));
	c->ops->on_head(c, h);
	free(h);
	fix_wipe(bytes, n);
}

void
fix_up_data(struct fixture *f, const char *text, size_t n)
{
	struct call *c = running_call(f);
	char *bytes = fix_copy(text, n);

	must(c->heard && n > 0);
	c->ops->on_data(c, str_make(bytes, n));
	fix_wipe(bytes, n);
}

void
fix_up_text(struct fixture *f, const char *text)
{
	fix_up_data(f, text, strlen(text));
}

void
fix_up_end(struct fixture *f)
{
	struct call *c = running_call(f);

	must(c->heard);
	c->end = CALL_ENDED;
	c->ops->on_end(c);
}

void
fix_up_fail(struct fixture *f, enum call_fault fault)
{
	struct call *c = running_call(f);

	c->end = CALL_FAILED;
	c->ops->on_fail(c, fault);
}

void
fix_up_stream(struct fixture *f)
{
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
}

struct exchange *
fix_streaming(struct fixture *f, const char *more)
{
	struct exchange *x = fix_post(f, FIX_CHATS, fix_chat("gpt", more));

	fix_up_stream(f);
	return x;
}

static void
up_event(struct fixture *f, const char *inside)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_printf(&text, "data: {\"model\":\"up-gpt\",\"choices\":[%s}\n\n",
		   inside);
	fix_up_data(f, text.p, text.n);
}

void
fix_up_chunk(struct fixture *f, const char *content)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_printf(&text, "{\"index\":0,\"delta\":{\"content\":\"%s\"}}]",
		   content);
	up_event(f, text.p);
}

void
fix_up_usage(struct fixture *f, uint64_t prompt, uint64_t completion)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_printf(&text,
		   "],\"usage\":{\"prompt_tokens\":%ju,"
		   "\"completion_tokens\":%ju}",
		   (uintmax_t)prompt, (uintmax_t)completion);
	up_event(f, text.p);
}

void
fix_up_done(struct fixture *f)
{
	fix_up_text(f, "data: [DONE]\n\n");
}

bool
fix_call_runs(const struct fixture *f)
{
	return f->calls && f->calls->end == CALL_RUNS;
}

void
fix_answer(struct fixture *f, int status, const char *body)
{
	struct call *c = running_call(f);

	fix_up_head(f, status, "content-type: application/json\r\n");
	if (c->end == CALL_RUNS && body[0])
		fix_up_text(f, body);
	if (c->end == CALL_RUNS)
		fix_up_end(f);
}

unsigned
fix_running(const struct fixture *f)
{
	unsigned n = 0;

	for (const struct call *c = f->calls; c; c = c->next)
		n += c->end == CALL_RUNS;
	return n;
}

const char *
fix_chat(const char *model, const char *more)
{
	static char body[1024];

	(void)snprintf(body, sizeof(body),
		       "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\","
		       "\"content\":\"Hello there\"}]%s}",
		       model, more);
	return body;
}

const char *
fix_whole(const char *content, const char *usage)
{
	static char body[4096];

	(void)snprintf(body, sizeof(body),
		       "{\"model\":\"up-gpt\",\"choices\":[{\"index\":0,"
		       "\"message\":{\"role\":\"assistant\",\"content\":"
		       "\"%s\"}}]%s%s}",
		       content, usage ? ",\"usage\":" : "", usage ? usage : "");
	return body;
}
