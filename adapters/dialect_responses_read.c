/*
 * A request of the Responses API in nobody's words, for upstreams of other
 * dialects. What only its own provider can do (stored responses, built-in
 * tools, prompts kept there) is refused by name. The hard part: the answer
 * repeats the request's settings, long after the request is gone.
 */
#include "adapters/ask.h"
#include "adapters/responses.h"
#include "adapters/responses_reader.h"

enum {
	F_INSTRUCTIONS,
	F_INPUT,
	F_TOOLS,
	F_TOOL_CHOICE,
	F_PARALLEL,
	F_TEXT,
	F_REASONING,
	F_INCLUDE,
	F_TOP_LOGPROBS,
	F_TEMPERATURE,
	F_TOP_P,
	F_MAX,
	F_METADATA,
	F_SAFETY,
	F_USER,
	F_TIER,
	F_STORE,
	F_CACHE_KEY,
	F_TRUNCATION,
	FIELDS
};
static const char *const fields[FIELDS] = {
	[F_INSTRUCTIONS] = "instructions",
	[F_INPUT] = "input",
	[F_TOOLS] = "tools",
	[F_TOOL_CHOICE] = "tool_choice",
	[F_PARALLEL] = "parallel_tool_calls",
	[F_TEXT] = "text",
	[F_REASONING] = "reasoning",
	[F_INCLUDE] = "include",
	[F_TOP_LOGPROBS] = "top_logprobs",
	[F_TEMPERATURE] = "temperature",
	[F_TOP_P] = "top_p",
	[F_MAX] = "max_output_tokens",
	[F_METADATA] = "metadata",
	[F_SAFETY] = "safety_identifier",
	[F_USER] = "user",
	[F_TIER] = "service_tier",
	[F_STORE] = "store",
	[F_CACHE_KEY] = "prompt_cache_key",
	[F_TRUNCATION] = "truncation",
};

static const struct json_value json_true = {JSON_TRUE,
					    {"true", sizeof("true") - 1}};

/* ---- words ---- */

static enum err
read_words(struct reader *r, const struct json_value *v)
{
	struct part *p;

	*r->detail = "instructions";
	if (!ask_absent(v[F_INSTRUCTIONS])) {
		if (v[F_INSTRUCTIONS].type != JSON_STRING)
			return E_BAD_FIELD;
		p = turn_add(r->c, conversation_turn(r->c, SPEAKER_SYSTEM),
			     PART_TEXT);
		if (!p)
			return E_NO_MEMORY;
		p->text = json_inside(v[F_INSTRUCTIONS]);
	}
	*r->detail = "input";
	if (ask_absent(v[F_INPUT]))
		return E_MISSING_FIELD;
	if (v[F_INPUT].type != JSON_STRING)
		return reader_list(r, "input", v[F_INPUT], responses_read_item);
	p = turn_add(r->c, conversation_turn(r->c, SPEAKER_USER), PART_TEXT);
	if (p)
		p->text = json_inside(v[F_INPUT]);
	return p ? E_OK : E_NO_MEMORY;
}

/* ---- tools ---- */

static enum err
read_tool(struct reader *r, struct json_value v)
{
	struct str type = json_inside(json_get(v, "type"));
	struct json_value schema = json_get(v, "parameters");
	struct tool *t;

	if (v.type != JSON_OBJECT)
		return reader_bad(r, "");
	if (!str_eq(type, STR("function")))
		return reader_refuse(r, type);
	if (json_inside(json_get(v, "name")).n == 0)
		return reader_bad(r, "name");
	if (!ask_absent(schema) && schema.type != JSON_OBJECT)
		return reader_bad(r, "parameters");
	t = conversation_tool(r->c);
	if (!t)
		return E_NO_MEMORY;
	t->name = json_inside(json_get(v, "name"));
	t->description = json_inside(json_get(v, "description"));
	if (schema.type == JSON_OBJECT)
		t->schema = schema;
	t->strict = json_get(v, "strict");
	if (t->strict.type == JSON_NULL)
		t->strict.type = JSON_ABSENT;
	return E_OK;
}

