/*
 * Anthropic as an upstream: the client's own bytes with another model name,
 * and what answers and streams mean for the bill and in nobody's words. The
 * usage of a stream comes in two parts: what was read with its first event,
 * what was written with its last but one. Called by the worker; pure.
 */
#include "adapters/anthropic.h"

const struct name_rule anthropic_names = {.marks = "_-", .max = 128};

/* ---- request ---- */

/* base_url may or may not end in the version already. */
static struct str
anthropic_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	bool version = str_ends(t->path, STR("/v1"));

	(void)a;
	switch (ask->kind) {
	case ASK_CHAT: return version ? STR("/messages") : STR("/v1/messages");
	case ASK_COUNT:
		return version ? STR("/messages/count_tokens")
			       : STR("/v1/messages/count_tokens");
	case ASK_COMPLETIONS:
	case ASK_EMBEDDINGS:
	case ASK_SERVICE:
	case ASK_KINDS: break;
	}
	return STR_NONE;
}

static struct str
anthropic_fields(struct arena *a, const struct ask *ask, const struct target *t)
{
	const struct ask_fields *f = &ask->fields;
	struct str version = f->version.n > 0 ? f->version : STR("2023-06-01");

	(void)t;
	if (f->beta.n == 0)
		return arena_printf(a, "anthropic-version: %.*s\r\n",
				    STR_ARG(version));
	return arena_printf(a,
			    "anthropic-version: %.*s\r\n"
			    "anthropic-beta: %.*s\r\n",
			    STR_ARG(version), STR_ARG(f->beta));
}

/* From the quote before the model's name on: behind it no other can be. */
static const char *
model_member(const struct ask *ask)
{
	const char *at = ask->model_value.raw.p - 1;

	while (*at != '"') /* the name's last one */
		at--;
	do
		at--;
	while (*at != '"');
	return at;
}

/* In place of the model: its other name, or what Vertex wants to know. */
static enum err
anthropic_patch(struct arena *a, const struct ask *ask, const struct target *t,
		struct pieces *out)
{
	bool vertex = t->quirks & QUIRK_VERTEX;
	struct str model = ask->model_value.raw;
	const char *from = vertex ? model_member(ask) : model.p;
	const char *behind = model.p + model.n;

	(void)a;
	out->n = 0;
	out->bytes = 0;
	pieces_add(out, str_make(ask->body.p, (size_t)(from - ask->body.p)));
	if (vertex)
		pieces_add(out, STR("\"anthropic_version\":"
				    "\"" ANTHROPIC_AT_VERTEX "\""));
	if (vertex && ask->kind == ASK_COUNT) /* no path holds the model */
		pieces_add(out, STR(",\"model\":"));
	if (!vertex || ask->kind == ASK_COUNT)
		pieces_add(out, t->model_json);
	pieces_add(out, str_make(behind,
				 (size_t)(ask->body.p + ask->body.n - behind)));
	return E_OK;
}

/* ---- words for the end of an answer ---- */

static const struct {
	const char *reason;
	enum finish finish;
} finishes[] = {
	{"end_turn", FINISH_STOP},
	{"stop_sequence", FINISH_SEQUENCE},
	{"max_tokens", FINISH_LENGTH},
	{"tool_use", FINISH_CALLS},
	{"refusal", FINISH_FILTER},
	{"pause_turn", FINISH_PAUSE},
	{"model_context_window_exceeded", FINISH_LENGTH},
};

enum finish
anthropic_finish(struct str reason)
{
	for (unsigned i = 0; i < ARRAY_LEN(finishes); i++)
		if (str_eq(reason, str_of(finishes[i].reason)))
			return finishes[i].finish;
	return reason.n > 0 ? FINISH_STOP : FINISH_NONE;
}

struct str
anthropic_stop_reason(enum finish finish, bool calls)
{
	if (calls && (finish == FINISH_STOP || finish == FINISH_NONE))
		return STR("tool_use");
	for (unsigned i = 0; i < ARRAY_LEN(finishes); i++)
		if (finishes[i].finish == finish)
			return str_of(finishes[i].reason);
	return STR("end_turn");
}

