#include "base/poison.h"
#include "base/pool.h"
#include "tests/tap.h"

#define CAP (8ull * POOL_BLOCK)

TEST(blocks_are_counted_and_capped)
{
	struct pool *p = pool_new(CAP);
	void *block[8];

	for (int i = 0; i < 8; i++) {
		block[i] = pool_block(p);
		CHECK(block[i] != NULL);
		memset(block[i], i, POOL_BLOCK);
	}
	CHECK_INT(pool_used(p), CAP);
	CHECK(pool_block(p) == NULL);
	CHECK(pool_alloc(p, 1) == NULL);
	pool_give(p, block[0]);
	block[0] = pool_block(p);
	CHECK(block[0] != NULL);
	for (int i = 0; i < 8; i++)
		pool_give(p, block[i]);
	CHECK_INT(pool_used(p), 0);
	pool_give(p, NULL);
	pool_destroy(p);
}

TEST(a_given_block_is_used_again)
{
	struct pool *p = pool_new(CAP);
	void *a = pool_block(p);

	pool_give(p, a);
	CHECK(pool_block(p) == a);
	pool_give(p, a);
	pool_destroy(p);
}

TEST(large_sizes_count_by_the_byte)
{
	struct pool *p = pool_new(CAP);
	void *mem = pool_alloc(p, POOL_BLOCK + 1);

	CHECK(mem != NULL);
	CHECK_INT(pool_used(p), POOL_BLOCK + 1);
	CHECK(pool_alloc(p, CAP) == NULL);
	CHECK(pool_alloc(p, SIZE_MAX) == NULL);
	pool_free(p, mem, POOL_BLOCK + 1);
	CHECK_INT(pool_used(p), 0);
	pool_free(p, NULL, 5);
	pool_destroy(p);
}

static bool
filled(const unsigned char *mem, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mem[i] != (unsigned char)(i % 251))
			return false;
	return true;
}

TEST(growth_keeps_the_bytes_over_every_kind_of_size)
{
	static const size_t sizes[] = {
		10,	100,   POOL_BLOCK, POOL_BLOCK + 1,
		100000, 50000, POOL_BLOCK, 1};
	struct pool *p = pool_new(CAP);
	unsigned char *mem = NULL;
	size_t old = 0;

	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		mem = pool_realloc(p, mem, old, sizes[s]);
		CHECK(mem != NULL);
		CHECK(filled(mem, MIN_OF(old, sizes[s])));
		for (size_t i = 0; i < sizes[s]; i++)
			mem[i] = (unsigned char)(i % 251);
		old = sizes[s];
		CHECK_INT(pool_used(p), old > POOL_SMALL && old < POOL_BLOCK
						? POOL_BLOCK
						: old);
	}
	pool_free(p, mem, old);
	CHECK_INT(pool_used(p), 0);
	pool_destroy(p);
}

TEST(growth_beyond_the_cap_leaves_all_as_it_was)
{
	struct pool *p = pool_new(CAP);
	unsigned char *mem = pool_alloc(p, 2 * POOL_BLOCK);

	mem[0] = 'x';
	CHECK(pool_realloc(p, mem, 2 * POOL_BLOCK, CAP + 1) == NULL);
	CHECK(mem[0] == 'x');
	CHECK_INT(pool_used(p), 2 * POOL_BLOCK);
	pool_free(p, mem, 2 * POOL_BLOCK);
	pool_destroy(p);
}

TEST(only_some_free_blocks_are_kept)
{
	struct pool *p = pool_new(1000ull * POOL_BLOCK);
	void *block[200];

	for (int i = 0; i < 200; i++)
		block[i] = pool_block(p);
	for (int i = 0; i < 200; i++)
		pool_give(p, block[i]);
	CHECK_INT(pool_used(p), 0);
	pool_destroy(p);
	pool_destroy(NULL);
}

TEST(a_given_block_is_poisoned)
{
#ifdef HAS_POISON
	struct pool *p = pool_new(CAP);
	char *block = pool_block(p);

	pool_give(p, block);
	CHECK(__asan_address_is_poisoned(block + 100));
	pool_destroy(p);
#else
	SKIP("needs AddressSanitizer");
#endif
}

int
main(void)
{
	RUN(blocks_are_counted_and_capped);
	RUN(a_given_block_is_used_again);
	RUN(large_sizes_count_by_the_byte);
	RUN(growth_keeps_the_bytes_over_every_kind_of_size);
	RUN(growth_beyond_the_cap_leaves_all_as_it_was);
	RUN(only_some_free_blocks_are_kept);
	RUN(a_given_block_is_poisoned);
	return tap_done();
}
