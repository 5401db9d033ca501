/*
 * Upstreams: addresses, breakers, probes. A probe is a connection (knock.h):
 * whether answers are good is judged by the requests themselves. Where the
 * operator wants it, it is a request (query.h).
 */
#include "master/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/adapter.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/raise.h"
#include "conf/conf.h"
#include "http/egress.h"
#include "http/tls.h"
#include "master/breaker.h"
#include "master/hosts.h"
#include "master/knock.h"
#include "master/master.h"
#include "master/models.h"
#include "master/query.h"
#include "master/resolve.h"
#include "shm/channels.h"

#define HOST_CHARS   256
#define RESOLV_CONF  "/etc/resolv.conf"
#define COUNT_NS     NS_PER_SEC
#define TTL_MIN_S    5u
#define TTL_MAX_S    300u
#define TTL_FAILED_S 2u
/* How long the start waits for name servers. */
#define PATIENCE_NS NS_PER_SEC

/* One bound row of the channel table. */
struct upstream {
	struct probes *probes;
	uint32_t row;
	char name[CHANNEL_NAME];
	char host[HOST_CHARS];	/* "" = embedded, needs no address */
	char proxy[HOST_CHARS]; /* resolved in place of `host`; "" = none */
	uint16_t port;		/* of `host` */
	uint16_t proxy_port;
	/* Its texts are `host` and the serving configuration's. */
	struct egress egress;
	struct sockaddr_storage source; /* AF_UNSPEC = any */
	bool secure;
	/* Of the serving configuration; NULL = not in it: no probes. */
	const struct conf_channel *conf;
	uint32_t timeout_ms;
	uint64_t way;	/* conf_way() */
	bool reachable; /* has addresses, or needs none */
	bool moving;	/* those it has are of another way */
	bool lost;	/* the last lookup found none */
	bool begins;	/* the first one has not ended */
	struct lookup *lookup;
	uint64_t resolve_ns; /* when next */
	struct breaker breaker;
	struct breaker_counts seen;
	uint64_t fault_until_ns; /* as the probe began */
	uint32_t pause_ms;	 /* between two that fail */
	uint32_t idle_ms;	 /* 0 = only what is down is probed */
	uint64_t idle_ns;	 /* nobody has asked it: probed then */
	bool idle;		 /* that is why it is probed now */
	/* The probe that runs, if one does: either. */
	struct knock *knock;
	struct query *query;
};

struct probes {
	struct event_base *base;
	struct region *region;
	struct resolver *resolver;
	struct queries *queries;
	struct tls_client *tls; /* made when needed, anew at each reload */
	uint64_t count_ns;	/* when the outcomes are looked at next */
	uint64_t ready_ns;	/* patience with name servers ends */
	struct models models;
	struct upstream *up[SHM_CHANNELS];
};

static struct channel_row *
row_of(const struct upstream *u)
{
	return &u->probes->region->channels[u->row];
}

static struct breaker_counts
counts_of(const struct upstream *u)
{
	const struct channel_row *row = row_of(u);

	return (struct breaker_counts){
		.ok = atomic_load(&row->ok),
		.faults = atomic_load(&row->faults),
		.refused = atomic_load(&row->refused),
		.late = atomic_load(&row->late),
	};
}

/* It is down until its first address is known, which is no news, nor is the
 * end of that. */
static bool
is_news(struct upstream *u, enum channel_state is)
{
	bool began = u->begins;

	u->begins = !u->reachable && !u->lost;
	return !u->begins && !(began && is == CHANNEL_UP);
}

static void
upstream_publish(struct upstream *u)
{
	struct channel_row *row = row_of(u);
	enum channel_state is = u->reachable ? u->breaker.state : CHANNEL_OPEN;
	enum channel_state was = atomic_load(&row->state);

	if (was == is)
		return;
	atomic_store(&row->since_ms, clock_wall_ns() / NS_PER_MS);
	atomic_store(&row->state, is);
	if (!is_news(u, is))
		return;
	LOG_INFO("channel", F_CSTR("channel", row->name),
		 F_CSTR("was", channel_state_name(was)),
		 F_CSTR("is", channel_state_name(is)),
		 F_CSTR("reason", u->reachable || row->reason[0]
					  ? row->reason
					  : "no address"));
}

