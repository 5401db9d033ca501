/*
 * The turns of a Gemini client's request. What is hard: calls may have no id,
 * and results are matched to them by name, in order. Called by gemini_read.c;
 * pure.
 */
#include "adapters/gemini_reading.h"

/* A call of the model, which a result may belong to. */
struct call {
	struct call *next;   /* of the same name */
	struct str id, name; /* raw */
	bool answered;
};

/* Calls of one name, from the first that may be unanswered. */
struct namesakes {
	struct call *first, **tail;
};

static struct part *
add(struct reading *r, struct turn *turn, enum part_kind kind)
{
	struct part *p = turn_add(r->c, turn, kind);

	if (!p)
		gemini_no_memory(r);
	return p;
}

static struct turn *
turn_of(struct reading *r, enum speaker speaker)
{
	struct turn *t = conversation_turn(r->c, speaker);

	if (!t)
		gemini_no_memory(r);
	return t;
}

/* ---- media ---- */

static enum part_kind
kind_of(struct str mime)
{
	if (str_starts(mime, STR("image/")))
		return PART_IMAGE;
	if (str_starts(mime, STR("audio/")))
		return PART_AUDIO;
	return PART_FILE;
}

/* Some of Google's SDKs write the alphabet of URLs. */
static struct str
plain_base64(struct reading *r, struct str data)
{
	char *p;
	struct str copy;

	if (!memchr(data.p, '-', data.n) && !memchr(data.p, '_', data.n))
		return data;
	copy = arena_dup(r->c->a, data);
	p = (char *)(uintptr_t)copy.p;
	if (!p) {
		gemini_no_memory(r);
		return STR_NONE;
	}
	for (size_t i = 0; i < copy.n; i++)
		p[i] = (char)(p[i] == '-' ? '+' : p[i] == '_' ? '/' : p[i]);
	return copy;
}

static void
read_media(struct reading *r, struct part *p, struct json_value v,
	   const char *at)
{
	static const char *const names[] = {"mimeType", "data", "fileUri",
					    "displayName"};
	struct json_value m[4];

	if (!p)
		return;
	gemini_take(r, v, at, names, 4, m);
	p->mime = json_plain(r->c->a, gemini_text(r, m[0], at));
	p->kind = kind_of(p->mime);
	if (m[1].type == JSON_STRING && m[1].raw.n > 2)
		p->data =
			plain_base64(r, json_plain(r->c->a, json_inside(m[1])));
	p->url = gemini_text(r, m[2], at);
	p->name = gemini_text(r, m[3], at);
	if (p->data.n == 0 && p->url.n == 0)
		gemini_bad(r, at);
}

/* ---- calls and their results ---- */

/* An id of ours: the same each time the conversation is sent. */
static struct str
make_id(struct reading *r)
{
	struct str id = arena_printf(r->c->a, "call_gemini_%u", r->n_calls);

	if (!id.p)
		gemini_no_memory(r);
	return id;
}

static bool
queue_call(struct reading *r, struct call *c)
{
	struct namesakes *same = index_get(&r->by_name, c->name);

	if (!same) {
		same = arena_alloc(r->c->a, sizeof(*same));
		if (!same || !index_set(r->c->a, &r->by_name, c->name, same))
			return false;
		same->tail = &same->first;
	}
	*same->tail = c;
	same->tail = &c->next;
	return true;
}

static void
note_call(struct reading *r, const struct part *p)
{
	struct call *c = arena_alloc(r->c->a, sizeof(*c));

	if (c)
		*c = (struct call){.id = p->id, .name = p->name};
	if (!c || !index_set(r->c->a, &r->by_id, c->id, c) || !queue_call(r, c))
		gemini_no_memory(r);
}

static void
read_call(struct reading *r, struct part *p, struct json_value v)
{
	static const char *const names[] = {"id", "name", "args"};
	static const char at[] = "contents[].parts[].functionCall";
	struct json_value m[3];

	if (!p)
		return;
	gemini_take(r, v, at, names, 3, m);
	r->n_calls++;
	p->id = gemini_text(r, m[0], "contents[].parts[].functionCall.id");
	if (p->id.n == 0)
		p->id = make_id(r);
	p->name = gemini_text(r, m[1], "contents[].parts[].functionCall.name");
	if (p->name.n == 0)
		gemini_bad(r, "contents[].parts[].functionCall.name");
	p->args = m[2].type == JSON_ABSENT ? STR("{}") : m[2].raw;
	if (m[2].type != JSON_ABSENT && m[2].type != JSON_OBJECT)
		gemini_bad(r, "contents[].parts[].functionCall.args");
	note_call(r, p);
}

/* The call of this id, else the first of this name without a result. */
static struct call *
find_call(struct reading *r, struct str id, struct str name)
{
	struct call *c = id.n > 0 ? index_get(&r->by_id, id) : NULL;
	struct namesakes *same = c ? NULL : index_get(&r->by_name, name);

	if (!same)
		return c;
	while (same->first && same->first->answered)
		same->first = same->first->next;
	if (!same->first)
		same->tail = &same->first;
	return same->first;
}

