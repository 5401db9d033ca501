/*
 * Slots of attempts. A stream that runs is not cut because of a cap: what it
 * costs beyond its hold is in the request's entry only.
 */
#include "worker/attempt.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "billing/price.h"
#include "shm/counters.h"
#include "shm/workers.h"
#include "worker/hold.h"
#include "worker/request.h"

static bool
has_cap(const struct lane *l)
{
	return l->conf->daily_budget.nano > 0;
}

/* SHM_NONE: the writer has not set it up yet. */
static uint32_t
cap_of(const struct lane *l)
{
	uint32_t cap = atomic_load(&l->row->cap);

	return cap == 0 || cap > SHM_CHANNELS ? SHM_NONE
					      : counter_of_channel(cap - 1);
}

bool
attempt_affordable(const struct worker *w, const struct lane *l)
{
	uint32_t cap = cap_of(l);

	if (!has_cap(l))
		return true;
	return cap != SHM_NONE &&
	       atomic_load_explicit(&w->region->counters[cap].available,
				    memory_order_relaxed) > 0;
}

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

static enum err
take(struct request *req, uint32_t cap, struct money amount)
{
	struct hold_spec spec = {
		.amount = amount,
		.price_version = req->w->price_version,
		.model = req->list_row,
		.kind = SLOT_ATTEMPT,
	};
	enum err e = hold_claim(req->w->slots, &req->leg->attempt);

	if (e != E_OK)
		return e;
	if (cap != SHM_NONE)
		spec.ctr[spec.k++] = cap;
	describe(req);
	/* Should we die now: it did not answer. */
	if (cap == SHM_NONE)
		hold_note(req->w->slots, &req->leg->attempt)->flags |=
			NOTE_LOST;
	return hold_take(req->w->slots, &req->leg->attempt, &spec);
}

enum err
attempt_take(struct request *req)
{
	const struct lane *l = req->leg->offer->lane;
	uint32_t cap = cap_of(l);
	struct money worst;

	if (!has_cap(l) || is_free(req))
		return E_OK;
	if (cap == SHM_NONE ||
	    !hold_cost_price(req, req->held_output, &worst) ||
	    take(req, cap, worst) != E_OK)
		return E_NO_CHANNEL;
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
		LOG_DEBUG("a stream goes on beyond its channel's cap",
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
	    take(req, SHM_NONE, money_nano(0)) != E_OK)
		return;
	n = hold_note(req->w->slots, &req->leg->attempt);
	describe_lost(req, n, e, tokens, estimated);
	atomic_store_explicit(&n->attempt, 0, memory_order_relaxed);
	settle(req, cost_of(req, tokens),
	       e == E_CLIENT_GONE ? REASON_CLIENT_GONE : REASON_UPSTREAM);
}

bool
attempt_keep(struct request *req, const struct token_counts *tokens)
{
	struct note *n;

	if (req->leg->attempt.slot == SHM_NONE &&
	    take(req, SHM_NONE, money_nano(0)) != E_OK)
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
