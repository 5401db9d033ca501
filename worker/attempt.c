/*
 * Slots of attempts. A stream that runs is not cut because of a cap: what it
 * costs beyond its hold is in the request's entry only.
 */
#include "worker/attempt.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "billing/price.h"
#include "shm/caps.h"
#include "shm/counters.h"
#include "shm/workers.h"
#include "worker/caps.h"
#include "worker/hold.h"
#include "worker/request.h"

/* The first part of the note, so that a reaped attempt is described too. */
static void
describe(struct request *req)
{
	struct note *n = hold_note(req->w->slots, &req->leg->attempt);
	const struct lane *l = req->leg->offer->lane;

	memset(n, 0, sizeof(*n));
	n->start_ms =
		(req->start_wall_ns + (req->leg->attempt_ns - req->start_ns)) /
		NS_PER_MS;
	n->account = req->account;
	n->parent = SHM_NONE;
	n->key = req->key;
	n->multiplier_ppm = l->conf->cost_ppm;
	n->channel = (uint16_t)l->row_index;
	n->endpoint = (uint8_t)req->endpoint->note;
	n->flags = req->ask.stream ? NOTE_STREAM : 0;
	n->attempts = (uint8_t)MIN_OF(req->attempts, 255u);
	memcpy(n->request_id, req->id.b, sizeof(n->request_id));
	(void)str_copy(n->provider, sizeof(n->provider),
		       str_of(l->adapter->name));
}

/* No caps: the slot of an attempt that is lost already. */
static enum err
take(struct request *req, const uint32_t *caps, uint32_t n, struct money amount)
{
	struct hold *h = &req->leg->attempt;
	struct hold_spec spec = {
		.k = n,
		.amount = amount,
		.price_version = req->w->price_version,
		.model = req->list_row,
		.kind = SLOT_ATTEMPT,
	};
	enum err e = hold_claim(req->w->slots, h);

	if (e != E_OK)
		return e;
	for (uint32_t i = 0; i < n; i++)
		spec.ctr[i] = caps[i];
	describe(req);
	/* Should we die now: it did not answer. */
	if (n == 0)
		hold_note(req->w->slots, h)->flags |= NOTE_LOST;
	return hold_take(req->w->slots, h, &spec);
}

/* The caps of this attempt, the likeliest to refuse first. */
static unsigned
caps_of(const struct request *req, const struct cap_row *cap[CAP_KINDS])
{
	const struct lane *l = req->leg->offer->lane;
	const struct cap_row *key = cap_of_key(l, req->leg->key_index);
	unsigned n = 0;

	if (key)
		cap[n++] = key;
	if (l->cap)
		cap[n++] = l->cap;
	if (req->product->cap)
		cap[n++] = req->product->cap;
	return n;
}

/* All of them or none; NULL, or the one that does not cover `worst`. */
static const struct cap_row *
take_all(struct request *req, const struct cap_row *const *cap, unsigned n,
	 struct money worst, enum err *e)
{
	uint32_t counter[CAP_KINDS];

	*e = E_NO_CHANNEL;
	for (unsigned i = 0; i < n; i++) {
		counter[i] = cap_counter(cap[i]);
		if (counter[i] == SHM_NONE)
			return cap[i];
	}
	*e = take(req, counter, n, worst);
	return *e == E_BALANCE ? cap[req->leg->attempt.refused] : NULL;
}

enum err
attempt_take(struct request *req)
{
	const struct lane *l = req->leg->offer->lane;
	const struct cap_row *cap[CAP_KINDS], *refused;
	uint64_t spent = 0; /* keys */
	struct money worst;
	unsigned n;
	enum err e;

	if (is_free(req))
		return E_OK;
	while ((n = caps_of(req, cap)) > 0) {
		if (!hold_cost_price(req, req->held_output, &worst))
			return E_NO_CHANNEL;
		refused = take_all(req, cap, n, worst, &e);
		if (!refused)
			return e == E_OK ? E_OK : E_NO_CHANNEL;
		if (refused == req->product->cap)
			cap_model_refused(req);
		if (refused != cap_of_key(l, req->leg->key_index))
			return E_NO_CHANNEL;
		spent |= 1ull << req->leg->key_index;
		if (!route_other_key(req, spent))
			return E_NO_CHANNEL;
	}
	return E_OK;
}

