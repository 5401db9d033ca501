/*
 * Answers of OpenAI-compatible providers for a client of another dialect:
 * whole ones as a reply, streamed ones as pieces. What is hard: deltas of
 * calls, which not all providers number or name as OpenAI does.
 */
#include "adapters/openai.h"

static bool
is(struct json_value v, const char *text)
{
	return v.type == JSON_STRING && json_str_eq(v.raw, str_of(text));
}

enum finish
openai_finish(struct json_value reason)
{
	if (reason.type != JSON_STRING)
		return FINISH_NONE;
	if (is(reason, "length") || is(reason, "model_length") ||
	    is(reason, "max_tokens"))
		return FINISH_LENGTH;
	if (is(reason, "tool_calls") || is(reason, "function_call"))
		return FINISH_CALLS;
	if (is(reason, "content_filter"))
		return FINISH_FILTER;
	if (is(reason, "error"))
		return FINISH_ERROR;
	return FINISH_STOP;
}

static uint32_t
index_of(struct json_value v, uint32_t otherwise)
{
	uint64_t n;

	return json_u64(v, &n) && n < UINT32_MAX ? (uint32_t)n : otherwise;
}

enum { C_INDEX, C_DELTA, C_MESSAGE, C_FINISH, C_LOGPROBS, CHOICE };
static const char *const choice_names[CHOICE] = {"index", "delta", "message",
						 "finish_reason", "logprobs"};

enum { M_CONTENT, M_REFUSAL, M_CALLS, M_FUNCTION_CALL, MESSAGE };
static const char *const message_names[MESSAGE] = {
	"content", "refusal", "tool_calls", "function_call"};

/* ---- streams: words ---- */

struct placed {
	struct source *s;
	uint32_t choice;
};

static void
put_words(const struct placed *at, enum piece_kind kind, struct str text)
{
	struct piece p = {.kind = kind, .choice = at->choice, .text = text};

	if (text.n > 0)
		source_put(at->s, &p);
}

/* The text of details counts where it stands nowhere else; where it stood
 * before, a whole detail says it once more. */
static void
put_thoughts(const struct placed *at, struct json_value delta)
{
	struct json_value details = openai_thought_details(delta), detail;
	struct str text = json_inside(openai_thought_text(delta)), name;
	struct openai_source *own = at->s->own;
	struct openai_thought t;
	struct json_iter it;

	put_words(at, PIECE_THINKING, text);
	own->thought |= text.n > 0;
	if (details.type != JSON_ARRAY || !json_iter_init(&it, details))
		return;
	while (json_iter_next(&it, &name, &detail)) {
		openai_read_thought(detail, &t);
		if (t.redacted) {
			put_words(at, PIECE_REDACTED, t.data);
			continue;
		}
		if (text.n == 0 && !(own->thought && t.whole))
			put_words(at, PIECE_THINKING, t.text);
		put_words(at, PIECE_SIGNATURE, t.signature);
		own->thought &= t.signature.n == 0;
	}
}

static void put_content(const struct placed *at, struct json_value content,
			enum piece_kind kind);

/* Mistral's parts: {"type":"text","text"}, {"type":"thinking",
 * "thinking":[...]}. */
static void
put_chunk(const struct placed *at, struct json_value part, enum piece_kind kind)
{
	if (is(json_get(part, "type"), "thinking"))
		put_content(at, json_get(part, "thinking"), PIECE_THINKING);
	else
		put_words(at, kind, json_inside(json_get(part, "text")));
}

static void
put_content(const struct placed *at, struct json_value content,
	    enum piece_kind kind)
{
	struct json_value part;
	struct json_iter it;
	struct str name;

	if (content.type == JSON_STRING)
		put_words(at, kind, json_inside(content));
	if (content.type != JSON_ARRAY || !json_iter_init(&it, content))
		return;
	while (json_iter_next(&it, &name, &part))
		put_chunk(at, part, kind);
}

/* ---- streams: calls ---- */

struct openai_call {
	struct openai_call *next;
	uint32_t choice;
	uint32_t number; /* ours: counted within the choice */
	uint32_t index;	 /* theirs */
	struct str id;
	bool begun;
};

#define NO_INDEX UINT32_MAX

struct call_delta {
	uint32_t index; /* NO_INDEX: not said */
	struct str id, name;
	struct json_value args;
};

static bool
is_meant(const struct openai_call *c, const struct call_delta *d)
{
	if (d->index != NO_INDEX)
		return c->index == d->index;
	return d->id.n == 0 || str_eq(c->id, d->id);
}

/*
 * A call begins with its name. One that comes under the index of another but
 * with its own id is new: some count all calls 0. Neither index nor id: each
 * name begins a call. What has no name goes on with what was there.
 */
