/*
 * A conversation as an Anthropic request. What is hard: its turns alternate,
 * the results of calls come first in theirs, system texts stand at the top,
 * and thinking has rules of its own, see anthropic_think.c.
 */
#include "adapters/anthropic_write.h"

#include "adapters/closed.h"

/* ---- blocks ---- */

static void
put_mark(struct json_out *o, bool cached, struct str ttl)
{
	if (!cached)
		return;
	json_name(o, "cache_control");
	json_open_type(o, "ephemeral");
	if (ttl.n > 0)
		json_put_member(o, "ttl", ttl);
	json_close(o, '}');
}

/* The end of a part's block. */
static void
end_block(struct json_out *o, const struct part *p)
{
	put_mark(o, p->cached, p->cache_ttl);
	json_close(o, '}');
}

static void
put_text(struct json_out *o, const struct part *p)
{
	json_open_type(o, "text");
	json_put_member(o, "text", p->text);
	end_block(o, p);
}

static void
put_source(struct json_out *o, const struct part *p)
{
	json_name(o, "source");
	if (p->url.n > 0) {
		json_open_type(o, "url");
		json_put_member(o, "url", p->url);
	} else {
		json_open_type(o, "base64");
		json_name(o, "media_type");
		json_put_str(o, p->mime);
		json_name(o, "data");
		json_put_str(o, p->data);
	}
	json_close(o, '}');
}

static bool
is_detailed(const struct part *p)
{
	return p->detail.n > 0 && !str_eq(p->detail, STR("auto"));
}

static void
put_image(struct writing *w, const struct part *p)
{
	if (p->url.n == 0 && (p->data.n == 0 || p->mime.n == 0)) {
		writing_refuse(w, "image");
		return;
	}
	if (is_detailed(p))
		writing_drop(w, "image detail");
	json_open_type(w->out, "image");
	put_source(w->out, p);
	end_block(w->out, p);
}

static void
put_title(struct json_out *o, const struct part *p)
{
	if (p->name.n > 0)
		json_put_member(o, "title", p->name);
	end_block(o, p);
}

static void
put_text_file(struct writing *w, const struct part *p)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_out *o = w->out;

	if (!base64_get(p->data, &text)) {
		writing_refuse(w, "file");
		return;
	}
	json_open_type(o, "document");
	json_name(o, "source");
	json_open_type(o, "text");
	json_name(o, "media_type");
	json_put_str(o, STR("text/plain"));
	json_name(o, "data");
	json_put_str(o, buf_str(&text));
	json_close(o, '}');
	put_title(o, p);
}

static void
put_file(struct writing *w, const struct part *p)
{
	if (str_starts(p->mime, STR("image/"))) {
		put_image(w, p);
	} else if (p->data.n > 0 && str_starts(p->mime, STR("text/"))) {
		put_text_file(w, p);
	} else if (p->url.n > 0 || (p->data.n > 0 && p->mime.n > 0)) {
		json_open_type(w->out, "document");
		put_source(w->out, p);
		put_title(w->out, p);
	} else {
		writing_refuse(w, "file");
	}
}

static void
put_thinking(struct writing *w, const struct part *p)
{
	json_open_type(w->out, "thinking");
	json_put_member(w->out, "thinking", p->text);
	json_put_member(w->out, "signature", p->signature);
	json_close(w->out, '}');
}

static void
put_redacted(struct writing *w, const struct part *p)
{
	json_open_type(w->out, "redacted_thinking");
	json_put_member(w->out, "data", p->data);
	json_close(w->out, '}');
}

/* ---- calls and their results ---- */

static struct str
legal_name(struct writing *w, struct str raw)
{
	return name_legal(w->a, &anthropic_names, raw);
}

static void
put_call(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	if (p->args.n == 0 && p->text.n > 0) {
		writing_refuse(w, "tool call arguments");
		return;
	}
	json_open_type(o, "tool_use");
	json_name(o, "id");
	json_put_str(o, legal_name(w, p->id));
	json_name(o, "name");
	json_put_str(o, legal_name(w, p->name));
	json_name(o, "input");
	json_put_raw(o, p->args.n > 0 ? p->args : STR("{}"));
	end_block(o, p);
}

static bool
says_something(const struct part *p)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: return p->text.n > 0;
	case PART_THINKING: return p->signature.n > 0;
	case PART_REDACTED:
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE:
	case PART_CALL:
	case PART_RESULT: break;
	}
	return true;
}

static void put_part(struct writing *w, const struct part *p);

