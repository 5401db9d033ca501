#include <stdlib.h>

#include "base/json.h"
#include "tests/tap.h"

/* A copy of exactly its bytes, so that a sanitizer sees any read beyond. */
static enum json_fault
fault_of(struct str text, size_t *at)
{
	char *copy = malloc(text.n ? text.n : 1);
	struct json_error e = {JSON_FINE, 0, NULL};
	struct json_value v;
	bool valid;

	if (text.n)
		memcpy(copy, text.p, text.n);
	valid = json_valid(str_make(copy, text.n), &v, &e);
	CHECK(valid == (e.fault == JSON_FINE));
	CHECK(valid == (v.type != JSON_ABSENT));
	free(copy);
	*at = e.at;
	return e.fault;
}

static enum json_fault
members_fault(struct str text)
{
	const char *const names[] = {"model", "messages"};
	char *copy = malloc(text.n ? text.n : 1);
	struct json_value v[2];
	struct json_error e;

	memcpy(copy, text.p, text.n);
	CHECK(json_members(str_make(copy, text.n), names, 2, v, &e) ==
	      (e.fault == JSON_FINE));
	free(copy);
	return e.fault;
}

static const struct {
	const char *text;
	enum json_fault fault;
	size_t at;
} cases[] = {
	{"{}", JSON_FINE, 2},
	{" [ ] ", JSON_FINE, 5},
	{"\"\"", JSON_FINE, 2},
	{"0", JSON_FINE, 1},
	{"-0.0e-0", JSON_FINE, 7},
	{"1E+2", JSON_FINE, 4},
	{"true", JSON_FINE, 4},
	{"[null,false,{\"a\":[1,2,{\"b\":\"c\"}]}]", JSON_FINE, 34},
	{"{\"a\":1,\"a\":2}", JSON_FINE, 13},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00aF\"", JSON_FINE, 24},
	{"\"\\ud800\"", JSON_FINE, 8},
	{"\"\x7f\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\"", JSON_FINE, 12},
	{"", JSON_EMPTY, 0},
	{" \r\n\t", JSON_EMPTY, 4},
	{"{", JSON_TRUNCATED, 1},
	{"[1", JSON_TRUNCATED, 2},
	{"[1,", JSON_TRUNCATED, 3},
	{"{\"a\"", JSON_TRUNCATED, 4},
	{"{\"a\":", JSON_TRUNCATED, 5},
	{"{\"a\":1,", JSON_TRUNCATED, 7},
	{"\"abc", JSON_TRUNCATED, 4},
	{"\"abc\\", JSON_TRUNCATED, 5},
	{"\"\\u12", JSON_TRUNCATED, 5},
	{"-", JSON_TRUNCATED, 1},
	{"1.", JSON_TRUNCATED, 2},
	{"1e", JSON_TRUNCATED, 2},
	{"1e+", JSON_TRUNCATED, 3},
	{"tru", JSON_TRUNCATED, 3},
	{"[1,]", JSON_SYNTAX, 3},
	{"[,1]", JSON_SYNTAX, 1},
	{"{,}", JSON_SYNTAX, 1},
	{"{\"a\":1,}", JSON_SYNTAX, 7},
	{"{\"a\" 1}", JSON_SYNTAX, 5},
	{"{a:1}", JSON_SYNTAX, 1},
	{"{'a':1}", JSON_SYNTAX, 1},
	{"{1:1}", JSON_SYNTAX, 1},
	{"[1}", JSON_SYNTAX, 2},
	{"{\"a\":1]", JSON_SYNTAX, 6},
	{"[1 2]", JSON_SYNTAX, 3},
	{"[NaN]", JSON_SYNTAX, 1},
	{"[Infinity]", JSON_SYNTAX, 1},
	{"+1", JSON_SYNTAX, 0},
	{".5", JSON_SYNTAX, 0},
	{"trUe", JSON_SYNTAX, 2},
	{"[1] // x", JSON_TRAILING, 4},
	{"\xef\xbb\xbf{}", JSON_SYNTAX, 0},
	{"[\v1]", JSON_SYNTAX, 1},
	{"}", JSON_SYNTAX, 0},
	{"{} {}", JSON_TRAILING, 3},
	{"1 2", JSON_TRAILING, 2},
	{"nullx", JSON_TRAILING, 4},
	{"\"a\"\"b\"", JSON_TRAILING, 3},
	{"01", JSON_BAD_NUMBER, 1},
	{"-01", JSON_BAD_NUMBER, 2},
	{"1.2.3", JSON_BAD_NUMBER, 3},
	{"1..2", JSON_BAD_NUMBER, 2},
	{"-a", JSON_BAD_NUMBER, 1},
	{"1.e5", JSON_BAD_NUMBER, 2},
	{"1ee5", JSON_BAD_NUMBER, 2},
	{"0x10", JSON_TRAILING, 1},
	{"\"a\nb\"", JSON_BAD_STRING, 2},
	{"\"a\tb\"", JSON_BAD_STRING, 2},
	{"\"\\x41\"", JSON_BAD_STRING, 1},
	{"\"\\u12g4\"", JSON_BAD_STRING, 1},
	{"\"\\U1234\"", JSON_BAD_STRING, 1},
	{"\"ab\xff\"", JSON_BAD_UTF8, 3},
	{"\"ab\xc3\"", JSON_BAD_UTF8, 3},
	{"\"\xed\xa0\x80\"", JSON_BAD_UTF8, 1},
	{"\"\xc0\xaf\"", JSON_BAD_UTF8, 1},
	{"{\"\xff\":1}", JSON_BAD_UTF8, 2},
};

