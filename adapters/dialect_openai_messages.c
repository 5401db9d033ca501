/*
 * The messages of a chat request, read into turns and parts. Tool messages
 * become results of the user's turn; thinking that an answer brought along
 * (reasoning_content, reasoning_details) is taken back with its signatures,
 * which providers want to see again in a tool loop.
 */
#include "adapters/dialect_openai.h"

/* Where the next part goes. */
struct list {
	struct part *first, **tail;
};

static struct part *
list_add(struct openai_reading *r, struct list *l, enum part_kind kind)
{
	struct part *p = part_new(r->a, kind);

	if (!p)
		return NULL;
	*l->tail = p;
	l->tail = &p->next;
	return p;
}

static enum err
add_text(struct openai_reading *r, struct list *l, enum part_kind kind,
	 struct json_value text)
{
	struct part *p = list_add(r, l, kind);

	if (!p)
		return E_NO_MEMORY;
	p->text = json_inside(text);
	return E_OK;
}

/* ---- parts ---- */

enum {
	C_TYPE,
	C_TEXT,
	C_IMAGE,
	C_AUDIO,
	C_FILE,
	C_REFUSAL,
	C_THINKING,
	C_CACHE,
	CONTENTS
};
static const char *const content_names[] = {
	"type",	   "text",     "image_url",	"input_audio", "file",
	"refusal", "thinking", "cache_control", "annotations", "closed"};
static const struct openai_members content_members = {"messages[].content[].",
						      content_names, CONTENTS,
						      ARRAY_LEN(content_names)};

/* An object in OpenAI's words, a lone text in those of some SDKs. */
static enum err
read_image(struct openai_reading *r, struct list *l, struct json_value v)
{
	static const char *const names[] = {"url", "detail"};
	static const struct openai_members members = {
		"messages[].content[].image_url.", names, 2, 2};
	struct json_value m[2] = {v, {JSON_ABSENT, STR_NONE}};
	struct part *p;

	if (v.type == JSON_OBJECT)
		openai_pick(r, v, &members, m);
	if (m[0].type != JSON_STRING)
		return openai_bad(r, "content[].image_url");
	p = list_add(r, l, PART_IMAGE);
	if (!p)
		return E_NO_MEMORY;
	p->detail = json_inside(m[1]);
	if (part_data_url(r->a, p, json_inside(m[0])))
		return E_OK;
	if (str_starts(json_inside(m[0]), STR("data:")))
		return openai_bad(r, "content[].image_url");
	p->url = json_inside(m[0]);
	return E_OK;
}

static enum err
read_audio(struct openai_reading *r, struct list *l, struct json_value v)
{
	static const char *const names[] = {"data", "format"};
	static const struct openai_members members = {
		"messages[].content[].input_audio.", names, 2, 2};
	struct json_value m[2];
	struct part *p;

	openai_pick(r, v, &members, m);
	if (m[0].type != JSON_STRING || m[1].type != JSON_STRING)
		return openai_bad(r, "content[].input_audio");
	p = list_add(r, l, PART_AUDIO);
	if (!p)
		return E_NO_MEMORY;
	p->data = json_plain(r->a, json_inside(m[0]));
	p->mime = arena_printf(r->a, "audio/%.*s", STR_ARG(json_inside(m[1])));
	return p->mime.p ? E_OK : E_NO_MEMORY;
}

/* A file that was uploaded has no meaning elsewhere. */
static enum err
read_file(struct openai_reading *r, struct list *l, struct json_value v)
{
	static const char *const names[] = {"file_data", "filename"};
	static const struct openai_members members = {
		"messages[].content[].file.", names, 2, 2};
	struct json_value m[2];
	struct part *p;

	openai_pick(r, v, &members, m);
	if (r->c->refused)
		return E_OK;
	if (m[0].type != JSON_STRING)
		return openai_bad(r, "content[].file");
	p = list_add(r, l, PART_FILE);
	if (!p)
		return E_NO_MEMORY;
	p->name = json_inside(m[1]);
	if (part_data_url(r->a, p, json_inside(m[0])))
		return E_OK;
	if (str_starts(json_inside(m[0]), STR("data:")))
		return openai_bad(r, "content[].file");
	if (str_starts(json_inside(m[0]), STR("http")))
		p->url = json_inside(m[0]);
	else
		p->data = json_plain(r->a, json_inside(m[0]));
	return E_OK;
}

