/* adapters/ollama_vectors.c: exact bytes there, and what comes back. */
#include "tests/unit/adapters/vectors_way.h"

TEST(an_openai_client_embeds_at_ollama)
{
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_ollama_vectors,
			  .model = "nomic"};
	struct usage usage;

	CHECK_STR(path_of(&way, ""), "/api/embed");
	CHECK_STR(path_of(&way, "/api"), "/embed");
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":\"a \\\"b\\\"\"}"),
		  "{\"model\":\"nomic\",\"input\":[\"a \\\"b\\\"\"],"
		  "\"truncate\":false}");
	CHECK_STR(answered(&way,
			   "{\"model\":\"nomic\",\"embeddings\":[[0.10 ,-2e-3]"
			   "],\"prompt_eval_count\":5}",
			   &usage),
		  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
		  "\"index\":0,\"embedding\":[0.10 ,-2e-3]}],\"model\":\"m\","
		  "\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5,"
		  "\"cost\":0.0000015}}");
	CHECK(usage.present && usage.input == 5 && usage.output == 0);
	CHECK_STR(wrote(&way,
			"{\"model\":\"m\",\"input\":[\"a\",\"b\"],"
			"\"dimensions\":64,\"user\":\"u\",\"encoding_format\":"
			"\"float\"}"),
		  "{\"model\":\"nomic\",\"input\":[\"a\",\"b\"],\"truncate\":"
		  "false,\"dimensions\":64}");
	CHECK(str_eq(way.dropped, STR("user")));
}

TEST(a_gemini_client_embeds_at_ollama)
{
	struct way way = {.dialect = &dialect_gemini,
			  .wire = &wire_ollama_vectors,
			  .path = "m:batchEmbedContents",
			  .model = "nomic"};
	struct usage usage;

	CHECK_STR(wrote(&way,
			"{\"requests\":[{\"model\":\"models/m\",\"content\":{"
			"\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}],"
			"\"role\":\"user\"},\"taskType\":\"CLUSTERING\"},"
			"{\"content\":{\"parts\":{\"text\":\"c\"}}}]}"),
		  "{\"model\":\"nomic\",\"input\":[\"a\\nb\",\"c\"]}");
	CHECK(str_eq(way.dropped, STR("requests[].taskType")));
	CHECK_STR(answered(&way,
			   "{\"embeddings\":[[1],[2]],\"prompt_eval_count\":7}",
			   &usage),
		  "{\"embeddings\":[{\"values\":[1]},{\"values\":[2]}],"
		  "\"usageMetadata\":{\"promptTokenCount\":7}}");
	way.strict = true;
	CHECK_STR(wrote(&way,
			"{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			"\"a\"}]},\"taskType\":\"CLUSTERING\"}]}"),
		  "refused: requests[].taskType");
}

TEST(answers_that_are_none_are_refused)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"{\"error\":\"no\"}",
		"{\"embeddings\":[]}",
		"{\"embeddings\":[1]}",
		"{\"embeddings\":[[]]}",
		"{\"embeddings\":[[1,null]]}",
		"{\"embeddings\":[[1,[2]]]}",
		"{\"embeddings\":[[1],[2]]}",
		"{\"embeddings\":{\"a\":[1]}}",
	};
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_ollama_vectors,
			  .model = "nomic"};
	struct usage usage;

	(void)wrote(&way, "{\"model\":\"m\",\"input\":[\"a\"]}");
	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++)
		CHECK(str_starts(str_of(answered(&way, bodies[i], &usage)),
				 STR("no ")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(an_openai_client_embeds_at_ollama);
	RUN(a_gemini_client_embeds_at_ollama);
	RUN(answers_that_are_none_are_refused);
	arena_free(&arena);
	return tap_done();
}
