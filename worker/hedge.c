/*
 * Everything of an attempt is in its struct leg, and all code works on
 * req->leg: here the two change places.
 */
#include "worker/hedge.h"

#include "base/clock.h"
#include "base/must.h"
#include "shm/retries.h"
#include "worker/fallback.h"
#include "worker/request.h"

static void
turn(struct request *req)
{
	struct leg *l = req->leg;

	req->leg = req->rival;
	req->rival = l;
	if (req->leg->model)
		fallback_use(req, req->leg->model);
}

/* The leg is of no use any more; the other one is all there is. */
static void
forget(struct request *req)
{
	struct leg *gone = req->leg;

	turn(req);
	req->rival = NULL;
	leg_free(gone, req->w->pool);
}

/* Of the two: what came of the second one. */
static void
count(const struct request *req, enum metric_hedge outcome)
{
	const struct leg *l = req->leg->second ? req->leg : req->rival;

	series_add(l->offer->lane->series, M_HEDGES + outcome, 1);
}

/* ---- the second one ---- */

/* Nothing of it is left if it cannot begin. */
static bool
start(struct request *req, const struct fallback *model)
{
	struct leg *l = arena_zalloc(&req->arena, sizeof(*l));
	const char *detail = req->detail, *param = req->param;
	bool spent = req->asked_spent, ok;

	if (!l)
		return false;
	leg_init(l, req->w->pool);
	l->second = true;
	l->model = model;
	req->rival = l;
	turn(req);
	ok = route_beside(req) && attempt_start(req) == E_OK;
	if (ok) {
		turn(req);
		return true;
	}
	forget(req);
	req->err = E_OK;
	req->asked_spent = spent;
	req->detail = detail;
	req->param = param;
	return false;
}

/* A whole answer whose head has come is on its way. */
static bool
is_late(const struct request *req)
{
	return !req->begun && !req->rival && req->leg->call &&
	       req->leg->first_byte_ns == 0 &&
	       (req->ask.stream || req->leg->phase != PHASE_BODY);
}

static void
hedge(struct request *req)
{
	struct region *r = req->w->region;

	if (!hedge_take(r->hedges)) {
		series_add(req->leg->offer->lane->series,
			   M_HEDGES + HEDGE_REFUSED, 1);
		return;
	}
	/* in an outage there are retries enough */
	if (!retry_take(r->retries, req->w->now_ns) || !start(req, NULL))
		hedge_give(r->hedges);
}

static void
late(struct wheel_timer *t)
{
	struct request *req =
		(void *)((char *)t - offsetof(struct request, late));

	request_enter(req);
	if (!req->client_gone && is_late(req))
		hedge(req);
	request_leave(req);
}

/* 0 = not known yet. */
static uint64_t
patience_ns(const struct request *req)
{
	if (req->route->hedge_after_ms > 0)
		return req->route->hedge_after_ms * NS_PER_MS;
	return channel_p95_us(req->leg->offer->lane->row, route_pace(req),
			      req->w->now_ns) *
	       1000;
}

void
hedge_begin(struct request *req)
{
	const struct worker *w = req->w;
	uint64_t patience;

	if (req->attempts != 1 || !req->route || is_free(req) ||
	    is_service(req))
		return;
	if (req->race) {
		req->leg->model = &req->race[0];
		(void)start(req, &req->race[1]);
		return;
	}
	if (!req->route->hedge)
		return;
	hedge_earn(w->region->hedges, w->conf->routing.hedge_budget_ppm);
	patience = patience_ns(req);
	if (patience > 0)
		wheel_arm(w->wheel, &req->late, w->now_ns + patience, late);
}

/* ---- which of them ---- */

void
hedge_enter(struct request *req, const struct call *c)
{
	if (req->leg->call == c)
		return;
	must(req->rival && req->rival->call == c);
	turn(req);
}

bool
hedge_goes_on(struct request *req)
{
	wheel_disarm(&req->late);
	req->leg->failed = req->rival != NULL;
	if (req->leg->failed)
		return true;
	/* with what comes now, all begins anew */
	req->leg->second = false;
	req->leg->model = NULL;
	if (req->race)
		fallback_use(req, &req->race[0]);
	return false;
}

void
hedge_leave(struct request *req)
{
	if (!req->leg->failed)
		return;
	if (req->leg->second)
		count(req, HEDGE_FAILED);
	forget(req);
}

/* How long a beaten one was waited for is less than it takes, but more than
 * nothing: else a channel that is often beaten would seem fast. */
static void
give_up_other(struct request *req, enum err why)
{
	turn(req);
	if (why == E_HEDGED && req->leg->first_byte_ns == 0)
		route_note_pace(req);
	attempt_drop(req, why);
	forget(req);
}

void
hedge_won(struct request *req)
{
	wheel_disarm(&req->late);
	if (req->hedged || (!req->rival && !req->leg->second))
		return;
	req->hedged = true;
	count(req, req->leg->second ? HEDGE_WON : HEDGE_LOST);
	if (req->rival)
		give_up_other(req, E_HEDGED);
	if (!req->leg->second)
		return;
	attempt_name(req);
	if (req->leg->model)
		fallback_commit(req);
}

void
hedge_end(struct request *req)
{
	wheel_disarm(&req->late);
	hedge_leave(req);
	if (req->rival)
		give_up_other(req, E_CLIENT_GONE);
}
