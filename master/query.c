/*
 * Requests of probes, see query.h. What a refused credential means is noted
 * here as a worker would: the key is left alone, an access token renewed.
 */
#include "master/query.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "adapters/adapter.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/must.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "conf/conf.h"
#include "http/client.h"
#include "http/egress.h"
#include "shm/tokens.h"

#define POOL_BYTES (4u * 1024 * 1024)
/* How much of the path is shown. */
#define PATH_SHOWN 60

struct queries {
	struct event_base *base;
	struct region *region;
	/* made when needed */
	struct pool *pool;
	struct wheel *wheel;
	struct http_client *client;
};

struct query {
	struct queries *all;
	trial_done *done;
	void *user;
	struct event *late; /* all of it takes too long */
	struct call *call;
	struct buf text; /* the request; a credential is in it */
	struct iovec iov;
	char what[PATH_SHOWN + 16]; /* "GET /v1/models" */
	char channel[CHANNEL_NAME];
	uint32_t row;
	uint32_t status; /* that is wanted; 0 = any below 500 */
	uint32_t key;	 /* SHM_NONE: none of its own */
	uint32_t token_version;
};

struct queries *
queries_new(struct event_base *base, struct region *region)
{
	struct queries *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->base = base;
	q->region = region;
	return q;
}

void
queries_free(struct queries *q)
{
	if (!q)
		return;
	if (q->client)
		http_client_destroy(q->client);
	if (q->wheel)
		wheel_destroy(q->wheel);
	if (q->pool)
		pool_destroy(q->pool);
	free(q);
}

void
queries_tick(struct queries *q, uint64_t now_ns)
{
	if (q->wheel)
		wheel_turn(q->wheel, now_ns);
}

/* False: out of memory. */
static bool
open_client(struct queries *q)
{
	if (!q->pool)
		q->pool = pool_new(POOL_BYTES);
	if (!q->wheel)
		q->wheel = wheel_new(clock_mono_ns());
	if (!q->client && q->pool && q->wheel)
		q->client = http_client_new(q->base, q->pool, q->wheel);
	return q->client != NULL;
}

void
query_cancel(struct query *q)
{
	/* Nothing of this target is kept: it points to the plan's parts. */
	http_client_forget(q->all->client, q->row);
	if (q->call)
		call_cancel(q->call);
	if (q->late)
		event_free(q->late);
	bytes_wipe(q->text.p, q->text.n);
	buf_free(&q->text);
	free(q);
}

static void
finish(struct query *q, bool well, const char *words)
{
	trial_done *done = q->done;
	void *user = q->user;
	char why[CHANNEL_REASON] = "";

	if (words[0])
		(void)snprintf(why, sizeof(why), "%s: %s", q->what, words);
	query_cancel(q);
	done(user, well, why);
}

/* ---- the answer ---- */

static void
key_refused(const struct query *q)
{
	struct region *r = q->all->region;

	if (q->token_version != 0)
		token_refuse(r, q->row, q->token_version);
	else if (q->key != SHM_NONE &&
		 channel_key_refused(&r->channels[q->row], q->key,
				     clock_mono_ns()))
		LOG_WARN("a provider refuses a credential",
			 F_CSTR("channel", q->channel), F_U64("key", q->key),
			 F_U64("status", 401));
}

static void
on_head(struct call *c, const struct http_head *head)
{
	struct query *q = call_user(c);
	uint32_t status = (uint32_t)head->status;
	bool wanted = q->status ? status == q->status : status < 400;
	bool well = wanted || (q->status == 0 && status < 500);
	char words[64] = "";

	if (!wanted)
		(void)snprintf(words, sizeof(words), "status %u", status);
	/* Those are not of the channel. A key that may not ask this may be
	 * good for all else. */
	if (status == 401 || status == 403 || status == 429)
		well = true;
	if (status == 401 && !wanted)
		key_refused(q);
	finish(q, well, words);
}

static void
on_data(struct call *c, struct str piece)
{
	(void)c;
	(void)piece;
}

static void
on_end(struct call *c)
{
	(void)c;
}

static const char *
fault_words(enum call_fault f)
{
	switch (f) {
	case CALL_REFUSED: return "the connection is refused";
	case CALL_PROXY: return "the proxy makes no tunnel";
	case CALL_TLS: return "the TLS handshake failed";
	case CALL_CUT:
	case CALL_RESET: return "the connection was closed";
	case CALL_BAD_ANSWER: return "the answer is malformed";
	case CALL_NO_MEMORY: return "out of memory";
	case CALL_CONNECT_TIMEOUT:
	case CALL_HEAD_TIMEOUT:
	case CALL_IDLE_TIMEOUT: break;
	}
	return "no answer in time";
}

static void
on_fail(struct call *c, enum call_fault f)
{
	struct query *q = call_user(c);

	q->call = NULL;
	finish(q, false, fault_words(f));
}

static void
on_late(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	finish(user, false, fault_words(CALL_HEAD_TIMEOUT));
}

