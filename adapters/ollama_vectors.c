/* Vectors of Ollama's /api/embed. Called by the worker; pure. */
#include "adapters/vectors.h"
#include "adapters/wires.h"

static struct str
embed_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	(void)a;
	(void)ask;
	return str_ends(t->path, STR("/api")) ? STR("/embed")
					      : STR("/api/embed");
}

static enum err
write_vectors(struct writing *w)
{
	json_open(w->out, '{');
	json_name(w->out, "model");
	json_put_raw(w->out, w->target->model_json);
	vectors_put_texts(w, "input");
	vectors_put_truncate(w, "truncate");
	trait_put(w, TRAIT_DIMENSIONS, "dimensions");
	json_close(w->out, '}');
	return E_OK;
}

enum { A_VECTORS, A_INPUT, A_MODEL, A_ERROR, ANSWER };
static const char *const answer_names[ANSWER] = {
	"embeddings", "prompt_eval_count", "model", "error"};

static enum err
parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[A_ERROR].type != JSON_ABSENT && v[A_ERROR].type != JSON_NULL)
		return E_UP_SERVER_ERROR;
	if (json_count(v[A_VECTORS]) == 0)
		return E_UP_BAD_RESPONSE;
	out->usage = vectors_usage(v[A_INPUT]);
	out->content_bytes = 1;
	out->model = json_inside(v[A_MODEL]);
	return E_OK;
}

static enum err
read_answer(struct arena *a, const struct ask *ask, struct str body,
	    struct reply *out)
{
	struct json_value v[ANSWER];
	struct json_error fault;

	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	out->model = json_inside(v[A_MODEL]);
	return reply_vectors_of(a, ask, out, v[A_VECTORS]);
}

static void
parse_error(int status, struct str type, struct str body,
	    struct upstream_error *out)
{
	wire_ollama.parse_error(status, type, body, out);
}

const struct wire wire_ollama_vectors = {
	.name = "ollama",
	.path = embed_path,
	.write = write_vectors,
	.parse_answer = parse_answer,
	.parse_error = parse_error,
	.read_answer = read_answer,
};
