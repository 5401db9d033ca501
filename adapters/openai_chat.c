/*
 * A conversation as a chat request for an OpenAI-compatible provider: tools
 * and traits here, the messages in openai_messages.c.
 */
#include "adapters/openai.h"

/* ---- tools ---- */

static void
put_tool(struct writing *w, const struct tool *t)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	openai_put_word(o, "type", "function");
	json_name(o, "function");
	json_open(o, '{');
	openai_put_name(w, t->name);
	if (t->description.n > 0)
		openai_put_member(o, "description", t->description);
	if (t->schema.type == JSON_OBJECT) {
		json_name(o, "parameters");
		json_put_raw(o, t->schema.raw);
	}
	if (t->strict.type != JSON_ABSENT) {
		json_name(o, "strict");
		json_put_raw(o, t->strict.raw);
	}
	json_close(o, '}');
	openai_put_mark(w, t->cached, t->cache_ttl);
	json_close(o, '}');
}

static void
put_named(struct writing *w)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	openai_put_word(o, "type", "function");
	json_name(o, "function");
	json_open(o, '{');
	openai_put_name(w, w->talk->choice_name);
	json_close(o, '}');
	json_close(o, '}');
}

static void
put_choice(struct writing *w)
{
	if (!trait_take(w, TRAIT_TOOL_CHOICE))
		return;
	json_name(w->out, "tool_choice");
	switch (w->talk->choice) {
	case CHOICE_AUTO: json_put_str(w->out, STR("auto")); break;
	case CHOICE_NONE: json_put_str(w->out, STR("none")); break;
	case CHOICE_NAMED: put_named(w); break;
	case CHOICE_REQUIRED:
		json_put_str(w->out, QUIRK(w, CHOICE_ANY) ? STR("any")
							  : STR("required"));
		break;
	}
}

static void
put_tools(struct writing *w)
{
	if (!w->talk->tools) {
		/* without tools these say nothing, and are refused */
		if (w->talk->choice == CHOICE_AUTO ||
		    w->talk->choice == CHOICE_NONE)
			(void)trait_take(w, TRAIT_TOOL_CHOICE);
		(void)trait_take(w, TRAIT_PARALLEL);
		return;
	}
	json_name(w->out, "tools");
	json_open(w->out, '[');
	for (const struct tool *t = w->talk->tools; t; t = t->next)
		put_tool(w, t);
	json_close(w->out, ']');
	put_choice(w);
	trait_put(w, TRAIT_PARALLEL, "parallel_tool_calls");
}

/* ---- the rest ---- */

static void
put_format(struct writing *w)
{
	const struct conversation *c = w->talk;
	struct json_out *o = w->out;

	if (!trait_take(w, TRAIT_FORMAT) || c->format == FORMAT_TEXT)
		return;
	json_name(o, "response_format");
	json_open(o, '{');
	if (c->format == FORMAT_JSON) {
		openai_put_word(o, "type", "json_object");
		json_close(o, '}');
		return;
	}
	openai_put_word(o, "type", "json_schema");
	json_name(o, "json_schema");
	json_open(o, '{');
	openai_put_member(o, "name",
			  c->format_name.n > 0 ? c->format_name
					       : STR("answer"));
	json_name(o, "schema");
	json_put_raw(o, c->format_schema.raw);
	if (c->format_strict.type == JSON_TRUE ||
	    c->format_strict.type == JSON_FALSE) {
		json_name(o, "strict");
		json_put_raw(o, c->format_strict.raw);
	}
	json_close(o, '}');
	json_close(o, '}');
}

static void
put_switch(struct writing *w)
{
	const struct conversation *c = w->talk;

	(void)trait_take(w, TRAIT_THINKING);
	json_name(w->out, "enable_thinking");
	json_put_bool(w->out, c->think != THINK_OFF);
	if (c->budget > 0) {
		json_name(w->out, "thinking_budget");
		json_put_u64(w->out, c->budget);
	}
}

/* A budget in tokens becomes the word that is nearest. That a model shall
 * not think has no word that all of them know. */
static void
put_effort(struct writing *w)
{
	const struct conversation *c = w->talk;

	if (!c->traits[TRAIT_THINKING].field || c->think == THINK_OFF)
		return;
	(void)trait_take(w, TRAIT_THINKING);
	if (c->effort.n > 0)
		openai_put_member(w->out, "reasoning_effort", c->effort);
	else if (c->budget > 0)
		openai_put_word(w->out, "reasoning_effort",
				c->budget <= 4096    ? "low"
				: c->budget <= 16384 ? "medium"
						     : "high");
}

static bool
is_openai_tier(struct json_value v)
{
	static const char *const tiers[] = {"auto", "default", "flex", "scale",
					    "priority"};

	for (unsigned i = 0; i < ARRAY_LEN(tiers); i++)
		if (json_str_eq(v.raw, str_of(tiers[i])))
			return true;
	return false;
}

/* What OpenAI knows and not all of its relatives. */
static void
put_extras(struct writing *w)
{
	const struct trait *t = w->talk->traits;

	if (QUIRK(w, COMMON))
		return;
	/* longer ones are refused */
	if (t[TRAIT_USER].field && t[TRAIT_USER].value.raw.n <= 64 + 2)
		trait_put(w, TRAIT_USER, "user");
	if (t[TRAIT_TIER].field && is_openai_tier(t[TRAIT_TIER].value))
		trait_put(w, TRAIT_TIER, "service_tier");
	trait_put(w, TRAIT_METADATA, "metadata");
	trait_put(w, TRAIT_STORE, "store");
	trait_put(w, TRAIT_CACHE_KEY, "prompt_cache_key");
	trait_put(w, TRAIT_VERBOSITY, "verbosity");
}

static void
put_sampling(struct writing *w)
{
	trait_put(w, TRAIT_TEMPERATURE, "temperature");
	trait_put(w, TRAIT_TOP_P, "top_p");
	if (QUIRK(w, TOP_K))
		trait_put(w, TRAIT_TOP_K, "top_k");
	if (trait_take(w, TRAIT_MAX)) {
		json_name(w->out, QUIRK(w, MAX_TOKENS)
					  ? "max_tokens"
					  : "max_completion_tokens");
		json_put_u64(w->out, w->ask->max_output);
	}
	trait_put(w, TRAIT_STOP, "stop");
	trait_put(w, TRAIT_SEED,
		  QUIRK(w, RANDOM_SEED) ? "random_seed" : "seed");
	trait_put(w, TRAIT_COUNT, "n");
	trait_put(w, TRAIT_LOGPROBS, "logprobs");
	trait_put(w, TRAIT_TOP_LOGPROBS, "top_logprobs");
	trait_put(w, TRAIT_PRESENCE, "presence_penalty");
	trait_put(w, TRAIT_FREQUENCY, "frequency_penalty");
	trait_put(w, TRAIT_BIAS, "logit_bias");
}

enum err
openai_write(struct writing *w)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	json_name(o, "model");
	json_put_raw(o, w->target->model_json);
	openai_put_messages(w);
	put_tools(w);
	put_sampling(w);
	put_format(w);
	if (QUIRK(w, THINK_SWITCH) && w->talk->traits[TRAIT_THINKING].field)
		put_switch(w);
	else
		put_effort(w);
	put_extras(w);
	if (w->ask->stream) {
		json_name(o, "stream");
		json_put_bool(o, true);
		if (!QUIRK(w, USAGE_ALWAYS)) {
			json_name(o, "stream_options");
			json_put_raw(o, STR("{\"include_usage\":true}"));
		}
	}
	json_close(o, '}');
	return E_OK;
}
