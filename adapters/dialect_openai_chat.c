/*
 * OpenAI's requests, read for an upstream that speaks another dialect: all
 * fields of a chat, and legacy completions as one user's turn. What says
 * nothing (null, a default) is not there; what is not known is refused.
 */
#include "adapters/dialect_openai.h"
#include "adapters/vectors.h"

/* ---- what all readers share ---- */

/* A value that leaves everything as it is. */
static bool
says_nothing(struct json_value v)
{
	struct json_iter it;
	struct json_value member;
	struct str name;

	switch (v.type) {
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_FALSE: return true;
	case JSON_STRING: return v.raw.n == 2;
	case JSON_ARRAY:
	case JSON_OBJECT:
		return !json_iter_init(&it, v) ||
		       !json_iter_next(&it, &name, &member);
	case JSON_TRUE:
	case JSON_NUMBER: break;
	}
	return false;
}

static void
put_aside(struct openai_reading *r, const char *place, struct str quoted,
	  bool harmless)
{
	struct str inside = str_make(quoted.p + 1, quoted.n - 2);
	struct str name = arena_printf(r->a, "%s%.*s", place,
				       STR_ARG(json_plain(r->a, inside)));

	if (harmless)
		conversation_drop(r->c, name);
	else
		conversation_refuse(r->c, name.p ? name.p : place);
}

void
openai_pick(struct openai_reading *r, struct json_value object,
	    const struct openai_members *m, struct json_value *v)
{
	struct json_iter it;
	struct json_value member;
	struct str name;
	unsigned i;

	for (i = 0; i < m->used; i++)
		v[i] = (struct json_value){JSON_ABSENT, STR_NONE};
	if (object.type != JSON_OBJECT || !json_iter_init(&it, object))
		return;
	while (json_iter_next(&it, &name, &member)) {
		for (i = 0; i < m->n; i++)
			if (json_str_eq(name, str_of(m->names[i])))
				break;
		if (i >= m->used && !says_nothing(member))
			put_aside(r, m->place, name, i < m->n);
		else if (i < m->used && v[i].type == JSON_ABSENT)
			v[i] = member;
	}
}

enum err
openai_bad(struct openai_reading *r, const char *member)
{
	struct str text = arena_printf(r->a, "messages[%u].%s", r->at, member);

	*r->detail = text.p ? text.p : "messages";
	return E_BAD_FIELD;
}

static enum err
bad(struct openai_reading *r, const char *field)
{
	*r->detail = field;
	return E_BAD_FIELD;
}

void
openai_read_cache(struct json_value mark, bool *cached, struct str *ttl)
{
	if (mark.type != JSON_OBJECT)
		return;
	*cached = true;
	*ttl = json_inside(json_get(mark, "ttl"));
}

/* ---- fields ---- */

enum {
	F_MESSAGES,
	F_PROMPT,
	F_MAX_TOKENS,
	F_MAX_COMPLETION_TOKENS,
	F_TEMPERATURE,
	F_TOP_P,
	F_TOP_K,
	F_STOP,
	F_SEED,
	F_RANDOM_SEED,
	F_N,
	F_BEST_OF,
	F_LOGPROBS,
	F_TOP_LOGPROBS,
	F_PRESENCE,
	F_FREQUENCY,
	F_BIAS,
	F_TOOLS,
	F_TOOL_CHOICE,
	F_PARALLEL,
	F_FUNCTIONS,
	F_FUNCTION_CALL,
	F_FORMAT,
	F_EFFORT,
	F_REASONING,
	F_THINKING,
	F_ENABLE_THINKING,
	F_USER,
	F_SAFETY_ID,
	F_TIER,
	F_METADATA,
	F_STORE,
	F_CACHE_KEY,
	F_VERBOSITY,
	F_MODALITIES,
	F_MODEL,
	F_STREAM,
	F_STREAM_OPTIONS,
	FIELDS
};
/* Below the used ones: what makes an answer faster or cheaper at best. */
static const char *const fields[] = {
	"messages",
	"prompt",
	"max_tokens",
	"max_completion_tokens",
	"temperature",
	"top_p",
	"top_k",
	"stop",
	"seed",
	"random_seed",
	"n",
	"best_of",
	"logprobs",
	"top_logprobs",
	"presence_penalty",
	"frequency_penalty",
	"logit_bias",
	"tools",
	"tool_choice",
	"parallel_tool_calls",
	"functions",
	"function_call",
	"response_format",
	"reasoning_effort",
	"reasoning",
	"thinking",
	"enable_thinking",
	"user",
	"safety_identifier",
	"service_tier",
	"metadata",
	"store",
	"prompt_cache_key",
	"verbosity",
	"modalities",
	"model",
	"stream",
	"stream_options",
	"prediction",
	"prompt_cache_options",
	"prompt_cache_retention",
	"usage",
	"include_reasoning",
};
static const struct openai_members field_members = {"", fields, FIELDS,
						    ARRAY_LEN(fields)};

