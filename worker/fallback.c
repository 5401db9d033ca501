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

	return req->route &&
	       (req->route->n_fallbacks > 0 || req->route->race.n > 0) &&
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

static struct fallback
itself(const struct request *req)
{
	return (struct fallback){.product = req->product,
				 .priced = {.row = req->prices,
					    .list = req->list,
					    .version = req->price_version,
					    .index = req->price_row,
					    .list_index = req->list_row},
				 .multiplier_ppm = req->multiplier_ppm};
}

static void
find_race(struct request *req)
{
	struct fallback *both = arena_alloc(&req->arena, 2 * sizeof(*both));

	if (!both || !take(req, req->route->race, &both[1]))
		return;
	both[0] = itself(req);
	req->race = both;
}

void
fallback_find(struct request *req)
{
	const struct conf_route *r = req->route;

	if (!allowed(req))
		return;
	if (r->race.n > 0)
		find_race(req);
	req->fallbacks = arena_alloc(&req->arena,
				     r->n_fallbacks * sizeof(*req->fallbacks));
	req->n_fallbacks = 0;
	for (uint32_t i = 0; req->fallbacks && i < r->n_fallbacks; i++)
		if (take(req, r->fallbacks[i],
			 &req->fallbacks[req->n_fallbacks]))
			req->n_fallbacks++;
}

void
fallback_none(struct request *req)
{
	req->n_fallbacks = 0;
	req->race = NULL;
}

static uint64_t
input_of(const struct request *req, const struct fallback *f)
{
	return tokens_of_input(&req->ask, f->priced.row->bytes_per_token_milli);
}

static bool
worst_price(const struct request *req, const struct fallback *f, uint64_t limit,
	    struct money *cost)
{
	uint64_t output = hold_first_output(req, f->product->conf);

	output = MIN_OF(output, MIN_OF(limit, (uint64_t)UINT32_MAX));
	return price_worst(f->priced.row, hold_input(input_of(req, f)),
			   (uint32_t)output, f->multiplier_ppm, cost);
}

static bool
raise(const struct request *req, const struct fallback *f, uint64_t limit,
      struct money *most)
{
	struct money cost;

	if (!worst_price(req, f, limit, &cost))
		return false;
	if (cost.nano > most->nano)
		*most = cost;
	return true;
}

bool
fallback_dearest(const struct request *req, uint64_t limit, struct money *most)
{
	for (unsigned i = 0; i < req->n_fallbacks; i++)
		if (!raise(req, &req->fallbacks[i], limit, most))
			return false;
	return !req->race || raise(req, &req->race[1], limit, most);
}

void
fallback_use(struct request *req, const struct fallback *f)
{
	req->product = f->product;
	req->prices = f->priced.row;
	req->price_version = f->priced.version;
	req->price_row = f->priced.index;
	req->list = f->priced.list;
	req->list_row = f->priced.list_index;
	req->multiplier_ppm = f->multiplier_ppm;
	req->input_tokens = input_of(req, f);
	req->held_output = hold_first_output(req, req->product->conf);
}

void
fallback_commit(struct request *req)
{
	hold_note(req->w->slots, &req->hold)->multiplier_ppm =
		req->multiplier_ppm;
	hold_reprice(req->w->slots, &req->hold, req->price_version,
		     req->price_row);
}

bool
fallback_next(struct request *req)
{
	if (!fallback_left(req))
		return false;
	fallback_use(req, &req->fallbacks[req->next_fallback++]);
	req->tried = NULL;
	req->attempts_before = req->attempts;
	fallback_commit(req);
	return true;
}
