/*
 * A conversation as a request of the Responses API: turns become items, text
 * of a leading system turn becomes the instructions. Nothing is left at the
 * provider (store is false unless asked for), so thoughts come and go
 * encrypted. Called through wire_responses.
 */
#include <stdio.h>

#include "adapters/names.h"
#include "adapters/responses.h"

/* What is written: the calls and results without an id, by their order. */
struct items {
	struct writing *w;
	struct json_out *o;
	uint32_t calls, results;
};

const struct name_rule responses_tool_names = {.marks = "_-", .max = 64};
static const struct name_rule call_ids = {.marks = "_-.:+/=@|", .max = 64};

/* As the provider allows it. */
static void
put_legal(struct writing *w, const char *name, const struct name_rule *rule,
	  struct str raw)
{
	json_name(w->out, name);
	json_put_str(w->out, name_legal(w->a, rule, raw));
}

/* ---- parts ---- */

/* Both are plain text, whatever a client wrote there. */
static void
put_data_url(struct json_out *o, const char *name, struct str mime,
	     struct str data)
{
	CLEANUP(buf_free) struct buf url = BUF_INIT;

	buf_add_cstr(&url, "data:");
	buf_add_str(&url, mime);
	buf_add_cstr(&url, ";base64,");
	buf_add_str(&url, data);
	o->buf->failed |= url.failed;
	json_name(o, name);
	json_put_str(o, buf_str(&url));
}

static void
put_image(struct json_out *o, const struct part *p)
{
	json_open_type(o, "input_image");
	if (p->data.n > 0)
		put_data_url(o, "image_url",
			     p->mime.n > 0 ? p->mime : STR("image/png"),
			     p->data);
	else
		json_put_member(o, "image_url", p->url);
	json_put_member(o, "detail", p->detail.n > 0 ? p->detail : STR("auto"));
	json_close(o, '}');
}

static void
put_file(struct json_out *o, const struct part *p)
{
	json_open_type(o, "input_file");
	if (p->data.n > 0) {
		json_put_member(o, "filename",
				p->name.n > 0 ? p->name : STR("file.pdf"));
		put_data_url(o, "file_data",
			     p->mime.n > 0 ? p->mime : STR("application/pdf"),
			     p->data);
	} else {
		json_put_member(o, "file_url", p->url);
	}
	json_close(o, '}');
}

static void
put_audio(struct items *i, const struct part *p)
{
	bool wav = str_eq(p->mime, STR("audio/wav")) ||
		   str_eq(p->mime, STR("audio/x-wav"));

	if (p->data.n == 0 || (!wav && !str_eq(p->mime, STR("audio/mpeg")) &&
			       !str_eq(p->mime, STR("audio/mp3")))) {
		writing_refuse(i->w, "audio");
		return;
	}
	json_open_type(i->o, "input_audio");
	json_name(i->o, "input_audio");
	json_open(i->o, '{');
	json_name(i->o, "data");
	json_put_str(i->o, p->data);
	json_put_member(i->o, "format", wav ? STR("wav") : STR("mp3"));
	json_close(i->o, '}');
	json_close(i->o, '}');
}

static void
put_text(struct json_out *o, const char *type, const char *name,
	 struct str text)
{
	json_open_type(o, type);
	json_put_member(o, name, text);
	json_close(o, '}');
}

static void
put_part(struct items *i, const struct part *p, enum speaker speaker)
{
	bool ours = speaker == SPEAKER_ASSISTANT;

	switch (p->kind) {
	case PART_TEXT:
		put_text(i->o, ours ? "output_text" : "input_text", "text",
			 p->text);
		break;
	case PART_REFUSAL: put_text(i->o, "refusal", "refusal", p->text); break;
	case PART_IMAGE:
		if (ours)
			writing_refuse(i->w, "an image of the assistant");
		else
			put_image(i->o, p);
		break;
	case PART_FILE:
		if (ours)
			writing_refuse(i->w, "a file of the assistant");
		else
			put_file(i->o, p);
		break;
	case PART_AUDIO:
		if (ours)
			writing_refuse(i->w, "audio of the assistant");
		else
			put_audio(i, p);
		break;
	case PART_THINKING:
	case PART_REDACTED:
	case PART_CALL:
	case PART_RESULT: break;
	}
}

