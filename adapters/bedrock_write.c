/*
 * A conversation as a request for Converse. What is hard: only four settings
 * are the same for all models, others go to a model under its own names; and
 * there is no way to say that no tool is to be called. Called through
 * wire_bedrock; pure.
 */
#include "adapters/anthropic_write.h"
#include "adapters/bedrock.h"
#include "adapters/closed.h"

const struct name_rule bedrock_names = {.marks = "_-", .max = 64};

/* ---- which model ---- */

static bool
model_has(const struct writing *w, const char *text)
{
	return str_search(w->target->model, str_of(text)) >= 0;
}

bool
bedrock_is_claude(const struct writing *w)
{
	return model_has(w, "anthropic.claude");
}

bool
bedrock_is_nova(const struct writing *w)
{
	return model_has(w, "amazon.nova");
}

/* Older ones refuse to be asked. */
static bool
claude_thinks(const struct writing *w)
{
	return bedrock_is_claude(w) &&
	       (model_has(w, "claude-3-7") ||
		!(model_has(w, "claude-3") || model_has(w, "claude-v") ||
		  model_has(w, "claude-instant")));
}

/* ---- tools ---- */

static void
put_tool(struct writing *w, const struct tool *t)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	json_name(o, "toolSpec");
	json_open(o, '{');
	json_put_member(o, "name", name_legal(w->a, &bedrock_names, t->name));
	if (t->description.n > 0)
		json_put_member(o, "description", t->description);
	json_name(o, "inputSchema");
	json_open(o, '{');
	wire_put_schema(o, "json", t->schema);
	json_close(o, '}');
	if (t->strict.type == JSON_TRUE) {
		json_name(o, "strict");
		json_put_bool(o, true);
	}
	json_close(o, '}');
	json_close(o, '}');
	bedrock_put_mark(w, t->cached, t->cache_ttl);
}

/* That one call at most is to be made is said in Claude's own words, and
 * then there which one. */
static bool
choice_is_claudes(const struct writing *w)
{
	const struct conversation *c = w->talk;

	return bedrock_is_claude(w) && c->tools && c->choice != CHOICE_NONE &&
	       c->traits[TRAIT_PARALLEL].field;
}

static void
put_choice(struct writing *w)
{
	static const char *const modes[] = {[CHOICE_AUTO] = "auto",
					    [CHOICE_REQUIRED] = "any",
					    [CHOICE_NONE] = "auto",
					    [CHOICE_NAMED] = "tool"};
	const struct conversation *c = w->talk;

	if (!trait_take(w, TRAIT_TOOL_CHOICE) || choice_is_claudes(w))
		return;
	json_name(w->out, "toolChoice");
	json_open(w->out, '{');
	json_name(w->out, modes[c->choice]);
	json_open(w->out, '{');
	if (c->choice == CHOICE_NAMED)
		json_put_member(
			w->out, "name",
			name_legal(w->a, &bedrock_names, c->choice_name));
	json_close(w->out, '}');
	json_close(w->out, '}');
}

/* No tools, no calls; but those that were made must stay explained. */
static void
put_tools(struct writing *w)
{
	const struct conversation *c = w->talk;

	if (!wire_has_tools(w)) {
		if (c->tools && bedrock_used_tools(c))
			writing_refuse(w, c->traits[TRAIT_TOOL_CHOICE].field);
		return;
	}
	json_name(w->out, "toolConfig");
	json_open(w->out, '{');
	json_name(w->out, "tools");
	json_open(w->out, '[');
	for (const struct tool *t = c->tools; t; t = t->next)
		put_tool(w, t);
	json_close(w->out, ']');
	put_choice(w);
	json_close(w->out, '}');
}

/* ---- settings of all models ---- */

/* Others go up to 2. */
static void
put_temperature(struct writing *w)
{
	const struct trait *t = &w->talk->traits[TRAIT_TEMPERATURE];
	int64_t milli;
	bool exact;

	if (t->field && json_scaled(t->value, 3, &milli, &exact) &&
	    milli <= 1000)
		trait_put(w, TRAIT_TEMPERATURE, "temperature");
}

static void
put_inference(struct writing *w, const struct thinking *t)
{
	bool max = trait_take(w, TRAIT_MAX) != NULL;

	json_name(w->out, "inferenceConfig");
	json_open(w->out, '{');
	if (max || t->budget > 0) {
		json_name(w->out, "maxTokens");
		json_put_u64(w->out, t->budget > 0 ? t->max_tokens
						   : w->ask->max_output);
	}
	put_temperature(w);
	trait_put(w, TRAIT_TOP_P, "topP");
	trait_put(w, TRAIT_STOP, "stopSequences");
	json_close(w->out, '}');
}

