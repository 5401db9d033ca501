/*
 * Upstreams: addresses, breakers, probes. A probe is a TCP connect, a tunnel
 * where there is a proxy, and, for https, a TLS handshake with all its
 * verification: whether answers are good is judged by the requests
 * themselves. It goes the way that requests go.
 */
#include "master/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "adapters/adapter.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "http/egress.h"
#include "http/tls.h"
#include "master/breaker.h"
#include "master/hosts.h"
#include "master/master.h"
#include "master/models.h"
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
	uint32_t timeout_ms;
	bool reachable; /* has addresses, or needs none */
	struct lookup *lookup;
	uint64_t resolve_ns; /* when next */
	struct breaker breaker;
	struct breaker_counts seen;
	uint64_t fault_until_ns; /* as the probe began */
	struct event *probe;	 /* runs while set */
	int probe_fd;
	uint64_t probe_due_ns;
	struct tunnel *tunnel;	     /* once it is connected to a proxy */
	struct tls_probe *handshake; /* once it is connected */
};

struct probes {
	struct event_base *base;
	struct region *region;
	struct resolver *resolver;
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
	};
}

static void
upstream_publish(const struct upstream *u)
{
	struct channel_row *row = row_of(u);
	enum channel_state is = u->reachable ? u->breaker.state : CHANNEL_OPEN;
	enum channel_state was = atomic_load(&row->state);

	if (was == is)
		return;
	atomic_store(&row->since_ms, clock_wall_ns() / NS_PER_MS);
	atomic_store(&row->state, is);
	LOG_INFO("channel", F_CSTR("channel", row->name),
		 F_CSTR("was", channel_state_name(was)),
		 F_CSTR("is", channel_state_name(is)),
		 F_CSTR("reason", u->reachable ? row->reason : "no address"));
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

static void
resolved(void *user, const struct channel_address *found, unsigned n,
	 uint32_t ttl_s)
{
	struct upstream *u = user;
	struct channel_address a[CHANNEL_ADDRESSES];
	uint64_t ttl = MIN_OF(MAX_OF(ttl_s, TTL_MIN_S), TTL_MAX_S);

	u->lookup = NULL;
	n = fitting(u, found, n, a);
	if (n == 0) {
		/* The last good addresses stay. */
		LOG_WARN("no address for the channel",
			 F_CSTR("channel", row_of(u)->name),
			 F_CSTR("host", next_host(u)));
		u->resolve_ns = clock_mono_ns() + TTL_FAILED_S * NS_PER_SEC;
		upstream_publish(u);
		return;
	}
	u->resolve_ns = clock_mono_ns() + ttl * NS_PER_SEC;
	channel_set_addresses(u->probes->region, u->row, a, n);
	u->reachable = true;
	upstream_publish(u);
}

static void
upstream_resolve(struct upstream *u)
{
	if (u->host[0] == '\0' || u->lookup)
		return;
	u->lookup = resolver_ask(u->probes->resolver, str_of(next_host(u)),
				 resolved, u);
}

static void
probe_close(struct upstream *u)
{
	event_free(u->probe);
	u->probe = NULL;
	tls_probe_free(u->handshake);
	u->handshake = NULL;
	tunnel_free(u->tunnel);
	u->tunnel = NULL;
	(void)close(u->probe_fd);
}

/* `why`: "" = it went well. */
static void
probe_judge(struct upstream *u, const char *why)
{
	struct channel_row *row = row_of(u);
	bool well = why[0] == '\0';

	if (!well && !str_eq(str_of(row->reason), str_of(why)))
		LOG_WARN("a probe failed", F_CSTR("channel", row->name),
			 F_CSTR("reason", why));
	(void)str_copy(row->reason, CHANNEL_REASON, str_of(why));
	breaker_probed(&u->breaker, well, clock_mono_ns());
	/* A fault that came meanwhile stays. */
	if (well)
		(void)atomic_compare_exchange_strong(&row->fault_until_ns,
						     &u->fault_until_ns, 0);
	upstream_publish(u);
}

static void
probe_end(struct upstream *u, const char *why)
{
	probe_close(u);
	probe_judge(u, why);
}

static void probe_event(evutil_socket_t fd, short what, void *user);

/* Until the socket is ready; the whole probe has one deadline. */
static bool
probe_wait(struct upstream *u, short what)
{
	uint64_t now = clock_mono_ns();
	uint64_t left = u->probe_due_ns > now ? u->probe_due_ns - now : 0;
	struct timeval tv = {(time_t)(left / NS_PER_SEC),
			     (suseconds_t)(left % NS_PER_SEC / 1000)};

	if (u->probe)
		event_free(u->probe);
	u->probe =
		event_new(u->probes->base, u->probe_fd, what, probe_event, u);
	return u->probe && event_add(u->probe, &tv) == 0;
}

/* "" or why it cannot begin. */
static const char *
handshake_begin(struct upstream *u, char why[TLS_WHY])
{
	struct probes *p = u->probes;

	if (!p->tls)
		p->tls = tls_client_new(NULL, why);
	if (!p->tls)
		return why;
	u->handshake = tls_probe_new(p->tls, u->probe_fd, str_of(u->host));
	return u->handshake ? "" : "out of memory";
}

static void
handshake_step(struct upstream *u)
{
	char why[TLS_WHY] = "";

	switch (tls_probe_step(u->handshake, why)) {
	case TLS_PROBE_READS:
		if (!probe_wait(u, EV_READ))
			probe_end(u, "out of memory");
		return;
	case TLS_PROBE_WRITES:
		if (!probe_wait(u, EV_WRITE))
			probe_end(u, "out of memory");
		return;
	case TLS_PROBE_WELL:
	case TLS_PROBE_FAILED: probe_end(u, why); return;
	}
}

/* From here on it is the upstream that answers. */
static void
probe_inside(struct upstream *u)
{
	char why[TLS_WHY] = "";
	const char *fault = u->secure ? handshake_begin(u, why) : "";

	if (!u->secure || fault[0])
		probe_end(u, fault);
	else
		handshake_step(u);
}

static void
tunnel_talk(struct upstream *u)
{
	char why[TUNNEL_WHY] = "";

	switch (tunnel_step(u->tunnel, u->probe_fd, why)) {
	case TUNNEL_READS:
		if (!probe_wait(u, EV_READ))
			probe_end(u, "out of memory");
		return;
	case TUNNEL_WRITES:
		if (!probe_wait(u, EV_WRITE))
			probe_end(u, "out of memory");
		return;
	case TUNNEL_FAILED: probe_end(u, why); return;
	case TUNNEL_OPEN: break;
	}
	tunnel_free(u->tunnel);
	u->tunnel = NULL;
	probe_inside(u);
}

static void
probe_connected(struct upstream *u)
{
	if (!egress_is_proxied(&u->egress)) {
		probe_inside(u);
		return;
	}
	u->tunnel = tunnel_new(&u->egress);
	if (u->tunnel)
		tunnel_talk(u);
	else
		probe_end(u, "out of memory");
}

/* What took too long. */
static const char *
probe_late(const struct upstream *u)
{
	if (u->handshake)
		return "the TLS handshake takes too long";
	if (u->tunnel)
		return "the proxy takes too long to answer";
	return u->proxy[0] ? "the connect to the proxy takes too long"
			   : "the connect takes too long";
}

static void
probe_refused(struct upstream *u, int error)
{
	char why[CHANNEL_REASON];

	(void)snprintf(why, sizeof(why), "%s%s",
		       u->proxy[0] ? "the proxy: " : "", strerror(error));
	probe_end(u, why);
}

static void
probe_event(evutil_socket_t fd, short what, void *user)
{
	struct upstream *u = user;
	int error = 0;
	socklen_t len = sizeof(error);

	if (what & EV_TIMEOUT) {
		probe_end(u, probe_late(u));
		return;
	}
	if (u->tunnel) {
		tunnel_talk(u);
		return;
	}
	if (u->handshake) {
		handshake_step(u);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error)
		probe_refused(u, error);
	else
		probe_connected(u);
}

/* "" or why it failed at once. */
static const char *
probe_connect(struct upstream *u)
{
	struct channel_address a[CHANNEL_ADDRESSES];
	struct sockaddr_storage sa;
	const void *any = &sa;
	uint32_t version;

	if (channel_addresses(u->probes->region, u->row, a, &version) == 0)
		return "no address";
	memset(&sa, 0, sizeof(sa));
	memcpy(&sa, a[0].sockaddr, MIN_OF(a[0].len, sizeof(a[0].sockaddr)));
	u->probe_fd = egress_socket(&u->egress, sa.ss_family);
	if (u->probe_fd < 0)
		return errno == EADDRNOTAVAIL
			       ? "this machine has no such source_address"
			       : "cannot make a socket";
	u->probe_due_ns = clock_mono_ns() + u->timeout_ms * NS_PER_MS;
	if ((connect(u->probe_fd, any, a[0].len) == 0 ||
	     errno == EINPROGRESS) &&
	    probe_wait(u, EV_WRITE))
		return "";
	if (u->probe)
		event_free(u->probe);
	u->probe = NULL;
	(void)close(u->probe_fd);
	return "cannot connect";
}

static void
probe_begin(struct upstream *u)
{
	const char *why = probe_connect(u);

	if (why[0])
		probe_judge(u, why);
}

static void
upstream_probe(struct upstream *u, uint64_t now_ns)
{
	if (!u->reachable || u->probe)
		return;
	u->fault_until_ns = atomic_load(&row_of(u)->fault_until_ns);
	if (!breaker_wants_probe(&u->breaker, now_ns) &&
	    !breaker_wants_check(&u->breaker, u->fault_until_ns, now_ns))
		return;
	upstream_publish(u);
	if (u->host[0] == '\0')
		probe_judge(u, "");
	else
		probe_begin(u);
}

static void
upstream_count(struct upstream *u, uint64_t now_ns)
{
	struct breaker_counts now = counts_of(u);
	struct breaker_counts delta = {
		.ok = now.ok - u->seen.ok,
		.faults = now.faults - u->seen.faults,
		.refused = now.refused - u->seen.refused,
	};

	u->seen = now;
	breaker_tick(&u->breaker, &delta, now_ns);
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
	moved |= upstream_way(u, c);
	u->secure = c->base_url.tls;
	u->timeout_ms = conf->probe.timeout_ms;
	breaker_set_pause(&u->breaker, conf->probe.interval_ms * NS_PER_MS);
	if (embedded || moved)
		u->reachable = embedded;
	return moved && !embedded;
}

static void
upstream_new(struct probes *p, uint32_t row, const struct conf *conf,
	     const struct conf_channel *c)
{
	struct upstream *u = calloc(1, sizeof(*u));
	uint32_t version;
	struct channel_address a[CHANNEL_ADDRESSES];

	if (!u)
		return; /* tried again when the generation serves */
	u->probes = p;
	u->row = row;
	u->probe_fd = -1;
	p->up[row] = u;
	breaker_init(&u->breaker, atomic_load(&row_of(u)->state),
		     conf->probe.interval_ms * NS_PER_MS, clock_mono_ns());
	u->seen = counts_of(u);
	(void)str_copy(u->name, sizeof(u->name), c->name);
	(void)upstream_configure(u, conf, c);
	/* Adopted rows have the addresses of the last run. */
	if (channel_addresses(p->region, row, a, &version) > 0)
		u->reachable = true;
	upstream_publish(u);
	upstream_resolve(u);
}

static void
upstream_free(struct upstream *u)
{
	if (u->lookup)
		lookup_cancel(u->lookup);
	if (u->probe)
		probe_close(u);
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
	if (p->resolver)
		return p;
	free(p);
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
	resolver_free(p->resolver);
	tls_client_free(p->tls);
	models_free(&p->models);
	free(p);
}

void
probes_prepare(struct probes *p, const struct generation *g)
{
	p->ready_ns = clock_mono_ns() + PATIENCE_NS;
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
		if (p->up[i] && p->up[i]->lookup && !p->up[i]->reachable)
			return false;
	return true;
}

/* What the operator may have changed outside of our file: name servers, and
 * the certificates that are trusted. */
static void
probes_renew(struct probes *p)
{
	resolver_reload(p->resolver);
	/* Handshakes under way keep the old ones. */
	tls_client_free(p->tls);
	p->tls = NULL;
	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		if (p->up[i])
			p->up[i]->resolve_ns = 0;
}

void
probes_serve(struct probes *p, const struct generation *g)
{
	probes_prepare(p, g);
	probes_renew(p);
	for (uint32_t i = 0; i < g->conf->n_channels; i++) {
		struct upstream *u = p->up[g->channel_rows[i]];

		if (!u ||
		    !upstream_configure(u, g->conf, &g->conf->channels[i]))
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

	if (count)
		p->count_ns = now_ns + COUNT_NS;
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