/* Fields that are a trait as they stand. */
static const struct simple {
	unsigned field;
	enum trait_kind trait;
	enum json_type type;
	bool zero_is_nothing;
} simples[] = {
	{F_TEMPERATURE, TRAIT_TEMPERATURE, JSON_NUMBER, false},
	{F_TOP_P, TRAIT_TOP_P, JSON_NUMBER, false},
	{F_TOP_K, TRAIT_TOP_K, JSON_NUMBER, false},
	{F_SEED, TRAIT_SEED, JSON_NUMBER, false},
	{F_RANDOM_SEED, TRAIT_SEED, JSON_NUMBER, false},
	{F_TOP_LOGPROBS, TRAIT_TOP_LOGPROBS, JSON_NUMBER, true},
	{F_PRESENCE, TRAIT_PRESENCE, JSON_NUMBER, true},
	{F_FREQUENCY, TRAIT_FREQUENCY, JSON_NUMBER, true},
	{F_BIAS, TRAIT_BIAS, JSON_OBJECT, false},
	{F_USER, TRAIT_USER, JSON_STRING, false},
	{F_SAFETY_ID, TRAIT_USER, JSON_STRING, false},
	{F_TIER, TRAIT_TIER, JSON_STRING, false},
	{F_METADATA, TRAIT_METADATA, JSON_OBJECT, false},
	{F_CACHE_KEY, TRAIT_CACHE_KEY, JSON_STRING, false},
	{F_VERBOSITY, TRAIT_VERBOSITY, JSON_STRING, false},
};

static enum err
read_simple(struct openai_reading *r, const struct json_value *v)
{
	for (unsigned i = 0; i < ARRAY_LEN(simples); i++) {
		const struct simple *s = &simples[i];
		struct json_value value = v[s->field];
		uint64_t zero = 1;

		if (says_nothing(value) && value.type != JSON_FALSE)
			continue;
		if (value.type != s->type)
			return bad(r, fields[s->field]);
		if (s->zero_is_nothing && json_u64(value, &zero) && zero == 0)
			continue;
		conversation_say(r->c, s->trait, fields[s->field], value);
	}
	return E_OK;
}

/* The value of these that says something; the other one is the default. */
static enum err
read_switches(struct openai_reading *r, const struct json_value *v)
{
	static const struct {
		unsigned field;
		enum trait_kind trait;
		enum json_type says;
	} switches[] = {{F_LOGPROBS, TRAIT_LOGPROBS, JSON_TRUE},
			{F_STORE, TRAIT_STORE, JSON_TRUE},
			{F_PARALLEL, TRAIT_PARALLEL, JSON_FALSE}};

	for (unsigned i = 0; i < ARRAY_LEN(switches); i++) {
		struct json_value value = v[switches[i].field];

		if (openai_absent(value))
			continue;
		if (value.type == switches[i].says)
			conversation_say(r->c, switches[i].trait,
					 fields[switches[i].field], value);
		else if (value.type != JSON_TRUE && value.type != JSON_FALSE)
			return bad(r, fields[switches[i].field]);
	}
	return E_OK;
}

/* A lone text becomes a list of one. */
static enum err
read_stop(struct openai_reading *r, struct json_value v)
{
	struct json_iter it;
	struct json_value member;
	struct str name;

	if (says_nothing(v) && v.type != JSON_FALSE)
		return E_OK;
	if (v.type == JSON_STRING) {
		v.raw = arena_printf(r->a, "[%.*s]", STR_ARG(v.raw));
		v.type = JSON_ARRAY;
		if (!v.raw.p)
			return E_NO_MEMORY;
	}
	if (v.type != JSON_ARRAY || !json_iter_init(&it, v))
		return bad(r, "stop");
	while (json_iter_next(&it, &name, &member))
		if (member.type != JSON_STRING)
			return bad(r, "stop");
	conversation_say(r->c, TRAIT_STOP, "stop", v);
	return E_OK;
}

