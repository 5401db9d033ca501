/*
 * A conversation as a request of Cohere's chat. What is hard: results of
 * tools stand right behind their calls, and no tool can be asked for by name.
 * Called through wire_cohere; pure.
 */
#include "adapters/cohere.h"

const struct name_rule cohere_names = {.marks = "_", .first = "_", .max = 64};

/* Models from before there were thoughts refuse to be asked for them. */
static bool
can_think(struct str model)
{
	static const char *const cannot[] = {
		"command-r",	       "command-a-03",	"command-a-vision",
		"command-a-translate", "command-light", "c4ai-"};

	for (unsigned i = 0; i < ARRAY_LEN(cannot); i++)
		if (str_starts(model, str_of(cannot[i])))
			return false;
	return true;
}

/* ---- parts ---- */

static void
put_text(struct writing *w, const char *type, struct str text)
{
	json_open_type(w->out, type);
	json_put_member(w->out, type, text);
	json_close(w->out, '}');
}

static void
put_data_url(struct writing *w, const struct part *p)
{
	struct str mime = wire_image_mime(p);
	struct buf *b = w->out->buf;

	json_name(w->out, "url");
	if (mime.n == 0 || !wire_is_plain(mime) || !wire_is_plain(p->data)) {
		wire_refuse_media(w, p);
		json_put_null(w->out);
		return;
	}
	json_put_raw(w->out, STR("\"data:"));
	buf_add_str(b, mime);
	buf_add_cstr(b, ";base64,");
	buf_add_str(b, p->data);
	buf_add_char(b, '"');
}

static void
put_image(struct writing *w, const struct part *p)
{
	json_open_type(w->out, "image_url");
	json_name(w->out, "image_url");
	json_open(w->out, '{');
	if (p->data.n > 0)
		put_data_url(w, p);
	else
		json_put_member(w->out, "url", p->url);
	if (p->detail.n > 0)
		json_put_member(w->out, "detail", p->detail);
	json_close(w->out, '}');
	json_close(w->out, '}');
}

static void
put_part(struct writing *w, const struct part *p)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_text(w, "text", p->text); break;
	case PART_IMAGE: put_image(w, p); break;
	case PART_AUDIO:
	case PART_FILE: wire_refuse_media(w, p); break;
	case PART_THINKING:
	case PART_REDACTED:
	case PART_CALL:
	case PART_RESULT: break;
	}
}

/* Parts but results, and what a result cannot hold: the pictures in it. */
static void
put_parts(struct writing *w, const struct part *p)
{
	for (; p; p = p->next) {
		put_part(w, p);
		if (p->kind != PART_RESULT)
			continue;
		for (const struct part *in = p->content; in; in = in->next)
			if (!wire_is_text(in))
				put_part(w, in);
	}
}

static bool
is_lone_text(const struct part *p)
{
	return p && !p->next && wire_is_text(p);
}

static void
put_content(struct writing *w, const struct part *p)
{
	json_name(w->out, "content");
	if (is_lone_text(p)) {
		json_put_inside(w->out, p->text);
		return;
	}
	json_open(w->out, '[');
	put_parts(w, p);
	json_close(w->out, ']');
}

/* ---- messages ---- */

static void
open_message(struct writing *w, const char *role)
{
	json_open(w->out, '{');
	wire_put_word(w->out, "role", role);
}

static void
put_result(struct writing *w, const struct part *p)
{
	if (p->failed)
		writing_drop(w, "is_error");
	open_message(w, "tool");
	json_put_member(w->out, "tool_call_id", p->id);
	wire_put_joined(w->out, "content", p->content, PART_TEXT);
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
	put_content(w, t->parts);
	json_close(w->out, '}');
}

static void
put_name(struct writing *w, struct str name)
{
	json_put_member(w->out, "name", name_legal(w->a, &cohere_names, name));
}

static void
put_call(struct writing *w, const struct part *p)
{
	json_open_type(w->out, "function");
	json_put_member(w->out, "id", p->id);
	json_name(w->out, "function");
	json_open(w->out, '{');
	put_name(w, p->name);
	json_name(w->out, "arguments");
	if (p->args.n > 0)
		json_put_str(w->out, p->args);
	else
		json_put_inside(w->out, p->text.n > 0 ? p->text : STR("{}"));
	json_close(w->out, '}');
	json_close(w->out, '}');
}

static void
put_calls(struct writing *w, const struct part *p)
{
	json_name(w->out, "tool_calls");
	json_open(w->out, '[');
	for (; p; p = p->next)
		if (p->kind == PART_CALL)
			put_call(w, p);
	json_close(w->out, ']');
}

static void
put_said(struct writing *w, const struct part *p, bool thinks)
{
	json_name(w->out, "content");
	json_open(w->out, '[');
	for (; p; p = p->next) {
		if (p->kind == PART_THINKING && thinks)
			put_text(w, "thinking", p->text);
		else if (p->kind == PART_THINKING)
			writing_drop(w, "thinking");
		else if (p->kind == PART_REDACTED)
			writing_drop(w, "redacted_thinking");
		else if (wire_is_text(p) && p->text.n > 0)
			put_text(w, "text", p->text);
		else if (p->kind != PART_CALL && !wire_is_text(p))
			wire_refuse_media(w, p);
	}
	json_close(w->out, ']');
}