static void
add_text(struct reading *r, struct part *p, struct json_value v)
{
	struct part *text = part_new(r->c->a, PART_TEXT);

	if (!text) {
		gemini_no_memory(r);
		return;
	}
	text->text = v.type == JSON_STRING ? json_inside(v)
					   : gemini_quoted(r->c->a, v.raw);
	if (!text->text.p)
		gemini_no_memory(r);
	p->content = text;
}

/* What SDKs wrap a result in is taken off again: {"result": ...}, {"name",
 * "content"}, {"error": ...}. */
static void
read_response(struct reading *r, struct part *p, struct json_value response)
{
	static const char *const names[] = {"result", "output", "error", "name",
					    "content"};
	struct json_value v[5];
	struct str odd;
	unsigned n = 0, at = 0;

	if (response.type == JSON_ABSENT)
		return;
	if (response.type != JSON_OBJECT) {
		gemini_bad(r, "contents[].parts[].functionResponse.response");
		return;
	}
	if (!gemini_pick(response, names, 5, v, &odd) || odd.n > 0)
		n = 5;
	for (unsigned i = 0; i < 5 && n < 5; i++)
		if (i != 3 && v[i].type != JSON_ABSENT) {
			n++;
			at = i;
		}
	if (n != 1 || (at != 4) != (v[3].type == JSON_ABSENT)) {
		add_text(r, p, response);
		return;
	}
	p->failed = at == 2;
	add_text(r, p, v[at]);
}

/* Pictures and files of a result, behind its text. */
static void
read_response_parts(struct reading *r, struct part *result,
		    struct json_value parts)
{
	static const char at[] = "contents[].parts[].functionResponse.parts[]";
	static const char *const names[] = {"inlineData", "fileData"};
	struct gemini_list l = gemini_list(parts);
	struct part **tail = &result->content;
	struct json_value one, v[2];

	while (*tail)
		tail = &(*tail)->next;
	while (gemini_list_next(&l, &one) && r->err == E_OK) {
		struct part *p = part_new(r->c->a, PART_FILE);

		gemini_take(r, one, at, names, 2, v);
		read_media(r, p, v[0].type != JSON_ABSENT ? v[0] : v[1], at);
		if (!p) {
			gemini_no_memory(r);
			return;
		}
		*tail = p;
		tail = &p->next;
	}
}

static void
read_result(struct reading *r, struct part *p, struct json_value v)
{
	static const char *const names[] = {"id", "name", "response", "parts"};
	struct json_value m[4];
	struct call *c;
	struct str id;

	if (!p)
		return;
	gemini_take(r, v, "contents[].parts[].functionResponse", names, 4, m);
	id = gemini_text(r, m[0], "contents[].parts[].functionResponse.id");
	p->name = gemini_text(r, m[1],
			      "contents[].parts[].functionResponse.name");
	c = find_call(r, id, p->name);
	if (!c) {
		gemini_bad(r, "contents[].parts[].functionResponse.name");
		return;
	}
	c->answered = true;
	p->id = c->id;
	p->name = c->name;
	read_response(r, p, m[2]);
	read_response_parts(r, p, m[3]);
}

/* ---- parts ---- */

enum {
	P_TEXT,
	P_THOUGHT,
	P_SIGNATURE,
	P_INLINE,
	P_FILE,
	P_CALL,
	P_RESULT,
	P_METADATA,
	P_RESOLUTION,
	PARTS
};
static const char *const part_names[PARTS] = {
	"text",		  "thought",	  "thoughtSignature", "inlineData",
	"fileData",	  "functionCall", "functionResponse", "partMetadata",
	"mediaResolution"};

static void
read_thought(struct reading *r, struct turn *turn, struct str text,
	     struct str signature)
{
	size_t mark = sizeof(GEMINI_REDACTED) - 1;
	struct part *p;

	if (str_starts(signature, STR(GEMINI_REDACTED))) {
		p = add(r, turn, PART_REDACTED);
		if (p)
			p->data =
				json_plain(r->c->a, str_from(signature, mark));
		return;
	}
	p = add(r, turn, PART_THINKING);
	if (!p)
		return;
	p->text = text;
	p->signature = signature;
}

static void
read_text(struct reading *r, struct turn *turn, const struct json_value *v)
{
	struct str text = gemini_text(r, v[P_TEXT], "contents[].parts[].text");
	struct str signature = gemini_text(
		r, v[P_SIGNATURE], "contents[].parts[].thoughtSignature");
	struct part *p;

	if (v[P_THOUGHT].type == JSON_TRUE) {
		read_thought(r, turn, text, signature);
		return;
	}
	/* the last part of a streamed answer is often empty */
	if (text.n == 0 && turn->speaker == SPEAKER_ASSISTANT)
		return;
	p = add(r, turn, PART_TEXT);
	if (!p)
		return;
	p->text = text;
	p->signature = signature;
}

