/* Names to addresses, see resolve.h. */
#include "master/resolve.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/dns.h>

#include "base/must.h"
#include "master/hosts.h"

#define HOSTS_FILE  "/etc/hosts"
#define HOSTS_BYTES (64 * 1024)
#define HOSTS_TTL_S 30u
#define NAME_CHARS  256
#define SERVERS_MAX 8u
#define SERVER_TEXT 64u

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	const char *conf;
	char server[SERVERS_MAX][SERVER_TEXT];
	unsigned n_servers;
	struct lookup *lookups;
};

/* One name; IPv4 and IPv6 are asked for side by side. */
struct lookup {
	struct resolver *resolver;
	struct lookup *next;
	struct lookup **prev;
	resolve_fn *done; /* NULL: cancelled */
	void *user;
	unsigned waiting;
	uint32_t ttl_s;
	int fault; /* of the last answer that brought nothing */
	unsigned n4, n6;
	struct channel_address a4[CHANNEL_ADDRESSES];
	struct channel_address a6[CHANNEL_ADDRESSES];
};

struct resolver *
resolver_new(struct event_base *base, const char *conf)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r) {
		r->base = base;
		r->conf = conf;
	}
	return r;
}

void
resolver_use(struct resolver *r, const struct str *servers, unsigned n)
{
	r->n_servers = 0;
	for (unsigned i = 0; i < n && r->n_servers < SERVERS_MAX; i++)
		if (str_copy(r->server[r->n_servers], SERVER_TEXT, servers[i]))
			r->n_servers++;
}

static void
dns_configure(struct resolver *r)
{
	for (unsigned i = 0; i < r->n_servers; i++)
		(void)evdns_base_nameserver_ip_add(r->dns, r->server[i]);
	/* Without the file it asks 127.0.0.1. */
	if (r->n_servers == 0)
		(void)evdns_base_resolv_conf_parse(r->dns, DNS_OPTIONS_ALL,
						   r->conf);
	(void)evdns_base_set_option(r->dns, "timeout", "2");
	(void)evdns_base_set_option(r->dns, "attempts", "2");
}

void
resolver_reload(struct resolver *r)
{
	if (!r->dns)
		return;
	(void)evdns_base_clear_nameservers_and_suspend(r->dns);
	evdns_base_search_clear(r->dns);
	dns_configure(r);
	(void)evdns_base_resume(r->dns);
}

/* Only when a name needs a server: many set-ups have none. */
static bool
dns_open(struct resolver *r)
{
	if (r->dns)
		return true;
	r->dns = evdns_base_new(r->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!r->dns)
		return false;
	dns_configure(r);
	return true;
}

static void
lookup_free(struct lookup *l)
{
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	free(l);
}

void
resolver_free(struct resolver *r)
{
	if (!r)
		return;
	if (r->dns)
		evdns_base_free(r->dns, 0);
	for (struct lookup *l = r->lookups, *next; l; l = next) {
		next = l->next;
		free(l);
	}
	free(r);
}

static void
lookup_finish(struct lookup *l)
{
	struct resolved all = {.ttl_s = l->ttl_s,
			       .why = evdns_err_to_string(l->fault)};

	for (unsigned i = 0; i < l->n4 && all.n < CHANNEL_ADDRESSES; i++)
		all.address[all.n++] = l->a4[i];
	for (unsigned i = 0; i < l->n6 && all.n < CHANNEL_ADDRESSES; i++)
		all.address[all.n++] = l->a6[i];
	if (l->done)
		l->done(l->user, &all);
	lookup_free(l);
}

static void
dns_answer(int result, char type, int count, int ttl, void *addresses,
	   void *user)
{
	struct lookup *l = user;
	const uint8_t *bytes = addresses;

	/* that there is none of one family says less than a failure */
	if (result != DNS_ERR_NONE &&
	    (l->fault == DNS_ERR_NONE || l->fault == DNS_ERR_NODATA))
		l->fault = result;
	if (result == DNS_ERR_NONE && ttl >= 0)
		l->ttl_s = MIN_OF(l->ttl_s, (uint32_t)ttl);
	for (int i = 0; result == DNS_ERR_NONE && i < count; i++) {
		if (type == DNS_IPv4_A && l->n4 < CHANNEL_ADDRESSES)
			hosts_address(AF_INET, bytes + i * 4, &l->a4[l->n4++]);
		if (type == DNS_IPv6_AAAA && l->n6 < CHANNEL_ADDRESSES)
			hosts_address(AF_INET6, bytes + i * 16,
				      &l->a6[l->n6++]);
	}
	must(l->waiting > 0);
	if (--l->waiting == 0)
		lookup_finish(l);
}

static unsigned
find_at_once(struct str name, struct channel_address *out)
{
	char *text;
	ssize_t got;
	unsigned n;
	int fd;

	if (hosts_numeric(name, out))
		return 1;
	fd = open(HOSTS_FILE, O_RDONLY | O_CLOEXEC);
	text = malloc(HOSTS_BYTES);
	got = fd >= 0 && text ? read(fd, text, HOSTS_BYTES) : 0;
	n = got > 0 ? hosts_find(str_make(text, (size_t)got), name, out,
				 CHANNEL_ADDRESSES)
		    : 0;
	free(text);
	if (fd >= 0)
		(void)close(fd);
	return n;
}

static struct lookup *
lookup_start(struct resolver *r, const char *name, resolve_fn *done, void *user)
{
	struct lookup *l;

	if (!dns_open(r))
		return NULL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->resolver = r;
	l->done = done;
	l->user = user;
	l->ttl_s = UINT32_MAX;
	l->next = r->lookups;
	l->prev = &r->lookups;
	if (l->next)
		l->next->prev = &l->next;
	r->lookups = l;
	/* Answers come from the loop, never from within the asking. */
	l->waiting = 2;
	if (!evdns_base_resolve_ipv4(r->dns, name, 0, dns_answer, l))
		l->waiting--;
	if (!evdns_base_resolve_ipv6(r->dns, name, 0, dns_answer, l))
		l->waiting--;
	if (l->waiting > 0)
		return l;
	lookup_free(l);
	return NULL;
}

struct lookup *
resolver_ask(struct resolver *r, struct str name, resolve_fn *done, void *user)
{
	struct resolved found = {.ttl_s = HOSTS_TTL_S,
				 .why = "no name server can be asked"};
	char text[NAME_CHARS];
	struct lookup *l = NULL;

	found.n = find_at_once(name, found.address);
	if (found.n == 0 && str_copy(text, sizeof(text), name))
		l = lookup_start(r, text, done, user);
	if (!l)
		done(user, &found);
	return l;
}

void
lookup_cancel(struct lookup *l)
{
	l->done = NULL;
}