/* ---- settings of some models ---- */

/* Claude does not think where its sampling is meddled with. */
static bool
sampling_is_set(const struct writing *w)
{
	const struct trait *t = w->talk->traits;
	int64_t n = 0;
	bool exact;

	if (t[TRAIT_TOP_K].field)
		return true;
	return t[TRAIT_TEMPERATURE].field &&
	       !(json_scaled(t[TRAIT_TEMPERATURE].value, 3, &n, &exact) &&
		 n == 1000);
}

static bool
thinks_not(const struct conversation *c)
{
	return c->think == THINK_OFF || str_eq(c->effort, STR("none"));
}

static void
claude_think(struct writing *w, struct thinking *t)
{
	bool off = thinks_not(w->talk);

	if (claude_thinks(w) && (off || !sampling_is_set(w)))
		anthropic_think(w, t);
	else if (off)
		(void)trait_take(w, TRAIT_THINKING);
}

static void
put_claudes_choice(struct writing *w)
{
	static const char *const types[] = {[CHOICE_AUTO] = "auto",
					    [CHOICE_REQUIRED] = "any",
					    [CHOICE_NONE] = "none",
					    [CHOICE_NAMED] = "tool"};
	const struct conversation *c = w->talk;

	if (!choice_is_claudes(w))
		return;
	(void)trait_take(w, TRAIT_PARALLEL);
	json_name(w->out, "tool_choice");
	json_open(w->out, '{');
	wire_put_word(w->out, "type", types[c->choice]);
	if (c->choice == CHOICE_NAMED)
		json_put_member(
			w->out, "name",
			name_legal(w->a, &bedrock_names, c->choice_name));
	json_name(w->out, "disable_parallel_tool_use");
	json_put_bool(w->out, true);
	json_close(w->out, '}');
}

static void
put_claudes(struct writing *w, const struct thinking *t)
{
	trait_put(w, TRAIT_TOP_K, "top_k");
	anthropic_put_thinking(w->out, t);
	if (t->effort.n > 0) {
		json_name(w->out, "output_config");
		json_open(w->out, '{');
		json_put_member(w->out, "effort", t->effort);
		json_close(w->out, '}');
	}
	put_claudes_choice(w);
}

static const char *
novas_effort(const struct conversation *c)
{
	if (str_eq(c->effort, STR("minimal")) || str_eq(c->effort, STR("low")))
		return "low";
	if (str_eq(c->effort, STR("high")) || str_eq(c->effort, STR("max")) ||
	    str_eq(c->effort, STR("xhigh")))
		return "high";
	return c->budget == 0	    ? "medium"
	       : c->budget <= 4096  ? "low"
	       : c->budget <= 16384 ? "medium"
				    : "high";
}

/* The second generation thinks. */
static void
put_novas(struct writing *w)
{
	const struct conversation *c = w->talk;

	if (trait_take(w, TRAIT_TOP_K)) {
		json_name(w->out, "inferenceConfig");
		json_open(w->out, '{');
		trait_put(w, TRAIT_TOP_K, "topK");
		json_close(w->out, '}');
	}
	if (thinks_not(c)) {
		(void)trait_take(w, TRAIT_THINKING);
		return;
	}
	if (!model_has(w, "nova-2") || !trait_take(w, TRAIT_THINKING))
		return;
	json_name(w->out, "reasoningConfig");
	json_open(w->out, '{');
	wire_put_word(w->out, "type", "enabled");
	wire_put_word(w->out, "maxReasoningEffort", novas_effort(c));
	json_close(w->out, '}');
}

static void
put_others(struct writing *w)
{
	const struct conversation *c = w->talk;

	trait_put(w, TRAIT_TOP_K, "top_k");
	if (model_has(w, "openai.gpt-oss") && c->effort.n > 0 &&
	    trait_take(w, TRAIT_THINKING))
		json_put_member(w->out, "reasoning_effort", c->effort);
}

/* The member only if there is something in it. */
static void
put_additional(struct writing *w, const struct thinking *t)
{
	struct json_out *o = w->out;
	size_t before = o->buf->n, empty;
	bool comma = o->comma;

	json_name(o, "additionalModelRequestFields");
	json_open(o, '{');
	empty = o->buf->n;
	if (bedrock_is_claude(w))
		put_claudes(w, t);
	else if (bedrock_is_nova(w))
		put_novas(w);
	else
		put_others(w);
	if (o->buf->n > empty) {
		json_close(o, '}');
		return;
	}
	o->buf->n = before;
	o->comma = comma;
}

