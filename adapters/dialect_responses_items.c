/*
 * The items of a Responses request: messages, calls, their results, thoughts.
 * Called by dialect_responses_read.c.
 */
#include "adapters/ask.h"
#include "adapters/responses.h"
#include "adapters/responses_reader.h"

/* ---- the reader ---- */

const char *
reader_place(const struct reader *r, const char *member)
{
	struct str s = arena_printf(r->c->a, "%s[%u]%s%s", r->list, r->at,
				    *member ? "." : "", member);

	return s.p ? s.p : r->list;
}

enum err
reader_bad(struct reader *r, const char *member)
{
	*r->detail = reader_place(r, member);
	return E_BAD_FIELD;
}

enum err
reader_refuse(struct reader *r, struct str name)
{
	char text[64] = "type";

	if (name.n > 0 && name.n < sizeof(text) &&
	    !memchr(name.p, '\\', name.n))
		(void)str_copy(text, sizeof(text), name);
	conversation_refuse(r->c, reader_place(r, text));
	return E_OK;
}

/* ---- parts ---- */

static enum err
read_image(struct reader *r, struct part *p, struct json_value v)
{
	struct str url = json_inside(json_get(v, "image_url"));

	if (url.n == 0 && !ask_absent(json_get(v, "file_id")))
		return reader_refuse(r, STR("file_id"));
	if (url.n == 0)
		return reader_bad(r, "image_url");
	p->detail = json_inside(json_get(v, "detail"));
	if (!part_data_url(r->c->a, p, url))
		p->url = url;
	return E_OK;
}

static enum err
read_file(struct reader *r, struct part *p, struct json_value v)
{
	struct str data = json_inside(json_get(v, "file_data"));

	p->name = json_inside(json_get(v, "filename"));
	p->url = json_inside(json_get(v, "file_url"));
	if (data.n > 0) {
		p->url = STR_NONE;
		if (!part_data_url(r->c->a, p, data))
			p->data = json_plain(r->c->a, data);
		return E_OK;
	}
	if (p->url.n > 0)
		return E_OK;
	return ask_absent(json_get(v, "file_id"))
		       ? reader_bad(r, "file_data")
		       : reader_refuse(r, STR("file_id"));
}

static enum err
read_audio(struct reader *r, struct part *p, struct json_value v)
{
	struct json_value audio = json_get(v, "input_audio");
	struct json_value format = json_get(audio, "format");

	p->data = json_plain(r->c->a, json_inside(json_get(audio, "data")));
	if (p->data.n == 0)
		return reader_bad(r, "input_audio");
	if (responses_is(format, "mp3"))
		p->mime = STR("audio/mpeg");
	else if (responses_is(format, "wav"))
		p->mime = STR("audio/wav");
	else
		return reader_bad(r, "input_audio.format");
	return E_OK;
}

static enum err
read_text(struct reader *r, struct part *p, struct json_value v)
{
	struct json_value text =
		json_get(v, p->kind == PART_REFUSAL ? "refusal" : "text");

	if (text.type != JSON_STRING)
		return reader_bad(r, "content");
	p->text = json_inside(text);
	return E_OK;
}

static const struct {
	const char *type;
	enum part_kind kind;
	enum err (*read)(struct reader *r, struct part *p, struct json_value v);
} part_types[] = {
	{"input_text", PART_TEXT, read_text},
	{"output_text", PART_TEXT, read_text},
	{"text", PART_TEXT, read_text},
	{"refusal", PART_REFUSAL, read_text},
	{"input_image", PART_IMAGE, read_image},
	{"input_file", PART_FILE, read_file},
	{"input_audio", PART_AUDIO, read_audio},
};

