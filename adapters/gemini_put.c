/*
 * Answers in a Gemini client's words. What is hard: its calls come whole, so
 * the arguments that other upstreams send bit by bit are collected, and the
 * last event holds them with the finish reasons and the usage. Called by
 * dialect_gemini.c; pure.
 */
#include "adapters/gemini.h"
#include "adapters/vectors.h"

/* A call while its arguments arrive: a JSON string from its first quote on,
 * closed at the end. */
struct call {
	struct call *next;
	uint32_t index;
	struct str id, name, signature; /* raw */
	char *args;
	size_t n, cap;
};

struct choice {
	struct choice *next;
	uint32_t index;
	bool in_call; /* the last piece was a call's */
	enum finish finish;
	struct call *calls;
};

struct sink_state {
	struct choice *choices;
};

_Static_assert(sizeof(struct sink_state) <= GEMINI_SINK_BYTES, "it fits");

/* ---- parts ---- */

static void
put_text(struct json_out *o, struct str text, bool thought,
	 struct str signature)
{
	json_open(o, '{');
	json_put_member(o, "text", text);
	if (thought) {
		json_name(o, "thought");
		json_put_bool(o, true);
	}
	if (signature.n > 0)
		json_put_member(o, "thoughtSignature", signature);
	json_close(o, '}');
}

static void
put_redacted(struct json_out *o, struct str data)
{
	json_open(o, '{');
	json_put_member(o, "text", STR(""));
	json_name(o, "thought");
	json_put_bool(o, true);
	json_name(o, "thoughtSignature");
	json_put_raw(o, STR("\"" GEMINI_REDACTED));
	buf_add_str(o->buf, data);
	buf_add_char(o->buf, '"');
	json_close(o, '}');
}

static void
put_call(struct json_out *o, const struct part *p)
{
	json_open(o, '{');
	json_name(o, "functionCall");
	json_open(o, '{');
	if (p->id.n > 0)
		json_put_member(o, "id", p->id);
	json_put_member(o, "name", p->name);
	json_name(o, "args");
	json_put_raw(o, p->args.n > 0 ? p->args : STR("{}"));
	json_close(o, '}');
	if (p->signature.n > 0)
		json_put_member(o, "thoughtSignature", p->signature);
	json_close(o, '}');
}

static void
put_media(struct json_out *o, struct str mime, struct str data)
{
	if (data.n == 0)
		return;
	json_open(o, '{');
	json_name(o, "inlineData");
	json_open(o, '{');
	json_name(o, "mimeType");
	json_put_inside(o, mime);
	json_name(o, "data");
	json_put_inside(o, data);
	json_close(o, '}');
	json_close(o, '}');
}

/* Arguments that are no object: there is no such call at Google. */
static bool
is_broken(const struct part *p)
{
	return p->kind == PART_CALL && p->args.n == 0 && p->text.n > 0;
}

static void
put_part(struct json_out *o, const struct part *p)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_text(o, p->text, false, p->signature); break;
	case PART_THINKING: put_text(o, p->text, true, p->signature); break;
	case PART_REDACTED: put_redacted(o, p->data); break;
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE: put_media(o, p->mime, p->data); break;
	case PART_CALL:
		if (!is_broken(p))
			put_call(o, p);
		break;
	case PART_RESULT: break;
	}
}

/* ---- candidates ---- */

static const char *
reason_of(enum finish finish)
{
	switch (finish) {
	case FINISH_LENGTH: return "MAX_TOKENS";
	case FINISH_FILTER: return "SAFETY";
	case FINISH_ERROR: return "MALFORMED_FUNCTION_CALL";
	case FINISH_NONE:
	case FINISH_STOP:
	case FINISH_SEQUENCE:
	case FINISH_CALLS:
	case FINISH_PAUSE: break;
	}
	return "STOP";
}

/* Up to the first part. */
static void
open_candidate(struct json_out *o)
{
	json_open(o, '{');
	json_name(o, "content");
	json_open(o, '{');
	json_name(o, "parts");
	json_open(o, '[');
}

static void
close_parts(struct json_out *o)
{
	json_close(o, ']');
	json_name(o, "role");
	json_put_str(o, STR("model"));
	json_close(o, '}');
}

/* The call that could not be written, in words. */
static void
put_finish(struct json_out *o, enum finish finish, const struct part *broken)
{
	json_name(o, "finishReason");
	json_put_str(o, str_of(broken ? "MALFORMED_FUNCTION_CALL"
				      : reason_of(finish)));
	if (!broken)
		return;
	json_name(o, "finishMessage");
	json_put_raw(o, STR("\"Malformed function call: "));
	buf_add_str(o->buf, broken->name);
	buf_add_char(o->buf, '(');
	buf_add_str(o->buf, broken->text);
	buf_add_cstr(o->buf, ")\"");
}

