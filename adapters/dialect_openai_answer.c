/*
 * Answers of other providers in OpenAI's words: a whole chat completion, or
 * its chunks, one a piece; legacy completions likewise. What OpenAI has no
 * word for but its clients must send back goes by names that are in use:
 * reasoning_content, reasoning_details (signatures, redacted thinking) and
 * extra_content.google (the signature of a call).
 */
#include "adapters/dialect_openai.h"
#include "adapters/vectors.h"

static const char *
finish_text(enum finish f, bool legacy)
{
	switch (f) {
	case FINISH_LENGTH: return "length";
	case FINISH_CALLS: return legacy ? "function_call" : "tool_calls";
	case FINISH_FILTER: return "content_filter";
	case FINISH_NONE:
	case FINISH_STOP:
	case FINISH_SEQUENCE:
	case FINISH_PAUSE:
	case FINISH_ERROR: break;
	}
	return "stop";
}

/* Not every provider says that it ended with calls. */
static enum finish
finish_of(enum finish f, bool calls)
{
	return calls && (f == FINISH_NONE || f == FINISH_STOP) ? FINISH_CALLS
							       : f;
}

static void
put_word(struct json_out *o, const char *name, const char *word)
{
	json_name(o, name);
	json_put_str(o, str_of(word));
}

static void
put_number(struct json_out *o, const char *name, uint64_t n)
{
	json_name(o, name);
	json_put_u64(o, n);
}

void
openai_put_usage(struct json_out *o, const struct usage *u, struct money cost)
{
	uint64_t prompt = u->input + u->cache_read + u->cache_write;
	uint64_t completion = u->output + u->reasoning;

	json_name(o, "usage");
	json_open(o, '{');
	put_number(o, "prompt_tokens", prompt);
	put_number(o, "completion_tokens", completion);
	put_number(o, "total_tokens", prompt + completion);
	json_name(o, "prompt_tokens_details");
	json_open(o, '{');
	put_number(o, "cached_tokens", u->cache_read);
	if (u->cache_write > 0)
		put_number(o, "cache_write_tokens", u->cache_write);
	json_close(o, '}');
	json_name(o, "completion_tokens_details");
	json_open(o, '{');
	put_number(o, "reasoning_tokens", u->reasoning);
	json_close(o, '}');
	usage_end(o, u, cost);
}

/* The members before the choices; the brace stays open. */
static void
put_head(struct json_out *o, const struct sink *s, const char *object)
{
	bool chat = s->ask->kind != ASK_COMPLETIONS;

	json_open(o, '{');
	json_name(o, "id");
	json_put_raw(o, STR(""));
	buf_add_cstr(o->buf, chat ? "\"chatcmpl-" : "\"cmpl-");
	buf_add_str(o->buf, s->id);
	buf_add_char(o->buf, '"');
	put_word(o, "object", object);
	put_number(o, "created", s->created_s);
	json_name(o, "model");
	json_put_str(o, s->model);
}

/* ---- calls ---- */

static void
put_call_id(struct json_out *o, const struct sink *s, struct str id)
{
	struct openai_sink *own = s->own;

	json_name(o, "id");
	if (id.n > 0) {
		json_put_inside(o, id);
		return;
	}
	json_put_raw(o, STR("\"call_"));
	buf_add_str(o->buf, s->id);
	buf_add_char(o->buf, '_');
	buf_add_u64(o->buf, own->ids++);
	buf_add_char(o->buf, '"');
}

static void
put_call_signature(struct json_out *o, struct str signature)
{
	json_name(o, "extra_content");
	json_open(o, '{');
	json_name(o, "google");
	json_open(o, '{');
	json_put_member(o, "thought_signature", signature);
	json_close(o, '}');
	json_close(o, '}');
}

static void
put_function(struct json_out *o, const char *name, const struct part *p)
{
	json_name(o, name);
	json_open(o, '{');
	json_put_member(o, "name", p->name);
	json_name(o, "arguments");
	if (p->args.n > 0)
		json_put_str(o, p->args);
	else if (p->text.n > 0)
		json_put_inside(o, p->text);
	else
		json_put_str(o, STR("{}"));
	json_close(o, '}');
}

