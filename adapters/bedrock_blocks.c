/*
 * The words of a Converse request. What is hard: turns alternate, results
 * of tools stand first in theirs, no text may be empty, pictures and
 * documents are named by format and never by URL. Called by bedrock_write.c;
 * pure.
 */
#include "adapters/bedrock.h"

/* A member of a list: an object with this one member, an object. */
static void
open_block(struct json_out *o, const char *kind)
{
	json_open(o, '{');
	json_name(o, kind);
	json_open(o, '{');
}

static void
close_block(struct json_out *o)
{
	json_close(o, '}');
	json_close(o, '}');
}

static struct str
legal(struct writing *w, struct str raw)
{
	return name_legal(w->a, &bedrock_names, raw);
}

void
bedrock_put_mark(struct writing *w, bool cached, struct str ttl)
{
	bool arn = str_starts(w->target->model, STR("arn:"));

	if (!cached)
		return;
	if (!arn && !bedrock_is_claude(w) && !bedrock_is_nova(w)) {
		writing_drop(w, "cache_control");
		return;
	}
	open_block(w->out, "cachePoint");
	wire_put_word(w->out, "type", "default");
	if (ttl.n > 0)
		json_put_member(w->out, "ttl", ttl);
	close_block(w->out);
}

/* ---- media ---- */

struct format {
	const char *mime, *format;
};

static const struct format images[] = {
	{"image/png", "png"}, {"image/jpeg", "jpeg"}, {"image/jpg", "jpeg"},
	{"image/gif", "gif"}, {"image/webp", "webp"}, {NULL, NULL}};
static const struct format sounds[] = {{"audio/wav", "wav"},
				       {"audio/x-wav", "wav"},
				       {"audio/wave", "wav"},
				       {"audio/mpeg", "mp3"},
				       {"audio/mp3", "mp3"},
				       {"audio/mp4", "mp4"},
				       {"audio/aac", "aac"},
				       {"audio/flac", "flac"},
				       {"audio/ogg", "ogg"},
				       {"audio/opus", "opus"},
				       {"audio/webm", "webm"},
				       {"audio/pcm", "pcm"},
				       {NULL, NULL}};
static const struct format documents[] = {
	{"application/pdf", "pdf"},
	{"text/csv", "csv"},
	{"application/msword", "doc"},
	{"application/"
	 "vnd.openxmlformats-officedocument.wordprocessingml.document",
	 "docx"},
	{"application/vnd.ms-excel", "xls"},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	 "xlsx"},
	{"text/html", "html"},
	{"text/plain", "txt"},
	{"text/markdown", "md"},
	{NULL, NULL}};

static const char *
format_of(const struct format *f, struct str mime)
{
	ptrdiff_t end = str_find(mime, ';');

	if (end >= 0)
		mime.n = (size_t)end;
	for (; f->mime; f++)
		if (str_ieq(mime, str_of(f->mime)))
			return f->format;
	return NULL;
}

static void
put_source(struct json_out *o, struct str data)
{
	json_name(o, "source");
	json_open(o, '{');
	json_name(o, "bytes");
	json_put_str(o, data);
	json_close(o, '}');
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || strchr("-()[]", c) != NULL;
}

/* Letters, digits and a few marks; unlike any other in the request, as must
 * be. */
static struct str
document_name(struct writing *w, const struct part *p, unsigned n)
{
	struct str plain = json_plain(w->a, p->name);
	char name[128];
	size_t end = 0;

	for (size_t i = 0; i < plain.n && end < sizeof(name); i++) {
		char c = plain.p[i];

		if (c != '\0' && is_name_char(c))
			name[end++] = c;
		else if (end > 0 && name[end - 1] != ' ')
			name[end++] = ' ';
	}
	while (end > 0 && name[end - 1] == ' ')
		end--;
	if (end == 0)
		return arena_printf(w->a, "document %u", n);
	return arena_printf(w->a, "%.*s %u", (int)end, name, n);
}

static void
put_media(struct writing *w, const struct part *p)
{
	const char *kind = "image", *format;
	struct str name = STR("");

	if (p->kind == PART_AUDIO) {
		kind = "audio";
		format = format_of(sounds, p->mime);
	} else {
		format = format_of(images, wire_image_mime(p));
	}
	if (!format && p->kind == PART_FILE) {
		kind = "document";
		format = format_of(documents, p->mime);
		name = document_name(w, p, ++w->documents);
	}
	if (!format || p->data.n == 0) {
		wire_refuse_media(w, p);
		return;
	}
	open_block(w->out, kind);
	wire_put_word(w->out, "format", format);
	if (name.n > 0)
		json_put_member(w->out, "name", name);
	put_source(w->out, p->data);
	close_block(w->out);
}

