/*
 * Where it goes next: of the channels that offer the model, are open to the
 * group, usable now and not tried yet, one of the best priority. Never
 * another model than the one asked for.
 */
#include "base/clock.h"
#include "base/zone.h"
#include "shm/retries.h"
#include "worker/affinity.h"
#include "worker/caps.h"
#include "worker/fallback.h"
#include "worker/queue.h"
#include "worker/request.h"
#include "worker/strategies.h"

static bool
tried(const struct request *req, const struct lane *l)
{
	if (req->tried_all ||
	    (req->tried && (req->tried[l->index / 64] >> l->index % 64 & 1)))
		return true;
	/* two models may race at one channel, a hedge is for another one */
	return req->rival && !req->race && req->rival->offer->lane == l;
}

void
route_tried(struct request *req, const struct lane *l)
{
	if (!req->tried)
		req->tried =
			arena_zalloc(&req->arena, (req->w->n_lanes + 63) / 64 *
							  sizeof(*req->tried));
	req->tried_all = !req->tried;
	if (req->tried)
		req->tried[l->index / 64] |= 1ull << l->index % 64;
}

_Static_assert(CONF_CHANNEL_KEYS <= CHANNEL_KEYS, "every key has its place");

/* It is not cooling down, and its cap is not spent. */
static bool
key_usable(const struct worker *w, const struct lane *l, unsigned key)
{
	return atomic_load_explicit(&l->row->key_until_ns[key],
				    memory_order_relaxed) <= w->now_ns &&
	       cap_open(w, cap_of_key(l, key));
}

/* From `start` on the first usable key of the channel, but for those of the
 * bits `but`; false: none. */
static bool
find_key(const struct worker *w, const struct lane *l, uint64_t but,
	 uint32_t start, unsigned *index)
{
	uint32_t n = lane_keys(l);

	*index = 0;
	for (uint32_t i = 0; i < n; i++) {
		*index = (start + i) % n;
		if (!(but >> *index & 1) && key_usable(w, l, *index))
			return true;
	}
	return n == 0;
}

/* The next key in turn. */
static bool
pick_key(const struct worker *w, const struct lane *l, uint64_t but,
	 unsigned *index)
{
	uint32_t start = 0;

	if (l->conf->n_keys > 1)
		start = atomic_fetch_add_explicit(&l->row->key_next, 1,
						  memory_order_relaxed);
	for (uint32_t i = 0; i <= lane_keys(l); i++) {
		if (!find_key(w, l, but, start, index))
			return false;
		if (lane_keys(l) == 0 ||
		    channel_key_take(l->row, *index, w->now_ns))
			return true;
		start = *index + 1; /* somebody else is trying it */
	}
	return false;
}

/* May it answer this request at all, however it is now. */
static bool
is_open(const struct request *req, const struct offer *o)
{
	return lane_serves(o->lane, req->group) && rules_allow(req, o->lane) &&
	       !(o->model->lacks_bits & req->needs);
}

/* It could, had the channel room. */
static bool
able(const struct request *req, const struct offer *o)
{
	const struct lane *l = o->lane;
	const struct worker *w = req->w;
	unsigned key;

	return is_open(req, o) && !tried(req, l) &&
	       find_key(w, l, 0, 0, &key) && cap_open(w, l->cap);
}

static bool
is_kept(const struct lane *l)
{
	return atomic_load_explicit(&l->row->kept, memory_order_relaxed) != 0;
}

bool
route_may(const struct request *req, const struct offer *o)
{
	const struct worker *w = req->w;

	return able(req, o) && cap_open_model(req) &&
	       channel_usable(w->region, o->lane->row_index, w->now_ns) &&
	       !(is_kept(o->lane) && fallback_left(req));
}

/*
 * How much is taken. KEPT: a channel that fails and is kept because it is the
 * last one, for those that nobody else can answer. DESPERATE: a channel that
 * just refused a connection is better than none at all; one whose breaker is
 * open or that the operator took out is not.
 */
enum need_of { CAREFUL, KEPT, DESPERATE };

