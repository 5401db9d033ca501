/*
 * OpenAI as a client dialect: what a request asks for, and errors and costs
 * in the words its SDKs understand. Called by the worker; pure.
 */
#include "adapters/dialect_openai.h"

#include <inttypes.h>

#include "adapters/ask.h"
#include "base/json.h"

/* Fields that the gateway reads; each may appear once. */
enum {
	F_MODEL,
	F_STREAM,
	F_STREAM_OPTIONS,
	F_MAX_TOKENS,
	F_MAX_COMPLETION_TOKENS,
	F_N,
	F_BEST_OF,
	F_MESSAGES,
	F_PROMPT,
	F_INPUT,
	F_FUNCTIONS,
	F_METADATA,
	FIELDS
};
static const char *const fields[FIELDS] = {"model",
					   "stream",
					   "stream_options",
					   "max_tokens",
					   "max_completion_tokens",
					   "n",
					   "best_of",
					   "messages",
					   "prompt",
					   "input",
					   "functions",
					   "metadata"};

#define CHOICES_MAX 128

static enum err
read_stream(const struct json_value *v, struct ask *out, const char **detail)
{
	enum err e;

	*detail = "stream";
	e = ask_flag(v[F_STREAM], &out->stream);
	if (e != E_OK)
		return e;
	out->stream_options = v[F_STREAM_OPTIONS];
	*detail = "stream_options";
	if (ask_absent(out->stream_options))
		return E_OK;
	if (out->stream_options.type != JSON_OBJECT)
		return E_BAD_FIELD;
	out->include_usage_value =
		json_get(out->stream_options, "include_usage");
	*detail = "stream_options.include_usage";
	return ask_flag(out->include_usage_value, &out->include_usage);
}

/* The SDK sends max_completion_tokens, older clients max_tokens. */
static enum err
read_maximum(const struct json_value *v, struct ask *out, const char **detail)
{
	struct json_value m = v[F_MAX_COMPLETION_TOKENS];

	*detail = "max_completion_tokens";
	if (ask_absent(m)) {
		m = v[F_MAX_TOKENS];
		*detail = "max_tokens";
	}
	return ask_maximum(out, m);
}

static enum err
read_choices(const struct json_value *v, struct ask *out, const char **detail)
{
	uint64_t n = 1, best = 1;

	*detail = "n";
	if (!ask_absent(v[F_N]) &&
	    (!json_u64(v[F_N], &n) || n < 1 || n > CHOICES_MAX))
		return E_BAD_FIELD;
	*detail = "best_of";
	if (!ask_absent(v[F_BEST_OF]) &&
	    (!json_u64(v[F_BEST_OF], &best) || best > CHOICES_MAX))
		return E_BAD_FIELD;
	out->choices = (uint32_t)MAX_OF(n, best);
	return E_OK;
}

static enum err
read_input(const struct json_value *v, struct ask *out, const char **detail)
{
	switch (out->kind) {
	case ASK_CHAT:
		*detail = "messages";
		out->input = v[F_MESSAGES];
		if (!ask_absent(out->input) && out->input.type != JSON_ARRAY)
			return E_BAD_FIELD;
		return ask_absent(out->input) ? E_MISSING_FIELD : E_OK;
	case ASK_EMBEDDINGS:
		*detail = "input";
		out->input = v[F_INPUT];
		return ask_absent(out->input) ? E_MISSING_FIELD : E_OK;
	case ASK_COMPLETIONS:
	case ASK_COUNT:
	case ASK_SERVICE:
	case ASK_KINDS: break;
	}
	out->input = v[F_PROMPT];
	return E_OK;
}

