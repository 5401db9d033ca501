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
	CHECK(dialect_openai.parse(&arena, ASK_CHAT, buf_str(&body), &ask,
				   &detail) == E_OK);
	CHECK(tokens_of_input(&ask, 4000) > TOKENS_PER_FILE);
	CHECK(tokens_of_input(&ask, 4000) < TOKENS_PER_FILE + 100);
	arena_free(&arena);
}

int
main(void)
{
	RUN(bytes_become_tokens_rounded_up);
	RUN(an_embedded_picture_counts_as_a_file_and_not_as_text);
	return tap_done();
}
