/*
 * Vectors in OpenAI's words, as a client's and as an upstream's: texts or
 * token ids in, numbers or base64 out. Called by dialect_openai.c and the
 * worker; pure.
 */
#include "adapters/dialect_openai.h"
#include "adapters/vectors.h"
#include "adapters/wires.h"

#define DIMENSIONS_MAX (1u << 20)

/* ---- a client's request ---- */

enum { F_INPUT, F_DIMENSIONS, F_ENCODING, F_USER, F_TASK, F_MODEL, FIELDS };
/* A stream is refused before anything is read. */
static const char *const fields[FIELDS + 2] = {
	"input",      "dimensions", "encoding_format", "user",
	"input_type", "model",	    "stream",	       "stream_options"};
static const struct openai_members field_members = {"", fields, FIELDS,
						    FIELDS + 2};

static enum err
bad(const char **detail, const char *field)
{
	*detail = field;
	return E_BAD_FIELD;
}

static enum err
add_text(struct conversation *c, struct json_value text)
{
	struct vector_input *in = vectors_add(c);

	if (!in)
		return E_NO_MEMORY;
	in->text = json_inside(text);
	return E_OK;
}

/* Whole numbers and nothing else. */
static enum err
add_tokens(struct conversation *c, struct json_value tokens,
	   const char **detail)
{
	struct vector_input *in = vectors_add(c);
	struct json_iter it;
	struct json_value v;
	struct str name;
	uint64_t id;
	bool any = false;

	if (!in)
		return E_NO_MEMORY;
	if (!json_iter_init(&it, tokens))
		return bad(detail, "input");
	while (json_iter_next(&it, &name, &v)) {
		if (!json_u64(v, &id))
			return bad(detail, "input");
		any = true;
	}
	in->tokens = tokens;
	return any ? E_OK : bad(detail, "input");
}

/* Texts, or arrays of tokens; not both. */
static enum err
read_list(struct conversation *c, struct json_value list, const char **detail)
{
	enum json_type type = json_at(list, 0).type;
	struct json_iter it;
	struct json_value v;
	struct str name;
	enum err e = E_OK;

	if (type == JSON_NUMBER)
		return add_tokens(c, list, detail);
	if (type != JSON_STRING && type != JSON_ARRAY)
		return bad(detail, "input");
	if (!json_iter_init(&it, list))
		return bad(detail, "input");
	while (e == E_OK && json_iter_next(&it, &name, &v)) {
		if (v.type != type || c->vectors->n == VECTORS_MAX)
			return bad(detail, "input");
		e = type == JSON_STRING ? add_text(c, v)
					: add_tokens(c, v, detail);
	}
	return e;
}

static enum err
read_input(struct conversation *c, struct json_value input, const char **detail)
{
	if (input.type == JSON_STRING)
		return add_text(c, input);
	if (input.type != JSON_ARRAY)
		return bad(detail, "input");
	return read_list(c, input, detail);
}

static enum err
read_wishes(struct conversation *c, const struct json_value *v,
	    const char **detail)
{
	uint64_t n = 1;

	if (!openai_absent(v[F_DIMENSIONS]) &&
	    (!json_u64(v[F_DIMENSIONS], &n) || n == 0 || n > DIMENSIONS_MAX))
		return bad(detail, "dimensions");
	conversation_say(c, TRAIT_DIMENSIONS, "dimensions", v[F_DIMENSIONS]);
	c->vectors->base64 = openai_is(v[F_ENCODING], "base64");
	if (!openai_absent(v[F_ENCODING]) && !c->vectors->base64 &&
	    !openai_is(v[F_ENCODING], "float"))
		return bad(detail, "encoding_format");
	conversation_say(c, TRAIT_USER, "user", v[F_USER]);
	return E_OK;
}

/* What others who speak OpenAI's dialect call it. */
static void
read_task(struct conversation *c, struct json_value v)
{
	enum vector_task task = TASK_UNSAID;

	if (openai_absent(v))
		return;
	if (!vector_task_of(json_inside(v), &task)) {
		conversation_refuse(c, "input_type");
		return;
	}
	for (struct vector_input *in = c->vectors->inputs; in; in = in->next)
		in->task = task;
	conversation_say(c, TRAIT_TASK, "input_type", v);
}

