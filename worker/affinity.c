/*
 * One 64-bit hash a request, under the segment's secret so that no client
 * chooses whose place it takes; nothing is allocated. What the table forgets
 * costs a provider's cache, nothing else.
 */
#include "worker/affinity.h"

#include "adapters/prefix.h"
#include "base/hash.h"
#include "shm/affinity.h"
#include "worker/request.h"
#include "worker/strategies.h"

#define PREFIX_SPANS 16u
/* Names are told apart by so much of them. */
#define NAME_BYTES 256u

static uint64_t
mix(const struct request *req, uint64_t so_far, struct str s)
{
	const uint64_t *secret = req->w->region->head->table_secret;
	struct sip_key k = {{secret[0] ^ so_far, secret[1]}};

	return siphash(&k, s);
}

/* Names are the account's own; a prefix is the same for all. */
static uint64_t
hash_name(const struct request *req, struct str name, enum conf_affinity by)
{
	uint64_t salt = (uint64_t)req->account << 8 | by;

	if (name.n == 0)
		return 0;
	return mix(req, salt, str_make(name.p, MIN_OF(name.n, NAME_BYTES)));
}

void
affinity_head(struct request *req, const struct http_head *head)
{
	const struct conf *c = req->w->conf;

	if (!c->has_sessions)
		return;
	for (unsigned i = 0; i < head->n_fields; i++)
		if (str_ieq(head->fields[i].name, c->routing.session_header)) {
			req->session = hash_name(req, head->fields[i].value,
						 AFFINITY_SESSION);
			return;
		}
}

static uint64_t
hash_prefix(const struct request *req)
{
	struct str spans[PREFIX_SPANS];
	unsigned n =
		ask_prefix(&req->ask, req->w->conf->routing.affinity_prefix,
			   spans, PREFIX_SPANS);
	uint64_t h = AFFINITY_PREFIX;

	for (unsigned i = 0; i < n; i++)
		h = mix(req, h, spans[i]);
	return n > 0 ? h : 0;
}

static uint64_t
hash_by(const struct request *req, enum conf_affinity by)
{
	switch (by) {
	case AFFINITY_SESSION: return req->session;
	case AFFINITY_USER: return hash_name(req, ask_user(&req->ask), by);
	case AFFINITY_PREFIX: break;
	}
	return hash_prefix(req);
}

void
affinity_choose(struct request *req)
{
	const struct conf_affine *a =
		req->route ? &req->route->affine : &req->w->conf->affine;

	req->affine_row = SHM_NONE;
	for (unsigned i = 0; i < a->n && req->affinity == 0; i++)
		req->affinity = hash_by(req, a->by[i]);
	/* caches are a model's */
	if (req->affinity != 0)
		req->affinity = mix(req, req->affinity, req->ask.model);
}

/* With it, its load is at most 1.25 x its share of all, rounded up. */
static bool
has_share(struct offer *const *c, unsigned n, const struct offer *o)
{
	uint64_t running = 1, weights = 0;

	for (unsigned i = 0; i < n; i++) {
		running += strategy_load(c[i]);
		weights += strategy_weight(c[i]);
	}
	return strategy_load(o) * weights * 4 <
	       running * strategy_weight(o) * 5;
}

struct offer *
affinity_pick(struct request *req, struct offer *const *c, unsigned n)
{
	const struct worker *w = req->w;

	if (req->affinity == 0)
		return NULL;
	req->affine_row =
		affinity_find(w->region, req->affinity,
			      w->conf->routing.affinity_ttl_ms, w->now_ns);
	for (unsigned i = 0; i < n; i++)
		if (c[i]->lane->row_index == req->affine_row)
			return has_share(c, n, c[i]) ? c[i] : NULL;
	return NULL;
}

void
affinity_note(struct request *req)
{
	struct lane *l = req->leg->offer->lane;
	bool hit = req->affine_row == l->row_index;
	enum metric_affinity how = hit ? AFFINITY_HIT
				   : req->affine_row == SHM_NONE
					   ? AFFINITY_NEW
					   : AFFINITY_MOVED;

	if (req->affinity == 0)
		return;
	affinity_put(req->w->region, req->affinity, l->row_index,
		     req->w->now_ns);
	atomic_fetch_add_explicit(&l->row->affine, 1, memory_order_relaxed);
	if (hit)
		atomic_fetch_add_explicit(&l->row->affine_hits, 1,
					  memory_order_relaxed);
	series_add(l->series, M_AFFINITY + how, 1);
}

void
affinity_settled(const struct request *req)
{
	const struct token_counts *t = &req->tokens;
	uint64_t input = (uint64_t)t->input + t->cache_read + t->cache_write;

	if (req->affinity == 0 || input == 0 || !req->leg->offer ||
	    req->usage_source != USAGE_UPSTREAM ||
	    req->affine_row != req->leg->offer->lane->row_index)
		return;
	channel_note_cached(req->leg->offer->lane->row,
			    (uint32_t)(t->cache_read * 1000000ull / input));
}
