#include <inttypes.h>
#include <stdio.h>

#include "base/digits.h"
#include "tests/tap.h"

static bool
as_printf(uint64_t v)
{
	char want[DIGITS_MAX + 1], got[DIGITS_MAX];
	int n = snprintf(want, sizeof(want), "%" PRIu64, v);

	return digits_write(got, v) == (size_t)n &&
	       memcmp(got, want, (size_t)n) == 0;
}

TEST(small_numbers_are_written_as_printf_does)
{
	bool same = true;

	for (uint64_t v = 0; v <= 20000; v++)
		same = same && as_printf(v);
	CHECK(same);
}

TEST(both_sides_of_each_power_of_ten_and_the_largest)
{
	uint64_t power = 1;
	bool same = true;

	for (int i = 0; i < 19; i++, power *= 10)
		same = same && as_printf(power - 1) && as_printf(power) &&
		       as_printf(power * 10 - 1);
	CHECK(same);
	CHECK(as_printf(UINT64_MAX));
}

TEST(hex_digits_have_their_values)
{
	int sum = 0;

	for (int c = 0; c < 256; c++)
		sum += hex_digit((char)c);
	CHECK_INT(sum, 45 + 2 * 75 - (256 - 22));
	CHECK_INT(hex_digit('f'), 15);
	CHECK_INT(hex_digit('A'), 10);
	CHECK_INT(hex_digit('9'), 9);
	CHECK_INT(hex_digit('g'), -1);
}

TEST(bytes_are_written_as_hex_digits)
{
	const uint8_t bytes[] = {0x00, 0x9a, 0xff, 0x10};
	char text[9] = "";

	hex_write(text, bytes, sizeof(bytes));
	CHECK_STR(text, "009aff10");
}

int
main(void)
{
	RUN(small_numbers_are_written_as_printf_does);
	RUN(both_sides_of_each_power_of_ten_and_the_largest);
	RUN(hex_digits_have_their_values);
	RUN(bytes_are_written_as_hex_digits);
	return tap_done();
}
