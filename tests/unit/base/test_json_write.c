#include "base/json.h"
#include "tests/tap.h"

TEST(commas_and_quotes_are_the_writers_business)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &b);
	json_open(&o, '{');
	json_name(&o, "a");
	json_put_i64(&o, -1);
	json_name(&o, "b");
	json_open(&o, '[');
	json_put_u64(&o, UINT64_MAX);
	json_put_bool(&o, true);
	json_put_bool(&o, false);
	json_put_null(&o);
	json_open(&o, '{');
	json_close(&o, '}');
	json_open(&o, '[');
	json_close(&o, ']');
	json_put_raw(&o, STR("1.50"));
	json_close(&o, ']');
	json_name(&o, "c");
	json_put_str(&o, STR("x"));
	json_close(&o, '}');
	CHECK(str_eq(buf_str(&b),
		     STR("{\"a\":-1,\"b\":[18446744073709551615,true,false,"
			 "null,{},[],1.50],\"c\":\"x\"}")));
	CHECK(json_valid(buf_str(&b), NULL, NULL));
}

static bool
writes(struct str in, const char *out)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &b);
	json_put_str(&o, in);
	return str_eq(buf_str(&b), str_of(out)) &&
	       json_valid(buf_str(&b), NULL, NULL);
}

TEST(strings_are_escaped_as_needed_and_no_more)
{
	CHECK(writes(STR_NONE, "\"\""));
	CHECK(writes(STR("a/b\x7f"), "\"a/b\x7f\""));
	CHECK(writes(STR("\"\\\n\r\t"), "\"\\\"\\\\\\n\\r\\t\""));
	CHECK(writes(STR("\0\x01\x1f\b"), "\"\\u0000\\u0001\\u001f\\u0008\""));
	CHECK(writes(STR("\xe4\xb8\xad\xf0\x9f\x98\x80"),
		     "\"\xe4\xb8\xad\xf0\x9f\x98\x80\""));
}

TEST(bytes_that_are_not_utf8_become_the_replacement_character)
{
	CHECK(writes(STR("a\xff"
			 "b"),
		     "\"a\xef\xbf\xbd"
		     "b\""));
	CHECK(writes(STR("\xe4\xb8"), "\"\xef\xbf\xbd\xef\xbf\xbd\""));
	CHECK(writes(STR("\xc3\""), "\"\xef\xbf\xbd\\\"\""));
}

TEST(any_two_bytes_are_written_as_valid_json_that_reads_back)
{
	bool fine = true;

	for (unsigned i = 0; i < 65536; i++) {
		CLEANUP(buf_free) struct buf b = BUF_INIT;
		CLEANUP(buf_free) struct buf back = BUF_INIT;
		char in[2] = {(char)(i >> 8), (char)i};
		struct json_value v;
		struct json_out o;

		json_out_init(&o, &b);
		json_put_str(&o, str_make(in, 2));
		fine = fine && json_valid(buf_str(&b), &v, NULL) &&
		       json_unescape(v, &back);
		if (in[0] >= 0 && in[1] >= 0)
			fine = fine && str_eq(buf_str(&back), str_make(in, 2));
	}
	CHECK(fine);
}

int
main(void)
{
	RUN(commas_and_quotes_are_the_writers_business);
	RUN(strings_are_escaped_as_needed_and_no_more);
	RUN(bytes_that_are_not_utf8_become_the_replacement_character);
	RUN(any_two_bytes_are_written_as_valid_json_that_reads_back);
	return tap_done();
}
