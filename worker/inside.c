/* Questions to the admin process. */
#include "worker/inside.h"

#include <stdio.h>
#include <sys/un.h>

#include "base/must.h"
#include "worker/request.h"

/* Connect, first byte, and between two pieces. */
#define PATIENCE_MS 2000u
#define ANSWER_MAX  (8u << 20)
#define TYPE_MAX    64u
/* No channel has this row. */
#define POOL_KEY UINT32_MAX

static void
leave(struct request *req)
{
	must(req->w->inside > 0);
	req->w->inside--;
	req->inside->call = NULL;
}

static void
finish(struct request *req, int status)
{
	leave(req);
	req->inside->done(req, status, buf_str(&req->inside->text));
}

static void
on_head(struct call *c, const struct http_head *head)
{
	struct request *req = call_user(c);
	struct inside *in = req->inside;
	struct str type = http_get(head, "content-type");
	struct str next = http_get(head, "x-tollgate-next");

	in->status = head->status;
	in->type = arena_dup(&req->arena,
			     str_make(type.p, MIN_OF(type.n, TYPE_MAX)));
	in->next = arena_dup(&req->arena,
			     str_make(next.p, MIN_OF(next.n, TYPE_MAX)));
}

static void
on_data(struct call *c, struct str piece)
{
	struct request *req = call_user(c);

	request_enter(req);
	if (req->inside->text.n + piece.n <= ANSWER_MAX)
		buf_add_str(&req->inside->text, piece);
	else
		req->inside->text.failed = true;
	request_leave(req);
}

static void
on_end(struct call *c)
{
	struct request *req = call_user(c);

	request_enter(req);
	finish(req, req->inside->text.failed ? 0 : req->inside->status);
	request_leave(req);
}

static void
on_fail(struct call *c, enum call_fault f)
{
	struct request *req = call_user(c);

	(void)f;
	request_enter(req);
	finish(req, 0);
	request_leave(req);
}

static const struct call_ops ops = {on_head, on_data, on_end, on_fail};

static bool
target_of(const struct request *req, struct call_target *t)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%.*s/admin.sock",
			 STR_ARG(req->w->conf->run_dir));

	if (n < 0 || n >= (int)sizeof(sun.sun_path))
		return false;
	*t = (struct call_target){
		.pool_key = POOL_KEY, .addr_len = sizeof(sun), .fd = -1};
	memcpy(&t->addr, &sun, sizeof(sun));
	return true;
}

bool
inside_ask(struct request *req, struct str path, inside_done *done)
{
	static const struct call_timeouts patience = {PATIENCE_MS, PATIENCE_MS,
						      PATIENCE_MS};
	struct iovec *iov = arena_alloc(&req->arena, sizeof(*iov));
	struct str text = arena_printf(&req->arena,
				       "GET /internal/v1/%.*s HTTP/1.1\r\n"
				       "host: tollgate\r\n"
				       "x-tollgate-key: %u\r\n"
				       "x-tollgate-account: %u\r\n\r\n",
				       STR_ARG(path), req->key, req->account);
	struct call_target target;

	if (!req->inside)
		req->inside = arena_zalloc(&req->arena, sizeof(*req->inside));
	if (!req->inside || !iov || !text.p || req->w->inside >= INSIDE_MAX ||
	    !target_of(req, &target))
		return false;
	must(!req->inside->call);
	buf_reset(&req->inside->text);
	req->inside->done = done;
	*iov = (struct iovec){(void *)(uintptr_t)text.p, text.n};
	req->inside->call = client_call(req->w->client, &target, iov, 1,
					&patience, &ops, req);
	if (!req->inside->call)
		return false;
	req->w->inside++;
	return true;
}

void
inside_end(struct request *req)
{
	if (!req->inside)
		return;
	if (req->inside->call) {
		call_cancel(req->inside->call);
		leave(req);
	}
	buf_free(&req->inside->text);
	req->inside = NULL;
}