static void
read_counts(struct openai_reading *r, const struct ask *ask,
	    const struct json_value *v)
{
	uint64_t best = 0, n = 1;

	if (!openai_absent(v[F_MAX_COMPLETION_TOKENS]))
		conversation_say(r->c, TRAIT_MAX, "max_completion_tokens",
				 v[F_MAX_COMPLETION_TOKENS]);
	else if (ask->has_max)
		conversation_say(r->c, TRAIT_MAX, "max_tokens",
				 v[F_MAX_TOKENS]);
	if (json_u64(v[F_N], &n) && n > 1)
		conversation_say(r->c, TRAIT_COUNT, "n", v[F_N]);
	if (json_u64(v[F_BEST_OF], &best) && best > n)
		conversation_refuse(r->c, "best_of");
}

static void
read_modalities(struct openai_reading *r, struct json_value v)
{
	struct json_value first = json_at(v, 0);

	if (says_nothing(v))
		return;
	if (v.type == JSON_ARRAY && openai_is(first, "text") &&
	    json_at(v, 1).type == JSON_ABSENT)
		return;
	conversation_say(r->c, TRAIT_MODALITIES, "modalities", v);
}

static enum err
read_format(struct openai_reading *r, struct json_value v)
{
	struct conversation *c = r->c;
	struct json_value type = json_get(v, "type");
	struct json_value schema;

	if (openai_absent(v) || openai_is(type, "text"))
		return E_OK;
	if (openai_is(type, "json_object")) {
		c->format = FORMAT_JSON;
	} else if (openai_is(type, "json_schema")) {
		schema = json_get(v, "json_schema");
		c->format = FORMAT_SCHEMA;
		c->format_name = json_inside(json_get(schema, "name"));
		c->format_schema = json_get(schema, "schema");
		c->format_strict = json_get(schema, "strict");
		if (c->format_schema.type != JSON_OBJECT)
			return bad(r, "response_format.json_schema.schema");
	} else {
		return bad(r, "response_format.type");
	}
	conversation_say(c, TRAIT_FORMAT, "response_format", v);
	return E_OK;
}

/* ---- thinking: OpenAI's word, and those of its relatives ---- */

static void
say_thinking(struct openai_reading *r, unsigned field, struct json_value v,
	     enum think_mode mode)
{
	r->c->think = mode;
	r->c->show_thoughts = mode != THINK_OFF;
	conversation_say(r->c, TRAIT_THINKING, fields[field], v);
}

static enum err
read_effort(struct openai_reading *r, unsigned field, struct json_value v,
	    struct json_value effort)
{
	if (openai_absent(effort))
		return E_OK;
	if (effort.type != JSON_STRING || effort.raw.n <= 2)
		return bad(r, fields[field]);
	if (openai_is(effort, "none")) {
		say_thinking(r, field, v, THINK_OFF);
	} else {
		say_thinking(r, field, v, THINK_ON);
		r->c->effort = json_inside(effort);
	}
	return E_OK;
}

/* {"effort", "max_tokens", "enabled", "exclude"} */
static enum err
read_reasoning(struct openai_reading *r, struct json_value v)
{
	struct json_value budget = json_get(v, "max_tokens");
	struct json_value enabled = json_get(v, "enabled");
	enum err e;

	if (says_nothing(v))
		return E_OK;
	if (v.type != JSON_OBJECT)
		return bad(r, "reasoning");
	if (enabled.type == JSON_TRUE || enabled.type == JSON_FALSE)
		say_thinking(r, F_REASONING, v,
			     enabled.type == JSON_TRUE ? THINK_ON : THINK_OFF);
	e = read_effort(r, F_REASONING, v, json_get(v, "effort"));
	if (e == E_OK && json_u64(budget, &r->c->budget) && r->c->budget > 0) {
		say_thinking(r, F_REASONING, v, THINK_ON);
		r->c->effort = STR("");
	}
	if (json_get(v, "exclude").type == JSON_TRUE)
		r->c->show_thoughts = false;
	return e;
}