void
attempt_extend(struct request *req)
{
	struct money worst;

	if (req->leg->attempt.slot == SHM_NONE ||
	    !hold_cost_price(req, req->held_output, &worst))
		return;
	if (!hold_extend(req->w->slots, &req->leg->attempt, worst))
		LOG_DEBUG("a stream goes on beyond what its caps cover",
			  F_STR("channel", req->leg->offer->lane->conf->name));
}

void
attempt_meter(struct request *req, struct money cost)
{
	if (req->leg->attempt.slot != SHM_NONE)
		hold_meter(req->w->slots, &req->leg->attempt, cost, cost);
}

static void
settle(struct request *req, struct money cost, enum slot_reason reason)
{
	struct money hold = hold_total(req->w->slots, &req->leg->attempt);

	if (cost.nano > hold.nano &&
	    hold_extend(req->w->slots, &req->leg->attempt, cost))
		hold = cost;
	hold_settle(req->w->slots, &req->leg->attempt, money_nano(0),
		    money_min(cost, hold), reason, true);
	req->leg->attempt.slot = SHM_NONE;
	request_wake_writer(req->w);
}

void
attempt_won(struct request *req, struct money cost)
{
	struct note *n;

	if (req->leg->attempt.slot == SHM_NONE)
		return;
	n = hold_note(req->w->slots, &req->leg->attempt);
	n->tokens = req->tokens;
	n->usage_source = (uint8_t)req->usage_source;
	n->status = (uint16_t)req->leg->upstream_status;
	settle(req, cost, req->reason);
}

static struct money
cost_of(const struct request *req, const struct token_counts *tokens)
{
	struct money cost;

	if (!price_of(req->list, tokens, req->leg->offer->lane->conf->cost_ppm,
		      &cost))
		return money_nano(INT64_MAX);
	return cost;
}

static void
describe_lost(const struct request *req, struct note *n, enum err e,
	      const struct token_counts *tokens, bool estimated)
{
	bool any = (tokens->input | tokens->cache_read | tokens->cache_write |
		    tokens->output | tokens->reasoning | tokens->units) != 0;

	n->flags &= (uint8_t)~NOTE_ESTIMATED;
	n->flags |= NOTE_LOST | (any && estimated ? NOTE_ESTIMATED : 0);
	n->usage_source = !any	      ? USAGE_NONE
			  : estimated ? USAGE_ESTIMATED
				      : USAGE_UPSTREAM;
	n->status = (uint16_t)req->leg->upstream_status;
	n->error_type = err_vocab_id(e);
	n->tokens = *tokens;
	n->upstream_nano = cost_of(req, tokens).nano;
	n->upstream_id_len = req->leg->upstream_id_len;
	n->upstream_id_hash = req->leg->upstream_id_hash;
	memcpy(n->upstream_id, req->leg->upstream_id, sizeof(n->upstream_id));
	n->duration_us = (uint32_t)MIN_OF(
		(req->w->now_ns - req->leg->attempt_ns) / 1000, UINT32_MAX);
}

void
attempt_lost(struct request *req, enum err e, const struct token_counts *tokens,
	     bool estimated)
{
	struct note *n;

	if (is_free(req))
		return;
	/* What was booked for it as it went is this leg's now. */
	hold_note(req->w->slots, &req->hold)->upstream_nano = 0;
	/* Without a cap there is no slot yet; with none left it is not booked:
	 * the request goes on. */
	if (req->leg->attempt.slot == SHM_NONE &&
	    take(req, NULL, 0, money_nano(0)) != E_OK)
		return;
	n = hold_note(req->w->slots, &req->leg->attempt);
	describe_lost(req, n, e, tokens, estimated);
	atomic_store_explicit(&n->attempt, 0, memory_order_relaxed);
	settle(req, cost_of(req, tokens),
	       e == E_CLIENT_GONE ? REASON_CLIENT_GONE
	       : e == E_HEDGED	  ? REASON_NORMAL
				  : REASON_UPSTREAM);
}

bool
attempt_keep(struct request *req, const struct token_counts *tokens)
{
	struct note *n;

	if (req->leg->attempt.slot == SHM_NONE &&
	    take(req, NULL, 0, money_nano(0)) != E_OK)
		return false;
	n = hold_note(req->w->slots, &req->leg->attempt);
	describe_lost(req, n, E_CLIENT_GONE, tokens, true);
	/* It is in flight still, and its request's slot will be gone. */
	atomic_store_explicit(&n->attempt, req->leg->offer->lane->row_index + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&hold_note(req->w->slots, &req->hold)->attempt, 0,
			      memory_order_relaxed);
	return true;
}