static void
put_result(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	json_open_type(o, "tool_result");
	json_name(o, "tool_use_id");
	json_put_str(o, legal_name(w, p->id));
	if (p->content) {
		json_name(o, "content");
		json_open(o, '[');
		for (const struct part *c = p->content; c; c = c->next)
			put_part(w, c);
		json_close(o, ']');
	}
	if (p->failed) {
		json_name(o, "is_error");
		json_put_bool(o, true);
	}
	end_block(o, p);
}

static void
put_part(struct writing *w, const struct part *p)
{
	if (!says_something(p))
		return;
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_text(w->out, p); break;
	case PART_THINKING: put_thinking(w, p); break;
	case PART_REDACTED: put_redacted(w, p); break;
	case PART_IMAGE: put_image(w, p); break;
	case PART_AUDIO: writing_refuse(w, "audio"); break;
	case PART_FILE: put_file(w, p); break;
	case PART_CALL: put_call(w, p); break;
	case PART_RESULT: put_result(w, p); break;
	}
}

/* ---- turns ---- */

static bool
turn_says(const struct turn *t)
{
	for (const struct part *p = t->parts; p; p = p->next)
		if (says_something(p))
			return true;
	return false;
}

/* Neighbours of one role are one message; `end` is the first turn of another
 * one that says something. */
static const struct turn *
run_end(const struct turn *t)
{
	enum speaker speaker = t->speaker;

	for (; t; t = t->next)
		if (t->speaker != SPEAKER_SYSTEM && t->speaker != speaker &&
		    turn_says(t))
			return t;
	return NULL;
}

static void
put_run(struct writing *w, const struct turn *from, const struct turn *to,
	bool results)
{
	for (const struct turn *t = from; t != to; t = t->next)
		for (const struct part *p = t->parts;
		     p && t->speaker == from->speaker; p = p->next)
			if ((p->kind == PART_RESULT) == results)
				put_part(w, p);
}

/* Thoughts that nobody signed are not taken back. */
static void
drop_thoughts(struct writing *w)
{
	for (const struct turn *t = w->talk->turns; t; t = t->next)
		for (const struct part *p = t->parts; p; p = p->next)
			if (p->kind == PART_THINKING && !says_something(p))
				writing_drop(w, "thinking");
}

static void
put_messages(struct writing *w)
{
	const struct turn *t = w->talk->turns, *end;

	drop_thoughts(w);
	json_name(w->out, "messages");
	json_open(w->out, '[');
	for (; t; t = end) {
		end = t->next;
		if (t->speaker == SPEAKER_SYSTEM || !turn_says(t))
			continue;
		end = run_end(t);
		json_open(w->out, '{');
		json_name(w->out, "role");
		json_put_str(w->out, t->speaker == SPEAKER_USER
					     ? STR("user")
					     : STR("assistant"));
		json_name(w->out, "content");
		json_open(w->out, '[');
		put_run(w, t, end, true);
		put_run(w, t, end, false);
		json_close(w->out, ']');
		json_close(w->out, '}');
	}
	json_close(w->out, ']');
}

/* Wherever they stood. */
static void
put_system(struct writing *w)
{
	bool any = false;

	for (const struct turn *t = w->talk->turns; t; t = t->next)
		any |= t->speaker == SPEAKER_SYSTEM && turn_says(t);
	if (!any)
		return;
	json_name(w->out, "system");
	json_open(w->out, '[');
	for (const struct turn *t = w->talk->turns; t; t = t->next) {
		if (t->speaker != SPEAKER_SYSTEM)
			continue;
		for (const struct part *p = t->parts; p; p = p->next) {
			if (p->kind != PART_TEXT)
				writing_refuse(w, "system content");
			else if (p->text.n > 0)
				put_text(w->out, p);
		}
	}
	json_close(w->out, ']');
}

/* ---- tools ---- */

/* A schema without a type is an object's. */
static void
put_schema(struct json_out *o, struct json_value schema)
{
	struct json_iter it;
	struct json_value v;
	struct str name;

	json_name(o, "input_schema");
	if (json_get(schema, "type").type != JSON_ABSENT) {
		json_put_raw(o, schema.raw);
		return;
	}
	json_open_type(o, "object");
	if (schema.type == JSON_OBJECT && json_iter_init(&it, schema))
		while (json_iter_next(&it, &name, &v)) {
			json_put_raw(o, name);
			buf_add_char(o->buf, ':');
			buf_add_str(o->buf, v.raw);
			o->comma = true;
		}
	json_close(o, '}');
}

static void
put_tool(struct writing *w, const struct tool *t)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	json_name(o, "name");
	json_put_str(o, legal_name(w, t->name));
	if (t->description.n > 0)
		json_put_member(o, "description", t->description);
	put_schema(o, t->schema);
	if (t->strict.type == JSON_TRUE) {
		json_name(o, "strict");
		json_put_bool(o, true);
	}
	put_mark(o, t->cached, t->cache_ttl);
	json_close(o, '}');
}