/* Mistral's: a text, or a list of text parts. */
static enum err
read_chunk(struct openai_reading *r, struct list *l, struct json_value v)
{
	struct json_iter it;
	struct json_value part;
	struct str name;
	enum err e = E_OK;

	if (v.type == JSON_STRING)
		return add_text(r, l, PART_THINKING, v);
	if (v.type != JSON_ARRAY || !json_iter_init(&it, v))
		return openai_bad(r, "content[].thinking");
	while (e == E_OK && json_iter_next(&it, &name, &part))
		e = add_text(r, l, PART_THINKING, json_get(part, "text"));
	return e;
}

static enum err
read_words(struct openai_reading *r, struct list *l, const struct json_value *m,
	   bool *known)
{
	*known = true;
	if (openai_is(m[C_TYPE], "text"))
		return m[C_TEXT].type == JSON_STRING
			       ? add_text(r, l, PART_TEXT, m[C_TEXT])
			       : openai_bad(r, "content[].text");
	if (openai_is(m[C_TYPE], "refusal"))
		return m[C_REFUSAL].type == JSON_STRING
			       ? add_text(r, l, PART_REFUSAL, m[C_REFUSAL])
			       : openai_bad(r, "content[].refusal");
	if (openai_is(m[C_TYPE], "thinking"))
		return read_chunk(r, l, m[C_THINKING]);
	*known = false;
	return E_OK;
}

static enum err
read_media(struct openai_reading *r, struct list *l, const struct json_value *m)
{
	if (openai_is(m[C_TYPE], "image_url"))
		return read_image(r, l, m[C_IMAGE]);
	if (openai_is(m[C_TYPE], "input_audio"))
		return read_audio(r, l, m[C_AUDIO]);
	if (openai_is(m[C_TYPE], "file"))
		return read_file(r, l, m[C_FILE]);
	if (m[C_TYPE].type != JSON_STRING)
		return openai_bad(r, "content[].type");
	conversation_refuse(r->c, "messages[].content[].type");
	return E_OK;
}

/* The last part of a list gets the mark. */
static void
mark_last(struct list *l, struct json_value cache)
{
	struct part *p = l->first;

	if (!p || cache.type != JSON_OBJECT)
		return;
	while (p->next)
		p = p->next;
	openai_read_cache(cache, &p->cached, &p->cache_ttl);
}

static enum err
read_part(struct openai_reading *r, struct list *l, struct json_value v,
	  bool media)
{
	struct json_value m[CONTENTS];
	bool known;
	enum err e;

	if (v.type != JSON_OBJECT)
		return openai_bad(r, "content");
	openai_pick(r, v, &content_members, m);
	e = read_words(r, l, m, &known);
	if (!known)
		e = media ? read_media(r, l, m)
			  : openai_bad(r, "content[].type");
	if (e == E_OK)
		mark_last(l, m[C_CACHE]);
	return e;
}

static enum err
read_content(struct openai_reading *r, struct list *l, struct json_value v,
	     bool media)
{
	struct json_iter it;
	struct json_value part;
	struct str name;
	enum err e = E_OK;

	if (openai_absent(v))
		return E_OK;
	if (v.type == JSON_STRING)
		return add_text(r, l, PART_TEXT, v);
	if (v.type != JSON_ARRAY || !json_iter_init(&it, v))
		return openai_bad(r, "content");
	while (e == E_OK && json_iter_next(&it, &name, &part))
		e = read_part(r, l, part, media);
	return e;
}

