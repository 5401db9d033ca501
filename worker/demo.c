/*
 * The responder of the embedded provider. Each lane fails, delays and limits
 * as its configuration says.
 */
#include "worker/demo.h"

#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/demo.h"
#include "base/clock.h"
#include "base/hash.h"
#include "worker/process.h"

struct demo_lane {
	uint64_t requests;
	uint64_t minute; /* and how many came in it */
	uint32_t in_minute;
};

struct demo_server {
	struct worker *w;
	struct http_server *server;
	int fd;
	struct sockaddr_un addr;
	socklen_t addr_len;
	struct demo_lane *lanes;
};

/* One answer in the making. */
struct demo_exchange {
	struct demo_server *d;
	struct exchange *x;
	const struct conf_channel *conf;
	struct demo_lane *lane;
	struct arena arena;
	struct ask ask;
	struct demo_reply reply;
	uint32_t next;
	uint64_t due_ns; /* when the next token is due */
	bool gone;
	bool busy; /* inside go() */
	struct wheel_timer timer;
};

static void
reply(struct demo_exchange *e, int status, struct buf *body)
{
	exchange_reply(e->x, status, STR("content-type: application/json\r\n"),
		       buf_str(body), 0);
}

/* 0 = an answer, else the status of a failure. */
static int
verdict(struct demo_exchange *e)
{
	uint64_t minute = e->d->w->now_ns / (60 * NS_PER_SEC);
	const struct conf_channel *c = e->conf;

	e->lane->requests++;
	if (minute != e->lane->minute) {
		e->lane->minute = minute;
		e->lane->in_minute = 0;
	}
	e->lane->in_minute++;
	if (c->limit > 0 && e->lane->in_minute >= c->limit)
		return 429;
	if (c->fail_every > 0 && (e->lane->requests - 1) % c->fail_every == 0)
		return 500;
	return 0;
}

static void
answer(struct demo_exchange *e)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;

	demo_answer(&e->reply, &body);
	if (body.failed)
		exchange_abort(e->x);
	else
		reply(e, 200, &body);
}

static void
release(struct demo_exchange *e)
{
	if (e->busy || !e->gone)
		return;
	arena_free(&e->arena);
	free(e);
}

static void due(struct wheel_timer *t);

/* What is due now, and a timer for the next token. Timers are coarse: what
 * is late is sent along, so that the rate is kept. */
static void
stream(struct demo_exchange *e)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	uint32_t rate = e->conf->tokens_per_second;
	uint64_t now = clock_mono_ns();
	bool more;
	struct iovec piece;

	if (e->next == 0) {
		e->due_ns = now;
		exchange_stream_begin(e->x, 200,
				      STR("content-type: "
					  "text/event-stream\r\n"));
	}
	do {
		more = demo_event(&e->reply, e->next++, &text);
		if (rate > 0 && e->next > 1)
			e->due_ns += NS_PER_SEC / rate;
	} while (more && e->due_ns <= now);
	piece = (struct iovec){text.p, text.n};
	if (text.n > 0)
		exchange_stream_send(e->x, &piece, 1, 0);
	if (e->gone)
		return;
	if (text.failed)
		exchange_abort(e->x);
	else if (!more)
		exchange_stream_end(e->x);
	else
		wheel_arm(e->d->w->wheel, &e->timer, e->due_ns, due);
}

static void
go(struct demo_exchange *e)
{
	e->busy = true;
	if (e->ask.stream)
		stream(e);
	else
		answer(e);
	e->busy = false;
	release(e);
}

static void
due(struct wheel_timer *t)
{
	void *e = (char *)t - offsetof(struct demo_exchange, timer);

	go(e);
}

static void
begin(struct demo_exchange *e)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	int status = verdict(e);

	if (status != 0) {
		demo_error(status, &body);
		reply(e, status, &body);
		return;
	}
	demo_plan(&e->ask, e->lane->requests, &e->reply);
	if (e->conf->first_token_delay_ms == 0)
		go(e);
	else
		wheel_arm(e->d->w->wheel, &e->timer,
			  clock_mono_ns() +
				  e->conf->first_token_delay_ms * NS_PER_MS,
			  due);
}

/* ---- the server's callbacks ---- */

