/*
 * A client's Anthropic request as a conversation. Members nobody knows are
 * refused by their path; those that change nothing in the answer's words are
 * dropped by theirs.
 */
#include "adapters/anthropic_read.h"

static bool
read_message(struct reading *r, struct json_value message)
{
	static const struct known known[] = {
		{"role", false}, {"content", false}, {NULL, false}};
	static const char *const names[] = {"role", "content"};
	static const char *const roles[] = {"system", "user", "assistant"};
	struct json_value v[2];

	if (message.type != JSON_OBJECT)
		return reading_bad(r, "messages");
	json_pick(message, names, 2, v);
	reading_check(r, message, "messages.", known);
	for (unsigned i = 0; i < ARRAY_LEN(roles); i++)
		if (reading_is(v[0], roles[i]))
			return anthropic_read_turn(r, (enum speaker)i, v[1]);
	return reading_bad(r, "messages.role");
}

static bool
read_messages(struct reading *r, struct json_value messages)
{
	struct json_iter it;
	struct json_value message;
	struct str name;

	if (messages.type != JSON_ARRAY || !json_iter_init(&it, messages))
		return reading_bad(r, "messages");
	while (json_iter_next(&it, &name, &message))
		if (!read_message(r, message))
			return false;
	return true;
}

/* ---- tools ---- */

enum { T_TYPE, T_NAME, T_DESCRIPTION, T_SCHEMA, T_STRICT, T_CACHE, TOOL };
static const char *const tool_names[TOOL] = {"type",	    "name",
					     "description", "input_schema",
					     "strict",	    "cache_control"};
static const struct known tool_known[] = {{"type", false},
					  {"name", false},
					  {"description", false},
					  {"input_schema", false},
					  {"strict", false},
					  {"cache_control", false},
					  {"eager_input_streaming", true},
					  {"input_examples", true},
					  {"allowed_callers", true},
					  {NULL, false}};

static bool
read_tool(struct reading *r, struct json_value tool)
{
	struct json_value v[TOOL];
	struct tool *t;

	if (tool.type != JSON_OBJECT)
		return reading_bad(r, "tools");
	json_pick(tool, tool_names, TOOL, v);
	if (!ask_absent(v[T_TYPE]) && !reading_is(v[T_TYPE], "custom")) {
		conversation_refuse(r->c, reading_path(r, "tools.",
						       json_inside(v[T_TYPE])));
		return true;
	}
	if (v[T_NAME].type != JSON_STRING)
		return reading_bad(r, "tools.name");
	if (v[T_SCHEMA].type != JSON_OBJECT)
		return reading_bad(r, "tools.input_schema");
	t = conversation_tool(r->c);
	if (!t)
		return reading_no_memory(r);
	t->name = json_inside(v[T_NAME]);
	t->description = json_inside(v[T_DESCRIPTION]);
	t->schema = v[T_SCHEMA];
	if (v[T_STRICT].type == JSON_TRUE || v[T_STRICT].type == JSON_FALSE)
		t->strict = v[T_STRICT];
	reading_mark(v[T_CACHE], &t->cached, &t->cache_ttl);
	reading_check(r, tool, "tools.", tool_known);
	return true;
}

static bool
read_tools(struct reading *r, struct json_value tools)
{
	struct json_iter it;
	struct json_value tool;
	struct str name;

	if (ask_absent(tools))
		return true;
	if (tools.type != JSON_ARRAY || !json_iter_init(&it, tools))
		return reading_bad(r, "tools");
	while (json_iter_next(&it, &name, &tool))
		if (!read_tool(r, tool))
			return false;
	return true;
}

