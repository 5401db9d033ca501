/*
 * The server as shared memory has it: processes, channels, prices. Every
 * figure is read once, without a lock: a page is a snapshot of each row, not
 * of all.
 */
#include "admin/views.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "shm/accounts.h"
#include "shm/caps.h"
#include "shm/channels.h"
#include "shm/queue.h"
#include "shm/slots.h"
#include "shm/tokens.h"
#include "shm/workers.h"

static const char *
ledger_state_name(uint32_t state)
{
	switch (state) {
	case LEDGER_RECOVERING: return "recovering";
	case LEDGER_OK: return "ok";
	case LEDGER_READONLY: return "readonly";
	case LEDGER_FAILED: return "failed";
	default: return "unknown";
	}
}

static const char *
worker_state_name(uint32_t state)
{
	switch (state) {
	case WORKER_STARTING: return "starting";
	case WORKER_READY: return "ready";
	case WORKER_DRAINING: return "draining";
	case WORKER_DEAD: return "dead";
	default: return "unused";
	}
}

static uint32_t
workers_ready(const struct region *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->head->n_workers; i++)
		n += atomic_load(&r->workers[i].state) == WORKER_READY;
	return n;
}

/* Holds that are open now: requests that run, or wait for their commit. */
static uint64_t
holds_open(const struct region *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->head->n_slots; i++)
		n += word_state(atomic_load_explicit(&r->slots[i].word,
						     memory_order_relaxed)) !=
		     SLOT_FREE;
	return n;
}

static uint32_t
row_of_channel(const struct admin_args *a, uint32_t channel)
{
	return a->channel_rows && channel < a->n_channels
		       ? a->channel_rows[channel]
		       : SHM_NONE;
}

/* What counts is what the operator said; else what the master found. */
static uint32_t
channel_shown(const struct channel_row *row)
{
	uint32_t said = atomic_load(&row->operator_state);

	return said ? said : atomic_load(&row->state);
}

static bool
any_channel_up(const struct admin_args *a)
{
	uint64_t now = clock_mono_ns();

	for (uint32_t i = 0; i < a->n_channels; i++)
		if (row_of_channel(a, i) < SHM_CHANNELS &&
		    channel_usable(a->region, row_of_channel(a, i), now))
			return true;
	return false;
}

const char *
view_unready(const struct admin_args *a)
{
	const struct shm_head *h = a->region->head;

	if (atomic_load(&h->draining))
		return "the server is stopping";
	if (atomic_load(&h->ledger_state) != LEDGER_OK)
		return "the ledger takes no entries";
	if (workers_ready(a->region) == 0)
		return "no worker is ready";
	if (!any_channel_up(a))
		return "no channel is up";
	return NULL;
}

static void
put_ledger(struct json_out *o, const struct shm_head *h)
{
	uint64_t commit = atomic_load(&h->commit_duration_ns);

	json_name(o, "ledger");
	json_open(o, '{');
	put_text(o, "state", ledger_state_name(atomic_load(&h->ledger_state)));
	put_u64(o, "committed_seq", atomic_load(&h->committed_seq));
	put_u64(o, "last_commit_us", commit / 1000);
	put_time_ms(o, "audited", atomic_load(&h->audit_time_ns) / NS_PER_MS);
	put_u64(o, "frozen_by_audit", atomic_load(&h->audit_frozen));
	put_u64(o, "map_used_bytes", atomic_load(&h->map_used_bytes));
	put_u64(o, "map_size_bytes", atomic_load(&h->map_size_bytes));
	put_u64(o, "writer_pid", atomic_load(&h->writer_pid));
	json_close(o, '}');
}