static void
put_call(struct json_out *o, const struct sink *s, const struct part *p)
{
	json_open(o, '{');
	put_call_id(o, s, p->id);
	put_word(o, "type", "function");
	put_function(o, "function", p);
	if (p->signature.n > 0)
		put_call_signature(o, p->signature);
	json_close(o, '}');
}

/* Who asked with `functions` knows one call at most. */
static void
put_calls(struct json_out *o, const struct sink *s, const struct part *p)
{
	bool legacy = s->ask->legacy_calls, open = false;

	for (; p; p = p->next) {
		if (p->kind != PART_CALL)
			continue;
		if (legacy) {
			put_function(o, "function_call", p);
			legacy = false;
			continue;
		}
		if (!open) {
			json_name(o, "tool_calls");
			json_open(o, '[');
		}
		open = true;
		put_call(o, s, p);
	}
	if (open)
		json_close(o, ']');
}

/* ---- whole answers ---- */

static bool
has_part(const struct part *p, enum part_kind kind)
{
	for (; p; p = p->next)
		if (p->kind == kind)
			return true;
	return false;
}

/* All texts of a kind as one; false: there is none. */
static bool
put_joined(struct json_out *o, const char *name, const struct part *p,
	   enum part_kind kind)
{
	if (!has_part(p, kind))
		return false;
	json_name(o, name);
	json_put_raw(o, STR("\""));
	for (; p; p = p->next)
		if (p->kind == kind)
			buf_add_str(o->buf, p->text);
	buf_add_char(o->buf, '"');
	return true;
}

static void
put_or_null(struct json_out *o, const char *name, const struct part *p,
	    enum part_kind kind)
{
	if (put_joined(o, name, p, kind))
		return;
	json_name(o, name);
	json_put_null(o);
}

static bool
is_detail(const struct part *p)
{
	return p->kind == PART_REDACTED ||
	       (p->kind == PART_THINKING && p->signature.n > 0);
}

static void
put_detail(struct json_out *o, const struct part *p, uint64_t index)
{
	json_open(o, '{');
	if (p->kind == PART_REDACTED) {
		put_word(o, "type", "redacted_thinking");
		put_number(o, "index", index);
		json_name(o, "data");
		json_put_str(o, p->data);
	} else {
		put_word(o, "type", "thinking");
		put_number(o, "index", index);
		json_put_member(o, "thinking", p->text);
		json_put_member(o, "signature", p->signature);
	}
	json_close(o, '}');
}

static void
put_details(struct json_out *o, const struct part *p)
{
	uint64_t n = 0;

	for (; p; p = p->next) {
		if (!is_detail(p))
			continue;
		if (n == 0) {
			json_name(o, "reasoning_details");
			json_open(o, '[');
		}
		put_detail(o, p, n++);
	}
	if (n > 0)
		json_close(o, ']');
}

static void
put_logprobs(struct json_out *o, struct str logprobs)
{
	json_name(o, "logprobs");
	json_put_raw(o, logprobs.n > 0 ? logprobs : STR("null"));
}

static void
put_text_choice(struct json_out *o, const struct reply_choice *c)
{
	json_open(o, '{');
	if (!put_joined(o, "text", c->parts, PART_TEXT))
		put_word(o, "text", "");
	put_number(o, "index", c->index);
	put_logprobs(o, STR_NONE);
	put_word(o, "finish_reason", finish_text(c->finish, false));
	json_close(o, '}');
}

static void
put_choice(struct json_out *o, const struct sink *s,
	   const struct reply_choice *c)
{
	bool calls = has_part(c->parts, PART_CALL);

	json_open(o, '{');
	put_number(o, "index", c->index);
	json_name(o, "message");
	json_open(o, '{');
	put_word(o, "role", "assistant");
	put_or_null(o, "content", c->parts, PART_TEXT);
	put_or_null(o, "refusal", c->parts, PART_REFUSAL);
	(void)put_joined(o, "reasoning_content", c->parts, PART_THINKING);
	put_details(o, c->parts);
	openai_put_images(o, c->parts);
	put_calls(o, s, c->parts);
	json_close(o, '}');
	put_logprobs(o, c->logprobs.raw);
	put_word(
		o, "finish_reason",
		finish_text(finish_of(c->finish, calls), s->ask->legacy_calls));
	json_close(o, '}');
}

