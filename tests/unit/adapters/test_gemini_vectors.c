/* adapters/gemini_vectors.c: a client and an upstream of Gemini's words. */
#include "tests/unit/adapters/vectors_way.h"

static struct way
gemini_to(const struct wire *wire, const char *path, const char *model)
{
	return (struct way){.dialect = &dialect_gemini,
			    .wire = wire,
			    .path = path,
			    .model = model};
}

/* The client's bytes for an upstream of its own dialect. */
static const char *
patched(const char *path, const char *model, const char *body)
{
	struct ask ask = {.kind = ASK_EMBEDDINGS,
			  .body = str_of(body),
			  .path = str_of(path)};
	struct target t = {.model = str_of(model)};
	const char *detail = "";
	struct str all = STR("");
	struct pieces p;

	if (dialect_gemini.parse(&arena, &ask, &detail) != E_OK)
		return text_of("not parsed: ", str_of(detail));
	if (wire_gemini_vectors.patch(&arena, &ask, &t, &p) != E_OK)
		return "no memory";
	for (unsigned i = 0; i < p.n; i++)
		all = arena_printf(&arena, "%.*s%.*s", STR_ARG(all),
				   (int)p.iov[i].iov_len,
				   (const char *)p.iov[i].iov_base);
	return all.p;
}

TEST(its_own_bytes_go_on_but_for_the_model)
{
	static const char single[] =
		"{ \"content\" : {\"parts\":[{\"text\":\"a\"}]}, \"x\":1e400}";

	CHECK_STR(patched("m:embedContent", "up", single), single);
	CHECK_STR(patched("m:embedContent", "up",
			  "{\"model\": \"models/m\", \"content\":{}}"),
		  "{\"model\": \"models/up\", \"content\":{}}");
	CHECK_STR(
		patched("m:batchEmbedContents", "up",
			"{\"requests\": [ {\"model\":\"models/m\",\"content\""
			":{\"parts\":[{\"text\":\"m\"}]},\"y\": 1.0},{"
			"\"content\":{},\"model\":\"m\"}, {\"content\":{}}] }"),
		"{\"requests\": [ {\"model\":\"models/up\",\"content\":{"
		"\"parts\":[{\"text\":\"m\"}]},\"y\": 1.0},{\"content\":{},"
		"\"model\":\"models/up\"}, {\"content\":{}}] }");
	CHECK_STR(patched("m:embedContent", "tunedModels/x",
			  "{\"model\":\"m\",\"content\":{}}"),
		  "{\"model\":\"tunedModels/x\",\"content\":{}}");
}

TEST(another_model_in_the_body_is_refused)
{
	CHECK_STR(patched("m:embedContent", "up",
			  "{\"model\":\"models/dear\",\"content\":{}}"),
		  "not parsed: model");
	CHECK_STR(patched("m:batchEmbedContents", "up",
			  "{\"requests\":[{\"model\":\"models/dear\","
			  "\"content\":{}}]}"),
		  "not parsed: requests[].model");
	CHECK_STR(patched("m:batchEmbedContents", "up", "{}"),
		  "not parsed: requests");
	CHECK_STR(patched("m:batchEmbedContents", "up", "{\"requests\":[]}"),
		  "not parsed: requests");
	CHECK_STR(patched("m:batchEmbedContents", "up", "{\"requests\":[1]}"),
		  "not parsed: requests");
	CHECK_STR(patched("m:embedContent", "up", "{\"content\":3}"),
		  "not parsed: content");
	CHECK_STR(patched("m:embedContent", "up", "{}"), "not parsed: content");
}

TEST(only_the_text_counts_as_input)
{
	struct ask ask = {.kind = ASK_EMBEDDINGS,
			  .path = STR("m:batchEmbedContents")};
	const char *detail;

	ask.body = STR("{\"requests\":[{\"model\":\"models/m\",\"content\":{"
		       "\"parts\":[{\"text\":\"four\"},{\"text\":\"\\u0034\"}]}"
		       ",\"taskType\":\"CLUSTERING\"},{\"content\":{\"parts\":"
		       "[{\"text\":\"abc\"}]}}]}");
	CHECK_INT(dialect_gemini.parse(&arena, &ask, &detail), E_OK);
	CHECK_INT(ask.text_bytes, 8);
	ask.body = STR("{\"requests\":[{\"content\":{\"parts\":[{\"inlineData\""
		       ":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}]}}]}");
	CHECK_INT(dialect_gemini.parse(&arena, &ask, &detail), E_OK);
	CHECK_INT(ask.text_bytes, 0);
}