/* ---- usage ---- */

enum { U_INPUT, U_WRITE, U_READ, U_OUTPUT, U_DETAILS, COUNTS };
static const char *const counts[COUNTS] = {
	"input_tokens", "cache_creation_input_tokens",
	"cache_read_input_tokens", "output_tokens", "output_tokens_details"};

/* What is said of a usage so far; a later word replaces an earlier one. */
struct said {
	uint64_t input, write, read, output, thinking;
	bool has_input, has_output;
	bool nonsense; /* a count that is none */
};

static void
read_count(struct said *s, struct json_value v, uint64_t *out, bool *has)
{
	bool there = v.type != JSON_ABSENT && v.type != JSON_NULL;

	if (there && !json_u64(v, out))
		s->nonsense = true;
	if (has)
		*has |= there;
}

static void
read_said(struct said *s, struct json_value usage)
{
	struct json_value v[COUNTS];

	json_pick(usage, counts, COUNTS, v);
	read_count(s, v[U_INPUT], &s->input, &s->has_input);
	read_count(s, v[U_WRITE], &s->write, NULL);
	read_count(s, v[U_READ], &s->read, NULL);
	read_count(s, v[U_OUTPUT], &s->output, &s->has_output);
	read_count(s, json_get(v[U_DETAILS], "thinking_tokens"), &s->thinking,
		   NULL);
}

/* Thinking is part of the output: taken apart here. Counts that contradict
 * each other make the usage missing, not zero. */
static struct usage
usage_of(const struct said *s)
{
	if (s->nonsense || !s->has_input || !s->has_output ||
	    s->thinking > s->output)
		return (struct usage){.present = false};
	return (struct usage){.present = true,
			      .input = s->input,
			      .cache_read = s->read,
			      .cache_write = s->write,
			      .output = s->output - s->thinking,
			      .reasoning = s->thinking};
}

/* ---- blocks ---- */

enum {
	B_TYPE,
	B_TEXT,
	B_THINKING,
	B_SIGNATURE,
	B_DATA,
	B_ID,
	B_NAME,
	B_INPUT,
	BLOCK
};
static const char *const block_names[BLOCK] = {
	"type", "text", "thinking", "signature", "data", "id", "name", "input"};

static uint64_t
block_bytes(const struct json_value *b)
{
	struct str input = b[B_INPUT].raw;

	if (str_eq(input, STR("{}")))
		input.n = 0;
	return json_inside(b[B_TEXT]).n + json_inside(b[B_THINKING]).n +
	       json_inside(b[B_NAME]).n + input.n;
}

static bool
type_is(struct json_value v, const char *type)
{
	return str_eq(json_inside(v), str_of(type));
}

static uint64_t
content_bytes(struct json_value content)
{
	struct json_iter it;
	struct json_value block, b[BLOCK];
	struct str name;
	uint64_t n = 0;

	if (!json_iter_init(&it, content))
		return 0;
	while (json_iter_next(&it, &name, &block)) {
		json_pick(block, block_names, BLOCK, b);
		n += block_bytes(b);
	}
	return n;
}

/* ---- whole answers ---- */

enum { M_TYPE, M_MODEL, M_CONTENT, M_USAGE, M_ERROR, M_COUNT, MEMBERS };
static const char *const members[MEMBERS] = {"type",  "model", "content",
					     "usage", "error", "input_tokens"};

