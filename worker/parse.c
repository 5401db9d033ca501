/*
 * The body: the few fields the gateway acts on, and the model they name.
 */
#include "base/clock.h"
#include "base/must.h"
#include "worker/pass.h"
#include "worker/prices.h"
#include "worker/request.h"

static const char *
detail_of(struct request *req, struct str s)
{
	struct str copy =
		arena_dup(&req->arena, str_make(s.p, MIN_OF(s.n, 128u)));

	return copy.p ? copy.p : "";
}

/* The row, the multiplier, the discount: what changes later changes nothing
 * for this request. */
static enum next
choose_price(struct request *req)
{
	struct worker *w = req->w;
	struct priced p;
	enum err e = prices_of(w, &req->arena, req->account, req->product,
			       req->start_wall_ns / NS_PER_MS, &p);

	if (e != E_OK) {
		metric_add(w->metrics,
			   M_REJECTED + (e == E_NO_MODEL ? REJECT_MODEL
							 : REJECT_OVERLOAD),
			   1);
		req->param = e == E_NO_MODEL ? "model" : NULL;
		return request_fail_detail(
			req, e,
			e == E_NO_MODEL ? detail_of(req, req->ask.model)
					: NULL);
	}
	req->prices = p.row;
	req->price_version = p.version;
	req->price_row = p.index;
	req->list = p.list;
	req->list_row = p.list_index;
	req->multiplier_ppm = prices_multiplier(
		w, req->account, &w->conf->groups[req->group], req->product);
	e = pass_priced(req);
	if (e == E_OK)
		return NEXT_STEP;
	metric_add(w->metrics, M_REJECTED + REJECT_MODEL, 1);
	req->param = "model";
	return request_fail(req, e);
}

static enum next
find_model(struct request *req)
{
	struct worker *w = req->w;
	const struct key_row *key = &w->region->keys[req->key];

	if (!names_allow(key_texts(key)->models, req->ask.model)) {
		metric_add(w->metrics, M_REJECTED + REJECT_MODEL, 1);
		req->param = "model";
		return request_fail_detail(req, E_MODEL_NOT_ALLOWED,
					   detail_of(req, req->ask.model));
	}
	req->asked = req->product = product_find(w, req->ask.model);
	if (!req->product) {
		metric_add(w->metrics, M_REJECTED + REJECT_MODEL, 1);
		req->param = "model";
		return request_fail_detail(req, E_NO_MODEL,
					   detail_of(req, req->ask.model));
	}
	return choose_price(req);
}

enum next
step_parse(struct request *req)
{
	enum err e;

	must(req->dialect);
	req->ask.kind = req->endpoint->kind;
	e = is_service(req)
		    ? pass_parse(req)
		    : req->dialect->parse(&req->arena, &req->ask, &req->detail);
	if (e == E_DUPLICATE_FIELD || e == E_MISSING_FIELD ||
	    e == E_BAD_FIELD || e == E_FIELD_LOST)
		req->param = req->detail;
	if (e != E_OK)
		return request_fail(req, e);
	req->detail = NULL; /* the field that was read last */
	return find_model(req);
}