static void
put_channel_states(struct json_out *o, const struct admin_args *a)
{
	uint64_t n[CHANNEL_OFF + 1] = {0};

	for (uint32_t i = 0; i < a->n_channels; i++) {
		uint32_t row = row_of_channel(a, i), state;

		if (row >= SHM_CHANNELS)
			continue;
		state = channel_shown(&a->region->channels[row]);
		n[MIN_OF(state, (uint32_t)CHANNEL_OFF)]++;
	}
	json_name(o, "channels");
	json_open(o, '{');
	for (enum channel_state s = CHANNEL_UP; s <= CHANNEL_OFF; s++)
		if (n[s] > 0)
			put_u64(o, channel_state_name(s), n[s]);
	json_close(o, '}');
}

/* The last program that was to take over. */
static void
put_upgrade(struct json_out *o, const struct shm_head *h)
{
	uint64_t when = atomic_load(&h->upgrade_ms);

	if (when == 0)
		return;
	json_name(o, "last_upgrade");
	json_open(o, '{');
	put_time_ms(o, "time", when);
	put_text(o, "result",
		 atomic_load(&h->upgraded) ? "upgraded" : "refused");
	put_text(o, "reason", h->upgrade_why);
	json_close(o, '}');
}

void
view_status(struct json_out *o, const struct admin_args *a)
{
	const struct shm_head *h = a->region->head;
	uint64_t started = atomic_load(&h->started_wall_ns);
	uint64_t now = clock_wall_ns();
	const char *why = view_unready(a);

	json_open(o, '{');
	put_text(o, "version", TOLLGATE_VERSION);
	put_u64(o, "pid", atomic_load(&h->master_pid));
	put_bool(o, "ready", !why);
	put_text(o, "reason", why ? why : "");
	put_u64(o, "generation", atomic_load(&h->generation));
	put_time_ms(o, "started", started / NS_PER_MS);
	put_u64(o, "uptime_seconds",
		now > started ? (now - started) / NS_PER_SEC : 0);
	put_str(o, "config", a->conf->path);
	put_u64(o, "workers_ready", workers_ready(a->region));
	put_u64(o, "accounts", account_rows(a->region));
	put_u64(o, "keys", key_rows(a->region));
	put_u64(o, "holds", holds_open(a->region));
	put_u64(o, "holds_max", h->n_slots);
	put_channel_states(o, a);
	put_ledger(o, h);
	put_upgrade(o, h);
	json_close(o, '}');
}

/* ---- processes ---- */

static void
put_worker(struct json_out *o, const struct worker_row *w)
{
	uint64_t now = clock_mono_ns(), beat = atomic_load(&w->heartbeat_ns);

	json_open(o, '{');
	put_u64(o, "worker", atomic_load(&w->number));
	put_u64(o, "pid", atomic_load(&w->pid));
	put_text(o, "state", worker_state_name(atomic_load(&w->state)));
	put_u64(o, "generation", atomic_load(&w->generation));
	put_time_ms(o, "started", atomic_load(&w->started_ms));
	put_u64(o, "heartbeat_ms", now > beat ? (now - beat) / NS_PER_MS : 0);
	put_u64(o, "connections", atomic_load(&w->connections));
	put_u64(o, "requests", atomic_load(&w->requests));
	put_u64(o, "streams", atomic_load(&w->streams));
	json_close(o, '}');
}

void
view_workers(struct json_out *o, const struct admin_args *a)
{
	const struct region *r = a->region;

	json_open(o, '{');
	json_name(o, "workers");
	json_open(o, '[');
	for (uint32_t i = 0; i < r->head->n_workers; i++) {
		uint32_t state = atomic_load(&r->workers[i].state);

		if (state != WORKER_UNUSED && state != WORKER_DEAD)
			put_worker(o, &r->workers[i]);
	}
	json_close(o, ']');
	json_close(o, '}');
}

