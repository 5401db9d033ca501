/* THE table of providers. */
#include "adapters/gemini.h"
#include "adapters/openai.h"
#include "adapters/responses.h"

/* What most who call themselves compatible with OpenAI are late with. */
#define OLDER (QUIRK_MAX_TOKENS | QUIRK_SYSTEM)

static const struct adapter adapters[] = {
	{.name = "openai",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .also = {&wire_responses}},
	{.name = "openai-responses",
	 .wire = &wire_responses,
	 .vectors = &wire_openai_vectors},
	{.name = "azure-responses",
	 .wire = &wire_responses,
	 .auth = AUTH_API_KEY,
	 .path = responses_azure_path},
	{.name = "anthropic", .wire = &wire_anthropic, .auth = AUTH_X_API_KEY},
	{.name = "azure",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .auth = AUTH_API_KEY,
	 .path = openai_azure_path},
	{.name = "deepseek",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON | QUIRK_THOUGHTS},
	{.name = "qwen",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON | QUIRK_TOP_K | QUIRK_THINK_SWITCH},
	{.name = "mistral",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON | QUIRK_RANDOM_SEED | QUIRK_CHOICE_ANY |
		   QUIRK_USAGE_ALWAYS | QUIRK_SHORT_IDS |
		   QUIRK_OUTPUT_DIMENSION},
	{.name = "vllm",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON | QUIRK_TOP_K | QUIRK_THOUGHTS},
	{.name = "openrouter",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_TOP_K | QUIRK_CACHE_MARKS | QUIRK_DETAILS},
	{.name = "groq",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = QUIRK_SYSTEM | QUIRK_COMMON},
	{.name = "together",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON | QUIRK_TOP_K},
	{.name = "fireworks",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON | QUIRK_TOP_K},
	{.name = "xai",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = QUIRK_COMMON},
	{.name = "ollama-openai",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_COMMON},
	{.name = "compatible",
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors,
	 .quirks = OLDER | QUIRK_TOP_K | QUIRK_CACHE_MARKS | QUIRK_THOUGHTS |
		   QUIRK_SIGNATURES},
	{.name = "gemini",
	 .wire = &wire_gemini,
	 .vectors = &wire_gemini_vectors,
	 .auth = AUTH_GOOG_KEY},
	{.name = "vertex",
	 .wire = &wire_gemini,
	 .vectors = &wire_vertex_vectors,
	 .quirks = QUIRK_NO_CALL_IDS,
	 .auth = AUTH_GOOGLE,
	 .path = vertex_gemini_path},
	{.name = "vertex-anthropic",
	 .wire = &wire_anthropic,
	 .quirks = QUIRK_VERTEX,
	 .auth = AUTH_GOOGLE,
	 .path = vertex_anthropic_path},
	{.name = "bedrock",
	 .wire = &wire_bedrock,
	 .vectors = &wire_bedrock_vectors,
	 .auth = AUTH_AWS},
	{.name = "ollama",
	 .wire = &wire_ollama,
	 .vectors = &wire_ollama_vectors},
	{.name = "cohere",
	 .wire = &wire_cohere,
	 .vectors = &wire_cohere_vectors},
	{.name = "demo",
	 .flags = ADAPTER_EMBEDDED,
	 .wire = &wire_openai,
	 .vectors = &wire_openai_vectors},
};

const struct adapter *
adapter_find(struct str provider)
{
	for (unsigned i = 0; i < ARRAY_LEN(adapters); i++)
		if (str_eq(str_of(adapters[i].name), provider))
			return &adapters[i];
	return NULL;
}

const struct wire *
adapter_wire(const struct adapter *ad, const struct dialect *dialect,
	     enum ask_kind kind)
{
	if (kind == ASK_EMBEDDINGS)
		return ad->vectors ? ad->vectors : &wire_no_vectors;
	for (unsigned i = 0; i < ARRAY_LEN(ad->also) && ad->also[i]; i++)
		if (ad->also[i]->native == dialect)
			return ad->also[i];
	return ad->wire;
}

const struct adapter *
adapter_at(unsigned i)
{
	return i < ARRAY_LEN(adapters) ? &adapters[i] : NULL;
}