/* {"type": "enabled"|"disabled"|"adaptive", "budget_tokens"} */
static enum err
read_thinking(struct openai_reading *r, struct json_value v)
{
	struct json_value type = json_get(v, "type");

	if (says_nothing(v))
		return E_OK;
	if (openai_is(type, "disabled")) {
		say_thinking(r, F_THINKING, v, THINK_OFF);
	} else if (openai_is(type, "enabled")) {
		say_thinking(r, F_THINKING, v, THINK_ON);
		if (json_u64(json_get(v, "budget_tokens"), &r->c->budget))
			r->c->effort = STR("");
	} else if (openai_is(type, "adaptive") || openai_is(type, "auto")) {
		say_thinking(r, F_THINKING, v, THINK_AUTO);
	} else {
		return bad(r, "thinking.type");
	}
	return E_OK;
}

static enum err
read_thoughts(struct openai_reading *r, const struct json_value *v)
{
	struct json_value enable = v[F_ENABLE_THINKING];
	enum err e;

	if (enable.type == JSON_TRUE || enable.type == JSON_FALSE)
		say_thinking(r, F_ENABLE_THINKING, enable,
			     enable.type == JSON_TRUE ? THINK_ON : THINK_OFF);
	else if (!openai_absent(enable))
		return bad(r, fields[F_ENABLE_THINKING]);
	e = read_effort(r, F_EFFORT, v[F_EFFORT], v[F_EFFORT]);
	if (e == E_OK)
		e = read_reasoning(r, v[F_REASONING]);
	return e == E_OK ? read_thinking(r, v[F_THINKING]) : e;
}

/* ---- tools ---- */

enum { T_NAME, T_DESCRIPTION, T_PARAMETERS, T_STRICT, T_CACHE, TOOL };

static enum err
read_function(struct openai_reading *r, struct json_value v,
	      struct json_value cache)
{
	static const char *const names[TOOL] = {
		"name", "description", "parameters", "strict", "cache_control"};
	static const struct openai_members members = {"tools[].function.",
						      names, TOOL, TOOL};
	struct json_value m[TOOL];
	struct tool *t;

	openai_pick(r, v, &members, m);
	if (m[T_NAME].type != JSON_STRING)
		return bad(r, "tools[].function.name");
	if (!openai_absent(m[T_PARAMETERS]) &&
	    m[T_PARAMETERS].type != JSON_OBJECT)
		return bad(r, "tools[].function.parameters");
	t = conversation_tool(r->c);
	if (!t)
		return E_NO_MEMORY;
	t->name = json_inside(m[T_NAME]);
	t->description = json_inside(m[T_DESCRIPTION]);
	if (m[T_PARAMETERS].type == JSON_OBJECT)
		t->schema = m[T_PARAMETERS];
	if (m[T_STRICT].type == JSON_TRUE || m[T_STRICT].type == JSON_FALSE)
		t->strict = m[T_STRICT];
	openai_read_cache(m[T_CACHE], &t->cached, &t->cache_ttl);
	openai_read_cache(cache, &t->cached, &t->cache_ttl);
	return E_OK;
}

static enum err
read_tool(struct openai_reading *r, struct json_value v)
{
	static const char *const names[] = {"type", "function",
					    "cache_control"};
	static const struct openai_members members = {"tools[].", names, 3, 3};
	struct json_value m[3];

	if (v.type != JSON_OBJECT)
		return bad(r, "tools[]");
	if (!openai_is(json_get(v, "type"), "function")) {
		conversation_refuse(r->c, "tools[].type");
		return E_OK;
	}
	openai_pick(r, v, &members, m);
	return read_function(r, m[1], m[2]);
}

static enum err
read_tools(struct openai_reading *r, const struct json_value *v)
{
	const struct json_value absent = {JSON_ABSENT, STR_NONE};
	struct json_value tool;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (!openai_absent(v[F_TOOLS]) && v[F_TOOLS].type != JSON_ARRAY)
		return bad(r, "tools");
	if (!openai_absent(v[F_FUNCTIONS]) && v[F_FUNCTIONS].type != JSON_ARRAY)
		return bad(r, "functions");
	if (v[F_TOOLS].type == JSON_ARRAY && json_iter_init(&it, v[F_TOOLS]))
		while (e == E_OK && json_iter_next(&it, &name, &tool))
			e = read_tool(r, tool);
	if (v[F_FUNCTIONS].type == JSON_ARRAY &&
	    json_iter_init(&it, v[F_FUNCTIONS]))
		while (e == E_OK && json_iter_next(&it, &name, &tool))
			e = read_function(r, tool, absent);
	return e;
}

