/* adapters/openai_vectors.c: a client and an upstream of OpenAI's words. */
#include "tests/unit/adapters/vectors_way.h"

static struct way
gemini_to_openai(void)
{
	return (struct way){.dialect = &dialect_gemini,
			    .wire = &wire_openai_vectors,
			    .path = "m:batchEmbedContents",
			    .model = "up"};
}

TEST(a_gemini_client_embeds_at_openai)
{
	struct way way = gemini_to_openai();
	struct usage usage;

	CHECK_STR(path_of(&way, ""), "/v1/embeddings");
	CHECK_STR(
		wrote(&way,
		      "{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
		      "\"a\"}]},\"title\":\"t\",\"outputDimensionality\":3},{"
		      "\"content\":{\"parts\":[{\"text\":\"b\"}]},"
		      "\"output_dimensionality\":3}]}"),
		"{\"model\":\"up\",\"input\":[\"a\",\"b\"],\"dimensions\":3}");
	CHECK(str_eq(way.dropped, STR("requests[].title")));
	/* rows in any order, and base64 though nobody asked for it */
	CHECK_STR(answered(&way,
			   "{\"object\":\"list\",\"data\":[{\"index\":1,"
			   "\"embedding\":[0.10,2]},{\"index\":0,\"embedding\":"
			   "\"zczMPQAAAEA=\"}],\"model\":\"up\",\"usage\":{"
			   "\"prompt_tokens\":8,\"total_tokens\":8}}",
			   &usage),
		  "{\"embeddings\":[{\"values\":[0.1,2]},{\"values\":[0.10,2]}"
		  "],\"usageMetadata\":{\"promptTokenCount\":8}}");
	CHECK(usage.present && usage.input == 8);
	way.quirks = QUIRK_OUTPUT_DIMENSION;
	CHECK_STR(
		wrote(&way, "{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			    "\"a\"}]},\"outputDimensionality\":3}]}"),
		"{\"model\":\"up\",\"input\":[\"a\"],\"output_dimension\":3}");
}

TEST(answers_with_holes_are_refused)
{
	static const char *const bodies[] = {
		"{\"data\":[{\"embedding\":[1]}]}",
		"{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":0,"
		"\"embedding\":[1]}]}",
		"{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":2,"
		"\"embedding\":[1]}]}",
		"{\"data\":[{\"index\":-1,\"embedding\":[1]},{\"index\":1,"
		"\"embedding\":[1]}]}",
		"{\"data\":[{\"embedding\":[1]},{\"embedding\":\"AAA=\"}]}",
		"{\"data\":[{\"embedding\":[1]},{\"embedding\":\"\"}]}",
		"{\"data\":[{\"embedding\":[1]},{\"embedding\":\"AADAfw==\"}]}",
		"{\"data\":[{\"embedding\":[1]},{\"embedding\":\"!\"}]}",
		"{\"data\":[{\"embedding\":[1]},{\"embedding\":null}]}",
		"{\"data\":[{\"embedding\":[1]},7]}",
		"{\"data\":[{\"embedding\":[1]},{\"embedding\":[true]}]}",
	};
	struct way way = gemini_to_openai();
	struct usage usage;

	(void)wrote(&way, "{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			  "\"a\"}]}},{\"content\":{\"parts\":[{\"text\":\"b\"}]"
			  "}}]}");
	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++)
		CHECK_STR(answered(&way, bodies[i], &usage), "no good answer");
}

TEST(a_clients_input_is_texts_or_tokens)
{
	static const struct {
		const char *more, *want;
	} cases[] = {
		{"\"input\":\"\"", "{\"model\":\"up\",\"input\":[\"\"]}"},
		{"\"input\":[\"a\",\"b\"]",
		 "{\"model\":\"up\",\"input\":[\"a\",\"b\"]}"},
		{"\"input\":[1, 2]", "{\"model\":\"up\",\"input\":[[1, 2]]}"},
		{"\"input\":[[1],[2,3]],\"user\":\"u\"",
		 "{\"model\":\"up\",\"input\":[[1],[2,3]],\"user\":\"u\"}"},
		{"\"input\":[]", "not read: input"},
		{"\"input\":{}", "not read: input"},
		{"\"input\":[\"a\",[1]]", "not read: input"},
		{"\"input\":[[1],\"a\"]", "not read: input"},
		{"\"input\":[1,\"a\"]", "not read: input"},
		{"\"input\":[1.5]", "not read: input"},
		{"\"input\":[[]]", "not read: input"},
		{"\"input\":[null]", "not read: input"},
		{"\"input\":\"a\",\"dimensions\":0", "not read: dimensions"},
		{"\"input\":\"a\",\"dimensions\":\"8\"",
		 "not read: dimensions"},
		{"\"input\":\"a\",\"encoding_format\":\"hex\"",
		 "not read: encoding_format"},
		{"\"input\":\"a\",\"encoding_format\":null,\"user\":null",
		 "{\"model\":\"up\",\"input\":[\"a\"]}"},
		{"\"input\":\"a\",\"other\":1", "refused: other"},
		{"\"input\":\"a\",\"stream\":false",
		 "{\"model\":\"up\",\"input\":[\"a\"]}"},
	};
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_openai_vectors,
			  .model = "up"};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(wrote(&way,
				text_of("", arena_printf(&arena,
							 "{\"model\":\"m\",%s}",
							 cases[i].more))),
			  cases[i].want);
}

TEST(mistral_has_another_name_for_the_size)
{
	struct ask ask = {.kind = ASK_EMBEDDINGS,
			  .body = STR("{\"model\":\"m\",\"input\":\"a\","
				      "\"dimensions\":8}")};
	struct target t = {.model_json = STR("\"up\""),
			   .quirks = adapter_find(STR("mistral"))->quirks};
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const char *detail;
	struct pieces p;

	CHECK_INT(dialect_openai.parse(&arena, &ask, &detail), E_OK);
	CHECK_INT(wire_openai_vectors.patch(&arena, &ask, &t, &p), E_OK);
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&out, p.iov[i].iov_base, p.iov[i].iov_len);
	CHECK(str_eq(buf_str(&out), STR("{\"model\":\"up\",\"input\":\"a\","
					"\"output_dimension\":8}")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_gemini_client_embeds_at_openai);
	RUN(answers_with_holes_are_refused);
	RUN(a_clients_input_is_texts_or_tokens);
	RUN(mistral_has_another_name_for_the_size);
	arena_free(&arena);
	return tap_done();
}