static const char *
next_host(const struct upstream *u)
{
	return u->proxy[0] ? u->proxy : u->host;
}

/* Those that can be reached from the channel's source, with their port. */
static unsigned
fitting(const struct upstream *u, const struct channel_address *found,
	unsigned n, struct channel_address out[CHANNEL_ADDRESSES])
{
	unsigned m = 0;

	for (unsigned i = 0; i < n && m < CHANNEL_ADDRESSES; i++) {
		sa_family_t family;

		memcpy(&family, found[i].sockaddr, sizeof(family));
		if (u->egress.source && family != u->source.ss_family)
			continue;
		out[m] = found[i];
		hosts_set_port(&out[m++],
			       u->proxy[0] ? u->proxy_port : u->port);
	}
	return m;
}

/* The last good addresses stay. Said once, shown as long as it is so. */
static void
resolve_failed(struct upstream *u, const char *why)
{
	struct channel_row *row = row_of(u);
	char text[2 * CHANNEL_REASON];

	/* of another way they are of no use */
	u->reachable = u->reachable && !u->moving;
	(void)snprintf(text, sizeof(text), "no address of %.60s: %.60s%s",
		       next_host(u), why,
		       u->reachable ? "; the last ones are used" : "");
	text[CHANNEL_REASON - 1] = '\0';
	(void)str_copy(row->reason, CHANNEL_REASON, str_of(text));
	if (!u->lost)
		LOG_WARN("no address for the channel",
			 F_CSTR("channel", row->name),
			 F_CSTR("host", next_host(u)), F_CSTR("why", why),
			 F_CSTR("goes_on", u->reachable ? "yes" : "no"));
	u->lost = true;
	u->resolve_ns = clock_mono_ns() + TTL_FAILED_S * NS_PER_SEC;
	upstream_publish(u);
}

static void
resolve_well(struct upstream *u)
{
	struct channel_row *row = row_of(u);

	if (u->lost) {
		LOG_INFO("the channel's name is found again",
			 F_CSTR("channel", row->name),
			 F_CSTR("host", next_host(u)));
		(void)str_copy(row->reason, CHANNEL_REASON, STR(""));
	}
	u->lost = false;
	u->reachable = true;
	upstream_publish(u);
}

static void
resolved(void *user, const struct resolved *found)
{
	struct upstream *u = user;
	struct channel_address a[CHANNEL_ADDRESSES];
	uint64_t ttl = MIN_OF(MAX_OF(found->ttl_s, TTL_MIN_S), TTL_MAX_S);
	unsigned n = fitting(u, found->address, found->n, a);

	u->lookup = NULL;
	if (n == 0) {
		resolve_failed(u, found->n > 0 ? "none of the family of its "
						 "source_address"
					       : found->why);
		return;
	}
	u->resolve_ns = clock_mono_ns() + ttl * NS_PER_SEC;
	channel_set_addresses(u->probes->region, u->row, u->way, a, n);
	u->moving = false;
	resolve_well(u);
}

static void
upstream_resolve(struct upstream *u)
{
	if (u->host[0] == '\0' || u->lookup)
		return;
	u->lookup = resolver_ask(u->probes->resolver, str_of(next_host(u)),
				 resolved, u);
}

/* Requests that come now need not find it out again. */
static void
leave_alone(struct upstream *u, uint64_t now_ns)
{
	u->idle_ns = now_ns + u->pause_ms * NS_PER_MS;
	atomic_raise(&row_of(u)->fault_until_ns, u->idle_ns);
}

