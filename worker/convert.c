/* Requests and answers between two dialects. */
#include "worker/convert.h"

#include "base/clock.h"

/* Names in answers are looked up among them, when the body is gone. */
static bool
keep_tools(struct conversation *c)
{
	for (struct tool *t = c->tools; t; t = t->next) {
		t->name = arena_dup(c->a, t->name);
		if (!t->name.p)
			return false;
	}
	return true;
}

/* Once a request, however many attempts it takes. */
static enum err
read_once(struct request *req)
{
	struct conversation *c;
	const char *detail = NULL;
	enum err e;

	if (req->talk)
		return E_OK;
	c = arena_alloc(&req->arena, sizeof(*c));
	if (!c)
		return E_NO_MEMORY;
	conversation_init(c, &req->arena);
	c->strict =
		atomic_load(&req->w->region->keys[req->key].flags) & KEY_STRICT;
	e = req->dialect->read(c, &req->ask, &detail);
	if (e == E_OK && !keep_tools(c))
		return E_NO_MEMORY;
	if (e == E_OK)
		req->ask.talk = req->talk = c;
	else
		req->param = req->detail = detail;
	return e;
}

static void
target_of(const struct request *req, struct target *t)
{
	const struct lane *l = req->leg->offer->lane;

	*t = (struct target){
		.model = req->leg->offer->model->upstream,
		.model_json = req->leg->offer->upstream_json,
		.max_output = (uint32_t)req->product->conf->max_output,
		.quirks = l->adapter->quirks,
		.wire = wire_of(req),
	};
}

enum err
convert_request(struct request *req)
{
	const struct wire *wire = wire_of(req);
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct json_out out;
	struct target t;
	struct writing w;
	enum err e;

	req->leg->converted = STR_NONE;
	req->leg->dropped = STR_NONE;
	if (!converts(req))
		return E_OK;
	if (!req->dialect->read || !wire->write)
		return E_NO_CHANNEL;
	e = read_once(req);
	if (e != E_OK)
		return e;
	target_of(req, &t);
	json_out_init(&out, &body);
	w = (struct writing){.talk = req->talk,
			     .ask = &req->ask,
			     .target = &t,
			     .a = &req->arena,
			     .out = &out};
	e = wire->write(&w);
	if (e == E_OK)
		e = writing_end(&w);
	if (e == E_FIELD_LOST)
		req->param = req->detail = w.refused;
	if (e != E_OK)
		return e;
	req->leg->dropped = w.dropped;
	req->leg->converted = arena_dup(&req->leg->wire, buf_str(&body));
	return req->leg->converted.p ? E_OK : E_NO_MEMORY;
}

enum err
convert_begin(struct request *req)
{
	const struct wire *wire = wire_of(req);
	bool pieces = req->ask.stream && converts(req);
	struct source *s;

	req->leg->source = NULL;
	if (!pieces && wire->source_bytes == 0)
		return E_OK;
	s = arena_alloc(&req->arena, sizeof(*s) + wire->source_bytes);
	if (!s)
		return E_NO_MEMORY;
	memset(s, 0, sizeof(*s) + wire->source_bytes);
	s->a = &req->arena;
	s->ask = &req->ask;
	s->own = s + 1;
	s->put = pieces ? convert_piece : NULL;
	s->user = req;
	req->leg->source = s;
	return E_OK;
}

struct sink *
convert_sink(struct request *req, struct buf *out)
{
	struct sink *s = req->leg->sink;

	if (!s) {
		s = arena_zalloc(&req->arena, sizeof(*s));
		if (!s)
			return NULL;
		s->a = &req->arena;
		s->ask = &req->ask;
		s->id = request_id_str(req);
		s->created_s = req->start_wall_ns / NS_PER_SEC;
		s->model = req->ask.model;
		s->input_hint = req->input_tokens;
		if (req->dialect->sink_bytes > 0) {
			s->own = arena_zalloc(&req->arena,
					      req->dialect->sink_bytes);
			if (!s->own)
				return NULL;
		}
		req->leg->sink = s;
	}
	s->out = out;
	return s;
}

/* Pictures and the like that no answer of the client's dialect can hold. */
static bool
loses_media(struct request *req, struct str mime)
{
	const char *place = req->dialect->media;
	struct str type;

	if (place && str_starts(mime, str_of(place)))
		return false;
	type = arena_dup(&req->arena, str_make(mime.p, MIN_OF(mime.n, 64u)));
	req->leg->lost_media = type.n > 0 ? type.p : "media";
	return true;
}

void
convert_piece(void *user, const struct piece *p)
{
	struct request *req = user;
	struct sink *s;

	if (p->kind == PIECE_MEDIA && loses_media(req, p->mime))
		return;
	if (p->kind == PIECE_FINISH && p->finish == FINISH_ERROR &&
	    !req->dialect->tells_failure) {
		req->leg->gave_up = true;
		return;
	}
	s = convert_sink(req, &req->w->text);
	if (s)
		req->dialect->put(s, p);
	else
		req->w->text.failed = true;
}

static bool
answer_loses(struct request *req)
{
	for (const struct reply_choice *c = req->leg->reply->choices; c;
	     c = c->next)
		for (const struct part *p = c->parts; p; p = p->next)
			if (p->kind == PART_FILE && loses_media(req, p->mime))
				return true;
	return false;
}

enum err
convert_answer(struct request *req, struct str body)
{
	const struct wire *wire = wire_of(req);
	enum err e;

	req->leg->reply = arena_alloc(&req->arena, sizeof(*req->leg->reply));
	if (!req->leg->reply)
		return E_NO_MEMORY;
	reply_init(req->leg->reply);
	e = wire->read_answer(&req->arena, &req->ask, body, req->leg->reply);
	if (e == E_OK && reply_failed(req->leg->reply) &&
	    !req->dialect->tells_failure)
		return E_UP_BAD_RESPONSE;
	if (e != E_OK || !answer_loses(req))
		return e;
	req->detail = req->leg->lost_media;
	return E_UP_MEDIA;
}
