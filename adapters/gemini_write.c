/*
 * A conversation as a request for Gemini. What is hard: results of tools are
 * named by their function, calls carry a signature that the newer models
 * insist on, and a turn follows a turn of the other role. Called through
 * wire_gemini; pure.
 */
#include "adapters/gemini.h"

/* ---- parts ---- */

static void
put_function_name(struct writing *w, struct str raw)
{
	json_put_member(w->out, "name", name_legal(w->a, &gemini_names, raw));
}

static void
put_signature(struct writing *w, struct str signature)
{
	if (signature.n > 0)
		json_put_member(w->out, "thoughtSignature", signature);
}

static void
put_text(struct writing *w, struct str text)
{
	json_open(w->out, '{');
	json_put_member(w->out, "text", text);
	json_close(w->out, '}');
}

/* What Google can fetch by itself. */
static bool
reachable(struct str url)
{
	static const char *const places[] = {
		"gs://",
		"https://www.youtube.com/",
		"https://youtube.com/",
		"https://youtu.be/",
		"https://generativelanguage.googleapis.com/",
	};

	for (unsigned i = 0; i < ARRAY_LEN(places); i++)
		if (str_starts(url, str_of(places[i])))
			return true;
	return false;
}

/* What the client calls the thing that cannot be sent. */
static const char *
media_field(const struct part *p)
{
	switch (p->kind) {
	case PART_AUDIO: return "messages[].content[].input_audio";
	case PART_FILE: return "messages[].content[].file";
	case PART_IMAGE:
	case PART_TEXT:
	case PART_REFUSAL:
	case PART_THINKING:
	case PART_REDACTED:
	case PART_CALL:
	case PART_RESULT: break;
	}
	return "messages[].content[].image_url.url";
}

static void
put_media(struct writing *w, const struct part *p)
{
	bool inline_data = p->data.n > 0;

	if (inline_data ? p->mime.n == 0 : !reachable(p->url)) {
		writing_refuse(w, media_field(p));
		return;
	}
	json_open(w->out, '{');
	json_name(w->out, inline_data ? "inlineData" : "fileData");
	json_open(w->out, '{');
	if (p->mime.n > 0) {
		json_name(w->out, "mimeType");
		json_put_str(w->out, p->mime);
	}
	if (inline_data) {
		json_name(w->out, "data");
		json_put_str(w->out, p->data);
	} else {
		json_put_member(w->out, "fileUri", p->url);
	}
	json_close(w->out, '}');
	json_close(w->out, '}');
}

/* Before the third generation Vertex knew no ids. */
static bool
ids_known(const struct writing *w)
{
	return !(w->target->quirks & QUIRK_NO_CALL_IDS) ||
	       gemini_generation(w->target->model) >= 3;
}

static void
put_id(struct writing *w, const struct part *p)
{
	if (p->id.n > 0 && ids_known(w))
		json_put_member(w->out, "id", p->id);
}

/* `first` of its turn: the newer models want a signature there. */
static void
put_call(struct writing *w, const struct part *p, bool first)
{
	struct str signature = p->signature;

	if (signature.n == 0 && first &&
	    gemini_generation(w->target->model) >= 3)
		signature = STR(GEMINI_NO_SIGNATURE);
	if (p->args.n == 0 && p->text.n > 0)
		writing_refuse(w, "messages[].tool_calls[].function.arguments");
	json_open(w->out, '{');
	json_name(w->out, "functionCall");
	json_open(w->out, '{');
	put_id(w, p);
	put_function_name(w, p->name);
	json_name(w->out, "args");
	json_put_raw(w->out, p->args.n > 0 ? p->args : STR("{}"));
	json_close(w->out, '}');
	put_signature(w, signature);
	json_close(w->out, '}');
}

/* ---- results ---- */

/* A result that is one JSON object stands as it is. */
static bool
put_object(struct writing *w, const struct part *content)
{
	struct part p = {.kind = PART_CALL};

	if (!content || content->next || content->kind != PART_TEXT ||
	    content->text.n < 2)
		return false;
	if (!part_args(w->a, &p, content->text) || p.args.n == 0)
		return false;
	json_put_raw(w->out, p.args);
	return true;
}

static void
put_response(struct writing *w, const struct part *result)
{
	bool more = false;

	if (!result->failed && put_object(w, result->content))
		return;
	json_open(w->out, '{');
	json_name(w->out, result->failed ? "error" : "result");
	json_put_raw(w->out, STR("\""));
	for (const struct part *p = result->content; p; p = p->next) {
		if (p->kind != PART_TEXT)
			continue;
		if (more)
			buf_add_cstr(w->out->buf, "\\n");
		buf_add_str(w->out->buf, p->text);
		more = true;
	}
	buf_add_char(w->out->buf, '"');
	json_close(w->out, '}');
}

static void
put_result(struct writing *w, const struct part *p)
{
	if (p->name.n == 0)
		writing_refuse(w, "messages[].tool_call_id");
	json_open(w->out, '{');
	json_name(w->out, "functionResponse");
	json_open(w->out, '{');
	put_id(w, p);
	put_function_name(w, p->name);
	json_name(w->out, "response");
	put_response(w, p);
	json_close(w->out, '}');
	json_close(w->out, '}');
	/* pictures follow it: in the response only text has a place */
	for (const struct part *c = p->content; c; c = c->next)
		if (c->kind != PART_TEXT)
			put_media(w, c);
}

