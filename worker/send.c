/*
 * One attempt at one channel: address, credential, bytes, deadlines. A fault
 * before anything was sent to the client leads to the next candidate; what
 * it means for the channel (and for one of its keys) is noted in shared
 * memory, where all workers see it at once.
 */
#include <sys/un.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/raise.h"
#include "shm/retries.h"
#include "worker/attempt.h"
#include "worker/convert.h"
#include "worker/demo.h"
#include "worker/hedge.h"
#include "worker/pass.h"
#include "worker/queue.h"
#include "worker/request.h"

/* ---- what the channel learns ---- */

/* Said once, not for each retry that fails. */
static void
key_out(struct request *req)
{
	struct lane *l = req->leg->offer->lane;

	if (req->leg->key_index >= lane_keys(l) ||
	    channel_key_refused(l->row, req->leg->key_index, req->w->now_ns))
		LOG_WARN("a provider refuses a credential",
			 F_STR("channel", l->conf->name),
			 F_U64("key", req->leg->key_index),
			 F_U64("status", (uint64_t)req->leg->upstream_status));
}

static void
note_well(struct request *req)
{
	struct lane *l = req->leg->offer->lane;

	atomic_fetch_add_explicit(&l->row->ok, 1, memory_order_relaxed);
	if (req->leg->key_index < lane_keys(l) &&
	    channel_key_proved(l->row, req->leg->key_index))
		LOG_INFO("a provider takes a credential again",
			 F_STR("channel", l->conf->name),
			 F_U64("key", req->leg->key_index));
}

static void
note_key_fault(struct request *req, enum err e)
{
	struct lane *l = req->leg->offer->lane;
	uint64_t wait = req->w->conf->routing.cooldown_ms * NS_PER_MS;

	/* Its token may have ended early: the master fetches another. */
	if (req->leg->token_version != 0 && req->leg->upstream_status == 401) {
		LOG_WARN("a provider refuses an access token",
			 F_STR("channel", l->conf->name));
		token_refuse(req->w->region, l->row_index,
			     req->leg->token_version);
		return;
	}
	if (e != E_UP_RATE_LIMITED) {
		key_out(req);
		return;
	}
	atomic_fetch_add(&l->row->limited, 1);
	if (req->retry_after_ns)
		wait = MIN_OF(req->retry_after_ns, 600 * NS_PER_SEC);
	if (req->leg->key_index < lane_keys(l))
		atomic_raise(&l->row->key_until_ns[req->leg->key_index],
			     req->w->now_ns + wait);
}

static void
note_fault(struct request *req, enum err e)
{
	struct lane *l = req->leg->offer->lane;
	struct channel_row *row = l->row;

	l->row->last_fault = err_vocab_id(e);
	atomic_store(&row->last_fault_ms, clock_wall_ns() / NS_PER_MS);
	if (err_is_key_fault(e)) {
		note_key_fault(req, e);
	} else if (e == E_UP_CONNECT) {
		atomic_fetch_add(&row->refused, 1);
		l->next_address++;
		atomic_raise(&row->fault_until_ns,
			     req->w->now_ns +
				     req->w->conf->routing.cooldown_ms *
					     NS_PER_MS);
	} else {
		if (e == E_UP_TIMEOUT)
			atomic_fetch_add(&row->late, 1);
		atomic_fetch_add(&row->faults, 1);
	}
}

/* The slot of the request says who counts it, in case this process dies: in
 * the upper half a second attempt. A slot that is settled may be another
 * request's already. */
static void
mark(struct request *req, uint32_t row)
{
	unsigned shift = req->leg->second ? 16 : 0;
	struct note *n;
	uint32_t was;

	if (req->settled || is_free(req))
		return;
	n = hold_note(req->w->slots, &req->hold);
	was = atomic_load_explicit(&n->attempt, memory_order_relaxed);
	was &= ~(0xffffu << shift);
	atomic_store_explicit(&n->attempt, was | row << shift,
			      memory_order_relaxed);
}

_Static_assert(SHM_CHANNELS < UINT16_MAX, "two rows fit into the mark");

void
attempt_name(struct request *req)
{
	const struct lane *l = req->leg->offer->lane;
	struct note *n;

	if (is_free(req))
		return;
	n = hold_note(req->w->slots, &req->hold);
	n->channel = (uint16_t)l->row_index;
	(void)str_copy(n->provider, sizeof(n->provider),
		       str_of(l->adapter->name));
}

