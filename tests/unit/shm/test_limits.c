/* Rate limits and concurrency. */
#include "base/clock.h"
#include "shm/limits.h"
#include "tests/tap.h"

#define START (1000 * NS_PER_SEC)

TEST(a_minute_holds_exactly_its_number)
{
	static const uint32_t limits[] = {1, 2, 7, 59, 60, 61, 1000, 99991};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		_Atomic uint64_t tat = 0;
		uint64_t retry, again;
		uint32_t n = 0;

		while (limit_take(&tat, limits[i], 1, START, &retry))
			n++;
		CHECK_INT(n, limits[i]);
		CHECK(retry > 0 && retry <= 60 * NS_PER_SEC + limits[i]);
		CHECK(!limit_take(&tat, limits[i], 1, START + retry - 1,
				  &again));
		CHECK_INT(again, 1);
		CHECK(limit_take(&tat, limits[i], 1, START + retry, &again));
	}
}

TEST(units_may_be_taken_many_at_once)
{
	_Atomic uint64_t tat = 0;
	uint64_t retry;

	CHECK(limit_take(&tat, 1000, 999, START, &retry));
	CHECK(!limit_take(&tat, 1000, 2, START, &retry));
	CHECK_INT(retry, 60 * NS_PER_MS);
	CHECK(limit_take(&tat, 1000, 1, START, &retry));
	CHECK(!limit_take(&tat, 1000, 1, START, &retry));
	CHECK(limit_take(&tat, 1000, 0, START, &retry));
}

TEST(more_than_a_minute_allows_never_fits)
{
	_Atomic uint64_t tat = 0;
	uint64_t retry;

	CHECK(!limit_take(&tat, 1000, 1001, START, &retry));
	CHECK(retry == UINT64_MAX);
	CHECK_INT(tat, 0);
}

TEST(no_limit_allows_everything)
{
	_Atomic uint64_t tat = 0;
	uint64_t retry;

	CHECK(limit_take(&tat, 0, UINT64_MAX, START, &retry));
	limit_return(&tat, 0, -5, START);
	CHECK_INT(tat, 0);
	CHECK_INT(limit_look(&tat, 0, START).limit, 0);
}

TEST(what_was_not_used_comes_back)
{
	_Atomic uint64_t tat = 0;
	uint64_t retry;

	CHECK(limit_take(&tat, 1000, 1000, START, &retry));
	limit_return(&tat, 1000, 400, START);
	CHECK_INT(limit_look(&tat, 1000, START).remaining, 400);
	CHECK(limit_take(&tat, 1000, 400, START, &retry));
	CHECK(!limit_take(&tat, 1000, 1, START, &retry));
}

TEST(what_was_used_beyond_is_waited_for)
{
	_Atomic uint64_t tat = 0;
	uint64_t retry;

	CHECK(limit_take(&tat, 60, 60, START, &retry));
	limit_return(&tat, 60, -30, START);
	CHECK_INT(limit_look(&tat, 60, START).remaining, 0);
	CHECK(!limit_take(&tat, 60, 1, START, &retry));
	CHECK_INT(retry, 31 * NS_PER_SEC);
	limit_return(&tat, 60, INT64_MIN, START);
	CHECK(tat == UINT64_MAX);
	CHECK(!limit_take(&tat, 60, 1, START, &retry));
}

TEST(a_look_says_what_is_left_and_when_all_is_back)
{
	_Atomic uint64_t tat = 0;
	uint64_t retry;
	struct limit_view v = limit_look(&tat, 60, START);

	CHECK_INT(v.limit, 60);
	CHECK_INT(v.remaining, 60);
	CHECK_INT(v.reset_ns, 0);
	CHECK(limit_take(&tat, 60, 10, START, &retry));
	v = limit_look(&tat, 60, START);
	CHECK_INT(v.remaining, 50);
	CHECK_INT(v.reset_ns, 10 * NS_PER_SEC);
	v = limit_look(&tat, 60, START + 9500 * NS_PER_MS);
	CHECK_INT(v.remaining, 59);
}

TEST(concurrency_is_counted_with_and_without_a_limit)
{
	struct limit_cells c = {.concurrency = 2};

	CHECK(running_take(&c));
	CHECK(running_take(&c));
	CHECK(!running_take(&c));
	running_give(&c);
	CHECK(running_take(&c));
	c.concurrency = 0;
	CHECK(running_take(&c));
	CHECK_INT(c.running, 3);
}

TEST(a_count_that_was_put_right_does_not_fall_below_none)
{
	struct limit_cells c = {.concurrency = 1};

	CHECK(running_take(&c));
	c.running = 0;
	running_give(&c);
	CHECK_INT(c.running, 0);
	CHECK(running_take(&c));
	CHECK(!running_take(&c));
}

int
main(void)
{
	RUN(a_minute_holds_exactly_its_number);
	RUN(units_may_be_taken_many_at_once);
	RUN(more_than_a_minute_allows_never_fits);
	RUN(no_limit_allows_everything);
	RUN(what_was_not_used_comes_back);
	RUN(what_was_used_beyond_is_waited_for);
	RUN(a_look_says_what_is_left_and_when_all_is_back);
	RUN(concurrency_is_counted_with_and_without_a_limit);
	RUN(a_count_that_was_put_right_does_not_fall_below_none);
	return tap_done();
}
