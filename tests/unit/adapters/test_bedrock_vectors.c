/* adapters/bedrock_vectors.c: bodies of two makers, and what comes back. */
#include "tests/unit/adapters/vectors_way.h"

TEST(titan_embeds_one_text_a_call)
{
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_bedrock_vectors,
			  .model = "amazon.titan-embed-text-v2:0"};
	struct usage usage;

	CHECK_STR(path_of(&way, ""),
		  "/model/amazon.titan-embed-text-v2%3A0/invoke");
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[\"a\"],"
			      "\"dimensions\":256}"),
		  "{\"inputText\":\"a\",\"dimensions\":256}");
	CHECK_STR(answered(&way,
			   "{\"embedding\":[0.5,1],\"embeddingsByType\":{"
			   "\"float\":[0.5,1]},\"inputTextTokenCount\":3}",
			   &usage),
		  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
		  "\"index\":0,\"embedding\":[0.5,1]}],\"model\":\"m\","
		  "\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3,"
		  "\"cost\":0.0000015}}");
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}"),
		  "refused: input[1]");
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[1,2]}"),
		  "refused: input");
	way.model = "amazon.titan-embed-text-v1";
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":\"a\","
			      "\"dimensions\":256}"),
		  "refused: dimensions");
}

TEST(coheres_models_take_their_own_words)
{
	struct way way = {.dialect = &dialect_gemini,
			  .wire = &wire_bedrock_vectors,
			  .path = "m:embedContent",
			  .model = "us.cohere.embed-v4:0"};
	struct usage usage;
	const char *body = "{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
			   "\"outputDimensionality\":512}";

	CHECK_STR(wrote(&way, body),
		  "{\"texts\":[\"a\"],\"input_type\":\"search_document\","
		  "\"embedding_types\":[\"float\"],\"output_dimension\":512}");
	/* as each of its versions says it */
	CHECK_STR(
		answered(&way, "{\"embeddings\":{\"float\":[[1,2]]}}", &usage),
		"{\"embedding\":{\"values\":[1,2]},\"usageMetadata\":{"
		"\"promptTokenCount\":0}}");
	CHECK_STR(answered(&way,
			   "{\"embeddings\":[[1,2]],\"response_type\":"
			   "\"embeddings_floats\"}",
			   &usage),
		  "{\"embedding\":{\"values\":[1,2]},\"usageMetadata\":{"
		  "\"promptTokenCount\":0}}");
	CHECK(!usage.present);
	CHECK_STR(wire_bedrock_vectors.count_field,
		  "x-amzn-bedrock-input-token-count");
	CHECK(strstr(wrote(&way, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
				 "\"embedContentConfig\":{\"autoTruncate\":true"
				 "}}"),
		     "\"truncate\":\"RIGHT\"") != NULL);
	way.model = "cohere.embed-english-v3";
	CHECK_STR(wrote(&way, body), "refused: outputDimensionality");
}

TEST(a_model_that_makes_no_vectors_is_not_asked)
{
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_bedrock_vectors,
			  .model = "anthropic.claude-x"};

	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":\"a\"}"),
		  "refused: input");
}

int
main(void)
{
	arena_init(&arena);
	RUN(titan_embeds_one_text_a_call);
	RUN(coheres_models_take_their_own_words);
	RUN(a_model_that_makes_no_vectors_is_not_asked);
	arena_free(&arena);
	return tap_done();
}