static void
put_index(struct json_out *o, uint32_t index)
{
	json_name(o, "index");
	json_put_u64(o, index);
}

static void
put_token(struct json_out *o, struct json_value token)
{
	static const char *const names[] = {"token", "logprob"};
	struct json_value v[2];

	json_pick(token, names, 2, v);
	json_open(o, '{');
	json_put_member(o, "token", json_inside(v[0]));
	json_name(o, "logProbability");
	json_put_raw(o, v[1].type == JSON_NUMBER ? v[1].raw : STR("0"));
	json_close(o, '}');
}

/* OpenAI's list of tokens as Google's two. */
static void
put_logprobs(struct json_out *o, struct json_value logprobs)
{
	struct json_value content = json_get(logprobs, "content"), token, one;
	struct gemini_list l = gemini_list(content), tops;

	if (content.type != JSON_ARRAY)
		return;
	json_name(o, "logprobsResult");
	json_open(o, '{');
	json_name(o, "topCandidates");
	json_open(o, '[');
	while (gemini_list_next(&l, &token)) {
		tops = gemini_list(json_get(token, "top_logprobs"));
		json_open(o, '{');
		json_name(o, "candidates");
		json_open(o, '[');
		while (gemini_list_next(&tops, &one))
			put_token(o, one);
		json_close(o, ']');
		json_close(o, '}');
	}
	json_close(o, ']');
	json_name(o, "chosenCandidates");
	json_open(o, '[');
	l = gemini_list(content);
	while (gemini_list_next(&l, &token))
		put_token(o, token);
	json_close(o, ']');
	json_close(o, '}');
}

/* ---- what stands around them ---- */

static void
put_count(struct json_out *o, const char *name, uint64_t n, bool always)
{
	if (n == 0 && !always)
		return;
	json_name(o, name);
	json_put_u64(o, n);
}

/* The prompt includes what a cache gave or took, the candidates no thoughts. */
static void
put_usage(struct json_out *o, const struct usage *u)
{
	uint64_t prompt = u->input + u->cache_read + u->cache_write;

	json_name(o, "usageMetadata");
	json_open(o, '{');
	put_count(o, "promptTokenCount", prompt, true);
	put_count(o, "cachedContentTokenCount", u->cache_read, false);
	put_count(o, "candidatesTokenCount", u->output, true);
	put_count(o, "thoughtsTokenCount", u->reasoning, false);
	put_count(o, "totalTokenCount", prompt + u->output + u->reasoning,
		  true);
	json_close(o, '}');
}

static void
open_response(struct json_out *o, struct sink *s)
{
	json_out_init(o, s->out);
	json_open(o, '{');
	json_name(o, "candidates");
	json_open(o, '[');
}

static void
close_response(struct json_out *o, struct sink *s, const struct usage *u)
{
	json_close(o, ']');
	if (u)
		put_usage(o, u);
	json_name(o, "modelVersion");
	json_put_str(o, s->model);
	json_name(o, "responseId");
	json_put_str(o, s->id);
	json_close(o, '}');
}

void
gemini_write_answer(struct sink *s, const struct reply *r,
		    const struct usage *u, struct money cost)
{
	struct json_out o;

	(void)cost;
	if (s->ask && s->ask->kind == ASK_EMBEDDINGS) {
		gemini_put_vectors(s, r, u);
		return;
	}
	open_response(&o, s);
	for (const struct reply_choice *c = r->choices; c; c = c->next) {
		const struct part *broken = NULL;

		open_candidate(&o);
		for (const struct part *p = c->parts; p; p = p->next) {
			put_part(&o, p);
			if (!broken && is_broken(p))
				broken = p;
		}
		close_parts(&o);
		put_finish(&o, c->finish, broken);
		put_index(&o, c->index);
		put_logprobs(&o, c->logprobs);
		json_close(&o, '}');
	}
	close_response(&o, s, u);
}

/* ---- streams ---- */

static void
open_event(struct json_out *o, struct sink *s)
{
	buf_add_cstr(s->out, "data: ");
	open_response(o, s);
}

static void
close_event(struct json_out *o, struct sink *s, const struct usage *u)
{
	close_response(o, s, u);
	buf_add_cstr(s->out, "\n\n");
}

static struct choice *
choice_of(struct sink *s, uint32_t index)
{
	struct sink_state *state = s->own;
	struct choice **at = &state->choices;

	while (*at && (*at)->index < index)
		at = &(*at)->next;
	if (!*at || (*at)->index != index) {
		struct choice *c = arena_zalloc(s->a, sizeof(*c));

		if (!c) {
			s->out->failed = true;
			return NULL;
		}
		c->index = index;
		c->next = *at;
		*at = c;
	}
	return *at;
}

