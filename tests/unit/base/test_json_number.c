#include "base/json.h"
#include "tests/tap.h"

static struct json_value
number(const char *raw)
{
	struct json_value v;

	CHECK(json_valid(str_of(raw), &v, NULL));
	return v;
}

static const struct {
	const char *raw;
	uint64_t n;
} whole[] = {
	{"0", 0},
	{"-0", 0},
	{"-0.0e5", 0},
	{"0e999999999999999999999", 0},
	{"16", 16},
	{"1.0", 1},
	{"1e2", 100},
	{"1E+2", 100},
	{"100e-2", 1},
	{"12.5e1", 125},
	{"1.50e1", 15},
	{"0.001e3", 1},
	{"1000000000000000000000e-21", 1},
	{"10.00", 10},
	{"18446744073709551615", UINT64_MAX},
	{"18446744073709551615.000", UINT64_MAX},
	{"1844674407370955161.5e1", UINT64_MAX},
	{"10000000000000000000", 10000000000000000000ull},
	{"9007199254740993", 9007199254740993},
};

TEST(whole_numbers_are_exact_however_they_are_written)
{
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		uint64_t n = 77;

		if (!json_u64(number(whole[i].raw), &n) || n != whole[i].n) {
			printf("# %s\n", whole[i].raw);
			CHECK(false);
		}
	}
}

TEST(what_is_not_whole_or_does_not_fit_is_refused)
{
	static const char *const bad[] = {
		"0.5",
		"1e-1",
		"-1",
		"1.0000000000000000000000001",
		"18446744073709551616",
		"1e20",
		"99999999999999999999",
		"1e99999999999999999999",
		"1e-99999999999999999999",
		"123456789012345678901234567890",
		"20e18",
		"15e-1",
		"\"1\"",
		"true",
		"null",
		"[1]",
	};
	uint64_t n = 77;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (json_u64(number(bad[i]), &n)) {
			printf("# %s\n", bad[i]);
			CHECK(false);
		}
	CHECK_INT(n, 77);
}

TEST(signed_numbers_reach_both_ends)
{
	int64_t n = 77;

	CHECK(json_i64(number("-9223372036854775808"), &n) && n == INT64_MIN);
	CHECK(json_i64(number("9223372036854775807"), &n) && n == INT64_MAX);
	CHECK(!json_i64(number("9223372036854775808"), &n));
	CHECK(!json_i64(number("-9223372036854775809"), &n));
	CHECK(json_i64(number("-1.2e1"), &n) && n == -12);
	CHECK(json_i64(number("-0"), &n) && n == 0);
	CHECK(!json_i64(number("-0.1"), &n));
	CHECK(!json_i64(number("\"-1\""), &n));
}

TEST(a_very_long_number_is_read_in_bounds)
{
	static char text[100003];
	uint64_t n;

	memset(text, '0', sizeof(text) - 1);
	text[0] = '1';
	memcpy(text + 99995, "e-99994", 7);
	CHECK(json_u64(number(text), &n) && n == 1);
	memcpy(text + 99995, "e-99995", 7);
	CHECK(!json_u64(number(text), &n));
}

int
main(void)
{
	RUN(whole_numbers_are_exact_however_they_are_written);
	RUN(what_is_not_whole_or_does_not_fit_is_refused);
	RUN(signed_numbers_reach_both_ends);
	RUN(a_very_long_number_is_read_in_bounds);
	return tap_done();
}