static enum err
anthropic_parse_answer(const struct ask *ask, struct str body,
		       struct answer *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;
	struct said said = {.input = 0};
	uint64_t n;

	*out = (struct answer){0};
	if (!json_members(body, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type == JSON_OBJECT || type_is(v[M_TYPE], "error"))
		return E_UP_SERVER_ERROR;
	if (ask->kind == ASK_COUNT)
		return json_u64(v[M_COUNT], &n) ? E_OK : E_UP_BAD_RESPONSE;
	if (v[M_CONTENT].type != JSON_ARRAY)
		return E_UP_BAD_RESPONSE;
	read_said(&said, v[M_USAGE]);
	out->usage = usage_of(&said);
	/* counted only where the bill needs it */
	out->content_bytes = 1;
	if (!out->usage.present)
		out->content_bytes = content_bytes(v[M_CONTENT]);
	out->usage_value = v[M_USAGE];
	out->model = json_inside(v[M_MODEL]);
	return E_OK;
}

static struct str
tool_name(struct arena *a, const struct ask *ask, struct json_value name)
{
	return name_original(a, &anthropic_names, ask->talk, json_inside(name));
}

/* Blocks of the provider's own tools are none of the client's. */
static bool
read_block(struct arena *a, const struct ask *ask, struct reply_choice *c,
	   const struct json_value *b)
{
	struct part *p;

	if (type_is(b[B_TYPE], "text")) {
		p = reply_part(a, c, PART_TEXT);
		if (p)
			p->text = json_inside(b[B_TEXT]);
	} else if (type_is(b[B_TYPE], "thinking")) {
		p = reply_part(a, c, PART_THINKING);
		if (p) {
			p->text = json_inside(b[B_THINKING]);
			p->signature = json_inside(b[B_SIGNATURE]);
		}
	} else if (type_is(b[B_TYPE], "redacted_thinking")) {
		p = reply_part(a, c, PART_REDACTED);
		if (p)
			p->data = json_inside(b[B_DATA]);
	} else if (type_is(b[B_TYPE], "tool_use")) {
		p = reply_part(a, c, PART_CALL);
		if (p) {
			p->id = json_inside(b[B_ID]);
			p->name = tool_name(a, ask, b[B_NAME]);
			p->args = b[B_INPUT].type == JSON_OBJECT
					  ? b[B_INPUT].raw
					  : STR("{}");
		}
	} else {
		return true;
	}
	return p != NULL;
}

static enum err
anthropic_read_answer(struct arena *a, const struct ask *ask, struct str body,
		      struct reply *out)
{
	static const char *const names[] = {"id", "model", "content",
					    "stop_reason", "stop_sequence"};
	struct reply_choice *c = reply_choice(a, out);
	struct json_value v[5], block, b[BLOCK];
	struct json_error fault;
	struct json_iter it;
	struct str name;

	if (!c)
		return E_NO_MEMORY;
	if (!json_members(body, names, 5, v, &fault) ||
	    v[2].type != JSON_ARRAY || !json_iter_init(&it, v[2]))
		return E_UP_BAD_RESPONSE;
	out->id = json_inside(v[0]);
	out->model = json_inside(v[1]);
	c->finish = anthropic_finish(json_inside(v[3]));
	c->sequence = json_inside(v[4]);
	while (json_iter_next(&it, &name, &block)) {
		json_pick(block, block_names, BLOCK, b);
		if (!read_block(a, ask, c, b))
			return E_NO_MEMORY;
	}
	return E_OK;
}

/* ---- streams ---- */

/* Blocks come one after another. */
struct stream {
	struct said said;
	uint32_t calls;
	bool in_call;
	bool has_args; /* of the call that is open */
};

static void
put_args(struct source *s, struct str raw)
{
	struct stream *st = s->own;
	struct piece p = {.kind = PIECE_ARGS, .call = st->calls - 1};

	if (!st->in_call || raw.n == 0)
		return;
	st->has_args = true;
	p.text = raw;
	source_put(s, &p);
}

/* An input that is there from the begin, as the inside of a string. */
static void
put_input(struct source *s, struct json_value input)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_out o;

	if (!s->put || input.type != JSON_OBJECT || input.raw.n <= 2)
		return;
	json_out_init(&o, &text);
	json_put_str(&o, input.raw);
	if (!text.failed)
		put_args(s, str_make(text.p + 1, text.n - 2));
}