TEST(each_text_has_its_fault_and_its_place)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t at;
		enum json_fault f = fault_of(str_of(cases[i].text), &at);

		if (f != cases[i].fault || at != cases[i].at)
			printf("# %s\n", cases[i].text);
		CHECK_INT(f, cases[i].fault);
		CHECK_INT(at, cases[i].at);
		CHECK(json_fault_text(f)[0] != '\0');
	}
}

TEST(a_nul_byte_is_no_space_and_no_end)
{
	size_t at;

	CHECK_INT(fault_of(STR("{}\0"), &at), JSON_TRAILING);
	CHECK_INT(fault_of(STR("\0{}"), &at), JSON_SYNTAX);
	CHECK_INT(fault_of(STR("[1,\0]"), &at), JSON_SYNTAX);
	CHECK_INT(fault_of(STR("\"a\0b\""), &at), JSON_BAD_STRING);
	CHECK_INT(at, 2);
}

TEST(depth_is_64_and_no_more)
{
	char text[300];
	size_t at;

	for (int depth = 1; depth <= 100; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		CHECK_INT(fault_of(str_make(text, 2 * (size_t)depth), &at),
			  depth <= JSON_DEPTH ? JSON_FINE : JSON_TOO_DEEP);
	}
	CHECK_INT(at, JSON_DEPTH);
}

TEST(a_hundred_thousand_brackets_are_refused_at_once)
{
	static char text[100000];
	size_t at;

	memset(text, '[', sizeof(text));
	CHECK_INT(fault_of(str_make(text, sizeof(text)), &at), JSON_TOO_DEEP);
	for (size_t i = 0; i < sizeof(text); i += 5)
		memcpy(text + i, "{\"a\":", 5);
	CHECK_INT(fault_of(str_make(text, sizeof(text)), &at), JSON_TOO_DEEP);
}

static const struct str request = {
	"{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":"
	"\"line\\none \\u00e4 \xe4\xb8\xad \\ud83d\\ude00 [\\\"}{]\"},{\"a\":"
	"[[],{}, -1.5e+10 ,true,null]}],\"stream\": true , \"max_tokens\":16}",
	0};