static enum err
openai_parse(struct arena *a, struct ask *out, const char **detail)
{
	struct json_value v[FIELDS];
	struct json_error fault;
	enum err e;

	out->choices = 1;
	if (!json_members(out->body, fields, FIELDS, v, &fault))
		return ask_fault(a, &fault, detail);
	out->metadata = v[F_METADATA];
	out->legacy_calls = v[F_FUNCTIONS].type == JSON_ARRAY;
	*detail = "model";
	e = ask_model(a, out, v[F_MODEL]);
	if (e == E_OK)
		e = read_stream(v, out, detail);
	if (e == E_OK)
		e = read_maximum(v, out, detail);
	if (e == E_OK)
		e = read_choices(v, out, detail);
	if (e == E_OK)
		e = read_input(v, out, detail);
	return e;
}

/* ---- errors ---- */

/* Upstream words are JSON string content already: copied as they are. */
static void
put_words(struct json_out *o, struct str words, const char *otherwise)
{
	if (words.n > 0) {
		buf_add_char(o->buf, '"');
		buf_add_str(o->buf, words);
		buf_add_char(o->buf, '"');
		o->comma = true;
	} else if (otherwise) {
		json_put_str(o, str_of(otherwise));
	} else {
		json_put_null(o);
	}
}

static void
openai_error(struct buf *out, const struct complaint *c)
{
	static const struct upstream_error none;
	const struct upstream_error *u = c->upstream ? c->upstream : &none;
	const struct err_row *row = err_row(c->err);
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	json_name(&o, "error");
	json_open(&o, '{');
	json_name(&o, "message");
	if (u->message.n > 0)
		put_words(&o, u->message, NULL);
	else
		complaint_put_text(&o, c);
	json_name(&o, "type");
	put_words(&o, u->type, row->type);
	json_name(&o, "param");
	put_words(&o, u->param, c->param);
	json_name(&o, "code");
	put_words(&o, u->code, row->code);
	json_close(&o, '}');
	json_close(&o, '}');
}

static void
openai_error_event(struct buf *out, const struct complaint *c, struct sink *s)
{
	(void)s;
	buf_add_cstr(out, "data: ");
	openai_error(out, c);
	buf_add_cstr(out, "\n\n");
}

/* ---- the charge ---- */

/* `u` as OpenAI counts it; what was only estimated says so. */
static struct str
usage_text(struct arena *a, const struct usage *u, const char *cost)
{
	uint64_t prompt = u->input + u->cache_read + u->cache_write;
	uint64_t completion = u->output + u->reasoning;

	return arena_printf(a,
			    "\"usage\":{\"prompt_tokens\":%" PRIu64
			    ",\"completion_tokens\":%" PRIu64
			    ",\"total_tokens\":%" PRIu64 "%s,\"cost\":%s}",
			    prompt, completion, prompt + completion,
			    u->present ? "" : ",\"estimated\":true", cost);
}

/* One span of `body` replaced. */
static void
put_patched(struct str body, const char *at, size_t cut, struct str with,
	    struct pieces *out)
{
	pieces_add(out, str_make(body.p, (size_t)(at - body.p)));
	pieces_add(out, with);
	at += cut;
	pieces_add(out, str_make(at, (size_t)(body.p + body.n - at)));
}

static bool
empty_object(struct json_value v)
{
	struct json_iter it;
	struct json_value member;
	struct str name;

	return !json_iter_init(&it, v) || !json_iter_next(&it, &name, &member);
}

/* The member to stand at an object's begin. For every answer: no printf. */
static struct str
cost_member(struct arena *a, const char *cost, bool more)
{
	char text[sizeof("\"cost\":,") + MONEY_TEXT] = "\"cost\":";
	size_t name = sizeof("\"cost\":") - 1, n = strlen(cost);

	memcpy(text + name, cost, n);
	text[name + n] = ',';
	return arena_dup(a, str_make(text, name + n + more));
}

static enum err
openai_put_cost(struct arena *a, const struct answer *answer, struct str body,
		const struct usage *estimate, struct money cost,
		struct pieces *out)
{
	struct json_value usage = answer->usage_value;
	const char *first = body.p + str_find(body, '{') + 1;
	char text[MONEY_TEXT];
	struct str with;

