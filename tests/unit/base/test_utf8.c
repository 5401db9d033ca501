#include "base/utf8.h"
#include "tests/tap.h"

TEST(good_text_passes)
{
	CHECK(utf8_valid(STR_NONE));
	CHECK(utf8_valid(STR("plain ascii that is longer than eight\n")));
	CHECK(utf8_valid(STR("\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")));
	CHECK(utf8_valid(STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
	CHECK(utf8_valid(STR("a\0b")));
}

TEST(bad_text_is_refused_wherever_it_stands)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xe1\x80",
		"\xe1\x80\x41",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf1\x80\x80",
		"\xff",
		"\xfe",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (size_t before = 0; before < 20; before++) {
			char text[64];
			int n = snprintf(text, sizeof(text), "%.*s%s",
					 (int)before, "aaaaaaaaaaaaaaaaaaaa",
					 bad[i]);

			CHECK(!utf8_valid(str_make(text, (size_t)n)));
			n = snprintf(text, sizeof(text), "%.*s%szzzzzzzzzzzz",
				     (int)before, "aaaaaaaaaaaaaaaaaaaa",
				     bad[i]);
			CHECK(!utf8_valid(str_make(text, (size_t)n)));
		}
}

/* Encodes every code point and every surrogate. */
TEST(exactly_the_scalar_values_are_accepted)
{
	bool fine = true;

	for (unsigned c = 0x800; c < 0x10000; c++) {
		char t[3] = {(char)(0xe0 | c >> 12),
			     (char)(0x80 | (c >> 6 & 0x3f)),
			     (char)(0x80 | (c & 0x3f))};
		bool surrogate = c >= 0xd800 && c <= 0xdfff;

		fine = fine && utf8_valid(str_make(t, 3)) == !surrogate;
	}
	CHECK(fine);
}

/* The tables against the plain rules, in every alignment of blocks. */
TEST(long_texts_are_judged_as_short_ones)
{
	static const char *const bits[] = {
		"a",
		"\xc3\xa4",
		"\xe4\xb8\xad",
		"\xf0\x9f\x98\x80",
		"\x80",
		"\xc0\xaf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xe4\xb8",
		"\xff",
	};
	uint32_t seed = 7;
	bool same = true;

	for (int round = 0; round < 100000; round++) {
		char text[256];
		size_t n = 0, want;
		uint32_t kinds = round % 4 ? 4 : 12;

		seed = seed * 1664525 + 1013904223;
		want = 64 + (seed >> 8) % 180;
		while (n < want) {
			const char *bit;

			seed = seed * 1664525 + 1013904223;
			bit = bits[(seed >> 8) % (seed >> 28 ? 4 : kinds)];
			memcpy(text + n, bit, strlen(bit));
			n += strlen(bit);
		}
		same = same &&
		       utf8_valid(str_make(text, want)) ==
			       (utf8_valid_to(str_make(text, want)) == want);
	}
	CHECK(same);
}

TEST(every_scalar_value_is_written_as_its_character)
{
	bool fine = true;

	for (uint32_t c = 0; c < 0x110000; c++) {
		char out[4];
		size_t n;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		n = utf8_put(c, out);
		fine = fine && utf8_char(str_make(out, n)) == n;
	}
	CHECK(fine);
	CHECK_INT(utf8_char(STR_NONE), 0);
}

int
main(void)
{
	RUN(good_text_passes);
	RUN(bad_text_is_refused_wherever_it_stands);
	RUN(exactly_the_scalar_values_are_accepted);
	RUN(long_texts_are_judged_as_short_ones);
	RUN(every_scalar_value_is_written_as_its_character);
	return tap_done();
}