/* ---- the rest ---- */

/* The schema as a text; every object in it must be closed. */
static void
put_schema_text(struct json_out *o, struct json_value schema)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_out inner;

	json_out_init(&inner, &text);
	if (schema.type == JSON_OBJECT)
		json_put_closed(&inner, schema);
	else
		json_put_raw(&inner, STR("{\"type\":\"object\","
					 "\"additionalProperties\":false}"));
	if (text.failed)
		o->buf->failed = true;
	json_put_str(o, buf_str(&text));
}

/* Any object, without a schema, is not to be had. */
static void
put_format(struct writing *w)
{
	const struct conversation *c = w->talk;
	struct json_out *o = w->out;

	if (c->format == FORMAT_JSON || !trait_take(w, TRAIT_FORMAT) ||
	    c->format == FORMAT_TEXT)
		return;
	json_name(o, "outputConfig");
	json_open(o, '{');
	json_name(o, "textFormat");
	json_open(o, '{');
	wire_put_word(o, "type", "json_schema");
	json_name(o, "structure");
	json_open(o, '{');
	json_name(o, "jsonSchema");
	json_open(o, '{');
	json_name(o, "schema");
	put_schema_text(o, c->format_schema);
	if (c->format_name.n > 0)
		json_put_member(
			o, "name",
			name_legal(w->a, &bedrock_names, c->format_name));
	for (unsigned i = 0; i < 4; i++)
		json_close(o, '}');
}

static bool
is_metadata_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || strchr(" :_@$#=/+,-.", c) != NULL;
}

/* What is allowed there, as a key or as a value. */
static bool
is_metadata(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++)
		if (raw.p[i] == '\0' || !is_metadata_char(raw.p[i]))
			return false;
	return raw.n > 0 && raw.n <= 256;
}

static bool
is_metadata_object(struct json_value object)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	unsigned n = 0;

	if (object.type != JSON_OBJECT || !json_iter_init(&it, object))
		return false;
	while (json_iter_next(&it, &name, &v))
		if (!is_metadata(str_make(name.p + 1, name.n - 2)) ||
		    !is_metadata(json_inside(v)) || ++n > 15 ||
		    str_eq(name, STR("\"user\"")))
			return false;
	return n > 0;
}

static void
put_members(struct json_out *o, struct json_value object)
{
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (!json_iter_init(&it, object))
		return;
	while (json_iter_next(&it, &name, &v)) {
		json_put_raw(o, name);
		buf_add_char(o->buf, ':');
		buf_add_str(o->buf, v.raw);
	}
}

static void
put_metadata(struct writing *w)
{
	const struct trait *t = w->talk->traits;
	struct str who = json_inside(t[TRAIT_USER].value);
	bool user = t[TRAIT_USER].field && is_metadata(who);
	bool more = t[TRAIT_METADATA].field &&
		    is_metadata_object(t[TRAIT_METADATA].value);

	if (!user && !more)
		return;
	json_name(w->out, "requestMetadata");
	json_open(w->out, '{');
	if (more && trait_take(w, TRAIT_METADATA))
		put_members(w->out, t[TRAIT_METADATA].value);
	if (user && trait_take(w, TRAIT_USER))
		json_put_member(w->out, "user", who);
	json_close(w->out, '}');
}

static void
put_tier(struct writing *w)
{
	static const char *const tiers[] = {"default", "flex", "priority",
					    "reserved"};
	struct json_value v = w->talk->traits[TRAIT_TIER].value;

	for (unsigned i = 0; i < ARRAY_LEN(tiers); i++) {
		if (!json_str_eq(v.raw, str_of(tiers[i])))
			continue;
		json_name(w->out, "serviceTier");
		json_open(w->out, '{');
		trait_put(w, TRAIT_TIER, "type");
		json_close(w->out, '}');
	}
}

enum err
bedrock_write(struct writing *w)
{
	struct thinking t = {.type = NULL};

	if (bedrock_is_claude(w) && w->talk->traits[TRAIT_THINKING].field)
		claude_think(w, &t);
	json_open(w->out, '{');
	bedrock_put_messages(w);
	bedrock_put_system(w);
	put_inference(w, &t);
	put_tools(w);
	put_additional(w, &t);
	put_format(w);
	put_metadata(w);
	put_tier(w);
	wire_take_count(w);
	json_close(w->out, '}');
	return E_OK;
}
