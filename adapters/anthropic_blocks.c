/*
 * The words of a client's Anthropic request: turns of blocks. A block of a
 * kind that only Anthropic knows is refused by its kind.
 */
#include "adapters/anthropic_read.h"

bool
reading_bad(struct reading *r, const char *field)
{
	if (!r->bad)
		r->bad = field;
	return false;
}

bool
reading_no_memory(struct reading *r)
{
	r->no_memory = true;
	return false;
}

const char *
reading_path(struct reading *r, const char *where, struct str name)
{
	struct str path = arena_printf(r->c->a, "%s%.*s", where, STR_ARG(name));

	if (!path.p)
		r->no_memory = true;
	return path.p ? path.p : "";
}

static const struct known *
find_known(const struct known *known, struct str raw)
{
	for (; known->name; known++)
		if (json_str_eq(raw, str_of(known->name)))
			return known;
	return NULL;
}

bool
reading_empty(struct json_value v)
{
	return ask_absent(v) || v.type == JSON_FALSE ||
	       str_eq(v.raw, STR("[]")) || str_eq(v.raw, STR("{}"));
}

void
reading_check(struct reading *r, struct json_value object, const char *where,
	      const struct known *known)
{
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (object.type != JSON_OBJECT || !json_iter_init(&it, object))
		return;
	while (json_iter_next(&it, &name, &v)) {
		const struct known *k = find_known(known, name);
		const char *path;

		if ((k && !k->drop) || reading_empty(v))
			continue;
		path = reading_path(r, where, str_make(name.p + 1, name.n - 2));
		if (k)
			conversation_drop(r->c, str_of(path));
		else
			conversation_refuse(r->c, path);
	}
}

void
reading_mark(struct json_value mark, bool *cached, struct str *ttl)
{
	*cached = mark.type == JSON_OBJECT;
	*ttl = json_inside(json_get(mark, "ttl"));
}

bool
reading_is(struct json_value v, const char *name)
{
	return v.type == JSON_STRING && json_str_eq(v.raw, str_of(name));
}

/* ---- blocks ---- */

/* Where parts go: a turn, or the content of a tool's result. */
struct place {
	struct turn *turn;
	struct part **tail;
	bool nested; /* inside of another block */
};

static struct part *
add_part(struct reading *r, struct place *at, enum part_kind kind)
{
	struct part *p;

	if (at->turn) {
		p = turn_add(r->c, at->turn, kind);
	} else {
		p = part_new(r->c->a, kind);
		*at->tail = p;
		if (p)
			at->tail = &p->next;
	}
	if (!p)
		r->no_memory = true;
	return p;
}

static struct part *
last_of(const struct place *at)
{
	struct part **tail = at->turn ? at->turn->tail : at->tail;

	/* `next` is what a tail points to */
	return (void *)((char *)tail - offsetof(struct part, next));
}

static bool
add_text(struct reading *r, struct place *at, struct json_value text)
{
	struct part *p;

	if (text.type != JSON_STRING)
		return reading_bad(r, "messages.content.text");
	p = add_part(r, at, PART_TEXT);
	if (p)
		p->text = json_inside(text);
	return p != NULL;
}

enum { S_TYPE, S_MEDIA, S_DATA, S_URL, S_CONTENT, SOURCES };
static const char *const sources[SOURCES] = {"type", "media_type", "data",
					     "url", "content"};

/* Of an image or a document, where it is one file. */
static bool
read_source(struct reading *r, struct part *p, const struct json_value *s)
{
	if (reading_is(s[S_TYPE], "url") && s[S_URL].type == JSON_STRING) {
		p->url = json_inside(s[S_URL]);
		return true;
	}
	if (!reading_is(s[S_TYPE], "base64") || s[S_DATA].type != JSON_STRING)
		return reading_bad(r, "messages.content.source");
	p->mime = json_plain(r->c->a, json_inside(s[S_MEDIA]));
	p->data = json_plain(r->c->a, json_inside(s[S_DATA]));
	return p->data.n > 0 || reading_bad(r, "messages.content.source.data");
}

/* A file that lies at the provider cannot be had elsewhere. */
static bool
is_stored(struct reading *r, struct json_value type)
{
	if (!reading_is(type, "file"))
		return false;
	conversation_refuse(r->c, "messages.content.source.file_id");
	return true;
}

