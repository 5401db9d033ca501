/*
 * The messages of a chat request. Texts of a message become one string,
 * which all providers take; results of tools become messages right behind
 * the calls, and what stands in them beside text moves to the user's message
 * after them.
 */
#include "adapters/openai.h"
#include "base/digits.h"

void
openai_put_member(struct json_out *o, const char *name, struct str raw)
{
	json_name(o, name);
	json_put_inside(o, raw);
}

void
openai_put_word(struct json_out *o, const char *name, const char *word)
{
	json_name(o, name);
	json_put_str(o, str_of(word));
}

/* ---- names and ids of calls ---- */

const struct name_rule openai_names = {.marks = "_-", .max = 64};
/* What it refuses is too long; it gives shorter ones itself. */
static const struct name_rule ids = {.marks = "_-.:/", .max = 40};

void
openai_put_name(struct writing *w, struct str raw)
{
	json_name(w->out, "name");
	json_put_str(w->out, name_legal(w->a, &openai_names, raw));
}

static bool
is_short_id(struct str id)
{
	if (id.n != 9)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!(id.p[i] >= '0' && id.p[i] <= '9') &&
		    !(id.p[i] >= 'A' && id.p[i] <= 'Z') &&
		    !(id.p[i] >= 'a' && id.p[i] <= 'z'))
			return false;
	return true;
}

/* The same for the call and its result, in every request. */
static struct str
short_id(struct str id, char out[9])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint64_t h = 14695981039346656037u;

	if (is_short_id(id))
		return id;
	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 1099511628211u;
	for (unsigned i = 0; i < 9; i++, h /= 36)
		out[i] = digits[h % 36];
	return str_make(out, 9);
}

static void
put_id(struct writing *w, const char *name, const struct part *p)
{
	char brief[9];

	json_name(w->out, name);
	json_put_str(w->out, QUIRK(w, SHORT_IDS)
				     ? short_id(p->id, brief)
				     : name_legal(w->a, &ids, p->id));
}

/* ---- parts ---- */

/* Fit for JSON as it is; base64 and names of types are. */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '"' ||
		    s.p[i] == '\\')
			return false;
	return true;
}

static void
put_data_url(struct writing *w, const struct part *p, const char *mime)
{
	struct buf *b = w->out->buf;
	struct str type = p->mime.n > 0 ? p->mime : str_of(mime);

	if (!is_plain(type) || !is_plain(p->data)) {
		writing_refuse(w, "data");
		return;
	}
	json_put_raw(w->out, STR("\"data:"));
	buf_add_str(b, type);
	buf_add_cstr(b, ";base64,");
	buf_add_str(b, p->data);
	buf_add_char(b, '"');
}

static void
put_image(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	openai_put_word(o, "type", "image_url");
	json_name(o, "image_url");
	json_open(o, '{');
	json_name(o, "url");
	if (p->url.n > 0)
		json_put_inside(o, p->url);
	else
		put_data_url(w, p, "image/png");
	if (p->detail.n > 0)
		openai_put_member(o, "detail", p->detail);
	json_close(o, '}');
}

static struct str
audio_format(struct str mime)
{
	struct str rest = mime;

	if (str_starts(rest, STR("audio/")))
		rest = str_from(rest, sizeof("audio/") - 1);
	if (str_starts(rest, STR("x-")))
		rest = str_from(rest, 2);
	return str_eq(rest, STR("mpeg")) ? STR("mp3") : rest;
}

static void
put_audio(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	if (p->data.n == 0)
		writing_refuse(w, "audio.url");
	openai_put_word(o, "type", "input_audio");
	json_name(o, "input_audio");
	json_open(o, '{');
	json_name(o, "data");
	json_put_str(o, p->data);
	json_name(o, "format");
	json_put_str(o, audio_format(p->mime));
	json_close(o, '}');
}

static void
put_file(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	if (p->data.n == 0)
		writing_refuse(w, "file.url");
	openai_put_word(o, "type", "file");
	json_name(o, "file");
	json_open(o, '{');
	openai_put_member(o, "filename", p->name.n > 0 ? p->name : STR("file"));
	json_name(o, "file_data");
	put_data_url(w, p, "application/pdf");
	json_close(o, '}');
}

void
openai_put_mark(struct writing *w, bool cached, struct str ttl)
{
	struct json_out *o = w->out;

	if (!cached)
		return;
	if (!QUIRK(w, CACHE_MARKS)) {
		writing_drop(w, "cache_control");
		return;
	}
	json_name(o, "cache_control");
	json_open(o, '{');
	openai_put_word(o, "type", "ephemeral");
	if (ttl.n > 0)
		openai_put_member(o, "ttl", ttl);
	json_close(o, '}');
}