/* It has its place at the channel. */
static void
attempt_count(struct request *req)
{
	req->leg->in_flight = true;
	if (!req->leg->second)
		attempt_name(req);
	mark(req, req->leg->offer->lane->row_index + 1);
}

static void
attempt_uncount(struct request *req)
{
	req->leg->in_flight = false;
	queue_give(req->w, req->leg->offer->lane,
		   req->w->now_ns - req->leg->attempt_ns);
	mark(req, 0);
}

void
attempt_end(struct request *req, enum err e)
{
	struct lane *l;

	req->leg->was_sent = req->leg->call && call_sent(req->leg->call);
	if (req->leg->call && req->leg->upstream_done)
		call_release(req->leg->call);
	else if (req->leg->call)
		call_cancel(req->leg->call);
	req->leg->call = NULL;
	arena_free(&req->leg->wire);
	if (!req->leg->in_flight)
		return;
	attempt_uncount(req);
	l = req->leg->offer->lane;
	series_add(l->series, M_ATTEMPTS + err_vocab_id(e), 1);
	series_observe(l->series, M_UPSTREAM_DURATION,
		       (req->w->now_ns - req->leg->attempt_ns) / 1000);
	if (e == E_OK && req->attempts > 1 && !req->hedged)
		series_add(l->series, M_FAILOVERS + FAILOVER_OK, 1);
	if (is_free(req) && e == E_UP_RATE_LIMITED)
		return; /* limits of counting are limits of their own */
	if (err_row(e)->other_channel)
		note_fault(req, e);
	else if (e == E_OK)
		note_well(req);
}

/* A channel with another usable key may be tried once more. */
static void
mark_tried(struct request *req, enum err e)
{
	const struct lane *l = req->leg->offer->lane;

	if (err_is_key_fault(e) && l->conf->n_keys > 1)
		return;
	route_tried(req, l);
}

static const struct token_counts no_tokens;

/* What a provider has probably worked on before the attempt failed: nothing,
 * if it was never reached or said so; what its usage says; else the input,
 * and the output that came. */
static void
lost_tokens(const struct request *req, enum err e, struct token_counts *t,
	    bool *estimated)
{
	const struct usage *usage = req->leg->usage.present || !req->leg->answer
					    ? &req->leg->usage
					    : &req->leg->answer->usage;
	bool ours = (e == E_HEDGED || e == E_CLIENT_GONE) && req->leg->call &&
		    call_sent(req->leg->call);
	bool begun = ours || e == E_UP_TIMEOUT || e == E_UP_CUT ||
		     e == E_UP_BAD_RESPONSE || e == E_UP_MODEL_MISMATCH ||
		     e == E_UP_MEDIA;

	*t = no_tokens;
	*estimated = false;
	if (!begun || req->leg->upstream_status >= 300)
		return;
	*estimated = !usage->present;
	*t = usage->present ? settle_counts(usage)
			    : settle_estimate(req, req->leg->seen_bytes);
}

void
attempt_drop(struct request *req, enum err e)
{
	struct token_counts tokens;
	bool estimated;

	lost_tokens(req, e, &tokens, &estimated);
	attempt_end(req, e);
	attempt_lost(req, e, &tokens, estimated);
	gather_free(req);
}

void
attempt_failed(struct request *req, enum err e)
{
	struct lane *l = req->leg->offer->lane;

	attempt_drop(req, e);
	mark_tried(req, e);
	leg_reset(req->leg);
	if (hedge_goes_on(req))
		return;
	req->err = e;
	if (!err_row(e)->other_channel || route_exhausted(req)) {
		if (req->attempts > 1)
			series_add(l->series, M_FAILOVERS + FAILOVER_FAILED, 1);
		(void)request_fail(req, e);
	} else {
		req->step = STEP_route;
	}
	request_run(req);
}

/* ---- callbacks of the call ---- */

static struct request *
enter(struct call *c)
{
	struct request *req = call_user(c);

	request_enter(req);
	hedge_enter(req, c);
	return req;
}

static void
leave(struct request *req)
{
	hedge_leave(req);
	request_leave(req);
}

static void
on_head(struct call *c, const struct http_head *head)
{
	struct request *req = enter(c);

	arena_free(&req->leg->wire); /* a stream may run for long */
	req->leg->phase = PHASE_BODY;
	if (!call_reused(c)) {
		req->leg->connect_ns = call_connect_ns(c);
		series_observe(req->leg->offer->lane->series,
			       M_UPSTREAM_CONNECT, req->leg->connect_ns / 1000);
	}
	stream_head(req, head);
	leave(req);
}