static void
read_part(struct reading *r, struct turn *turn, struct json_value part)
{
	struct json_value v[PARTS];
	struct part *p;

	if (part.type != JSON_OBJECT)
		gemini_bad(r, "contents[].parts");
	gemini_take(r, part, "contents[].parts[]", part_names, PARTS, v);
	if (v[P_RESOLUTION].type != JSON_ABSENT)
		conversation_drop(r->c, STR("mediaResolution"));
	if (v[P_INLINE].type != JSON_ABSENT) {
		p = add(r, turn, PART_FILE);
		read_media(r, p, v[P_INLINE], "contents[].parts[].inlineData");
	} else if (v[P_FILE].type != JSON_ABSENT) {
		p = add(r, turn, PART_FILE);
		read_media(r, p, v[P_FILE], "contents[].parts[].fileData");
	} else if (v[P_CALL].type != JSON_ABSENT) {
		p = add(r, turn, PART_CALL);
		read_call(r, p, v[P_CALL]);
		if (p)
			p->signature = json_inside(v[P_SIGNATURE]);
	} else if (v[P_RESULT].type != JSON_ABSENT) {
		p = add(r, turn, PART_RESULT);
		read_result(r, p, v[P_RESULT]);
	} else if (v[P_TEXT].type != JSON_ABSENT ||
		   v[P_SIGNATURE].type != JSON_ABSENT) {
		read_text(r, turn, v);
	}
}

static enum speaker
speaker_of(struct reading *r, struct json_value role)
{
	struct str name = json_inside(role);

	if (str_eq(name, STR("model")))
		return SPEAKER_ASSISTANT;
	if (name.n > 0 && !str_eq(name, STR("user")) &&
	    !str_eq(name, STR("function")) && !str_eq(name, STR("tool")))
		gemini_bad(r, "contents[].role");
	return SPEAKER_USER;
}

/* ---- thoughts ---- */

/* `first` and those behind it up to `last`, as one. */
static void
join_thoughts(struct reading *r, struct part *first, struct part *last)
{
	size_t n = 0, at = 0;
	char *text;

	for (struct part *p = first; p != last->next; p = p->next)
		n += p->text.n;
	text = arena_alloc(r->c->a, n);
	if (!text) {
		gemini_no_memory(r);
		return;
	}
	for (struct part *p = first; p != last->next; p = p->next) {
		if (p->text.n > 0)
			memcpy(text + at, p->text.p, p->text.n);
		at += p->text.n;
	}
	first->text = str_make(text, n);
	first->signature = last->signature;
	first->next = last->next;
}

/* Who keeps a streamed answer sends its thoughts in the bits they came in,
 * the signature in the last one. */
static void
merge_thoughts(struct reading *r)
{
	for (struct turn *t = r->c->turns; t; t = t->next) {
		for (struct part *p = t->parts; p; p = p->next) {
			struct part *last = p;

			if (p->kind != PART_THINKING)
				continue;
			while (last->signature.n == 0 && last->next &&
			       last->next->kind == PART_THINKING)
				last = last->next;
			if (last != p)
				join_thoughts(r, p, last);
		}
		t->tail = &t->parts;
		while (*t->tail)
			t->tail = &(*t->tail)->next;
	}
}

void
gemini_contents(struct reading *r, struct json_value contents)
{
	static const char *const names[] = {"role", "parts"};
	struct gemini_list l = gemini_list(contents), parts;
	struct json_value content, v[2], part;
	struct turn *turn;

	while (gemini_list_next(&l, &content) && r->err == E_OK) {
		if (content.type != JSON_OBJECT)
			gemini_bad(r, "contents");
		gemini_take(r, content, "contents[]", names, 2, v);
		turn = turn_of(r, speaker_of(r, v[0]));
		parts = gemini_list(v[1]);
		while (gemini_list_next(&parts, &part) && r->err == E_OK)
			read_part(r, turn, part);
	}
	merge_thoughts(r);
}

void
gemini_system(struct reading *r, struct json_value system)
{
	static const char *const names[] = {"role", "parts"};
	static const char *const text[] = {"text"};
	struct json_value v[2], part, t;
	struct gemini_list parts;
	struct turn *turn;
	struct part *p;

	if (system.type == JSON_ABSENT)
		return;
	gemini_take(r, system, "systemInstruction", names, 2, v);
	turn = turn_of(r, SPEAKER_SYSTEM);
	parts = gemini_list(v[1]);
	while (gemini_list_next(&parts, &part) && r->err == E_OK) {
		gemini_take(r, part, "systemInstruction.parts[]", text, 1, &t);
		p = add(r, turn, PART_TEXT);
		if (p)
			p->text = gemini_text(r, t,
					      "systemInstruction.parts[].text");
	}
}