static const struct call_ops ops = {on_head, on_data, on_end, on_fail};

/* ---- the request ---- */

/* One that is not out, if there is any. */
static uint32_t
pick_key(const struct query *q, const struct conf_channel *c)
{
	const struct channel_row *row = &q->all->region->channels[q->row];
	uint64_t now = clock_mono_ns();

	if (c->n_keys == 0)
		return SHM_NONE;
	for (uint32_t i = 0; i < c->n_keys && i < CHANNEL_KEYS; i++)
		if (atomic_load(&row->key_until_ns[i]) <= now)
			return i;
	return 0;
}

static void
put_request(struct query *q, const struct conf_channel *c, struct target *t)
{
	struct check check = {c->probe.method == METHOD_HEAD ? STR("HEAD")
							     : STR("GET"),
			      c->probe.path};
	const struct adapter *a = adapter_find(c->provider);
	CLEANUP(arena_free) struct arena arena;
	struct str shown;
	struct pieces p;

	arena_init(&arena);
	must(a);
	if (adapter_probe(&arena, a, t, &check, &p) != E_OK) {
		q->text.failed = true;
		return;
	}
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&q->text, p.iov[i].iov_base, p.iov[i].iov_len);
	/* without the query: it may hold a secret */
	shown = str_from(buf_str(&q->text), check.method.n + 1);
	shown = str_cut(&shown, ' ');
	shown = str_cut(&shown, '?');
	(void)snprintf(q->what, sizeof(q->what), "%.*s %.*s",
		       STR_ARG(check.method), (int)MIN_OF(shown.n, PATH_SHOWN),
		       shown.p);
}

/* False: no token, or out of memory. */
static bool
write_request(struct query *q, const struct conf_channel *c)
{
	bool v6 = str_find(c->base_url.host, ':') >= 0;
	char token[TOKEN_MAX];
	char host[300];
	struct target t = {.path = c->base_url.path,
			   .organization = c->organization,
			   .project = c->project,
			   .api_version = c->api_version,
			   .auth = (enum auth)c->auth,
			   .signature_field = c->hmac_header,
			   .now_s = clock_wall_ns() / NS_PER_SEC};
	int n = snprintf(host, sizeof(host), "%s%.*s%s:%u", v6 ? "[" : "",
			 STR_ARG(c->base_url.host), v6 ? "]" : "",
			 c->base_url.port);

	t.host = str_make(host, (size_t)MIN_OF(n, (int)sizeof(host) - 1));
	q->key = pick_key(q, c);
	if (q->key != SHM_NONE)
		t.credential = secret_bytes(c->keys[q->key].key);
	if (secret_is_set(c->service_account)) {
		t.auth = AUTH_GOOGLE;
		t.credential =
			str_make(token, token_get(q->all->region, q->row, token,
						  &q->token_version));
		if (t.credential.n == 0)
			return false;
	}
	put_request(q, c, &t);
	bytes_wipe(token, sizeof(token));
	return !q->text.failed;
}

/* False: out of memory or descriptors. */
static bool
launch(struct query *q, const struct trial_plan *plan)
{
	struct call_timeouts timeouts = {plan->timeout_ms, plan->timeout_ms,
					 plan->timeout_ms};
	struct timeval tv = {(time_t)(plan->timeout_ms / 1000),
			     (suseconds_t)(plan->timeout_ms % 1000 * 1000)};
	struct call_target t = {.pool_key = plan->row,
				.host = plan->host,
				.tls = plan->tls,
				.egress = plan->egress,
				.addr_len = plan->to.len,
				.fd = -1};

	memcpy(&t.addr, plan->to.sockaddr,
	       MIN_OF(plan->to.len, sizeof(plan->to.sockaddr)));
	q->iov = (struct iovec){q->text.p, q->text.n};
	q->late = evtimer_new(q->all->base, on_late, q);
	if (!q->late || evtimer_add(q->late, &tv) != 0)
		return false;
	wheel_touch(q->all->wheel);
	q->call =
		client_call(q->all->client, &t, &q->iov, 1, &timeouts, &ops, q);
	return q->call != NULL;
}

struct query *
query_begin(struct queries *all, const struct trial_plan *plan,
	    trial_done *done, void *user, char why[CHANNEL_REASON])
{
	struct query *q = open_client(all) ? calloc(1, sizeof(*q)) : NULL;

	(void)str_copy(why, CHANNEL_REASON, STR("out of memory"));
	if (!q)
		return NULL;
	q->all = all;
	q->done = done;
	q->user = user;
	q->row = plan->row;
	q->status = plan->conf->probe.status;
	(void)str_copy(q->channel, sizeof(q->channel), plan->conf->name);
	if (!write_request(q, plan->conf)) {
		if (q->text.n == 0 && !q->text.failed)
			(void)str_copy(why, CHANNEL_REASON,
				       STR("no access token"));
	} else if (launch(q, plan)) {
		return q;
	}
	query_cancel(q);
	return NULL;
}
