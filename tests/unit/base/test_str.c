#include "base/str.h"
#include "tests/tap.h"

TEST(equality_without_case_is_ascii_only)
{
	CHECK(str_ieq(STR("Content-Length"), STR("content-LENGTH")));
	CHECK(!str_ieq(STR("abc"), STR("abd")));
	CHECK(!str_ieq(STR("abc"), STR("ab")));
	CHECK(!str_ieq(STR("\xc4"), STR("\xe4")));
	CHECK(str_ieq(STR_NONE, STR("")));
}

TEST(prefix_and_suffix_match_at_the_ends_only)
{
	CHECK(str_starts(STR("https://x"), STR("https://")));
	CHECK(!str_starts(STR("http"), STR("https://")));
	CHECK(str_starts(STR("x"), STR("")));
	CHECK(str_ends(STR("a.conf"), STR(".conf")));
	CHECK(!str_ends(STR("conf"), STR(".conf")));
	CHECK(str_ends(STR("x"), STR("")));
}

TEST(find_and_search_give_the_first_place_or_none)
{
	CHECK_INT(str_find(STR("a:b:c"), ':'), 1);
	CHECK_INT(str_find(STR("abc"), ':'), -1);
	CHECK_INT(str_find(STR_NONE, ':'), -1);
	CHECK_INT(str_search(STR("aXbXbc"), STR("Xbc")), 3);
	CHECK_INT(str_search(STR("ab"), STR("abc")), -1);
	CHECK_INT(str_search(STR("ab"), STR("")), 0);
	CHECK_INT(str_search(STR_NONE, STR("a")), -1);
}

TEST(trim_takes_blanks_from_both_ends)
{
	CHECK(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
	CHECK_INT(str_trim(STR("  \t")).n, 0);
	CHECK_INT(str_trim(STR_NONE).n, 0);
}

TEST(cut_walks_through_the_parts)
{
	struct str s = STR("a,,b");

	CHECK(str_eq(str_cut(&s, ','), STR("a")));
	CHECK(str_eq(str_cut(&s, ','), STR("")));
	CHECK(s.p != NULL);
	CHECK(str_eq(str_cut(&s, ','), STR("b")));
	CHECK(s.p == NULL);
}

TEST(cut_at_the_last_byte_leaves_an_empty_part)
{
	struct str s = STR("a,");

	CHECK(str_eq(str_cut(&s, ','), STR("a")));
	CHECK(s.p != NULL && s.n == 0);
	CHECK_INT(str_cut(&s, ',').n, 0);
	CHECK(s.p == NULL);
}

TEST(from_beyond_the_end_is_empty)
{
	CHECK_INT(str_from(STR("abc"), 7).n, 0);
	CHECK(str_eq(str_from(STR("abc"), 1), STR("bc")));
	CHECK(str_from(STR_NONE, 3).p == NULL);
}

TEST(numbers_are_digits_only_and_fit)
{
	uint64_t v = 7;

	CHECK(str_to_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	CHECK(!str_to_u64(STR("18446744073709551616"), &v));
	CHECK(!str_to_u64(STR("99999999999999999999"), &v));
	CHECK(!str_to_u64(STR(""), &v));
	CHECK(!str_to_u64(STR("+1"), &v));
	CHECK(!str_to_u64(STR("-1"), &v));
	CHECK(!str_to_u64(STR(" 1"), &v));
	CHECK(!str_to_u64(STR("1 "), &v));
	CHECK(!str_to_u64(STR("0x1"), &v));
	CHECK(str_to_u64(STR("007"), &v) && v == 7);
}

TEST(a_star_stands_for_any_run)
{
	CHECK(str_glob(STR("gpt-*"), STR("gpt-4o")));
	CHECK(str_glob(STR("*"), STR("")));
	CHECK(str_glob(STR("a*b*c"), STR("aXbYbZc")));
	CHECK(!str_glob(STR("a*b*c"), STR("aXbYbZ")));
	CHECK(!str_glob(STR("gpt-*"), STR("xgpt-4o")));
	CHECK(str_glob(STR("gpt-4o"), STR("gpt-4o")));
	CHECK(!str_glob(STR("gpt-4o"), STR("gpt-4o-mini")));
	CHECK(!str_glob(STR(""), STR("a")));
	CHECK(str_glob(STR("**"), STR("a")));
	CHECK(!str_glob(STR("gpt-?"), STR("gpt-4")));
}

TEST(copy_is_terminated_and_tells_of_a_cut)
{
	char out[4];

	CHECK(str_copy(out, sizeof(out), STR("abc")));
	CHECK_STR(out, "abc");
	CHECK(!str_copy(out, sizeof(out), STR("abcd")));
	CHECK_STR(out, "abc");
	CHECK(str_copy(out, sizeof(out), STR_NONE));
	CHECK_STR(out, "");
}

int
main(void)
{
	RUN(equality_without_case_is_ascii_only);
	RUN(prefix_and_suffix_match_at_the_ends_only);
	RUN(find_and_search_give_the_first_place_or_none);
	RUN(trim_takes_blanks_from_both_ends);
	RUN(cut_walks_through_the_parts);
	RUN(cut_at_the_last_byte_leaves_an_empty_part);
	RUN(from_beyond_the_end_is_empty);
	RUN(numbers_are_digits_only_and_fit);
	RUN(a_star_stands_for_any_run);
	RUN(copy_is_terminated_and_tells_of_a_cut);
	return tap_done();
}
