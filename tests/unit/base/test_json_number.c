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

static const struct {
	const char *text;
	unsigned scale;
	int64_t value;
	bool fits, exact;
} scaled[] = {
	{"0", 12, 0, true, true},
	{"1.5e-06", 12, 1500000, true, true},
	{"1.5000000000000002e-07", 12, 150000, true, false},
	{"2.5e-06", 6, 3, true, false},
	{"2.4e-06", 6, 2, true, false},
	{"5e-7", 6, 1, true, false},
	{"4.99e-7", 6, 0, true, false},
	{"4e-7", 6, 0, true, false},
	{"9e-400", 6, 0, true, false},
	{"-0.25", 1, -3, true, false},
	{"0.000001", 6, 1, true, true},
	{"12.50", 2, 1250, true, true},
	{"1e3", 2, 100000, true, true},
	{"100000000000000000000", 0, 0, false, false},
	{"9223372036854775808e0", 0, 9223372036854775800, true, false},
	{"1e300", 0, 0, false, false},
	{"0e999999999999999999", 9, 0, true, true},
	{"123456789012345678901", 0, 0, false, false},
	{"0.1234567890123456789", 9, 123456789, true, false},
};

TEST(decimals_are_scaled_and_rounded_to_the_nearest)
{
	for (size_t i = 0; i < ARRAY_LEN(scaled); i++) {
		struct json_value v = {JSON_NUMBER, str_of(scaled[i].text)};
		int64_t got = 0;
		bool exact = false;

		CHECK_INT(json_scaled(v, scaled[i].scale, &got, &exact),
			  scaled[i].fits);
		CHECK_INT(got, scaled[i].value);
		CHECK_INT(exact, scaled[i].exact);
	}
}

int
main(void)
{
	RUN(decimals_are_scaled_and_rounded_to_the_nearest);
	RUN(whole_numbers_are_exact_however_they_are_written);
	RUN(what_is_not_whole_or_does_not_fit_is_refused);
	RUN(signed_numbers_reach_both_ends);
	RUN(a_very_long_number_is_read_in_bounds);
	return tap_done();
}
