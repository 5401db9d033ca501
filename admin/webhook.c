/*
 * Low balances, told to a webhook. Accounts are looked at in turn, some at
 * each tick; the account's row remembers that it was told, so that neither a
 * reload nor a restart of this process tells it again. One event is under way
 * at a time, the others wait in their rows.
 *
 * The name of the host is resolved here and not by the master: no request of
 * a client depends on it.
 */
#include "admin/webhook.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "admin/process.h"
#include "admin/views.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "conf/conf.h"
#include "http/client.h"
#include "http/tls.h"
#include "shm/accounts.h"
#include "shm/counters.h"

/* Accounts of one tick: all of a million in some seconds. */
#define LOOK_AT	    4096u
#define RETRY_FIRST (1 * NS_PER_SEC)
#define RETRY_LAST  (300 * NS_PER_SEC)

struct webhook {
	const struct conf_webhook *conf;
	struct region *r;
	struct event_base *base;
	struct evdns_base *dns;
	struct http_client *client;
	struct tls_client *tls;
	struct evdns_getaddrinfo_request *lookup;
	struct call *call;
	uint32_t next;	  /* account to look at */
	uint32_t account; /* that is being told; SHM_NONE = nobody */
	uint64_t retry_at, pause_ns;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int status;
	struct buf head, body;
	struct iovec iov[2]; /* of the request; lives as long as its call */
};

/* ---- what is said ---- */

void
webhook_body(struct buf *out, const struct region *r, uint32_t account,
	     uint64_t wall_ms)
{
	const struct account_row *row = &r->accounts[account];
	const struct counter *c = &r->counters[counter_of_account(account)];
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	put_text(&o, "event", "balance.low");
	put_text(&o, "account", row->name);
	put_money(&o, "balance_usd", atomic_load(&c->balance));
	put_money(&o, "threshold_usd", atomic_load(&row->low_nano));
	put_time_ms(&o, "time", wall_ms);
	json_close(&o, '}');
}

void
webhook_signature(struct buf *out, struct str secret, uint64_t seconds,
		  struct str body)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	uint8_t mac[SHA256_BYTES];

	buf_printf(&text, "%llu.%.*s", (unsigned long long)seconds,
		   STR_ARG(body));
	if (text.failed) {
		out->failed = true;
		return;
	}
	hmac_sha256(secret.p, secret.n, text.p, text.n, mac);
	buf_printf(out, "t=%llu,v1=", (unsigned long long)seconds);
	for (size_t i = 0; i < sizeof(mac); i++)
		buf_printf(out, "%02x", mac[i]);
}

/* ---- one event ---- */

static void
over(struct webhook *w, bool told, const char *why)
{
	struct account_row *row = &w->r->accounts[w->account];

	w->call = NULL;
	if (told) {
		row->low_told = 1;
		w->account = SHM_NONE;
		w->pause_ns = RETRY_FIRST;
		return;
	}
	LOG_WARN("an event could not be delivered to the webhook",
		 F_CSTR("account", row->name), F_CSTR("why", why),
		 F_U64("again_s", w->pause_ns / NS_PER_SEC));
	w->account = SHM_NONE;
	w->retry_at = clock_mono_ns() + w->pause_ns;
	w->pause_ns = MIN_OF(w->pause_ns * 2, RETRY_LAST);
}

static void
on_head(struct call *c, const struct http_head *head)
{
	struct webhook *w = call_user(c);

	w->status = head->status;
}

static void
on_data(struct call *c, struct str piece)
{
	(void)c; /* what it says does not matter */
	(void)piece;
}

static void
on_end(struct call *c)
{
	struct webhook *w = call_user(c);
	bool fine = w->status >= 200 && w->status < 300;
	char why[32];

	(void)snprintf(why, sizeof(why), "status %d", w->status);
	over(w, fine, why);
}

static void
on_fail(struct call *c, enum call_fault f)
{
	over(call_user(c), false, call_fault_name(f));
}

static const struct call_ops ops = {on_head, on_data, on_end, on_fail};

static bool
write_request(struct webhook *w)
{
	const struct conf_url *u = &w->conf->url;
	uint64_t wall_ms = clock_wall_ns() / NS_PER_MS;
	bool v6 = str_find(u->host, ':') >= 0;

	buf_reset(&w->head);
	buf_reset(&w->body);
	webhook_body(&w->body, w->r, w->account, wall_ms);
	buf_printf(&w->head,
		   "POST %.*s HTTP/1.1\r\nhost: %s%.*s%s:%u\r\n"
		   "content-type: application/json\r\n"
		   "user-agent: tollgate/" TOLLGATE_VERSION "\r\n"
		   "content-length: %zu\r\nx-tollgate-signature: ",
		   STR_ARG(u->path.n ? u->path : STR("/")), v6 ? "[" : "",
		   STR_ARG(u->host), v6 ? "]" : "", u->port, w->body.n);
	webhook_signature(&w->head, secret_bytes(w->conf->secret),
			  wall_ms / 1000, buf_str(&w->body));
	buf_add_cstr(&w->head, "\r\n\r\n");
	return !w->head.failed && !w->body.failed;
}

