/*
 * OpenAI's Responses API as a client dialect: what a request asks for, whole
 * answers, and costs in native ones. Requests are read for other upstreams in
 * dialect_responses_read.c, streams written in dialect_responses_stream.c.
 * Called by the worker; pure.
 */
#include <inttypes.h>

#include "adapters/ask.h"
#include "adapters/responses.h"

/* Fields that the gateway reads; each may appear once. */
enum {
	F_MODEL,
	F_STREAM,
	F_MAX_OUTPUT_TOKENS,
	F_INPUT,
	F_INSTRUCTIONS,
	F_TOOLS,
	F_BACKGROUND,
	F_METADATA,
	FIELDS
};
static const char *const fields[FIELDS] = {
	"model",	"stream", "max_output_tokens", "input",
	"instructions", "tools",  "background",	       "metadata"};

/* A run in the background would end when nobody counts it. */
static enum err
parse_background(struct json_value v)
{
	bool background;
	enum err e = ask_flag(v, &background);

	if (e != E_OK)
		return e;
	return background ? E_FIELD_LOST : E_OK;
}

/* May be absent: a stored prompt or an earlier response stands for it. */
static enum err
parse_input(struct json_value v, struct ask *ask)
{
	ask->input = v;
	return ask_absent(v) || v.type == JSON_STRING || v.type == JSON_ARRAY
		       ? E_OK
		       : E_BAD_FIELD;
}

static enum err
parse_fields(struct arena *a, struct ask *ask, const struct json_value *v,
	     const char **detail)
{
	enum err e;

	*detail = fields[F_MODEL];
	e = ask_model(a, ask, v[F_MODEL]);
	if (e != E_OK)
		return e;
	*detail = fields[F_STREAM];
	e = ask_flag(v[F_STREAM], &ask->stream);
	if (e != E_OK)
		return e;
	*detail = fields[F_MAX_OUTPUT_TOKENS];
	e = ask_maximum(ask, v[F_MAX_OUTPUT_TOKENS]);
	if (e != E_OK)
		return e;
	*detail = fields[F_BACKGROUND];
	e = parse_background(v[F_BACKGROUND]);
	if (e != E_OK)
		return e;
	*detail = fields[F_INPUT];
	return parse_input(v[F_INPUT], ask);
}

static enum err
responses_parse(struct arena *a, struct ask *ask, const char **detail)
{
	struct json_value v[FIELDS];
	struct json_error fault;

	ask->choices = 1;
	ask->include_usage = true;
	if (!json_members(ask->body, fields, FIELDS, v, &fault))
		return ask_fault(a, &fault, detail);
	ask->metadata = v[F_METADATA];
	ask->more[0] = v[F_INSTRUCTIONS];
	ask->more[1] = v[F_TOOLS];
	return parse_fields(a, ask, v, detail);
}

static void
responses_error(struct buf *out, const struct complaint *c)
{
	dialect_openai.error(out, c);
}

/* ---- whole answers ---- */

static bool
add_text(struct sink *s, struct answering *w, const struct part *p,
	 struct json_value logprobs)
{
	struct output *out = w->last;
	struct output_part *part;

	if (!out || out->kind != OUTPUT_MESSAGE)
		out = answering_output(s, w, OUTPUT_MESSAGE);
	part = output_part(s, out, p->kind == PART_REFUSAL);
	return part && rope_add(s->a, &part->text, p->text) &&
	       rope_add(s->a, &part->logprobs, responses_logprobs(logprobs));
}

