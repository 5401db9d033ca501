/* base/float32.c: floats and their text, exact both ways. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/float32.h"
#include "tests/tap.h"

static uint32_t
bits_of(float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static float
float_of(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* What the C library makes of it, or 1 of what is no float. */
static uint32_t
read_bits(const char *text)
{
	float v;

	if (!float32_read(str_of(text), &v))
		return 1;
	return bits_of(v);
}

TEST(the_nearest_float_is_read)
{
	static const char *const texts[] = {
		"0", "-0", "0.0", "1", "-1.5", "0.1", "1e10", "1E+2", "2e-3",
		"0.012345679", "-0.006929283495992422", "123456789012345678",
		"3.4028234663852886e38", "1.1754943508222875e-38",
		"1.401298464324817e-45", "1e-40", "0.00000000000000000000001",
		/* between two floats: to the even one, unless it is more */
		"16777217", "16777217.0000000000000000000000001", "16777219",
		"1.00000005960464477539062", "1.000000059604644775390625",
		"1.0000000596046447753906250000000001", "9007199254740993",
		"0.30000001192092896", "7.0064923216240854e-46",
		"340282356779733661637539395458142568447"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		CHECK_INT(read_bits(texts[i]), bits_of(strtof(texts[i], NULL)));
	CHECK(read_bits("-0") == 0x80000000u);
	CHECK(read_bits("16777217") == bits_of(16777216.0f));
	CHECK(read_bits("16777217.0000000000000000000000001") ==
	      bits_of(16777218.0f));
}

TEST(what_is_no_float_is_refused)
{
	static const char *const texts[] = {
		"",	 "-",
		"x",	 "1x",
		"1e400", "-1e39",
		"nan",	 "inf",
		"0x1",	 "340282356779733661637539395458142568448"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		CHECK(read_bits(texts[i]) == 1);
}

TEST(the_shortest_text_is_written)
{
	static const struct {
		float v;
		const char *text;
	} cases[] = {
		{0.0f, "0"},
		{-0.0f, "-0"},
		{0.1f, "0.1"},
		{-1.5f, "-1.5"},
		{0.3f, "0.3"},
		{16777216.0f, "16777216"},
		{0.012345679f, "0.012345679"},
		{1e10f, "1e+10"},
		{1e-5f, "1e-05"},
		{-1.17549435e-38f, "-1.1754944e-38"},
		{3.4028235e38f, "3.4028235e+38"},
	};
	char text[FLOAT32_TEXT];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CHECK_INT(float32_write(text, cases[i].v),
			  strlen(cases[i].text));
		CHECK_STR(text, cases[i].text);
	}
}

/* Floats and doubles of all sizes, the same ones every time. */
TEST(what_was_written_is_read_again)
{
	char text[FLOAT32_TEXT], number[64];
	uint64_t state = 88172645463325252u;
	bool same = true, near = true;
	float v, read;
	double d;

	for (unsigned i = 0; i < 100000; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		v = float_of((uint32_t)state);
		if (!isfinite(v))
			continue;
		(void)float32_write(text, v);
		same &= float32_read(str_of(text), &read) &&
			bits_of(read) == bits_of(v);
		memcpy(&d, &state, sizeof(d));
		d = (double)v * (1 + (double)(state >> 40) / 4e14);
		(void)snprintf(number, sizeof(number), "%.*g",
			       (int)(state % 20) + 1, d);
		v = strtof(number, NULL);
		if (isfinite(v))
			near &= float32_read(str_of(number), &read) &&
				bits_of(read) == bits_of(v);
	}
	CHECK(same);
	CHECK(near);
}

int
main(void)
{
	RUN(the_nearest_float_is_read);
	RUN(what_is_no_float_is_refused);
	RUN(the_shortest_text_is_written);
	RUN(what_was_written_is_read_again);
	return tap_done();
}
