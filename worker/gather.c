/* Collected bytes of an answer, in pool memory, counted against its cap. */
#include "worker/request.h"

enum err
gather_add(struct request *req, struct str piece, uint64_t limit)
{
	struct gather *g = &req->leg->body;
	size_t need = g->n + piece.n;
	size_t cap = g->cap ? g->cap : POOL_BLOCK;
	char *p;

	if (need > limit)
		return E_UP_BAD_RESPONSE;
	if (need > g->cap) {
		while (cap < need)
			cap *= 2;
		p = pool_realloc(req->w->pool, g->p, g->cap, cap);
		if (!p)
			return E_NO_MEMORY;
		g->p = p;
		g->cap = cap;
	}
	memcpy(g->p + g->n, piece.p, piece.n);
	g->n = need;
	return E_OK;
}

void
gather_free(struct request *req)
{
	if (req->leg->body.p)
		pool_free(req->w->pool, req->leg->body.p, req->leg->body.cap);
	req->leg->body = (struct gather){0};
}
