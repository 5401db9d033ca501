/*
 * Access tokens: whose are due, and how they are fetched. A token is renewed
 * at four fifths of its life, at once when an upstream refuses it; what fails
 * is tried again, later and later.
 */
#include "master/grants.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "adapters/service_account.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "conf/conf.h"
#include "http/client.h"
#include "http/egress.h"
#include "http/tls.h"
#include "master/hosts.h"
#include "master/master.h"
#include "master/resolve.h"
#include "shm/channels.h"
#include "shm/tokens.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define POOL_BYTES  (4u * 1024 * 1024)
#define ANSWER_MAX  (64u * 1024)
#define TIMEOUT_MS  10000u
#define PAUSE_FIRST NS_PER_SEC
#define PAUSE_LAST  (60 * NS_PER_SEC)
/* A token that is refused before it is so old is renewed with pauses. */
#define YOUNG_NS (60 * NS_PER_SEC)

/* One channel that needs tokens. */
struct grant {
	struct grants *all;
	uint32_t row;
	const struct conf_channel *conf; /* of the generation that serves */
	uint64_t due_ns;
	uint64_t pause_ns;   /* after the next failure */
	uint64_t refusal_ns; /* the same after the next refusal; 0 = none yet */
	bool refusal_seen;
	uint64_t asked_ns;
	uint64_t asked_mono_ns;
	struct arena arena; /* of what is under way */
	struct conf_url url;
	struct egress egress; /* texts: of `url` and `conf` */
	struct lookup *lookup;
	struct call *call;
	struct buf head, body, answer;
	struct iovec iov[2];
	int status;
};

struct grants {
	struct event_base *base;
	struct region *region;
	/* made when needed */
	struct resolver *resolver;
	struct pool *pool;
	struct wheel *wheel;
	struct http_client *client;
	struct tls_client *tls; /* anew at each reload */
	struct grant *of[SHM_CHANNELS];
};

static bool
is_busy(const struct grant *g)
{
	return g->lookup || g->call;
}

/* A form with a signature in it, an answer with a token: away with them. */
static void
forget(struct grant *g)
{
	struct buf *bufs[] = {&g->head, &g->body, &g->answer};

	for (size_t i = 0; i < ARRAY_LEN(bufs); i++) {
		bytes_wipe(bufs[i]->p, bufs[i]->n);
		buf_free(bufs[i]);
	}
	arena_free(&g->arena);
	g->call = NULL;
	g->lookup = NULL;
}

static void
failed(struct grant *g, const char *why)
{
	forget(g);
	g->due_ns = clock_mono_ns() + g->pause_ns;
	LOG_WARN("no access token for the channel",
		 F_STR("channel", g->conf->name), F_CSTR("why", why),
		 F_U64("again_s", g->pause_ns / NS_PER_SEC));
	g->pause_ns = MIN_OF(2 * g->pause_ns, PAUSE_LAST);
}

/* ---- the answer ---- */

static void
store(struct grant *g, struct str token, uint64_t life_s)
{
	uint64_t since = g->asked_mono_ns;
	uint64_t part = life_s * NS_PER_SEC / 20;
	/* Its end with something to spare: an answer may take its time. */
	struct token_times times = {since, since + 16 * part,
				    since + 19 * part};

	token_set(g->all->region, g->row, token, &times);
	g->due_ns = times.renew_ns;
	g->pause_ns = PAUSE_FIRST;
	g->refusal_seen = false;
	LOG_INFO("access token", F_STR("channel", g->conf->name),
		 F_U64("good_for_s", life_s));
}

static void
on_head(struct call *c, const struct http_head *head)
{
	struct grant *g = call_user(c);

	g->status = head->status;
}

static void
on_data(struct call *c, struct str piece)
{
	struct grant *g = call_user(c);

	if (g->answer.n + piece.n <= ANSWER_MAX)
		buf_add_str(&g->answer, piece);
	else
		g->answer.failed = true;
}

static void
on_end(struct call *c)
{
	struct grant *g = call_user(c);
	struct buf token = BUF_INIT;
	uint64_t life_s = 0;
	char why[32];

	g->call = NULL;
	if (g->status == 200 && !g->answer.failed &&
	    service_account_answer(buf_str(&g->answer), &token, &life_s) &&
	    token.n <= TOKEN_MAX) {
		store(g, buf_str(&token), life_s);
		forget(g);
	} else {
		(void)snprintf(why, sizeof(why),
			       g->status == 200 ? "its answer is none"
						: "status %d",
			       g->status);
		failed(g, why);
	}
	bytes_wipe(token.p, token.n);
	buf_free(&token);
}

static void
on_fail(struct call *c, enum call_fault f)
{
	struct grant *g = call_user(c);

	g->call = NULL;
	failed(g, call_fault_name(f));
}

static const struct call_ops ops = {on_head, on_data, on_end, on_fail};

/* ---- the request ---- */

static bool
is_loopback(struct str host)
{
	return str_eq(host, STR("localhost")) || str_eq(host, STR("::1")) ||
	       str_starts(host, STR("127."));
}

