/* adapters/closed.c: objects of schemas get their end. */
#include "adapters/closed.h"
#include "tests/tap.h"

static bool
becomes(const char *schema, const char *wanted)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_value root;
	struct json_error fault;
	struct json_out out;

	CHECK(json_valid(str_of(schema), &root, &fault));
	json_out_init(&out, &text);
	json_put_closed(&out, root);
	return str_eq(buf_str(&text), str_of(wanted));
}

TEST(every_object_is_closed)
{
	CHECK(becomes("{\"type\":\"object\"}",
		      "{\"type\":\"object\",\"additionalProperties\":false}"));
	CHECK(becomes(
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
		"\"array\",\"items\":{\"type\":\"object\"}},\"b\":{"
		"\"anyOf\":[{\"type\":\"object\"},{\"type\":\"null\"}]}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
		"\"array\",\"items\":{\"type\":\"object\","
		"\"additionalProperties\":false}},\"b\":{\"anyOf\":[{"
		"\"type\":\"object\",\"additionalProperties\":false},{"
		"\"type\":\"null\"}]}},\"additionalProperties\":false}"));
}

TEST(what_is_said_stays)
{
	CHECK(becomes("{\"type\":\"object\",\"additionalProperties\":true}",
		      "{\"type\":\"object\",\"additionalProperties\":true}"));
	CHECK(becomes("{\"type\":\"string\",\"enum\":[\"object\"]}",
		      "{\"type\":\"string\",\"enum\":[\"object\"]}"));
}

TEST(a_member_that_is_called_like_a_keyword_is_none)
{
	CHECK(becomes("{\"properties\":{\"items\":{\"type\":\"object\"}}}",
		      "{\"properties\":{\"items\":{\"type\":\"object\","
		      "\"additionalProperties\":false}}}"));
	CHECK(becomes("{\"default\":{\"type\":\"object\"}}",
		      "{\"default\":{\"type\":\"object\"}}"));
}

TEST(what_is_no_schema_is_copied)
{
	CHECK(becomes("true", "true"));
	CHECK(becomes("{\"items\":[1],\"properties\":7,\"type\":5}",
		      "{\"items\":[1],\"properties\":7,\"type\":5}"));
}

int
main(void)
{
	RUN(every_object_is_closed);
	RUN(what_is_said_stays);
	RUN(a_member_that_is_called_like_a_keyword_is_none);
	RUN(what_is_no_schema_is_copied);
	return tap_done();
}