void
view_conns(struct json_out *o, const struct admin_args *a)
{
	const struct region *r = a->region;

	json_open(o, '{');
	json_name(o, "conns");
	json_open(o, '[');
	for (uint32_t i = 0; i < r->head->n_workers; i++) {
		const struct worker_row *w = &r->workers[i];
		uint32_t state = atomic_load(&w->state);

		if (state == WORKER_UNUSED || state == WORKER_DEAD)
			continue;
		json_open(o, '{');
		put_u64(o, "pid", atomic_load(&w->pid));
		put_text(o, "state", worker_state_name(state));
		put_u64(o, "connections", atomic_load(&w->connections));
		put_u64(o, "requests", atomic_load(&w->requests));
		put_u64(o, "streams", atomic_load(&w->streams));
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

/* ---- channels ---- */

static void
put_address(struct json_out *o, const struct channel_address *a)
{
	char host[INET6_ADDRSTRLEN] = "";
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct sockaddr_in a4;
	struct sockaddr_in6 a6;

	if (a->len == sizeof(a4)) {
		memcpy(&a4, a->sockaddr, sizeof(a4));
		(void)inet_ntop(AF_INET, &a4.sin_addr, host, sizeof(host));
		buf_printf(&text, "%s:%u", host, ntohs(a4.sin_port));
	} else if (a->len == sizeof(a6)) {
		memcpy(&a6, a->sockaddr, sizeof(a6));
		(void)inet_ntop(AF_INET6, &a6.sin6_addr, host, sizeof(host));
		buf_printf(&text, "[%s]:%u", host, ntohs(a6.sin6_port));
	}
	json_put_str(o, buf_str(&text));
}

/* What it may cost today, and what of it is left. */
static void
put_cap(struct json_out *o, const struct region *r, struct cap_of of)
{
	const struct cap_row *cap = cap_find(r, &of);
	int64_t limit = cap ? atomic_load(&cap->limit_nano) : 0;

	if (limit <= 0 || cap_counter(cap) == SHM_NONE)
		return;
	put_money(o, "daily_budget", limit);
	put_money(o, "daily_left", cap_left(r, cap));
}

static const char *
ratio_text(uint32_t ppm, char out[MONEY_TEXT])
{
	out[ppm_text(ppm, out)] = '\0';
	return out;
}

/* Why it gets no requests, or what its last probe said. */
static void
put_reason(struct json_out *o, const struct region *r, uint32_t row,
	   uint64_t now_ns)
{
	const struct channel_row *c = &r->channels[row];
	uint64_t until_ns = atomic_load(&c->fault_until_ns);
	char text[CHANNEL_REASON];

	(void)str_copy(text, sizeof(text), str_of(c->reason));
	if (!token_usable(r, row, now_ns))
		(void)str_copy(text, sizeof(text), STR("no token"));
	else if (atomic_load(&c->kept))
		(void)str_copy(
			text, sizeof(text),
			STR("it fails, but a model has no other channel"));
	else if (text[0] == '\0' && until_ns > now_ns)
		(void)snprintf(
			text, sizeof(text), "left alone for %llu ms after %s",
			(unsigned long long)(until_ns - now_ns) / NS_PER_MS,
			err_vocab_name(c->last_fault));
	put_text(o, "reason", text);
}

static void
put_channel_live(struct json_out *o, const struct admin_args *a, uint32_t row)
{
	const struct channel_row *c = &a->region->channels[row];
	const struct queue *q = queue_of(a->region, row);
	struct channel_address addr[CHANNEL_ADDRESSES];
	uint64_t way;
	uint32_t n = channel_addresses(a->region, row, addr, &way);
	uint64_t now = clock_mono_ns();
	uint64_t fault = atomic_load(&c->fault_until_ns);
	uint64_t affine = atomic_load(&c->affine);
	uint64_t hits = atomic_load(&c->affine_hits);
	char ratio[MONEY_TEXT];

	put_text(o, "state", channel_state_name(channel_shown(c)));
	put_text(o, "health", channel_state_name(atomic_load(&c->state)));
	put_bool(o, "usable", channel_usable(a->region, row, now));
	put_time_ms(o, "since", atomic_load(&c->since_ms));
	put_u64(o, "cooldown_ms", fault > now ? (fault - now) / NS_PER_MS : 0);
	put_i64(o, "in_flight", atomic_load(&c->in_flight));
	put_u64(o, "waiting", q ? queue_length(q) : 0);
	put_u64(o, "first_byte_us", channel_pace_us(c, PACE_STREAM, now));
	put_u64(o, "whole_answer_us", channel_pace_us(c, PACE_WHOLE, now));
	put_u64(o, "first_byte_p95_us", channel_p95_us(c, PACE_STREAM, now));
	put_u64(o, "whole_answer_p95_us", channel_p95_us(c, PACE_WHOLE, now));
	put_u64(o, "affinity", affine);
	put_u64(o, "affinity_hits", hits);
	put_u64(o, "affinity_hit_percent", affine ? hits * 100 / affine : 0);
	put_u64(o, "cached_ppm", atomic_load(&c->cached_ppm));
	put_u64(o, "ok", atomic_load(&c->ok));
	put_u64(o, "faults", atomic_load(&c->faults));
	put_u64(o, "refused", atomic_load(&c->refused));
	put_u64(o, "limited", atomic_load(&c->limited));
	put_text(o, "error_ratio",
		 ratio_text(atomic_load(&c->fault_ppm), ratio));
	put_time_ms(o, "last_fault", atomic_load(&c->last_fault_ms));
	if (atomic_load(&c->last_fault_ms))
		put_text(o, "last_fault_type", err_vocab_name(c->last_fault));
	put_bool(o, "kept", atomic_load(&c->kept) != 0);
	put_reason(o, a->region, row, now);
	put_cap(o, a->region,
		(struct cap_of){CAP_CHANNEL, str_of(c->name), STR_NONE});
	json_name(o, "addresses");
	json_open(o, '[');
	for (uint32_t i = 0; i < n; i++)
		put_address(o, &addr[i]);
	json_close(o, ']');
}

/* What one look at a channel's credentials counts. */
struct key_counts {
	uint64_t now_ns;
	unsigned out, spent;
};

static void
put_credential(struct json_out *o, struct secret s, uint64_t until_ns,
	       struct key_counts *n)
{
	put_str(o, "secret", secret_reference(s));
	put_bool(o, "usable", until_ns <= n->now_ns);
	n->out += until_ns > n->now_ns;
}

static void
put_channel_key(struct json_out *o, const struct region *r,
		const struct conf_channel *c, uint32_t i, uint64_t until_ns,
		struct key_counts *n)
{
	const struct conf_credential *k = &c->keys[i];
	const struct cap_of of = {CAP_CREDENTIAL, c->name, k->label};
	const struct cap_row *cap = cap_find(r, &of);
	bool spent = k->daily_budget.nano > 0 && cap && cap_left(r, cap) <= 0;

	json_open(o, '{');
	put_str(o, "name", k->label);
	put_credential(o, secret_is_set(k->key) ? k->key : k->access_key_id,
		       until_ns, n);
	put_cap(o, r, of);
	json_close(o, '}');
	n->spent += spent;
}

static void
put_channel_keys(struct json_out *o, const struct region *r,
		 const struct conf_channel *c, const struct channel_row *row)
{
	uint32_t n = MIN_OF(c->n_keys, (uint32_t)CHANNEL_KEYS);
	uint64_t until = atomic_load(&row->key_until_ns[0]);
	struct key_counts counts = {.now_ns = clock_mono_ns()};

	json_name(o, "keys");
	json_open(o, '[');
	for (uint32_t i = 0; i < n; i++)
		put_channel_key(o, r, c, i, atomic_load(&row->key_until_ns[i]),
				&counts);
	if (secret_is_set(c->service_account)) {
		json_open(o, '{');
		put_credential(o, c->service_account, until, &counts);
		json_close(o, '}');
	}
	json_close(o, ']');
	put_u64(o, "keys_out", counts.out);
	put_u64(o, "keys_spent", counts.spent);
}

/* For how long its access token is good. */
static void
put_channel_token(struct json_out *o, const struct region *r, uint32_t row)
{
	uint64_t until = atomic_load(&r->channels[row].token_until_ns);
	uint64_t now = clock_mono_ns();

	if (until != TOKEN_NOT_NEEDED)
		put_u64(o, "token_s",
			token_usable(r, row, now) ? (until - now) / NS_PER_SEC
						  : 0);
}

static void
put_channel(struct json_out *o, const struct admin_args *a, uint32_t i)
{
	const struct conf_channel *c = &a->conf->channels[i];
	uint32_t row = row_of_channel(a, i);

	json_open(o, '{');
	put_str(o, "name", c->name);
	put_str(o, "provider", c->provider);
	put_str(o, "base_url", c->base_url.text);
	put_u64(o, "priority", c->priority);
	put_u64(o, "weight", c->weight);
	put_u64(o, "max_concurrency", c->max_concurrency);
	put_u64(o, "queue", c->queue);
	if (row < SHM_CHANNELS) {
		put_channel_live(o, a, row);
		put_channel_keys(o, a->region, c, &a->region->channels[row]);
		put_channel_token(o, a->region, row);
	}
	json_name(o, "models");
	json_open(o, '[');
	for (uint32_t k = 0; k < c->n_models; k++)
		json_put_str(o, c->models[k].name);
	json_close(o, ']');
	json_close(o, '}');
}

void
view_channels(struct json_out *o, const struct admin_args *a)
{
	json_open(o, '{');
	json_name(o, "channels");
	json_open(o, '[');
	for (uint32_t i = 0; i < a->conf->n_channels; i++)
		put_channel(o, a, i);
	json_close(o, ']');
	json_close(o, '}');
}

/* ---- models ---- */

static void
put_price(struct json_out *o, const char *name, struct price price)
{
	char text[MONEY_TEXT];
	size_t n = price_text(price, text);

	put_str(o, name, str_make(text, n));
}

static bool
offers(const struct conf_channel *c, uint32_t model)
{
	for (uint32_t i = 0; i < c->n_models; i++)
		if (c->models[i].model == model)
			return true;
	return false;
}

static void
put_model(struct json_out *o, const struct admin_args *a, uint32_t index)
{
	const struct conf *conf = a->conf;
	const struct conf_model *m = &conf->models[index];
	/* channels offer the first of a name */
	uint32_t first =
		(uint32_t)(conf_model_find(conf, m->name) - conf->models);

	json_open(o, '{');
	put_str(o, "name", m->name);
	if (m->effective_ms)
		put_str(o, "effective_from", m->effective_from);
	put_bool(o, "free", m->free);
	put_price(o, "input", m->input);
	put_price(o, "cache_read", m->cache_read);
	put_price(o, "cache_write", m->cache_write);
	put_price(o, "output", m->output);
	put_price(o, "reasoning", m->reasoning);
	put_money(o, "per_request", m->per_request.nano);
	put_money(o, "per_image", m->per_image.nano);
	put_money(o, "per_second", m->per_second.nano);
	put_price(o, "per_million_characters", m->per_million_characters);
	put_u64(o, "max_output", m->max_output);
	if (first == index)
		put_cap(o, a->region,
			(struct cap_of){CAP_MODEL, STR_NONE, m->name});
	json_name(o, "channels");
	json_open(o, '[');
	for (uint32_t i = 0; i < conf->n_channels; i++)
		if (offers(&conf->channels[i], first))
			json_put_str(o, conf->channels[i].name);
	json_close(o, ']');
	json_close(o, '}');
}

void
view_models(struct json_out *o, const struct admin_args *a)
{
	json_open(o, '{');
	json_name(o, "models");
	json_open(o, '[');
	for (uint32_t i = 0; i < a->conf->n_models; i++)
		put_model(o, a, i);
	json_close(o, ']');
	json_close(o, '}');
}
