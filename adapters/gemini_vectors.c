/*
 * Vectors in Gemini's words, as a client's and as an upstream's: one content
 * (embedContent), or requests with one each (batchEmbedContents), where each
 * names the model once more. Called by dialect_gemini.c and the worker; pure.
 */
#include "adapters/ask.h"
#include "adapters/gemini_reading.h"
#include "adapters/vectors.h"

#define DIMENSIONS_MAX (1u << 20)

static bool
is_single(const struct ask *ask)
{
	return str_eq(gemini_verb(ask->path), STR("embedContent"));
}

/* ---- a client's request, for the gateway ---- */

/* Bytes of text in a content; *all: there is nothing else in it. */
static uint64_t
content_bytes(struct json_value content, bool *all)
{
	struct gemini_list parts = gemini_list(json_get(content, "parts"));
	struct json_value part, text;
	uint64_t n = 0;

	while (gemini_list_next(&parts, &part)) {
		text = json_get(part, "text");
		if (text.type == JSON_STRING)
			n += json_str_bytes(text);
		else
			*all = false;
	}
	return n;
}

/* "models/NAME" or "NAME", the path's. */
static bool
same_model(const struct ask *ask, struct json_value model)
{
	static const char folder[] = "\"models/";
	struct str raw = model.raw;
	struct str path = json_inside(ask->model_value);

	if (ask_absent(model))
		return true;
	if (model.type != JSON_STRING)
		return false;
	if (str_starts(raw, str_of(folder)) &&
	    !str_starts(path, STR("models/")))
		raw = str_from(raw, sizeof(folder) - 2);
	else
		return json_str_eq(raw, ask->model);
	return str_eq(str_make(raw.p + 1, raw.n - 2), path);
}

/* Each of them names the path's model, or none. */
static enum err
check_requests(struct ask *ask, const char **detail)
{
	static const char *const names[] = {"model", "content"};
	struct gemini_list l = gemini_list(ask->input);
	struct json_value request, v[2];
	uint64_t bytes = 0;
	bool all = true;
	unsigned n = 0;

	*detail = "requests";
	while (gemini_list_next(&l, &request)) {
		if (request.type != JSON_OBJECT || n++ == VECTORS_MAX)
			return E_BAD_FIELD;
		json_pick(request, names, 2, v);
		if (!same_model(ask, v[0])) {
			*detail = "requests[].model";
			return E_BAD_FIELD;
		}
		bytes += content_bytes(v[1], &all);
	}
	ask->text_bytes = all ? bytes : 0;
	return n > 0 ? E_OK : E_BAD_FIELD;
}

enum err
gemini_parse_vectors(struct arena *a, struct ask *ask, const char **detail)
{
	static const char *const names[] = {"content", "requests", "model"};
	struct json_value v[3];
	struct json_error fault;
	bool all = true;
	uint64_t bytes;

	if (!json_members(ask->body, names, 3, v, &fault))
		return ask_fault(a, &fault, detail);
	*detail = "model";
	if (!same_model(ask, v[2]))
		return E_BAD_FIELD;
	ask->input = v[is_single(ask) ? 0 : 1];
	*detail = is_single(ask) ? "content" : "requests";
	if (ask_absent(ask->input))
		return E_MISSING_FIELD;
	if (!is_single(ask))
		return check_requests(ask, detail);
	if (ask->input.type != JSON_OBJECT)
		return E_BAD_FIELD;
	bytes = content_bytes(ask->input, &all);
	ask->text_bytes = all ? bytes : 0;
	return E_OK;
}

/* ---- a client's request, for others ---- */

enum {
	F_CONTENT,
	F_MODEL,
	F_CONFIG,
	F_TASK, /* from here on in a config as well */
	F_TITLE,
	F_DIMENSIONS,
	FIELDS
};
static const char *const fields[FIELDS] = {
	"content",  "model", "embedContentConfig",
	"taskType", "title", "outputDimensionality"};
enum { G_TASK, G_TITLE, G_DIMENSIONS, G_TRUNCATE, G_OCR, G_AUDIO, CONFIG };
static const char *const config_names[CONFIG] = {
	"taskType",	"title",       "outputDimensionality",
	"autoTruncate", "documentOcr", "audioTrackExtraction"};

