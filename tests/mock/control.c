/* The control surface of the mock; see README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/mock/conn.h"

void
worker_wake_all(const struct worker *w)
{
	const uint64_t one = 1;
	int i;

	for (i = 0; i < w->options->workers; i++)
		if (write(w->wake[i], &one, sizeof(one)) < 0)
			perror("mock-upstream: eventfd");
}

bool
control_serves(const struct request *r)
{
	return r->target.n > 2 && memcmp(r->target.p, "/_", 2) == 0;
}

static bool
path_is(struct span target, const char *path)
{
	const char *query = memchr(target.p, '?', target.n);

	if (query)
		target.n = (size_t)(query - target.p);
	return span_is(target, path);
}

/* A parameter of the query, cut at the room. */
static void
parameter(struct span target, const char *name, char *to, size_t room)
{
	size_t len = strlen(name);
	const char *end = target.p + target.n;
	const char *p = memchr(target.p, '?', target.n);
	size_t n = 0;

	to[0] = '\0';
	while (p && p + len + 1 < end) {
		p++;
		if (memcmp(p, name, len) == 0 && p[len] == '=') {
			p += len + 1;
			while (p < end && *p != '&' && n + 1 < room)
				to[n++] = *p++;
			to[n] = '\0';
			return;
		}
		p = memchr(p, '&', (size_t)(end - p));
	}
}

static void
tally(struct conn *c, const struct request *r, struct buf *body)
{
	char last[24];
	char tag[32];

	parameter(r->target, "last", last, sizeof(last));
	parameter(r->target, "tag", tag, sizeof(tag));
	tally_print(c->worker->shared, body,
		    *last ? strtoull(last, NULL, 10) : 20, tag);
}

/* Without "count": everything goes and the script holds no more. */
static void
release(struct conn *c, const struct request *r)
{
	struct shared *sh = c->worker->shared;
	struct span count = {NULL, 0};
	int64_t n;

	if (r->text.n && json_valid(r->text))
		count = json_member(r->text, "count");
	n = json_int(count, -1);
	if (n >= 0) {
		atomic_fetch_add(&sh->permits, n);
	} else {
		script_unhold(sh);
		atomic_fetch_add(&sh->release_epoch, 1);
	}
	worker_wake_all(c->worker);
}

static void
reset(struct conn *c)
{
	struct shared *sh = c->worker->shared;

	atomic_store(&sh->permits, 0);
	tally_reset(sh);
	atomic_fetch_add(&sh->release_epoch, 1);
	worker_wake_all(c->worker);
}

static void
last(struct conn *c, struct buf *body)
{
	struct shared *sh = c->worker->shared;

	(void)pthread_mutex_lock(&sh->lock);
	buf_add(body, sh->last, sh->last_len);
	(void)pthread_mutex_unlock(&sh->lock);
}

void
control_answer(struct conn *c, const struct request *r, struct buf *head,
	       struct buf *body)
{
	const char *status = "200 OK";
	char why[64];

	if (path_is(r->target, "/_tally")) {
		tally(c, r, body);
	} else if (path_is(r->target, "/_last")) {
		last(c, body);
	} else if (path_is(r->target, "/_reset")) {
		reset(c);
		buf_str(body, "{\"ok\":true}\n");
	} else if (path_is(r->target, "/_release")) {
		release(c, r);
		buf_str(body, "{\"ok\":true}\n");
	} else if (path_is(r->target, "/_script")) {
		if (script_set(c->worker->shared, r->text, why, sizeof(why))) {
			buf_str(body, "{\"ok\":true}\n");
		} else {
			status = "400 Bad Request";
			buf_json(body, why);
		}
	} else {
		status = "404 Not Found";
		buf_str(body, "\"mock: no such control\"\n");
	}
	buf_fmt(head,
		"HTTP/1.1 %s\r\ncontent-type: application/json\r\n"
		"content-length: %zu\r\n\r\n",
		status, buf_len(body));
}
