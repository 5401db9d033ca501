#include "base/json.h"
#include "tests/tap.h"

static struct json_value
string(const char *raw)
{
	struct json_value v;

	CHECK(json_valid(str_of(raw), &v, NULL));
	return v;
}

static const struct {
	const char *raw;
	struct str text;
} cases[] = {
	{"\"\"", {"", 0}},
	{"\"abc\"", {"abc", 3}},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}},
	{"\"a\\u0000b\"", {"a\0b", 3}},
	{"\"\\u00e4\\u4e2D\"", {"\xc3\xa4\xe4\xb8\xad", 5}},
	{"\"x\\ud83d\\ude00y\"", {"x\xf0\x9f\x98\x80y", 6}},
	{"\"\\udbff\\udfff\"", {"\xf4\x8f\xbf\xbf", 4}},
	{"\"\xe4\xb8\xad\"", {"\xe4\xb8\xad", 3}},
	{"\"\\uFFFF\\u007f\\u0080\"", {"\xef\xbf\xbf\x7f\xc2\x80", 6}},
};

TEST(strings_are_unescaped_measured_and_compared)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_free) struct buf b = BUF_INIT;
		struct json_value v = string(cases[i].raw);

		CHECK(json_unescape(v, &b));
		CHECK(str_eq(buf_str(&b), cases[i].text));
		CHECK_INT(json_str_bytes(v), cases[i].text.n);
		CHECK(json_str_eq(v.raw, cases[i].text));
		CHECK(!json_str_eq(v.raw, STR("other")));
	}
}

TEST(a_part_is_not_the_whole)
{
	CHECK(!json_str_eq(STR("\"abc\""), STR("ab")));
	CHECK(!json_str_eq(STR("\"ab\""), STR("abc")));
	CHECK(!json_str_eq(STR("\"\""), STR("a")));
	CHECK(json_str_eq(STR("\"\""), STR_NONE));
	CHECK(!json_str_eq(STR("\"a\\n\""), STR("a\\n")));
	CHECK(json_str_eq(STR("\"a\\n\""), STR("a\n")));
}

TEST(a_lone_surrogate_counts_three_and_is_no_text)
{
	static const char *const lone[] = {
		"\"\\ud800\"",	      "\"\\udc00\"",	    "\"\\ud800a\"",
		"\"\\ud800\\u0041\"", "\"\\udc00\\ud800\"", "\"\\ud800\\n\"",
	};
	static const size_t bytes[] = {3, 3, 4, 4, 6, 4};

	for (size_t i = 0; i < ARRAY_LEN(lone); i++) {
		CLEANUP(buf_free) struct buf b = BUF_INIT;

		CHECK(!json_unescape(string(lone[i]), &b));
		CHECK_INT(json_str_bytes(string(lone[i])), bytes[i]);
		CHECK(!json_str_eq(str_of(lone[i]), STR("\xef\xbf\xbd")));
	}
}

TEST(what_is_no_string_has_no_text)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;

	CHECK(!json_unescape(string("12"), &b));
	CHECK(!json_unescape(string("[\"a\"]"), &b));
	CHECK_INT(json_str_bytes(string("12")), 0);
}

int
main(void)
{
	RUN(strings_are_unescaped_measured_and_compared);
	RUN(a_part_is_not_the_whole);
	RUN(a_lone_surrogate_counts_three_and_is_no_text);
	RUN(what_is_no_string_has_no_text);
	return tap_done();
}
