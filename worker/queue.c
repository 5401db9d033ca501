/*
 * Waiting for a place. A free place is not handed over: its giver rings the
 * worker whose request is next, and that one takes it by the same
 * compare-and-swap as anybody. So a death in between loses nothing, and a
 * call that is lost delays until the request's next look by itself.
 */
#include "worker/queue.h"

#include "base/clock.h"
#include "shm/queue.h"
#include "worker/request.h"

/* Channels a request waits at. */
#define LANES 8u
/* It also looks by itself: channels come and go. */
#define LOOK_NS (100 * NS_PER_MS)
/* Of many places that are free at once so many are called for. */
#define CALLS	       32
#define LEAST_RETRY_NS NS_PER_SEC

struct spot {
	const struct offer *offer;
	uint32_t place;
};

/* In the arena of its request. */
struct waiter {
	struct request *req;
	struct waiter *next, **prev; /* of w->waiters, while n > 0 */
	struct wheel_timer timer;
	uint64_t since_ns;
	uint64_t until_ns;
	uint64_t waited_ns; /* before */
	uint64_t retry_ns;  /* when it is refused */
	bool full;	    /* nothing but room is missing */
	bool late;	    /* the wait would be too long */
	bool over;	    /* it waits no more */
	bool in_vain;
	unsigned n;
	struct spot spot[LANES];
};

static int32_t
free_places(const struct lane *l)
{
	if (l->conf->max_concurrency == 0)
		return INT32_MAX;
	return (int32_t)l->conf->max_concurrency -
	       atomic_load(&l->row->in_flight);
}

static const struct spot *
spot_at(const struct request *req, const struct lane *l)
{
	const struct waiter *wt = req->waiter;

	for (unsigned i = 0; wt && i < wt->n; i++)
		if (wt->spot[i].offer->lane == l)
			return &wt->spot[i];
	return NULL;
}

bool
queue_room(const struct request *req, const struct lane *l)
{
	int32_t n = free_places(l);
	const struct spot *s;

	if (n <= 0)
		return false;
	if (!l->queue || !queue_busy(l->queue))
		return true;
	s = spot_at(req, l);
	return s &&
	       queue_rank(l->queue, s->place, req->w->now_ns) < (uint32_t)n;
}

bool
queue_waits(const struct request *req)
{
	return req->waiter && req->waiter->n > 0;
}

bool
queue_was_full(const struct request *req, uint64_t *retry_ns)
{
	if (!req->waiter || !req->waiter->full)
		return false;
	*retry_ns = MAX_OF(req->waiter->retry_ns, LEAST_RETRY_NS);
	return true;
}

uint64_t
queue_waited_ns(const struct request *req)
{
	return req->waiter ? req->waiter->waited_ns : 0;
}

bool
queue_in_vain(const struct request *req)
{
	return req->waiter && req->waiter->in_vain;
}

/* ---- calling ---- */

static void
ring(const struct worker *w, uint64_t owner)
{
	uint32_t row = (uint32_t)owner;

	if (!w->args->doorbells || row >= w->region->head->n_workers)
		return;
	if (atomic_load(&w->region->workers[row].spawn_epoch) == owner >> 32)
		doorbell_ring(w->args->doorbells[row]);
}

/* Whoever is next for what is free; a worker once. */
static void
call_next(const struct worker *w, const struct lane *l)
{
	int32_t n = MIN_OF(free_places(l), CALLS);
	struct queue_walk walk = {0};
	uint64_t last = 0;

	for (; n > 0 && queue_next(l->queue, w->now_ns, &walk); n--) {
		uint64_t owner =
			atomic_load(&l->queue->place[walk.place].owner);

		if (owner != 0 && owner != last)
			ring(w, owner);
		last = owner;
	}
}

void
queue_give(struct worker *w, struct lane *l, uint64_t held_ns)
{
	bool was_full = channel_leave(l->row, l->conf->max_concurrency);

	if (!l->queue)
		return;
	if (was_full && held_ns > 0)
		queue_note_held(l->queue, held_ns / 1000, w->now_ns);
	if (queue_busy(l->queue))
		call_next(w, l);
}

/* ---- the wait ---- */

static void
look(struct wheel_timer *t)
{
	struct waiter *wt =
		(void *)((char *)t - offsetof(struct waiter, timer));

	request_go(wt->req, STEP_route);
}

static void
begin(struct waiter *wt)
{
	struct worker *w = wt->req->w;

	wt->next = w->waiters;
	wt->prev = &w->waiters;
	if (wt->next)
		wt->next->prev = &wt->next;
	w->waiters = wt;
}

static void
end(struct waiter *wt, enum metric_queued why)
{
	struct worker *w = wt->req->w;
	uint64_t ns = w->now_ns - wt->since_ns;

	*wt->prev = wt->next;
	if (wt->next)
		wt->next->prev = wt->prev;
	wheel_disarm(&wt->timer);
	wt->waited_ns += ns;
	wt->in_vain = why != QUEUED_SERVED;
	metric_add(w->metrics, M_QUEUED + why, 1);
	metric_observe(w->metrics, M_QUEUE_WAIT, ns / 1000);
}

/* Gives the spot up; who is behind may go where it might have gone. */
static void
drop(struct waiter *wt, unsigned i, bool served)
{
	const struct lane *l = wt->spot[i].offer->lane;
	uint32_t place = wt->spot[i].place;

	wt->spot[i] = wt->spot[--wt->n];
	queue_leave(l->queue, place, served);
	if (!served)
		call_next(wt->req->w, l);
}

