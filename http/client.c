/*
 * Owns calls, targets and the pools of idle upstream connections. Called by
 * whoever needs an upstream; tells the user how a call ends.
 */
#include "http/client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "http/egress.h"
#include "http/link.h"
#include "http/tls.h"

#define LOST_MS 30000
#define IDLE_MS 45000
/* The end of a released call: how long between two pieces, how many bytes,
 * and what a piece counts besides its own. */
#define WASTE_MS    1000
#define WASTE_MAX   16384
#define WASTE_PIECE 256
#define IDLE_MAX    1024 /* of one target */
#define TARGETS_MAX 1024 /* beyond it, unused ones go */

const char *
call_fault_name(enum call_fault f)
{
	switch (f) {
	case CALL_REFUSED: return "refused";
	case CALL_CONNECT_TIMEOUT: return "connect_timeout";
	case CALL_PROXY: return "proxy";
	case CALL_TLS: return "tls";
	case CALL_RESET: return "reset";
	case CALL_HEAD_TIMEOUT: return "head_timeout";
	case CALL_BAD_ANSWER: return "bad_answer";
	case CALL_CUT: return "cut";
	case CALL_IDLE_TIMEOUT: return "idle_timeout";
	case CALL_NO_MEMORY: return "no_memory";
	}
	return "unknown";
}

/* Targets. */

static struct target **
bucket_of(struct http_client *client, uint32_t pool_key)
{
	return &client->targets[pool_key % TARGET_BUCKETS];
}

static bool
same_target(const struct target *t, const struct call_target *as)
{
	return t->as.pool_key == as->pool_key && !t->stale &&
	       t->as.tls == as->tls && t->as.egress == as->egress &&
	       t->as.addr_len == as->addr_len &&
	       memcmp(&t->as.addr, &as->addr, as->addr_len) == 0 &&
	       str_eq(t->as.host, as->host);
}

static struct target *
target_of(struct http_client *client, const struct call_target *as)
{
	struct target **bucket = bucket_of(client, as->pool_key);
	struct target *t;
	char *host;

	must(as->addr_len <= sizeof(as->addr));
	for (t = *bucket; t; t = t->next)
		if (same_target(t, as))
			return t;
	t = calloc(1, sizeof(*t) + as->host.n);
	if (!t)
		return NULL;
	host = (char *)(t + 1);
	memcpy(host, as->host.p ? as->host.p : "", as->host.n);
	t->as = *as;
	t->as.host = str_make(host, as->host.n);
	t->next = *bucket;
	*bucket = t;
	client->n_targets++;
	return t;
}

/* A target that is in nobody's way stays: it will be asked for again. */
static void
target_unused(struct http_client *client, struct target *t)
{
	struct target **at = bucket_of(client, t->as.pool_key);

	if (t->n_links > 0 || (!t->stale && client->n_targets <= TARGETS_MAX))
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	client->n_targets--;
	tls_memory_free(&t->memory);
	free(t);
}

/* Links. */

static struct link *
new_link(struct http_client *client, struct target *t)
{
	struct link *l = client->spare_links;

	if (l)
		client->spare_links = l->next;
	else
		l = malloc(sizeof(*l));
	if (!l)
		return NULL;
	memset(l, 0, sizeof(*l));
	l->client = client;
	l->target = t;
	return l;
}

static void
enlist(struct link *l)
{
	struct http_client *client = l->client;

	l->next = client->links;
	l->prev = &client->links;
	if (l->next)
		l->next->prev = &l->next;
	client->links = l;
	l->target->n_links++;
}

void
link_leave_pool(struct link *l)
{
	*l->prev_idle = l->next_idle;
	if (l->next_idle)
		l->next_idle->prev_idle = l->prev_idle;
	l->target->n_idle--;
	l->client->n_idle--;
}

static void
enter_pool(struct link *l)
{
	struct target *t = l->target;

	l->phase = LINK_IDLE;
	l->next_idle = t->idle;
	l->prev_idle = &t->idle;
	if (l->next_idle)
		l->next_idle->prev_idle = &l->next_idle;
	t->idle = l;
	t->n_idle++;
	l->client->n_idle++;
	conn_deadline(&l->conn, conn_now(&l->conn) + IDLE_MS * NS_PER_MS);
}

void
link_drop(struct link *l)
{
	must(!l->call);
	if (l->conn.released)
		return;
	conn_close(&l->conn);
	tunnel_free(l->tunnel);
	l->tunnel = NULL;
	if (l->phase == LINK_IDLE)
		link_leave_pool(l);
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	l->target->n_links--;
	target_unused(l->client, l->target);
	conn_release(&l->conn);
}

/* A socket on its way to the target; -1 with errno. `fault` is set when
 * connect() failed at once. */
