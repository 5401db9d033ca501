/* Rows found by their first bytes. */
#include <string.h>

#include "billing/tally.h"
#include "tests/tap.h"

struct row {
	uint64_t key;
	uint64_t sum;
};

static int
by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

TEST(each_key_has_one_row_however_many_there_are)
{
	struct tally t;
	struct row *row;

	tally_init(&t, sizeof(uint64_t), sizeof(struct row));
	for (uint64_t i = 0; i < 30000; i++) {
		uint64_t key = i * 7919 % 10007;

		row = tally_row(&t, &key);
		CHECK(row && row->key == key);
		row->sum++;
	}
	CHECK_INT(t.n, 10007);
	tally_sort(&t, by_key);
	for (size_t i = 0; i < t.n; i++) {
		row = tally_at(&t, i);
		CHECK_INT(row->key, i);
		CHECK(row->sum == 2 || row->sum == 3);
	}
	tally_free(&t);
	tally_free(&t);
}

TEST(nothing_is_sorted_and_freed)
{
	struct tally t;

	tally_init(&t, sizeof(uint64_t), sizeof(struct row));
	tally_sort(&t, by_key);
	CHECK_INT(t.n, 0);
	tally_free(&t);
}

int
main(void)
{
	RUN(each_key_has_one_row_however_many_there_are);
	RUN(nothing_is_sorted_and_freed);
	return tap_done();
}
