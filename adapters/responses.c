/*
 * OpenAI's Responses API as an upstream: where it is, and what its answers
 * and errors mean for the bill and for clients of other dialects. Called by
 * the worker; pure.
 */
#include "adapters/responses.h"

#include "adapters/ask.h"

/* ---- request ---- */

static enum err
responses_patch(struct arena *a, const struct ask *ask, const struct target *t,
		struct pieces *out)
{
	struct str model = ask->model_value.raw;
	const char *after = model.p + model.n;

	(void)a;
	out->n = 0;
	out->bytes = 0;
	pieces_add(out, str_make(ask->body.p, (size_t)(model.p - ask->body.p)));
	pieces_add(out, t->model_json);
	pieces_add(out, str_make(after,
				 (size_t)(ask->body.p + ask->body.n - after)));
	return E_OK;
}

/* base_url may or may not end in the version already. */
static struct str
responses_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	(void)a;
	if (ask->kind != ASK_CHAT)
		return STR_NONE;
	return str_ends(t->path, STR("/v1")) ? STR("/responses")
					     : STR("/v1/responses");
}

/* Unlike chat completions it stands beside the deployments, and the body's
 * model names one. Where base_url ends in /openai/v1 it is OpenAI's. */
struct str
responses_azure_path(struct arena *a, const struct ask *ask,
		     const struct target *t)
{
	struct str version = arena_percent(a, t->api_version);

	if (ask->kind != ASK_CHAT || !version.p)
		return STR_NONE;
	if (str_ends(t->path, STR("/v1")))
		return STR("/responses");
	if (version.n == 0)
		version = STR("2025-04-01-preview");
	return arena_printf(a, "/openai/responses?api-version=%.*s",
			    STR_ARG(version));
}

/* ---- usage ---- */

/* A count that is there; absent and null leave *out alone. */
static bool
read_count(struct json_value v, uint64_t *out)
{
	return ask_absent(v) || json_u64(v, out);
}

/* What a usage object says, before it is taken apart. */
struct said {
	uint64_t input, output, cached, written, reasoning;
};

enum { U_INPUT, U_OUTPUT, U_INPUT_DETAILS, U_OUTPUT_DETAILS, U_COST, COUNTS };
static const char *const counts[COUNTS] = {"input_tokens", "output_tokens",
					   "input_tokens_details",
					   "output_tokens_details", "cost"};

static bool
read_said(const struct json_value *v, struct said *s)
{
	static const char *const in[] = {"cached_tokens", "cache_write_tokens"};
	static const char *const out[] = {"reasoning_tokens"};
	struct json_value d[2];

	if (!json_u64(v[U_INPUT], &s->input) ||
	    !json_u64(v[U_OUTPUT], &s->output))
		return false;
	json_pick(v[U_INPUT_DETAILS], in, 2, d);
	if (!read_count(d[0], &s->cached) || !read_count(d[1], &s->written))
		return false;
	json_pick(v[U_OUTPUT_DETAILS], out, 1, d);
	return read_count(d[0], &s->reasoning);
}

/*
 * input_tokens includes what was read from and written to a cache,
 * output_tokens includes reasoning: taken apart here. Counts that contradict
 * each other or are no counts make the usage missing, not zero.
 */
void
responses_usage(struct json_value usage, struct usage *u,
		struct json_value *cost)
{
	struct json_value v[COUNTS];
	struct said s = {0};

	*u = (struct usage){0};
	json_pick(usage, counts, COUNTS, v);
	*cost = v[U_COST];
	if (!read_said(v, &s))
		return;
	if (s.cached > s.input || s.written > s.input - s.cached ||
	    s.reasoning > s.output)
		return;
	u->cache_read = s.cached;
	u->cache_write = s.written;
	u->reasoning = s.reasoning;
	u->input = s.input - s.cached - s.written;
	u->output = s.output - s.reasoning;
	u->present = true;
}

/* ---- output items ---- */

const char *const responses_item[ITEM_MEMBERS] = {
	"type",	     "content", "summary",	     "name",
	"arguments", "call_id", "encrypted_content", "id"};

static uint64_t
parts_bytes(struct json_value parts)
{
	struct json_iter it;
	struct json_value part;
	struct str name;
	uint64_t n = 0;

	if (parts.type != JSON_ARRAY || !json_iter_init(&it, parts))
		return 0;
	while (json_iter_next(&it, &name, &part))
		n += json_inside(json_get(part, "text")).n +
		     json_inside(json_get(part, "refusal")).n;
	return n;
}

static uint64_t
output_bytes(struct json_value output)
{
	struct json_iter it;
	struct json_value item, v[ITEM_MEMBERS];
	struct str name;
	uint64_t n = 0;

	if (output.type != JSON_ARRAY || !json_iter_init(&it, output))
		return 0;
	while (json_iter_next(&it, &name, &item)) {
		json_pick(item, responses_item, ITEM_MEMBERS, v);
		n += parts_bytes(v[ITEM_CONTENT]) +
		     parts_bytes(v[ITEM_SUMMARY]) +
		     json_inside(v[ITEM_NAME]).n +
		     json_inside(v[ITEM_ARGUMENTS]).n +
		     json_inside(json_get(item, "input")).n;
	}
	return n;
}