TEST(an_openai_client_embeds_at_gemini)
{
	struct way way = {.dialect = &dialect_openai,
			  .wire = &wire_gemini_vectors,
			  .model = "gemini-embedding-001"};
	struct usage usage;

	CHECK_STR(path_of(&way, ""),
		  "/v1beta/models/gemini-embedding-001:batchEmbedContents");
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[\"a\",\"\\ud83d\"],"
			      "\"dimensions\":2,\"input_type\":\"document\"}"),
		  "{\"requests\":[{\"model\":\"models/gemini-embedding-001\","
		  "\"content\":{\"parts\":[{\"text\":\"a\"}]},\"taskType\":"
		  "\"RETRIEVAL_DOCUMENT\",\"outputDimensionality\":2},{"
		  "\"model\":\"models/gemini-embedding-001\",\"content\":{"
		  "\"parts\":[{\"text\":\"\\ud83d\"}]},\"taskType\":"
		  "\"RETRIEVAL_DOCUMENT\",\"outputDimensionality\":2}]}");
	CHECK_STR(answered(&way,
			   "{\"embeddings\":[{\"values\":[1,2]},{\"values\":[3,"
			   "4]}]}",
			   &usage),
		  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
		  "\"index\":0,\"embedding\":[1,2]},{\"object\":\"embedding\","
		  "\"index\":1,\"embedding\":[3,4]}],\"model\":\"m\","
		  "\"usage\":{\"prompt_tokens\":0,\"total_tokens\":0,"
		  "\"estimated\":true,\"cost\":0.0000015}}");
	CHECK(!usage.present);
	(void)answered(&way,
		       "{\"embeddings\":[{\"values\":[1]},{\"values\":[3]}],"
		       "\"usageMetadata\":{\"promptTokenCount\":6}}",
		       &usage);
	CHECK(usage.present && usage.input == 6);
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":[[1,2]]}"),
		  "refused: input");
	CHECK_STR(answered(&way, "{\"error\":{\"code\":500}}", &usage),
		  "no answer");
}

TEST(what_has_no_place_elsewhere_is_refused_by_name)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{"{\"content\":{\"parts\":[{\"inlineData\":{}}]}}",
		 "refused: content.parts[].inlineData"},
		{"{\"content\":{\"parts\":[]}}", "not read: content.parts"},
		{"{\"content\":{\"parts\":[{\"text\":1}]}}",
		 "not read: content.parts[].text"},
		{"{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"taskType\":"
		 "\"OTHER\"}",
		 "refused: taskType"},
		{"{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
		 "\"outputDimensionality\":0}",
		 "not read: outputDimensionality"},
		{"{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
		 "\"outputDimensionality\":1,\"embedContentConfig\":{"
		 "\"outputDimensionality\":1}}",
		 "not read: outputDimensionality"},
		{"{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
		 "\"embedContentConfig\":{\"documentOcr\":true}}",
		 "refused: embedContentConfig.documentOcr"},
		{"{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"new\":1}",
		 "refused: new"},
	};
	struct way way = gemini_to(&wire_openai_vectors, "m:embedContent", "u");

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(wrote(&way, cases[i].body), cases[i].want);
	way.path = "m:batchEmbedContents";
	CHECK_STR(wrote(&way,
			"{\"requests\":[{\"content\":{\"parts\":[{\"text\":"
			"\"a\"}]},\"outputDimensionality\":1},{\"content\":{"
			"\"parts\":[{\"text\":\"a\"}]}}]}"),
		  "refused: requests[].outputDimensionality");
}

TEST(where_there_are_no_vectors_the_input_is_refused)
{
	const struct wire *wire = adapter_wire(adapter_find(STR("anthropic")),
					       &dialect_gemini, ASK_EMBEDDINGS);
	struct way way = gemini_to(wire, "m:batchEmbedContents", "u");

	CHECK_STR(wrote(&way, "{\"requests\":[{\"content\":{\"parts\":[{"
			      "\"text\":\"a\"}]}}]}"),
		  "refused: requests");
	way.path = "m:embedContent";
	CHECK_STR(wrote(&way, "{\"content\":{\"parts\":[{\"text\":\"a\"}]}}"),
		  "refused: content");
	way.dialect = &dialect_openai;
	CHECK_STR(wrote(&way, "{\"model\":\"m\",\"input\":\"a\"}"),
		  "refused: input");
}

int
main(void)
{
	arena_init(&arena);
	RUN(its_own_bytes_go_on_but_for_the_model);
	RUN(another_model_in_the_body_is_refused);
	RUN(only_the_text_counts_as_input);
	RUN(an_openai_client_embeds_at_gemini);
	RUN(what_has_no_place_elsewhere_is_refused_by_name);
	RUN(where_there_are_no_vectors_the_input_is_refused);
	arena_free(&arena);
	return tap_done();
}