static bool
names_tool(struct json_value list, struct str name)
{
	struct json_iter it;
	struct json_value v;
	struct str member;

	if (list.type != JSON_ARRAY || !json_iter_init(&it, list))
		return false;
	while (json_iter_next(&it, &member, &v))
		if (str_eq(json_inside(json_get(v, "name")), name))
			return true;
	return false;
}

/* More than any provider takes: each tool is looked for in it. */
#define ALLOWED_MAX 256

/* Tools that may not be called are not told of. */
static enum err
keep_allowed(struct conversation *c, struct json_value allowed)
{
	struct tool **at = &c->tools;

	if (allowed.type != JSON_ARRAY ||
	    json_at(allowed, ALLOWED_MAX).type != JSON_ABSENT)
		return E_BAD_FIELD;
	while (*at)
		if (names_tool(allowed, (*at)->name))
			at = &(*at)->next;
		else
			*at = (*at)->next;
	c->tools_tail = at;
	return E_OK;
}

static bool
read_mode(struct conversation *c, struct json_value v)
{
	static const struct {
		const char *text;
		enum choice_mode mode;
	} modes[] = {{"auto", CHOICE_AUTO},
		     {"required", CHOICE_REQUIRED},
		     {"none", CHOICE_NONE}};

	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		if (!responses_is(v, modes[i].text))
			continue;
		c->choice = modes[i].mode;
		return true;
	}
	return false;
}

static enum err
read_choice(struct reader *r, struct json_value v)
{
	struct conversation *c = r->c;
	struct json_value type = json_get(v, "type");

	*r->detail = "tool_choice";
	conversation_say(c, TRAIT_TOOL_CHOICE, "tool_choice", v);
	if (ask_absent(v) || read_mode(c, v))
		return E_OK;
	if (v.type != JSON_OBJECT)
		return E_BAD_FIELD;
	if (responses_is(type, "allowed_tools")) {
		return read_mode(c, json_get(v, "mode"))
			       ? keep_allowed(c, json_get(v, "tools"))
			       : E_BAD_FIELD;
	}
	if (!responses_is(type, "function")) {
		conversation_refuse(c, "tool_choice.type");
		return E_OK;
	}
	c->choice = CHOICE_NAMED;
	c->choice_name = json_inside(json_get(v, "name"));
	return c->choice_name.n > 0 ? E_OK : E_BAD_FIELD;
}

/* ---- what else is asked for ---- */

static enum err
read_format(struct reader *r, struct json_value v)
{
	struct conversation *c = r->c;
	struct json_value type = json_get(v, "type");

	*r->detail = "text.format";
	if (ask_absent(v) || responses_is(type, "text"))
		return E_OK;
	conversation_say(c, TRAIT_FORMAT, "text.format", v);
	if (responses_is(type, "json_object")) {
		c->format = FORMAT_JSON;
		return E_OK;
	}
	if (!responses_is(type, "json_schema"))
		return E_BAD_FIELD;
	c->format = FORMAT_SCHEMA;
	c->format_name = json_inside(json_get(v, "name"));
	c->format_schema = json_get(v, "schema");
	c->format_strict = json_get(v, "strict");
	if (c->format_strict.type == JSON_NULL)
		c->format_strict.type = JSON_ABSENT;
	if (!ask_absent(json_get(v, "description")))
		conversation_drop(r->c, STR("text.format.description"));
	return c->format_schema.type == JSON_OBJECT ? E_OK : E_BAD_FIELD;
}

static enum err
read_settings_of_text(struct reader *r, struct json_value v)
{
	*r->detail = "text";
	if (ask_absent(v))
		return E_OK;
	if (v.type != JSON_OBJECT)
		return E_BAD_FIELD;
	conversation_say(r->c, TRAIT_VERBOSITY, "text.verbosity",
			 json_get(v, "verbosity"));
	return read_format(r, json_get(v, "format"));
}