TEST(every_beginning_of_a_request_is_unfinished)
{
	struct str text = str_of(request.p);
	size_t at;

	CHECK_INT(fault_of(text, &at), JSON_FINE);
	for (size_t n = 1; n < text.n; n++) {
		enum json_fault f = fault_of(str_make(text.p, n), &at);

		CHECK(f == JSON_TRUNCATED || f == JSON_BAD_UTF8);
		CHECK(at <= n);
		CHECK_INT(members_fault(str_make(text.p, n)), f);
	}
}

/* Whatever one byte is changed to, the reader agrees with itself. */
TEST(any_changed_byte_is_read_the_same_in_all_ways_in)
{
	struct str text = str_of(request.p);
	char *copy = malloc(text.n);
	const char *const names[] = {"model", "stream"};
	struct json_value v[2];
	bool same = true;

	for (size_t i = 0; i < text.n; i++)
		for (unsigned c = 0; c < 256; c++) {
			struct json_error a, b;
			struct str t = str_make(copy, text.n);

			memcpy(copy, text.p, text.n);
			copy[i] = (char)c;
			same = same && json_valid(t, NULL, &a) ==
					       (a.fault == JSON_FINE);
			same = same && json_members(t, names, 2, v, &b) ==
					       (b.fault == JSON_FINE);
			same = same && (a.fault == b.fault ||
					b.fault == JSON_DUPLICATE ||
					b.fault == JSON_NOT_OBJECT);
		}
	CHECK(same);
	free(copy);
}

static bool
raw_is(struct json_value v, const char *raw)
{
	return str_eq(v.raw, str_of(raw));
}

TEST(wanted_members_are_found_as_they_were_written)
{
	const char *const names[] = {"model", "stream", "max_tokens", "absent",
				     "messages"};
	struct json_value v[5];

	CHECK(json_members(str_of(request.p), names, 5, v, NULL));
	CHECK(v[0].type == JSON_STRING && raw_is(v[0], "\"gpt-4o\""));
	CHECK(v[1].type == JSON_TRUE && raw_is(v[1], "true"));
	CHECK(v[2].type == JSON_NUMBER && raw_is(v[2], "16"));
	CHECK(v[3].type == JSON_ABSENT);
	CHECK(v[4].type == JSON_ARRAY && v[4].raw.p[0] == '[' &&
	      v[4].raw.p[v[4].raw.n - 1] == ']');
}

TEST(a_wanted_member_may_not_appear_twice_however_it_is_written)
{
	static const char *const twice[] = {
		"{\"model\":1,\"model\":2}",
		"{\"model\":1,\"x\":{\"model\":3},\"model\":2}",
		"{\"model\":1,\"mod\\u0065l\":2}",
		"{\"\\u006dodel\":1,\"model\":2}",
		"{\"model\":null,\"model\":null}",
	};
	const char *const names[] = {"stream", "model"};
	struct json_value v[2];
	struct json_error e;

	for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
		CHECK(!json_members(str_of(twice[i]), names, 2, v, &e));
		CHECK_INT(e.fault, JSON_DUPLICATE);
		CHECK_STR(e.name, "model");
		CHECK(e.at > 8);
	}
	CHECK(json_members(STR("{\"other\":1,\"model\":2,\"other\":3}"), names,
			   2, v, &e));
	CHECK(json_members(STR("{\"a\":{\"model\":1},\"model\":2}"), names, 2,
			   v, &e));
	CHECK(raw_is(v[1], "2"));
}

TEST(names_that_only_begin_alike_are_others)
{
	const char *const names[] = {"model"};
	struct json_value v;

	CHECK(json_members(STR("{\"mode\":1,\"models\":2,\"\":3,\"m\":4}"),
			   names, 1, &v, NULL));
	CHECK(v.type == JSON_ABSENT);
	CHECK(json_members(STR("{\"model\\u0000\":1}"), names, 1, &v, NULL));
	CHECK(v.type == JSON_ABSENT);
	CHECK(json_members(STR("{\"\\u006d\\u006f\\u0064\\u0065\\u006c\":1}"),
			   names, 1, &v, NULL));
	CHECK(v.type == JSON_NUMBER);
}

