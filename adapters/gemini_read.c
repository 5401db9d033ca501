/*
 * A Gemini client's request as a conversation: for upstreams with other
 * words. What has no meaning outside of Google is refused by the name the
 * client gave it. Called by dialect_gemini.c; pure.
 */
#include "adapters/gemini_reading.h"
#include "adapters/vectors.h"

/* ---- what goes wrong ---- */

void
gemini_bad(struct reading *r, const char *field)
{
	if (r->err == E_OK) {
		r->err = E_BAD_FIELD;
		r->detail = field;
	}
}

void
gemini_no_memory(struct reading *r)
{
	if (r->err == E_OK)
		r->err = E_NO_MEMORY;
}

/* A name of the client's, behind the place it stands at ("" = the top). */
static const char *
full_name(struct reading *r, const char *at, struct str name)
{
	struct str full;

	name.n = MIN_OF(name.n, 64u);
	full = arena_printf(r->c->a, "%s%s%.*s", at, *at ? "." : "",
			    STR_ARG(name));
	if (!full.p)
		gemini_no_memory(r);
	return full.p ? full.p : at;
}

void
gemini_take(struct reading *r, struct json_value object, const char *at,
	    const char *const *names, unsigned n, struct json_value *v)
{
	struct str odd;

	if (object.type != JSON_ABSENT && object.type != JSON_OBJECT)
		gemini_bad(r, at);
	if (!gemini_pick(object, names, n, v, &odd) && r->err == E_OK) {
		r->err = E_DUPLICATE_FIELD;
		r->detail = full_name(r, at, odd);
	} else if (odd.n > 0) {
		conversation_refuse(r->c, full_name(r, at, odd));
	}
}

/* Refuses what is there, by its name. */
void
gemini_refuse(struct reading *r, struct json_value v, const char *name)
{
	if (v.type != JSON_ABSENT)
		conversation_refuse(r->c, name);
}

/* The inside of a string; anything else is a bad field. */
struct str
gemini_text(struct reading *r, struct json_value v, const char *field)
{
	if (v.type != JSON_STRING && v.type != JSON_ABSENT)
		gemini_bad(r, field);
	return json_inside(v);
}

/* ---- tools ---- */

static void
read_function(struct reading *r, struct json_value function)
{
	static const char *const names[] = {
		"name",	      "description",
		"parameters", "parametersJsonSchema",
		"response",   "responseJsonSchema",
		"behavior"};
	static const char at[] = "tools[].functionDeclarations[]";
	struct tool *t = conversation_tool(r->c);
	struct json_value v[7];

	gemini_take(r, function, at, names, 7, v);
	if (!t) {
		gemini_no_memory(r);
		return;
	}
	t->name = gemini_text(r, v[0], "tools[].functionDeclarations[].name");
	t->description = json_inside(v[1]);
	if (t->name.n == 0)
		gemini_bad(r, "tools[].functionDeclarations[].name");
	if (v[3].type != JSON_ABSENT)
		t->schema = v[3];
	else if (v[2].type != JSON_ABSENT)
		t->schema = gemini_schema(r->c->a, v[2]);
	if (t->schema.type != JSON_ABSENT && t->schema.type != JSON_OBJECT)
		gemini_bad(r, "tools[].functionDeclarations[].parameters");
	if (json_str_eq(v[6].raw, STR("NON_BLOCKING")))
		gemini_refuse(r, v[6],
			      "tools[].functionDeclarations[].behavior");
}

static void
read_tools(struct reading *r, struct json_value tools)
{
	static const char *const names[] = {"functionDeclarations"};
	struct gemini_list l = gemini_list(tools), functions;
	struct json_value tool, v, function;

	while (gemini_list_next(&l, &tool) && r->err == E_OK) {
		gemini_take(r, tool, "tools[]", names, 1, &v);
		functions = gemini_list(v);
		while (gemini_list_next(&functions, &function) &&
		       r->err == E_OK)
			read_function(r, function);
	}
}

static bool
in_list(struct json_value list, struct str raw)
{
	struct gemini_list l = gemini_list(list);
	struct json_value v;

	while (gemini_list_next(&l, &v))
		if (str_eq(json_inside(v), raw))
			return true;
	return false;
}

/* ANY of some: one is named, of several the others are left out. */
static void
allow_functions(struct reading *r, struct json_value allowed)
{
	struct tool **at = &r->c->tools;
	unsigned n = 0;

	while (*at) {
		if (in_list(allowed, (*at)->name)) {
			n++;
			at = &(*at)->next;
		} else {
			*at = (*at)->next;
		}
	}
	r->c->tools_tail = at;
	if (n == 0)
		gemini_bad(
			r,
			"toolConfig.functionCallingConfig.allowedFunctionNames");
	if (n == 1) {
		r->c->choice = CHOICE_NAMED;
		r->c->choice_name = r->c->tools->name;
	}
}

