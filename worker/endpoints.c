/* THE table of endpoints. */
#include "worker/endpoints.h"

#include "adapters/service.h"
#include "worker/request.h"

#define INFERENCE(path_, kind_)                                        \
	{                                                              \
		.path = (path_), .post = true, .route = ROUTE_##kind_, \
		.dialect = &dialect_openai, .kind = ASK_##kind_,       \
		.note = ENDPOINT_##kind_                               \
	}

#define GEMINI(path_, kind_)                                           \
	{                                                              \
		.path = (path_), .post = true, .route = ROUTE_##kind_, \
		.dialect = &dialect_gemini, .kind = ASK_##kind_,       \
		.note = ENDPOINT_##kind_                               \
	}

#define SERVICE(path_, route_, which_, note_)                     \
	{                                                         \
		.path = (path_), .post = true, .route = (route_), \
		.dialect = &dialect_openai, .kind = ASK_SERVICE,  \
		.note = (note_), .service = &service_##which_     \
	}

#define COUNT_TOKENS(path_, dialect_)                                 \
	{                                                             \
		.path = (path_), .post = true, .route = ROUTE_TOKENS, \
		.dialect = (dialect_), .kind = ASK_COUNT              \
	}

static const struct endpoint endpoints[] = {
	INFERENCE("/v1/chat/completions", CHAT),
	INFERENCE("/v1/completions", COMPLETIONS),
	INFERENCE("/v1/embeddings", EMBEDDINGS),
	{.path = "/v1/messages",
	 .post = true,
	 .route = ROUTE_MESSAGES,
	 .dialect = &dialect_anthropic,
	 .kind = ASK_CHAT,
	 .note = ENDPOINT_MESSAGES},
	COUNT_TOKENS("/v1/messages/count_tokens", &dialect_anthropic),
	GEMINI("/v1beta/models/*:generateContent", CHAT),
	GEMINI("/v1beta/models/*:streamGenerateContent", CHAT),
	GEMINI("/v1/models/*:generateContent", CHAT),
	GEMINI("/v1/models/*:streamGenerateContent", CHAT),
	GEMINI("/v1beta/models/*:embedContent", EMBEDDINGS),
	GEMINI("/v1beta/models/*:batchEmbedContents", EMBEDDINGS),
	GEMINI("/v1/models/*:embedContent", EMBEDDINGS),
	GEMINI("/v1/models/*:batchEmbedContents", EMBEDDINGS),
	COUNT_TOKENS("/v1beta/models/*:countTokens", &dialect_gemini),
	COUNT_TOKENS("/v1/models/*:countTokens", &dialect_gemini),
	{.path = "/v1beta/models", .route = ROUTE_MODELS, .page = page_models},
	{.path = "/v1beta/models/",
	 .flags = ENDPOINT_PREFIX,
	 .route = ROUTE_MODELS,
	 .page = page_model},
	{.path = "/v1/responses",
	 .post = true,
	 .route = ROUTE_RESPONSES,
	 .dialect = &dialect_responses,
	 .kind = ASK_CHAT,
	 .note = ENDPOINT_RESPONSES},
	{.path = "/v1/responses/",
	 .flags = ENDPOINT_PREFIX | ENDPOINT_ANY,
	 .route = ROUTE_RESPONSES,
	 .page = page_stored},
	SERVICE("/v1/images/generations", ROUTE_IMAGES, images,
		ENDPOINT_IMAGES),
	SERVICE("/v1/images/edits", ROUTE_IMAGES, image_edits,
		ENDPOINT_IMAGE_EDITS),
	SERVICE("/v1/images/variations", ROUTE_IMAGES, image_variations,
		ENDPOINT_IMAGE_VARIATIONS),
	SERVICE("/v1/audio/transcriptions", ROUTE_AUDIO, transcriptions,
		ENDPOINT_TRANSCRIPTIONS),
	SERVICE("/v1/audio/translations", ROUTE_AUDIO, translations,
		ENDPOINT_TRANSLATIONS),
	SERVICE("/v1/audio/speech", ROUTE_AUDIO, speech, ENDPOINT_SPEECH),
	SERVICE("/v1/moderations", ROUTE_MODERATIONS, moderations,
		ENDPOINT_MODERATIONS),
	SERVICE("/v1/rerank", ROUTE_RERANK, rerank, ENDPOINT_RERANK),
	SERVICE("/v2/rerank", ROUTE_RERANK, rerank_v2, ENDPOINT_RERANK),
	{.path = "/v1/models", .route = ROUTE_MODELS, .page = page_models},
	{.path = "/v1/models/",
	 .flags = ENDPOINT_PREFIX,
	 .route = ROUTE_MODELS,
	 .page = page_model},
	{.path = "/v1/balance", .route = ROUTE_BALANCE, .page = page_balance},
	{.path = "/v1/usage", .route = ROUTE_BALANCE, .page = page_usage},
	{.path = "/v1/receipts/key",
	 .flags = ENDPOINT_NO_KEY,
	 .route = ROUTE_OTHER,
	 .page = page_receipt_key},
	{.path = "/healthz",
	 .flags = ENDPOINT_NO_KEY,
	 .route = ROUTE_OTHER,
	 .page = page_healthz},
	{.path = "/readyz",
	 .flags = ENDPOINT_NO_KEY,
	 .route = ROUTE_OTHER,
	 .page = page_readyz},
};

static const struct {
	const char *prefix;
	const struct dialect *dialect;
} prefixes[] = {
	{"/v1/messages", &dialect_anthropic},
	{"/v1beta/", &dialect_gemini},
};

const struct dialect *
endpoint_dialect(const struct http_head *head)
{
	for (unsigned i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(head->path, str_of(prefixes[i].prefix)))
			return prefixes[i].dialect;
	if (http_get(head, "anthropic-version").n > 0)
		return &dialect_anthropic;
	if (http_get(head, "x-goog-api-key").n > 0)
		return &dialect_gemini;
	return &dialect_openai;
}

static bool
path_fits(const struct endpoint *e, struct str path)
{
	if (e->flags & ENDPOINT_PREFIX)
		return path.n > strlen(e->path) &&
		       str_starts(path, str_of(e->path));
	return str_glob(str_of(e->path), path);
}

static bool
method_fits(const struct endpoint *e, enum http_method method)
{
	if (e->flags & ENDPOINT_ANY)
		return true;
	if (e->post)
		return method == HTTP_POST;
	return method == HTTP_GET || method == HTTP_HEAD;
}

const struct endpoint *
endpoint_find(struct str path, enum http_method method, bool *method_ok)
{
	for (unsigned i = 0; i < ARRAY_LEN(endpoints); i++) {
		if (!path_fits(&endpoints[i], path))
			continue;
		*method_ok = method_fits(&endpoints[i], method);
		return &endpoints[i];
	}
	return NULL;
}