TEST(only_objects_have_members)
{
	struct json_error e;

	CHECK(!json_members(STR("[1]"), NULL, 0, NULL, &e));
	CHECK_INT(e.fault, JSON_NOT_OBJECT);
	CHECK(!json_members(STR("\"x\""), NULL, 0, NULL, &e));
	CHECK_INT(e.fault, JSON_NOT_OBJECT);
	CHECK(!json_members(STR("[1"), NULL, 0, NULL, &e));
	CHECK_INT(e.fault, JSON_TRUNCATED);
	CHECK(!json_members(STR_NONE, NULL, 0, NULL, &e));
	CHECK_INT(e.fault, JSON_EMPTY);
	CHECK(!json_members(STR("{} x"), NULL, 0, NULL, &e));
	CHECK_INT(e.fault, JSON_TRAILING);
	CHECK(json_members(STR(" { } "), NULL, 0, NULL, &e));
}

static struct json_value
value_of(const char *text)
{
	struct json_value v;

	CHECK(json_valid(str_of(text), &v, NULL));
	return v;
}

TEST(iteration_gives_members_and_elements_in_order)
{
	struct json_value v,
		o = value_of(
			" { \"a\" : 1 , \"b\\n\":[ ],\"c\":{\"d\":[1,{}]}\n} ");
	struct json_iter it;
	struct str name;

	CHECK(json_iter_init(&it, o) && it.object);
	CHECK(json_iter_next(&it, &name, &v));
	CHECK(str_eq(name, STR("\"a\"")) && raw_is(v, "1"));
	CHECK(json_iter_next(&it, &name, &v));
	CHECK(str_eq(name, STR("\"b\\n\"")) && raw_is(v, "[ ]"));
	CHECK(json_iter_next(&it, &name, &v));
	CHECK(str_eq(name, STR("\"c\"")) && raw_is(v, "{\"d\":[1,{}]}"));
	CHECK(!json_iter_next(&it, &name, &v));
	CHECK(!json_iter_next(&it, &name, &v));
	CHECK(json_iter_init(&it, value_of("[ ]")));
	CHECK(!json_iter_next(&it, &name, &v));
	CHECK(!json_iter_init(&it, value_of("17")));
	CHECK(!json_iter_next(&it, &name, &v));
}

TEST(members_and_elements_are_reached_by_name_and_place)
{
	struct json_value v = value_of(
		"{\"a\":[10,\"x\",{\"b\":true}],\"a\":2,\"\\u0063\":3}");

	CHECK(raw_is(json_get(v, "a"), "[10,\"x\",{\"b\":true}]"));
	CHECK(raw_is(json_get(v, "c"), "3"));
	CHECK(json_get(v, "d").type == JSON_ABSENT);
	CHECK(raw_is(json_at(json_get(v, "a"), 1), "\"x\""));
	CHECK_INT(json_count(json_get(v, "a")), 3);
	CHECK_INT(json_count(json_get(v, "c")), 0);
	CHECK(raw_is(json_get(json_at(json_get(v, "a"), 2), "b"), "true"));
	CHECK(json_at(json_get(v, "a"), 3).type == JSON_ABSENT);
	CHECK(json_at(v, 0).type == JSON_ABSENT);
	CHECK(json_get(json_get(v, "a"), "b").type == JSON_ABSENT);
}

int
main(void)
{
	RUN(each_text_has_its_fault_and_its_place);
	RUN(a_nul_byte_is_no_space_and_no_end);
	RUN(depth_is_64_and_no_more);
	RUN(a_hundred_thousand_brackets_are_refused_at_once);
	RUN(every_beginning_of_a_request_is_unfinished);
	RUN(any_changed_byte_is_read_the_same_in_all_ways_in);
	RUN(wanted_members_are_found_as_they_were_written);
	RUN(a_wanted_member_may_not_appear_twice_however_it_is_written);
	RUN(names_that_only_begin_alike_are_others);
	RUN(only_objects_have_members);
	RUN(iteration_gives_members_and_elements_in_order);
	RUN(members_and_elements_are_reached_by_name_and_place);
	return tap_done();
}