static struct call *
call_of(struct sink *s, struct choice *c, uint32_t index)
{
	struct call **at = &c->calls;
	struct call *made;

	while (*at && (*at)->index < index)
		at = &(*at)->next;
	made = *at;
	if (made && made->index == index)
		return made;
	made = arena_zalloc(s->a, sizeof(*made));
	if (!made) {
		s->out->failed = true;
		return NULL;
	}
	made->index = index;
	made->next = *at;
	*at = made;
	return made;
}

/* A piece's text lives for the call only. */
static struct str
keep(struct sink *s, struct str text)
{
	struct str kept = STR_NONE;

	if (text.n > 0) {
		kept = arena_dup(s->a, text);
		s->out->failed |= kept.p == NULL;
	}
	return kept;
}

static void
add_args(struct sink *s, struct call *c, struct str more)
{
	size_t need = c->n + more.n + 2; /* two quotes */

	if (more.n == 0)
		return;
	if (need > c->cap) {
		size_t cap = need * 2 + 64;
		char *p = arena_alloc(s->a, cap);

		if (!p) {
			s->out->failed = true;
			return;
		}
		if (c->n > 0)
			memcpy(p, c->args, c->n);
		else
			p[c->n++] = '"';
		c->args = p;
		c->cap = cap;
	}
	memcpy(c->args + c->n, more.p, more.n);
	c->n += more.n;
}

static void
note_call(struct sink *s, struct choice *choice, const struct piece *p)
{
	struct call *c = call_of(s, choice, p->call);

	if (!c)
		return;
	choice->in_call = true;
	if (p->kind == PIECE_CALL) {
		c->id = keep(s, p->id);
		c->name = keep(s, p->name);
	} else if (p->kind == PIECE_ARGS) {
		add_args(s, c, p->text);
	} else {
		c->signature = keep(s, p->text);
	}
}

static void
put_event(struct sink *s, const struct piece *p)
{
	struct json_out o;

	open_event(&o, s);
	open_candidate(&o);
	if (p->kind == PIECE_REDACTED)
		put_redacted(&o, p->text);
	else if (p->kind == PIECE_MEDIA)
		put_media(&o, p->mime, p->text);
	else if (p->kind == PIECE_SIGNATURE)
		put_text(&o, STR(""), true, p->text);
	else if (p->kind != PIECE_LOGPROBS)
		put_text(&o, p->text, p->kind == PIECE_THINKING, STR_NONE);
	close_parts(&o);
	put_index(&o, p->choice);
	if (p->kind == PIECE_LOGPROBS)
		put_logprobs(&o, (struct json_value){JSON_OBJECT, p->json});
	json_close(&o, '}');
	close_event(&o, s, NULL);
}

void
gemini_put(struct sink *s, const struct piece *p)
{
	struct choice *c;

	if (p->kind == PIECE_BEGIN)
		return;
	c = choice_of(s, p->choice);
	if (!c)
		return;
	switch (p->kind) {
	case PIECE_CALL:
	case PIECE_ARGS: note_call(s, c, p); return;
	case PIECE_FINISH: c->finish = p->finish; return;
	case PIECE_SIGNATURE:
		if (c->in_call)
			note_call(s, c, p);
		else
			put_event(s, p);
		return;
	case PIECE_BEGIN:
	case PIECE_TEXT:
	case PIECE_REFUSAL:
	case PIECE_THINKING:
	case PIECE_REDACTED:
	case PIECE_MEDIA:
	case PIECE_LOGPROBS: break;
	}
	c->in_call = false;
	put_event(s, p);
}

/* The call with its arguments as far as they came. */
static bool
call_part(struct sink *s, struct call *c, struct part *p)
{
	*p = (struct part){.kind = PART_CALL,
			   .id = c->id,
			   .name = c->name,
			   .signature = c->signature};
	if (c->n == 0)
		return true;
	c->args[c->n] = '"';
	return part_args(s->a, p, str_make(c->args + 1, c->n - 1));
}

static void
put_last_candidate(struct json_out *o, struct sink *s, const struct choice *c)
{
	struct part one, first_broken;
	bool any = false, broken = false;

	open_candidate(o);
	for (struct call *call = c->calls; call; call = call->next) {
		if (!call_part(s, call, &one)) {
			s->out->failed = true;
			break;
		}
		put_part(o, &one);
		any |= !is_broken(&one);
		if (!broken && is_broken(&one)) {
			first_broken = one;
			broken = true;
		}
	}
	if (!any)
		put_text(o, STR(""), false, STR_NONE);
	close_parts(o);
	put_finish(o, c->finish, broken ? &first_broken : NULL);
	put_index(o, c->index);
	json_close(o, '}');
}

void
gemini_end(struct sink *s, const struct usage *u, struct money cost)
{
	struct sink_state *state = s->own;
	struct json_out o;

	(void)cost;
	(void)choice_of(s, 0);
	open_event(&o, s);
	for (const struct choice *c = state->choices; c; c = c->next)
		put_last_candidate(&o, s, c);
	close_event(&o, s, u);
}
