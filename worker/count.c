/*
 * How many tokens a conversation has: asked of an upstream that counts by
 * itself for a client of its dialect, else estimated as for a hold.
 */
#include "worker/convert.h"

bool
upstream_has_path(const struct request *req)
{
	const struct wire *wire = wire_of(req);
	const struct adapter *ad = req->leg->offer->lane->adapter;
	struct target t = {.model = req->leg->offer->model->upstream,
			   .path = req->leg->offer->lane->conf->base_url.path};
	struct arena a;
	struct str path;

	arena_init(&a);
	path = (wire == ad->wire && ad->path ? ad->path
					     : wire->path)(&a, &req->ask, &t);
	arena_free(&a);
	return path.n > 0;
}

bool
count_is_theirs(const struct request *req)
{
	return !converts(req) && upstream_has_path(req);
}

/* What it says of the request stands, unless it has no such endpoint. */
bool
count_is_ours(const struct request *req)
{
	if (!req->product)
		return false;
	if (req->err == E_UP_REQUEST)
		return req->leg->upstream_status == 404 ||
		       req->leg->upstream_status == 405;
	return req->err == E_NO_CHANNEL || req->err == E_FULL ||
	       err_row(req->err)->other_channel;
}

void
count_reply(struct request *req)
{
	struct buf *fields = &req->w->fields, *text = &req->w->text;
	bool theirs =
		req->err == E_OK && req->attempts > 0 && req->leg->body.n > 0;

	buf_reset(text);
	if (theirs)
		buf_add_str(text, gather_str(req));
	else
		req->dialect->write_count(text, req->input_tokens);
	reply_fields(req, fields);
	if (!theirs)
		buf_add_cstr(fields, "x-tollgate-estimated: true\r\n");
	buf_add_cstr(fields, "content-type: application/json\r\n");
	gather_free(req);
	req->err = E_OK;
	req->status = 200;
	req->answered = true;
	exchange_reply(req->x, 200, buf_str(fields), buf_str(text), 0);
}