static int
start_connect(const struct call_target *as, bool *faulted)
{
	int fd = egress_socket(as->egress, as->addr.ss_family);

	if (fd < 0 && errno == EADDRNOTAVAIL) {
		/* No source address (any more): the next turn says so. */
		*faulted = true;
		fd = egress_socket(NULL, as->addr.ss_family);
		return fd;
	}
	if (fd < 0)
		return -1;
	if (as->addr.ss_family != AF_UNIX)
		conn_options(fd, LOST_MS);
	*faulted = connect(fd, (const struct sockaddr *)&as->addr,
			   as->addr_len) != 0 &&
		   errno != EINPROGRESS;
	return fd;
}

static void
attach(struct link *l, struct call *call)
{
	l->call = call;
	call->link = l;
	call->iov_at = 0;
	call->iov_used = 0;
	l->scan = (struct head_scan){0};
	l->chunked = (struct chunked){0};
	l->interim = 0;
	l->heard = l->sent = l->whole = false;
	l->looked = true; /* nothing was read yet */
}

static bool
open_conn(struct link *l, int fd)
{
	struct target *t = l->target;
	struct conn_loop *loop = &l->client->loop;

	if (!t->as.tls || egress_is_proxied(t->as.egress))
		return conn_open(&l->conn, loop, fd, &link_role, &conn_plain);
	if (!tls_connect(t->as.tls, &l->conn, t->as.host, &t->memory))
		return false;
	if (conn_open(&l->conn, loop, fd, &link_role, &conn_tls))
		return true;
	conn_tls.free(&l->conn);
	return false;
}

/* Out of descriptors: a connection that is idle gives up its own. */
static bool
drop_idle(struct http_client *client, struct target *keep)
{
	struct link *l = client->links;

	if (errno != EMFILE && errno != ENFILE)
		return false;
	while (l && l->phase != LINK_IDLE)
		l = l->next;
	if (!l)
		return false;
	keep->n_links++; /* it stays, whosever link goes */
	link_drop(l);
	keep->n_links--;
	return true;
}

static int
connect_or_make_room(struct link *l)
{
	struct target *t = l->target;
	int fd = start_connect(&t->as, &l->faulted);

	if (fd < 0 && drop_idle(l->client, t))
		fd = start_connect(&t->as, &l->faulted);
	return fd;
}

bool
link_open(struct http_client *client, struct target *t, struct call *call,
	  int fd)
{
	struct link *l = new_link(client, t);

	if (!l)
		return false;
	l->given = fd >= 0;
	if (!l->given)
		fd = connect_or_make_room(l);
	if (fd < 0 || !open_conn(l, fd)) {
		if (fd >= 0 && !l->given)
			(void)close(fd);
		link_role.rested(&l->conn);
		return false;
	}
	enlist(l);
	attach(l, call);
	call->reused = false;
	l->opened_ns = clock_mono_ns();
	l->phase = l->given && !t->as.tls ? LINK_HEAD : LINK_CONNECTING;
	l->fault = CALL_REFUSED;
	conn_deadline(&l->conn,
		      l->opened_ns + call->timeouts.connect_ms * NS_PER_MS);
	if (l->phase == LINK_HEAD) {
		l->conn.writable = true;
		link_send(l);
	}
	if (l->faulted)
		conn_later(&l->conn);
	return true;
}

/* Calls. */

static struct call *
new_call(struct http_client *client)
{
	struct call *call = client->spare_calls;

	if (call)
		client->spare_calls = call->next;
	else
		call = malloc(sizeof(*call));
	if (call)
		memset(call, 0, sizeof(*call));
	return call;
}

static void
free_call(struct http_client *client, struct call *call)
{
	call->link = NULL;
	call->next = client->spare_calls;
	client->spare_calls = call;
}

static struct call *
detach(struct link *l)
{
	struct call *call = l->call;

	l->call = NULL;
	call->link = NULL;
	return call;
}

void
link_finish(struct link *l, bool reusable)
{
	struct http_client *client = l->client;
	struct conn *c = &l->conn;
	struct call *call = detach(l);

	reusable = reusable && l->sent && c->n == 0 && !c->hung_up &&
		   !l->given && !l->target->stale &&
		   l->target->n_idle < IDLE_MAX;
	/* What is in the socket now belongs to no answer. */
	if (reusable && c->readable)
		reusable = conn_fill(c, CONN_SCRATCH) == CONN_AGAIN;
	if (reusable)
		enter_pool(l);
	else
		link_drop(l);
	call->ops->on_end(call);
	free_call(client, call);
}

void
link_fail(struct link *l, enum call_fault fault)
{
	struct http_client *client = l->client;
	struct target *t = l->target;
	bool again = l->reused && !l->heard && fault == CALL_RESET;
	struct call *call = detach(l);

	/* The new link first: it keeps the target. */
	if (again) {
		if (link_open(client, t, call, -1)) {
			link_drop(l);
			return;
		}
		fault = CALL_NO_MEMORY; /* the upstream has no part in it */
	}
	link_drop(l);
	call->ops->on_fail(call, fault);
	free_call(client, call);
}