static struct openai_call *
find_call(const struct placed *at, const struct call_delta *d)
{
	const struct openai_source *own = at->s->own;
	struct openai_call *last = NULL;

	for (struct openai_call *c = own->calls; c; c = c->next) {
		if (c->choice != at->choice)
			continue;
		if (!last)
			last = c;
		if (!is_meant(c, d))
			continue;
		if (d->name.n == 0 || !c->begun)
			return c;
		if (d->id.n > 0)
			return str_eq(c->id, d->id) ? c : NULL;
		return d->index == NO_INDEX ? NULL : c;
	}
	return d->name.n == 0 ? last : NULL;
}

static struct openai_call *
add_call(const struct placed *at, const struct call_delta *d)
{
	struct openai_source *own = at->s->own;
	struct openai_call *c = arena_zalloc(at->s->a, sizeof(*c));

	if (!c)
		return NULL;
	for (const struct openai_call *o = own->calls; o; o = o->next)
		c->number += o->choice == at->choice;
	c->choice = at->choice;
	c->index = d->index;
	c->id = arena_dup(at->s->a, d->id);
	c->next = own->calls;
	own->calls = c;
	return c;
}

static void
begin_call(const struct placed *at, struct openai_call *c, struct str name)
{
	struct source *s = at->s;
	struct piece p = {.kind = PIECE_CALL,
			  .choice = c->choice,
			  .call = c->number,
			  .id = c->id};

	p.name = name_original(s->a, &openai_names, s->ask->talk, name);
	c->begun = true;
	source_put(s, &p);
}

/* A string, or (not as OpenAI does it) the object itself. */
static enum err
put_args(const struct placed *at, const struct openai_call *c,
	 struct json_value args)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct piece p = {.kind = PIECE_ARGS,
			  .choice = c->choice,
			  .call = c->number,
			  .text = json_inside(args)};
	struct json_out o;

	if (args.type == JSON_OBJECT) {
		json_out_init(&o, &text);
		json_put_str(&o, args.raw);
		if (text.failed)
			return E_NO_MEMORY;
		p.text = str_make(text.p + 1, text.n - 2);
	}
	if (p.text.n > 0)
		source_put(at->s, &p);
	return E_OK;
}

static enum err
put_call(const struct placed *at, struct json_value v, struct json_value f)
{
	struct json_value args = json_get(f, "arguments");
	struct json_value google =
		json_get(json_get(v, "extra_content"), "google");
	struct call_delta d = {.index =
				       index_of(json_get(v, "index"), NO_INDEX),
			       .id = json_inside(json_get(v, "id")),
			       .name = json_inside(json_get(f, "name"))};
	struct openai_call *c = find_call(at, &d);
	struct piece signature = {.kind = PIECE_SIGNATURE,
				  .choice = at->choice};
	bool says = args.type == JSON_OBJECT || json_inside(args).n > 0;

	if (!c)
		c = add_call(at, &d);
	if (!c)
		return E_NO_MEMORY;
	if (!c->begun && (d.name.n > 0 || says))
		begin_call(at, c, d.name);
	signature.call = c->number;
	signature.text = json_inside(json_get(google, "thought_signature"));
	if (signature.text.n > 0)
		source_put(at->s, &signature);
	return put_args(at, c, args);
}

static enum err
put_calls(const struct placed *at, const struct json_value *m)
{
	struct json_value calls = m[M_CALLS], call;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (calls.type == JSON_ARRAY && json_iter_init(&it, calls))
		while (e == E_OK && json_iter_next(&it, &name, &call))
			e = put_call(at, call, json_get(call, "function"));
	if (e == E_OK && m[M_FUNCTION_CALL].type == JSON_OBJECT)
		e = put_call(at, m[M_FUNCTION_CALL], m[M_FUNCTION_CALL]);
	return e;
}

/* ---- streams ---- */

static enum err
put_choice(struct source *s, struct json_value choice)
{
	struct json_value v[CHOICE], m[MESSAGE], delta;
	struct placed at = {.s = s};
	struct piece end = {.kind = PIECE_FINISH};
	struct piece odds = {.kind = PIECE_LOGPROBS};
	enum err e;

	json_pick(choice, choice_names, CHOICE, v);
	at.choice = end.choice = odds.choice = index_of(v[C_INDEX], 0);
	delta = v[C_DELTA].type == JSON_OBJECT ? v[C_DELTA] : v[C_MESSAGE];
	json_pick(delta, message_names, MESSAGE, m);
	put_thoughts(&at, delta);
	put_words(&at, PIECE_REFUSAL, json_inside(m[M_REFUSAL]));
	put_content(&at, m[M_CONTENT], PIECE_TEXT);
	e = put_calls(&at, m);
	odds.json = v[C_LOGPROBS].raw;
	if (v[C_LOGPROBS].type == JSON_OBJECT)
		source_put(s, &odds);
	end.finish = openai_finish(v[C_FINISH]);
	if (end.finish != FINISH_NONE)
		source_put(s, &end);
	return e;
}