/* What fields are called where the client wrote them. */
struct places {
	const char *content, *parts, *part, *text, *config, *task, *title,
		*dimensions, *truncate, *ocr, *audio;
};

#define PLACES(at)                                                            \
	{                                                                     \
		.content = at "content", .parts = at "content.parts",         \
		.part = at "content.parts[]",                                 \
		.text = at "content.parts[].text",                            \
		.config = at "embedContentConfig", .task = at "taskType",     \
		.title = at "title", .dimensions = at "outputDimensionality", \
		.truncate = at "embedContentConfig.autoTruncate",             \
		.ocr = at "embedContentConfig.documentOcr",                   \
		.audio = at "embedContentConfig.audioTrackExtraction"         \
	}

static const struct places single = PLACES("");
static const struct places batch = PLACES("requests[].");

/* Several parts are one text. */
static struct str
read_text(struct reading *r, const struct places *at, struct json_value content)
{
	static const char *const names[] = {"parts", "role"};
	static const char *const inner[] = {"text"};
	CLEANUP(buf_free) struct buf joined = BUF_INIT;
	struct json_value v[2], part, text;
	struct gemini_list parts;
	struct str one = STR_NONE;
	unsigned n = 0;

	gemini_take(r, content, at->content, names, 2, v);
	parts = gemini_list(v[0]);
	while (gemini_list_next(&parts, &part) && r->err == E_OK) {
		gemini_take(r, part, at->part, inner, 1, &text);
		one = gemini_text(r, text, at->text);
		if (n++ > 0)
			buf_add_cstr(&joined, "\\n");
		buf_add_str(&joined, one);
	}
	if (n == 0)
		gemini_bad(r, at->parts);
	if (n > 1)
		one = arena_dup(r->c->a, buf_str(&joined));
	if (joined.failed || (n > 1 && !one.p))
		gemini_no_memory(r);
	return one;
}

/* In a config of its own or beside it; not in both. */
static struct json_value
wish(struct reading *r, struct json_value outer, struct json_value inner,
     const char *field)
{
	if (outer.type != JSON_ABSENT && inner.type != JSON_ABSENT)
		gemini_bad(r, field);
	return outer.type != JSON_ABSENT ? outer : inner;
}

static void
read_task(struct reading *r, const struct places *at, struct json_value v,
	  struct vector_input *in)
{
	if (v.type == JSON_ABSENT)
		return;
	if (!vector_task_of(gemini_text(r, v, at->task), &in->task))
		conversation_refuse(r->c, at->task);
	else if (in->task != TASK_UNSAID)
		conversation_say(r->c, TRAIT_TASK, at->task, v);
}

/* One size for all: nobody else has one for each. */
static void
read_dimensions(struct reading *r, const struct places *at, struct json_value v)
{
	const struct trait *t = &r->c->traits[TRAIT_DIMENSIONS];
	bool first = r->c->vectors->n == 1;
	uint64_t n = 1;

	if (v.type != JSON_ABSENT &&
	    (!json_u64(v, &n) || n == 0 || n > DIMENSIONS_MAX))
		gemini_bad(r, at->dimensions);
	if (first)
		conversation_say(r->c, TRAIT_DIMENSIONS, at->dimensions, v);
	else if (!str_eq(t->field ? t->value.raw : STR(""), v.raw))
		conversation_refuse(r->c, at->dimensions);
}

static void
read_truncate(struct reading *r, const struct places *at, struct json_value v)
{
	const struct trait *t = &r->c->traits[TRAIT_TRUNCATE];
	bool first = r->c->vectors->n == 1;

	if (v.type != JSON_ABSENT && v.type != JSON_TRUE &&
	    v.type != JSON_FALSE)
		gemini_bad(r, at->truncate);
	if (!first && !str_eq(t->field ? t->value.raw : STR(""), v.raw))
		conversation_refuse(r->c, at->truncate);
	r->c->vectors->truncate = v.type == JSON_TRUE;
	conversation_say(r->c, TRAIT_TRUNCATE, at->truncate, v);
}

static void
refuse_true(struct reading *r, struct json_value v, const char *field)
{
	if (v.type != JSON_FALSE)
		gemini_refuse(r, v, field);
}