/* ---- messages ---- */

enum {
	M_ROLE,
	M_CONTENT,
	M_CALLS,
	M_CALL_ID,
	M_FUNCTION_CALL,
	M_REFUSAL,
	M_REASONING_CONTENT, /* these by openai_read_thoughts() */
	M_REASONING,
	M_DETAILS,
	M_BLOCKS,
	M_CACHE,
	M_NAME,
	MESSAGES
};
static const char *const message_names[] = {"role",
					    "content",
					    "tool_calls",
					    "tool_call_id",
					    "function_call",
					    "refusal",
					    "reasoning_content",
					    "reasoning",
					    "reasoning_details",
					    "thinking_blocks",
					    "cache_control",
					    "name",
					    "annotations",
					    "id",
					    "created",
					    "parsed",
					    "provider_specific_fields"};
static const struct openai_members message_members = {
	"messages[].", message_names, MESSAGES, ARRAY_LEN(message_names)};

/* The list becomes the end of a turn. */
static enum err
close_message(struct openai_reading *r, enum speaker speaker, struct list *l)
{
	struct turn *t;

	if (!l->first)
		return E_OK;
	t = conversation_turn(r->c, speaker);
	if (!t)
		return E_NO_MEMORY;
	*t->tail = l->first;
	t->tail = l->tail;
	return E_OK;
}

/* Neither has a meaning to other providers. */
static void
drop_name(struct openai_reading *r, struct json_value name)
{
	if (!openai_absent(name))
		conversation_drop(r->c, STR("messages[].name"));
}

static enum err
read_plain(struct openai_reading *r, const struct json_value *m,
	   enum speaker speaker)
{
	struct list l = {.first = NULL};
	enum err e;

	l.tail = &l.first;
	drop_name(r, m[M_NAME]);
	if (openai_absent(m[M_CONTENT]))
		return openai_bad(r, "content");
	e = read_content(r, &l, m[M_CONTENT], speaker == SPEAKER_USER);
	mark_last(&l, m[M_CACHE]);
	return e == E_OK ? close_message(r, speaker, &l) : e;
}

/* ---- calls ---- */

static enum err
read_function(struct openai_reading *r, struct list *l, struct json_value v,
	      struct part **call)
{
	struct json_value name = json_get(v, "name");
	struct json_value args = json_get(v, "arguments");
	struct part *p;

	if (name.type != JSON_STRING)
		return openai_bad(r, "tool_calls[].function.name");
	p = *call = list_add(r, l, PART_CALL);
	if (!p)
		return E_NO_MEMORY;
	p->name = json_inside(name);
	if (args.type == JSON_OBJECT) {
		p->args = args.raw;
		return E_OK;
	}
	return part_args(r->a, p, json_inside(args)) ? E_OK : E_NO_MEMORY;
}

/* The signature stands where Google's own OpenAI endpoint puts it. */
static enum err
read_call(struct openai_reading *r, struct list *l, struct json_value v)
{
	struct json_value type = json_get(v, "type");
	struct json_value google;
	struct part *p = NULL;
	enum err e;

	if (!openai_absent(type) && !openai_is(type, "function")) {
		conversation_refuse(r->c, "messages[].tool_calls[].type");
		return E_OK;
	}
	e = read_function(r, l, json_get(v, "function"), &p);
	if (e != E_OK)
		return e;
	p->id = json_inside(json_get(v, "id"));
	google = json_get(json_get(v, "extra_content"), "google");
	p->signature = json_inside(json_get(google, "thought_signature"));
	return E_OK;
}

static enum err
read_function_call(struct openai_reading *r, struct list *l,
		   struct json_value v)
{
	struct part *p = NULL;
	enum err e = read_function(r, l, v, &p);

	if (e != E_OK)
		return e;
	p->id = arena_printf(r->a, "call_function_%u", ++r->function_calls);
	r->function_call = p->id;
	return p->id.p ? E_OK : E_NO_MEMORY;
}