static enum err
read_thinking(struct reader *r, struct json_value v)
{
	struct conversation *c = r->c;
	struct json_value effort = json_get(v, "effort");

	*r->detail = "reasoning";
	if (ask_absent(v))
		return E_OK;
	if (v.type != JSON_OBJECT)
		return E_BAD_FIELD;
	c->show_thoughts = !ask_absent(json_get(v, "summary")) ||
			   !ask_absent(json_get(v, "generate_summary"));
	*r->detail = "reasoning.effort";
	if (ask_absent(effort))
		return E_OK;
	if (effort.type != JSON_STRING || effort.raw.n <= 2)
		return E_BAD_FIELD;
	conversation_say(c, TRAIT_THINKING, "reasoning", effort);
	c->effort = json_inside(effort);
	c->think = responses_is(effort, "none") ? THINK_OFF : THINK_ON;
	return E_OK;
}

/* Sealed thoughts are given in any case; the rest is of built-in tools. */
static enum err
read_include(struct reader *r, struct json_value v)
{
	if (responses_is(v, "message.output_text.logprobs"))
		conversation_say(r->c, TRAIT_LOGPROBS, "include", json_true);
	else if (!responses_is(v, "reasoning.encrypted_content"))
		conversation_drop(r->c, STR("include"));
	return v.type == JSON_STRING ? E_OK : reader_bad(r, "");
}

static enum err
read_probabilities(struct reader *r, struct json_value v)
{
	uint64_t n = 0;

	*r->detail = "top_logprobs";
	if (ask_absent(v))
		return E_OK;
	if (!json_u64(v, &n))
		return E_BAD_FIELD;
	if (n == 0)
		return E_OK;
	conversation_say(r->c, TRAIT_TOP_LOGPROBS, "top_logprobs", v);
	conversation_say(r->c, TRAIT_LOGPROBS, "top_logprobs", json_true);
	return E_OK;
}

/* Of who asks there is one name elsewhere. */
static void
say_user(struct reader *r, const struct json_value *v)
{
	struct conversation *c = r->c;

	if (ask_absent(v[F_SAFETY])) {
		conversation_say(c, TRAIT_USER, fields[F_USER], v[F_USER]);
		return;
	}
	conversation_say(c, TRAIT_USER, fields[F_SAFETY], v[F_SAFETY]);
	if (!ask_absent(v[F_USER]))
		conversation_drop(r->c, STR("user"));
}

/* Those whose value passes as it is. */
static enum err
say_others(struct reader *r, const struct json_value *v)
{
	static const struct {
		unsigned field;
		enum trait_kind kind;
		enum json_type type;
	} plain[] = {
		{F_TEMPERATURE, TRAIT_TEMPERATURE, JSON_NUMBER},
		{F_TOP_P, TRAIT_TOP_P, JSON_NUMBER},
		{F_MAX, TRAIT_MAX, JSON_NUMBER},
		{F_METADATA, TRAIT_METADATA, JSON_OBJECT},
		{F_CACHE_KEY, TRAIT_CACHE_KEY, JSON_STRING},
		{F_TIER, TRAIT_TIER, JSON_STRING},
	};
	struct conversation *c = r->c;

	for (unsigned i = 0; i < ARRAY_LEN(plain); i++) {
		unsigned f = plain[i].field;

		*r->detail = fields[f];
		if (!ask_absent(v[f]) && v[f].type != plain[i].type)
			return E_BAD_FIELD;
		conversation_say(c, plain[i].kind, fields[f], v[f]);
	}
	if (v[F_PARALLEL].type == JSON_FALSE)
		conversation_say(c, TRAIT_PARALLEL, fields[F_PARALLEL],
				 v[F_PARALLEL]);
	if (v[F_STORE].type == JSON_TRUE)
		conversation_say(c, TRAIT_STORE, fields[F_STORE], v[F_STORE]);
	if (!ask_absent(v[F_TRUNCATION]) &&
	    !responses_is(v[F_TRUNCATION], "disabled"))
		conversation_drop(r->c, STR("truncation"));
	say_user(r, v);
	return E_OK;
}

/* ---- fields of no meaning elsewhere ---- */

/* Read by parse(), or of no consequence. */
static const char *const known[] = {"model", "stream", "stream_options",
				    "background"};
/* An answer without them is as good. */
static const char *const harmless[] = {
	"prompt_cache_retention", "prompt_cache_options", "max_tool_calls"};

