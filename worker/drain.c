/*
 * An answer whose client has left is read on, where the channel says so: its
 * provider bills all of it whoever reads it, and only its usage tells how
 * much. The client has paid what it got (R7); what the answer costs becomes a
 * leg of its own, so the request is settled at once, and a death in between
 * loses neither. How many at once, for how long, how much: all bounded.
 */
#include "adapters/tokens.h"
#include "base/clock.h"
#include "worker/attempt.h"
#include "worker/convert.h"
#include "worker/request.h"

bool
drain_allowed(const struct request *req)
{
	return req->leg->offer->lane->conf->on_client_gone ==
	       ON_CLIENT_GONE_DRAIN;
}

/* Not before the answer's head: until then the upstream may have to be asked
 * anew, with a body that went away with the client. */
static bool
wanted(const struct request *req)
{
	const struct worker *w = req->w;

	return req->client_gone && !req->settled && !is_service(req) &&
	       req->hold.slot != SHM_NONE && req->leg->call &&
	       !req->leg->upstream_done && !req->read_enough &&
	       req->leg->phase == PHASE_BODY && drain_allowed(req) &&
	       w->drains < w->conf->limits.drains;
}

bool
drain_keep(struct request *req)
{
	struct token_counts t;

	if (!wanted(req))
		return false;
	t = settle_estimate(req, req->leg->seen_bytes);
	return attempt_keep(req, &t);
}

static void
out_of_time(struct wheel_timer *t)
{
	struct request *req =
		(void *)((char *)t - offsetof(struct request, timer));

	request_enter(req);
	drain_stop(req);
	request_leave(req);
}

void
drain_begin(struct request *req)
{
	struct worker *w = req->w;
	uint64_t ms = req->leg->offer->lane->conf->drain_timeout_ms;

	w->drains++;
	req->drained_from = req->leg->seen_bytes;
	wheel_disarm(&req->timer);
	wheel_arm(w->wheel, &req->timer, w->now_ns + ms * NS_PER_MS,
		  out_of_time);
	if (req->leg->paused)
		call_resume(req->leg->call);
	req->leg->paused = false;
}

bool
drain_delta(struct request *req, const struct delta *d)
{
	uint32_t milli = req->prices->bytes_per_token_milli;
	uint64_t read;

	if (d->usage.present)
		req->leg->usage = d->usage;
	req->leg->seen_bytes += d->content_bytes;
	read = tokens_of_bytes(req->leg->seen_bytes - req->drained_from, milli);
	if (read > req->leg->offer->lane->conf->drain_max)
		drain_stop(req);
	return !req->read_enough;
}

void
drain_answer(struct request *req)
{
	const struct wire *wire = wire_of(req);
	bool good = req->leg->upstream_status >= 200 &&
		    req->leg->upstream_status < 300;
	struct answer answer;

	if (good && !req->ask.stream &&
	    wire->parse_answer(&req->ask, gather_str(req), &answer) == E_OK) {
		req->leg->usage = answer.usage;
		if (!answer.usage.present && req->leg->counted)
			req->leg->usage = *req->leg->counted;
		req->leg->seen_bytes = answer.content_bytes;
	}
	drain_stop(req);
}

void
drain_stop(struct request *req)
{
	req->read_enough = true;
}

void
drain_end(struct request *req)
{
	struct token_counts t = {0};

	if (req->leg->usage.present)
		t = settle_counts(&req->leg->usage);
	else if (req->leg->upstream_status < 300)
		t = settle_estimate(req, req->leg->seen_bytes);
	attempt_end(req, E_CLIENT_GONE);
	attempt_lost(req, E_CLIENT_GONE, &t, !req->leg->usage.present);
	req->w->drains--;
}
