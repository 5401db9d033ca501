/* Who is refused when there is too much to do, see admit.h. */
#include "worker/admit.h"

#include "base/clock.h"
#include "base/log.h"
#include "worker/request.h"

bool
admit_late(struct admit *a, uint64_t waited_ns, uint64_t limit_ns,
	   uint64_t now_ns)
{
	if (waited_ns < limit_ns) {
		a->late_ns = 0;
		return false;
	}
	if (a->late_ns == 0 || now_ns - a->seen_ns > ADMIT_CALM_NS)
		a->late_ns = now_ns;
	a->seen_ns = now_ns;
	if (!a->overloaded && now_ns - a->late_ns < ADMIT_PATIENCE_NS)
		return false;
	a->overloaded = true;
	a->refused_ns = now_ns;
	a->refused++;
	return true;
}

bool
admit_calm(const struct admit *a, uint64_t now_ns)
{
	return now_ns - a->refused_ns >= ADMIT_CALM_NS;
}

/* The kernel is asked only where the loop, or the queue of new clients, is
 * known to be behind. */
static uint64_t
waited(const struct request *req, uint64_t limit_ns)
{
	const struct worker *w = req->w;

	if (!w->admit.overloaded && w->lag_ns < limit_ns / 4 &&
	    !http_server_crowded(w->server))
		return 0;
	return exchange_waited_ns(req->x);
}

static bool
is_late(struct request *req)
{
	struct worker *w = req->w;
	uint64_t limit_ns = w->conf->limits.overload_delay_ms * NS_PER_MS;
	bool before = w->admit.overloaded;
	uint64_t ns;

	if (limit_ns == 0)
		return false;
	ns = waited(req, limit_ns);
	if (!admit_late(&w->admit, ns, limit_ns, w->now_ns))
		return false;
	if (!before) {
		LOG_WARN("overloaded: requests that waited are refused",
			 F_U64("waited_ms", ns / NS_PER_MS),
			 F_U64("running", w->running));
		metric_set(w->metrics, M_OVERLOADED, 1);
		w->admit.tick_ns = w->now_ns - NS_PER_SEC;
		w->admit.due_ns = w->now_ns + NS_PER_SEC;
	}
	return true;
}

/* Half of it to one and a half. */
static uint64_t
retry_after_ns(const struct request *req)
{
	uint64_t ns = MAX_OF(1u, req->w->admit.retry_s) * NS_PER_SEC;

	return ns / 2 + ns / 256 * req->id.b[REQUEST_ID_BYTES - 1];
}

static bool
refuse(struct request *req, enum metric_overload why)
{
	req->retry_after_ns = retry_after_ns(req);
	metric_add(req->w->metrics, M_OVERLOAD + why, 1);
	metric_add(req->w->metrics, M_REJECTED + REJECT_OVERLOAD, 1);
	(void)request_fail(req, E_OVERLOAD);
	return false;
}

bool
admit_head(struct request *req)
{
	const struct worker *w = req->w;
	uint32_t most = w->conf->limits.requests;

	if (req->endpoint->page)
		return true;
	if (most > 0 && w->running > most)
		return refuse(req, OVERLOAD_REQUESTS);
	if (is_late(req))
		return refuse(req, OVERLOAD_DELAY);
	return true;
}

/* So that the refusals of a second become half of what can be given. */
uint32_t
admit_retry(uint32_t retry_s, uint64_t refused, uint64_t deferred)
{
	uint64_t s = MAX_OF(retry_s, 1u) * (refused + deferred);

	s = (s + ADMIT_REFUSALS / 2 - 1) / (ADMIT_REFUSALS / 2);
	return (uint32_t)MIN_OF(MAX_OF(s, 1u), ADMIT_RETRY_MAX_S);
}

static void
overload_ends(struct worker *w)
{
	struct admit *a = &w->admit;

	LOG_INFO("the overload is over", F_U64("refused", a->refused));
	metric_set(w->metrics, M_OVERLOADED, 0);
	http_server_ration(w->server, 0, 0, 0);
	*a = (struct admit){.late_ns = 0};
}

void
admit_tick(struct worker *w, uint64_t lag_ns)
{
	struct admit *a = &w->admit;
	uint64_t since_ns = MIN_OF(w->now_ns - a->tick_ns, NS_PER_SEC);

	w->lag_ns = lag_ns;
	if (!a->overloaded)
		return;
	if (admit_calm(a, w->now_ns)) {
		overload_ends(w);
		return;
	}
	if (w->now_ns >= a->due_ns) {
		a->retry_s = admit_retry(a->retry_s, a->refused - a->counted,
					 http_server_deferred(w->server));
		a->counted = a->refused;
		a->due_ns = w->now_ns + NS_PER_SEC;
	}
	a->tick_ns = w->now_ns;
	http_server_ration(w->server,
			   w->conf->limits.overload_delay_ms * NS_PER_MS,
			   (unsigned)(since_ns * ADMIT_REFUSALS / NS_PER_SEC),
			   ADMIT_REFUSALS);
}