/* ---- turns ---- */

/* Thoughts go back without a signature: whose it is cannot be known, and only
 * calls need one. */
static void
put_thought(struct writing *w, const struct part *p)
{
	if (p->text.n == 0)
		return;
	json_open(w->out, '{');
	json_put_member(w->out, "text", p->text);
	json_name(w->out, "thought");
	json_put_bool(w->out, true);
	json_close(w->out, '}');
}

static void
put_part(struct writing *w, const struct part *p, bool first_call)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL:
		if (p->text.n > 0)
			put_text(w, p->text);
		break;
	case PART_THINKING: put_thought(w, p); break;
	case PART_REDACTED:
		writing_drop(w, "messages[].content[].redacted_thinking");
		break;
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE: put_media(w, p); break;
	case PART_CALL: put_call(w, p, first_call); break;
	case PART_RESULT: put_result(w, p); break;
	}
}

static void
note_harmless(struct writing *w)
{
	bool cached = false, detail = false;

	for (const struct turn *t = w->talk->turns; t; t = t->next)
		for (const struct part *p = t->parts; p; p = p->next) {
			cached |= p->cached;
			detail |= p->kind == PART_IMAGE && p->detail.n > 0 &&
				  !str_eq(p->detail, STR("auto"));
		}
	for (const struct tool *t = w->talk->tools; t; t = t->next)
		cached |= t->cached;
	if (cached)
		writing_drop(w, "cache_control");
	if (detail)
		writing_drop(w, "messages[].content[].image_url.detail");
}

/* The parts of the turns from `t` on that make one of Gemini's. */
static const struct turn *
put_turns(struct writing *w, const struct turn *t)
{
	enum speaker speaker = t->speaker;
	bool first_call = true;
	size_t empty;

	json_open(w->out, '{');
	json_name(w->out, "role");
	json_put_str(w->out,
		     speaker == SPEAKER_ASSISTANT ? STR("model") : STR("user"));
	json_name(w->out, "parts");
	json_open(w->out, '[');
	empty = w->out->buf->n;
	for (; t; t = t->next) {
		if (t->speaker == SPEAKER_SYSTEM)
			continue;
		if (t->speaker != speaker)
			break;
		for (const struct part *p = t->parts; p; p = p->next) {
			put_part(w, p, first_call);
			first_call &= p->kind != PART_CALL;
		}
	}
	if (w->out->buf->n == empty)
		put_text(w, STR(""));
	json_close(w->out, ']');
	json_close(w->out, '}');
	return t;
}

static const struct turn *
next_spoken(const struct turn *t)
{
	while (t && t->speaker == SPEAKER_SYSTEM)
		t = t->next;
	return t;
}

/* The system's words, wherever they stood. */
static void
put_system_parts(struct writing *w)
{
	json_name(w->out, "parts");
	json_open(w->out, '[');
	for (const struct turn *t = w->talk->turns; t; t = t->next)
		for (const struct part *p = t->parts;
		     t->speaker == SPEAKER_SYSTEM && p; p = p->next)
			put_part(w, p, false);
	json_close(w->out, ']');
}

static bool
has_system(const struct conversation *c)
{
	for (const struct turn *t = c->turns; t; t = t->next)
		if (t->speaker == SPEAKER_SYSTEM)
			return true;
	return false;
}

static void
put_contents(struct writing *w)
{
	const struct turn *t = next_spoken(w->talk->turns);
	bool spoken = t != NULL, system = has_system(w->talk);

	json_name(w->out, "contents");
	json_open(w->out, '[');
	while (t)
		t = next_spoken(put_turns(w, t));
	if (!spoken && system) { /* there must be something to answer */
		json_open(w->out, '{');
		json_name(w->out, "role");
		json_put_str(w->out, STR("user"));
		put_system_parts(w);
		json_close(w->out, '}');
	}
	json_close(w->out, ']');
	if (!spoken || !system)
		return;
	json_name(w->out, "systemInstruction");
	json_open(w->out, '{');
	put_system_parts(w);
	json_close(w->out, '}');
}

/* ---- tools ---- */

static void
put_tool(struct writing *w, const struct tool *t, bool *strict)
{
	*strict |= t->strict.type == JSON_TRUE;
	json_open(w->out, '{');
	put_function_name(w, t->name);
	if (t->description.n > 0)
		json_put_member(w->out, "description", t->description);
	if (t->schema.type == JSON_OBJECT) {
		json_name(w->out, "parametersJsonSchema");
		json_put_raw(w->out, t->schema.raw);
	}
	json_close(w->out, '}');
}

static void
put_tools(struct writing *w)
{
	bool strict = false;

	if (!w->talk->tools)
		return;
	json_name(w->out, "tools");
	json_open(w->out, '[');
	json_open(w->out, '{');
	json_name(w->out, "functionDeclarations");
	json_open(w->out, '[');
	for (const struct tool *t = w->talk->tools; t; t = t->next)
		put_tool(w, t, &strict);
	json_close(w->out, ']');
	json_close(w->out, '}');
	json_close(w->out, ']');
	if (strict)
		writing_drop(w, "tools[].function.strict");
}

