/* adapters/vertex_vectors.c: both of its methods. */
#include "tests/unit/adapters/vectors_way.h"

TEST(older_models_predict)
{
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_vertex_vectors,
			  .model = "text-embedding-005"};
	struct usage usage;

	CHECK_STR(path_of(&way, ""),
		  "/v1/projects/p/locations/eu/publishers/google/models/"
		  "text-embedding-005:predict");
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[\"a\",\"b\"],"
			      "\"dimensions\":64,\"input_type\":\"query\"}"),
		  "{\"instances\":[{\"content\":\"a\",\"task_type\":"
		  "\"RETRIEVAL_QUERY\"},{\"content\":\"b\",\"task_type\":"
		  "\"RETRIEVAL_QUERY\"}],\"parameters\":{"
		  "\"outputDimensionality\":64,\"autoTruncate\":false}}");
	CHECK_STR(answered(&way,
			   "{\"predictions\":[{\"embeddings\":{\"values\":[1],"
			   "\"statistics\":{\"truncated\":false,"
			   "\"token_count\":3.0}}},{\"embeddings\":{"
			   "\"statistics\":{\"token_count\":4},\"values\":[2]}}"
			   "],\"metadata\":{\"billableCharacterCount\":2}}",
			   &usage),
		  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
		  "\"index\":0,\"embedding\":[1]},{\"object\":\"embedding\","
		  "\"index\":1,\"embedding\":[2]}],\"model\":\"m\","
		  "\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7,"
		  "\"cost\":0.0000015}}");
	CHECK(usage.present && usage.input == 7);
	/* one that does not say leaves all unsaid */
	(void)answered(&way,
		       "{\"predictions\":[{\"embeddings\":{\"values\":[1],"
		       "\"statistics\":{\"token_count\":3}}},{\"embeddings\":{"
		       "\"values\":[2]}}]}",
		       &usage);
	CHECK(!usage.present);
	CHECK_STR(answered(&way,
			   "{\"predictions\":[{\"embeddings\":{\"values\":[1]}"
			   "}]}",
			   &usage),
		  "no good answer");
}

TEST(tasks_and_titles_stand_with_each_text)
{
	struct way way = {.dialect = &dialect_gemini,
			  .wire = &wire_vertex_vectors,
			  .path = "m:batchEmbedContents",
			  .model = "gemini-embedding-001"};

	CHECK_STR(wrote(&way,
			"{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			"\"a\"}]},\"taskType\":\"RETRIEVAL_DOCUMENT\","
			"\"title\":\"t\"},{\"content\":{\"parts\":[{\"text\":"
			"\"b\"}]},\"taskType\":\"RETRIEVAL_QUERY\"}]}"),
		  "{\"instances\":[{\"content\":\"a\",\"task_type\":"
		  "\"RETRIEVAL_DOCUMENT\",\"title\":\"t\"},{\"content\":\"b\","
		  "\"task_type\":\"RETRIEVAL_QUERY\"}],\"parameters\":{}}");
	CHECK(way.dropped.n == 0);
}

TEST(newer_models_embed_one_content)
{
	struct way way = {.dialect = &dialect_gemini,
			  .wire = &wire_vertex_vectors,
			  .path = "m:embedContent",
			  .model = "gemini-embedding-2"};
	struct usage usage;

	CHECK_STR(path_of(&way, "/v1"),
		  "/projects/p/locations/eu/publishers/google/models/"
		  "gemini-embedding-2:embedContent");
	CHECK_STR(wrote(&way,
			"{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
			"\"embedContentConfig\":{\"taskType\":\"CLUSTERING\","
			"\"title\":\"t\",\"outputDimensionality\":8,"
			"\"autoTruncate\":true,\"documentOcr\":false}}"),
		  "{\"content\":{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}"
		  "]},\"embedContentConfig\":{\"outputDimensionality\":8,"
		  "\"autoTruncate\":true,\"taskType\":\"CLUSTERING\","
		  "\"title\":\"t\"}}");
	CHECK_STR(answered(&way,
			   "{\"embedding\":{\"values\":[1,2]},"
			   "\"usageMetadata\":{\"promptTokenCount\":4}}",
			   &usage),
		  "{\"embedding\":{\"values\":[1,2]},\"usageMetadata\":{"
		  "\"promptTokenCount\":4}}");
	way.dialect = &dialect_openai;
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}"),
		  "refused: input[1]");
}

int
main(void)
{
	arena_init(&arena);
	RUN(older_models_predict);
	RUN(tasks_and_titles_stand_with_each_text);
	RUN(newer_models_embed_one_content);
	arena_free(&arena);
	return tap_done();
}
