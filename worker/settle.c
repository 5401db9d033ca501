/*
 * The end of a hold, whatever happened: what is charged, the note of the
 * entry, and the wait for the commit. The only code that ends a hold. Who
 * pays what:
 *
 *   whole answer, usage known     price of the usage (zero stays zero)
 *   whole answer, no usage        price of the estimate, marked so
 *   nothing delivered             nothing, nor for an empty answer without
 *                                 a usage
 *   broke off at the upstream     the output that was delivered
 *   the client left               input and the output that was delivered
 *   the hold was used up          what was delivered, at most the hold
 *
 * and never more than the hold: a dearer usage first tries to extend it.
 */
#include "adapters/tokens.h"
#include "base/clock.h"
#include "base/log.h"
#include "billing/price.h"
#include "shm/limits.h"
#include "worker/attempt.h"
#include "worker/request.h"

/* An answer waits no longer than this for a disk that stalls. */
#define COMMIT_PATIENCE_NS (2 * NS_PER_SEC)

static uint32_t
clamp(uint64_t tokens)
{
	return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

static struct token_counts
counts_of(const struct usage *u)
{
	return (struct token_counts){.input = clamp(u->input),
				     .cache_read = clamp(u->cache_read),
				     .cache_write = clamp(u->cache_write),
				     .output = clamp(u->output),
				     .reasoning = clamp(u->reasoning)};
}

static struct token_counts
estimate(const struct request *req)
{
	uint32_t milli = req->product->prices->bytes_per_token_milli;
	struct token_counts t = {.input = clamp(req->input_tokens)};

	if (req->ask.kind != ASK_EMBEDDINGS)
		t.output = clamp(tokens_of_bytes(req->seen_bytes, milli));
	return t;
}

/* Everything that came has reached the client, or will in one piece. */
static bool
all_delivered(const struct request *req)
{
	return !req->streaming || request_mark(req) == req->seen_bytes;
}

/* A broken socket takes no more: nothing is queued and something is missing,
 * a loop turn before we are told that the client is gone. */
static bool
client_left(const struct request *req)
{
	return req->client_gone || !all_delivered(req);
}

static struct money
hold_of(const struct request *req)
{
	return hold_total(req->w->slots, &req->hold);
}

static struct money
price_whole(struct request *req)
{
	struct money cost;

	if (!req->usage.present && req->seen_bytes == 0)
		return money_nano(0);
	req->usage_source =
		req->usage.present ? USAGE_UPSTREAM : USAGE_ESTIMATED;
	req->tokens =
		req->usage.present ? counts_of(&req->usage) : estimate(req);
	if (!price_of(req->product->prices, &req->tokens, req->multiplier_ppm,
		      &cost))
		return money_nano(INT64_MAX);
	return cost;
}

static struct money
price_part(struct request *req)
{
	struct money cost =
		meter_delivered(req, req->reason != REASON_UPSTREAM);

	req->usage_source = cost.nano > 0 ? USAGE_ESTIMATED : USAGE_NONE;
	return cost;
}

static struct money
cost_of(struct request *req)
{
	bool broke_off = req->stream_error || client_left(req);

	if (req->err != E_OK && !req->streaming)
		return money_nano(0);
	if (req->client_gone && !req->streaming)
		return money_nano(0);
	if (broke_off &&
	    !(req->upstream_done && req->usage.present && all_delivered(req)))
		return price_part(req);
	return price_whole(req);
}

/* Charge <= hold. A usage over it first tries to extend. */
static struct money
bounded(struct request *req, struct money cost)
{
	struct money hold = hold_of(req);

	if (cost.nano <= hold.nano)
		return cost;
	if (hold_extend(req->w->slots, &req->hold, cost))
		return cost;
	req->over_hold = req->usage_source == USAGE_UPSTREAM;
	return hold;
}

/* What the operator owes: list price x the channel's cost, by the usage or
 * by what arrived. */
static struct money
operator_cost(const struct request *req)
{
	struct token_counts t =
		req->usage.present ? counts_of(&req->usage) : estimate(req);
	struct money cost;

	if (!req->offer || (!req->usage.present && req->first_byte_ns == 0) ||
	    !price_of(req->product->prices, &t,
		      req->offer->lane->conf->cost_ppm, &cost))
		return money_nano(0);
	return cost;
}

/* ---- the note ---- */

static uint8_t
note_flags(const struct request *req)
{
	uint8_t flags = 0;

	if (req->ask.stream)
		flags |= NOTE_STREAM;
	if (req->streaming && (req->stream_error || client_left(req)))
		flags |= NOTE_PARTIAL;
	if (req->usage_source == USAGE_ESTIMATED)
		flags |= NOTE_ESTIMATED;
	if (req->over_hold)
		flags |= NOTE_OVER_HOLD;
	return flags;
}

static uint16_t
status_of(const struct request *req)
{
	if (req->streaming)
		return 200;
	if (req->err != E_OK)
		return (uint16_t)err_row(req->err)->status;
	return req->client_gone ? 499 : 200;
}

static void
write_note(struct request *req)
{
	struct note *n = hold_note(req->w->slots, &req->hold);
	enum err e = req->client_gone ? E_CLIENT_GONE : req->err;

	n->duration_us = clamp((req->w->now_ns - req->start_ns) / 1000);
	if (req->first_byte_ns)
		n->first_byte_us =
			clamp((req->first_byte_ns - req->start_ns) / 1000);
	n->channel =
		req->offer ? (uint16_t)req->offer->lane->row_index : UINT16_MAX;
	n->status = status_of(req);
	n->error_type = err_vocab_id(e);
	n->usage_source = (uint8_t)req->usage_source;
	n->flags = note_flags(req);
	n->attempts = (uint8_t)MIN_OF(req->attempts, 255u);
	n->tokens = req->tokens;
	n->upstream_nano = req->upstream_cost.nano;
	n->upstream_id_len = req->upstream_id_len;
	n->upstream_id_hash = req->upstream_id_hash;
	memcpy(n->upstream_id, req->upstream_id, sizeof(n->upstream_id));
	n->served_len = (uint8_t)MIN_OF(req->served.n, sizeof(n->served));
	if (n->served_len > 0)
		memcpy(n->served, req->served.p, n->served_len);
}

static void
count(struct request *req)
{
	struct series *s = req->offer ? req->offer->series : NULL;
	unsigned source = req->usage_source - USAGE_UPSTREAM;

	if (!s || req->usage_source == USAGE_NONE)
		return;
	series_add(s, M_TOKENS_OF(TOKENS_INPUT, source), req->tokens.input);
	series_add(s, M_TOKENS_OF(TOKENS_CACHED, source),
		   req->tokens.cache_read);
	series_add(s, M_TOKENS_OF(TOKENS_CACHE_WRITE, source),
		   req->tokens.cache_write);
	series_add(s, M_TOKENS_OF(TOKENS_OUTPUT, source), req->tokens.output);
	series_add(s, M_TOKENS_OF(TOKENS_REASONING, source),
		   req->tokens.reasoning);
	series_add(s, M_CHARGED, req->charge.nano);
	series_add(s, M_UPSTREAM_COST, req->upstream_cost.nano);
}

void
request_wake_writer(struct worker *w)
{
	if (writer_to_wake(w->region))
		doorbell_ring(w->args->writer_doorbell);
}

static void
post(struct request *req, bool sent)
{
	if (client_left(req) && req->reason == REASON_NORMAL)
		req->reason = REASON_CLIENT_GONE;
	req->charge = bounded(req, cost_of(req));
	req->upstream_cost = operator_cost(req);
	if (req->over_hold)
		LOG_WARN("a provider's usage exceeds the hold",
			 F_STR("model", req->product->conf->name),
			 F_STR("channel", req->offer->lane->conf->name),
			 F_I64("hold_nano", req->charge.nano));
	write_note(req);
	count(req);
	hold_settle(req->w->slots, &req->hold, req->charge, req->upstream_cost,
		    req->reason, sent);
	attempt_won(req, req->upstream_cost);
	request_wake_writer(req->w);
	req->settled = true;
	req->needs_sent = !sent;
}

void
settle_abandoned(struct request *req)
{
	post(req, true);
}

void
settle_sent(struct request *req, bool accepted)
{
	if (accepted) {
		hold_sent(req->w->slots, &req->hold);
	} else {
		hold_not_sent(req->w->slots, &req->hold);
		request_wake_writer(req->w);
		req->charge = money_nano(0);
	}
	req->needs_sent = false;
}

void
settle_limits(struct request *req)
{
	struct region *r = req->w->region;
	struct limit_cells *key, *account;
	const struct token_counts *t = &req->tokens;
	uint64_t used = (uint64_t)t->input + t->cache_read + t->cache_write +
			t->output + t->reasoning;
	int64_t back = (int64_t)req->tpm_taken - (int64_t)used;

	if (!req->running_taken && req->tpm_taken == 0)
		return;
	key = &r->keys[req->key].limits;
	account = &r->accounts[req->account].limits;
	limit_return(&key->tpm_tat_ns, atomic_load(&key->tpm), back,
		     req->w->now_ns);
	limit_return(&account->tpm_tat_ns, atomic_load(&account->tpm), back,
		     req->w->now_ns);
	if (req->running_taken) {
		running_give(key);
		running_give(account);
	}
	req->running_taken = false;
	req->tpm_taken = 0;
}

/* ---- the step ---- */

static void
lost_patience(struct wheel_timer *t)
{
	struct request *req =
		(void *)((char *)t - offsetof(struct request, timer));

	if (!req->waiting)
		return;
	LOG_WARN("the ledger's disk stalls: an answer ends before its commit");
	request_stop_waiting(req);
	req->commit_pending = true;
	request_go(req, STEP_reply);
}

/* The end of an answer waits; an error that costs nothing need not. */
static bool
must_wait(const struct request *req)
{
	return req->w->conf->ledger.durability == DURABILITY_COMMIT &&
	       (req->err == E_OK || req->streaming);
}

enum next
step_settle(struct request *req)
{
	struct worker *w = req->w;

	if (req->hold.slot == SHM_NONE)
		return NEXT_STEP;
	/* a stream settles once the socket took all of its content */
	if (req->streaming && exchange_queued(req->x) > 0)
		return NEXT_WAIT;
	post(req, req->streaming || req->err != E_OK);
	if (!must_wait(req))
		return NEXT_STEP;
	request_wait_commit(req);
	if (hold_committed(w->slots, &req->hold)) {
		request_stop_waiting(req);
		return NEXT_STEP;
	}
	wheel_arm(w->wheel, &req->timer, w->now_ns + COMMIT_PATIENCE_NS,
		  lost_patience);
	return NEXT_WAIT;
}
