#pragma once
/*
 * Where the client and the upstream speak different dialects: the request is
 * written anew by way of adapters/talk.h, the answer read and written anew.
 * All of it lives in the request's arena.
 */
#include "adapters/adapter.h"
#include "worker/request.h"

/* What this attempt's upstream is spoken to in. */
static inline const struct wire *
wire_of(const struct request *req)
{
	return adapter_wire(req->leg->offer->lane->adapter, req->dialect,
			    req->ask.kind);
}

/* Does this attempt need it. */
static inline bool
converts(const struct request *req)
{
	return !is_service(req) && wire_of(req)->native != req->dialect;
}

/* Before the attempt: its body, into req->leg->converted; nothing to do where the
 * dialects are the same. E_FIELD_LOST, E_BAD_FIELD: req->detail names it. */
NODISCARD enum err convert_request(struct request *req);
/* The attempt begins: what its stream is read with. */
NODISCARD enum err convert_begin(struct request *req);
/* The pieces of an event, as they come, into w->text; at its end to the
 * client. */
void convert_piece(void *user, const struct piece *p);
/* A whole answer, checked and kept in req->leg->reply; the body must stay. */
NODISCARD enum err convert_answer(struct request *req, struct str body);
/* The sink, its output set to `out`; NULL when out of memory. */
struct sink *convert_sink(struct request *req, struct buf *out);
