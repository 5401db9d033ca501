#include "base/buf.h"
#include "tests/tap.h"

TEST(appends_join)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;

	buf_add_cstr(&b, "a=");
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_str(&b, STR(" z"));
	buf_printf(&b, " %d/%s", 7, "x");
	buf_add(&b, NULL, 0);
	CHECK(str_eq(buf_str(&b),
		     STR("a=18446744073709551615 -9223372036854775808 z 7/x")));
	CHECK(!b.failed);
}

TEST(it_grows_over_many_sizes)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;
	bool same = true;

	for (int i = 0; i < 100000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	CHECK_INT(b.n, 100000);
	for (int i = 0; i < 100000; i++)
		same = same && b.p[i] == (char)('a' + i % 26);
	CHECK(same);
}

TEST(consume_drops_the_front)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;

	buf_add_cstr(&b, "abcdef");
	buf_consume(&b, 2);
	CHECK(str_eq(buf_str(&b), STR("cdef")));
	buf_consume(&b, 9);
	CHECK_INT(b.n, 0);
	buf_add_cstr(&b, "x");
	CHECK(str_eq(buf_str(&b), STR("x")));
}

TEST(reserve_gives_room_to_write)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;
	char *p = buf_reserve(&b, 1000);

	CHECK(p != NULL);
	memset(p, 'x', 1000);
	b.n += 1000;
	CHECK_INT(b.n, 1000);
	CHECK(buf_reserve(&b, 0) != NULL);
}

TEST(a_failed_allocation_is_remembered)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;

	buf_add_cstr(&b, "abc");
	CHECK(buf_reserve(&b, SIZE_MAX - 1) == NULL);
	CHECK(b.failed);
	buf_add_cstr(&b, "def");
	CHECK(str_eq(buf_str(&b), STR("abc")));
	buf_reset(&b);
	CHECK(!b.failed && b.n == 0 && b.cap > 0);
}

TEST(what_is_not_unreserved_is_percent_encoded)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;

	buf_add_percent(&b, str_make("aZ9-._~/:%\0\xe9", 12), "");
	CHECK(str_eq(buf_str(&b), STR("aZ9-._~%2F%3A%25%00%E9")));
	buf_reset(&b);
	buf_add_percent(&b, STR("/a b"), "/");
	CHECK(str_eq(buf_str(&b), STR("/a%20b")));
}

int
main(void)
{
	RUN(what_is_not_unreserved_is_percent_encoded);
	RUN(appends_join);
	RUN(it_grows_over_many_sizes);
	RUN(consume_drops_the_front);
	RUN(reserve_gives_room_to_write);
	RUN(a_failed_allocation_is_remembered);
	return tap_done();
}