static void
read_choice(struct reading *r, struct json_value config)
{
	static const char *const names[] = {"functionCallingConfig"};
	static const char *const inner[] = {"mode", "allowedFunctionNames"};
	static const char field[] = "toolConfig.functionCallingConfig.mode";
	struct json_value v, m[2];

	gemini_take(r, config, "toolConfig", names, 1, &v);
	gemini_take(r, v, "toolConfig.functionCallingConfig", inner, 2, m);
	if (m[0].type == JSON_ABSENT ||
	    json_str_eq(m[0].raw, STR("MODE_UNSPECIFIED")))
		return;
	conversation_say(r->c, TRAIT_TOOL_CHOICE, field, m[0]);
	if (json_str_eq(m[0].raw, STR("NONE"))) {
		r->c->choice = CHOICE_NONE;
	} else if (json_str_eq(m[0].raw, STR("ANY"))) {
		r->c->choice = CHOICE_REQUIRED;
		if (m[1].type != JSON_ABSENT)
			allow_functions(r, m[1]);
	} else if (json_str_eq(m[0].raw, STR("VALIDATED"))) {
		conversation_drop(r->c, str_of(field));
	} else if (!json_str_eq(m[0].raw, STR("AUTO"))) {
		gemini_bad(r, field);
	}
}

/* ---- generationConfig ---- */

enum {
	G_MIME,
	G_SCHEMA,
	G_JSON_SCHEMA,
	G_JSON_SCHEMA_OLD,
	G_COUNT,
	G_LOGPROBS,
	G_TOP_LOGPROBS,
	G_STOP,
	G_MODALITIES,
	G_THINKING,
	G_RESOLUTION,
	G_TRAITS, /* from here on as they are */
	CONFIG = G_TRAITS + 7
};
static const char *const config_names[CONFIG] = {"responseMimeType",
						 "responseSchema",
						 "responseJsonSchema",
						 "_responseJsonSchema",
						 "candidateCount",
						 "responseLogprobs",
						 "logprobs",
						 "stopSequences",
						 "responseModalities",
						 "thinkingConfig",
						 "mediaResolution",
						 "temperature",
						 "topP",
						 "topK",
						 "maxOutputTokens",
						 "seed",
						 "presencePenalty",
						 "frequencyPenalty"};
static const struct {
	enum trait_kind kind;
	const char *field;
} plain_traits[CONFIG - G_TRAITS] = {
	{TRAIT_TEMPERATURE, "generationConfig.temperature"},
	{TRAIT_TOP_P, "generationConfig.topP"},
	{TRAIT_TOP_K, "generationConfig.topK"},
	{TRAIT_MAX, "generationConfig.maxOutputTokens"},
	{TRAIT_SEED, "generationConfig.seed"},
	{TRAIT_PRESENCE, "generationConfig.presencePenalty"},
	{TRAIT_FREQUENCY, "generationConfig.frequencyPenalty"},
};

static void
read_format(struct reading *r, const struct json_value *v)
{
	struct conversation *c = r->c;
	struct json_value schema = v[G_JSON_SCHEMA];

	if (schema.type == JSON_ABSENT)
		schema = v[G_JSON_SCHEMA_OLD];
	if (schema.type == JSON_ABSENT && v[G_SCHEMA].type != JSON_ABSENT)
		schema = gemini_schema(c->a, v[G_SCHEMA]);
	if (schema.type != JSON_ABSENT) {
		if (schema.type != JSON_OBJECT)
			gemini_bad(r, "generationConfig.responseSchema");
		c->format = FORMAT_SCHEMA;
		c->format_schema = schema;
		conversation_say(c, TRAIT_FORMAT,
				 "generationConfig.responseSchema", schema);
	} else if (json_str_eq(v[G_MIME].raw, STR("application/json"))) {
		c->format = FORMAT_JSON;
		conversation_say(c, TRAIT_FORMAT,
				 "generationConfig.responseMimeType",
				 v[G_MIME]);
	} else if (!json_str_eq(v[G_MIME].raw, STR("text/plain"))) {
		gemini_refuse(r, v[G_MIME],
			      "generationConfig.responseMimeType");
	}
}

static void
read_thinking(struct reading *r, struct json_value config)
{
	static const char *const names[] = {"includeThoughts", "thinkingBudget",
					    "thinkingLevel"};
	struct conversation *c = r->c;
	struct json_value v[3];
	int64_t budget = -1;

	if (config.type == JSON_ABSENT)
		return;
	gemini_take(r, config, "generationConfig.thinkingConfig", names, 3, v);
	c->show_thoughts = v[0].type == JSON_TRUE;
	if (v[1].type != JSON_ABSENT &&
	    (!json_i64(v[1], &budget) || budget < -1))
		gemini_bad(r, "generationConfig.thinkingConfig.thinkingBudget");
	if (v[2].type == JSON_STRING &&
	    !json_str_eq(v[2].raw, STR("THINKING_LEVEL_UNSPECIFIED"))) {
		struct str level = arena_dup(c->a, json_inside(v[2]));

		for (size_t i = 0; level.p && i < level.n; i++)
			if (level.p[i] >= 'A' && level.p[i] <= 'Z')
				((char *)(uintptr_t)level.p)[i] |= 0x20;
		c->effort = level;
		c->think = THINK_ON;
	} else {
		c->budget = budget > 0 ? (uint64_t)budget : 0;
		c->think = budget > 0	 ? THINK_ON
			   : budget == 0 ? THINK_OFF
					 : THINK_AUTO;
	}
	conversation_say(c, TRAIT_THINKING, "generationConfig.thinkingConfig",
			 config);
}