static bool
find_lane(struct demo_exchange *e, const struct http_head *head)
{
	struct str host = http_get(head, "host");
	uint64_t i;

	if (!str_starts(host, STR(DEMO_HOST)) ||
	    !str_to_u64(str_from(host, strlen(DEMO_HOST)), &i) ||
	    i >= e->d->w->n_lanes)
		return false;
	e->conf = e->d->w->lanes[i].conf;
	e->lane = &e->d->lanes[i];
	return true;
}

static enum ask_kind
kind_of(struct str path)
{
	if (str_ends(path, STR("/embeddings")))
		return ASK_EMBEDDINGS;
	if (str_ends(path, STR("/chat/completions")))
		return ASK_CHAT;
	return ASK_COMPLETIONS;
}

static void
on_head(struct exchange *x, const struct http_head *head)
{
	struct demo_server *d = exchange_server_user(x);
	struct demo_exchange *e = calloc(1, sizeof(*e));
	uint32_t uid = 0;

	if (!e) {
		exchange_abort(x);
		return;
	}
	e->d = d;
	e->x = x;
	arena_init(&e->arena);
	exchange_set_user(x, e);
	e->ask.kind = kind_of(head->path);
	/* the socket's name is random; still, strangers get nothing */
	if (!exchange_peer_uid(x, &uid) || uid != geteuid() ||
	    !find_lane(e, head))
		exchange_abort(x);
	else
		exchange_read_body(x);
}

static void
on_body(struct exchange *x, struct str body)
{
	struct demo_exchange *e = exchange_user(x);
	const char *detail = NULL;

	e->ask.body = body;
	if (dialect_openai.parse(&e->arena, &e->ask, &detail) != E_OK)
		exchange_abort(x);
	else
		begin(e);
}

static void
on_progress(struct exchange *x)
{
	(void)x;
}

static void
on_end(struct exchange *x, enum err why)
{
	struct demo_exchange *e = exchange_user(x);

	(void)why;
	if (!e)
		return;
	e->gone = true;
	exchange_set_user(x, NULL);
	wheel_disarm(&e->timer);
	release(e);
}

static void
render_error(struct exchange *x, enum err err, const char *detail,
	     struct buf *fields, struct buf *body)
{
	(void)x;
	(void)err;
	(void)detail;
	buf_add_cstr(fields, "content-type: application/json\r\n");
	demo_error(400, body);
}

static const struct exchange_ops ops = {on_head, on_body, on_progress, on_end,
					render_error};

/* ---- set-up ---- */

static bool
bind_socket(struct demo_server *d)
{
	uint8_t name[16];

	random_bytes(name, sizeof(name));
	d->addr.sun_family = AF_UNIX;
	memcpy(d->addr.sun_path + 1, name, sizeof(name));
	d->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  sizeof(name));
	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return d->fd >= 0 &&
	       bind(d->fd, (struct sockaddr *)&d->addr, d->addr_len) == 0 &&
	       listen(d->fd, 1024) == 0;
}

struct demo_server *
demo_server_new(struct worker *w)
{
	struct demo_server *d = calloc(1, sizeof(*d));
	struct http_server_args args = {
		.base = w->base,
		.pool = w->pool,
		.wheel = w->wheel,
		.limits = {.header_size = 16384,
			   .header_fields = HTTP_FIELDS_MAX,
			   .header_timeout_ms = 10000,
			   .body_size = UINT32_MAX,
			   .idle_timeout_ms = 3600000,
			   .write_timeout_ms = 3600000,
			   .connections = UINT32_MAX},
		.ops = &ops,
		.user = d};

	if (!d)
		return NULL;
	d->w = w;
	d->fd = -1;
	d->lanes = calloc(w->n_lanes ? w->n_lanes : 1, sizeof(*d->lanes));
	if (d->lanes && bind_socket(d))
		d->server = http_server_new(&args);
	if (d->server && http_server_listen(d->server, d->fd, NULL) == E_OK)
		return d;
	demo_server_free(d);
	return NULL;
}

void
demo_server_free(struct demo_server *d)
{
	if (!d)
		return;
	if (d->server)
		http_server_destroy(d->server);
	if (d->fd >= 0)
		(void)close(d->fd);
	free(d->lanes);
	free(d);
}

bool
demo_address(struct demo_server *d, const struct lane *l, struct call_target *t)
{
	(void)l;
	if (!d)
		return false;
	memcpy(&t->addr, &d->addr, sizeof(d->addr));
	t->addr_len = d->addr_len;
	return true;
}
