/*
 * Each strategy picks one of the candidates, all of them usable now. Chance
 * comes from the worker, load and speed of all workers from shared memory.
 */
#include "worker/strategies.h"

#include "adapters/tokens.h"
#include "base/must.h"
#include "billing/price.h"
#include "worker/request.h"

/* Output that answers are compared by, where none is said. */
#define USUAL_OUTPUT 1024u

static uint64_t
next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

typedef struct offer *pick_fn(struct request *req, struct offer **c,
			      unsigned n);

static struct offer *
pick_first(struct request *req, struct offer **c, unsigned n)
{
	(void)req;
	(void)n;
	return c[0];
}

static struct offer *
pick_weighted(struct request *req, struct offer **c, unsigned n)
{
	uint64_t sum = 0, at;

	for (unsigned i = 0; i < n; i++)
		sum += c[i]->lane->conf->weight;
	if (sum == 0)
		return c[0];
	at = next_random(req->w) % sum;
	for (unsigned i = 0; i < n; i++) {
		if (at < c[i]->lane->conf->weight)
			return c[i];
		at -= c[i]->lane->conf->weight;
	}
	return c[0];
}

uint64_t
strategy_load(const struct offer *o)
{
	int32_t running = atomic_load_explicit(&o->lane->row->in_flight,
					       memory_order_relaxed);

	return (uint64_t)MAX_OF(running, 0);
}

uint64_t
strategy_weight(const struct offer *o)
{
	return MAX_OF(1u, o->lane->conf->weight);
}

/* Of two drawn by weight the one with fewer requests per weight. */
static struct offer *
pick_balanced(struct request *req, struct offer **c, unsigned n)
{
	struct offer *a = pick_weighted(req, c, n);
	struct offer *b = pick_weighted(req, c, n);

	return strategy_load(b) * strategy_weight(a) <
			       strategy_load(a) * strategy_weight(b)
		       ? b
		       : a;
}

/* How soon they begin their answers: by the slow ones where enough is known
 * of both, else on average. One that is not known, or was not asked for long,
 * counts as twice as fast as the other, so it is tried, but not by all at
 * once. */
static void
paces_of(const struct request *req, const struct channel_row *a,
	 const struct channel_row *b, uint64_t pace[2])
{
	enum channel_pace kind = route_pace(req);

	pace[0] = channel_p95_us(a, kind, req->w->now_ns);
	pace[1] = channel_p95_us(b, kind, req->w->now_ns);
	if (pace[0] > 0 && pace[1] > 0)
		return;
	pace[0] = channel_pace_us(a, kind, req->w->now_ns);
	pace[1] = channel_pace_us(b, kind, req->w->now_ns);
	pace[0] = MAX_OF(pace[0], pace[1] / 2 + 1);
	pace[1] = MAX_OF(pace[1], pace[0] / 2);
}

/* Two different ones drawn by weight; the one that probably answers first:
 * its pace times the requests it is at already. */
static struct offer *
pick_performance(struct request *req, struct offer **c, unsigned n)
{
	struct offer *a = pick_weighted(req, c, n), *b;
	struct offer *rest[CANDIDATES_MAX];
	unsigned n_rest = 0;
	uint64_t pace[2];

	for (unsigned i = 0; i < n; i++)
		if (c[i] != a && (a->lane->conf->weight == 0 ||
				  c[i]->lane->conf->weight > 0))
			rest[n_rest++] = c[i];
	if (n_rest == 0)
		return a;
	b = pick_weighted(req, rest, n_rest);
	paces_of(req, a->lane->row, b->lane->row, pace);
	/* in microseconds and small numbers: far from an overflow */
	return pace[1] * (strategy_load(b) + 1) * strategy_weight(a) <
			       pace[0] * (strategy_load(a) + 1) *
				       strategy_weight(b)
		       ? b
		       : a;
}

/* What the operator would owe for it there. */
static int64_t
cost_there(const struct request *req, const struct offer *o, bool affine)
{
	uint64_t output = MIN_OF(req->held_output, (uint64_t)USUAL_OUTPUT);
	uint32_t cached_ppm =
		affine ? atomic_load(&o->lane->row->cached_ppm) : 0;
	uint64_t input = tokens_clamp(req->input_tokens);
	uint64_t cached = input * cached_ppm / 1000000u;
	struct token_counts t = {.input = tokens_clamp(input - cached),
				 .cache_read = tokens_clamp(cached),
				 .output = tokens_clamp(output)};
	struct money cost;

	if (!price_of(req->list, &t, o->lane->conf->cost_ppm, &cost))
		return INT64_MAX;
	return cost.nano;
}

/* The cheapest; of equally cheap ones the one whose cache knows the request,
 * else the least loaded. */
static struct offer *
pick_cost(struct request *req, struct offer **c, unsigned n,
	  struct offer *affine)
{
	struct offer *best[CANDIDATES_MAX] = {c[0]};
	int64_t least = INT64_MAX;
	unsigned n_best = 0;

	for (unsigned i = 0; i < n; i++) {
		int64_t cost = cost_there(req, c[i], c[i] == affine);

		if (cost < least)
			n_best = 0;
		if (cost <= least)
			best[n_best++] = c[i];
		least = MIN_OF(least, cost);
	}
	for (unsigned i = 0; i < n_best; i++)
		if (best[i] == affine)
			return affine;
	return pick_balanced(req, best, n_best);
}

/* NULL: by cost, which knows of affinity by itself. */
static pick_fn *const strategies[] = {
	[STRATEGY_BALANCED] = pick_balanced,
	[STRATEGY_WEIGHTED] = pick_weighted,
	[STRATEGY_FAILOVER] = pick_first,
	[STRATEGY_COST] = NULL,
	[STRATEGY_PERFORMANCE] = pick_performance,
};

struct offer *
strategy_pick(struct request *req, enum conf_strategy strategy,
	      struct offer **c, unsigned n, struct offer *affine)
{
	must(n > 0);
	if (n == 1)
		return c[0];
	if (!strategies[strategy])
		return pick_cost(req, c, n, affine);
	return affine ? affine : strategies[strategy](req, c, n);
}
