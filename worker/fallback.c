/*
 * From one model to another: who answers is priced as what it is. The slot of
 * the hold names the new price before anything of the answer is delivered, so
 * that the entry says the same should this process die.
 */
#include "worker/fallback.h"

#include <string.h>

#include "adapters/tokens.h"
#include "base/clock.h"
#include "billing/price.h"
#include "worker/hold.h"

/* Vectors of another model are of another space. */
static bool
allowed(const struct request *req)
{
	const struct key_row *key = &req->w->region->keys[req->key];

	return req->route && req->route->n_fallbacks > 0 &&
	       req->ask.kind != ASK_EMBEDDINGS && !is_free(req) &&
	       !is_service(req) &&
	       (atomic_load(&key->flags) & KEY_SUBSTITUTION);
}

static bool
take(struct request *req, struct str name, struct fallback *f)
{
	struct worker *w = req->w;
	const struct key_row *key = &w->region->keys[req->key];

	if (!names_allow(key_texts(key)->models, name))
		return false;
	f->product = product_find(w, name);
	if (!f->product || f->product == req->asked ||
	    prices_of(w, &req->arena, req->account, f->product,
		      req->start_wall_ns / NS_PER_MS, &f->priced) != E_OK)
		return false;
	f->multiplier_ppm = prices_multiplier(
		w, req->account, &w->conf->groups[req->group], f->product);
	return true;
}

void
fallback_find(struct request *req)
{
	const struct conf_route *r = req->route;

	if (!allowed(req))
		return;
	req->fallbacks = arena_alloc(&req->arena,
				     r->n_fallbacks * sizeof(*req->fallbacks));
	req->n_fallbacks = 0;
	for (uint32_t i = 0; req->fallbacks && i < r->n_fallbacks; i++)
		if (take(req, r->fallbacks[i],
			 &req->fallbacks[req->n_fallbacks]))
			req->n_fallbacks++;
}

static uint64_t
input_of(const struct request *req, const struct fallback *f)
{
	return tokens_of_input(&req->ask, f->priced.row->bytes_per_token_milli);
}

bool
fallback_worst_price(const struct request *req, const struct fallback *f,
		     uint64_t limit, struct money *cost)
{
	uint64_t output = hold_first_output(req, f->product->conf);

	output = MIN_OF(output, MIN_OF(limit, (uint64_t)UINT32_MAX));
	return price_worst(f->priced.row, hold_input(input_of(req, f)),
			   (uint32_t)output, f->multiplier_ppm, cost);
}

bool
fallback_next(struct request *req)
{
	const struct fallback *f;
	struct note *n;

	if (!fallback_left(req))
		return false;
	f = &req->fallbacks[req->next_fallback++];
	req->product = f->product;
	req->prices = f->priced.row;
	req->price_version = f->priced.version;
	req->price_row = f->priced.index;
	req->list = f->priced.list;
	req->list_row = f->priced.list_index;
	req->multiplier_ppm = f->multiplier_ppm;
	req->input_tokens = input_of(req, f);
	req->held_output = hold_first_output(req, req->product->conf);
	memset(req->tried, 0, sizeof(req->tried));
	req->attempts_before = req->attempts;
	n = hold_note(req->w->slots, &req->hold);
	n->multiplier_ppm = req->multiplier_ppm;
	hold_reprice(req->w->slots, &req->hold, req->price_version,
		     req->price_row);
	return true;
}
