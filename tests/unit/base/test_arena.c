#include <stdlib.h>

#include "base/arena.h"
#include "base/poison.h"
#include "tests/tap.h"

TEST(pieces_are_aligned_and_do_not_overlap)
{
	unsigned char *piece[600];
	struct arena a;
	bool fine = true;

	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(piece); i++) {
		piece[i] = arena_alloc(&a, i);
		if (piece[i] == NULL || (uintptr_t)piece[i] % 16 != 0) {
			CHECK(false);
			return;
		}
		memset(piece[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < ARRAY_LEN(piece); i++)
		for (size_t at = 0; at < i; at++)
			fine = fine && piece[i][at] == (i & 0xff);
	CHECK(fine);
	arena_free(&a);
	arena_free(&a);
}

TEST(large_pieces_do_not_end_the_chunk_in_use)
{
	struct arena a;
	char *small, *large, *next;

	arena_init(&a);
	small = arena_alloc(&a, 32);
	large = arena_alloc(&a, 1024 * 1024);
	next = arena_alloc(&a, 32);
	CHECK(small && large && next);
	if (large)
		memset(large, 'x', 1024 * 1024);
	CHECK(next - small == 32 + POISON_GAP);
	arena_free(&a);
	/* the large one first */
	CHECK(arena_alloc(&a, 100000) != NULL);
	CHECK(arena_alloc(&a, 10) != NULL);
	CHECK(arena_alloc(&a, 100000) != NULL);
	arena_free(&a);
}

TEST(chunks_come_back_from_the_free_list)
{
	struct arena a;
	void *first, *again;

	arena_init(&a);
	first = arena_alloc(&a, 100);
	arena_free(&a);
	again = arena_alloc(&a, 100);
	CHECK(first == again);
	arena_free(&a);
}

TEST(impossible_sizes_give_null)
{
	struct arena a;

	arena_init(&a);
	CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
	CHECK(arena_alloc(&a, SIZE_MAX - 64) == NULL);
	CHECK(arena_dup(&a, str_make("", SIZE_MAX)).p == NULL);
	arena_free(&a);
}

TEST(copies_are_terminated)
{
	struct arena a;
	struct str s;
	char *zero;

	arena_init(&a);
	s = arena_dup(&a, STR("abc"));
	CHECK_INT(s.n, 3);
	CHECK_STR(s.p, "abc");
	s = arena_join(&a, STR("abc"), STR("de"));
	CHECK(str_eq(s, STR("abcde")) && s.p[5] == '\0');
	s = arena_dup(&a, STR_NONE);
	CHECK(s.p != NULL && s.p[0] == '\0');
	s = arena_printf(&a, "%s-%d", "x", 42);
	CHECK_INT(s.n, 4);
	CHECK_STR(s.p, "x-42");
	zero = arena_zalloc(&a, 50);
	for (int i = 0; zero && i < 50; i++)
		CHECK(zero[i] == 0);
	arena_free(&a);
}

TEST(what_is_beyond_a_piece_or_given_back_is_poisoned)
{
#ifdef HAS_POISON
	struct arena a;
	char *p;

	arena_init(&a);
	p = arena_alloc(&a, 24);
	CHECK(!__asan_address_is_poisoned(p + 23));
	CHECK(__asan_address_is_poisoned(p + 24));
	arena_free(&a);
	CHECK(__asan_address_is_poisoned(p));
#else
	SKIP("needs AddressSanitizer");
#endif
}

int
main(void)
{
	RUN(pieces_are_aligned_and_do_not_overlap);
	RUN(large_pieces_do_not_end_the_chunk_in_use);
	RUN(chunks_come_back_from_the_free_list);
	RUN(impossible_sizes_give_null);
	RUN(copies_are_terminated);
	RUN(what_is_beyond_a_piece_or_given_back_is_poisoned);
	return tap_done();
}