bool
responses_is(struct json_value v, const char *type)
{
	return str_eq(json_inside(v), str_of(type));
}

/* ---- whole answers ---- */

enum {
	R_ID,
	R_MODEL,
	R_STATUS,
	R_OUTPUT,
	R_USAGE,
	R_ERROR,
	R_DETAILS,
	MEMBERS
};
static const char *const members[MEMBERS] = {"id",
					     "model",
					     "status",
					     "output",
					     "usage",
					     "error",
					     "incomplete_details"};

static enum err
responses_parse_answer(const struct ask *ask, struct str body,
		       struct answer *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[R_ERROR].type == JSON_OBJECT ||
	    responses_is(v[R_STATUS], "failed"))
		return E_UP_SERVER_ERROR;
	if (v[R_OUTPUT].type != JSON_ARRAY)
		return E_UP_BAD_RESPONSE;
	responses_usage(v[R_USAGE], &out->usage, &out->cost_value);
	/* counted only where the bill needs it */
	out->content_bytes = 1;
	if (!out->usage.present)
		out->content_bytes = output_bytes(v[R_OUTPUT]);
	out->usage_value = v[R_USAGE];
	out->model = json_inside(v[R_MODEL]);
	return E_OK;
}

/* Texts of parts as one, an empty line between. */
static struct str
join_texts(struct arena *a, struct json_value parts)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_iter it;
	struct json_value part;
	struct str name, one, first = STR_NONE;

	if (parts.type != JSON_ARRAY || !json_iter_init(&it, parts))
		return STR_NONE;
	while (json_iter_next(&it, &name, &part)) {
		one = json_inside(json_get(part, "text"));
		if (one.n == 0)
			continue;
		if (first.n == 0)
			first = one;
		else if (text.n == 0)
			buf_add_str(&text, first);
		if (one.p != first.p) {
			buf_add_cstr(&text, "\\n\\n");
			buf_add_str(&text, one);
		}
	}
	return text.n > 0 ? arena_dup(a, buf_str(&text)) : first;
}

struct str
responses_signature(struct arena *a, const struct json_value *item)
{
	struct str id = json_inside(item[ITEM_ID]);
	struct str seal = json_inside(item[ITEM_ENCRYPTED]);

	if (seal.n == 0)
		return STR_NONE;
	return arena_printf(a, "%s%.*s:%.*s",
			    str_starts(id, STR("rs_")) ? "" : "rs_",
			    STR_ARG(id), STR_ARG(seal));
}

static enum err
read_thinking(struct arena *a, struct reply_choice *c,
	      const struct json_value *v)
{
	struct str text = join_texts(a, v[ITEM_SUMMARY]);
	struct part *p;

	if (text.n == 0)
		text = join_texts(a, v[ITEM_CONTENT]);
	if (text.n == 0 && json_inside(v[ITEM_ENCRYPTED]).n == 0)
		return E_OK;
	p = reply_part(a, c, PART_THINKING);
	if (!p)
		return E_NO_MEMORY;
	p->text = text;
	p->signature = responses_signature(a, v);
	return E_OK;
}

static enum err
read_call(struct arena *a, const struct ask *ask, struct reply_choice *c,
	  const struct json_value *v)
{
	struct part *p = reply_part(a, c, PART_CALL);

	c->finish = FINISH_CALLS;
	if (!p)
		return E_NO_MEMORY;
	p->id = json_inside(v[ITEM_CALL_ID]);
	p->name = name_original(a, &responses_tool_names, ask->talk,
				json_inside(v[ITEM_NAME]));
	return part_args(a, p, json_inside(v[ITEM_ARGUMENTS])) ? E_OK
							       : E_NO_MEMORY;
}

struct json_value
responses_chat_logprobs(struct arena *a, struct json_value list)
{
	struct json_iter it;
	struct json_value v;
	struct str name, text;

	if (list.type != JSON_ARRAY || !json_iter_init(&it, list) ||
	    !json_iter_next(&it, &name, &v))
		return (struct json_value){JSON_ABSENT, STR_NONE};
	text = arena_printf(a, "{\"content\":%.*s}", STR_ARG(list.raw));
	return (struct json_value){text.p ? JSON_OBJECT : JSON_ABSENT, text};
}

static enum err
read_message(struct arena *a, struct reply_choice *c, struct json_value content)
{
	struct json_iter it;
	struct json_value part, refusal;
	struct str name;
	struct part *p;

	if (content.type != JSON_ARRAY || !json_iter_init(&it, content))
		return E_OK;
	while (json_iter_next(&it, &name, &part)) {
		refusal = json_get(part, "refusal");
		p = reply_part(a, c,
			       refusal.type == JSON_STRING ? PART_REFUSAL
							   : PART_TEXT);
		if (!p)
			return E_NO_MEMORY;
		p->text = json_inside(refusal.type == JSON_STRING
					      ? refusal
					      : json_get(part, "text"));
		if (c->logprobs.type == JSON_ABSENT)
			c->logprobs = responses_chat_logprobs(
				a, json_get(part, "logprobs"));
	}
	return E_OK;
}

