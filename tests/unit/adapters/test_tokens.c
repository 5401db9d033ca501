/* adapters/tokens.c: estimates. */
#include <stdlib.h>

#include "adapters/adapter.h"
#include "adapters/tokens.h"
#include "tests/tap.h"

TEST(bytes_become_tokens_rounded_up)
{
	CHECK_INT(tokens_of_bytes(0, 4000), 0);
	CHECK_INT(tokens_of_bytes(1, 4000), 1);
	CHECK_INT(tokens_of_bytes(4, 4000), 1);
	CHECK_INT(tokens_of_bytes(5, 4000), 2);
	CHECK_INT(tokens_of_bytes(10, 3500), 3);
	CHECK_INT(tokens_of_bytes(10, 0), 3);
	CHECK(tokens_of_bytes(UINT64_MAX, 500) > 1000000);
}

TEST(an_embedded_picture_counts_as_a_file_and_not_as_text)
{
	struct arena arena;
	struct ask ask;
	const char *detail;
	CLEANUP(buf_free) struct buf body = BUF_INIT;

	arena_init(&arena);
	buf_add_cstr(&body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
			    "\"content\":[{\"type\":\"text\",\"text\":"
			    "\"what is this\"},{\"type\":\"image_url\","
			    "\"image_url\":{\"url\":\"data:image/png;base64,");
	for (int i = 0; i < 100000; i++)
		buf_add_char(&body, 'A');
	buf_add_cstr(&body, "\"}}]}]}");
	ask = (struct ask){.kind = ASK_CHAT, .body = buf_str(&body)};
	CHECK(dialect_openai.parse(&arena, &ask, &detail) == E_OK);
	CHECK(tokens_of_input(&ask, 4000) > TOKENS_PER_FILE);
	CHECK(tokens_of_input(&ask, 4000) < TOKENS_PER_FILE + 100);
	arena_free(&arena);
}

TEST(system_text_and_tools_count_as_input)
{
	struct ask ask = {.input = {JSON_STRING, STR("\"12345678\"")},
			  .more = {{JSON_STRING, STR("\"1234\"")},
				   {JSON_ARRAY, STR("[{}]")}}};

	CHECK_INT(tokens_of_input(&ask, 1000), 20);
}

/* Large enough to be walked; `text` stands in it a thousand times. */
static uint64_t
tokens_of_many(const char *text)
{
	CLEANUP(buf_free) struct buf input = BUF_INIT;
	struct ask ask = {.kind = ASK_EMBEDDINGS};

	buf_add_char(&input, '[');
	for (int i = 0; i < 1000; i++)
		buf_printf(&input, "%s%s", i ? " , " : "", text);
	buf_add_char(&input, ']');
	ask.input = (struct json_value){JSON_ARRAY, buf_str(&input)};
	return tokens_of_input(&ask, 1000);
}

TEST(values_count_and_names_and_structure_do_not)
{
	CHECK_INT(tokens_of_many("\"eight888\""), 8000);
	CHECK_INT(tokens_of_many("\"a\\\"b]{:\""), 7000);
	CHECK_INT(tokens_of_many("{\"a name\" :\t\"value\"}"), 5000);
	CHECK_INT(tokens_of_many("[12345, -1.5, true]"), 13000);
	CHECK_INT(tokens_of_many("[[[[\"deep\"]]],{}]     "), 4000);
	CHECK_INT(tokens_of_many("{\"data\":[\"short\"]}"), 5000);
}

int
main(void)
{
	RUN(system_text_and_tools_count_as_input);
	RUN(values_count_and_names_and_structure_do_not);
	RUN(bytes_become_tokens_rounded_up);
	RUN(an_embedded_picture_counts_as_a_file_and_not_as_text);
	return tap_done();
}