static bool
is_among(struct str name, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (json_str_eq(name, str_of(names[i])))
			return true;
	return false;
}

/* Of a member the reader does not know. */
static enum err
judge_name(struct reader *r, struct str name)
{
	struct str copy = arena_dup(
		r->c->a, str_make(name.p + 1, MIN_OF(name.n - 2, 64u)));

	if (!copy.p)
		return E_NO_MEMORY;
	if (is_among(name, harmless, ARRAY_LEN(harmless)))
		conversation_drop(r->c, copy);
	else
		conversation_refuse(r->c, copy.p);
	return E_OK;
}

static enum err
check_names(struct reader *r, struct json_value root)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	enum err e = E_OK;

	if (!json_iter_init(&it, root))
		return E_BAD_JSON;
	while (e == E_OK && json_iter_next(&it, &name, &v))
		if (!ask_absent(v) && !is_among(name, fields, FIELDS) &&
		    !is_among(name, known, ARRAY_LEN(known)))
			e = judge_name(r, name);
	return e;
}

/* ---- what the answer repeats ---- */

/* With what it says when the request does not. */
static const struct {
	const char *name, *usual;
} echoed[] = {
	{"instructions", "null"},
	{"max_output_tokens", "null"},
	{"metadata", "{}"},
	{"parallel_tool_calls", "true"},
	{"prompt_cache_key", "null"},
	{"reasoning", "{\"effort\":null,\"summary\":null}"},
	{"safety_identifier", "null"},
	{"temperature", "null"},
	{"text", "{\"format\":{\"type\":\"text\"}}"},
	{"tool_choice", "\"auto\""},
	{"tools", "[]"},
	{"top_logprobs", "0"},
	{"top_p", "null"},
	{"truncation", "\"disabled\""},
	{"user", "null"},
};

static enum err
keep_echo(struct conversation *c, struct json_value root)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const char *names[ARRAY_LEN(echoed)];
	struct json_value v[ARRAY_LEN(echoed)];
	struct json_out o;

	for (unsigned i = 0; i < ARRAY_LEN(echoed); i++)
		names[i] = echoed[i].name;
	json_pick(root, names, ARRAY_LEN(echoed), v);
	json_out_init(&o, &text);
	for (unsigned i = 0; i < ARRAY_LEN(echoed); i++) {
		json_name(&o, echoed[i].name);
		json_put_raw(&o, ask_absent(v[i]) ? str_of(echoed[i].usual)
						  : v[i].raw);
	}
	buf_add_cstr(&text, ",\"background\":false,"
			    "\"previous_response_id\":null,\"store\":false");
	if (text.failed)
		return E_NO_MEMORY;
	/* between tokens only; a stream's data must be one line */
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n' || text.p[i] == '\r')
			text.p[i] = ' ';
	c->echo = arena_dup(c->a, buf_str(&text));
	return c->echo.p ? E_OK : E_NO_MEMORY;
}

enum err
responses_read(struct conversation *c, const struct ask *ask,
	       const char **detail)
{
	struct json_value root = {JSON_OBJECT, str_trim(ask->body)};
	struct json_value v[FIELDS];
	struct reader r = {.c = c, .detail = detail};
	enum err e;

	json_pick(root, fields, FIELDS, v);
	e = read_words(&r, v);
	if (e == E_OK && !conversation_link(c))
		e = E_NO_MEMORY;
	if (e == E_OK)
		e = reader_list(&r, "tools", v[F_TOOLS], read_tool);
	if (e == E_OK)
		e = read_choice(&r, v[F_TOOL_CHOICE]);
	if (e == E_OK)
		e = read_settings_of_text(&r, v[F_TEXT]);
	if (e == E_OK)
		e = read_thinking(&r, v[F_REASONING]);
	if (e == E_OK)
		e = reader_list(&r, "include", v[F_INCLUDE], read_include);
	if (e == E_OK)
		e = read_probabilities(&r, v[F_TOP_LOGPROBS]);
	if (e == E_OK)
		e = say_others(&r, v);
	if (e == E_OK)
		e = check_names(&r, root);
	return e == E_OK ? keep_echo(c, root) : e;
}
