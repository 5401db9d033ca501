/*
 * Vectors at Vertex AI: older models predict them for a list of instances,
 * newer ones embed one content at a time. Called by the worker; pure.
 */
#include "adapters/gemini.h"
#include "adapters/vectors.h"

/* ---- requests ---- */

static void
put_task(struct json_out *o, const char *name, const struct vector_input *in)
{
	const char *task = vector_task_word(in->task);

	if (!task)
		return;
	json_name(o, name);
	json_put_str(o, str_of(task));
}

static void
put_title(struct json_out *o, const struct vector_input *in)
{
	if (in->title.n > 0)
		json_put_member(o, "title", in->title);
}

static void
put_instances(struct writing *w)
{
	const struct vectors *v = w->talk->vectors;
	struct json_out *o = w->out;

	json_name(o, "instances");
	json_open(o, '[');
	for (const struct vector_input *in = v->inputs; in; in = in->next) {
		if (in->tokens.type != JSON_ABSENT)
			writing_refuse(w, v->field);
		json_open(o, '{');
		json_put_member(o, "content", in->text);
		put_task(o, "task_type", in);
		put_title(o, in);
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void
put_wishes(struct writing *w, const char *name)
{
	json_name(w->out, name);
	json_open(w->out, '{');
	trait_put(w, TRAIT_DIMENSIONS, "outputDimensionality");
	vectors_put_truncate(w, "autoTruncate");
}

static void
put_content(struct writing *w)
{
	const struct vector_input *in = w->talk->vectors->inputs;
	struct json_out *o = w->out;
	struct str text = vectors_only_text(w);

	json_name(o, "content");
	buf_add_cstr(o->buf, "{\"role\":\"user\",\"parts\":[{\"text\":\"");
	buf_add_str(o->buf, text);
	buf_add_cstr(o->buf, "\"}]}");
	o->comma = true;
	put_wishes(w, "embedContentConfig");
	if (in) {
		put_task(o, "taskType", in);
		put_title(o, in);
	}
	json_close(o, '}');
}

static enum err
write_vectors(struct writing *w)
{
	(void)trait_take(w, TRAIT_TASK);
	(void)trait_take(w, TRAIT_TITLE);
	json_open(w->out, '{');
	if (vertex_embeds(w->target->model)) {
		put_content(w);
	} else {
		put_instances(w);
		put_wishes(w, "parameters");
		json_close(w->out, '}');
	}
	json_close(w->out, '}');
	return E_OK;
}

/* ---- answers ---- */

/* Models that embed answer as Gemini does. */
enum { A_ONE, A_MANY, A_ERROR, ANSWER };
static const char *const answer_names[ANSWER] = {"embedding", "predictions",
						 "error"};

/* Each says what it was made of; one that does not leaves all unsaid. */
static struct usage
sum_of(struct json_value predictions)
{
	struct gemini_list l = gemini_list(predictions);
	struct json_value one, count;
	struct usage all = {.present = true}, u;

	while (gemini_list_next(&l, &one)) {
		one = json_get(json_get(one, "embeddings"), "statistics");
		count = json_get(one, "token_count");
		u = vectors_usage(count);
		if (!u.present || all.input > UINT64_MAX / 8)
			return (struct usage){.present = false};
		all.input += u.input;
	}
	return all;
}

static enum err
parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;

	*out = (struct answer){0};
	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[A_ONE].type == JSON_OBJECT)
		return wire_gemini_vectors.parse_answer(ask, body, out);
	if (v[A_ERROR].type == JSON_OBJECT)
		return E_UP_SERVER_ERROR;
	if (json_count(v[A_MANY]) == 0)
		return E_UP_BAD_RESPONSE;
	out->usage = sum_of(v[A_MANY]);
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
	if (v[A_ONE].type == JSON_OBJECT)
		return wire_gemini_vectors.read_answer(a, ask, body, out);
	e = reply_vectors(a, ask, MAX_OF(json_count(v[A_MANY]), 1u), out);
	for (l = gemini_list(v[A_MANY]);
	     e == E_OK && gemini_list_next(&l, &one);)
		e = reply_vector(
			a, ask, out, at++,
			json_get(json_get(one, "embeddings"), "values"));
	return e == E_OK ? reply_vectors_end(out) : e;
}

const struct wire wire_vertex_vectors = {
	.name = "vertex",
	.path = vertex_gemini_path,
	.write = write_vectors,
	.parse_answer = parse_answer,
	.parse_error = gemini_parse_error,
	.read_answer = read_answer,
};
