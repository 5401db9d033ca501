/*
 * Vectors at Bedrock: a model is invoked with a body of its maker's words.
 * Amazon's own take one text a call. What is hard: how much input there was
 * stands in the answer's head where Cohere's model made it. Called by the
 * worker; pure.
 */
#include "adapters/cohere.h"
#include "adapters/vectors.h"

/* Of ids, and of profiles, which have a place in front. */
static bool
has_word(struct str model, const char *word)
{
	return str_search(model, str_of(word)) >= 0;
}

static struct str
invoke_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	struct str model = arena_percent(a, t->model);

	(void)ask;
	if (!model.p)
		return STR_NONE;
	return arena_printf(a, "/model/%.*s/invoke", STR_ARG(model));
}

/* The first of its kind always makes vectors of one size. What is too long is
 * refused, never cut. */
static void
put_titan(struct writing *w)
{
	struct str text = vectors_only_text(w);

	json_put_member(w->out, "inputText", text);
	if (has_word(w->target->model, "embed-text-v2"))
		trait_put(w, TRAIT_DIMENSIONS, "dimensions");
	if (!w->talk->vectors->truncate)
		(void)trait_take(w, TRAIT_TRUNCATE);
}

static enum err
write_vectors(struct writing *w)
{
	struct str model = w->target->model;

	json_open(w->out, '{');
	if (has_word(model, "amazon.titan-embed-")) {
		put_titan(w);
	} else if (has_word(model, "cohere.embed-")) {
		bool older = has_word(model, "-v3");

		cohere_put_vectors(w, older ? "END" : "RIGHT");
		if (!older)
			trait_put(w, TRAIT_DIMENSIONS, "output_dimension");
	} else {
		writing_refuse(w, w->talk->vectors->field);
	}
	json_close(w->out, '}');
	return E_OK;
}

enum { A_ONE, A_INPUT, ANSWER };
static const char *const answer_names[ANSWER] = {"embedding",
						 "inputTextTokenCount"};

static enum err
parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;

	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[A_ONE].type != JSON_ARRAY)
		return cohere_parse_vectors(ask, body, out);
	*out = (struct answer){.content_bytes = 1};
	out->usage = vectors_usage(v[A_INPUT]);
	return E_OK;
}

static enum err
read_answer(struct arena *a, const struct ask *ask, struct str body,
	    struct reply *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;
	enum err e;

	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[A_ONE].type != JSON_ARRAY)
		return cohere_read_vectors(a, ask, body, out);
	e = reply_vectors(a, ask, 1, out);
	if (e == E_OK)
		e = reply_vector(a, ask, out, 0, v[A_ONE]);
	return e == E_OK ? reply_vectors_end(out) : e;
}

static void
parse_error(int status, struct str type, struct str body,
	    struct upstream_error *out)
{
	wire_bedrock.parse_error(status, type, body, out);
}

const struct wire wire_bedrock_vectors = {
	.name = "bedrock",
	.path = invoke_path,
	.write = write_vectors,
	.parse_answer = parse_answer,
	.parse_error = parse_error,
	.read_answer = read_answer,
	.count_field = "x-amzn-bedrock-input-token-count",
};