static void
post(struct webhook *w)
{
	struct call_target t = {.addr = w->addr,
				.addr_len = w->addr_len,
				.host = w->conf->url.host,
				.tls = w->tls,
				.fd = -1};
	struct call_timeouts timeouts = {
		w->conf->timeout_ms, w->conf->timeout_ms, w->conf->timeout_ms};

	if (!write_request(w)) {
		over(w, false, "out of memory");
		return;
	}
	w->iov[0] = (struct iovec){w->head.p, w->head.n};
	w->iov[1] = (struct iovec){w->body.p, w->body.n};
	w->status = 0;
	w->call = client_call(w->client, &t, w->iov, 2, &timeouts, &ops, w);
	if (!w->call)
		over(w, false, "out of memory or descriptors");
}

static void
on_address(int result, struct evutil_addrinfo *found, void *user)
{
	struct webhook *w = user;

	w->lookup = NULL;
	if (result == EVUTIL_EAI_CANCEL)
		return;
	if (result != 0 || !found || found->ai_addrlen > sizeof(w->addr)) {
		over(w, false, "its name has no address");
	} else {
		memset(&w->addr, 0, sizeof(w->addr));
		memcpy(&w->addr, found->ai_addr, found->ai_addrlen);
		w->addr_len = found->ai_addrlen;
		post(w);
	}
	if (found)
		evutil_freeaddrinfo(found);
}

static void
tell(struct webhook *w, uint32_t account)
{
	const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
					      .ai_socktype = SOCK_STREAM,
					      .ai_protocol = IPPROTO_TCP};
	struct evdns_getaddrinfo_request *lookup;
	char port[8];

	w->account = account;
	(void)snprintf(port, sizeof(port), "%u", w->conf->url.port);
	lookup = evdns_getaddrinfo(w->dns, w->conf->url.host.p, port, &hints,
				   on_address, w);
	/* A number is answered within the call. */
	w->lookup = lookup;
}

/* ---- who is low ---- */

/* A balance that is back may fall, and be told, again. */
static bool
must_tell(struct account_row *row, const struct counter *c)
{
	uint32_t flags = atomic_load(&row->flags);
	bool low = (flags & ACCOUNT_LOW) &&
		   atomic_load(&c->balance) < atomic_load(&row->low_nano);

	if (!low && row->low_told)
		row->low_told = 0;
	return low && !row->low_told;
}

void
webhook_tick(struct webhook *w, uint64_t now_ns)
{
	uint32_t n = atomic_load(&w->r->head->n_accounts);

	if (w->account != SHM_NONE || now_ns < w->retry_at)
		return;
	for (uint32_t i = 0; i < MIN_OF(n, LOOK_AT); i++) {
		uint32_t account = w->next < n ? w->next : 0;

		w->next = account + 1;
		if (must_tell(&w->r->accounts[account],
			      &w->r->counters[counter_of_account(account)])) {
			tell(w, account);
			return;
		}
	}
}

/* ---- life ---- */

/* Numbers need nobody. */
static void
name_servers(struct webhook *w, const struct conf *c)
{
	for (unsigned i = 0; i < c->n_resolver; i++)
		(void)evdns_base_nameserver_ip_add(w->dns, c->resolver[i].p);
	/* Without the file it asks 127.0.0.1. */
	if (c->n_resolver == 0)
		(void)evdns_base_resolv_conf_parse(w->dns, DNS_OPTIONS_ALL,
						   "/etc/resolv.conf");
}

static bool
open_all(struct webhook *w, const struct admin *a)
{
	char why[TLS_WHY];

	w->dns = evdns_base_new(w->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	w->client = http_client_new(w->base, a->pool, a->wheel);
	if (!w->dns || !w->client)
		return false;
	name_servers(w, a->args->conf);
	if (!w->conf->url.tls)
		return true;
	w->tls = tls_client_new(NULL, why);
	if (!w->tls)
		LOG_ERROR("the webhook has no TLS", F_CSTR("why", why));
	return w->tls != NULL;
}

struct webhook *
webhook_new(const struct admin *a, bool *fine)
{
	const struct conf_webhook *conf = &a->args->conf->webhook;
	struct webhook *w;

	*fine = conf->url.text.n == 0;
	if (*fine)
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->conf = conf;
	w->r = a->args->region;
	w->base = a->base;
	w->account = SHM_NONE;
	w->pause_ns = RETRY_FIRST;
	*fine = open_all(w, a);
	if (*fine)
		return w;
	webhook_free(w);
	return NULL;
}

void
webhook_free(struct webhook *w)
{
	if (!w)
		return;
	if (w->lookup)
		evdns_getaddrinfo_cancel(w->lookup);
	if (w->client)
		http_client_destroy(w->client);
	if (w->dns)
		evdns_base_free(w->dns, 0);
	tls_client_free(w->tls);
	buf_free(&w->head);
	buf_free(&w->body);
	free(w);
}
