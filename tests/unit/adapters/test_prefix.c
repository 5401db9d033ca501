/* What conversations begin with, and whom they are for. */
#include "adapters/adapter.h"
#include "adapters/prefix.h"
#include "tests/tap.h"

static struct arena arena;

static struct ask
parsed(const struct dialect *d, const char *body)
{
	struct ask ask = {.kind = ASK_CHAT, .body = str_of(body)};
	const char *detail = NULL;

	CHECK_INT(d->parse(&arena, &ask, &detail), E_OK);
	return ask;
}

/* The spans, one after another. */
static const char *
prefix(const struct dialect *d, const char *body, size_t bytes)
{
	static char text[1024];
	struct ask ask = parsed(d, body);
	struct str span[4];
	unsigned n = ask_prefix(&ask, bytes, span, ARRAY_LEN(span));
	size_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		memcpy(text + at, span[i].p, span[i].n);
		at += span[i].n;
	}
	text[at] = '\0';
	return text;
}

#define SYSTEM	       "{\"role\":\"system\",\"content\":\"s\"}"
#define USER	       "{\"role\":\"user\",\"content\":\"u\"}"
#define CHAT(messages) "{\"model\":\"m\",\"messages\":[" messages "]}"

TEST(it_ends_with_the_first_question)
{
	CHECK_STR(prefix(&dialect_openai, CHAT(SYSTEM "," USER), 999),
		  SYSTEM USER);
	CHECK_STR(
		prefix(&dialect_openai,
		       CHAT(SYSTEM "," USER ",{\"role\":\"assistant\"}," USER),
		       999),
		SYSTEM USER);
	CHECK_STR(prefix(&dialect_openai, CHAT(SYSTEM "," USER), 9),
		  "{\"role\":\"");
	CHECK_STR(prefix(&dialect_openai, CHAT("1,null," USER), 999),
		  "1null" USER);
	CHECK_STR(prefix(&dialect_openai, CHAT("1,2,3,4,5,6,7"), 999), "1234");
}

TEST(tools_and_system_text_come_first)
{
	CHECK_STR(prefix(&dialect_anthropic,
			 "{\"model\":\"m\",\"max_tokens\":1,\"system\":\"s\","
			 "\"messages\":[" USER "],\"tools\":[1]}",
			 999),
		  "[1]\"s\"" USER);
	CHECK_STR(prefix(&dialect_responses,
			 "{\"model\":\"m\",\"input\":\"hi\","
			 "\"instructions\":\"s\"}",
			 999),
		  "\"s\"\"hi\"");
}

static void
is_for(const char *more, const char *name)
{
	static char body[256];
	struct ask ask;
	struct str s;

	(void)snprintf(body, sizeof(body),
		       " {\"model\":\"m\",\"messages\":[]%s}", more);
	ask = parsed(&dialect_openai, body);
	s = ask_user(&ask);
	CHECK(str_eq(s, str_of(name)));
}

TEST(the_client_says_whom_it_is_for)
{
	is_for("", "");
	is_for(",\"user\":\"u1\"", "\"u1\"");
	is_for(",\"user\":\"u1\",\"prompt_cache_key\":\"k\"", "\"k\"");
	is_for(",\"metadata\":{\"user_id\":\"u2\"}", "\"u2\"");
	is_for(",\"metadata\":{\"user_id\":7},\"user\":\"\"", "");
	is_for(",\"metadata\":[],\"user\":{}", "");
}

TEST(what_is_no_conversation_has_none)
{
	struct ask ask = {.kind = ASK_EMBEDDINGS, .body = STR("not JSON")};
	struct str span[1];

	CHECK_INT(ask_prefix(&ask, 99, span, 1), 0);
	CHECK_INT(ask_user(&ask).n, 0);
}

int
main(void)
{
	arena_init(&arena);
	RUN(it_ends_with_the_first_question);
	RUN(tools_and_system_text_come_first);
	RUN(the_client_says_whom_it_is_for);
	RUN(what_is_no_conversation_has_none);
	arena_free(&arena);
	return tap_done();
}
