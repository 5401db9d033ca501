/*
 * What a request is routed by, of each client dialect: the first byte says
 * which. What is found lies inside of the body, and no more than was asked for.
 */
#include <stdlib.h>

#include "adapters/adapter.h"
#include "adapters/needs.h"
#include "adapters/prefix.h"

#define PREFIX 100u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_inside(struct str part, struct str whole)
{
	if (part.n > 0 &&
	    (part.p < whole.p || part.p + part.n > whole.p + whole.n))
		abort();
}

static void
look(const struct ask *ask)
{
	struct str span[4];
	unsigned n = ask_prefix(ask, PREFIX, span, ARRAY_LEN(span));
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		check_inside(span[i], ask->body);
		bytes += span[i].n;
	}
	check_inside(ask_user(ask), ask->body);
	if (n > ARRAY_LEN(span) || bytes > PREFIX ||
	    ask_needs(ask) > 2 * NEED_FILE - 1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dialect *const dialects[] = {
		&dialect_openai, &dialect_anthropic, &dialect_responses,
		&dialect_gemini};
	struct ask ask = {.kind = ASK_CHAT, .path = STR("m:generateContent")};
	const char *detail = NULL;
	struct arena a;

	if (size == 0)
		return 0;
	arena_init(&a);
	ask.body = str_make((const char *)data + 1, size - 1);
	if (dialects[data[0] % ARRAY_LEN(dialects)]->parse(&a, &ask, &detail) ==
	    E_OK)
		look(&ask);
	arena_free(&a);
	return 0;
}
