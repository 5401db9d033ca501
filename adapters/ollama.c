/*
 * Ollama's own chat as an upstream: messages with one string each, calls
 * with an object and no id, an answer of one JSON text a line. Called by the
 * worker; pure.
 */
#include "adapters/names.h"
#include "adapters/wires.h"

static const struct name_rule names = {.marks = "_-", .max = 64};

static struct str
ollama_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	(void)a;
	if (ask->kind != ASK_CHAT)
		return STR_NONE;
	return str_ends(t->path, STR("/api")) ? STR("/chat") : STR("/api/chat");
}

/* ---- messages ---- */

static void
open_message(struct writing *w, const char *role)
{
	json_open(w->out, '{');
	wire_put_word(w->out, "role", role);
}

static void
put_image(struct writing *w, const struct part *p, bool *open)
{
	if (p->data.n == 0 || !wire_is_plain(p->data)) {
		wire_refuse_media(w, p);
		return;
	}
	if (!*open) {
		json_name(w->out, "images");
		json_open(w->out, '[');
		*open = true;
	}
	json_put_inside(w->out, p->data);
}

static void
put_images_of(struct writing *w, const struct part *p, bool *open)
{
	for (; p; p = p->next) {
		if (p->kind == PART_RESULT)
			put_images_of(w, p->content, open);
		else if (p->kind == PART_IMAGE)
			put_image(w, p, open);
		else if (p->kind == PART_AUDIO || p->kind == PART_FILE)
			wire_refuse_media(w, p);
	}
}

static void
put_images(struct writing *w, const struct part *p)
{
	bool open = false;

	put_images_of(w, p, &open);
	if (open)
		json_close(w->out, ']');
}

static void
put_result(struct writing *w, const struct part *p)
{
	if (p->name.n == 0)
		writing_refuse(w, "messages[].tool_call_id");
	if (p->failed)
		writing_drop(w, "is_error");
	open_message(w, "tool");
	wire_put_joined(w->out, "content", p->content, PART_TEXT);
	json_put_member(w->out, "tool_name", name_legal(w->a, &names, p->name));
	json_close(w->out, '}');
}

static void
put_user(struct writing *w, const struct turn *t)
{
	for (const struct part *p = t->parts; p; p = p->next)
		if (p->kind == PART_RESULT)
			put_result(w, p);
	if (!wire_has_words(t->parts))
		return;
	open_message(w, "user");
	wire_put_joined(w->out, "content", t->parts, PART_TEXT);
	put_images(w, t->parts);
	json_close(w->out, '}');
}

static void
put_calls(struct writing *w, const struct part *p)
{
	bool open = false;

	for (; p; p = p->next) {
		if (p->kind != PART_CALL)
			continue;
		if (!open) {
			json_name(w->out, "tool_calls");
			json_open(w->out, '[');
			open = true;
		}
		json_open(w->out, '{');
		json_name(w->out, "function");
		json_open(w->out, '{');
		json_put_member(w->out, "name",
				name_legal(w->a, &names, p->name));
		wire_put_args(w, "arguments", p);
		json_close(w->out, '}');
		json_close(w->out, '}');
	}
	if (open)
		json_close(w->out, ']');
}

static void
put_assistant(struct writing *w, const struct turn *t)
{
	bool thinks = false;

	for (const struct part *p = t->parts; p; p = p->next) {
		thinks |= p->kind == PART_THINKING;
		if (p->kind == PART_REDACTED)
			writing_drop(w, "redacted_thinking");
		if (p->kind == PART_IMAGE || p->kind == PART_AUDIO ||
		    p->kind == PART_FILE)
			wire_refuse_media(w, p);
	}
	open_message(w, "assistant");
	wire_put_joined(w->out, "content", t->parts, PART_TEXT);
	if (thinks)
		wire_put_joined(w->out, "thinking", t->parts, PART_THINKING);
	put_calls(w, t->parts);
	json_close(w->out, '}');
}

static void
put_system(struct writing *w, const struct turn *t)
{
	open_message(w, "system");
	wire_put_joined(w->out, "content", t->parts, PART_TEXT);
	json_close(w->out, '}');
}

static void
put_messages(struct writing *w)
{
	json_name(w->out, "messages");
	json_open(w->out, '[');
	for (const struct turn *t = w->talk->turns; t; t = t->next) {
		for (const struct part *p = t->parts; p; p = p->next)
			if (p->cached)
				writing_drop(w, "cache_control");
		switch (t->speaker) {
		case SPEAKER_SYSTEM: put_system(w, t); break;
		case SPEAKER_USER: put_user(w, t); break;
		case SPEAKER_ASSISTANT: put_assistant(w, t); break;
		}
	}
	json_close(w->out, ']');
}