/* `why`: what is to be said about it, "" = nothing. */
static void
probe_judge(struct upstream *u, bool well, const char *why)
{
	struct channel_row *row = row_of(u);

	if (why[0] && !str_eq(str_of(row->reason), str_of(why)))
		LOG_WARN(well ? "a probe is refused" : "a probe failed",
			 F_CSTR("channel", row->name), F_CSTR("reason", why));
	(void)str_copy(row->reason, CHANNEL_REASON, str_of(why));
	breaker_probed(&u->breaker, well, clock_mono_ns());
	/* A fault that came meanwhile stays. */
	if (well)
		(void)atomic_compare_exchange_strong(&row->fault_until_ns,
						     &u->fault_until_ns, 0);
	else if (u->idle)
		leave_alone(u, clock_mono_ns());
	u->idle = false;
	upstream_publish(u);
}

static void
probe_done(void *user, bool well, const char *why)
{
	struct upstream *u = user;

	u->knock = NULL;
	u->query = NULL;
	probe_judge(u, well, why);
}

/* False, with the reason: it did not begin. */
static bool
probe_start(struct upstream *u, char why[CHANNEL_REASON])
{
	struct probes *p = u->probes;
	struct trial_plan plan = {.conf = u->conf,
				  .egress = &u->egress,
				  .host = str_of(u->host),
				  .row = u->row,
				  .timeout_ms = u->timeout_ms};
	struct channel_address a[CHANNEL_ADDRESSES];
	char tls_why[TLS_WHY] = "";
	uint64_t way;

	(void)str_copy(why, CHANNEL_REASON, STR("no address"));
	if (channel_addresses(p->region, u->row, a, &way) == 0 || way != u->way)
		return false;
	plan.to = a[0];
	if (u->secure && !p->tls)
		p->tls = tls_client_new(NULL, tls_why);
	plan.tls = u->secure ? p->tls : NULL;
	if (u->secure && !p->tls) {
		(void)snprintf(why, CHANNEL_REASON, "%.*s", CHANNEL_REASON - 1,
			       tls_why);
		return false;
	}
	if (u->conf->probe.by == PROBE_BY_REQUEST)
		u->query = query_begin(p->queries, &plan, probe_done, u, why);
	else
		u->knock = knock_begin(p->base, &plan, probe_done, u, why);
	return u->query || u->knock;
}

static void
probe_begin(struct upstream *u)
{
	char why[CHANNEL_REASON];

	if (!probe_start(u, why))
		probe_judge(u, false, why);
}

/* Given up without a verdict: another one is due. */
static void
probe_stop(struct upstream *u)
{
	if (!u->knock && !u->query)
		return;
	if (u->knock)
		knock_cancel(u->knock);
	if (u->query)
		query_cancel(u->query);
	u->knock = NULL;
	u->query = NULL;
	u->idle = false;
	breaker_again(&u->breaker, clock_mono_ns());
}

static bool
takes_requests(const struct upstream *u)
{
	return u->breaker.state == CHANNEL_UP ||
	       u->breaker.state == CHANNEL_DEGRADED;
}

static void
used(struct upstream *u, uint64_t now_ns)
{
	u->idle_ns = now_ns + u->idle_ms * NS_PER_MS;
}

static bool
is_idle(struct upstream *u, uint64_t now_ns)
{
	if (u->idle_ms == 0 || u->host[0] == '\0' || !takes_requests(u) ||
	    now_ns < u->idle_ns)
		return false;
	used(u, now_ns);
	u->idle = true;
	return true;
}

static void
upstream_probe(struct upstream *u, uint64_t now_ns)
{
	bool off;

	if (!u->conf || !u->reachable || u->moving || u->knock || u->query)
		return;
	off = u->conf->probe.by == PROBE_BY_OFF;
	u->fault_until_ns = atomic_load(&row_of(u)->fault_until_ns);
	if (!breaker_wants_probe(&u->breaker, now_ns) &&
	    (off ||
	     (!breaker_wants_check(&u->breaker, u->fault_until_ns, now_ns) &&
	      !is_idle(u, now_ns))))
		return;
	upstream_publish(u);
	/* Requests try it where nobody else does. */
	if (u->host[0] == '\0' || off)
		probe_judge(u, true, "");
	else
		probe_begin(u);
}