static void
read_request(struct reading *r, const struct places *at,
	     struct json_value request)
{
	struct vector_input *in = vectors_add(r->c);
	struct json_value v[FIELDS], g[CONFIG], title;

	if (!in) {
		gemini_no_memory(r);
		return;
	}
	gemini_take(r, request, at == &single ? "" : "requests[]", fields,
		    FIELDS, v);
	gemini_take(r, v[F_CONFIG], at->config, config_names, CONFIG, g);
	in->text = read_text(r, at, v[F_CONTENT]);
	read_task(r, at, wish(r, v[F_TASK], g[G_TASK], at->task), in);
	title = wish(r, v[F_TITLE], g[G_TITLE], at->title);
	in->title = gemini_text(r, title, at->title);
	if (in->title.n > 0)
		conversation_say(r->c, TRAIT_TITLE, at->title, title);
	read_dimensions(
		r, at,
		wish(r, v[F_DIMENSIONS], g[G_DIMENSIONS], at->dimensions));
	read_truncate(r, at, g[G_TRUNCATE]);
	refuse_true(r, g[G_OCR], at->ocr);
	refuse_true(r, g[G_AUDIO], at->audio);
}

static void
read_requests(struct reading *r, struct json_value root)
{
	static const char *const names[] = {"requests", "model"};
	struct json_value v[2], request;
	struct gemini_list l;

	gemini_take(r, root, "", names, 2, v);
	l = gemini_list(v[0]);
	while (r->err == E_OK && gemini_list_next(&l, &request))
		read_request(r, &batch, request);
}

enum err
gemini_read_vectors(struct conversation *c, const struct ask *ask,
		    const char **detail)
{
	struct reading r = {.c = c, .err = E_OK};
	struct json_value root;

	if (!json_valid(ask->body, &root, NULL))
		return E_BAD_JSON;
	if (!vectors_new(c, is_single(ask) ? "content" : "requests"))
		return E_NO_MEMORY;
	if (is_single(ask))
		read_request(&r, &single, root);
	else
		read_requests(&r, root);
	*detail = r.detail;
	return r.err;
}

/* ---- the answer to a client ---- */

static void
put_vector(struct json_out *o, struct json_value v)
{
	json_open(o, '{');
	json_name(o, "values");
	json_put_raw(o, v.raw);
	json_close(o, '}');
}

void
gemini_put_vectors(struct sink *s, const struct reply *r, const struct usage *u)
{
	bool one = is_single(s->ask) && r->n_vectors == 1;
	struct json_out o;

	json_out_init(&o, s->out);
	json_open(&o, '{');
	json_name(&o, one ? "embedding" : "embeddings");
	if (!one)
		json_open(&o, '[');
	for (unsigned i = 0; i < r->n_vectors; i++)
		put_vector(&o, r->vectors[i]);
	if (!one)
		json_close(&o, ']');
	json_name(&o, "usageMetadata");
	json_open(&o, '{');
	json_name(&o, "promptTokenCount");
	json_put_u64(&o, u->input + u->cache_read + u->cache_write);
	json_close(&o, '}');
	json_close(&o, '}');
}

/* ---- an upstream ---- */

/* Its name where one stands in a body, as a JSON string. */
static struct str
model_name(struct arena *a, const struct target *t)
{
	struct str inside = gemini_quoted(a, t->model);
	bool folder = str_find(t->model, '/') >= 0;

	if (!inside.p)
		return STR_NONE;
	return arena_printf(a, "\"%s%.*s\"", folder ? "" : "models/",
			    STR_ARG(inside));
}

/* A copy of the text with the model of an object renamed. */
static const char *
rename_model(struct buf *out, struct json_value object, const char *from,
	     struct str name)
{
	struct json_value model = json_get(object, "model");

	if (model.type != JSON_STRING)
		return from;
	buf_add(out, from, (size_t)(model.raw.p - from));
	buf_add_str(out, name);
	return model.raw.p + model.raw.n;
}