static bool
read_choice(struct reading *r, struct json_value choice)
{
	static const char *const names[] = {"type", "name",
					    "disable_parallel_tool_use"};
	static const char *const types[] = {"auto", "any", "none", "tool"};
	static const struct json_value no = {JSON_FALSE,
					     {"false", sizeof("false") - 1}};
	struct json_value v[3];
	unsigned mode = 0;

	if (ask_absent(choice))
		return true;
	json_pick(choice, names, 3, v);
	while (mode < ARRAY_LEN(types) && !reading_is(v[0], types[mode]))
		mode++;
	if (mode == ARRAY_LEN(types))
		return reading_bad(r, "tool_choice.type");
	r->c->choice = (enum choice_mode)mode;
	r->c->choice_name = json_inside(v[1]);
	if (r->c->choice == CHOICE_NAMED && r->c->choice_name.n == 0)
		return reading_bad(r, "tool_choice.name");
	conversation_say(r->c, TRAIT_TOOL_CHOICE, "tool_choice", choice);
	if (v[2].type == JSON_TRUE)
		conversation_say(r->c, TRAIT_PARALLEL,
				 "tool_choice.disable_parallel_tool_use", no);
	return true;
}

/* ---- what else is asked for ---- */

static bool
read_effort(struct reading *r, struct json_value effort)
{
	if (ask_absent(effort))
		return true;
	if (effort.type != JSON_STRING)
		return reading_bad(r, "output_config.effort");
	if (r->c->budget > 0 || r->c->think == THINK_OFF) {
		conversation_drop(r->c, STR("output_config.effort"));
		return true;
	}
	r->c->effort = json_inside(effort);
	if (!r->c->traits[TRAIT_THINKING].field)
		conversation_say(r->c, TRAIT_THINKING, "output_config.effort",
				 effort);
	return true;
}

static bool
read_output(struct reading *r, struct json_value output)
{
	static const struct known known[] = {
		{"effort", false}, {"format", false}, {NULL, false}};
	struct json_value format = json_get(output, "format");

	reading_check(r, output, "output_config.", known);
	if (!read_effort(r, json_get(output, "effort")))
		return false;
	if (ask_absent(format))
		return true;
	r->c->format_schema = json_get(format, "schema");
	if (!reading_is(json_get(format, "type"), "json_schema") ||
	    r->c->format_schema.type != JSON_OBJECT)
		return reading_bad(r, "output_config.format");
	r->c->format = FORMAT_SCHEMA;
	conversation_say(r->c, TRAIT_FORMAT, "output_config.format", format);
	return true;
}

static bool
read_thought(struct reading *r, struct json_value thinking)
{
	static const char *const names[] = {"type", "budget_tokens", "display"};
	struct json_value v[3];

	if (ask_absent(thinking))
		return true;
	json_pick(thinking, names, 3, v);
	if (reading_is(v[0], "disabled"))
		r->c->think = THINK_OFF;
	else if (reading_is(v[0], "adaptive"))
		r->c->think = THINK_AUTO;
	else if (reading_is(v[0], "enabled"))
		r->c->think = THINK_ON;
	else
		return reading_bad(r, "thinking.type");
	if (r->c->think == THINK_ON &&
	    (!json_u64(v[1], &r->c->budget) || r->c->budget == 0))
		return reading_bad(r, "thinking.budget_tokens");
	r->c->show_thoughts =
		r->c->think != THINK_OFF && !reading_is(v[2], "omitted");
	conversation_say(r->c, TRAIT_THINKING, "thinking", thinking);
	return true;
}

/* In the words that others have as well. */
static bool
read_tier(struct reading *r, struct json_value tier)
{
	static const struct json_value normal = {
		JSON_STRING, {"\"default\"", sizeof("\"default\"") - 1}};

	if (ask_absent(tier))
		return true;
	if (tier.type != JSON_STRING)
		return reading_bad(r, "service_tier");
	conversation_say(r->c, TRAIT_TIER, "service_tier",
			 reading_is(tier, "standard_only") ? normal : tier);
	return true;
}

static bool
read_metadata(struct reading *r, struct json_value metadata)
{
	static const struct known known[] = {{"user_id", false}, {NULL, false}};
	struct json_value user = json_get(metadata, "user_id");

	reading_check(r, metadata, "metadata.", known);
	if (!ask_absent(user) && user.type != JSON_STRING)
		return reading_bad(r, "metadata.user_id");
	conversation_say(r->c, TRAIT_USER, "metadata.user_id", user);
	return true;
}

static bool
read_number(struct reading *r, enum trait_kind kind, const char *name,
	    struct json_value v)
{
	if (!ask_absent(v) && v.type != JSON_NUMBER)
		return reading_bad(r, name);
	conversation_say(r->c, kind, name, v);
	return true;
}