/* ---- blocks ---- */

static void
put_text(struct writing *w, struct str text)
{
	json_open(w->out, '{');
	json_put_member(w->out, "text", text);
	json_close(w->out, '}');
}

static void
put_call(struct writing *w, const struct part *p)
{
	open_block(w->out, "toolUse");
	json_put_member(w->out, "toolUseId", legal(w, p->id));
	json_put_member(w->out, "name", legal(w, p->name));
	wire_put_args(w, "input", p);
	close_block(w->out);
}

/* Without its seal the provider would not take a thought for its own. */
static void
put_thought(struct writing *w, const struct part *p)
{
	open_block(w->out, "reasoningContent");
	if (p->kind == PART_REDACTED) {
		json_name(w->out, "redactedContent");
		json_put_str(w->out, p->data);
	} else {
		json_name(w->out, "reasoningText");
		json_open(w->out, '{');
		json_put_member(w->out, "text", p->text);
		json_put_member(w->out, "signature", p->signature);
		json_close(w->out, '}');
	}
	close_block(w->out);
}

static bool
says_something(const struct part *p)
{
	if (wire_is_text(p))
		return p->text.n > 0;
	return p->kind != PART_THINKING || p->signature.n > 0;
}

static void put_part(struct writing *w, const struct part *p);

static void
put_result(struct writing *w, const struct part *p)
{
	open_block(w->out, "toolResult");
	json_put_member(w->out, "toolUseId", legal(w, p->id));
	json_name(w->out, "content");
	json_open(w->out, '[');
	for (const struct part *in = p->content; in; in = in->next)
		if (wire_is_text(in))
			put_text(w, in->text);
		else
			put_part(w, in);
	json_close(w->out, ']');
	if (p->failed)
		wire_put_word(w->out, "status", "error");
	close_block(w->out);
}

static void
put_part(struct writing *w, const struct part *p)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL: put_text(w, p->text); break;
	case PART_THINKING:
	case PART_REDACTED: put_thought(w, p); break;
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE: put_media(w, p); break;
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

/* Neighbours of one role are one message: the first turn of another one that
 * says something. */
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
put_turn(struct writing *w, const struct turn *t, bool results)
{
	for (const struct part *p = t->parts; p; p = p->next) {
		if ((p->kind == PART_RESULT) != results)
			continue;
		if (says_something(p))
			put_part(w, p);
		else if (p->kind == PART_THINKING)
			writing_drop(w, "thinking");
		bedrock_put_mark(w, p->cached, p->cache_ttl);
	}
}

static void
put_run(struct writing *w, const struct turn *from, const struct turn *to,
	bool results)
{
	for (const struct turn *t = from; t != to; t = t->next)
		if (t->speaker == from->speaker)
			put_turn(w, t, results);
}

void
bedrock_put_messages(struct writing *w)
{
	const struct turn *end;

	json_name(w->out, "messages");
	json_open(w->out, '[');
	for (const struct turn *t = w->talk->turns; t; t = end) {
		end = t->next;
		if (t->speaker == SPEAKER_SYSTEM || !turn_says(t))
			continue;
		end = run_end(t);
		json_open(w->out, '{');
		wire_put_word(w->out, "role",
			      t->speaker == SPEAKER_USER ? "user"
							 : "assistant");
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
void
bedrock_put_system(struct writing *w)
{
	bool open = false;

	for (const struct turn *t = w->talk->turns; t; t = t->next) {
		if (t->speaker != SPEAKER_SYSTEM || !turn_says(t))
			continue;
		if (!open) {
			json_name(w->out, "system");
			json_open(w->out, '[');
			open = true;
		}
		for (const struct part *p = t->parts; p; p = p->next) {
			if (!wire_is_text(p))
				wire_refuse_media(w, p);
			else if (p->text.n > 0)
				put_text(w, p->text);
			bedrock_put_mark(w, p->cached, p->cache_ttl);
		}
	}
	if (open)
		json_close(w->out, ']');
}

bool
bedrock_used_tools(const struct conversation *c)
{
	for (const struct turn *t = c->turns; t; t = t->next)
		for (const struct part *p = t->parts; p; p = p->next)
			if (p->kind == PART_CALL || p->kind == PART_RESULT)
				return true;
	return false;
}