void
openai_write_answer(struct sink *s, const struct reply *r,
		    const struct usage *u, struct money cost)
{
	bool chat = s->ask->kind != ASK_COMPLETIONS;
	struct json_out o;

	if (s->ask->kind == ASK_EMBEDDINGS) {
		openai_put_vectors(s, r, u, cost);
		return;
	}
	json_out_init(&o, s->out);
	put_head(&o, s, chat ? "chat.completion" : "text_completion");
	json_name(&o, "choices");
	json_open(&o, '[');
	for (const struct reply_choice *c = r->choices; c; c = c->next)
		if (chat)
			put_choice(&o, s, c);
		else
			put_text_choice(&o, c);
	json_close(&o, ']');
	openai_put_usage(&o, u, cost);
	json_close(&o, '}');
}

/* ---- chunks ---- */

static bool
begin_stream(struct sink *s)
{
	CLEANUP(buf_free) struct buf head = BUF_INIT;
	struct openai_sink *own = s->own;
	uint32_t n = MAX_OF(s->ask->choices, 1u);
	struct json_out o;

	if (own->choices)
		return true;
	buf_add_cstr(&head, "data: ");
	json_out_init(&o, &head);
	put_head(&o, s,
		 s->ask->kind == ASK_COMPLETIONS ? "text_completion"
						 : "chat.completion.chunk");
	json_name(&o, "choices");
	json_open(&o, '[');
	own->head = head.failed ? STR_NONE : arena_dup(s->a, buf_str(&head));
	own->choices = arena_zalloc(s->a, n * sizeof(*own->choices));
	own->n = n;
	if (!own->choices || !own->head.p) {
		own->choices = NULL;
		s->out->failed = true;
		return false;
	}
	return true;
}

/* An event up to where the members of the delta go. */
static void
open_chunk(struct json_out *o, struct sink *s, uint32_t choice)
{
	struct openai_sink *own = s->own;

	buf_add_str(s->out, own->head);
	json_out_init(o, s->out);
	json_open(o, '{');
	put_number(o, "index", choice);
	json_name(o, "delta");
	json_open(o, '{');
}

static void
close_chunk(struct json_out *o, struct str logprobs, const char *finish)
{
	json_close(o, '}');
	put_logprobs(o, logprobs);
	json_name(o, "finish_reason");
	if (finish)
		json_put_str(o, str_of(finish));
	else
		json_put_null(o);
	buf_add_cstr(o->buf, "}]}\n\n");
}

static void
put_text_chunk(struct sink *s, uint32_t choice, struct str text,
	       const char *finish)
{
	struct openai_sink *own = s->own;
	struct json_out o;

	buf_add_str(s->out, own->head);
	json_out_init(&o, s->out);
	json_open(&o, '{');
	json_put_member(&o, "text", text);
	put_number(&o, "index", choice);
	put_logprobs(&o, STR_NONE);
	json_name(&o, "finish_reason");
	if (finish)
		json_put_str(&o, str_of(finish));
	else
		json_put_null(&o);
	buf_add_cstr(s->out, "}]}\n\n");
}

/* The role comes first, with the first thing there is to say: until then
 * another upstream may be tried. */
static void
put_role(struct sink *s, uint32_t choice)
{
	struct openai_sink *own = s->own;
	struct json_out o;

	if (own->choices[choice].begun)
		return;
	own->choices[choice].begun = true;
	open_chunk(&o, s, choice);
	put_word(&o, "role", "assistant");
	put_word(&o, "content", "");
	close_chunk(&o, STR_NONE, NULL);
}