static void
begin_call(struct source *s, const struct json_value *b)
{
	struct stream *st = s->own;
	struct piece p = {.kind = PIECE_CALL,
			  .call = st->calls,
			  .id = json_inside(b[B_ID])};

	if (s->put)
		p.name = tool_name(s->a, s->ask, b[B_NAME]);
	st->calls++;
	st->in_call = true;
	st->has_args = false;
	source_put(s, &p);
	put_input(s, b[B_INPUT]);
}

enum { V_TYPE, V_MESSAGE, V_BLOCK, V_DELTA, V_USAGE, EVENT };
static const char *const event_names[EVENT] = {
	"type", "message", "content_block", "delta", "usage"};

static void
on_start(struct source *s, const struct json_value *e, struct delta *out)
{
	static const char *const names[] = {"id", "model", "usage"};
	struct stream *st = s->own;
	struct piece p = {.kind = PIECE_BEGIN};
	struct json_value v[3];

	json_pick(e[V_MESSAGE], names, 3, v);
	read_said(&st->said, v[2]);
	/* this early it is no word on the whole output */
	st->said.has_output = false;
	out->model = json_inside(v[1]);
	p.id = json_inside(v[0]);
	p.model = out->model;
	source_put(s, &p);
}

static void
on_block_start(struct source *s, const struct json_value *e, struct delta *out)
{
	struct json_value b[BLOCK];

	json_pick(e[V_BLOCK], block_names, BLOCK, b);
	out->choices = true;
	out->content_bytes = block_bytes(b);
	if (type_is(b[B_TYPE], "tool_use")) {
		begin_call(s, b);
	} else if (type_is(b[B_TYPE], "text")) {
		source_put_text(s, PIECE_TEXT, b[B_TEXT]);
	} else if (type_is(b[B_TYPE], "thinking")) {
		source_put_text(s, PIECE_THINKING, b[B_THINKING]);
		source_put_text(s, PIECE_SIGNATURE, b[B_SIGNATURE]);
	} else if (type_is(b[B_TYPE], "redacted_thinking")) {
		source_put_text(s, PIECE_REDACTED, b[B_DATA]);
	}
}

static void
on_block_delta(struct source *s, const struct json_value *e, struct delta *out)
{
	static const char *const names[] = {"type", "text", "thinking",
					    "partial_json", "signature"};
	struct json_value d[5];

	json_pick(e[V_DELTA], names, 5, d);
	out->choices = true;
	out->content_bytes =
		json_inside(d[1]).n + json_inside(d[2]).n + json_inside(d[3]).n;
	source_put_text(s, PIECE_TEXT, d[1]);
	source_put_text(s, PIECE_THINKING, d[2]);
	put_args(s, json_inside(d[3]));
	source_put_text(s, PIECE_SIGNATURE, d[4]);
}

/* A call without arguments streams none: others want an object. */
static void
on_block_stop(struct source *s, const struct json_value *e, struct delta *out)
{
	struct stream *st = s->own;

	(void)e;
	(void)out;
	if (st->in_call && !st->has_args)
		put_args(s, STR("{}"));
	st->in_call = false;
}

static void
on_message_delta(struct source *s, const struct json_value *e,
		 struct delta *out)
{
	static const char *const names[] = {"stop_reason", "stop_sequence"};
	struct stream *st = s->own;
	struct piece p = {.kind = PIECE_FINISH};
	struct json_value d[2];

	json_pick(e[V_DELTA], names, 2, d);
	read_said(&st->said, e[V_USAGE]);
	out->usage = usage_of(&st->said);
	out->last = true;
	out->whole = d[0].type == JSON_STRING;
	p.finish = anthropic_finish(json_inside(d[0]));
	p.sequence = json_inside(d[1]);
	if (p.finish != FINISH_NONE)
		source_put(s, &p);
}

static void
on_message_stop(struct source *s, const struct json_value *e, struct delta *out)
{
	(void)s;
	(void)e;
	out->done = true;
}

