/*
 * The response object a client gets for another upstream's answer: its output
 * items as they grow, and their JSON. A stream needs all of it once more in
 * its last event, so texts are kept, raw, in the request's arena.
 */
#include <inttypes.h>

#include "adapters/responses.h"

/* ---- items ---- */

struct output *
answering_output(struct sink *s, struct answering *w, enum output_kind kind)
{
	struct output *out = arena_zalloc(s->a, sizeof(*out));

	if (!out)
		return NULL;
	out->kind = kind;
	out->index = w->n++;
	if (w->last)
		w->last->next = out;
	else
		w->outputs = out;
	w->last = out;
	return out;
}

struct output_part *
output_part(struct sink *s, struct output *out, bool refusal)
{
	struct output_part *p = out ? arena_zalloc(s->a, sizeof(*p)) : NULL;

	if (!p)
		return NULL;
	p->refusal = refusal;
	p->index = out->n_parts++;
	if (out->last)
		out->last->next = p;
	else
		out->parts = p;
	out->last = p;
	return p;
}

struct output *
answering_seal(struct sink *s, struct answering *w, const char *prefix,
	       struct str seal)
{
	struct output *out = answering_output(s, w, OUTPUT_REASONING);

	if (!out || !rope_add(s->a, &out->signature, str_of(prefix)) ||
	    !rope_add(s->a, &out->signature, seal))
		return NULL;
	return out;
}

struct output *
answering_seal_call(struct sink *s, struct answering *w,
		    const struct output *call)
{
	struct output *out =
		answering_seal(s, w, RESPONSES_CALL, call->call_id);

	if (!out || !rope_add(s->a, &out->signature, STR(":")) ||
	    !rope_join(s->a, &out->signature, &call->signature))
		return NULL;
	return out;
}

void
answering_close(struct answering *w)
{
	for (struct output *out = w->outputs; out; out = out->next) {
		out->closed = true;
		out->cut = !out->next && (w->finish == FINISH_LENGTH ||
					  w->finish == FINISH_FILTER);
	}
}

/* ---- their JSON ---- */

struct str
responses_logprobs(struct json_value chunk)
{
	struct json_value list = json_get(chunk, "content");

	if (list.type != JSON_ARRAY)
		return STR_NONE;
	return str_trim(str_make(list.raw.p + 1, list.raw.n - 2));
}

void
put_output_id(struct json_out *o, const char *name, const struct sink *s,
	      const struct output *out)
{
	static const char *const prefix[] = {
		[OUTPUT_MESSAGE] = "msg_",
		[OUTPUT_CALL] = "fc_",
		[OUTPUT_REASONING] = "rs_",
	};

	json_name(o, name);
	json_put_raw(o, STR("\""));
	buf_printf(o->buf, "%s%.*s_%" PRIu32 "\"", prefix[out->kind],
		   STR_ARG(s->id), out->index);
}

static void
put_member(struct json_out *o, const char *name, const char *value)
{
	json_name(o, name);
	json_put_str(o, str_of(value));
}

static void
put_empty(struct json_out *o, const char *name)
{
	json_name(o, name);
	json_open(o, '[');
	json_close(o, ']');
}

void
put_logprobs(struct json_out *o, const struct rope *r)
{
	json_name(o, "logprobs");
	json_open(o, '[');
	rope_write(o->buf, r);
	json_close(o, ']');
}

void
put_output_part(struct json_out *o, const struct output_part *p, bool empty)
{
	static const struct rope none;

	json_open(o, '{');
	put_member(o, "type", p->refusal ? "refusal" : "output_text");
	if (!p->refusal) {
		put_empty(o, "annotations");
		put_logprobs(o, empty ? &none : &p->logprobs);
	}
	json_name(o, p->refusal ? "refusal" : "text");
	put_rope(o, empty ? &none : &p->text);
	json_close(o, '}');
}

void
put_summary_part(struct json_out *o, const struct rope *text)
{
	json_open(o, '{');
	put_member(o, "type", "summary_text");
	json_name(o, "text");
	put_rope(o, text);
	json_close(o, '}');
}

static void
put_message(struct json_out *o, const struct output *out, bool empty)
{
	put_member(o, "role", "assistant");
	json_name(o, "content");
	json_open(o, '[');
	for (const struct output_part *p = out->parts; p && !empty; p = p->next)
		put_output_part(o, p, false);
	json_close(o, ']');
}

static void
put_call(struct json_out *o, const struct output *out, bool empty)
{
	static const struct rope none;

	json_name(o, "call_id");
	json_put_inside(o, out->call_id);
	json_name(o, "name");
	json_put_inside(o, out->name);
	json_name(o, "arguments");
	put_rope(o, empty ? &none : &out->text);
}