static bool
is_content(const struct part *p)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL:
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE: return true;
	case PART_THINKING:
	case PART_REDACTED:
	case PART_CALL:
	case PART_RESULT: break;
	}
	return false;
}

/* The parts up to `end`, a lone text as a string. */
static void
put_content(struct items *i, const struct part *p, const struct part *end,
	    enum speaker speaker)
{
	if (p && p->kind == PART_TEXT && p->next == end) {
		json_put_inside(i->o, p->text);
		return;
	}
	json_open(i->o, '[');
	for (; p != end; p = p->next)
		put_part(i, p, speaker);
	json_close(i->o, ']');
}

/* ---- items ---- */

static const struct part *
put_message(struct items *i, const struct part *p, enum speaker speaker)
{
	static const char *const roles[] = {
		[SPEAKER_SYSTEM] = "developer",
		[SPEAKER_USER] = "user",
		[SPEAKER_ASSISTANT] = "assistant",
	};
	const struct part *end = p;

	while (end && is_content(end))
		end = end->next;
	json_open(i->o, '{');
	json_name(i->o, "role");
	json_put_str(i->o, str_of(roles[speaker]));
	json_name(i->o, "content");
	put_content(i, p, end, speaker);
	json_close(i->o, '}');
	return end;
}

/* Dialects without ids answer calls in their order. */
static void
put_call_id(struct items *i, struct str id, uint32_t *n)
{
	char text[32];

	if (id.n > 0) {
		put_legal(i->w, "call_id", &call_ids, id);
		return;
	}
	(void)snprintf(text, sizeof(text), "call_%u", (*n)++);
	json_put_member(i->o, "call_id", str_of(text));
}

static void
put_call(struct items *i, const struct part *p)
{
	json_open_type(i->o, "function_call");
	put_call_id(i, p->id, &i->calls);
	put_legal(i->w, "name", &responses_tool_names, p->name);
	json_name(i->o, "arguments");
	if (p->args.n > 0)
		json_put_str(i->o, p->args);
	else
		json_put_inside(i->o, p->text.n > 0 ? p->text : STR("{}"));
	json_close(i->o, '}');
}

static void
put_result(struct items *i, const struct part *p)
{
	json_open_type(i->o, "function_call_output");
	put_call_id(i, p->id, &i->results);
	json_name(i->o, "output");
	if (p->content)
		put_content(i, p->content, NULL, SPEAKER_USER);
	else
		json_put_str(i->o, STR(""));
	json_close(i->o, '}');
	if (p->failed)
		writing_drop(i->w, "is_error");
}

/* Thoughts that this provider sealed: "ID:SEAL". Others it would refuse. */
static void
put_thinking(struct items *i, const struct part *p)
{
	ptrdiff_t colon = str_find(p->signature, ':');

	if (p->kind == PART_REDACTED) {
		writing_drop(i->w, "redacted_thinking");
		return;
	}
	if (colon < 0 || !str_starts(p->signature, STR("rs_"))) {
		writing_drop(i->w, "thinking");
		return;
	}
	json_open_type(i->o, "reasoning");
	json_put_member(i->o, "id", str_make(p->signature.p, (size_t)colon));
	json_name(i->o, "summary");
	json_open(i->o, '[');
	if (p->text.n > 0)
		put_text(i->o, "summary_text", "text", p->text);
	json_close(i->o, ']');
	json_put_member(i->o, "encrypted_content",
			str_from(p->signature, (size_t)colon + 1));
	json_close(i->o, '}');
}

static void
put_turn(struct items *i, const struct turn *t)
{
	const struct part *p = t->parts;

	for (const struct part *c = p; c; c = c->next)
		if (c->cached)
			writing_drop(i->w, "cache_control");
	while (p) {
		if (is_content(p)) {
			p = put_message(i, p, t->speaker);
			continue;
		}
		if (p->kind == PART_CALL)
			put_call(i, p);
		else if (p->kind == PART_RESULT)
			put_result(i, p);
		else
			put_thinking(i, p);
		p = p->next;
	}
}

