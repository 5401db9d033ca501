/*
 * What dialects share that make vectors of texts. What is hard: numbers stay
 * the text they were, and where one side has base64, every float is the same
 * one. Called by adapters; pure.
 */
#include "adapters/vectors.h"

#include <math.h>

#include "base/base64.h"
#include "base/float32.h"

/* ---- requests, read ---- */

struct vectors *
vectors_new(struct conversation *c, const char *field)
{
	struct vectors *v = arena_zalloc(c->a, sizeof(*v));

	c->vectors = v;
	if (!v)
		return NULL;
	v->tail = &v->inputs;
	v->field = field;
	return v;
}

struct vector_input *
vectors_add(struct conversation *c)
{
	struct vector_input *in = arena_zalloc(c->a, sizeof(*in));

	if (!in)
		return NULL;
	*c->vectors->tail = in;
	c->vectors->tail = &in->next;
	c->vectors->n++;
	return in;
}

/* The first word of a task is Gemini's; the others are in use with clients
 * of OpenAI's dialect. */
static const struct {
	const char *word;
	enum vector_task task;
} tasks[] = {
	{"RETRIEVAL_QUERY", TASK_QUERY},
	{"RETRIEVAL_DOCUMENT", TASK_DOCUMENT},
	{"SEMANTIC_SIMILARITY", TASK_SIMILARITY},
	{"CLASSIFICATION", TASK_CLASSIFICATION},
	{"CLUSTERING", TASK_CLUSTERING},
	{"QUESTION_ANSWERING", TASK_QUESTION},
	{"FACT_VERIFICATION", TASK_FACT},
	{"CODE_RETRIEVAL_QUERY", TASK_CODE},
	{"TASK_TYPE_UNSPECIFIED", TASK_UNSAID},
	{"search_query", TASK_QUERY},
	{"search_document", TASK_DOCUMENT},
	{"query", TASK_QUERY},
	{"document", TASK_DOCUMENT},
	{"passage", TASK_DOCUMENT},
	{"classification", TASK_CLASSIFICATION},
	{"clustering", TASK_CLUSTERING},
};

const char *
vector_task_word(enum vector_task task)
{
	for (unsigned i = 0; task != TASK_UNSAID && i < ARRAY_LEN(tasks); i++)
		if (tasks[i].task == task)
			return tasks[i].word;
	return NULL;
}

bool
vector_task_of(struct str raw, enum vector_task *task)
{
	for (unsigned i = 0; i < ARRAY_LEN(tasks); i++)
		if (str_eq(raw, str_of(tasks[i].word))) {
			*task = tasks[i].task;
			return true;
		}
	return false;
}

/* ---- requests, written ---- */

const char *
vectors_task(struct writing *w, const char *const *words)
{
	const struct trait *t = &w->talk->traits[TRAIT_TASK];
	const struct vector_input *in = w->talk->vectors->inputs;
	enum vector_task task = in ? in->task : TASK_UNSAID;

	for (; in; in = in->next)
		if (in->task != task && t->field) {
			writing_refuse(w, t->field);
			return NULL;
		}
	if (task == TASK_UNSAID || words[task])
		(void)trait_take(w, TRAIT_TASK);
	return words[task];
}

static bool
is_text(struct writing *w, const struct vector_input *in)
{
	if (in->tokens.type == JSON_ABSENT)
		return true;
	writing_refuse(w, w->talk->vectors->field);
	return false;
}

void
vectors_put_texts(struct writing *w, const char *name)
{
	json_name(w->out, name);
	json_open(w->out, '[');
	for (const struct vector_input *in = w->talk->vectors->inputs; in;
	     in = in->next)
		if (is_text(w, in))
			json_put_inside(w->out, in->text);
	json_close(w->out, ']');
}

struct str
vectors_only_text(struct writing *w)
{
	const struct vectors *v = w->talk->vectors;
	struct str second;

	if (!v->inputs || !is_text(w, v->inputs))
		return STR("");
	if (v->n > 1) {
		second = arena_printf(w->a, "%s[1]", v->field);
		writing_refuse(w, second.p ? second.p : v->field);
	}
	return v->inputs->text;
}

void
vectors_put_truncate(struct writing *w, const char *name)
{
	if (!trait_take(w, TRAIT_TRUNCATE))
		return;
	json_name(w->out, name);
	json_put_bool(w->out, w->talk->vectors->truncate);
}

/* ---- answers ---- */

enum err
reply_vectors(struct arena *a, const struct ask *ask, unsigned n,
	      struct reply *r)
{
	if (ask->talk && ask->talk->vectors)
		n = ask->talk->vectors->n;
	if (n > VECTORS_MAX)
		return E_UP_BAD_RESPONSE;
	r->vectors = arena_zalloc(a, (n + 1) * sizeof(*r->vectors));
	if (!r->vectors)
		return E_NO_MEMORY;
	r->n_vectors = n;
	return E_OK;
}

/* In valid JSON an array of only these bytes is one of numbers. */
static bool
is_numbers(struct str array)
{
	bool any = false;

	for (size_t i = 1; i + 1 < array.n; i++) {
		char c = array.p[i];

		any |= c >= '0' && c <= '9';
		if (!(c >= '0' && c <= '9') && !memchr(" \t\r\n,.+-eE", c, 10))
			return false;
	}
	return any;
}

