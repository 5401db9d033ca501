/* THE table of providers. */
#include "adapters/adapter.h"
#include "adapters/openai.h"

#define OPENAI_WIRE                                                 \
	.build = openai_build, .parse_answer = openai_parse_answer, \
	.parse_event = openai_parse_event, .parse_error = openai_parse_error

static const struct adapter adapters[] = {
	{.name = "openai", OPENAI_WIRE},
	{.name = "demo", .flags = ADAPTER_EMBEDDED, OPENAI_WIRE},
};

const struct adapter *
adapter_find(struct str provider)
{
	for (unsigned i = 0; i < ARRAY_LEN(adapters); i++)
		if (str_eq(str_of(adapters[i].name), provider))
			return &adapters[i];
	return NULL;
}

const struct adapter *
adapter_at(unsigned i)
{
	return i < ARRAY_LEN(adapters) ? &adapters[i] : NULL;
}