/* A system turn that begins, if others follow and it is text only. */
static const struct turn *
leading(const struct conversation *c)
{
	const struct turn *t = c->turns;

	if (!t || t->speaker != SPEAKER_SYSTEM || !t->next)
		return NULL;
	for (const struct part *p = t->parts; p; p = p->next)
		if (p->kind != PART_TEXT)
			return NULL;
	return t;
}

static void
put_instructions(struct items *i, const struct turn *t)
{
	json_name(i->o, "instructions");
	json_put_raw(i->o, STR("\""));
	for (const struct part *p = t->parts; p; p = p->next) {
		if (p->cached)
			writing_drop(i->w, "cache_control");
		buf_add_str(i->o->buf, p->text);
		if (p->next)
			buf_add_cstr(i->o->buf, "\\n");
	}
	buf_add_char(i->o->buf, '"');
}

static void
put_input(struct items *i)
{
	const struct turn *first = leading(i->w->talk);

	if (first)
		put_instructions(i, first);
	json_name(i->o, "input");
	json_open(i->o, '[');
	for (const struct turn *t = first ? first->next : i->w->talk->turns; t;
	     t = t->next)
		put_turn(i, t);
	json_close(i->o, ']');
}

/* ---- tools ---- */

static void
put_tool(struct items *i, const struct tool *t)
{
	if (t->cached)
		writing_drop(i->w, "cache_control");
	json_open_type(i->o, "function");
	put_legal(i->w, "name", &responses_tool_names, t->name);
	if (t->description.n > 0)
		json_put_member(i->o, "description", t->description);
	json_name(i->o, "parameters");
	json_put_raw(i->o, t->schema.type == JSON_OBJECT
				   ? t->schema.raw
				   : STR("{\"type\":\"object\","
					 "\"properties\":{}}"));
	/* the provider's default is true, other dialects' is false */
	json_name(i->o, "strict");
	json_put_bool(i->o, t->strict.type == JSON_TRUE);
	json_close(i->o, '}');
}

static void
put_choice(struct writing *w)
{
	static const char *const modes[] = {
		[CHOICE_AUTO] = "auto",
		[CHOICE_REQUIRED] = "required",
		[CHOICE_NONE] = "none",
	};

	if (!trait_take(w, TRAIT_TOOL_CHOICE))
		return;
	json_name(w->out, "tool_choice");
	if (w->talk->choice != CHOICE_NAMED) {
		json_put_str(w->out, str_of(modes[w->talk->choice]));
		return;
	}
	json_open_type(w->out, "function");
	put_legal(w, "name", &responses_tool_names, w->talk->choice_name);
	json_close(w->out, '}');
}

static void
put_tools(struct items *i)
{
	const struct tool *t = i->w->talk->tools;

	if (t) {
		json_name(i->o, "tools");
		json_open(i->o, '[');
		for (; t; t = t->next)
			put_tool(i, t);
		json_close(i->o, ']');
	}
	put_choice(i->w);
	trait_put(i->w, TRAIT_PARALLEL, "parallel_tool_calls");
}

/* ---- what else is asked for ---- */

static void
put_format(struct writing *w)
{
	const struct conversation *c = w->talk;

	if (!trait_take(w, TRAIT_FORMAT))
		return;
	json_name(w->out, "format");
	if (c->format != FORMAT_SCHEMA) {
		json_open_type(w->out, c->format == FORMAT_JSON ? "json_object"
								: "text");
		json_close(w->out, '}');
		return;
	}
	json_open_type(w->out, "json_schema");
	json_put_member(w->out, "name",
			c->format_name.n > 0 ? c->format_name : STR("answer"));
	json_name(w->out, "schema");
	json_put_raw(w->out, c->format_schema.type == JSON_OBJECT
				     ? c->format_schema.raw
				     : STR("{}"));
	if (c->format_strict.type != JSON_ABSENT) {
		json_name(w->out, "strict");
		json_put_raw(w->out, c->format_strict.raw);
	}
	json_close(w->out, '}');
}

static void
put_text_settings(struct writing *w)
{
	if (!w->talk->traits[TRAIT_FORMAT].field &&
	    !w->talk->traits[TRAIT_VERBOSITY].field)
		return;
	json_name(w->out, "text");
	json_open(w->out, '{');
	put_format(w);
	trait_put(w, TRAIT_VERBOSITY, "verbosity");
	json_close(w->out, '}');
}