static void
put_reasoning(struct json_out *o, const struct output *out, bool empty)
{
	json_name(o, "summary");
	json_open(o, '[');
	if (!empty && out->text.first)
		put_summary_part(o, &out->text);
	json_close(o, ']');
	if (!empty && out->signature.first) {
		json_name(o, "encrypted_content");
		put_rope(o, &out->signature);
	}
}

void
put_output(struct json_out *o, const struct sink *s, const struct output *out,
	   bool empty)
{
	static const char *const types[] = {
		[OUTPUT_MESSAGE] = "message",
		[OUTPUT_CALL] = "function_call",
		[OUTPUT_REASONING] = "reasoning",
	};

	json_open(o, '{');
	put_member(o, "type", types[out->kind]);
	put_output_id(o, "id", s, out);
	put_member(o, "status",
		   !out->closed || empty ? "in_progress"
		   : out->cut		 ? "incomplete"
					 : "completed");
	if (out->kind == OUTPUT_MESSAGE)
		put_message(o, out, empty);
	else if (out->kind == OUTPUT_CALL)
		put_call(o, out, empty);
	else
		put_reasoning(o, out, empty);
	json_close(o, '}');
}

/* ---- the response ---- */

static void
put_count(struct json_out *o, const char *name, uint64_t n)
{
	json_name(o, name);
	json_put_u64(o, n);
}

/* What was only estimated says so. */
void
responses_put_usage(struct json_out *o, const struct usage *u,
		    struct money cost)
{
	uint64_t input = u->input + u->cache_read + u->cache_write;
	uint64_t output = u->output + u->reasoning;

	json_open(o, '{');
	put_count(o, "input_tokens", input);
	json_name(o, "input_tokens_details");
	json_open(o, '{');
	put_count(o, "cached_tokens", u->cache_read);
	put_count(o, "cache_write_tokens", u->cache_write);
	json_close(o, '}');
	put_count(o, "output_tokens", output);
	json_name(o, "output_tokens_details");
	json_open(o, '{');
	put_count(o, "reasoning_tokens", u->reasoning);
	json_close(o, '}');
	put_count(o, "total_tokens", input + output);
	usage_end(o, u, cost);
}

static const char *
status_of(enum finish finish)
{
	switch (finish) {
	case FINISH_LENGTH:
	case FINISH_FILTER: return "incomplete";
	case FINISH_ERROR: return "failed";
	case FINISH_NONE:
	case FINISH_STOP:
	case FINISH_SEQUENCE:
	case FINISH_CALLS:
	case FINISH_PAUSE: break;
	}
	return "completed";
}

/* Why it is not complete. */
static void
put_reasons(struct json_out *o, enum finish finish)
{
	json_name(o, "error");
	if (finish == FINISH_ERROR)
		json_put_raw(o, STR("{\"code\":\"server_error\",\"message\":"
				    "\"The model's answer is malformed. Try "
				    "again.\"}"));
	else
		json_put_null(o);
	json_name(o, "incomplete_details");
	if (finish == FINISH_LENGTH)
		json_put_raw(o, STR("{\"reason\":\"max_output_tokens\"}"));
	else if (finish == FINISH_FILTER)
		json_put_raw(o, STR("{\"reason\":\"content_filter\"}"));
	else
		json_put_null(o);
}

static void
put_outputs(struct json_out *o, const struct sink *s, const struct answering *w)
{
	json_name(o, "output");
	json_open(o, '[');
	for (const struct output *out = w->outputs; out; out = out->next)
		put_output(o, s, out, false);
	json_close(o, ']');
}

void
put_response(struct json_out *o, const struct sink *s,
	     const struct answering *w, const struct usage *u,
	     struct money cost)
{
	enum finish finish = u ? w->finish : FINISH_NONE;

	json_open(o, '{');
	json_name(o, "id");
	json_put_raw(o, STR("\"resp_"));
	buf_add_str(o->buf, s->id);
	buf_add_char(o->buf, '"');
	put_member(o, "object", "response");
	put_count(o, "created_at", s->created_s);
	put_member(o, "status", u ? status_of(finish) : "in_progress");
	put_reasons(o, finish);
	json_name(o, "model");
	json_put_str(o, s->model);
	put_outputs(o, s, w);
	if (s->ask->talk && s->ask->talk->echo.n > 0) {
		buf_add_char(o->buf, ',');
		buf_add_str(o->buf, s->ask->talk->echo);
	}
	json_name(o, "usage");
	if (u)
		responses_put_usage(o, u, cost);
	else
		json_put_null(o);
	json_close(o, '}');
}

const char *
responses_end_event(enum finish finish)
{
	switch (finish) {
	case FINISH_LENGTH:
	case FINISH_FILTER: return "response.incomplete";
	case FINISH_ERROR: return "response.failed";
	case FINISH_NONE:
	case FINISH_STOP:
	case FINISH_SEQUENCE:
	case FINISH_CALLS:
	case FINISH_PAUSE: break;
	}
	return "response.completed";
}