static bool
fits(const struct request *req, const struct offer *o, enum need_of how)
{
	const struct lane *l = o->lane;
	const struct worker *w = req->w;
	uint32_t state;

	if (!queue_room(req, l) || !able(req, o))
		return false;
	if (channel_usable(w->region, l->row_index, w->now_ns))
		return how != CAREFUL || !is_kept(l);
	state = atomic_load(&l->row->state);
	return how == DESPERATE &&
	       token_usable(w->region, l->row_index, w->now_ns) &&
	       (state == CHANNEL_UP || state == CHANNEL_DEGRADED) &&
	       atomic_load(&l->row->operator_state) == 0;
}

static enum conf_strategy
strategy_of(const struct request *req)
{
	return req->route ? req->route->chosen : req->w->conf->routing.strategy;
}

/* The first channel of the route's own list that will do. */
static struct offer *
pick_listed(const struct request *req, enum need_of how)
{
	const struct conf_route *r = req->route;
	struct product *p = req->product;

	for (uint32_t i = 0; i < r->n_channels; i++)
		for (unsigned k = 0; k < p->n_offers; k++)
			if (p->offers[k].lane->index == r->lanes[i] &&
			    fits(req, &p->offers[k], how))
				return &p->offers[k];
	return NULL;
}

/* Offers are sorted by priority: the candidates are one run of them. */
static struct offer *
pick(struct request *req, enum need_of how)
{
	struct product *p = req->product;
	struct offer *c[CANDIDATES_MAX];
	unsigned n = 0;

	if (!cap_open_model(req)) {
		cap_model_refused(req);
		return NULL;
	}
	if (strategy_of(req) == STRATEGY_FAILOVER && req->route &&
	    req->route->n_channels > 0)
		return pick_listed(req, how);
	for (unsigned i = 0; i < p->n_offers; i++) {
		struct offer *o = &p->offers[i];

		if (n > 0 &&
		    o->lane->conf->priority != c[0]->lane->conf->priority)
			break;
		if (n < ARRAY_LEN(c) && fits(req, o, how))
			c[n++] = o;
	}
	if (n == 0)
		return NULL;
	return strategy_pick(req, strategy_of(req), c, n,
			     affinity_pick(req, c, n));
}

/* Why nobody may be asked, now or later; E_OK: somebody may. */
static enum err
closed(const struct request *req, const char **missing)
{
	const struct product *p = req->asked;
	unsigned lacks = UINT32_MAX;
	bool any = false;

	for (unsigned i = 0; i < p->n_offers; i++) {
		const struct offer *o = &p->offers[i];

		if (!lane_serves(o->lane, req->group) ||
		    !rules_allow(req, o->lane))
			continue;
		any = true;
		lacks &= o->model->lacks_bits & req->needs;
		if (!(o->model->lacks_bits & req->needs))
			return E_OK;
	}
	if (!any)
		return E_MODEL_NOT_ALLOWED;
	*missing = lacks ? conf_need_name((enum conf_need)(lacks & -lacks))
			 : "all that it asks for";
	return E_NOT_ABLE;
}

/* Until the cap's next window begins. */
static enum next
refuse_spent(struct request *req)
{
	uint64_t now_ms = clock_wall_ns() / NS_PER_MS;
	uint64_t end_ms = zone_start_of_day(zone_day(now_ms) + 1);

	req->retry_after_ns =
		end_ms > now_ms ? (end_ms - now_ms) * NS_PER_MS : NS_PER_SEC;
	metric_add(req->w->metrics, M_REJECTED + REJECT_BUDGET, 1);
	return request_fail_detail(req, E_MODEL_BUDGET,
				   req->asked->conf->name.p);
}

/* Before any attempt. */
static enum next
refuse(struct request *req)
{
	const char *missing = req->ask.model.p;
	enum err e = closed(req, &missing);

	if (e != E_OK) {
		req->param = e == E_NOT_ABLE ? NULL : "model";
		metric_add(req->w->metrics, M_REJECTED + REJECT_MODEL, 1);
		return request_fail_detail(req, e, missing);
	}
	if (req->asked_spent)
		return refuse_spent(req);
	metric_add(req->w->metrics, M_REJECTED + REJECT_OVERLOAD, 1);
	if (queue_was_full(req, &req->retry_after_ns))
		return request_fail(req, E_FULL);
	req->retry_after_ns = req->w->conf->routing.cooldown_ms * NS_PER_MS;
	return request_fail(req, E_NO_CHANNEL);
}