/* ---- tools, options ---- */

static void
put_tool(struct writing *w, const struct tool *t)
{
	if (t->strict.type == JSON_TRUE)
		writing_drop(w, "tools[].function.strict");
	if (t->cached)
		writing_drop(w, "cache_control");
	json_open(w->out, '{');
	wire_put_word(w->out, "type", "function");
	json_name(w->out, "function");
	json_open(w->out, '{');
	json_put_member(w->out, "name", name_legal(w->a, &names, t->name));
	json_put_member(w->out, "description", t->description);
	wire_put_schema(w->out, "parameters", t->schema);
	json_close(w->out, '}');
	json_close(w->out, '}');
}

/* No model is made to call a tool, nor to call one at most. */
static void
put_tools(struct writing *w)
{
	if (!wire_has_tools(w))
		return;
	if (w->talk->choice == CHOICE_AUTO)
		(void)trait_take(w, TRAIT_TOOL_CHOICE);
	json_name(w->out, "tools");
	json_open(w->out, '[');
	for (const struct tool *t = w->talk->tools; t; t = t->next)
		put_tool(w, t);
	json_close(w->out, ']');
}

static void
put_format(struct writing *w)
{
	const struct conversation *c = w->talk;

	if (!trait_take(w, TRAIT_FORMAT) || c->format == FORMAT_TEXT)
		return;
	json_name(w->out, "format");
	if (c->format == FORMAT_SCHEMA && c->format_schema.type == JSON_OBJECT)
		json_put_raw(w->out, c->format_schema.raw);
	else
		json_put_str(w->out, STR("json"));
}

/* Most models only know whether; to them every level is a yes. */
static const char *
level_of(const struct conversation *c)
{
	static const char *const levels[][2] = {
		{"minimal", "low"}, {"low", "low"},    {"medium", "medium"},
		{"high", "high"},   {"xhigh", "high"}, {"max", "high"}};

	for (unsigned i = 0; i < ARRAY_LEN(levels); i++)
		if (str_eq(c->effort, str_of(levels[i][0])))
			return levels[i][1];
	if (c->budget == 0)
		return NULL;
	return c->budget <= 4096    ? "low"
	       : c->budget <= 16384 ? "medium"
				    : "high";
}

static void
put_think(struct writing *w)
{
	const struct conversation *c = w->talk;
	bool off = c->think == THINK_OFF || str_eq(c->effort, STR("none"));
	const char *level = off ? NULL : level_of(c);

	if (!trait_take(w, TRAIT_THINKING) ||
	    (c->think == THINK_UNSAID && !level && !off))
		return;
	json_name(w->out, "think");
	if (level)
		json_put_str(w->out, str_of(level));
	else
		json_put_bool(w->out, !off);
}

static void
put_options(struct writing *w)
{
	json_name(w->out, "options");
	json_open(w->out, '{');
	trait_put(w, TRAIT_TEMPERATURE, "temperature");
	trait_put(w, TRAIT_TOP_P, "top_p");
	trait_put(w, TRAIT_TOP_K, "top_k");
	if (trait_take(w, TRAIT_MAX)) {
		json_name(w->out, "num_predict");
		json_put_u64(w->out, w->ask->max_output);
	}
	trait_put(w, TRAIT_STOP, "stop");
	trait_put(w, TRAIT_SEED, "seed");
	trait_put(w, TRAIT_PRESENCE, "presence_penalty");
	trait_put(w, TRAIT_FREQUENCY, "frequency_penalty");
	json_close(w->out, '}');
}

static enum err
ollama_write(struct writing *w)
{
	json_open(w->out, '{');
	json_name(w->out, "model");
	json_put_raw(w->out, w->target->model_json);
	put_messages(w);
	put_tools(w);
	put_format(w);
	put_think(w);
	put_options(w);
	trait_put(w, TRAIT_LOGPROBS, "logprobs");
	trait_put(w, TRAIT_TOP_LOGPROBS, "top_logprobs");
	wire_take_count(w);
	/* it streams unless told not to */
	json_name(w->out, "stream");
	json_put_bool(w->out, w->ask->stream);
	json_close(w->out, '}');
	return E_OK;
}

/* ---- answers ---- */

