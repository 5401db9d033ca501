/* Base 64, with the examples of RFC 4648. */
#include "base/base64.h"
#include "tests/tap.h"

static bool
makes(const char *text, const char *plain, const char *url)
{
	CLEANUP(buf_free) struct buf a = BUF_INIT, b = BUF_INIT;

	base64_put(&a, text, strlen(text));
	base64url_put(&b, text, strlen(text));
	return str_eq(buf_str(&a), str_of(plain)) &&
	       str_eq(buf_str(&b), str_of(url));
}

static bool
reads(const char *text, const char *want)
{
	CLEANUP(buf_free) struct buf a = BUF_INIT;

	if (!base64_get(str_of(text), &a))
		return want == NULL;
	return want && str_eq(buf_str(&a), str_of(want));
}

TEST(the_examples_of_the_standard_are_made)
{
	CHECK(makes("", "", ""));
	CHECK(makes("f", "Zg==", "Zg"));
	CHECK(makes("fo", "Zm8=", "Zm8"));
	CHECK(makes("foo", "Zm9v", "Zm9v"));
	CHECK(makes("foob", "Zm9vYg==", "Zm9vYg"));
	CHECK(makes("\xfb\xff\xfe", "+//+", "-__-"));
}

TEST(both_alphabets_are_read_with_padding_or_without)
{
	CHECK(reads("", ""));
	CHECK(reads("Zg==", "f") && reads("Zg", "f"));
	CHECK(reads("Zm9vYmFy", "foobar"));
	CHECK(reads("+//+", "\xfb\xff\xfe") && reads("-__-", "\xfb\xff\xfe"));
}

TEST(what_is_no_base_64_is_refused)
{
	CHECK(reads("Z", NULL));
	CHECK(reads("Zm9vY", NULL));
	CHECK(reads("Zm 9", NULL) && reads("Zm.v", NULL));
	CHECK(reads("=Zm8", NULL));
	/* bits left over: a second text for the same bytes */
	CHECK(reads("Zh==", NULL) && reads("Zm9", NULL));
}

int
main(void)
{
	RUN(the_examples_of_the_standard_are_made);
	RUN(both_alphabets_are_read_with_padding_or_without);
	RUN(what_is_no_base_64_is_refused);
	return tap_done();
}