static void
put_part(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	switch (p->kind) {
	case PART_IMAGE: put_image(w, p); break;
	case PART_AUDIO: put_audio(w, p); break;
	case PART_FILE: put_file(w, p); break;
	case PART_TEXT:
	case PART_REFUSAL:
	case PART_THINKING:
	case PART_REDACTED:
	case PART_CALL:
	case PART_RESULT:
		openai_put_word(o, "type", "text");
		openai_put_member(o, "text", p->text);
		break;
	}
	openai_put_mark(w, p->cached, p->cache_ttl);
	json_close(o, '}');
}

/* ---- content ---- */

static bool
is_text(const struct part *p)
{
	return p->kind == PART_TEXT || p->kind == PART_REFUSAL;
}

/* What is not text, or must keep its marks, needs a list. */
static bool
needs_list(const struct writing *w, const struct part *p)
{
	for (; p; p = p->next)
		if (!is_text(p) || (p->cached && QUIRK(w, CACHE_MARKS)))
			return true;
	return false;
}

/* Texts of `kind`, `between` them. */
static void
put_joined(struct writing *w, const struct part *p, enum part_kind kind,
	   struct str between)
{
	struct buf *b = w->out->buf;
	bool first = true;

	json_put_raw(w->out, STR("\""));
	for (; p; p = p->next) {
		if (p->kind != kind)
			continue;
		if (!first)
			buf_add_str(b, between);
		buf_add_str(b, p->text);
		first = false;
		if (p->cached)
			openai_put_mark(w, !QUIRK(w, CACHE_MARKS),
					p->cache_ttl);
	}
	buf_add_char(b, '"');
}

static void
put_content(struct writing *w, const struct part *p)
{
	json_name(w->out, "content");
	if (!needs_list(w, p)) {
		put_joined(w, p, PART_TEXT, STR("\\n"));
		return;
	}
	json_open(w->out, '[');
	for (; p; p = p->next)
		put_part(w, p);
	json_close(w->out, ']');
}

/* ---- messages ---- */

static void
open_message(struct writing *w, const char *role)
{
	json_open(w->out, '{');
	openai_put_word(w->out, "role", role);
}

struct list {
	struct part *first, **tail;
};

static void
list_add(struct writing *w, struct list *l, const struct part *p)
{
	struct part *copy = part_new(w->a, p->kind);

	if (!copy) {
		w->out->buf->failed = true;
		return;
	}
	*copy = *p;
	copy->next = NULL;
	*l->tail = copy;
	l->tail = &copy->next;
}

static void
put_result(struct writing *w, const struct part *p, struct list *rest)
{
	struct list texts = {.first = NULL};

	texts.tail = &texts.first;
	for (const struct part *in = p->content; in; in = in->next)
		list_add(w, is_text(in) ? &texts : rest, in);
	if (p->failed)
		writing_drop(w, "is_error");
	open_message(w, "tool");
	put_id(w, "tool_call_id", p);
	put_content(w, texts.first);
	openai_put_mark(w, p->cached, p->cache_ttl);
	json_close(w->out, '}');
}

static void
put_user(struct writing *w, const struct turn *t)
{
	struct list rest = {.first = NULL};

	rest.tail = &rest.first;
	for (const struct part *p = t->parts; p; p = p->next)
		if (p->kind == PART_RESULT)
			put_result(w, p, &rest);
		else
			list_add(w, &rest, p);
	if (!rest.first)
		return;
	open_message(w, "user");
	put_content(w, rest.first);
	json_close(w->out, '}');
}

static void
put_system(struct writing *w, const struct turn *t)
{
	if (!t->parts)
		return;
	open_message(w, "system");
	put_content(w, t->parts);
	json_close(w->out, '}');
}

static bool
has_part(const struct part *p, enum part_kind kind)
{
	for (; p; p = p->next)
		if (p->kind == kind)
			return true;
	return false;
}

/* Google's own endpoint wants its signature back. */
static void
put_signature(struct writing *w, struct str signature)
{
	struct json_out *o = w->out;

	if (signature.n == 0)
		return;
	if (!QUIRK(w, SIGNATURES)) {
		writing_drop(w, "thought_signature");
		return;
	}
	json_name(o, "extra_content");
	json_open(o, '{');
	json_name(o, "google");
	json_open(o, '{');
	openai_put_member(o, "thought_signature", signature);
	json_close(o, '}');
	json_close(o, '}');
}