/* Each request names the model, and Google wants the path's there. */
static enum err
patch_vectors(struct arena *a, const struct ask *ask, const struct target *t,
	      struct pieces *out)
{
	struct gemini_list l = gemini_list(ask->input);
	struct str name = model_name(a, t), body = ask->body, whole;
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const char *at = body.p;
	struct json_value root, request;

	out->n = 0;
	out->bytes = 0;
	if (!name.p || !json_valid(body, &root, NULL))
		return E_NO_MEMORY;
	if (is_single(ask))
		at = rename_model(&text, root, at, name);
	else
		while (gemini_list_next(&l, &request))
			at = rename_model(&text, request, at, name);
	if (at == body.p) { /* as it came */
		pieces_add(out, body);
		return E_OK;
	}
	buf_add(&text, at, (size_t)(body.p + body.n - at));
	whole = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	pieces_add(out, whole);
	return whole.p ? E_OK : E_NO_MEMORY;
}

static void
put_request(struct writing *w, const struct vector_input *in, struct str model)
{
	const struct trait *t = trait_take(w, TRAIT_DIMENSIONS);
	const char *task = vector_task_word(in->task);
	struct json_out *o = w->out;

	json_open(o, '{');
	json_name(o, "model");
	json_put_raw(o, model);
	json_name(o, "content");
	buf_add_cstr(o->buf, "{\"parts\":[{\"text\":\"");
	buf_add_str(o->buf, in->text);
	buf_add_cstr(o->buf, "\"}]}");
	o->comma = true;
	if (task) {
		json_name(o, "taskType");
		json_put_str(o, str_of(task));
	}
	if (in->title.n > 0)
		json_put_member(o, "title", in->title);
	if (t) {
		json_name(o, "outputDimensionality");
		json_put_raw(o, t->value.raw);
	}
	json_close(o, '}');
}

static enum err
write_vectors(struct writing *w)
{
	const struct vectors *v = w->talk->vectors;
	struct str model = model_name(w->a, w->target);

	if (!model.p)
		return E_NO_MEMORY;
	(void)trait_take(w, TRAIT_TASK);
	(void)trait_take(w, TRAIT_TITLE);
	/* it has no word for it, and does as it does */
	(void)trait_take(w, TRAIT_TRUNCATE);
	json_open(w->out, '{');
	json_name(w->out, "requests");
	json_open(w->out, '[');
	for (const struct vector_input *in = v->inputs; in; in = in->next) {
		if (in->tokens.type != JSON_ABSENT)
			writing_refuse(w, v->field);
		else
			put_request(w, in, model);
	}
	json_close(w->out, ']');
	json_close(w->out, '}');
	return E_OK;
}

enum { A_ONE, A_MANY, A_USAGE, A_ERROR, ANSWER };
static const char *const answer_names[ANSWER] = {"embedding", "embeddings",
						 "usageMetadata", "error"};

static enum err
parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[A_ERROR].type == JSON_OBJECT)
		return E_UP_SERVER_ERROR;
	if (v[A_ONE].type != JSON_OBJECT && json_count(v[A_MANY]) == 0)
		return E_UP_BAD_RESPONSE;
	out->usage = vectors_usage(json_get(v[A_USAGE], "promptTokenCount"));
	out->usage_value = v[A_USAGE];
	out->content_bytes = 1;
	return E_OK;
}

static enum err
read_answer(struct arena *a, const struct ask *ask, struct str body,
	    struct reply *out)
{
	struct json_value v[ANSWER], one;
	struct json_error fault;
	struct gemini_list l;
	uint64_t at = 0;
	enum err e;

	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	l = gemini_list(v[A_ONE].type == JSON_OBJECT ? v[A_ONE] : v[A_MANY]);
	e = reply_vectors(a, ask, MAX_OF(json_count(v[A_MANY]), 1u), out);
	while (e == E_OK && gemini_list_next(&l, &one))
		e = reply_vector(a, ask, out, at++, json_get(one, "values"));
	return e == E_OK ? reply_vectors_end(out) : e;
}

const struct wire wire_gemini_vectors = {
	.name = "gemini",
	.native = &dialect_gemini,
	.path = gemini_path,
	.patch = patch_vectors,
	.write = write_vectors,
	.parse_answer = parse_answer,
	.parse_error = gemini_parse_error,
	.read_answer = read_answer,
};