/* The next part of `tail`, moved on. */
static enum err
read_part(struct reader *r, struct json_value v, struct part ***tail)
{
	struct json_value type = json_get(v, "type");
	struct part *p;

	if (v.type != JSON_OBJECT || type.type != JSON_STRING)
		return reader_bad(r, "content");
	for (unsigned i = 0; i < ARRAY_LEN(part_types); i++) {
		if (!responses_is(type, part_types[i].type))
			continue;
		p = part_new(r->c->a, part_types[i].kind);
		if (!p)
			return E_NO_MEMORY;
		p->cached = json_get(v, "prompt_cache_breakpoint").type ==
			    JSON_OBJECT;
		**tail = p;
		*tail = &p->next;
		return part_types[i].read(r, p, v);
	}
	return reader_refuse(r, json_inside(type));
}

/* A string or a list of parts, to the end at *tail. */
static enum err
read_content(struct reader *r, struct json_value v, struct part ***tail)
{
	struct json_iter it;
	struct json_value part;
	struct str name;
	struct part *p;
	enum err e = E_OK;

	if (v.type == JSON_STRING) {
		p = part_new(r->c->a, PART_TEXT);
		if (!p)
			return E_NO_MEMORY;
		p->text = json_inside(v);
		**tail = p;
		*tail = &p->next;
		return E_OK;
	}
	if (v.type != JSON_ARRAY || !json_iter_init(&it, v))
		return reader_bad(r, "content");
	while (e == E_OK && json_iter_next(&it, &name, &part))
		e = read_part(r, part, tail);
	return e;
}

/* ---- items ---- */

static enum err
read_message(struct reader *r, struct json_value item)
{
	static const struct {
		const char *role;
		enum speaker speaker;
	} roles[] = {{"user", SPEAKER_USER},
		     {"assistant", SPEAKER_ASSISTANT},
		     {"system", SPEAKER_SYSTEM},
		     {"developer", SPEAKER_SYSTEM}};
	struct json_value role = json_get(item, "role");
	struct turn *t;

	for (unsigned i = 0; i < ARRAY_LEN(roles); i++) {
		if (!responses_is(role, roles[i].role))
			continue;
		t = conversation_turn(r->c, roles[i].speaker);
		return t ? read_content(r, json_get(item, "content"), &t->tail)
			 : E_NO_MEMORY;
	}
	return reader_bad(r, "role");
}

static enum err
read_call(struct reader *r, struct json_value item)
{
	struct json_value v[ITEM_MEMBERS];
	struct part *p;

	json_pick(item, responses_item, ITEM_MEMBERS, v);
	if (json_inside(v[ITEM_CALL_ID]).n == 0)
		return reader_bad(r, "call_id");
	if (json_inside(v[ITEM_NAME]).n == 0)
		return reader_bad(r, "name");
	if (v[ITEM_ARGUMENTS].type != JSON_STRING)
		return reader_bad(r, "arguments");
	p = turn_add(r->c, conversation_turn(r->c, SPEAKER_ASSISTANT),
		     PART_CALL);
	if (!p)
		return E_NO_MEMORY;
	r->recent[r->calls++ % ARRAY_LEN(r->recent)] = p;
	p->id = json_inside(v[ITEM_CALL_ID]);
	p->name = json_inside(v[ITEM_NAME]);
	return part_args(r->c->a, p, json_inside(v[ITEM_ARGUMENTS]))
		       ? E_OK
		       : E_NO_MEMORY;
}

static enum err
read_result(struct reader *r, struct json_value item)
{
	struct str id = json_inside(json_get(item, "call_id"));
	struct part *p, **tail;

	if (id.n == 0)
		return reader_bad(r, "call_id");
	p = turn_add(r->c, conversation_turn(r->c, SPEAKER_USER), PART_RESULT);
	if (!p)
		return E_NO_MEMORY;
	p->id = id;
	tail = &p->content;
	return read_content(r, json_get(item, "output"), &tail);
}