/* ["TEXT"] is what there is anyway; others as OpenAI spells them. */
static void
read_modalities(struct reading *r, struct json_value v)
{
	struct gemini_list l = gemini_list(v);
	struct json_value one;
	struct str lower;
	bool other = false;

	while (gemini_list_next(&l, &one))
		other |= !json_str_eq(one.raw, STR("TEXT"));
	if (!other)
		return;
	lower = arena_dup(r->c->a, v.raw);
	for (size_t i = 0; lower.p && i < lower.n; i++)
		if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
			((char *)(uintptr_t)lower.p)[i] |= 0x20;
	v.raw = lower;
	conversation_say(r->c, TRAIT_MODALITIES,
			 "generationConfig.responseModalities", v);
}

static void
read_config(struct reading *r, struct json_value config)
{
	static const char stop[] = "generationConfig.stopSequences";
	struct json_value v[CONFIG], first;
	struct conversation *c = r->c;
	uint64_t n = 1;

	gemini_take(r, config, "generationConfig", config_names, CONFIG, v);
	for (unsigned i = 0; i < CONFIG - G_TRAITS; i++)
		conversation_say(c, plain_traits[i].kind, plain_traits[i].field,
				 v[G_TRAITS + i]);
	if (json_u64(v[G_COUNT], &n) && n > 1)
		conversation_say(c, TRAIT_COUNT,
				 "generationConfig.candidateCount", v[G_COUNT]);
	if (v[G_LOGPROBS].type == JSON_TRUE) {
		conversation_say(c, TRAIT_LOGPROBS,
				 "generationConfig.responseLogprobs",
				 v[G_LOGPROBS]);
		conversation_say(c, TRAIT_TOP_LOGPROBS,
				 "generationConfig.logprobs",
				 v[G_TOP_LOGPROBS]);
	}
	if (v[G_STOP].type != JSON_ABSENT && v[G_STOP].type != JSON_ARRAY)
		gemini_bad(r, stop);
	first = json_at(v[G_STOP], 0);
	if (first.type != JSON_ABSENT)
		conversation_say(c, TRAIT_STOP, stop, v[G_STOP]);
	if (v[G_RESOLUTION].type != JSON_ABSENT)
		conversation_drop(c, STR("generationConfig.mediaResolution"));
	read_modalities(r, v[G_MODALITIES]);
	read_format(r, v);
	read_thinking(r, v[G_THINKING]);
}

/* ---- the request ---- */

enum {
	T_CONTENTS,
	T_SYSTEM,
	T_TOOLS,
	T_TOOL_CONFIG,
	T_CONFIG,
	T_SAFETY,
	T_CACHED,
	T_LABELS,
	T_TIER,
	T_STORE,
	T_MODEL,
	TOP
};
static const char *const top_names[TOP] = {"contents",
					   "systemInstruction",
					   "tools",
					   "toolConfig",
					   "generationConfig",
					   "safetySettings",
					   "cachedContent",
					   "labels",
					   "serviceTier",
					   "store",
					   "model"};

/* To count, the request may be wrapped up. */
static struct json_value
inner_request(const struct ask *ask, struct json_value root)
{
	static const char *const names[] = {"generateContentRequest"};
	struct json_value v;
	struct str odd;

	if (ask->kind != ASK_COUNT || !gemini_pick(root, names, 1, &v, &odd))
		return root;
	return v.type == JSON_OBJECT ? v : root;
}

static void
read_request(struct reading *r, struct json_value root)
{
	struct json_value v[TOP];

	gemini_take(r, root, "", top_names, TOP, v);
	gemini_refuse(r, v[T_CACHED], "cachedContent");
	gemini_system(r, v[T_SYSTEM]);
	gemini_contents(r, v[T_CONTENTS]);
	read_tools(r, v[T_TOOLS]);
	read_choice(r, v[T_TOOL_CONFIG]);
	read_config(r, v[T_CONFIG]);
	conversation_say(r->c, TRAIT_SAFETY, "safetySettings", v[T_SAFETY]);
	conversation_say(r->c, TRAIT_METADATA, "labels", v[T_LABELS]);
	conversation_say(r->c, TRAIT_TIER, "serviceTier", v[T_TIER]);
	if (v[T_STORE].type == JSON_TRUE)
		conversation_say(r->c, TRAIT_STORE, "store", v[T_STORE]);
}

enum err
gemini_read(struct conversation *c, const struct ask *ask, const char **detail)
{
	struct reading r = {.c = c, .err = E_OK};
	struct json_value root;

	if (ask->kind == ASK_EMBEDDINGS)
		return gemini_read_vectors(c, ask, detail);
	if (!json_valid(ask->body, &root, NULL))
		return E_BAD_JSON;
	read_request(&r, inner_request(ask, root));
	*detail = r.detail;
	return r.err;
}