static bool
read_stops(struct reading *r, struct json_value stops)
{
	struct json_iter it;
	struct json_value stop;
	struct str name;

	if (reading_empty(stops))
		return true;
	if (stops.type != JSON_ARRAY || !json_iter_init(&it, stops))
		return reading_bad(r, "stop_sequences");
	while (json_iter_next(&it, &name, &stop))
		if (stop.type != JSON_STRING)
			return reading_bad(r, "stop_sequences");
	conversation_say(r->c, TRAIT_STOP, "stop_sequences", stops);
	return true;
}

/* ---- the whole ---- */

static const struct known root_known[] = {{"model", false},
					  {"messages", false},
					  {"max_tokens", false},
					  {"system", false},
					  {"tools", false},
					  {"tool_choice", false},
					  {"stop_sequences", false},
					  {"temperature", false},
					  {"top_p", false},
					  {"top_k", false},
					  {"thinking", false},
					  {"output_config", false},
					  {"metadata", false},
					  {"service_tier", false},
					  {"stream", false},
					  {"cache_control", false},
					  {"context_management", true},
					  {"diagnostics", true},
					  {"speed", true},
					  {"user_profile_id", true},
					  {"workspace_id", true},
					  {"betas", true},
					  {NULL, false}};

enum {
	R_SYSTEM,
	R_MESSAGES,
	R_TOOLS,
	R_CHOICE,
	R_STOP,
	R_THINKING,
	R_OUTPUT,
	R_METADATA,
	R_TIER,
	R_CACHE,
	R_TEMPERATURE,
	R_TOP_P,
	R_TOP_K,
	R_MAX,
	ROOT
};
static const char *const root_names[ROOT] = {
	"system",	  "messages",	   "tools",	    "tool_choice",
	"stop_sequences", "thinking",	   "output_config", "metadata",
	"service_tier",	  "cache_control", "temperature",   "top_p",
	"top_k",	  "max_tokens"};

static bool
read_settings(struct reading *r, const struct json_value *v)
{
	return read_choice(r, v[R_CHOICE]) &&
	       read_number(r, TRAIT_TEMPERATURE, "temperature",
			   v[R_TEMPERATURE]) &&
	       read_number(r, TRAIT_TOP_P, "top_p", v[R_TOP_P]) &&
	       read_number(r, TRAIT_TOP_K, "top_k", v[R_TOP_K]) &&
	       read_number(r, TRAIT_MAX, "max_tokens", v[R_MAX]) &&
	       read_stops(r, v[R_STOP]) && read_thought(r, v[R_THINKING]) &&
	       read_output(r, v[R_OUTPUT]) && read_metadata(r, v[R_METADATA]) &&
	       read_tier(r, v[R_TIER]);
}

static bool
read_all(struct reading *r, struct json_value root)
{
	struct json_value v[ROOT];

	json_pick(root, root_names, ROOT, v);
	reading_check(r, root, "", root_known);
	if (!ask_absent(v[R_SYSTEM]) &&
	    !anthropic_read_turn(r, SPEAKER_SYSTEM, v[R_SYSTEM])) {
		if (r->bad)
			r->bad = "system";
		return false;
	}
	if (!read_messages(r, v[R_MESSAGES]) || !read_tools(r, v[R_TOOLS]) ||
	    !read_settings(r, v))
		return false;
	anthropic_mark_last(r, v[R_CACHE]);
	return conversation_link(r->c) || reading_no_memory(r);
}

enum err
anthropic_read(struct conversation *c, const struct ask *ask,
	       const char **detail)
{
	struct str body = str_from(ask->body,
				   (size_t)MAX_OF(0, str_find(ask->body, '{')));
	struct reading r = {.c = c};
	struct json_value root;

	while (body.n > 0 && body.p[body.n - 1] != '}')
		body.n--;
	root = (struct json_value){JSON_OBJECT, body};
	if (read_all(&r, root) && !r.no_memory)
		return E_OK;
	*detail = r.bad;
	return r.bad && !r.no_memory ? E_BAD_FIELD : E_NO_MEMORY;
}