/* Reads the account and where it asks; false with a reason. */
static bool
read_account(const struct conf_channel *c, struct arena *a,
	     struct service_account *s, struct conf_url *url,
	     struct buf *reason)
{
	const char *why = "";

	if (!service_account_read(secret_bytes(c->service_account), s, &why)) {
		buf_add_cstr(reason, why);
		return false;
	}
	if (!conf_url_parse(buf_str(&s->token_uri), url, a, reason)) {
		service_account_wipe(s);
		return false;
	}
	if (url->tls || is_loopback(url->host))
		return true;
	buf_add_cstr(reason, "has a token_uri without https://");
	service_account_wipe(s);
	return false;
}

bool
grants_check(const struct conf_channel *c, struct buf *reason)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	CLEANUP(arena_free) struct arena arena;
	struct service_account s;
	struct conf_url url;
	bool fine;

	arena_init(&arena);
	if (!read_account(c, &arena, &s, &url, reason))
		return false;
	fine = service_account_ask(&s, 0, &body);
	if (!fine)
		buf_add_cstr(reason, "has a private_key that is no RSA key");
	service_account_wipe(&s);
	return fine;
}

static bool
write_request(struct grant *g, const struct service_account *s)
{
	bool v6 = str_find(g->url.host, ':') >= 0;

	if (!service_account_ask(s, g->asked_ns / NS_PER_SEC, &g->body))
		return false;
	buf_printf(&g->head,
		   "POST %.*s HTTP/1.1\r\nhost: %s%.*s%s:%u\r\n"
		   "content-type: application/x-www-form-urlencoded\r\n"
		   "accept: application/json\r\n"
		   "user-agent: tollgate/" TOLLGATE_VERSION "\r\n"
		   "content-length: %zu\r\n\r\n",
		   STR_ARG(g->url.path.n ? g->url.path : STR("/")),
		   v6 ? "[" : "", STR_ARG(g->url.host), v6 ? "]" : "",
		   g->url.port, g->body.n);
	return !g->head.failed;
}

static void
resolved(void *user, const struct resolved *found)
{
	static const struct call_timeouts timeouts = {TIMEOUT_MS, TIMEOUT_MS,
						      TIMEOUT_MS};
	struct grant *g = user;
	struct call_target t = {.pool_key = g->row,
				.host = g->url.host,
				.tls = g->url.tls ? g->all->tls : NULL,
				.egress = &g->egress,
				.fd = -1};
	struct channel_address a;

	g->lookup = NULL;
	if (found->n == 0) {
		failed(g, "token_uri has no address");
		return;
	}
	a = found->address[0];
	hosts_set_port(&a, g->conf->proxy.text.n > 0 ? g->conf->proxy.port
						     : g->url.port);
	memcpy(&t.addr, a.sockaddr, MIN_OF(a.len, sizeof(a.sockaddr)));
	t.addr_len = a.len;
	g->iov[0] = (struct iovec){g->head.p, g->head.n};
	g->iov[1] = (struct iovec){g->body.p, g->body.n};
	g->status = 0;
	wheel_touch(g->all->wheel);
	g->call =
		client_call(g->all->client, &t, g->iov, 2, &timeouts, &ops, g);
	if (!g->call)
		failed(g, "out of memory or descriptors");
}

/* What fetching needs; false: out of memory. */
static bool
open_client(struct grants *all)
{
	if (!all->pool)
		all->pool = pool_new(POOL_BYTES);
	if (!all->wheel)
		all->wheel = wheel_new(clock_mono_ns());
	if (!all->client && all->pool && all->wheel)
		all->client = http_client_new(all->base, all->pool, all->wheel);
	return all->client && all->resolver;
}

/* The channel's. The client may know it still: nothing stays in its pools. */
static void
way_out(struct grant *g)
{
	const struct conf_channel *c = g->conf;

	http_client_forget(g->all->client, g->row);
	g->egress = (struct egress){.source = conf_source(c)};
	if (c->proxy.text.n == 0)
		return;
	g->egress.host = g->url.host;
	g->egress.port = g->url.port;
	g->egress.credential = secret_bytes(c->proxy_auth);
}

static void
begin(struct grant *g)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	struct service_account s;
	char why[TLS_WHY] = "out of memory";
	struct lookup *lookup;
	bool fine;

	g->asked_ns = clock_wall_ns();
	g->asked_mono_ns = clock_mono_ns();
	if (!read_account(g->conf, &g->arena, &s, &g->url, &reason)) {
		buf_add_char(&reason, '\0');
		failed(g, reason.failed ? "out of memory" : reason.p);
		return;
	}
	if (g->url.tls && !g->all->tls)
		g->all->tls = tls_client_new(NULL, why);
	fine = open_client(g->all) && (!g->url.tls || g->all->tls) &&
	       write_request(g, &s);
	service_account_wipe(&s);
	if (!fine) {
		failed(g, why);
		return;
	}
	way_out(g);
	lookup =
		resolver_ask(g->all->resolver,
			     egress_is_proxied(&g->egress) ? g->conf->proxy.host
							   : g->url.host,
			     resolved, g);
	/* Numbers and names of the hosts file are answered within the call. */
	if (lookup)
		g->lookup = lookup;
}

