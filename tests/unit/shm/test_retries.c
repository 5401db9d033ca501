/* The budgets of retries and of second requests. */
#include "base/clock.h"
#include "shm/retries.h"
#include "tests/tap.h"

#define NOW (1000 * NS_PER_SEC)

static unsigned
take_all(struct retry_bucket *b, uint64_t now)
{
	unsigned n = 0;

	while (retry_take(b, now))
		n++;
	return n;
}

TEST(a_new_one_holds_a_burst)
{
	struct retry_bucket b = {0};

	/* and the one that is always allowed */
	CHECK_INT(take_all(&b, NOW), RETRY_BURST + 1);
}

TEST(requests_earn_their_share)
{
	struct retry_bucket b = {0};

	(void)take_all(&b, NOW);
	for (int i = 0; i < 100; i++)
		retry_earn(&b, 200000);
	CHECK_INT(take_all(&b, NOW), 20);
	for (int i = 0; i < 4; i++)
		retry_earn(&b, 200000);
	CHECK_INT(take_all(&b, NOW), 0);
	retry_earn(&b, 200000);
	CHECK_INT(take_all(&b, NOW), 1);
}

TEST(it_holds_no_more_than_the_burst)
{
	struct retry_bucket b = {0};

	for (int i = 0; i < 10000; i++)
		retry_earn(&b, 1000000);
	CHECK_INT(take_all(&b, NOW), RETRY_BURST + 1);
}

TEST(a_few_a_second_are_always_allowed)
{
	struct retry_bucket b = {0};
	unsigned n = 0;

	(void)take_all(&b, NOW);
	for (uint64_t ms = 1; ms <= 10000; ms++)
		n += retry_take(&b, NOW + ms * NS_PER_MS);
	CHECK(n >= 10 * RETRY_LEAST - 1 && n <= 10 * RETRY_LEAST);
}

TEST(none_is_earned_without_a_share)
{
	struct retry_bucket b = {0};

	(void)take_all(&b, NOW);
	retry_earn(&b, 0);
	CHECK_INT(take_all(&b, NOW), 0);
}

TEST(second_requests_have_to_be_earned_first)
{
	struct hedge_bucket b = {0};

	CHECK(!hedge_take(&b));
	for (int i = 0; i < 49; i++)
		hedge_earn(&b, 20000);
	CHECK(!hedge_take(&b));
	hedge_earn(&b, 20000);
	CHECK(hedge_take(&b));
	CHECK(!hedge_take(&b));
	hedge_give(&b);
	CHECK(hedge_take(&b));
}

TEST(no_more_of_them_are_saved_than_a_burst)
{
	struct hedge_bucket b = {0};
	unsigned n = 0;

	for (int i = 0; i < 10000; i++)
		hedge_earn(&b, 1000000);
	while (hedge_take(&b))
		n++;
	CHECK_INT(n, HEDGE_BURST);
}

int
main(void)
{
	RUN(a_new_one_holds_a_burst);
	RUN(requests_earn_their_share);
	RUN(it_holds_no_more_than_the_burst);
	RUN(a_few_a_second_are_always_allowed);
	RUN(none_is_earned_without_a_share);
	RUN(second_requests_have_to_be_earned_first);
	RUN(no_more_of_them_are_saved_than_a_burst);
	return tap_done();
}
