/* The chunked coding: strict, at every split, in place. */
#include <stdbool.h>

#include "http/chunked.h"
#include "tests/tap.h"

/* Feeds `text` in pieces of `step`; the content goes to `out`. */
static enum chunk_state
feed(struct str text, size_t step, char *out, size_t *n, size_t *used)
{
	struct chunked c = {0};
	enum chunk_state state = CHUNK_MORE;

	*n = *used = 0;
	while (state == CHUNK_MORE && *used < text.n) {
		char piece[256];
		size_t size = MIN_OF(step, text.n - *used);
		size_t got, took;

		memcpy(piece, text.p + *used, size);
		state = chunked_squeeze(&c, piece, size, &got, &took);
		memcpy(out + *n, piece, got);
		*n += got;
		*used += took;
	}
	return state;
}

#define TEXT(t)                  \
	{                        \
		t, sizeof(t) - 1 \
	}

static const struct str good[] = {
	TEXT("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
	TEXT("0005;a=b;c=\"d e\"\r\nhello\r\n6\r\n world\r\n0;x\r\n\r\n"),
	TEXT("5\r\nhello\r\n6\r\n world\r\n0\r\nX-A: b\r\n"
	     "Content-Length: 3\r\n\r\n"),
	TEXT("1\r\nh\r\nA\r\nello world\r\n00\r\n\r\n"),
};

TEST(content_is_found_at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (size_t step = 1; step <= good[i].n; step++) {
			char out[256];
			size_t n, used;

			CHECK_INT(feed(good[i], step, out, &n, &used),
				  CHUNK_END);
			CHECK_INT(used, good[i].n);
			CHECK(str_eq(str_make(out, n), STR("hello world")));
		}
	}
}

TEST(bytes_after_the_end_are_left)
{
	char out[256];
	size_t n, used;

	CHECK_INT(feed(STR("1\r\na\r\n0\r\n\r\nGET /"), 256, out, &n, &used),
		  CHUNK_END);
	CHECK_INT(n, 1);
	CHECK_INT(used, 11);
}

#define BAD(t)                   \
	{                        \
		t, sizeof(t) - 1 \
	}

static const struct str broken[] = {
	TEXT("0x5\r\nhello\r\n0\r\n\r\n"),
	TEXT("+5\r\nhello\r\n0\r\n\r\n"),
	TEXT("-5\r\nhello\r\n0\r\n\r\n"),
	TEXT(" 5\r\nhello\r\n0\r\n\r\n"),
	TEXT("5 \r\nhello\r\n0\r\n\r\n"),
	TEXT("5\nhello\r\n0\r\n\r\n"),
	TEXT("5\r\nhello\n0\r\n\r\n"),
	TEXT("5\r\nhello0\r\n\r\n"),
	TEXT("5\r\nhelloXX0\r\n\r\n"),
	TEXT("5\r\nhello\r\n0\r\n\n"),
	TEXT("5\r\nhello\r\n0\n\r\n"),
	TEXT("5\rXhello\r\n0\r\n\r\n"),
	TEXT("\r\nhello\r\n0\r\n\r\n"),
	TEXT(";a\r\nhello\r\n0\r\n\r\n"),
	TEXT("g\r\nhello\r\n0\r\n\r\n"),
	TEXT("5\r\nhello\r\n\r\n0\r\n\r\n"),
	TEXT("5;a\nb\r\nhello\r\n0\r\n\r\n"),
	TEXT("5;a\0b\r\nhello\r\n0\r\n\r\n"),
	TEXT("1000000000000000\r\nx"),
	TEXT("0000000000000005\r\nhello\r\n0\r\n\r\n"),
	TEXT("FFFFFFFFFFFFFFFFF\r\nx"),
	TEXT("0\r\nno colon\r\n\r\n"),
	TEXT("0\r\n: x\r\n\r\n"),
	TEXT("0\r\nA : x\r\n\r\n"),
	TEXT("0\r\nA: x\r\n folded\r\n\r\n"),
	TEXT("0\r\nA: x\n\r\n"),
	TEXT("0\r\nA: x\0y\r\n\r\n"),
};

TEST(broken_framing_is_refused_at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		for (size_t step = 1; step <= broken[i].n; step++) {
			char out[256];
			size_t n, used;
			enum chunk_state state =
				feed(broken[i], step, out, &n, &used);

			if (state != CHUNK_BAD)
				printf("# %.*s\n", STR_ARG(broken[i]));
			CHECK_INT(state, CHUNK_BAD);
		}
	}
}

/* `n` bytes of 'x' after `head`; the state at the end. */
static enum chunk_state
flood(struct str head, size_t n)
{
	struct chunked c = {0};
	struct str piece;
	enum chunk_state state = chunked_next(&c, &head, &piece);

	for (size_t i = 0; i < n && state == CHUNK_MORE; i++) {
		struct str x = STR("x");

		state = chunked_next(&c, &x, &piece);
	}
	return state;
}

TEST(extensions_and_trailers_are_bounded)
{
	CHECK_INT(flood(STR("5;"), 100), CHUNK_MORE);
	CHECK_INT(flood(STR("5;"), 20000), CHUNK_BAD);
	CHECK_INT(flood(STR("0\r\n"), 20000), CHUNK_BAD);
	CHECK_INT(flood(STR("0\r\nA: "), 20000), CHUNK_BAD);
}

TEST(a_large_chunk_comes_in_parts)
{
	struct chunked c = {0};
	struct str in = STR("100000\r\nabc");
	struct str piece = STR_NONE;

	CHECK_INT(chunked_next(&c, &in, &piece), CHUNK_DATA);
	CHECK(str_eq(piece, STR("abc")));
	CHECK_INT(in.n, 0);
	CHECK_INT(c.left, 0x100000 - 3);
	CHECK_INT(chunked_next(&c, &in, &piece), CHUNK_MORE);
}

int
main(void)
{
	RUN(content_is_found_at_every_split);
	RUN(bytes_after_the_end_are_left);
	RUN(broken_framing_is_refused_at_every_split);
	RUN(extensions_and_trailers_are_bounded);
	RUN(a_large_chunk_comes_in_parts);
	return tap_done();
}
