/*
 * The end of a hold, whatever happened: the facts, the verdict of the rules
 * (billing/rules.h), the note of the entry, and the wait for the commit. The
 * only code that ends a hold.
 */
#include "adapters/tokens.h"
#include "base/clock.h"
#include "base/log.h"
#include "billing/rules.h"
#include "shm/limits.h"
#include "worker/affinity.h"
#include "worker/attempt.h"
#include "worker/idem.h"
#include "worker/pass.h"
#include "worker/request.h"

/* An answer waits no longer than this for a disk that stalls. */
#define COMMIT_PATIENCE_NS (2 * NS_PER_SEC)

struct token_counts
settle_counts(const struct usage *u)
{
	return (struct token_counts){.input = tokens_clamp(u->input),
				     .cache_read = tokens_clamp(u->cache_read),
				     .cache_write =
					     tokens_clamp(u->cache_write),
				     .output = tokens_clamp(u->output),
				     .reasoning = tokens_clamp(u->reasoning),
				     .units = u->units};
}

/* By our own count: the input, and `bytes` of the answer's text. */
struct token_counts
settle_estimate(const struct request *req, uint64_t bytes)
{
	uint32_t milli = req->prices->bytes_per_token_milli;
	struct token_counts t = {.input = tokens_clamp(req->input_tokens)};

	if (is_service(req))
		return pass_estimate(req, bytes);
	if (req->ask.kind != ASK_EMBEDDINGS)
		t.output = tokens_clamp(tokens_of_bytes(bytes, milli));
	return t;
}