/* Says when a channel is kept because it is the last one, and when not. */
static void
upstream_keep(const struct upstream *u, const struct conf_model *only)
{
	bool was = atomic_exchange(&row_of(u)->kept, u->breaker.kept);

	if (was == u->breaker.kept)
		return;
	if (was)
		LOG_INFO("the channel is not kept any more",
			 F_CSTR("channel", row_of(u)->name));
	else
		LOG_WARN("a channel that fails is kept, a model has no other",
			 F_CSTR("channel", row_of(u)->name),
			 F_STR("model", only ? only->name : STR("")));
}

static void
upstream_count(struct upstream *u, uint64_t now_ns)
{
	struct models *m = &u->probes->models;
	bool took = takes_requests(u);
	const struct conf_model *only =
		u->conf ? models_only(m, u->conf, took) : NULL;
	struct breaker_counts now = counts_of(u);
	struct breaker_counts delta = {
		.ok = now.ok - u->seen.ok,
		.faults = now.faults - u->seen.faults,
		.refused = now.refused - u->seen.refused,
		.late = now.late - u->seen.late,
	};

	if (memcmp(&u->seen, &now, sizeof(now)) != 0)
		used(u, now_ns);
	u->seen = now;
	breaker_tick(&u->breaker, &delta, only != NULL, now_ns);
	if (u->conf && took && !takes_requests(u))
		models_lose(m, u->conf);
	upstream_keep(u, only);
	atomic_store(&row_of(u)->fault_ppm, breaker_fault_ppm(&u->breaker));
	upstream_publish(u);
}

/* The way out; true when it begins at another place now. */
static bool
upstream_way(struct upstream *u, const struct conf_channel *c)
{
	const struct sockaddr_storage *source = conf_source(c);
	bool moved = !str_eq(str_of(u->proxy), c->proxy.host) ||
		     u->proxy_port != c->proxy.port ||
		     u->source.ss_family != c->source.ss_family;

	(void)str_copy(u->proxy, sizeof(u->proxy), c->proxy.host);
	u->proxy_port = c->proxy.port;
	u->source = c->source;
	u->egress = (struct egress){.source = source ? &u->source : NULL};
	if (u->proxy[0]) {
		u->egress.host = str_of(u->host);
		u->egress.port = u->port;
		u->egress.credential = secret_bytes(c->proxy_auth);
	}
	return moved;
}

/* Takes the settings; true when the address is another one now. */
static bool
upstream_configure(struct upstream *u, const struct conf *conf,
		   const struct conf_channel *c)
{
	const struct adapter *a = adapter_find(c->provider);
	bool embedded = a && (a->flags & ADAPTER_EMBEDDED);
	struct str host = embedded ? STR("") : c->base_url.host;
	bool moved =
		!str_eq(str_of(u->host), host) || u->port != c->base_url.port;

	(void)str_copy(u->host, sizeof(u->host), host);
	u->port = c->base_url.port;
	u->way = conf_way(c);
	moved |= upstream_way(u, c);
	u->secure = c->base_url.tls;
	u->timeout_ms = conf->probe.timeout_ms;
	u->pause_ms = conf->probe.interval_ms;
	u->idle_ms = conf->probe.idle_ms;
	used(u, clock_mono_ns());
	breaker_set_pause(&u->breaker, conf->probe.interval_ms * NS_PER_MS);
	u->moving = u->moving || (moved && !embedded);
	u->reachable = u->reachable || embedded;
	return moved && !embedded;
}

static void
upstream_new(struct probes *p, uint32_t row, const struct conf *conf,
	     const struct conf_channel *c)
{
	struct upstream *u = calloc(1, sizeof(*u));
	uint64_t way;
	struct channel_address a[CHANNEL_ADDRESSES];

	if (!u)
		return; /* tried again when the generation serves */
	u->probes = p;
	u->row = row;
	p->up[row] = u;
	breaker_init(&u->breaker, atomic_load(&row_of(u)->state),
		     conf->probe.interval_ms * NS_PER_MS, clock_mono_ns());
	u->seen = counts_of(u);
	(void)str_copy(u->name, sizeof(u->name), c->name);
	(void)upstream_configure(u, conf, c);
	/* Adopted rows have the addresses of the last run. */
	if (channel_addresses(p->region, row, a, &way) > 0 && way == u->way)
		u->reachable = true;
	u->moving = u->moving && !u->reachable;
	upstream_publish(u);
	upstream_resolve(u);
}

