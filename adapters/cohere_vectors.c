/*
 * Vectors of Cohere's models, at Cohere and at Bedrock, which has their words
 * for a body of its own. Called by the worker; pure.
 */
#include "adapters/cohere.h"
#include "adapters/vectors.h"
#include "adapters/wires.h"

static struct str
embed_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	(void)a;
	(void)ask;
	return str_ends(t->path, STR("/v2")) ? STR("/embed") : STR("/v2/embed");
}

/* By task; there is no likeness as such. */
static const char *const words[] = {
	[TASK_UNSAID] = "search_document",
	[TASK_QUERY] = "search_query",
	[TASK_DOCUMENT] = "search_document",
	[TASK_SIMILARITY] = NULL,
	[TASK_CLASSIFICATION] = "classification",
	[TASK_CLUSTERING] = "clustering",
	[TASK_QUESTION] = "search_query",
	[TASK_FACT] = "search_query",
	[TASK_CODE] = "search_query",
};

void
cohere_put_vectors(struct writing *w, const char *cut)
{
	const char *task = vectors_task(w, words);

	vectors_put_texts(w, "texts");
	wire_put_word(w->out, "input_type", task ? task : "search_document");
	json_name(w->out, "embedding_types");
	json_put_raw(w->out, STR("[\"float\"]"));
	if (trait_take(w, TRAIT_TRUNCATE))
		wire_put_word(w->out, "truncate",
			      w->talk->vectors->truncate ? cut : "NONE");
}

static enum err
write_vectors(struct writing *w)
{
	json_open(w->out, '{');
	json_name(w->out, "model");
	json_put_raw(w->out, w->target->model_json);
	cohere_put_vectors(w, "END");
	trait_put(w, TRAIT_DIMENSIONS, "output_dimension");
	json_close(w->out, '}');
	return E_OK;
}

enum { A_VECTORS, A_META, ANSWER };
static const char *const answer_names[ANSWER] = {"embeddings", "meta"};

/* By type, or floats and nothing else. */
static struct json_value
floats_of(struct json_value vectors)
{
	return vectors.type == JSON_OBJECT ? json_get(vectors, "float")
					   : vectors;
}

enum err
cohere_parse_vectors(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER], units;
	struct json_error fault;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, answer_names, ANSWER, v, &fault) ||
	    json_count(floats_of(v[A_VECTORS])) == 0)
		return E_UP_BAD_RESPONSE;
	units = json_get(v[A_META], "billed_units");
	out->usage = vectors_usage(json_get(units, "input_tokens"));
	out->content_bytes = 1;
	return E_OK;
}

enum err
cohere_read_vectors(struct arena *a, const struct ask *ask, struct str body,
		    struct reply *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;

	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	return reply_vectors_of(a, ask, out, floats_of(v[A_VECTORS]));
}

static void
parse_error(int status, struct str type, struct str body,
	    struct upstream_error *out)
{
	wire_cohere.parse_error(status, type, body, out);
}

const struct wire wire_cohere_vectors = {
	.name = "cohere",
	.path = embed_path,
	.write = write_vectors,
	.parse_answer = cohere_parse_vectors,
	.parse_error = parse_error,
	.read_answer = cohere_read_vectors,
};