static void
drop_all(struct waiter *wt, const struct lane *served)
{
	while (wt->n > 0)
		drop(wt, wt->n - 1,
		     served && wt->spot[wt->n - 1].offer->lane == served);
}

void
queue_quit(struct request *req, enum metric_queued why)
{
	if (!queue_waits(req))
		return;
	drop_all(req->waiter, NULL);
	end(req->waiter, why);
}

bool
queue_take(struct request *req, struct lane *l)
{
	if (!channel_enter(l->row, l->conf->max_concurrency))
		return false;
	if (!req->waiter)
		return true;
	if (queue_waits(req)) {
		drop_all(req->waiter, l);
		end(req->waiter, QUEUED_SERVED);
	}
	req->waiter->full = req->waiter->in_vain = false;
	return true;
}

/* ---- who may wait where ---- */

static struct waiter *
waiter_of(struct request *req)
{
	if (req->waiter)
		return req->waiter;
	req->waiter = arena_zalloc(&req->arena, sizeof(*req->waiter));
	if (req->waiter)
		req->waiter->req = req;
	return req->waiter;
}

static void
come_again(struct waiter *wt, uint64_t ns)
{
	if (wt->retry_ns == 0 || ns < wt->retry_ns)
		wt->retry_ns = ns;
}

/* At one channel that is full; not where the wait would take too long. */
static void
join(struct waiter *wt, const struct offer *o)
{
	const struct lane *l = o->lane;
	struct worker *w = wt->req->w;
	struct queue_spec spec = {
		.owner = queue_owner(w->args->spawn_epoch, w->args->row),
		.account = wt->req->account,
		.places = l->conf->queue,
		.until_ns = wt->until_ns};
	uint32_t most = l->conf->max_concurrency, place, rank;
	uint64_t wait;

	wt->full = true;
	if (!l->queue)
		return;
	place = queue_join(l->queue, &spec);
	rank = place == SHM_NONE ? queue_length(l->queue)
				 : queue_rank(l->queue, place, w->now_ns);
	wait = queue_wait_ns(l->queue, rank, most, w->now_ns);
	come_again(wt, wait);
	if (place == SHM_NONE)
		return;
	wt->spot[wt->n++] = (struct spot){o, place};
	if (free_places(l) > (int32_t)rank || w->now_ns + wait <= wt->until_ns)
		return;
	drop(wt, wt->n - 1, false);
	wt->late = true;
}

/* Its spots are those of the channels that it might be sent to now. */
static void
join_all(struct waiter *wt)
{
	const struct request *req = wt->req;
	const struct product *p = req->product;

	for (unsigned i = wt->n; i-- > 0;)
		if (!route_may(req, wt->spot[i].offer))
			drop(wt, i, false);
	for (unsigned i = 0; i < p->n_offers && wt->n < LANES; i++) {
		const struct offer *o = &p->offers[i];

		if (!spot_at(req, o->lane) && route_may(req, o))
			join(wt, o);
	}
}

static bool
refused(struct waiter *wt)
{
	if (wt->full)
		metric_add(wt->req->w->metrics,
			   M_QUEUED + (wt->late ? QUEUED_LATE : QUEUED_FULL),
			   1);
	return false;
}

bool
queue_enter(struct request *req)
{
	uint64_t most = req->w->conf->routing.queue_timeout_ms * NS_PER_MS;
	uint64_t now = req->w->now_ns;
	struct waiter *wt = waiter_of(req);
	bool waited;

	if (!wt || wt->over)
		return false;
	waited = wt->n > 0;
	if (waited && now >= wt->until_ns) {
		wt->over = true;
		queue_quit(req, QUEUED_TIMEOUT);
		return false;
	}
	if (!waited) {
		wt->since_ns = now;
		wt->until_ns = now + most - MIN_OF(wt->waited_ns, most);
		wt->full = wt->late = false;
		wt->retry_ns = 0;
	}
	join_all(wt);
	if (wt->n == 0 && !waited)
		return refused(wt);
	if (wt->n == 0) {
		wt->full = false;
		end(wt, QUEUED_CLOSED);
		return false;
	}
	if (!waited)
		begin(wt);
	if (req->ask.stream && !is_service(req))
		startup_wait(req);
	wheel_arm(req->w->wheel, &wt->timer,
		  MIN_OF(wt->until_ns, now + LOOK_NS), look);
	return true;
}

/* ---- the doorbell ---- */

static struct waiter *
find(const struct worker *w, const struct lane *l, uint32_t place)
{
	for (struct waiter *wt = w->waiters; wt; wt = wt->next) {
		const struct spot *s = spot_at(wt->req, l);

		if (s && s->place == place)
			return wt;
	}
	return NULL;
}

static void
serve_lane(struct worker *w, const struct lane *l)
{
	int32_t n = MIN_OF(free_places(l), CALLS);
	struct queue_walk walk = {0};

	for (; n > 0 && w->waiters && queue_next(l->queue, w->now_ns, &walk);
	     n--) {
		struct waiter *wt = find(w, l, walk.place);

		if (wt)
			request_go(wt->req, STEP_route);
	}
}

void
queue_serve(struct worker *w)
{
	for (unsigned i = 0; w->waiters && i < w->n_lanes; i++)
		if (w->lanes[i].queue && queue_busy(w->lanes[i].queue))
			serve_lane(w, &w->lanes[i]);
}