static bool
read_image(struct reading *r, struct place *at, struct json_value source)
{
	struct json_value s[SOURCES];
	struct part *p;

	json_pick(source, sources, SOURCES, s);
	if (is_stored(r, s[S_TYPE]))
		return true;
	p = add_part(r, at, PART_IMAGE);
	return p && read_source(r, p, s);
}

static bool read_content(struct reading *r, struct place *at,
			 struct json_value content);

/* A document that is text already is told as text, its title first. */
static bool
read_plain_document(struct reading *r, struct place *at,
		    struct json_value title, const struct json_value *s)
{
	bool nested = at->nested, fine;

	if (title.type == JSON_STRING && !add_text(r, at, title))
		return false;
	if (reading_is(s[S_TYPE], "text"))
		return add_text(r, at, s[S_DATA]);
	at->nested = true;
	fine = read_content(r, at, s[S_CONTENT]);
	at->nested = nested;
	return fine;
}

static bool
read_document(struct reading *r, struct place *at, struct json_value block)
{
	static const char *const names[] = {"source", "title", "context"};
	struct json_value v[3], s[SOURCES];
	struct part *p;

	json_pick(block, names, 3, v);
	json_pick(v[0], sources, SOURCES, s);
	if (is_stored(r, s[S_TYPE]))
		return true;
	if (v[2].type == JSON_STRING && !add_text(r, at, v[2]))
		return false;
	if (reading_is(s[S_TYPE], "text") || reading_is(s[S_TYPE], "content"))
		return read_plain_document(r, at, v[1], s);
	p = add_part(r, at, PART_FILE);
	if (!p)
		return false;
	p->name = json_inside(v[1]);
	return read_source(r, p, s);
}

/* Is it the signature of the call before; then it is that call's. */
static bool
is_call_sign(const struct place *at, struct str signature)
{
	struct part *last = at->turn->parts ? last_of(at) : NULL;

	if (!last || last->kind != PART_CALL ||
	    !str_starts(signature, STR(ANTHROPIC_CALL_SIGN)))
		return false;
	last->signature = str_from(signature, sizeof(ANTHROPIC_CALL_SIGN) - 1);
	return true;
}

static bool
read_thinking(struct reading *r, struct place *at, struct json_value block)
{
	struct str signature = json_inside(json_get(block, "signature"));
	struct part *p;

	if (is_call_sign(at, signature))
		return true;
	p = add_part(r, at, PART_THINKING);
	if (!p)
		return false;
	p->text = json_inside(json_get(block, "thinking"));
	p->signature = signature;
	return true;
}

static bool
read_redacted(struct reading *r, struct place *at, struct json_value block)
{
	struct part *p = add_part(r, at, PART_REDACTED);

	if (!p)
		return false;
	p->data = json_inside(json_get(block, "data"));
	return true;
}

static bool
read_call(struct reading *r, struct place *at, struct json_value block)
{
	static const char *const names[] = {"id", "name", "input"};
	struct json_value v[3];
	struct part *p;

	json_pick(block, names, 3, v);
	if (json_inside(v[0]).n == 0)
		return reading_bad(r, "messages.content.id");
	if (v[1].type != JSON_STRING)
		return reading_bad(r, "messages.content.name");
	if (v[2].type != JSON_OBJECT)
		return reading_bad(r, "messages.content.input");
	p = add_part(r, at, PART_CALL);
	if (!p)
		return false;
	p->id = json_inside(v[0]);
	p->name = json_inside(v[1]);
	p->args = v[2].raw;
	return true;
}

static bool
read_result(struct reading *r, struct place *at, struct json_value block)
{
	static const char *const names[] = {"tool_use_id", "content",
					    "is_error"};
	struct json_value v[3];
	struct place inside = {.nested = true};
	struct part *p;

	json_pick(block, names, 3, v);
	if (json_inside(v[0]).n == 0)
		return reading_bad(r, "messages.content.tool_use_id");
	if (ask_flag(v[2], &(bool){false}) != E_OK)
		return reading_bad(r, "messages.content.is_error");
	p = add_part(r, at, PART_RESULT);
	if (!p)
		return false;
	p->id = json_inside(v[0]);
	p->failed = v[2].type == JSON_TRUE;
	inside.tail = &p->content;
	return ask_absent(v[1]) || read_content(r, &inside, v[1]);
}

static bool
read_text(struct reading *r, struct place *at, struct json_value block)
{
	return add_text(r, at, json_get(block, "text"));
}

static bool
read_image_block(struct reading *r, struct place *at, struct json_value block)
{
	return read_image(r, at, json_get(block, "source"));
}