/* Everything that came has reached the client, or will in one piece. */
static bool
all_delivered(const struct request *req)
{
	return !req->streaming || request_mark(req) == req->leg->seen_bytes;
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

/* ---- the facts ---- */

/* Streamed: what the socket took. In one piece: all or nothing, and what is
 * not taken after all is reversed. */
static void
facts_of_delivery(const struct request *req, struct facts *f)
{
	uint64_t mark = req->streaming ? request_mark(req) : 0;

	f->ended = req->leg->upstream_done;
	f->delivered_all = all_delivered(req);
	f->delivered_any = mark > 0;
	if (f->ended && f->delivered_all && req->leg->usage.present)
		f->delivered_any = true;
	if (req->streaming)
		f->delivered = settle_estimate(req, mark);
	if (req->streaming || req->err != E_OK || req->client_gone)
		return;
	f->ended = true;
	f->delivered_any = req->leg->usage.present || req->leg->seen_bytes > 0;
	f->delivered = settle_estimate(req, req->leg->seen_bytes);
}

/* What the operator owes for the attempt that answered, or was answering: by
 * the usage, or by what arrived. */
static void
facts_of_cost(const struct request *req, struct facts *f)
{
	bool working = req->leg->first_byte_ns > 0 ||
		       (req->client_gone && req->leg->was_sent);

	if (!req->leg->offer || (!req->leg->usage.present && !working))
		return;
	f->list = req->list;
	f->cost_ppm = req->leg->offer->lane->conf->cost_ppm;
	f->arrived = settle_estimate(req, req->leg->seen_bytes);
}

/* Of a stream that broke off: by whom. */
static void
facts_of_end(const struct request *req, struct facts *f)
{
	f->left = client_left(req);
	f->reads_on = req->reads_on;
	f->at_hold = req->reason == REASON_AT_HOLD;
	if (!req->stream_error || f->at_hold)
		return;
	f->refused = req->err == E_UP_MODEL_MISMATCH ||
		     req->err == E_UP_MEDIA || req->err == E_UP_BAD_RESPONSE ||
		     req->err == E_NO_MEMORY;
	f->failed = !f->refused;
}

static struct facts
gather(const struct request *req)
{
	struct facts f = {
		.attempts = req->attempts,
		.hedged = req->hedged,
		.has_usage = req->leg->usage.present,
		.usage = settle_counts(&req->leg->usage),
		.prices = req->prices,
		.multiplier_ppm = req->multiplier_ppm,
		.hold = hold_of(req),
		.failed_answer = req->w->conf->billing.failed_answer,
	};

	facts_of_delivery(req, &f);
	facts_of_cost(req, &f);
	facts_of_end(req, &f);
	return f;
}

/* A price over the hold first tries to extend it. */
static struct verdict
judge(struct request *req)
{
	struct facts f = gather(req);
	struct verdict v = rules_judge(&f);

	if (v.price.nano <= f.hold.nano ||
	    !hold_extend(req->w->slots, &req->hold, v.price))
		return v;
	f.hold = v.price;
	return rules_judge(&f);
}

/* ---- the note ---- */

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
write_note(struct request *req, const struct verdict *v)
{
	struct note *n = hold_note(req->w->slots, &req->hold);
	enum err e = req->client_gone ? E_CLIENT_GONE : req->err;
	struct str served = req->leg->served;
	bool fallback = req->product != req->asked && req->leg->offer;

	n->duration_us = tokens_clamp((req->w->now_ns - req->start_ns) / 1000);
	if (req->leg->first_byte_ns)
		n->first_byte_us = tokens_clamp(
			(req->leg->first_byte_ns - req->start_ns) / 1000);
	n->channel = req->leg->offer
			     ? (uint16_t)req->leg->offer->lane->row_index
			     : UINT16_MAX;
	n->status = status_of(req);
	n->error_type = err_vocab_id(e);
	n->usage_source = (uint8_t)req->usage_source;
	n->flags = v->flags |
		   (req->ask.stream || req->streaming ? NOTE_STREAM : 0) |
		   (is_substitute(req) ? NOTE_SUBSTITUTED : 0) |
		   (fallback ? NOTE_FALLBACK : 0);
	n->rule = (uint8_t)v->rule;
	n->attempts = (uint8_t)MIN_OF(req->attempts, 255u);
	n->tokens = req->tokens;
	n->upstream_nano = req->upstream_cost.nano;
	n->upstream_id_len = req->leg->upstream_id_len;
	n->upstream_id_hash = req->leg->upstream_id_hash;
	memcpy(n->upstream_id, req->leg->upstream_id, sizeof(n->upstream_id));
	/* the entry has place for two: the price says who answered */
	if (fallback)
		served = req->asked->conf->name;
	n->served_len = (uint8_t)MIN_OF(served.n, sizeof(n->served));
	if (n->served_len > 0)
		memcpy(n->served, served.p, n->served_len);
}

static void
count(struct request *req)
{
	struct series *s = req->leg->offer ? req->leg->offer->series : NULL;
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
	if (is_substitute(req))
		series_add(s, M_SUBSTITUTIONS, 1);
	affinity_settled(req);
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
	struct verdict v;

	if (client_left(req) && req->reason == REASON_NORMAL)
		req->reason = REASON_CLIENT_GONE;
	v = judge(req);
	req->tokens = v.tokens;
	req->usage_source = v.source;
	req->charge = v.charge;
	req->upstream_cost = v.upstream;
	if (v.rule == RULE_OVER_HOLD)
		LOG_WARN("a provider's usage exceeds the hold",
			 F_STR("model", req->product->conf->name),
			 F_STR("channel", req->leg->offer->lane->conf->name),
			 F_I64("hold_nano", req->charge.nano));
	write_note(req, &v);
	count(req);
	req->settled_after = atomic_load(&req->w->region->head->committed_seq);
	hold_settle(req->w->slots, &req->hold, req->charge, req->upstream_cost,
		    req->reason, sent);
	if (!req->reads_on)
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

/* Once a second at most: all that wait lose it together. */
static void
tell_impatience(struct worker *w)
{
	w->impatient++;
	if (w->now_ns < w->told_ns + NS_PER_SEC)
		return;
	LOG_WARN("the ledger takes no entries: answers end before their commit",
		 F_U64("answers", w->impatient));
	w->told_ns = w->now_ns;
	w->impatient = 0;
}

static void
lost_patience(struct wheel_timer *t)
{
	struct request *req =
		(void *)((char *)t - offsetof(struct request, timer));

	if (!req->waiting)
		return;
	tell_impatience(req->w);
	request_stop_waiting(req);
	req->commit_pending = true;
	request_go(req, STEP_receipt);
}

/* The end of an answer waits; an error that costs nothing need not. */
static bool
must_wait(const struct request *req)
{
	return (req->w->conf->ledger.durability == DURABILITY_COMMIT ||
		req->wants_receipt) &&
	       (req->err == E_OK || req->streaming);
}

enum next
step_settle(struct request *req)
{
	struct worker *w = req->w;

	idem_release(req);
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