static void
put_choice(struct writing *w)
{
	static const char *const modes[] = {[CHOICE_AUTO] = "AUTO",
					    [CHOICE_REQUIRED] = "ANY",
					    [CHOICE_NONE] = "NONE",
					    [CHOICE_NAMED] = "ANY"};

	if (!trait_take(w, TRAIT_TOOL_CHOICE))
		return;
	json_name(w->out, "toolConfig");
	json_open(w->out, '{');
	json_name(w->out, "functionCallingConfig");
	json_open(w->out, '{');
	json_name(w->out, "mode");
	json_put_str(w->out, str_of(modes[w->talk->choice]));
	if (w->talk->choice == CHOICE_NAMED) {
		json_name(w->out, "allowedFunctionNames");
		json_open(w->out, '[');
		json_put_inside(w->out, name_legal(w->a, &gemini_names,
						   w->talk->choice_name));
		json_close(w->out, ']');
	}
	json_close(w->out, '}');
	json_close(w->out, '}');
}

/* ---- generationConfig ---- */

static void
put_format(struct writing *w)
{
	if (!trait_take(w, TRAIT_FORMAT) || w->talk->format == FORMAT_TEXT)
		return;
	json_name(w->out, "responseMimeType");
	json_put_str(w->out, STR("application/json"));
	if (w->talk->format == FORMAT_SCHEMA &&
	    w->talk->format_schema.type == JSON_OBJECT) {
		json_name(w->out, "responseJsonSchema");
		json_put_raw(w->out, w->talk->format_schema.raw);
	}
}

/* Tokens for the models that know no levels. */
static uint64_t
budget_of(struct str effort)
{
	static const struct {
		const char *effort;
		uint64_t budget;
	} rows[] = {{"minimal", 512}, {"low", 1024},	{"medium", 8192},
		    {"high", 24576},  {"xhigh", 24576}, {"max", 24576}};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(effort, str_of(rows[i].effort)))
			return rows[i].budget;
	return 8192;
}

static const char *
level_of(struct str effort)
{
	if (str_eq(effort, STR("minimal")))
		return "MINIMAL";
	if (str_eq(effort, STR("low")))
		return "LOW";
	if (str_eq(effort, STR("medium")))
		return "MEDIUM";
	return "HIGH";
}

static void
put_budget(struct writing *w, int64_t budget)
{
	json_name(w->out, "thinkingBudget");
	json_put_i64(w->out, budget);
}

static void
put_thinking(struct writing *w)
{
	const struct conversation *c = w->talk;
	bool levels = gemini_generation(w->target->model) >= 3;

	if (!trait_take(w, TRAIT_THINKING) || c->think == THINK_UNSAID)
		return;
	json_name(w->out, "thinkingConfig");
	json_open(w->out, '{');
	if (c->think == THINK_OFF) {
		put_budget(w, 0);
	} else if (c->effort.n > 0 && levels) {
		json_name(w->out, "thinkingLevel");
		json_put_str(w->out, str_of(level_of(c->effort)));
	} else if (c->effort.n > 0) {
		put_budget(w, (int64_t)budget_of(c->effort));
	} else if (c->budget > 0) {
		put_budget(w, (int64_t)MIN_OF(c->budget, 1u << 30));
	} else if (c->think == THINK_AUTO && !levels) {
		put_budget(w, -1);
	}
	if (c->show_thoughts && c->think != THINK_OFF) {
		json_name(w->out, "includeThoughts");
		json_put_bool(w->out, true);
	}
	json_close(w->out, '}');
}

static void
put_config(struct writing *w)
{
	static const struct {
		enum trait_kind kind;
		const char *name;
	} rows[] = {
		{TRAIT_TEMPERATURE, "temperature"},
		{TRAIT_TOP_P, "topP"},
		{TRAIT_TOP_K, "topK"},
		{TRAIT_MAX, "maxOutputTokens"},
		{TRAIT_STOP, "stopSequences"},
		{TRAIT_SEED, "seed"},
		{TRAIT_COUNT, "candidateCount"},
		{TRAIT_LOGPROBS, "responseLogprobs"},
		{TRAIT_TOP_LOGPROBS, "logprobs"},
		{TRAIT_PRESENCE, "presencePenalty"},
		{TRAIT_FREQUENCY, "frequencyPenalty"},
	};

	json_name(w->out, "generationConfig");
	json_open(w->out, '{');
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		trait_put(w, rows[i].kind, rows[i].name);
	put_format(w);
	put_thinking(w);
	json_close(w->out, '}');
}

enum err
gemini_write(struct writing *w)
{
	json_open(w->out, '{');
	put_contents(w);
	put_tools(w);
	put_choice(w);
	put_config(w);
	trait_put(w, TRAIT_SAFETY, "safetySettings");
	json_close(w->out, '}');
	note_harmless(w);
	return E_OK;
}