static void
put_assistant(struct writing *w, const struct turn *t)
{
	bool thinks = can_think(w->target->model), calls = false, says = false;

	for (const struct part *p = t->parts; p; p = p->next) {
		calls |= p->kind == PART_CALL;
		says |= p->kind != PART_CALL &&
			!(wire_is_text(p) && p->text.n == 0);
	}
	open_message(w, "assistant");
	if (is_lone_text(t->parts))
		json_put_member(w->out, "content", t->parts->text);
	else if (says)
		put_said(w, t->parts, thinks);
	if (calls)
		put_calls(w, t->parts);
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
		case SPEAKER_SYSTEM:
			open_message(w, "system");
			put_content(w, t->parts);
			json_close(w->out, '}');
			break;
		case SPEAKER_USER: put_user(w, t); break;
		case SPEAKER_ASSISTANT: put_assistant(w, t); break;
		}
	}
	json_close(w->out, ']');
}

/* ---- tools ---- */

static void
put_tool(struct writing *w, const struct tool *t)
{
	if (t->cached)
		writing_drop(w, "cache_control");
	json_open_type(w->out, "function");
	json_name(w->out, "function");
	json_open(w->out, '{');
	put_name(w, t->name);
	if (t->description.n > 0)
		json_put_member(w->out, "description", t->description);
	wire_put_schema(w->out, "parameters", t->schema);
	json_close(w->out, '}');
	json_close(w->out, '}');
}

/* Of the only tool there is, its name says no more than that one is called. */
static void
put_choice(struct writing *w)
{
	const struct conversation *c = w->talk;
	bool only = c->choice == CHOICE_NAMED && !c->tools->next &&
		    str_eq(c->tools->name, c->choice_name);

	if ((c->choice == CHOICE_NAMED && !only) ||
	    !trait_take(w, TRAIT_TOOL_CHOICE))
		return;
	if (c->choice == CHOICE_REQUIRED || only)
		wire_put_word(w->out, "tool_choice", "REQUIRED");
	else if (c->choice == CHOICE_NONE)
		wire_put_word(w->out, "tool_choice", "NONE");
}

static void
put_tools(struct writing *w)
{
	const struct tool *t = w->talk->tools;
	bool all_strict = true, any_strict = false;

	(void)wire_has_tools(w);
	if (!t)
		return;
	json_name(w->out, "tools");
	json_open(w->out, '[');
	for (; t; t = t->next) {
		put_tool(w, t);
		all_strict &= t->strict.type == JSON_TRUE;
		any_strict |= t->strict.type == JSON_TRUE;
	}
	json_close(w->out, ']');
	if (all_strict) {
		json_name(w->out, "strict_tools");
		json_put_bool(w->out, true);
	} else if (any_strict) {
		writing_drop(w, "tools[].function.strict");
	}
	put_choice(w);
}

/* ---- the rest ---- */

/* Not beside tools. */
static void
put_format(struct writing *w)
{
	const struct conversation *c = w->talk;

	if (c->tools && c->format != FORMAT_TEXT)
		return;
	if (!trait_take(w, TRAIT_FORMAT) || c->format == FORMAT_TEXT)
		return;
	json_name(w->out, "response_format");
	json_open_type(w->out, "json_object");
	if (c->format == FORMAT_SCHEMA &&
	    c->format_schema.type == JSON_OBJECT) {
		json_name(w->out, "json_schema");
		json_put_raw(w->out, c->format_schema.raw);
	}
	json_close(w->out, '}');
}

static void
put_thinking(struct writing *w)
{
	const struct conversation *c = w->talk;
	bool off = c->think == THINK_OFF || str_eq(c->effort, STR("none"));
	bool thinks = can_think(w->target->model);

	if (!thinks && !off)
		return;
	if (!trait_take(w, TRAIT_THINKING) || !thinks)
		return;
	json_name(w->out, "thinking");
	json_open_type(w->out, off ? "disabled" : "enabled");
	if (!off && c->budget > 0) {
		json_name(w->out, "token_budget");
		json_put_u64(w->out, c->budget);
	}
	json_close(w->out, '}');
}

static bool
in_thousandths(struct json_value v, int64_t *n)
{
	bool exact;

	return json_scaled(v, 3, n, &exact);
}

/* All of them is not to be had, almost all is. */
static void
put_p(struct writing *w)
{
	int64_t n;

	if (!in_thousandths(w->talk->traits[TRAIT_TOP_P].value, &n) ||
	    n <= 990) {
		trait_put(w, TRAIT_TOP_P, "p");
	} else if (n <= 1000 && trait_take(w, TRAIT_TOP_P)) {
		json_name(w->out, "p");
		json_put_raw(w->out, STR("0.99"));
	}
}

/* Others have a range of -2 to 2. */
static void
put_penalty(struct writing *w, enum trait_kind kind, const char *name)
{
	int64_t n;

	if (in_thousandths(w->talk->traits[kind].value, &n) && n >= 0 &&
	    n <= 1000)
		trait_put(w, kind, name);
}

static void
put_sampling(struct writing *w)
{
	trait_put(w, TRAIT_TEMPERATURE, "temperature");
	put_p(w);
	trait_put(w, TRAIT_TOP_K, "k");
	if (trait_take(w, TRAIT_MAX)) {
		json_name(w->out, "max_tokens");
		json_put_u64(w->out, w->ask->max_output);
	}
	trait_put(w, TRAIT_STOP, "stop_sequences");
	trait_put(w, TRAIT_SEED, "seed");
	put_penalty(w, TRAIT_FREQUENCY, "frequency_penalty");
	put_penalty(w, TRAIT_PRESENCE, "presence_penalty");
	wire_take_count(w);
}

enum err
cohere_write(struct writing *w)
{
	json_open(w->out, '{');
	json_name(w->out, "model");
	json_put_raw(w->out, w->target->model_json);
	put_messages(w);
	put_tools(w);
	put_sampling(w);
	put_format(w);
	put_thinking(w);
	json_name(w->out, "stream");
	json_put_bool(w->out, w->ask->stream);
	json_close(w->out, '}');
	return E_OK;
}
