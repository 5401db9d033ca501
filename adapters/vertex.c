/*
 * Google's Vertex AI: models of several publishers below a project and a
 * place. Gemini's are asked as everywhere; those of Anthropic by its own
 * messages, but the model stands in the path and the version in the body.
 * Called by way of the registry; pure.
 */
#include "adapters/anthropic.h"
#include "adapters/gemini.h"

/* base_url may or may not end in a version already. */
static struct str
vertex_path(struct arena *a, const struct target *t, const char *publisher,
	    struct str model, struct str action)
{
	bool version = str_ends(t->path, STR("/v1")) ||
		       str_ends(t->path, STR("/v1beta1"));
	struct str place = t->region.n > 0 ? t->region : STR("global");

	return arena_printf(a,
			    "%s/projects/%.*s/locations/%.*s/publishers/%s/"
			    "models/%.*s%.*s",
			    version ? "" : "/v1", STR_ARG(t->project),
			    STR_ARG(place), publisher, STR_ARG(model),
			    STR_ARG(action));
}

/* Those that are not of the older kinds. */
bool
vertex_embeds(struct str model)
{
	return str_starts(model, STR("gemini-")) &&
	       !str_starts(model, STR("gemini-embedding-001"));
}

struct str
vertex_gemini_path(struct arena *a, const struct ask *ask,
		   const struct target *t)
{
	struct str action = gemini_action(ask);

	/* vectors are made by other methods there */
	if (ask->kind == ASK_EMBEDDINGS)
		action = vertex_embeds(t->model) ? STR(":embedContent")
						 : STR(":predict");
	if (!action.p)
		return STR_NONE;
	return vertex_path(a, t, "google", t->model, action);
}

struct str
vertex_anthropic_path(struct arena *a, const struct ask *ask,
		      const struct target *t)
{
	switch (ask->kind) {
	case ASK_CHAT:
		return vertex_path(a, t, "anthropic", t->model,
				   ask->stream ? STR(":streamRawPredict")
					       : STR(":rawPredict"));
	case ASK_COUNT:
		return vertex_path(a, t, "anthropic", STR("count-tokens"),
				   STR(":rawPredict"));
	case ASK_COMPLETIONS:
	case ASK_EMBEDDINGS:
	case ASK_SERVICE:
	case ASK_KINDS: break;
	}
	return STR_NONE;
}