enum {
	M_MODEL,
	M_MESSAGE,
	M_DONE,
	M_REASON,
	M_INPUT,
	M_OUTPUT,
	M_ERROR,
	M_LOGPROBS,
	MEMBERS
};
static const char *const members[MEMBERS] = {
	"model",      "message", "done",    "done_reason", "prompt_eval_count",
	"eval_count", "error",	 "logprobs"};

enum { S_CONTENT, S_THINKING, S_CALLS, SAID };
static const char *const said[SAID] = {"content", "thinking", "tool_calls"};

enum { C_ID, C_FUNCTION, CALL };
static const char *const call_names[CALL] = {"id", "function"};
enum { F_NAME, F_ARGUMENTS, FUNCTION };
static const char *const function_names[FUNCTION] = {"name", "arguments"};

/* One of a message's calls; false: there are no more. */
struct calls {
	struct json_iter it;
	bool any;
};

static struct calls
calls_of(struct json_value v)
{
	struct calls c = {.any = v.type == JSON_ARRAY};

	c.any = c.any && json_iter_init(&c.it, v);
	return c;
}

static bool
next_call(struct calls *c, struct str *id, struct str *name, struct str *args)
{
	struct json_value v, call[CALL], f[FUNCTION];
	struct str member;

	if (!c->any || !json_iter_next(&c->it, &member, &v))
		return false;
	json_pick(v, call_names, CALL, call);
	json_pick(call[C_FUNCTION], function_names, FUNCTION, f);
	*id = json_inside(call[C_ID]);
	*name = json_inside(f[F_NAME]);
	*args = f[F_ARGUMENTS].type == JSON_OBJECT ? f[F_ARGUMENTS].raw
						   : STR("{}");
	return true;
}

/* Billable text of a message. */
static uint64_t
message_bytes(const struct json_value *m)
{
	uint64_t n = wire_bytes(m[S_CONTENT]) + wire_bytes(m[S_THINKING]);
	struct calls c = calls_of(m[S_CALLS]);
	struct str id, name, args;

	while (next_call(&c, &id, &name, &args))
		n += name.n + args.n;
	return n;
}

/* Nothing is told of caches, nor of thoughts. No tokens for a text that is
 * there is no count. */
static struct usage
read_usage(const struct json_value *v, uint64_t bytes)
{
	struct usage u = {0};

	u.present = v[M_INPUT].type == JSON_NUMBER &&
		    v[M_OUTPUT].type == JSON_NUMBER &&
		    wire_count(v[M_INPUT], &u.input) &&
		    wire_count(v[M_OUTPUT], &u.output) &&
		    (u.output > 0 || bytes == 0);
	return u.present ? u : (struct usage){0};
}

static enum finish
finish_of(struct json_value reason, bool calls)
{
	if (json_str_eq(reason.raw, STR("length")))
		return FINISH_LENGTH;
	return calls ? FINISH_CALLS : FINISH_STOP;
}

/* As OpenAI has them; JSON_ABSENT: there are none, or no memory. */
static struct json_value
logprobs_of(struct arena *a, struct json_value v)
{
	struct json_value made = {JSON_ABSENT, STR_NONE};

	if (v.type != JSON_ARRAY)
		return made;
	made.raw = arena_printf(a, "{\"content\":%.*s}", STR_ARG(v.raw));
	if (made.raw.n > 0)
		made.type = JSON_OBJECT;
	return made;
}

static enum err
ollama_parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[MEMBERS], m[SAID];
	struct json_error fault;
	uint64_t bytes;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type != JSON_ABSENT && v[M_ERROR].type != JSON_NULL)
		return E_UP_SERVER_ERROR;
	if (v[M_MESSAGE].type != JSON_OBJECT)
		return E_UP_BAD_RESPONSE;
	json_pick(v[M_MESSAGE], said, SAID, m);
	bytes = message_bytes(m);
	out->usage = read_usage(v, bytes);
	out->content_bytes = out->usage.present ? 1 : bytes;
	out->model = json_inside(v[M_MODEL]);
	return E_OK;
}

static bool
add_calls(struct arena *a, const struct ask *ask, struct reply_choice *c,
	  struct json_value v)
{
	struct calls calls = calls_of(v);
	struct str id, name, args;

	while (next_call(&calls, &id, &name, &args)) {
		struct part *p = reply_part(a, c, PART_CALL);

		if (!p)
			return false;
		p->id = id;
		p->name = name_original(a, &names, ask->talk, name);
		p->args = args;
	}
	return true;
}