/* The texts of a list of parts as one thought each. */
static enum err
read_thoughts(struct reader *r, struct json_value list, struct part **last)
{
	struct json_iter it;
	struct json_value part;
	struct str name;

	if (list.type != JSON_ARRAY || !json_iter_init(&it, list))
		return E_OK;
	while (json_iter_next(&it, &name, &part)) {
		struct turn *t = conversation_turn(r->c, SPEAKER_ASSISTANT);

		*last = turn_add(r->c, t, PART_THINKING);
		if (!*last)
			return E_NO_MEMORY;
		(*last)->text = json_inside(json_get(part, "text"));
	}
	return E_OK;
}

/* "call:ID:SIGNATURE": back to the call it came with. */
static enum err
read_call_seal(struct reader *r, struct str seal)
{
	size_t n = seal.n;

	while (n > 0 && seal.p[n - 1] != ':')
		n--;
	for (unsigned i = 0; n > 0 && i < ARRAY_LEN(r->recent); i++)
		if (r->recent[i] &&
		    str_eq(r->recent[i]->id, str_make(seal.p, n - 1)))
			r->recent[i]->signature = str_from(seal, n);
	return E_OK;
}

static enum err
read_seal(struct reader *r, struct str seal, struct part *thought)
{
	struct str redacted = STR(RESPONSES_REDACTED);
	struct turn *t = conversation_turn(r->c, SPEAKER_ASSISTANT);

	if (str_starts(seal, STR(RESPONSES_CALL)))
		return read_call_seal(
			r, str_from(seal, sizeof(RESPONSES_CALL) - 1));
	if (str_starts(seal, redacted)) {
		thought = turn_add(r->c, t, PART_REDACTED);
		if (thought)
			thought->data = str_from(seal, redacted.n);
		return thought ? E_OK : E_NO_MEMORY;
	}
	if (!thought)
		thought = turn_add(r->c, t, PART_THINKING);
	if (thought)
		thought->signature = seal;
	return thought ? E_OK : E_NO_MEMORY;
}

/* A thought that stands at its provider alone is lost, and harmless. */
static enum err
read_reasoning(struct reader *r, struct json_value item)
{
	struct json_value v[ITEM_MEMBERS];
	struct part *thought = NULL;
	struct str seal;
	enum err e;

	json_pick(item, responses_item, ITEM_MEMBERS, v);
	seal = json_inside(v[ITEM_ENCRYPTED]);
	e = read_thoughts(r, v[ITEM_SUMMARY], &thought);
	if (e == E_OK && !thought)
		e = read_thoughts(r, v[ITEM_CONTENT], &thought);
	if (e != E_OK)
		return e;
	if (seal.n > 0)
		return read_seal(r, seal, thought);
	if (!thought)
		conversation_drop(r->c, STR("input.reasoning"));
	return E_OK;
}

enum err
responses_read_item(struct reader *r, struct json_value item)
{
	static const struct {
		const char *type;
		enum err (*read)(struct reader *r, struct json_value item);
	} types[] = {{"message", read_message},
		     {"function_call", read_call},
		     {"function_call_output", read_result},
		     {"reasoning", read_reasoning}};
	struct json_value type = json_get(item, "type");

	if (item.type != JSON_OBJECT)
		return reader_bad(r, "");
	if (ask_absent(type))
		return read_message(r, item);
	for (unsigned i = 0; i < ARRAY_LEN(types); i++)
		if (responses_is(type, types[i].type))
			return types[i].read(r, item);
	return reader_refuse(r, json_inside(type));
}

enum err
reader_list(struct reader *r, const char *list, struct json_value v,
	    enum err (*read)(struct reader *r, struct json_value item))
{
	struct json_iter it;
	struct json_value item;
	struct str name;
	enum err e = E_OK;

	if (ask_absent(v))
		return E_OK;
	*r->detail = list;
	if (v.type != JSON_ARRAY || !json_iter_init(&it, v))
		return E_BAD_FIELD;
	r->list = list;
	for (r->at = 0; e == E_OK && json_iter_next(&it, &name, &item); r->at++)
		e = read(r, item);
	return e;
}
