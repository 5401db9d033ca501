/* Which channel knows a prefix. */
#include "base/clock.h"
#include "shm/affinity.h"
#include "tests/tap.h"

#define MINUTE (60 * NS_PER_SEC)

static struct region r;

static uint64_t
spread(uint64_t i)
{
	i = (i + 1) * 0x9e3779b97f4a7c15u;
	return i ^ i >> 29;
}

TEST(what_was_put_is_found_until_its_time_is_over)
{
	uint64_t now = 1000 * MINUTE;

	CHECK_INT(affinity_find(&r, 12345, 60000, now), SHM_NONE);
	affinity_put(&r, 12345, 7, now);
	CHECK_INT(affinity_find(&r, 12345, 60000, now), 7);
	CHECK_INT(affinity_find(&r, 12345, 60000, now + MINUTE), 7);
	CHECK_INT(affinity_find(&r, 12345, 60000, now + 2 * MINUTE), SHM_NONE);
	affinity_put(&r, 12345, 1023, now + 2 * MINUTE);
	CHECK_INT(affinity_find(&r, 12345, 60000, now + 2 * MINUTE), 1023);
}

TEST(another_hash_in_the_same_set_is_another)
{
	uint64_t now = 2000 * MINUTE;
	uint64_t a = 99, b = 99 | (uint64_t)1 << 60;

	affinity_put(&r, a, 1, now);
	affinity_put(&r, b, 2, now);
	CHECK_INT(affinity_find(&r, a, 60000, now), 1);
	CHECK_INT(affinity_find(&r, b, 60000, now), 2);
}

TEST(the_one_not_used_for_longest_makes_room)
{
	uint64_t now = 3000 * MINUTE;

	for (uint64_t i = 0; i < 8; i++)
		affinity_put(&r, 500 | i << 40, (uint32_t)i,
			     now + i * NS_PER_SEC);
	affinity_put(&r, 500 | (uint64_t)99 << 40, 99, now + 9 * NS_PER_SEC);
	now += 10 * NS_PER_SEC;
	CHECK_INT(affinity_find(&r, 500, 60000, now), SHM_NONE);
	CHECK_INT(affinity_find(&r, 500 | (uint64_t)99 << 40, 60000, now), 99);
	for (uint64_t i = 1; i < 8; i++)
		CHECK_INT(affinity_find(&r, 500 | i << 40, 60000, now), i);
}

TEST(most_of_many_are_found_again)
{
	uint64_t now = 4000 * MINUTE;
	unsigned found = 0;

	for (uint64_t i = 0; i < 20000; i++)
		affinity_put(&r, spread(i), (uint32_t)(i % SHM_CHANNELS), now);
	for (uint64_t i = 0; i < 20000; i++)
		found += affinity_find(&r, spread(i), 60000, now) ==
			 i % SHM_CHANNELS;
	CHECK(found > 19900);
}

int
main(void)
{
	if (region_anonymous(&r, 1024, 4) != E_OK)
		return 1;
	RUN(what_was_put_is_found_until_its_time_is_over);
	RUN(another_hash_in_the_same_set_is_another);
	RUN(the_one_not_used_for_longest_makes_room);
	RUN(most_of_many_are_found_again);
	region_close(&r);
	return tap_done();
}