static void
put_call(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	put_id(w, "id", p);
	openai_put_word(o, "type", "function");
	json_name(o, "function");
	json_open(o, '{');
	openai_put_name(w, p->name);
	json_name(o, "arguments");
	if (p->args.n > 0)
		json_put_str(o, p->args);
	else if (p->text.n > 0)
		json_put_inside(o, p->text);
	else
		json_put_str(o, STR("{}"));
	json_close(o, '}');
	put_signature(w, p->signature);
	json_close(o, '}');
}

static void
put_calls(struct writing *w, const struct part *p)
{
	if (!has_part(p, PART_CALL))
		return;
	json_name(w->out, "tool_calls");
	json_open(w->out, '[');
	for (; p; p = p->next)
		if (p->kind == PART_CALL) {
			put_call(w, p);
			openai_put_mark(w, p->cached && !QUIRK(w, CACHE_MARKS),
					p->cache_ttl);
		}
	json_close(w->out, ']');
}

/* In OpenRouter's words. */
static void
put_detail(struct writing *w, const struct part *p)
{
	struct json_out *o = w->out;

	json_open(o, '{');
	if (p->kind == PART_REDACTED) {
		openai_put_word(o, "type", "reasoning.encrypted");
		json_name(o, "data");
		json_put_str(o, p->data);
	} else {
		openai_put_word(o, "type", "reasoning.text");
		openai_put_member(o, "text", p->text);
		if (p->signature.n > 0)
			openai_put_member(o, "signature", p->signature);
	}
	json_close(o, '}');
}

static void
put_details(struct writing *w, const struct part *p)
{
	json_name(w->out, "reasoning_details");
	json_open(w->out, '[');
	for (; p; p = p->next)
		if (p->kind == PART_THINKING || p->kind == PART_REDACTED)
			put_detail(w, p);
	json_close(w->out, ']');
}

static void
put_thinking(struct writing *w, const struct part *p)
{
	bool thinking = has_part(p, PART_THINKING);
	bool redacted = has_part(p, PART_REDACTED);

	if (QUIRK(w, DETAILS)) {
		if (thinking || redacted)
			put_details(w, p);
		return;
	}
	if (redacted || (thinking && !QUIRK(w, THOUGHTS)))
		writing_drop(w, "thinking");
	if (!thinking || !QUIRK(w, THOUGHTS))
		return;
	json_name(w->out, "reasoning_content");
	put_joined(w, p, PART_THINKING, STR("\\n"));
}

static bool
has_marked_text(const struct part *p)
{
	for (; p; p = p->next)
		if (p->kind == PART_TEXT && p->cached)
			return true;
	return false;
}

static void
put_assistant_text(struct writing *w, const struct part *p)
{
	json_name(w->out, "content");
	if (!has_part(p, PART_TEXT)) {
		json_put_null(w->out);
		return;
	}
	if (!QUIRK(w, CACHE_MARKS) || !has_marked_text(p)) {
		put_joined(w, p, PART_TEXT, STR(""));
		return;
	}
	json_open(w->out, '[');
	for (; p; p = p->next)
		if (p->kind == PART_TEXT)
			put_part(w, p);
	json_close(w->out, ']');
}

static bool
is_of_assistant(const struct part *p)
{
	return p->kind == PART_TEXT || p->kind == PART_REFUSAL ||
	       p->kind == PART_CALL || p->kind == PART_THINKING ||
	       p->kind == PART_REDACTED;
}

static void
put_assistant(struct writing *w, const struct turn *t)
{
	bool says = has_part(t->parts, PART_TEXT) ||
		    has_part(t->parts, PART_REFUSAL) ||
		    has_part(t->parts, PART_CALL);

	for (const struct part *p = t->parts; p; p = p->next)
		if (!is_of_assistant(p))
			writing_refuse(w, "messages[].content[].type");
	if (!says)
		return;
	open_message(w, "assistant");
	put_assistant_text(w, t->parts);
	if (has_part(t->parts, PART_REFUSAL)) {
		json_name(w->out, "refusal");
		put_joined(w, t->parts, PART_REFUSAL, STR(""));
	}
	put_thinking(w, t->parts);
	put_calls(w, t->parts);
	json_close(w->out, '}');
}

void
openai_put_messages(struct writing *w)
{
	json_name(w->out, "messages");
	json_open(w->out, '[');
	for (const struct turn *t = w->talk->turns; t; t = t->next)
		switch (t->speaker) {
		case SPEAKER_SYSTEM: put_system(w, t); break;
		case SPEAKER_USER: put_user(w, t); break;
		case SPEAKER_ASSISTANT: put_assistant(w, t); break;
		}
	json_close(w->out, ']');
}
