#include <stdlib.h>

#include "base/json_skip.h"
#include "tests/tap.h"

#define LONGEST 300

static uint32_t seed = 12345;

static uint32_t
dice(uint32_t sides)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

/* Text that ends, escapes and errs often enough in every place. */
static void
scribble(char *text, size_t n)
{
	static const char *const bits[] = {
		"\\n",	    "\\\"",	    "\\\\", "\\u00e4", "\\ud83d\\ude00",
		"\xc3\xa4", "\xe4\xb8\xad", "word", " ",       "\\",
		"\\u12",    "\"",	    "\n",   "\xff",    "\x1f",
		"\x7f",
	};
	/* Wrong bits are rare, so that long texts come about. */
	uint32_t kinds = dice(8) ? 9 : 16;
	size_t at = 0;

	while (at < n) {
		const char *bit = dice(3) ? &"abcdefghijklmno"[dice(14)]
					  : bits[dice(kinds)];
		size_t len = strlen(bit);

		if (len > n - at)
			len = n - at;
		memcpy(text + at, bit, len);
		at += len;
	}
	if (n && dice(2))
		text[dice((uint32_t)n)] = '"';
}

static bool
agree(enum json_skip_kind kind, const char *text, size_t n)
{
	struct json_skip a, b;
	const char *x = json_skip_by(JSON_SKIP_PLAIN, text, text + n, &a);
	const char *y = json_skip_by(kind, text, text + n, &b);

	/* The wide kinds may see a high byte beyond the string's end. */
	return x == y && (x == NULL || a.bad == b.bad) &&
	       (x == NULL || !a.high || b.high);
}

static void
compare(enum json_skip_kind kind)
{
	bool same = true;

	if (kind > json_skip_best())
		SKIP("this machine does not have the instructions");
	for (int i = 0; i < 200000 && same; i++) {
		size_t n = dice(LONGEST);
		char *text = malloc(n ? n : 1);

		scribble(text, n);
		same = agree(kind, text, n);
		free(text);
	}
	CHECK(same);
}

TEST(sse2_agrees_with_plain_on_random_strings)
{
	compare(JSON_SKIP_SSE2);
}

TEST(avx2_agrees_with_plain_on_random_strings)
{
	compare(JSON_SKIP_AVX2);
}

TEST(the_quick_way_agrees_with_plain)
{
	bool same = true;

	for (int i = 0; i < 200000 && same; i++) {
		size_t n = dice(40);
		char *text = malloc(n ? n : 1);
		struct json_skip a, b;
		const char *x, *y;

		scribble(text, n);
		x = json_skip_by(JSON_SKIP_PLAIN, text, text + n, &a);
		y = json_skip_string(text, text + n, &b);
		same = x == y && (x == NULL || a.bad == b.bad) &&
		       (x == NULL || !a.high || b.high);
		free(text);
	}
	CHECK(same);
}

/* Each kind of byte at each place of blocks, with each kind of neighbour. */
TEST(a_backslash_at_any_place_guards_the_next_byte_only)
{
	for (int kind = JSON_SKIP_PLAIN; kind <= (int)json_skip_best(); kind++)
		for (size_t at = 0; at < 140; at++) {
			char text[160];
			struct json_skip r;

			memset(text, 'a', sizeof(text));
			text[at] = '\\';
			text[at + 1] = '"';
			text[at + 2] = '"';
			CHECK(json_skip_by((enum json_skip_kind)kind, text,
					   text + sizeof(text),
					   &r) == text + at + 2);
			text[at + 1] = '\\';
			CHECK(json_skip_by((enum json_skip_kind)kind, text,
					   text + sizeof(text),
					   &r) == text + at + 2);
			text[at + 1] = 'x';
			CHECK(json_skip_by((enum json_skip_kind)kind, text,
					   text + sizeof(text),
					   &r) == text + at);
			CHECK(r.bad);
		}
}

TEST(bytes_beyond_ascii_are_told)
{
	for (int kind = JSON_SKIP_PLAIN; kind <= (int)json_skip_best(); kind++)
		for (size_t at = 0; at < 140; at++) {
			char text[150];
			struct json_skip r;

			memset(text, 'a', sizeof(text));
			text[149] = '"';
			(void)json_skip_by((enum json_skip_kind)kind, text,
					   text + sizeof(text), &r);
			CHECK(!r.high);
			text[at] = '\x80';
			(void)json_skip_by((enum json_skip_kind)kind, text,
					   text + sizeof(text), &r);
			CHECK(r.high && !r.bad);
		}
}

int
main(void)
{
	RUN(sse2_agrees_with_plain_on_random_strings);
	RUN(avx2_agrees_with_plain_on_random_strings);
	RUN(the_quick_way_agrees_with_plain);
	RUN(a_backslash_at_any_place_guards_the_next_byte_only);
	RUN(bytes_beyond_ascii_are_told);
	return tap_done();
}
