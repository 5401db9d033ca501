/*
 * Limits, then money: nothing goes upstream before all of it is taken, and
 * what a later one refuses is given back by settle. Streams hold for their
 * first tokens and extend as they run; answers that come whole hold for
 * their maximum.
 */
#include "worker/hold.h"

#include "adapters/tokens.h"
#include "base/clock.h"
#include "base/must.h"
#include "billing/price.h"
#include "shm/limits.h"
#include "worker/fallback.h"
#include "worker/idem.h"
#include "worker/pass.h"
#include "worker/request.h"

/* Output tokens a stream holds first, and the least a hold without a given
 * maximum is reduced to. */
#define FIRST_TOKENS 1024u

/* Times that a request waits for the audit. */
#define PAUSES_MAX 5u

uint32_t
hold_input(uint64_t tokens)
{
	/* the estimate may be short by a fifth */
	return tokens_clamp(tokens + tokens / 5 + 1);
}

static bool
worst_price(const struct request *req, const struct book_row *prices,
	    uint64_t output, uint32_t ppm, struct money *cost)
{
	if (is_service(req))
		return pass_worst_price(req, prices, ppm, cost);
	return price_worst(prices, hold_input(req->input_tokens),
			   tokens_clamp(output), ppm, cost);
}

bool
hold_worst_price(const struct request *req, uint64_t output, struct money *cost)
{
	return worst_price(req, req->prices, output, req->multiplier_ppm, cost);
}

bool
hold_cost_price(const struct request *req, uint64_t output, struct money *cost)
{
	return worst_price(req, req->list, output,
			   req->leg->offer->lane->conf->cost_ppm, cost);
}

uint64_t
hold_first_output(const struct request *req, const struct conf_model *m)
{
	const struct ask *ask = &req->ask;
	uint64_t most = ask->has_max ? ask->max_output : m->max_output;

	if (ask->kind == ASK_EMBEDDINGS || is_service(req))
		return 0;
	if (ask->stream && !m->hidden_reasoning)
		most = MIN_OF(most, FIRST_TOKENS);
	return most * ask->choices;
}

/* ---- limits ---- */

static enum next
refuse(struct request *req, enum err e, enum metric_reject why,
       const char *whose)
{
	metric_add(req->w->metrics, M_REJECTED + why, 1);
	return request_fail_detail(req, e, whose);
}

struct limited {
	struct limit_cells *cells;
	const char *whose;
};

static unsigned
limited_of(const struct request *req, struct limited out[2])
{
	struct region *r = req->w->region;

	out[0] = (struct limited){&r->keys[req->key].limits, "this key"};
	out[1] = (struct limited){&r->accounts[req->account].limits,
				  "this account"};
	return 2;
}

/* Gives `units` back to the first `n`. */
static void
give_rate(const struct request *req, const struct limited *l, unsigned n,
	  bool tokens, uint64_t units)
{
	for (unsigned i = 0; i < n; i++) {
		struct limit_cells *c = l[i].cells;

		limit_return(tokens ? &c->tpm_tat_ns : &c->rpm_tat_ns,
			     atomic_load(tokens ? &c->tpm : &c->rpm),
			     (int64_t)units, req->w->now_ns);
	}
}

/* Takes `units` of one kind of limit from key and account, or from none. */
static enum next
take_rate(struct request *req, bool tokens, uint64_t units)
{
	struct limited l[2];
	unsigned n = limited_of(req, l);

	for (unsigned i = 0; i < n; i++) {
		struct limit_cells *c = l[i].cells;
		uint32_t per_minute = atomic_load(tokens ? &c->tpm : &c->rpm);

		if (limit_take(tokens ? &c->tpm_tat_ns : &c->rpm_tat_ns,
			       per_minute, units, req->w->now_ns,
			       &req->retry_after_ns))
			continue;
		give_rate(req, l, i, tokens, units);
		return tokens ? refuse(req, E_RATE_TOKENS, REJECT_RATE_TOKENS,
				       l[i].whose)
			      : refuse(req, E_RATE_REQUESTS,
				       REJECT_RATE_REQUESTS, l[i].whose);
	}
	return NEXT_STEP;
}