struct call *
client_call(struct http_client *client, const struct call_target *target,
	    const struct iovec *iov, unsigned n,
	    const struct call_timeouts *timeouts, const struct call_ops *ops,
	    void *user)
{
	struct target *t = target_of(client, target);
	struct call *call = t ? new_call(client) : NULL;
	struct link *l;

	must(n > 0 && n <= CALL_PIECES);
	if (!call)
		return NULL;
	call->ops = ops;
	call->user = user;
	call->iov = iov;
	call->n_iov = n;
	call->timeouts = *timeouts;
	l = target->fd < 0 ? t->idle : NULL;
	if (!l) {
		if (link_open(client, t, call, target->fd))
			return call;
		free_call(client, call);
		return NULL;
	}
	link_leave_pool(l);
	attach(l, call);
	call->reused = l->reused = true;
	l->phase = LINK_HEAD;
	link_send(l);
	return call;
}

void *
call_user(struct call *c)
{
	return c->user;
}

void
call_pause(struct call *c)
{
	if (!c->link)
		return;
	c->paused = true;
	if (c->link->phase == LINK_BODY)
		conn_deadline(&c->link->conn, 0);
}

void
call_resume(struct call *c)
{
	if (!c->paused || !c->link)
		return;
	c->paused = false;
	c->link->looked = false; /* the silence was ours */
	conn_later(&c->link->conn);
}

void
call_cancel(struct call *c)
{
	struct link *l = c->link;

	if (!l)
		return; /* it has just ended */
	(void)detach(l);
	free_call(l->client, c);
	link_drop(l);
}

static void
waste_head(struct call *c, const struct http_head *head)
{
	(void)c;
	(void)head;
}

static void
waste_data(struct call *c, struct str piece)
{
	c->wasted += (uint32_t)MIN_OF(piece.n, (size_t)WASTE_MAX) + WASTE_PIECE;
	if (c->wasted > WASTE_MAX)
		call_cancel(c);
}

static void
waste_end(struct call *c)
{
	(void)c;
}

static void
waste_fail(struct call *c, enum call_fault f)
{
	(void)c;
	(void)f;
}

void
call_release(struct call *c)
{
	static const struct call_ops waste = {waste_head, waste_data, waste_end,
					      waste_fail};
	struct link *l = c->link;

	if (!l || l->phase != LINK_BODY || l->given) {
		call_cancel(c);
		return;
	}
	c->ops = &waste;
	c->user = NULL;
	c->timeouts.idle_ms = WASTE_MS;
	conn_deadline(&l->conn, clock_mono_ns() + WASTE_MS * NS_PER_MS);
	call_resume(c);
}

bool
call_reused(const struct call *c)
{
	return c->reused;
}

bool
call_sent(const struct call *c)
{
	return c->link && c->link->sent;
}

uint64_t
call_connect_ns(const struct call *c)
{
	return c->connect_ns;
}

/* Life of the client. */

struct http_client *
http_client_new(struct event_base *base, struct pool *pool, struct wheel *wheel)
{
	struct http_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	if (conn_loop_init(&client->loop, base, pool, wheel))
		return client;
	free(client);
	return NULL;
}

static void
destroy(struct conn_loop *loop)
{
	struct http_client *client = (struct http_client *)loop;

	conn_loop_free(loop);
	for (unsigned i = 0; i < TARGET_BUCKETS; i++) {
		while (client->targets[i]) {
			struct target *t = client->targets[i];

			client->targets[i] = t->next;
			tls_memory_free(&t->memory);
			free(t);
		}
	}
	while (client->spare_links) {
		struct link *l = client->spare_links;

		client->spare_links = l->next;
		free(l);
	}
	while (client->spare_calls) {
		struct call *call = client->spare_calls;

		client->spare_calls = call->next;
		free(call);
	}
	free(client);
}

void
http_client_destroy(struct http_client *client)
{
	if (!client || client->loop.doomed)
		return;
	client->loop.doomed = true; /* once */
	while (client->links) {
		struct link *l = client->links;

		if (l->call)
			free_call(client, detach(l));
		link_drop(l);
	}
	conn_loop_doom(&client->loop, destroy);
}

void
http_client_forget(struct http_client *client, uint32_t pool_key)
{
	struct target *next;

	for (struct target *t = *bucket_of(client, pool_key); t; t = next) {
		next = t->next;
		if (t->as.pool_key != pool_key)
			continue;
		t->stale = true;
		t->n_links++; /* it stays while its links are closed */
		while (t->idle)
			link_drop(t->idle);
		t->n_links--;
		target_unused(client, t);
	}
}

unsigned
http_client_idle(const struct http_client *client)
{
	return client->n_idle;
}