	(void)money_text(cost, text);
	out->n = 0;
	out->bytes = 0;
	if (answer->usage.present && answer->cost_value.type != JSON_ABSENT) {
		with = arena_dup(a, str_of(text));
		put_patched(body, answer->cost_value.raw.p,
			    answer->cost_value.raw.n, with, out);
	} else if (answer->usage.present) {
		with = cost_member(a, text, !empty_object(usage));
		put_patched(body, usage.raw.p + 1, 0, with, out);
	} else {
		with = usage_text(a, estimate, text);
		if (with.p && usage.type != JSON_ABSENT)
			put_patched(body, usage.raw.p, usage.raw.n,
				    str_from(with, sizeof("\"usage\":") - 1),
				    out);
		else if (with.p)
			put_patched(body, first, 0,
				    arena_printf(a, "%.*s,", STR_ARG(with)),
				    out);
	}
	return with.p && out->n > 0 ? E_OK : E_NO_MEMORY;
}

/* An event of our own. The client's body may be gone by now: the name comes
 * from the arena, not from its span. */
static struct str
make_usage_event(struct arena *a, const struct ask *ask,
		 const struct usage *usage, const char *cost)
{
	struct str counts = usage_text(a, usage, cost);
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &out);
	json_open(&o, '{');
	json_name(&o, "object");
	json_put_str(&o, ask->kind == ASK_CHAT ? STR("chat.completion.chunk")
					       : STR("text_completion"));
	json_name(&o, "model");
	json_put_str(&o, ask->model);
	buf_add_cstr(&out, ",\"choices\":[],");
	buf_add_str(&out, counts);
	buf_add_char(&out, '}');
	if (!counts.p || out.failed)
		return STR_NONE;
	return arena_dup(a, buf_str(&out));
}

/* `data` is the upstream's usage event; without one an event is made. */
static enum err
openai_usage_event(struct arena *a, const struct ask *ask,
		   const struct answer *answer, struct str data,
		   const struct usage *estimate, struct money cost,
		   struct pieces *out)
{
	char text[MONEY_TEXT];
	struct str made;

	if (data.n > 0)
		return openai_put_cost(a, answer, data, estimate, cost, out);
	(void)money_text(cost, text);
	made = make_usage_event(a, ask, estimate, text);
	out->n = 0;
	out->bytes = 0;
	pieces_add(out, made);
	return made.p ? E_OK : E_NO_MEMORY;
}

/* ---- pictures in answers ---- */

void
openai_put_image(struct json_out *o, struct str mime, struct str data)
{
	json_open_type(o, "image_url");
	json_name(o, "image_url");
	json_open(o, '{');
	json_name(o, "url");
	json_put_raw(o, STR("\"data:"));
	buf_add_str(o->buf, mime);
	buf_add_cstr(o->buf, ";base64,");
	buf_add_str(o->buf, data);
	buf_add_char(o->buf, '"');
	json_close(o, '}');
	json_close(o, '}');
}

void
openai_put_images(struct json_out *o, const struct part *p)
{
	bool open = false;

	for (; p; p = p->next) {
		if (p->data.n == 0 || p->kind != PART_FILE)
			continue;
		if (!open) {
			json_name(o, "images");
			json_open(o, '[');
		}
		open = true;
		openai_put_image(o, p->mime, p->data);
	}
	if (open)
		json_close(o, ']');
}

const struct dialect dialect_openai = {
	.name = "openai",
	.media = "image/",
	.stream_end = {"data: [DONE]\n\n", sizeof("data: [DONE]\n\n") - 1},
	.parse = openai_parse,
	.read = openai_read,
	.error = openai_error,
	.error_event = openai_error_event,
	.write_answer = openai_write_answer,
	.put = openai_put,
	.end = openai_end,
	.sink_bytes = sizeof(struct openai_sink),
	.put_cost = openai_put_cost,
	.usage_event = openai_usage_event,
};