static enum err
read_item(struct arena *a, const struct ask *ask, struct reply_choice *c,
	  struct json_value item)
{
	struct json_value v[ITEM_MEMBERS];

	json_pick(item, responses_item, ITEM_MEMBERS, v);
	if (responses_is(v[ITEM_TYPE], "message"))
		return read_message(a, c, v[ITEM_CONTENT]);
	if (responses_is(v[ITEM_TYPE], "function_call"))
		return read_call(a, ask, c, v);
	if (responses_is(v[ITEM_TYPE], "reasoning"))
		return read_thinking(a, c, v);
	return E_OK;
}

enum finish
responses_finish(struct json_value status, struct json_value details)
{
	if (!responses_is(status, "incomplete"))
		return FINISH_NONE;
	return responses_is(json_get(details, "reason"), "content_filter")
		       ? FINISH_FILTER
		       : FINISH_LENGTH;
}

static enum err
responses_read_answer(struct arena *a, const struct ask *ask, struct str body,
		      struct reply *out)
{
	struct json_value v[MEMBERS], item;
	struct json_error fault;
	struct json_iter it;
	struct reply_choice *c = reply_choice(a, out);
	struct str name;
	enum finish early;
	enum err e = E_OK;

	if (!c)
		return E_NO_MEMORY;
	if (!json_members(body, members, MEMBERS, v, &fault) ||
	    !json_iter_init(&it, v[R_OUTPUT]))
		return E_UP_BAD_RESPONSE;
	out->id = json_inside(v[R_ID]);
	out->model = json_inside(v[R_MODEL]);
	c->finish = FINISH_STOP;
	while (e == E_OK && json_iter_next(&it, &name, &item))
		e = read_item(a, ask, c, item);
	early = responses_finish(v[R_STATUS], v[R_DETAILS]);
	if (early != FINISH_NONE)
		c->finish = early;
	return e;
}

/* ---- errors ---- */

/* Inside a 200 only the code tells. */
static const struct {
	const char *code;
	enum err err;
} codes[] = {
	{"rate_limit_exceeded", E_UP_RATE_LIMITED},
	{"insufficient_quota", E_UP_BILLING},
	{"server_is_overloaded", E_UP_OVERLOADED},
	{"slow_down", E_UP_OVERLOADED},
	{"vector_store_timeout", E_UP_TIMEOUT},
	{"content_filter", E_UP_FILTERED},
	{"content_policy_violation", E_UP_FILTERED},
	{"image_content_policy_violation", E_UP_FILTERED},
	{"bio_policy", E_UP_FILTERED},
	{"invalid_prompt", E_UP_REQUEST},
	{"context_length_exceeded", E_UP_REQUEST},
	{"model_not_found", E_UP_REQUEST},
	{"invalid_api_key", E_UP_CREDENTIALS},
};

static enum err
judge(const struct upstream_error *e)
{
	for (unsigned i = 0; i < ARRAY_LEN(codes); i++)
		if (str_eq(e->code, str_of(codes[i].code)))
			return codes[i].err;
	if (str_eq(e->type, STR("invalid_request_error")))
		return E_UP_REQUEST;
	return E_UP_SERVER_ERROR;
}

static void
responses_parse_error(int status, struct str type, struct str body,
		      struct upstream_error *out)
{
	static const char *const top[] = {"error", "response", "message",
					  "code", "param"};
	struct json_value v[ARRAY_LEN(top)], error;
	struct json_error fault;

	if (status != 200) {
		wire_openai.parse_error(status, type, body, out);
		return;
	}
	*out = (struct upstream_error){.err = E_UP_SERVER_ERROR};
	if (!json_members(body, top, ARRAY_LEN(top), v, &fault))
		return;
	error = v[0].type == JSON_OBJECT ? v[0] : json_get(v[1], "error");
	out->message = json_inside(json_get(error, "message"));
	out->type = json_inside(json_get(error, "type"));
	out->code = json_inside(json_get(error, "code"));
	out->param = json_inside(json_get(error, "param"));
	if (error.type != JSON_OBJECT) {
		out->message = json_inside(v[2]);
		out->code = json_inside(v[3]);
		out->param = json_inside(v[4]);
	}
	out->err = judge(out);
}

const struct wire wire_responses = {
	.name = "responses",
	.native = &dialect_responses,
	.framing = FRAMING_SSE,
	.path = responses_path,
	.list = "/v1/models",
	.patch = responses_patch,
	.write = responses_write,
	.parse_answer = responses_parse_answer,
	.parse_event = responses_parse_event,
	.parse_error = responses_parse_error,
	.read_answer = responses_read_answer,
	.source_bytes = sizeof(struct responses_reading),
};