/* What a budget of tokens comes to; "" = not said. */
static struct str
effort_of(const struct conversation *c)
{
	if (c->effort.n > 0)
		return c->effort;
	if (c->think != THINK_ON || c->budget == 0)
		return STR("");
	return c->budget < 4096	   ? STR("low")
	       : c->budget < 16384 ? STR("medium")
				   : STR("high");
}

static bool
has_sealed_thoughts(const struct conversation *c)
{
	for (const struct turn *t = c->turns; t; t = t->next)
		for (const struct part *p = t->parts; p; p = p->next)
			if (p->kind == PART_THINKING &&
			    str_starts(p->signature, STR("rs_")))
				return true;
	return false;
}

static void
put_reasoning(struct writing *w, bool *thinks)
{
	const struct conversation *c = w->talk;
	struct str effort = effort_of(c);

	*thinks = has_sealed_thoughts(c);
	if (!trait_take(w, TRAIT_THINKING))
		return;
	if (c->think == THINK_OFF && effort.n == 0)
		return;
	*thinks |= c->think != THINK_OFF;
	json_name(w->out, "reasoning");
	json_open(w->out, '{');
	if (effort.n > 0)
		json_put_member(w->out, "effort", effort);
	if (c->show_thoughts && c->think != THINK_OFF)
		json_put_member(w->out, "summary", STR("auto"));
	json_close(w->out, '}');
}

/* A model that does not think refuses to seal its thoughts. */
static void
put_include(struct writing *w, bool thinks)
{
	bool logprobs = trait_take(w, TRAIT_LOGPROBS) != NULL;

	if (thinks || logprobs) {
		json_name(w->out, "include");
		json_open(w->out, '[');
		if (thinks)
			json_put_str(w->out,
				     STR("reasoning.encrypted_content"));
		if (logprobs)
			json_put_str(w->out,
				     STR("message.output_text.logprobs"));
		json_close(w->out, ']');
	}
	trait_put(w, TRAIT_TOP_LOGPROBS, "top_logprobs");
}

/* Other dialects have other tiers. */
static void
put_tier(struct writing *w)
{
	static const char *const tiers[] = {"auto", "default", "flex", "scale",
					    "priority"};
	struct json_value v = w->talk->traits[TRAIT_TIER].value;

	for (unsigned i = 0; i < ARRAY_LEN(tiers); i++)
		if (responses_is(v, tiers[i]))
			trait_put(w, TRAIT_TIER, "service_tier");
}

static void
put_user(struct writing *w)
{
	const char *field = w->talk->traits[TRAIT_USER].field;

	trait_put(w, TRAIT_USER,
		  field && strcmp(field, "safety_identifier") == 0
			  ? "safety_identifier"
			  : "user");
}

static void
put_settings(struct writing *w)
{
	bool thinks;

	/* fewer than 16 are refused there; so it is said to be lost */
	if (w->ask->max_output >= 16 && trait_take(w, TRAIT_MAX)) {
		json_name(w->out, "max_output_tokens");
		json_put_u64(w->out, w->ask->max_output);
	}
	trait_put(w, TRAIT_TEMPERATURE, "temperature");
	trait_put(w, TRAIT_TOP_P, "top_p");
	put_text_settings(w);
	put_reasoning(w, &thinks);
	put_include(w, thinks);
	put_tier(w);
	put_user(w);
	trait_put(w, TRAIT_METADATA, "metadata");
	trait_put(w, TRAIT_CACHE_KEY, "prompt_cache_key");
	json_name(w->out, "store");
	json_put_bool(w->out, trait_take(w, TRAIT_STORE) != NULL);
	if (w->ask->stream) {
		json_name(w->out, "stream");
		json_put_bool(w->out, true);
	}
}

enum err
responses_write(struct writing *w)
{
	struct items i = {.w = w, .o = w->out};

	if (w->ask->kind != ASK_CHAT)
		return E_NO_CHANNEL;
	json_open(w->out, '{');
	json_name(w->out, "model");
	json_put_raw(w->out, w->target->model_json);
	put_input(&i);
	put_tools(&i);
	put_settings(w);
	json_close(w->out, '}');
	return E_OK;
}