static enum err
read_calls(struct openai_reading *r, struct list *l, const struct json_value *m)
{
	struct json_value calls = m[M_CALLS], call;
	struct json_iter it;
	struct str name;
	enum err e = E_OK;

	if (!openai_absent(calls) && calls.type != JSON_ARRAY)
		return openai_bad(r, "tool_calls");
	if (calls.type == JSON_ARRAY && json_iter_init(&it, calls))
		while (e == E_OK && json_iter_next(&it, &name, &call))
			e = read_call(r, l, call);
	if (e == E_OK && !openai_absent(m[M_FUNCTION_CALL]))
		e = read_function_call(r, l, m[M_FUNCTION_CALL]);
	return e;
}

static enum err
read_assistant(struct openai_reading *r, struct json_value message,
	       const struct json_value *m)
{
	struct json_value content = m[M_CONTENT];
	struct list l = {.first = NULL};
	enum err e;

	l.tail = &l.first;
	drop_name(r, m[M_NAME]);
	e = openai_read_thoughts(r->a, message, &l.tail);
	/* beside calls some clients send "" for null */
	if (e == E_OK && !openai_is(content, ""))
		e = read_content(r, &l, content, false);
	if (e == E_OK && json_inside(m[M_REFUSAL]).n > 0)
		e = add_text(r, &l, PART_REFUSAL, m[M_REFUSAL]);
	if (e == E_OK)
		e = read_calls(r, &l, m);
	mark_last(&l, m[M_CACHE]);
	return e == E_OK ? close_message(r, SPEAKER_ASSISTANT, &l) : e;
}

/* ---- results ---- */

static enum err
read_result(struct openai_reading *r, const struct json_value *m, struct str id)
{
	struct list l = {.first = NULL}, content = {.first = NULL};
	struct part *p;
	enum err e;

	l.tail = &l.first;
	content.tail = &content.first;
	if (id.n == 0)
		return openai_bad(r, "tool_call_id");
	p = list_add(r, &l, PART_RESULT);
	if (!p)
		return E_NO_MEMORY;
	p->id = id;
	p->name = json_inside(m[M_NAME]);
	e = read_content(r, &content, m[M_CONTENT], true);
	p->content = content.first;
	/* a mark within says the same: all up to here */
	for (struct part *in = p->content; in; in = in->next)
		if (in->cached) {
			p->cached = true;
			p->cache_ttl = in->cache_ttl;
		}
	mark_last(&l, m[M_CACHE]);
	return e == E_OK ? close_message(r, SPEAKER_USER, &l) : e;
}

static enum err
read_message(struct openai_reading *r, struct json_value v)
{
	struct json_value m[MESSAGES];

	if (v.type != JSON_OBJECT)
		return openai_bad(r, "role");
	openai_pick(r, v, &message_members, m);
	if (openai_is(m[M_ROLE], "user"))
		return read_plain(r, m, SPEAKER_USER);
	if (openai_is(m[M_ROLE], "assistant"))
		return read_assistant(r, v, m);
	if (openai_is(m[M_ROLE], "tool"))
		return read_result(r, m, json_inside(m[M_CALL_ID]));
	if (openai_is(m[M_ROLE], "system") || openai_is(m[M_ROLE], "developer"))
		return read_plain(r, m, SPEAKER_SYSTEM);
	if (openai_is(m[M_ROLE], "function"))
		return read_result(r, m, r->function_call);
	return openai_bad(r, "role");
}

enum err
openai_read_messages(struct openai_reading *r, struct json_value messages)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	enum err e = E_OK;

	if (messages.type != JSON_ARRAY || !json_iter_init(&it, messages))
		return openai_bad(r, "role");
	for (r->at = 0; e == E_OK && json_iter_next(&it, &name, &v); r->at++)
		e = read_message(r, v);
	if (e == E_OK && !conversation_link(r->c))
		e = E_NO_MEMORY;
	return e;
}
