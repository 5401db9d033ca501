/* adapters/gemini_json.c: names in two spellings, schemas in two forms. */
#include "adapters/gemini.h"
#include "tests/tap.h"

static struct arena arena;

static struct json_value
value_of(const char *text)
{
	struct json_value v = {JSON_ABSENT, STR_NONE};

	CHECK(json_valid(str_of(text), &v, NULL));
	return v;
}

TEST(names_come_in_two_spellings)
{
	CHECK(gemini_name(STR("\"topK\""), "topK"));
	CHECK(gemini_name(STR("\"top_k\""), "topK"));
	CHECK(gemini_name(STR("\"top\\u004b\""), "topK"));
	CHECK(!gemini_name(STR("\"topk\""), "topK"));
	CHECK(!gemini_name(STR("\"top_K\""), "topK"));
}

TEST(members_are_picked_and_what_is_odd_is_named)
{
	static const char *const names[] = {"topK", "maxOutputTokens"};
	struct json_value v[2];
	struct str odd;

	CHECK(gemini_pick(value_of("{\"x\":1,\"max_output_tokens\":5,"
				   "\"topK\":null,\"y\":2}"),
			  names, 2, v, &odd));
	CHECK(v[0].type == JSON_ABSENT);
	CHECK(str_eq(v[1].raw, STR("5")));
	CHECK(str_eq(odd, STR("x")));
	CHECK(!gemini_pick(value_of("{\"topK\":1,\"top_k\":2}"), names, 2, v,
			   &odd));
	CHECK(str_eq(odd, STR("top_k")));
	CHECK(gemini_pick(value_of("[1]"), names, 2, v, &odd));
	CHECK(v[0].type == JSON_ABSENT && odd.n == 0);
}

TEST(a_list_of_one_may_lack_its_brackets)
{
	static const char *const lists[] = {"[{}]", "{}"};
	struct gemini_list l;
	struct json_value v;

	for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
		l = gemini_list(value_of(lists[i]));
		CHECK(gemini_list_next(&l, &v) && v.type == JSON_OBJECT);
		CHECK(!gemini_list_next(&l, &v));
	}
	l = gemini_list(value_of("null"));
	CHECK(!gemini_list_next(&l, &v));
	l = gemini_list((struct json_value){JSON_ABSENT, STR_NONE});
	CHECK(!gemini_list_next(&l, &v));
}

TEST(a_schema_of_openapi_becomes_json_schema)
{
	static const char *const cases[][2] = {
		{"{\"type\":\"OBJECT\",\"properties\":{\"type\":{\"type\":"
		 "\"STRING\",\"nullable\":true},\"n\":{\"type\":\"ARRAY\","
		 "\"items\":{\"type\":\"INTEGER\"},\"minItems\":\"1\","
		 "\"max_items\":3}},\"required\":[\"n\"],"
		 "\"propertyOrdering\":[\"n\"]}",
		 "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":"
		 "[\"string\",\"null\"]},\"n\":{\"type\":\"array\","
		 "\"items\":{\"type\":\"integer\"},\"minItems\":1,"
		 "\"maxItems\":3}},\"required\":[\"n\"]}"},
		{"{\"anyOf\":[{\"type\":\"NUMBER\"},{\"type\":\"BOOLEAN\"}],"
		 "\"nullable\":true}",
		 "{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"boolean\"},"
		 "{\"type\":\"null\"}]}"},
		{"{\"type\":\"STRING\",\"format\":\"enum\",\"enum\":[\"A\"],"
		 "\"nullable\":true}",
		 "{\"type\":[\"string\",\"null\"],\"enum\":[\"A\",null]}"},
		{"{\"type\":\"TYPE_UNSPECIFIED\",\"x\":[1]}", "{\"x\":[1]}"},
		{"{\"type\":[\"string\",\"null\"],\"additionalProperties\":"
		 "false,\"$defs\":{\"a\":true}}",
		 "{\"type\":[\"string\",\"null\"],\"additionalProperties\":"
		 "false,\"$defs\":{\"a\":true}}"},
		{"{\"type\":3,\"properties\":4,\"anyOf\":\"x\",\"enum\":{}}",
		 "{\"type\":3,\"properties\":4,\"anyOf\":\"x\",\"enum\":{}}"},
	};

	arena_init(&arena);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_value v =
			gemini_schema(&arena, value_of(cases[i][0]));

		CHECK(v.type == JSON_OBJECT);
		CHECK_STR(v.raw.p, cases[i][1]);
	}
	arena_free(&arena);
}

TEST(a_model_tells_its_generation)
{
	CHECK_INT(gemini_generation(STR("gemini-2.5-flash")), 2);
	CHECK_INT(gemini_generation(STR("models/gemini-3-pro-preview")), 3);
	CHECK_INT(gemini_generation(STR("gemini-flash-latest")), 0);
	CHECK_INT(gemini_generation(STR("gemini-")), 0);
	CHECK_INT(gemini_generation(STR("gpt-4o")), 0);
}

int
main(void)
{
	RUN(names_come_in_two_spellings);
	RUN(members_are_picked_and_what_is_odd_is_named);
	RUN(a_list_of_one_may_lack_its_brackets);
	RUN(a_schema_of_openapi_becomes_json_schema);
	RUN(a_model_tells_its_generation);
	return tap_done();
}
