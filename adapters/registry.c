/* THE table of providers. */
#include "adapters/adapter.h"

static const struct adapter adapters[] = {
	{.name = "openai", .wire = &wire_openai},
	{.name = "anthropic", .wire = &wire_anthropic, .auth = AUTH_X_API_KEY},
	{.name = "gemini", .wire = &wire_gemini, .auth = AUTH_GOOG_KEY},
	{.name = "bedrock", .wire = &wire_bedrock, .auth = AUTH_AWS},
	{.name = "ollama", .wire = &wire_ollama},
	{.name = "cohere", .wire = &wire_cohere},
	{.name = "demo", .flags = ADAPTER_EMBEDDED, .wire = &wire_openai},
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
adapter_wire(const struct adapter *ad, const struct dialect *dialect)
{
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