static enum next
take_running(struct request *req)
{
	struct limited l[2];

	(void)limited_of(req, l);
	req->retry_after_ns = NS_PER_SEC;
	if (!running_take(l[0].cells))
		return refuse(req, E_CONCURRENCY, REJECT_CONCURRENCY,
			      l[0].whose);
	if (!running_take(l[1].cells)) {
		running_give(l[0].cells);
		return refuse(req, E_CONCURRENCY, REJECT_CONCURRENCY,
			      l[1].whose);
	}
	req->running_taken = true;
	req->retry_after_ns = 0;
	return NEXT_STEP;
}

/* ---- money ---- */

/* Likeliest refusal first, hottest counter last. */
static void
counters_of(const struct request *req, struct hold_spec *spec)
{
	const struct region *r = req->w->region;

	if (atomic_load(&r->keys[req->key].flags) & KEY_BUDGET)
		spec->ctr[spec->k++] = counter_of_key(req->key);
	spec->ctr[spec->k++] = counter_of_account(req->account);
	if (req->parent != SHM_NONE)
		spec->ctr[spec->k++] = counter_of_account(req->parent);
}

static int64_t
least_available(const struct request *req, const struct hold_spec *spec)
{
	int64_t least = INT64_MAX;

	for (uint32_t i = 0; i < spec->k; i++) {
		const struct counter *c =
			&req->w->region->counters[spec->ctr[i]];
		int64_t v = atomic_load_explicit(&c->available,
						 memory_order_relaxed);

		least = MIN_OF(least, v);
	}
	return least;
}

/* Which budget, and when there is a new one: " per day (until ...)". */
static const char *
describe_budget(struct request *req)
{
	const struct key_row *key = &req->w->region->keys[req->key];
	uint32_t window = atomic_load(&key->budget_window);
	char end[TIME_TEXT];
	struct str text;

	if (window == BUDGET_TOTAL)
		return "";
	(void)time_text(atomic_load(&key->window_end_ms) * NS_PER_MS, 0, end);
	text = arena_printf(&req->arena, " per %s (a new one begins at %s)",
			    budget_window_name(window), end);
	return text.p ? text.p : "";
}

static enum next
refuse_money(struct request *req, const struct hold_spec *spec)
{
	uint32_t counter = spec->ctr[MIN_OF(req->hold.refused,
					    (uint8_t)(SLOT_COUNTERS - 1))];

	if (counter >= SHM_ACCOUNTS)
		return refuse(req, E_BUDGET, REJECT_BUDGET,
			      describe_budget(req));
	return refuse(req, E_BALANCE, REJECT_BALANCE,
		      counter == counter_of_account(req->account)
			      ? "your account"
			      : "your organisation");
}

/* For so many tokens of output, of the asked model or the dearest of those
 * that may answer in its place; at most `limit` of them. */
static bool
dearest_price(struct request *req, uint64_t limit, struct money *most)
{
	uint64_t output = MIN_OF(req->held_output, limit);

	return hold_worst_price(req, output, most) &&
	       fallback_dearest(req, limit, most);
}

/* An answer of unknown length may run on less than its maximum costs. */
static bool
size_hold(struct request *req, struct hold_spec *spec)
{
	struct money floor;
	int64_t least;

	req->held_output = hold_first_output(req, req->product->conf);
	if (!dearest_price(req, UINT64_MAX, &spec->amount))
		return false;
	if (!fallback_any(req) &&
	    (req->ask.has_max || req->held_output <= FIRST_TOKENS))
		return true;
	least = least_available(req, spec);
	if (least >= spec->amount.nano)
		return true;
	if (!dearest_price(req, FIRST_TOKENS, &floor))
		return false;
	if (!req->ask.has_max && least >= floor.nano) {
		spec->amount = money_nano(least);
		return true;
	}
	if (!fallback_any(req))
		return true;
	/* Too dear, one of them; the asked model may not be. */
	fallback_none(req);
	return size_hold(req, spec);
}