static enum err
read_choice(struct openai_reading *r, unsigned field, struct json_value v)
{
	struct conversation *c = r->c;
	struct json_value type = json_get(v, "type");
	struct json_value name = json_get(v, "name");

	if (openai_absent(v))
		return E_OK;
	if (name.type != JSON_STRING)
		name = json_get(json_get(v, "function"), "name");
	if (openai_is(v, "auto")) {
		c->choice = CHOICE_AUTO;
	} else if (openai_is(v, "none")) {
		c->choice = CHOICE_NONE;
	} else if (openai_is(v, "required") || openai_is(v, "any")) {
		c->choice = CHOICE_REQUIRED;
	} else if (v.type == JSON_OBJECT && name.type == JSON_STRING &&
		   (openai_absent(type) || openai_is(type, "function"))) {
		c->choice = CHOICE_NAMED;
		c->choice_name = json_inside(name);
	} else if (v.type == JSON_OBJECT && type.type == JSON_STRING &&
		   !openai_is(type, "function")) {
		conversation_refuse(c, "tool_choice.type");
		return E_OK;
	} else {
		return bad(r, fields[field]);
	}
	conversation_say(c, TRAIT_TOOL_CHOICE, fields[field], v);
	return E_OK;
}

/* ---- all of it ---- */

static enum err
read_prompt(struct openai_reading *r, struct json_value v)
{
	struct part *p;

	if (openai_absent(v)) {
		*r->detail = "prompt";
		return E_MISSING_FIELD;
	}
	if (v.type == JSON_ARRAY && json_at(v, 1).type == JSON_ABSENT)
		v = json_at(v, 0);
	/* several prompts, or tokens of a model that is not meant */
	if (v.type != JSON_STRING) {
		conversation_refuse(r->c, "prompt");
		return E_OK;
	}
	p = turn_add(r->c, conversation_turn(r->c, SPEAKER_USER), PART_TEXT);
	if (!p)
		return E_NO_MEMORY;
	p->text = json_inside(v);
	return E_OK;
}

static enum err
read_words(struct openai_reading *r, const struct ask *ask,
	   struct json_value *v)
{
	if (ask->kind == ASK_CHAT) {
		if (!says_nothing(v[F_PROMPT]))
			conversation_refuse(r->c, "prompt");
		return openai_read_messages(r, v[F_MESSAGES]);
	}
	if (!openai_absent(v[F_LOGPROBS])) /* a number, in another shape */
		conversation_refuse(r->c, "logprobs");
	v[F_LOGPROBS].type = JSON_ABSENT;
	return read_prompt(r, v[F_PROMPT]);
}

enum err
openai_read(struct conversation *c, const struct ask *ask, const char **detail)
{
	struct openai_reading r = {.c = c, .a = c->a, .detail = detail};
	struct json_value v[FIELDS], body;
	struct json_error fault;
	enum err e;

	if (ask->kind == ASK_EMBEDDINGS)
		return openai_read_vectors(c, ask, detail);
	if (!json_valid(ask->body, &body, &fault))
		return E_BAD_JSON;
	openai_pick(&r, body, &field_members, v);
	e = read_words(&r, ask, v);
	if (e == E_OK)
		e = read_simple(&r, v);
	if (e == E_OK)
		e = read_switches(&r, v);
	if (e == E_OK)
		e = read_stop(&r, v[F_STOP]);
	if (e == E_OK)
		e = read_format(&r, v[F_FORMAT]);
	if (e == E_OK)
		e = read_thoughts(&r, v);
	if (e == E_OK)
		e = read_tools(&r, v);
	if (e == E_OK)
		e = read_choice(&r, F_FUNCTION_CALL, v[F_FUNCTION_CALL]);
	if (e == E_OK)
		e = read_choice(&r, F_TOOL_CHOICE, v[F_TOOL_CHOICE]);
	read_counts(&r, ask, v);
	read_modalities(&r, v[F_MODALITIES]);
	return e;
}