static void
put_little(struct buf *out, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	for (unsigned i = 0; i < 32; i += 8)
		buf_add_char(out, (char)(bits >> i & 255));
}

static float
little_at(const char *p)
{
	uint32_t bits = 0;
	float v;

	for (unsigned i = 0; i < 4; i++)
		bits |= (uint32_t)(unsigned char)p[i] << (8 * i);
	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* Numbers as a string of base64. */
static enum err
pack(struct json_value array, struct buf *out)
{
	CLEANUP(buf_free) struct buf floats = BUF_INIT;
	struct json_iter it;
	struct json_value one;
	struct str name;
	float v;

	if (!json_iter_init(&it, array))
		return E_UP_BAD_RESPONSE;
	while (json_iter_next(&it, &name, &one)) {
		if (!float32_read(one.raw, &v))
			return E_UP_BAD_RESPONSE;
		put_little(&floats, v);
	}
	buf_add_char(out, '"');
	base64_put(out, floats.p, floats.n);
	buf_add_char(out, '"');
	return floats.failed ? E_NO_MEMORY : E_OK;
}

/* A string of base64 as numbers. */
static enum err
unpack(struct arena *a, struct json_value string, struct buf *out)
{
	CLEANUP(buf_free) struct buf floats = BUF_INIT;
	char text[FLOAT32_TEXT];
	float v;

	if (!base64_get(json_plain(a, json_inside(string)), &floats) ||
	    floats.n == 0 || floats.n % 4 != 0)
		return floats.failed ? E_NO_MEMORY : E_UP_BAD_RESPONSE;
	for (size_t i = 0; i < floats.n; i += 4) {
		v = little_at(floats.p + i);
		if (!isfinite(v))
			return E_UP_BAD_RESPONSE;
		buf_add_char(out, i == 0 ? '[' : ',');
		buf_add(out, text, float32_write(text, v));
	}
	buf_add_char(out, ']');
	return E_OK;
}

/* As the client wants it; text that may stay stays. */
static enum err
as_wanted(struct arena *a, bool base64, struct json_value *v)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	bool numbers = v->type == JSON_ARRAY;
	enum err e;

	if (numbers ? !is_numbers(v->raw) : v->type != JSON_STRING)
		return E_UP_BAD_RESPONSE;
	if (numbers && !base64)
		return E_OK;
	e = numbers ? pack(*v, &out) : unpack(a, *v, &out);
	if (e != E_OK)
		return e;
	if (!numbers && base64) /* it is good base64 */
		return E_OK;
	v->raw = out.failed ? STR_NONE : arena_dup(a, buf_str(&out));
	v->type = base64 ? JSON_STRING : JSON_ARRAY;
	return v->raw.p ? E_OK : E_NO_MEMORY;
}

enum err
reply_vector(struct arena *a, const struct ask *ask, struct reply *r,
	     uint64_t at, struct json_value v)
{
	const struct conversation *c = ask->talk;
	bool base64 = c && c->vectors && c->vectors->base64;
	enum err e;

	if (at >= r->n_vectors || r->vectors[at].type != JSON_ABSENT)
		return E_UP_BAD_RESPONSE;
	e = as_wanted(a, base64, &v);
	if (e == E_OK)
		r->vectors[at] = v;
	return e;
}

enum err
reply_vectors_end(const struct reply *r)
{
	for (unsigned i = 0; i < r->n_vectors; i++)
		if (r->vectors[i].type == JSON_ABSENT)
			return E_UP_BAD_RESPONSE;
	return r->n_vectors > 0 ? E_OK : E_UP_BAD_RESPONSE;
}

enum err
reply_vectors_of(struct arena *a, const struct ask *ask, struct reply *r,
		 struct json_value list)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	uint64_t at = 0;
	enum err e = reply_vectors(a, ask, json_count(list), r);

	if (e != E_OK)
		return e;
	if (list.type != JSON_ARRAY || !json_iter_init(&it, list))
		return E_UP_BAD_RESPONSE;
	while (e == E_OK && json_iter_next(&it, &name, &v))
		e = reply_vector(a, ask, r, at++, v);
	return e == E_OK ? reply_vectors_end(r) : e;
}

struct usage
vectors_usage(struct json_value input)
{
	struct usage u = {0};

	u.present = json_u64(input, &u.input) && u.input <= UINT64_MAX / 8;
	return u.present ? u : (struct usage){0};
}

/* ---- providers without vectors ---- */

static struct str
no_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	(void)a;
	(void)ask;
	(void)t;
	return STR_NONE;
}

static enum err
refuse_input(struct writing *w)
{
	writing_refuse(w, w->talk->vectors->field);
	json_open(w->out, '{');
	json_close(w->out, '}');
	return E_OK;
}

static enum err
no_answer(const struct ask *ask, struct str body, struct answer *out)
{
	(void)ask;
	(void)body;
	*out = (struct answer){0};
	return E_UP_BAD_RESPONSE;
}

static void
no_error(int status, struct str type, struct str body,
	 struct upstream_error *out)
{
	(void)status;
	(void)type;
	(void)body;
	*out = (struct upstream_error){.err = E_UP_BAD_RESPONSE};
}

const struct wire wire_no_vectors = {
	.name = "none",
	.path = no_path,
	.write = refuse_input,
	.parse_answer = no_answer,
	.parse_error = no_error,
};