/* ---- who needs one ---- */

static void
account_owner(const struct conf_channel *c, uint8_t owner[TOKEN_OWNER])
{
	struct service_account s;
	const char *why;

	memset(owner, 0, TOKEN_OWNER);
	if (!service_account_read(secret_bytes(c->service_account), &s, &why))
		return;
	/* Another key of the same account gets the same tokens. */
	buf_add_char(&s.email, '\n');
	buf_add_str(&s.email, buf_str(&s.token_uri));
	sha256(s.email.p, s.email.n, owner);
	service_account_wipe(&s);
}

void
grants_prepare(struct grants *g, const struct generation *gen)
{
	for (uint32_t i = 0; i < gen->conf->n_channels; i++) {
		struct channel_row *row =
			&g->region->channels[gen->channel_rows[i]];
		uint64_t none = TOKEN_NOT_NEEDED;

		if (secret_is_set(gen->conf->channels[i].service_account))
			(void)atomic_compare_exchange_strong(
				&row->token_until_ns, &none, TOKEN_MISSING);
	}
}

static void
grant_stop(struct grant *g)
{
	if (g->lookup)
		lookup_cancel(g->lookup);
	if (g->call)
		call_cancel(g->call);
	forget(g);
}

/* The row needs tokens by this configuration from now on. */
static void
grant_take(struct grants *all, uint32_t row, const struct conf_channel *c)
{
	struct region *r = all->region;
	struct grant *g = all->of[row];
	uint8_t owner[TOKEN_OWNER];

	if (!g)
		g = all->of[row] = calloc(1, sizeof(*g));
	account_owner(c, owner);
	if (!g || token_need(r, row, owner) != E_OK) {
		LOG_ERROR("no room for the token of a channel",
			  F_STR("channel", c->name));
		free(g);
		all->of[row] = NULL;
		return;
	}
	g->all = all;
	g->row = row;
	g->conf = c;
	g->pause_ns = PAUSE_FIRST;
	g->due_ns =
		atomic_load(&r->channels[row].token_until_ns) > TOKEN_MISSING
			? atomic_load(&r->tokens[row].renew_ns)
			: 0;
}

/* Nothing is under way any more; certificates and name servers are read
 * anew. */
static void
start_over(struct grants *g, const struct conf *conf)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (g->of[i])
			grant_stop(g->of[i]);
	if (g->client)
		http_client_destroy(g->client);
	g->client = NULL;
	tls_client_free(g->tls);
	g->tls = NULL;
	if (!g->resolver)
		g->resolver = resolver_new(g->base, RESOLV_CONF);
	if (!g->resolver)
		return;
	resolver_use(g->resolver, conf->resolver, conf->n_resolver);
	resolver_reload(g->resolver);
}

void
grants_serve(struct grants *g, const struct generation *gen)
{
	bool needed[SHM_CHANNELS] = {false};

	start_over(g, gen->conf);
	for (uint32_t i = 0; i < gen->conf->n_channels; i++) {
		const struct conf_channel *c = &gen->conf->channels[i];
		uint32_t row = gen->channel_rows[i];

		needed[row] = secret_is_set(c->service_account);
		if (needed[row])
			grant_take(g, row, c);
		else
			token_no_need(g->region, row);
	}
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (!needed[i]) {
			free(g->of[i]);
			g->of[i] = NULL;
		}
	grants_tick(g, clock_mono_ns());
}

/* The first time at once; one that is refused again and again is not the
 * fault of its age. */
static void
look_for_refusal(struct grant *g, uint64_t now_ns)
{
	const struct token_row *t = &g->all->region->tokens[g->row];

	if (g->refusal_seen || g->due_ns == 0 ||
	    !token_refused(g->all->region, g->row))
		return;
	g->refusal_seen = true;
	if (now_ns - atomic_load(&t->since_ns) >= YOUNG_NS)
		g->refusal_ns = 0;
	g->due_ns = MIN_OF(g->due_ns, now_ns + g->refusal_ns);
	g->refusal_ns =
		MIN_OF(MAX_OF(2 * g->refusal_ns, PAUSE_FIRST), PAUSE_LAST);
}

void
grants_tick(struct grants *g, uint64_t now_ns)
{
	if (g->wheel)
		wheel_turn(g->wheel, now_ns);
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		struct grant *one = g->of[i];

		if (!one || is_busy(one))
			continue;
		look_for_refusal(one, now_ns);
		if (now_ns >= one->due_ns)
			begin(one);
	}
}

/* ---- life ---- */

struct grants *
grants_new(struct event_base *base, struct region *region)
{
	struct grants *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->base = base;
	g->region = region;
	return g;
}

void
grants_free(struct grants *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		if (g->of[i])
			grant_stop(g->of[i]);
		free(g->of[i]);
	}
	if (g->client)
		http_client_destroy(g->client);
	resolver_free(g->resolver);
	tls_client_free(g->tls);
	if (g->wheel)
		wheel_destroy(g->wheel);
	if (g->pool)
		pool_destroy(g->pool);
	free(g);
}