enum { AT_USER = 1, AT_ASSISTANT = 2, AT_SYSTEM = 4, AT_NESTED = 8 };

static const struct block_kind {
	const char *type;
	unsigned where;
	bool (*read)(struct reading *r, struct place *at,
		     struct json_value block);
	struct known known[8];
} kinds[] = {
	{"text",
	 AT_USER | AT_ASSISTANT | AT_SYSTEM | AT_NESTED,
	 read_text,
	 {{"type", false},
	  {"text", false},
	  {"cache_control", false},
	  {"citations", true},
	  {NULL, false}}},
	{"image",
	 AT_USER | AT_NESTED,
	 read_image_block,
	 {{"type", false},
	  {"source", false},
	  {"cache_control", false},
	  {NULL, false}}},
	{"document",
	 AT_USER | AT_NESTED,
	 read_document,
	 {{"type", false},
	  {"source", false},
	  {"title", false},
	  {"context", false},
	  {"cache_control", false},
	  {"citations", true},
	  {NULL, false}}},
	{"thinking",
	 AT_ASSISTANT,
	 read_thinking,
	 {{"type", false},
	  {"thinking", false},
	  {"signature", false},
	  {NULL, false}}},
	{"redacted_thinking",
	 AT_ASSISTANT,
	 read_redacted,
	 {{"type", false}, {"data", false}, {NULL, false}}},
	{"tool_use",
	 AT_ASSISTANT,
	 read_call,
	 {{"type", false},
	  {"id", false},
	  {"name", false},
	  {"input", false},
	  {"caller", true},
	  {"cache_control", false},
	  {NULL, false}}},
	{"tool_result",
	 AT_USER,
	 read_result,
	 {{"type", false},
	  {"tool_use_id", false},
	  {"content", false},
	  {"is_error", false},
	  {"cache_control", false},
	  {NULL, false}}},
};

static unsigned
where_of(const struct place *at)
{
	if (at->nested)
		return AT_NESTED;
	switch (at->turn->speaker) {
	case SPEAKER_SYSTEM: return AT_SYSTEM;
	case SPEAKER_USER: return AT_USER;
	case SPEAKER_ASSISTANT: break;
	}
	return AT_ASSISTANT;
}

static bool
read_block(struct reading *r, struct place *at, struct json_value block)
{
	struct json_value type = json_get(block, "type");
	struct part **before = at->turn ? at->turn->tail : at->tail;
	const struct block_kind *kind = NULL;

	if (block.type != JSON_OBJECT || type.type != JSON_STRING)
		return reading_bad(r, "messages.content.type");
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
		if (reading_is(type, kinds[i].type))
			kind = &kinds[i];
	if (!kind) { /* of the provider's own tools */
		conversation_refuse(r->c, reading_path(r, "messages.content.",
						       json_inside(type)));
		return true;
	}
	if (!(kind->where & where_of(at)))
		return reading_bad(r, "messages.content.type");
	if (!kind->read(r, at, block))
		return false;
	reading_check(r, block, "messages.content.", kind->known);
	if (before != (at->turn ? at->turn->tail : at->tail))
		reading_mark(json_get(block, "cache_control"),
			     &last_of(at)->cached, &last_of(at)->cache_ttl);
	return true;
}

/* A text, or an array of blocks. (How deep they nest, the depth of JSON
 * limits.) */
static bool
read_content(struct reading *r, struct place *at, struct json_value content)
{
	struct json_iter it;
	struct json_value block;
	struct str name;

	if (content.type == JSON_STRING)
		return add_text(r, at, content);
	if (content.type != JSON_ARRAY || !json_iter_init(&it, content))
		return reading_bad(r, "messages.content");
	while (json_iter_next(&it, &name, &block))
		if (!read_block(r, at, block))
			return false;
	return true;
}

bool
anthropic_read_turn(struct reading *r, enum speaker speaker,
		    struct json_value content)
{
	struct place at = {.turn = conversation_turn(r->c, speaker)};

	return at.turn ? read_content(r, &at, content) : reading_no_memory(r);
}

void
anthropic_mark_last(struct reading *r, struct json_value mark)
{
	struct place at = {.turn = r->c->last};

	if (mark.type == JSON_OBJECT && at.turn && at.turn->parts)
		reading_mark(mark, &last_of(&at)->cached,
			     &last_of(&at)->cache_ttl);
}