static void
put_delta(struct sink *s, uint32_t choice, const char *name, struct str text)
{
	struct json_out o;

	open_chunk(&o, s, choice);
	json_put_member(&o, name, text);
	close_chunk(&o, STR_NONE, NULL);
}

/* An entry of reasoning_details. The text of a signed one went before, as
 * reasoning_content, and stands here again: there may be others, and which
 * words a signature is of could not be told from all of them in a row. */
static void
put_detail_delta(struct sink *s, struct openai_choice *c, const struct piece *p)
{
	bool redacted = p->kind == PIECE_REDACTED;
	struct json_out o;

	open_chunk(&o, s, p->choice);
	json_name(&o, "reasoning_details");
	json_open(&o, '[');
	json_open(&o, '{');
	put_word(&o, "type", redacted ? "redacted_thinking" : "thinking");
	put_number(&o, "index", c->blocks++);
	if (!redacted) {
		json_name(&o, "thinking");
		put_rope(&o, &c->thought);
	}
	c->thought = (struct rope){NULL, NULL};
	json_put_member(&o, redacted ? "data" : "signature", p->text);
	json_close(&o, '}');
	json_close(&o, ']');
	close_chunk(&o, STR_NONE, NULL);
}

static void
put_thinking_delta(struct sink *s, struct openai_choice *c,
		   const struct piece *p)
{
	put_delta(s, p->choice, "reasoning_content", p->text);
	if (!rope_add(s->a, &c->thought, p->text))
		s->out->failed = true;
}

/* ---- chunks of calls ---- */

/* False: the first call of who asked with `functions`. */
static bool
open_call(struct json_out *o, struct sink *s, const struct piece *p)
{
	bool legacy = s->ask->legacy_calls && p->call == 0;

	open_chunk(o, s, p->choice);
	if (legacy)
		return false;
	json_name(o, "tool_calls");
	json_open(o, '[');
	json_open(o, '{');
	put_number(o, "index", p->call);
	return true;
}

static void
close_call(struct json_out *o, bool tool)
{
	if (tool) {
		json_close(o, '}');
		json_close(o, ']');
	}
	close_chunk(o, STR_NONE, NULL);
}

static void
put_call_delta(struct sink *s, const struct piece *p)
{
	struct json_out o;
	bool tool = open_call(&o, s, p);

	if (tool) {
		put_call_id(&o, s, p->id);
		put_word(&o, "type", "function");
	}
	json_name(&o, tool ? "function" : "function_call");
	json_open(&o, '{');
	json_put_member(&o, "name", p->name);
	put_word(&o, "arguments", "");
	json_close(&o, '}');
	close_call(&o, tool);
}

static void
put_args_delta(struct sink *s, const struct piece *p)
{
	struct json_out o;
	bool tool = open_call(&o, s, p);

	json_name(&o, tool ? "function" : "function_call");
	json_open(&o, '{');
	json_put_member(&o, "arguments", p->text);
	json_close(&o, '}');
	close_call(&o, tool);
}

static void
put_signature_delta(struct sink *s, const struct piece *p)
{
	struct json_out o;

	if (open_call(&o, s, p)) {
		/* some SDKs want a function in every delta */
		json_name(&o, "function");
		json_open(&o, '{');
		put_word(&o, "arguments", "");
		json_close(&o, '}');
		put_call_signature(&o, p->text);
		close_call(&o, true);
	} else {
		put_call_signature(&o, p->text);
		close_call(&o, false);
	}
}

static void
put_call_piece(struct sink *s, struct openai_choice *c, const struct piece *p)
{
	uint64_t bit = p->call < 64 ? 1ull << p->call : 0;

	if (p->kind == PIECE_CALL) {
		c->calls = MAX_OF(c->calls, p->call + 1);
		put_call_delta(s, p);
	} else if (p->text.n > 0) {
		c->with_args |= bit;
		put_args_delta(s, p);
	}
	c->signs_call = true;
}

static void
put_image_delta(struct sink *s, const struct piece *p)
{
	struct json_out o;

	open_chunk(&o, s, p->choice);
	json_name(&o, "images");
	json_open(&o, '[');
	openai_put_image(&o, p->mime, p->text);
	json_close(&o, ']');
	close_chunk(&o, STR_NONE, NULL);
}