enum err
openai_put_pieces(struct source *s, const struct openai_event *event)
{
	struct openai_source *own = s->own;
	struct piece begin = {.kind = PIECE_BEGIN,
			      .id = json_inside(event->id),
			      .model = json_inside(event->model)};
	struct json_value choice;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (event->choices.type != JSON_ARRAY ||
	    !json_iter_init(&it, event->choices))
		return E_OK;
	while (e == E_OK && json_iter_next(&it, &name, &choice)) {
		if (!own->begun)
			source_put(s, &begin);
		own->begun = true;
		e = put_choice(s, choice);
	}
	return e;
}

/* ---- whole answers ---- */

static enum err
read_text(struct arena *a, struct reply_choice *c, enum part_kind kind,
	  struct json_value text)
{
	struct part *p;

	if (text.type != JSON_STRING || text.raw.n <= 2)
		return E_OK;
	p = reply_part(a, c, kind);
	if (!p)
		return E_NO_MEMORY;
	p->text = json_inside(text);
	return E_OK;
}

static enum err
read_content(struct arena *a, struct reply_choice *c, enum part_kind kind,
	     struct json_value content)
{
	struct json_value part;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (content.type != JSON_ARRAY || !json_iter_init(&it, content))
		return read_text(a, c, kind, content);
	while (e == E_OK && json_iter_next(&it, &name, &part))
		if (is(json_get(part, "type"), "thinking"))
			e = read_content(a, c, PART_THINKING,
					 json_get(part, "thinking"));
		else
			e = read_text(a, c, kind, json_get(part, "text"));
	return e;
}

struct reading {
	struct arena *a;
	const struct conversation *talk;
};

static enum err
read_call(const struct reading *r, struct reply_choice *c, struct json_value v,
	  struct json_value function)
{
	struct arena *a = r->a;
	struct json_value args = json_get(function, "arguments");
	struct json_value google =
		json_get(json_get(v, "extra_content"), "google");
	struct part *p = reply_part(a, c, PART_CALL);

	if (!p)
		return E_NO_MEMORY;
	p->id = json_inside(json_get(v, "id"));
	p->name = name_original(a, &openai_names, r->talk,
				json_inside(json_get(function, "name")));
	p->signature = json_inside(json_get(google, "thought_signature"));
	if (args.type == JSON_OBJECT) {
		p->args = args.raw;
		return E_OK;
	}
	return part_args(a, p, json_inside(args)) ? E_OK : E_NO_MEMORY;
}

static enum err
read_calls(const struct reading *r, struct reply_choice *c,
	   const struct json_value *m)
{
	struct json_value calls = m[M_CALLS], call;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (calls.type == JSON_ARRAY && json_iter_init(&it, calls))
		while (e == E_OK && json_iter_next(&it, &name, &call))
			e = read_call(r, c, call, json_get(call, "function"));
	if (e == E_OK && m[M_FUNCTION_CALL].type == JSON_OBJECT)
		e = read_call(r, c, m[M_FUNCTION_CALL], m[M_FUNCTION_CALL]);
	return e;
}

static enum err
read_choice(const struct reading *r, struct json_value choice,
	    struct reply *out)
{
	struct arena *a = r->a;
	struct reply_choice *c = reply_choice(a, out);
	struct json_value v[CHOICE], m[MESSAGE];
	enum err e;

	if (!c)
		return E_NO_MEMORY;
	json_pick(choice, choice_names, CHOICE, v);
	json_pick(v[C_MESSAGE], message_names, MESSAGE, m);
	c->index = index_of(v[C_INDEX], 0);
	c->finish = openai_finish(v[C_FINISH]);
	if (v[C_LOGPROBS].type == JSON_OBJECT)
		c->logprobs = v[C_LOGPROBS];
	e = openai_read_thoughts(a, v[C_MESSAGE], &c->tail);
	if (e == E_OK)
		e = read_content(a, c, PART_TEXT, m[M_CONTENT]);
	if (e == E_OK)
		e = read_text(a, c, PART_REFUSAL, m[M_REFUSAL]);
	return e == E_OK ? read_calls(r, c, m) : e;
}

enum err
openai_read_answer(struct arena *a, const struct ask *ask, struct str body,
		   struct reply *out)
{
	static const char *const names[] = {"id", "model", "choices"};
	const struct reading r = {a, ask->talk};
	struct json_value v[3], choice;
	struct json_error fault;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (!json_members(body, names, 3, v, &fault))
		return E_UP_BAD_RESPONSE;
	out->id = json_inside(v[0]);
	out->model = json_inside(v[1]);
	if (v[2].type != JSON_ARRAY || !json_iter_init(&it, v[2]))
		return E_UP_BAD_RESPONSE;
	while (e == E_OK && json_iter_next(&it, &name, &choice))
		e = read_choice(&r, choice, out);
	return e;
}