static bool
add_call(struct sink *s, struct answering *w, const struct part *p)
{
	CLEANUP(buf_free) struct buf args = BUF_INIT;
	struct output *out = answering_output(s, w, OUTPUT_CALL);
	struct json_out o;
	struct str raw;

	if (!out)
		return false;
	out->name = p->name;
	out->call_id = p->id.n > 0 ? p->id
				   : arena_printf(s->a, "call_%.*s_%u",
						  STR_ARG(s->id), out->index);
	json_out_init(&o, &args);
	json_put_str(&o, p->args.n > 0 ? p->args : STR("{}"));
	if (args.failed)
		return false;
	raw = p->args.n > 0 || p->text.n == 0 ? str_make(args.p + 1, args.n - 2)
					      : p->text;
	if (!rope_add(s->a, &out->text, raw))
		return false;
	if (p->signature.n == 0)
		return true;
	return rope_add(s->a, &out->signature, p->signature) &&
	       answering_seal_call(s, w, out) != NULL;
}

static bool
add_part(struct sink *s, struct answering *w, const struct part *p,
	 struct json_value logprobs)
{
	struct output *out;

	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: return add_text(s, w, p, logprobs);
	case PART_CALL: return add_call(s, w, p);
	case PART_REDACTED:
		return answering_seal(s, w, RESPONSES_REDACTED, p->data) !=
		       NULL;
	case PART_THINKING:
		out = answering_output(s, w, OUTPUT_REASONING);
		return out && rope_add(s->a, &out->text, p->text) &&
		       rope_add(s->a, &out->signature, p->signature);
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE:
	case PART_RESULT: break;
	}
	return true;
}

/* The dialect knows one choice. Logprobs go to the first text. */
static bool
add_choice(struct sink *s, struct answering *w, const struct reply_choice *c)
{
	struct json_value logprobs = c->logprobs;

	w->finish = c->finish;
	for (const struct part *p = c->parts; p; p = p->next) {
		if (!add_part(s, w, p, logprobs))
			return false;
		if (p->kind == PART_TEXT)
			logprobs.type = JSON_ABSENT;
	}
	return true;
}

static void
responses_write_answer(struct sink *s, const struct reply *r,
		       const struct usage *u, struct money cost)
{
	struct answering *w = s->own;
	struct json_out o;

	if (r->choices && !add_choice(s, w, r->choices)) {
		s->out->failed = true;
		return;
	}
	answering_close(w);
	json_out_init(&o, s->out);
	put_response(&o, s, w, u, cost);
}

/* ---- the charge ---- */

/* The text of the member `usage`, for an answer that has none. */
static struct str
usage_member(struct arena *a, const struct usage *u, struct money cost)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &text);
	json_name(&o, "usage");
	responses_put_usage(&o, u, cost);
	return text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
}

static void
put_patched(struct str body, const char *at, size_t cut, struct str with,
	    struct pieces *out)
{
	const char *after = at + cut;

	pieces_add(out, str_make(body.p, (size_t)(at - body.p)));
	pieces_add(out, with);
	pieces_add(out, str_make(after, (size_t)(body.p + body.n - after)));
}

static enum err
responses_put_cost(struct arena *a, const struct answer *answer,
		   struct str body, const struct usage *estimate,
		   struct money cost, struct pieces *out)
{
	struct str with, usage = answer->usage_value.raw;

	/* a usage that is there is patched as any other */
	if (answer->usage.present)
		return dialect_openai.put_cost(a, answer, body, estimate, cost,
					       out);
	out->n = 0;
	out->bytes = 0;
	with = usage_member(a, estimate, cost);
	if (!with.p)
		return E_NO_MEMORY;
	if (answer->usage_value.type != JSON_ABSENT) {
		put_patched(body, usage.p, usage.n,
			    str_from(with, sizeof("\"usage\":") - 1), out);
		return E_OK;
	}
	with = arena_printf(a, "%.*s,", STR_ARG(with));
	put_patched(body, body.p + str_find(body, '{') + 1, 0, with, out);
	return with.p ? E_OK : E_NO_MEMORY;
}

const struct dialect dialect_responses = {
	.name = "responses",
	.tells_failure = true,
	.parse = responses_parse,
	.read = responses_read,
	.error = responses_error,
	.error_event = responses_error_event,
	.write_answer = responses_write_answer,
	.put = responses_put,
	.end = responses_end,
	.sink_bytes = sizeof(struct answering),
	.put_cost = responses_put_cost,
};