static void
upstream_free(struct upstream *u)
{
	if (u->lookup)
		lookup_cancel(u->lookup);
	probe_stop(u);
	u->probes->up[u->row] = NULL;
	free(u);
}

struct probes *
probes_new(struct event_base *base, struct region *region)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->base = base;
	p->region = region;
	p->resolver = resolver_new(base, RESOLV_CONF);
	p->queries = queries_new(base, region);
	if (p->resolver && p->queries)
		return p;
	probes_free(p);
	return NULL;
}

void
probes_free(struct probes *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (p->up[i])
			upstream_free(p->up[i]);
	if (p->resolver)
		resolver_free(p->resolver);
	queries_free(p->queries);
	tls_client_free(p->tls);
	models_free(&p->models);
	free(p);
}

static void
upstreams_make(struct probes *p, const struct generation *g)
{
	p->ready_ns = clock_mono_ns() + PATIENCE_NS;
	resolver_use(p->resolver, g->conf->resolver, g->conf->n_resolver);
	for (uint32_t i = 0; i < g->conf->n_channels; i++) {
		const struct conf_channel *c = &g->conf->channels[i];
		uint32_t row = g->channel_rows[i];

		/* The row may have been another channel's a moment ago. */
		if (p->up[row] && !str_eq(str_of(p->up[row]->name), c->name))
			upstream_free(p->up[row]);
		if (!p->up[row])
			upstream_new(p, row, g->conf, c);
	}
}

bool
probes_ready(const struct probes *p, uint64_t now_ns)
{
	if (now_ns >= p->ready_ns)
		return true;
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (p->up[i] && p->up[i]->lookup &&
		    (!p->up[i]->reachable || p->up[i]->moving))
			return false;
	return true;
}

/* What the operator may have changed outside of our file: name servers, and
 * the certificates that are trusted. */
static void
probes_renew(struct probes *p)
{
	resolver_reload(p->resolver);
	tls_client_free(p->tls);
	p->tls = NULL;
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (p->up[i])
			p->up[i]->resolve_ns = 0;
}

void
probes_leave(struct probes *p)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (p->up[i]) {
			probe_stop(p->up[i]);
			p->up[i]->conf = NULL;
		}
	models_free(&p->models);
}

void
probes_take(struct probes *p, const struct generation *g)
{
	probes_leave(p);
	upstreams_make(p, g);
	probes_renew(p);
	for (uint32_t i = 0; i < g->conf->n_channels; i++) {
		struct upstream *u = p->up[g->channel_rows[i]];

		if (!u)
			continue;
		u->conf = &g->conf->channels[i];
		if (!upstream_configure(u, g->conf, &g->conf->channels[i]))
			continue;
		if (u->lookup)
			lookup_cancel(u->lookup);
		u->lookup = NULL;
		upstream_resolve(u);
	}
}

void
probes_tick(struct probes *p, const struct generation *serving, uint64_t now_ns)
{
	bool count = now_ns >= p->count_ns;

	queries_tick(p->queries, now_ns);
	if (count)
		p->count_ns = now_ns + COUNT_NS;
	if (count && serving && serving->conf && !p->models.of)
		models_look(&p->models, p->region, serving->conf,
			    serving->channel_rows);
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		struct upstream *u = p->up[i];

		if (!u)
			continue;
		if (row_of(u)->generations == 0) {
			upstream_free(u); /* its last generation has ended */
			continue;
		}
		if (count)
			upstream_count(u, now_ns);
		if (now_ns >= u->resolve_ns)
			upstream_resolve(u);
		upstream_probe(u, now_ns);
	}
	if (count && serving && serving->conf)
		models_look(&p->models, p->region, serving->conf,
			    serving->channel_rows);
}