enum err
openai_read_vectors(struct conversation *c, const struct ask *ask,
		    const char **detail)
{
	struct openai_reading r = {.c = c, .a = c->a, .detail = detail};
	const struct json_value no = {JSON_FALSE, STR("false")};
	struct json_value v[FIELDS], body;
	struct json_error fault;
	enum err e;

	if (!json_valid(ask->body, &body, &fault))
		return E_BAD_JSON;
	if (!vectors_new(c, "input"))
		return E_NO_MEMORY;
	openai_pick(&r, body, &field_members, v);
	e = read_input(c, v[F_INPUT], detail);
	if (e == E_OK)
		e = read_wishes(c, v, detail);
	if (e == E_OK)
		read_task(c, v[F_TASK]);
	/* OpenAI refuses what is too long, never cuts it */
	conversation_say(c, TRAIT_TRUNCATE, "input", no);
	return e;
}

/* ---- the answer to a client ---- */

static void
put_usage(struct json_out *o, const struct usage *u, struct money cost)
{
	uint64_t n = u->input + u->cache_read + u->cache_write;

	json_name(o, "usage");
	json_open(o, '{');
	json_name(o, "prompt_tokens");
	json_put_u64(o, n);
	json_name(o, "total_tokens");
	json_put_u64(o, n);
	usage_end(o, u, cost);
}

void
openai_put_vectors(struct sink *s, const struct reply *r, const struct usage *u,
		   struct money cost)
{
	struct json_out o;

	json_out_init(&o, s->out);
	json_open(&o, '{');
	wire_put_word(&o, "object", "list");
	json_name(&o, "data");
	json_open(&o, '[');
	for (unsigned i = 0; i < r->n_vectors; i++) {
		json_open(&o, '{');
		wire_put_word(&o, "object", "embedding");
		json_name(&o, "index");
		json_put_u64(&o, i);
		json_name(&o, "embedding");
		json_put_raw(&o, r->vectors[i].raw);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	json_name(&o, "model");
	json_put_str(&o, s->model);
	put_usage(&o, u, cost);
	json_close(&o, '}');
}

/* ---- an upstream ---- */

static enum err
write_vectors(struct writing *w)
{
	bool other = w->target->quirks & QUIRK_OUTPUT_DIMENSION;
	struct json_out *o = w->out;

	json_open(o, '{');
	json_name(o, "model");
	json_put_raw(o, w->target->model_json);
	json_name(o, "input");
	json_open(o, '[');
	for (const struct vector_input *in = w->talk->vectors->inputs; in;
	     in = in->next) {
		if (in->tokens.type != JSON_ABSENT)
			json_put_raw(o, in->tokens.raw);
		else
			json_put_inside(o, in->text);
	}
	json_close(o, ']');
	trait_put(w, TRAIT_DIMENSIONS,
		  other ? "output_dimension" : "dimensions");
	trait_put(w, TRAIT_USER, "user");
	/* that it is not cut: nobody of this dialect does */
	if (!w->talk->vectors->truncate)
		(void)trait_take(w, TRAIT_TRUNCATE);
	json_close(o, '}');
	return E_OK;
}

static enum err
read_rows(struct arena *a, const struct ask *ask, struct reply *r,
	  struct json_value rows)
{
	static const char *const names[] = {"index", "embedding"};
	struct json_value row, v[2];
	struct json_iter it;
	struct str name;
	uint64_t at = 0, index;
	enum err e = E_OK;

	if (rows.type != JSON_ARRAY || !json_iter_init(&it, rows))
		return E_UP_BAD_RESPONSE;
	while (e == E_OK && json_iter_next(&it, &name, &row)) {
		json_pick(row, names, 2, v);
		index = at++;
		if (!openai_absent(v[0]) && !json_u64(v[0], &index))
			return E_UP_BAD_RESPONSE;
		e = reply_vector(a, ask, r, index, v[1]);
	}
	return e == E_OK ? reply_vectors_end(r) : e;
}

static enum err
read_answer(struct arena *a, const struct ask *ask, struct str body,
	    struct reply *out)
{
	static const char *const names[] = {"data", "model"};
	struct json_value v[2];
	struct json_error fault;
	enum err e;

	if (!json_members(body, names, 2, v, &fault))
		return E_UP_BAD_RESPONSE;
	out->model = json_inside(v[1]);
	e = reply_vectors(a, ask, json_count(v[0]), out);
	return e == E_OK ? read_rows(a, ask, out, v[0]) : e;
}

const struct wire wire_openai_vectors = {
	.name = "openai",
	.native = &dialect_openai,
	.path = openai_path,
	.patch = openai_patch,
	.write = write_vectors,
	.parse_answer = openai_parse_answer,
	.parse_error = openai_parse_error,
	.read_answer = read_answer,
};
