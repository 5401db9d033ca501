/* Parts of a request target. */
#include "admin/url.h"
#include "tests/tap.h"

TEST(escapes_are_decoded)
{
	char out[16];

	CHECK(url_decode(STR("a%20b"), out, sizeof(out)));
	CHECK_STR(out, "a b");
	CHECK(url_decode(STR("%c3%A4"), out, sizeof(out)));
	CHECK_STR(out, "\xc3\xa4");
	CHECK(url_decode(STR("a+b"), out, sizeof(out)));
	CHECK_STR(out, "a+b");
	CHECK(url_decode(STR(""), out, sizeof(out)));
	CHECK_STR(out, "");
}

TEST(bad_escapes_nul_and_long_texts_are_refused)
{
	char out[4];

	CHECK(!url_decode(STR("%"), out, sizeof(out)));
	CHECK(!url_decode(STR("%4"), out, sizeof(out)));
	CHECK(!url_decode(STR("%4g"), out, sizeof(out)));
	CHECK(!url_decode(STR("%00"), out, sizeof(out)));
	CHECK(!url_decode(STR("abcd"), out, sizeof(out)));
	CHECK_STR(out, "");
	CHECK(url_decode(STR("abc"), out, sizeof(out)));
}

TEST(a_query_gives_the_value_of_a_name)
{
	char out[16];
	struct str q = STR("after=10&limit=%35&account=a%26b&flag");

	CHECK(url_query(q, "after", out, sizeof(out)));
	CHECK_STR(out, "10");
	CHECK(url_query(q, "limit", out, sizeof(out)));
	CHECK_STR(out, "5");
	CHECK(url_query(q, "account", out, sizeof(out)));
	CHECK_STR(out, "a&b");
	CHECK(!url_query(q, "flag", out, sizeof(out)));
	CHECK(!url_query(q, "limi", out, sizeof(out)));
	CHECK(!url_query(STR_NONE, "after", out, sizeof(out)));
	CHECK_STR(out, "");
}

int
main(void)
{
	RUN(escapes_are_decoded);
	RUN(bad_escapes_nul_and_long_texts_are_refused);
	RUN(a_query_gives_the_value_of_a_name);
	return tap_done();
}