static void
put_tools(struct writing *w)
{
	if (!w->talk->tools)
		return;
	json_name(w->out, "tools");
	json_open(w->out, '[');
	for (const struct tool *t = w->talk->tools; t; t = t->next)
		put_tool(w, t);
	json_close(w->out, ']');
}

/* Without tools there is nothing to choose from, nor to do at once. */
static void
put_choice(struct writing *w)
{
	static const char *const types[] = {"auto", "any", "none", "tool"};
	const struct conversation *c = w->talk;
	bool chosen = trait_take(w, TRAIT_TOOL_CHOICE) != NULL;
	bool single = trait_take(w, TRAIT_PARALLEL) != NULL;
	enum choice_mode mode = chosen ? c->choice : CHOICE_AUTO;

	if (!c->tools && (mode == CHOICE_REQUIRED || mode == CHOICE_NAMED))
		writing_refuse(w, c->traits[TRAIT_TOOL_CHOICE].field);
	if (!c->tools || (!chosen && !single))
		return;
	json_name(w->out, "tool_choice");
	json_open_type(w->out, types[mode]);
	if (mode == CHOICE_NAMED) {
		json_name(w->out, "name");
		json_put_str(w->out, legal_name(w, c->choice_name));
	}
	if (single && mode != CHOICE_NONE) {
		json_name(w->out, "disable_parallel_tool_use");
		json_put_bool(w->out, true);
	}
	json_close(w->out, '}');
}

/* ---- settings ---- */

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

/* One answer is what there is. */
static void
take_count(struct writing *w)
{
	uint64_t n = 0;

	if (json_u64(w->talk->traits[TRAIT_COUNT].value, &n) && n == 1)
		(void)trait_take(w, TRAIT_COUNT);
}

static void
put_user(struct writing *w)
{
	const struct trait *t = trait_take(w, TRAIT_USER);

	if (!t)
		return;
	json_name(w->out, "metadata");
	json_open(w->out, '{');
	json_name(w->out, "user_id");
	json_put_raw(w->out, t->value.raw);
	json_close(w->out, '}');
}

static void
put_tier(struct writing *w)
{
	static const char *const tiers[][2] = {{"auto", "auto"},
					       {"default", "standard_only"}};
	const struct trait *t = &w->talk->traits[TRAIT_TIER];

	for (unsigned i = 0; t->field && i < ARRAY_LEN(tiers); i++) {
		if (!str_eq(json_inside(t->value), str_of(tiers[i][0])))
			continue;
		(void)trait_take(w, TRAIT_TIER);
		json_name(w->out, "service_tier");
		json_put_str(w->out, str_of(tiers[i][1]));
	}
}

/* Any object, without a schema, is not to be had. */
static void
put_output(struct writing *w, struct str effort)
{
	const struct conversation *c = w->talk;
	bool schema =
		c->traits[TRAIT_FORMAT].field && c->format == FORMAT_SCHEMA;

	if (c->format != FORMAT_JSON)
		(void)trait_take(w, TRAIT_FORMAT);
	if (!schema && effort.n == 0)
		return;
	json_name(w->out, "output_config");
	json_open(w->out, '{');
	if (effort.n > 0)
		json_put_member(w->out, "effort", effort);
	if (schema) {
		json_name(w->out, "format");
		json_open_type(w->out, "json_schema");
		json_name(w->out, "schema");
		json_put_closed(w->out, c->format_schema);
		json_close(w->out, '}');
	}
	json_close(w->out, '}');
}

enum err
anthropic_write(struct writing *w)
{
	struct json_out *o = w->out;
	struct thinking t;

	anthropic_think(w, &t);
	json_open(o, '{');
	if (w->target->quirks & QUIRK_VERTEX) {
		json_name(o, "anthropic_version");
		json_put_str(o, STR(ANTHROPIC_AT_VERTEX));
	} else {
		json_name(o, "model");
		json_put_raw(o, w->target->model_json);
	}
	json_name(o, "max_tokens");
	json_put_u64(o, t.max_tokens);
	put_system(w);
	put_messages(w);
	put_tools(w);
	put_choice(w);
	trait_put(w, TRAIT_STOP, "stop_sequences");
	put_temperature(w);
	trait_put(w, TRAIT_TOP_P, "top_p");
	trait_put(w, TRAIT_TOP_K, "top_k");
	take_count(w);
	anthropic_put_thinking(o, &t);
	put_output(w, t.effort);
	put_user(w);
	put_tier(w);
	if (w->ask->stream) {
		json_name(o, "stream");
		json_put_bool(o, true);
	}
	json_close(o, '}');
	return o->buf->failed ? E_NO_MEMORY : E_OK;
}