static void
on_error(struct source *s, const struct json_value *e, struct delta *out)
{
	(void)s;
	(void)e;
	out->error = true;
}

/* Others (ping, and what is to come) mean nothing here. */
static const struct {
	const char *type;
	void (*read)(struct source *s, const struct json_value *e,
		     struct delta *out);
} events[] = {
	{"content_block_delta", on_block_delta},
	{"content_block_start", on_block_start},
	{"content_block_stop", on_block_stop},
	{"message_start", on_start},
	{"message_delta", on_message_delta},
	{"message_stop", on_message_stop},
	{"error", on_error},
};

static enum err
anthropic_parse_event(struct source *s, struct str event, struct str data,
		      struct delta *out)
{
	struct json_value e[EVENT];
	struct json_error fault;

	(void)event;
	*out = (struct delta){0};
	if (!json_members(data, event_names, EVENT, e, &fault))
		return E_UP_BAD_RESPONSE;
	for (unsigned i = 0; i < ARRAY_LEN(events); i++) {
		if (!type_is(e[V_TYPE], events[i].type))
			continue;
		events[i].read(s, e, out);
		break;
	}
	return E_OK;
}

/* ---- errors ---- */

static const struct {
	const char *type;
	enum err err;
} judgements[] = {
	{"authentication_error", E_UP_CREDENTIALS},
	{"permission_error", E_UP_CREDENTIALS},
	{"billing_error", E_UP_BILLING},
	{"rate_limit_error", E_UP_RATE_LIMITED},
	{"overloaded_error", E_UP_OVERLOADED},
	{"timeout_error", E_UP_TIMEOUT},
	{"api_error", E_UP_SERVER_ERROR},
	{"invalid_request_error", E_UP_REQUEST},
	{"not_found_error", E_UP_REQUEST},
	{"request_too_large", E_UP_REQUEST},
};

static enum err
judge_status(int status)
{
	switch (status) {
	case 401:
	case 403: return E_UP_CREDENTIALS;
	case 402: return E_UP_BILLING;
	case 408:
	case 504: return E_UP_TIMEOUT;
	case 429: return E_UP_RATE_LIMITED;
	case 503:
	case 529: return E_UP_OVERLOADED;
	default: break;
	}
	if (status >= 400 && status < 500)
		return E_UP_REQUEST;
	return E_UP_SERVER_ERROR;
}

/* Our own empty purse is told as a bad request. */
static enum err
judge(int status, const struct upstream_error *e)
{
	if (str_search(e->message, STR("credit balance is too low")) >= 0)
		return E_UP_BILLING;
	for (unsigned i = 0; i < ARRAY_LEN(judgements); i++)
		if (str_eq(e->type, str_of(judgements[i].type)))
			return judgements[i].err;
	return judge_status(status);
}

static void
anthropic_parse_error(int status, struct str type, struct str body,
		      struct upstream_error *out)
{
	static const char *const top[] = {"error"};
	struct json_value v[1];
	struct json_error fault;

	(void)type;
	*out = (struct upstream_error){.err = judge_status(status)};
	if (!json_members(body, top, 1, v, &fault))
		return;
	out->message = v[0].type == JSON_STRING
			       ? json_inside(v[0])
			       : json_inside(json_get(v[0], "message"));
	out->type = json_inside(json_get(v[0], "type"));
	out->err = judge(status, out);
}

const struct wire wire_anthropic = {
	.name = "anthropic",
	.native = &dialect_anthropic,
	.framing = FRAMING_SSE,
	.path = anthropic_path,
	.list = "/v1/models",
	.fields = anthropic_fields,
	.patch = anthropic_patch,
	.write = anthropic_write,
	.parse_answer = anthropic_parse_answer,
	.parse_event = anthropic_parse_event,
	.parse_error = anthropic_parse_error,
	.read_answer = anthropic_read_answer,
	.source_bytes = sizeof(struct stream),
};