static void
on_data(struct call *c, struct str piece)
{
	struct request *req = enter(c);

	stream_data(req, piece);
	leave(req);
}

static void
on_end(struct call *c)
{
	struct request *req = enter(c);

	req->leg->call = NULL;
	stream_end(req);
	leave(req);
}

static enum err
err_of_fault(enum call_fault f)
{
	switch (f) {
	case CALL_REFUSED:
	case CALL_CONNECT_TIMEOUT:
	case CALL_PROXY:
	case CALL_TLS:
	case CALL_RESET: return E_UP_CONNECT;
	case CALL_HEAD_TIMEOUT:
	case CALL_IDLE_TIMEOUT: return E_UP_TIMEOUT;
	case CALL_BAD_ANSWER: return E_UP_BAD_RESPONSE;
	case CALL_CUT: return E_UP_CUT;
	case CALL_NO_MEMORY: return E_NO_MEMORY;
	}
	return E_INTERNAL;
}

static void
on_fail(struct call *c, enum call_fault f)
{
	struct request *req = enter(c);

	req->leg->call = NULL;
	stream_broken(req, err_of_fault(f));
	leave(req);
}

static const struct call_ops ops = {on_head, on_data, on_end, on_fail};

/* ---- one attempt ---- */

static bool
pick_address(struct request *req, struct call_target *t)
{
	struct lane *l = req->leg->offer->lane;
	const struct channel_address *a;

	if (l->adapter->flags & ADAPTER_EMBEDDED)
		return demo_address(req->w->demo, l, t);
	if (l->n_addresses == 0)
		return false;
	a = &l->addresses[l->next_address % l->n_addresses];
	must(a->len <= sizeof(a->sockaddr));
	memcpy(&t->addr, a->sockaddr, a->len);
	t->addr_len = a->len;
	return true;
}

static enum err
body_of(struct request *req, const struct target *t, struct pieces *body)
{
	const struct wire *wire = wire_of(req);

	if (is_service(req)) {
		service_patch(&req->ask, t->model, t->model_json, body);
		return E_OK;
	}
	if (!converts(req))
		return wire->patch(&req->leg->wire, &req->ask, t, body);
	body->n = 0;
	body->bytes = 0;
	pieces_add(body, req->leg->converted);
	return E_OK;
}

_Static_assert((int)CONF_AUTH_HMAC == (int)AUTH_HMAC &&
		       (int)CONF_AUTH_USUAL == (int)AUTH_USUAL,
	       "the configuration has the same words");

static void
present(const struct conf_credential *k, struct target *t)
{
	bool aws = secret_is_set(k->access_key_id);

	t->credential = secret_bytes(aws ? k->access_key_id : k->key);
	t->secret = secret_bytes(k->secret_access_key);
	t->session = secret_bytes(k->session_token);
}

/* The token as it is now; false: there is none any more. */
static bool
take_token(struct request *req)
{
	const struct lane *l = req->leg->offer->lane;
	char text[TOKEN_MAX];
	size_t n;

	req->leg->token = STR_NONE;
	req->leg->token_version = 0;
	if (!secret_is_set(l->conf->service_account))
		return true;
	n = token_get(req->w->region, l->row_index, text,
		      &req->leg->token_version);
	req->leg->token = arena_dup(&req->leg->wire, str_make(text, n));
	return req->leg->token.n > 0;
}

static struct pieces *
build(struct request *req)
{
	struct lane *l = req->leg->offer->lane;
	const struct conf_channel *c = l->conf;
	struct target t = {.host = l->host_field,
			   .path = c->base_url.path,
			   .model = req->leg->offer->model->upstream,
			   .model_json = req->leg->offer->upstream_json,
			   .organization = c->organization,
			   .project = c->project,
			   .api_version = c->api_version,
			   .auth = (enum auth)c->auth,
			   .region =
				   c->location.n > 0 ? c->location : c->region,
			   .signature_field = c->hmac_header,
			   .now_s = clock_wall_ns() / NS_PER_SEC,
			   .quirks = l->adapter->quirks,
			   .wire = wire_of(req)};
	struct pieces *p = arena_alloc(&req->leg->wire, sizeof(*p));
	struct pieces body;

	if (req->leg->token_version != 0) {
		t.auth = AUTH_GOOGLE;
		t.credential = req->leg->token;
	} else if (c->n_keys > 0) {
		present(&c->keys[req->leg->key_index], &t);
	}
	if (!p || body_of(req, &t, &body) != E_OK ||
	    adapter_request(&req->leg->wire, l->adapter, &req->ask, &t, &body,
			    p) != E_OK)
		return NULL;
	return p;
}