static void
put_logprobs_delta(struct sink *s, const struct piece *p)
{
	struct json_out o;

	open_chunk(&o, s, p->choice);
	close_chunk(&o, p->json, NULL);
}

static void
put_piece(struct sink *s, struct openai_choice *c, const struct piece *p)
{
	switch (p->kind) {
	case PIECE_TEXT: put_delta(s, p->choice, "content", p->text); break;
	case PIECE_REFUSAL: put_delta(s, p->choice, "refusal", p->text); break;
	case PIECE_THINKING: put_thinking_delta(s, c, p); break;
	case PIECE_SIGNATURE:
		if (c->signs_call)
			put_signature_delta(s, p);
		else
			put_detail_delta(s, c, p);
		return;
	case PIECE_REDACTED: put_detail_delta(s, c, p); break;
	case PIECE_MEDIA: put_image_delta(s, p); break;
	case PIECE_CALL:
	case PIECE_ARGS: put_call_piece(s, c, p); return;
	case PIECE_LOGPROBS: put_logprobs_delta(s, p); return;
	case PIECE_BEGIN:
	case PIECE_FINISH: return;
	}
	c->signs_call = false;
}

void
openai_put(struct sink *s, const struct piece *p)
{
	struct openai_sink *own = s->own;

	if (p->kind == PIECE_BEGIN || !begin_stream(s))
		return;
	if (p->choice >= own->n) /* not asked for */
		return;
	if (p->kind == PIECE_FINISH) {
		own->choices[p->choice].finish = p->finish;
		return;
	}
	if (s->ask->kind == ASK_COMPLETIONS) {
		own->choices[p->choice].begun = true;
		if (p->kind == PIECE_TEXT)
			put_text_chunk(s, p->choice, p->text, NULL);
		return;
	}
	put_role(s, p->choice);
	put_piece(s, &own->choices[p->choice], p);
}

/* ---- the end ---- */

/* A call without arguments has an empty object: clients parse it. */
static void
fill_args(struct sink *s, uint32_t choice)
{
	struct openai_sink *own = s->own;
	const struct openai_choice *c = &own->choices[choice];
	struct piece p = {.kind = PIECE_ARGS, .choice = choice};

	p.text = STR("{}");
	for (p.call = 0; p.call < MIN_OF(c->calls, 64u); p.call++)
		if (!(c->with_args >> p.call & 1))
			put_args_delta(s, &p);
}

static void
end_choice(struct sink *s, uint32_t choice)
{
	struct openai_sink *own = s->own;
	const struct openai_choice *c = &own->choices[choice];
	enum finish f = finish_of(c->finish, c->calls > 0);
	struct json_out o;

	if (s->ask->kind == ASK_COMPLETIONS) {
		put_text_chunk(s, choice, STR(""), finish_text(f, false));
		return;
	}
	put_role(s, choice);
	fill_args(s, choice);
	open_chunk(&o, s, choice);
	close_chunk(&o, STR_NONE, finish_text(f, s->ask->legacy_calls));
}

static void
put_usage_chunk(struct sink *s, const struct usage *u, struct money cost)
{
	struct openai_sink *own = s->own;
	struct json_out o;

	buf_add_str(s->out, own->head);
	buf_add_cstr(s->out, "],");
	json_out_init(&o, s->out);
	openai_put_usage(&o, u, cost);
	buf_add_cstr(s->out, "}\n\n");
}

void
openai_end(struct sink *s, const struct usage *u, struct money cost)
{
	struct openai_sink *own = s->own;

	if (!begin_stream(s))
		return;
	for (uint32_t i = 0; i < own->n; i++)
		if (i == 0 || own->choices[i].begun ||
		    own->choices[i].finish != FINISH_NONE)
			end_choice(s, i);
	if (s->ask->include_usage)
		put_usage_chunk(s, u, cost);
	buf_add_cstr(s->out, "data: [DONE]\n\n");
}