static enum err
ollama_read_answer(struct arena *a, const struct ask *ask, struct str body,
		   struct reply *out)
{
	struct json_value v[MEMBERS], m[SAID];
	struct json_error fault;
	struct reply_choice *c = reply_choice(a, out);

	if (!c)
		return E_NO_MEMORY;
	if (!json_members(body, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	json_pick(v[M_MESSAGE], said, SAID, m);
	if (!wire_add_text(a, c, PART_THINKING, m[S_THINKING]) ||
	    !wire_add_text(a, c, PART_TEXT, m[S_CONTENT]) ||
	    !add_calls(a, ask, c, m[S_CALLS]))
		return E_NO_MEMORY;
	out->model = json_inside(v[M_MODEL]);
	c->finish = finish_of(v[M_REASON], m[S_CALLS].type == JSON_ARRAY);
	c->logprobs = logprobs_of(a, v[M_LOGPROBS]);
	return E_OK;
}

/* ---- streams ---- */

struct stream {
	bool begun;
	uint32_t calls;
	uint64_t bytes;
};

/* Calls come whole. */
static enum err
put_stream_calls(const struct source *s, struct stream *own,
		 struct json_value v)
{
	struct calls c = calls_of(v);
	struct str id, name, args;

	while (next_call(&c, &id, &name, &args)) {
		struct piece begin = {.kind = PIECE_CALL,
				      .call = own->calls,
				      .id = id,
				      .name = name_original(s->a, &names,
							    s->ask->talk,
							    name)};
		struct piece more = {.kind = PIECE_ARGS,
				     .call = own->calls,
				     .text = wire_quoted(s->a, args)};

		if (!more.text.p)
			return E_NO_MEMORY;
		own->calls++;
		source_put(s, &begin);
		source_put(s, &more);
	}
	return E_OK;
}

static enum err
put_pieces(const struct source *s, const struct json_value *v,
	   const struct json_value *m)
{
	struct stream *own = s->own;
	struct piece begin = {.kind = PIECE_BEGIN,
			      .model = json_inside(v[M_MODEL])};
	struct piece logprobs = {.kind = PIECE_LOGPROBS,
				 .json = logprobs_of(s->a, v[M_LOGPROBS]).raw};
	enum err e;

	if (!own->begun)
		source_put(s, &begin);
	own->begun = true;
	source_put_text(s, PIECE_THINKING, m[S_THINKING]);
	source_put_text(s, PIECE_TEXT, m[S_CONTENT]);
	if (logprobs.json.n > 0)
		source_put(s, &logprobs);
	e = put_stream_calls(s, own, m[S_CALLS]);
	if (e == E_OK && v[M_DONE].type == JSON_TRUE) {
		struct piece end = {
			.kind = PIECE_FINISH,
			.finish = finish_of(v[M_REASON], own->calls > 0)};

		source_put(s, &end);
	}
	return e;
}

static enum err
ollama_parse_event(struct source *s, struct str event, struct str data,
		   struct delta *out)
{
	struct stream *own = s->own;
	struct json_value v[MEMBERS], m[SAID];
	struct json_error fault;

	(void)event;
	*out = (struct delta){0};
	if (!json_members(data, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type != JSON_ABSENT && v[M_ERROR].type != JSON_NULL) {
		out->error = true;
		return E_OK;
	}
	json_pick(v[M_MESSAGE], said, SAID, m);
	out->choices = v[M_MESSAGE].type == JSON_OBJECT;
	out->content_bytes = message_bytes(m);
	out->model = json_inside(v[M_MODEL]);
	own->bytes += out->content_bytes;
	out->done = out->last = v[M_DONE].type == JSON_TRUE;
	if (out->done)
		out->usage = read_usage(v, own->bytes);
	return s->put ? put_pieces(s, v, m) : E_OK;
}

static void
ollama_parse_error(int status, struct str type, struct str body,
		   struct upstream_error *out)
{
	(void)type;
	wire_read_error(status, body, out);
}

const struct wire wire_ollama = {
	.name = "ollama",
	.framing = FRAMING_LINES,
	.path = ollama_path,
	.list = "/api/tags",
	.write = ollama_write,
	.parse_answer = ollama_parse_answer,
	.parse_event = ollama_parse_event,
	.parse_error = ollama_parse_error,
	.read_answer = ollama_read_answer,
	.source_bytes = sizeof(struct stream),
};