static bool
launch(struct request *req, const struct call_target *t)
{
	const struct conf_channel *c = req->leg->offer->lane->conf;
	struct call_timeouts timeouts = {
		.connect_ms = c->connect_timeout_ms,
		.first_byte_ms = req->ask.stream ? c->first_byte_timeout_ms
						 : c->answer_timeout_ms,
		.idle_ms = c->idle_timeout_ms};
	struct pieces *p = build(req);

	if (p && convert_begin(req) == E_OK)
		req->leg->call = client_call(req->w->client, t, p->iov, p->n,
					     &timeouts, &ops, req);
	if (!req->leg->call)
		metric_add(req->w->metrics,
			   M_OVERLOAD +
				   (p ? OVERLOAD_DESCRIPTORS : OVERLOAD_MEMORY),
			   1);
	return req->leg->call != NULL;
}

/* What can be known before anything is sent. */
static enum err
prepare(struct request *req)
{
	struct lane *l = req->leg->offer->lane;
	enum err e = is_service(req) && !upstream_has_path(req)
			     ? E_NO_SERVICE
			     : convert_request(req);

	if (e != E_OK) { /* this upstream cannot be asked that */
		req->lost = e;
		return e;
	}
	if (!(l->adapter->flags & ADAPTER_EMBEDDED) && !lane_look(req->w, l)) {
		/* they are of a generation that goes another way, and ours has
		 * none yet, or none any more */
		req->err = E_NO_CHANNEL;
		return E_NO_CHANNEL;
	}
	req->leg->attempt_ns = req->w->now_ns;
	if (!queue_take(req, l)) { /* somebody else was faster */
		req->err = E_FULL;
		return E_FULL;
	}
	if (take_token(req) && attempt_take(req) == E_OK)
		return E_OK;
	queue_give(req->w, l, 0);
	req->err = E_NO_CHANNEL; /* no token, or its cap for today is spent */
	return E_NO_CHANNEL;
}

static void
begin(struct request *req)
{
	if (req->attempts++ == 0)
		retry_earn(req->w->region->retries,
			   req->w->conf->routing.retry_budget_ppm);
	req->leg->phase = PHASE_CONNECT;
	attempt_count(req);
	req->upstream = (struct upstream_error){.err = E_OK};
	req->leg->upstream_status = 0;
	req->leg->upstream_id_len = 0;
	req->retry_after_ns = 0;
}

/* It has ended before it was one. */
static void
undo(struct request *req, enum err e)
{
	attempt_end(req, e);
	attempt_lost(req, e, &no_tokens, false);
	req->err = e;
}

enum err
attempt_start(struct request *req)
{
	struct lane *l = req->leg->offer->lane;
	struct call_target t = {.pool_key = l->row_index,
				.host = l->conf->base_url.host,
				.tls = l->conf->base_url.tls ? req->w->tls
							     : NULL,
				.egress = &l->egress,
				.fd = -1};
	enum err e = prepare(req);

	if (e != E_OK) {
		if (e != E_FULL)
			mark_tried(req, e);
		return E_NO_CHANNEL;
	}
	begin(req);
	if (!pick_address(req, &t)) {
		undo(req, E_UP_CONNECT);
		mark_tried(req, E_UP_CONNECT);
		return E_NO_CHANNEL;
	}
	if (launch(req, &t))
		return E_OK;
	undo(req, E_NO_MEMORY);
	return E_NO_MEMORY;
}

enum next
step_send(struct request *req)
{
	enum err e;

	if (is_free(req) && !count_is_theirs(req)) {
		req->step = STEP_reply;
		return NEXT_AGAIN;
	}
	e = attempt_start(req);
	if (e == E_NO_MEMORY)
		return request_fail(req, e);
	if (e == E_NO_CHANNEL) {
		req->step = STEP_route;
		return NEXT_AGAIN;
	}
	/* what comes next, comes to the following step */
	hedge_begin(req);
	return NEXT_WAIT;
}