enum err
hold_begin(struct request *req)
{
	enum err e = hold_claim(req->w->slots, &req->hold);
	struct note *n;

	if (e != E_OK)
		return e;
	n = hold_note(req->w->slots, &req->hold);
	memset(n, 0, sizeof(*n));
	n->start_ms = req->start_wall_ns / NS_PER_MS;
	n->account = req->account;
	n->parent = req->parent;
	n->key = req->key;
	n->multiplier_ppm = req->multiplier_ppm;
	n->channel = UINT16_MAX;
	n->endpoint = (uint8_t)req->endpoint->note;
	n->flags = req->ask.stream ? NOTE_STREAM : 0;
	memcpy(n->request_id, req->id.b, sizeof(n->request_id));
	return E_OK;
}

static enum next
take_money(struct request *req)
{
	struct worker *w = req->w;
	struct hold_spec spec = {.price_version = req->price_version,
				 .model = req->price_row};
	enum err e = E_OK;

	counters_of(req, &spec);
	fallback_find(req);
	if (!size_hold(req, &spec))
		return request_fail(req, E_BALANCE);
	if (!idem_is_claimed(req))
		e = hold_begin(req);
	if (e != E_OK) {
		metric_add(w->metrics, M_OVERLOAD + OVERLOAD_SLOTS, 1);
		return refuse(req, e, REJECT_OVERLOAD, NULL);
	}
	e = hold_take(w->slots, &req->hold, &spec);
	idem_held(req, e == E_OK);
	if (e != E_OK)
		return refuse_money(req, &spec);
	req->next_extension = FIRST_TOKENS;
	return NEXT_STEP;
}

static enum next
check_books(struct request *req)
{
	const struct region *r = req->w->region;
	uint32_t flags = atomic_load(&r->accounts[req->account].flags);

	if (req->parent != SHM_NONE)
		flags |= atomic_load(&r->accounts[req->parent].flags) &
			 (ACCOUNT_FROZEN | ACCOUNT_AUDIT);
	if (atomic_load(&r->head->ledger_state) != LEDGER_OK)
		return refuse(req, E_LEDGER, REJECT_LEDGER, NULL);
	if (flags & (ACCOUNT_FROZEN | ACCOUNT_AUDIT))
		return refuse(req, E_ACCOUNT_FROZEN, REJECT_BALANCE, NULL);
	return NEXT_STEP;
}

/* ---- the step ---- */

static void
try_again(struct wheel_timer *t)
{
	struct request *req =
		(void *)((char *)t - offsetof(struct request, timer));

	request_go(req, STEP_hold);
}

/* The audit wants a look without new holds. It is over in 2 ms; a writer
 * that died meanwhile must not stop the account. */
static bool
paused(struct request *req)
{
	const struct account_row *rows = req->w->region->accounts;
	uint32_t flags = atomic_load(&rows[req->account].flags);

	if (req->parent != SHM_NONE)
		flags |= atomic_load(&rows[req->parent].flags);
	return (flags & ACCOUNT_PAUSED) && req->pauses++ < PAUSES_MAX;
}

/* Behind the requests per minute. */
static enum next
take_rest(struct request *req, uint64_t tokens)
{
	enum next next = take_rate(req, true, tokens);

	if (next != NEXT_STEP)
		return next;
	req->tpm_taken = tokens;
	next = take_running(req);
	if (next != NEXT_STEP)
		return next;
	return take_money(req);
}

enum next
step_hold(struct request *req)
{
	const struct book_row *p = req->prices;
	enum next next = check_books(req);
	struct limited l[2];
	uint64_t output;

	if (next != NEXT_STEP)
		return next;
	if (paused(req)) {
		wheel_arm(req->w->wheel, &req->timer,
			  req->w->now_ns + 2 * NS_PER_MS, try_again);
		return NEXT_WAIT;
	}
	req->input_tokens =
		is_service(req)
			? service_input(&req->ask, p->bytes_per_token_milli,
					false)
			: tokens_of_input(&req->ask, p->bytes_per_token_milli);
	output = MIN_OF(hold_first_output(req, req->product->conf),
			(uint64_t)FIRST_TOKENS * req->ask.choices);
	next = take_rate(req, false, 1);
	if (next != NEXT_STEP)
		return next;
	next = is_free(req) ? take_running(req)
			    : take_rest(req, req->input_tokens + output);
	if (next != NEXT_STEP) /* it was no request, then */
		give_rate(req, l, limited_of(req, l), false, 1);
	return next;
}