static bool
tries_left(const struct request *req)
{
	return req->attempts - req->attempts_before <
	       req->w->conf->routing.attempts;
}

bool
route_exhausted(const struct request *req)
{
	return !tries_left(req) && !fallback_left(req);
}

/* One that fails only where nobody else is left: no other channel, and no
 * other model that may take its place. */
static struct offer *
pick_now(struct request *req)
{
	struct offer *o = pick(req, CAREFUL);

	return o || fallback_left(req) ? o : pick(req, KEPT);
}

/* Where all are full it waits, if it may. */
static struct offer *
pick_in_turn(struct request *req)
{
	struct offer *o = pick_now(req);

	if (!o && queue_enter(req))
		o = pick_now(req); /* what became free meanwhile */
	return o;
}

/* A channel of the model, or of the next one that may take its place. */
static struct offer *
pick_model(struct request *req)
{
	struct offer *o = NULL;

	do {
		if (tries_left(req))
			o = pick_in_turn(req);
	} while (!o && !queue_waits(req) && fallback_next(req));
	return o;
}

static struct offer *
pick_desperate(struct request *req)
{
	return pick(req, DESPERATE);
}

/* The last key of a channel may have gone since one was seen. */
static struct offer *
pick_with_key(struct request *req, struct offer *(*next)(struct request *))
{
	struct offer *o;

	while ((o = next(req)) != NULL) {
		if (pick_key(req->w, o->lane, 0, &req->leg->key_index))
			break;
		route_tried(req, o->lane);
	}
	return o;
}

/* Nobody was asked since the last look here, or who was asked was never
 * reached or refused at once: he had no work with it. */
static bool
cost_nothing(const struct request *req)
{
	return req->attempts == 0 || req->err == E_OK ||
	       req->err == E_NO_CHANNEL || req->err == E_FULL ||
	       req->err == E_UP_CONNECT || err_is_key_fault(req->err);
}

/* Such a request may go on without a budget. */
static bool
may_retry(struct request *req)
{
	if (route_exhausted(req))
		return false;
	if (cost_nothing(req) ||
	    retry_take(req->w->region->retries, req->w->now_ns))
		return true;
	series_add(req->leg->offer->lane->series,
		   M_FAILOVERS + FAILOVER_REFUSED, 1);
	return false;
}

enum next
step_route(struct request *req)
{
	struct offer *o = NULL;

	if (queue_waits(req) || may_retry(req))
		o = pick_with_key(req, pick_model);
	if (!o && queue_waits(req))
		return NEXT_WAIT;
	if (!o && req->attempts == 0)
		o = pick_with_key(req, pick_desperate);
	if (!o) {
		/* the error of the last attempt says more than "none" */
		if (req->attempts > 0)
			return request_fail(req, req->err);
		if (req->lost != E_OK && !req->asked_spent)
			return request_fail(req, req->lost);
		return refuse(req);
	}
	req->leg->offer = o;
	req->err = E_OK;
	return NEXT_STEP;
}

bool
route_other_key(struct request *req, uint64_t but)
{
	return pick_key(req->w, req->leg->offer->lane, but,
			&req->leg->key_index);
}

bool
route_beside(struct request *req)
{
	bool may = req->race || tries_left(req);
	struct offer *o = may ? pick(req, false) : NULL;

	req->leg->offer = o;
	return o && pick_key(req->w, o->lane, 0, &req->leg->key_index);
}

void
route_note_pace(const struct request *req)
{
	channel_note_pace(req->leg->offer->lane->row, route_pace(req),
			  (req->w->now_ns - req->leg->attempt_ns) / 1000,
			  req->w->now_ns);
}

void
route_first_byte(struct request *req)
{
	route_note_pace(req);
	affinity_note(req);
}
