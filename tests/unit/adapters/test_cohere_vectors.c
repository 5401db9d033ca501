/* adapters/cohere_vectors.c: exact bytes there, and what comes back. */
#include "tests/unit/adapters/vectors_way.h"

TEST(an_openai_client_embeds_at_cohere)
{
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_cohere_vectors,
			  .model = "embed-v4.0"};
	struct usage usage;

	CHECK_STR(path_of(&way, ""), "/v2/embed");
	CHECK_STR(path_of(&way, "/x/v2"), "/embed");
	CHECK_STR(wrote(&way,
			"{\"input\":[\"a\",\"b\"],\"model\":\"m\","
			"\"dimensions\":256,\"encoding_format\":\"base64\"}"),
		  "{\"model\":\"embed-v4.0\",\"texts\":[\"a\",\"b\"],"
		  "\"input_type\":\"search_document\",\"embedding_types\":["
		  "\"float\"],\"truncate\":\"NONE\",\"output_dimension\":256}");
	CHECK(way.dropped.n == 0);
	CHECK_STR(answered(&way,
			   "{\"id\":\"x\",\"embeddings\":{\"float\":[[1,-0.5],"
			   "[0.1,2]]},\"texts\":[\"a\",\"b\"],\"meta\":{"
			   "\"billed_units\":{\"input_tokens\":9}}}",
			   &usage),
		  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
		  "\"index\":0,\"embedding\":\"AACAPwAAAL8=\"},{\"object\":"
		  "\"embedding\",\"index\":1,\"embedding\":\"zczMPQAAAEA=\"}],"
		  "\"model\":\"m\",\"usage\":{\"prompt_tokens\":9,"
		  "\"total_tokens\":9,\"cost\":0.0000015}}");
	CHECK(usage.present && usage.input == 9);
	/* nothing said of the usage: an estimate, which says so */
	CHECK(strstr(answered(&way, "{\"embeddings\":{\"float\":[[1],[2]]}}",
			      &usage),
		     "\"estimated\":true") != NULL);
}

TEST(tasks_are_input_types)
{
	static const struct {
		const char *task, *type, *dropped;
	} cases[] = {
		{"search_query", "search_query", ""},
		{"RETRIEVAL_DOCUMENT", "search_document", ""},
		{"classification", "classification", ""},
		{"CLUSTERING", "clustering", ""},
		{"QUESTION_ANSWERING", "search_query", ""},
		{"CODE_RETRIEVAL_QUERY", "search_query", ""},
		{"SEMANTIC_SIMILARITY", "search_document", "input_type"},
	};
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_cohere_vectors,
			  .model = "embed-v4.0"};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const char *body = text_of(
			"", arena_printf(&arena,
					 "{\"model\":\"m\",\"input\":\"a\","
					 "\"input_type\":\"%s\"}",
					 cases[i].task));
		const char *want = text_of(
			"", arena_printf(&arena, "\"input_type\":\"%s\"",
					 cases[i].type));

		CHECK(strstr(wrote(&way, body), want) != NULL);
		CHECK(str_eq(way.dropped, str_of(cases[i].dropped)));
	}
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":\"a\","
			      "\"input_type\":\"no such\"}"),
		  "refused: input_type");
}

TEST(a_gemini_client_has_one_task_for_all)
{
	struct way way = {.dialect = &dialect_gemini,
			  .wire = &wire_cohere_vectors,
			  .path = "m:batchEmbedContents",
			  .model = "embed-v4.0"};

	CHECK_STR(wrote(&way,
			"{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			"\"a\"}]},\"task_type\":\"RETRIEVAL_QUERY\"},{"
			"\"content\":{\"parts\":[{\"text\":\"b\"}]},"
			"\"taskType\":\"RETRIEVAL_QUERY\"}]}"),
		  "{\"model\":\"embed-v4.0\",\"texts\":[\"a\",\"b\"],"
		  "\"input_type\":\"search_query\",\"embedding_types\":["
		  "\"float\"]}");
	CHECK_STR(wrote(&way,
			"{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			"\"a\"}]},\"taskType\":\"RETRIEVAL_QUERY\"},{"
			"\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}"),
		  "refused: requests[].taskType");
}

int
main(void)
{
	arena_init(&arena);
	RUN(an_openai_client_embeds_at_cohere);
	RUN(tasks_are_input_types);
	RUN(a_gemini_client_has_one_task_for_all);
	arena_free(&arena);
	return tap_done();
}
