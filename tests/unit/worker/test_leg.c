/* One attempt: what is forgotten for the next one, and what is given back. */
#include "base/pool.h"
#include "tests/tap.h"
#include "worker/leg.h"

static struct leg
used(void)
{
	struct leg l = {.upstream_status = 200,
			.seen_bytes = 7,
			.first_byte_ns = 1,
			.usage = {.present = true, .output = 5},
			.kept = true,
			.whole = true,
			.raw = true,
			.substituted = true,
			.array_begun = true,
			.served = STR("other"),
			.lost_media = "image/png"};

	leg_init(&l, NULL);
	buf_add_cstr(&l.startup, "held back");
	buf_add_cstr(&l.usage_data, "kept");
	return l;
}

TEST(a_new_one_holds_no_slot_and_asks_nobody)
{
	struct leg l = {0};

	leg_init(&l, NULL);
	CHECK_INT(l.attempt.slot, SHM_NONE);
	CHECK(!l.offer && !l.call);
	leg_free(&l, NULL);
}

TEST(nothing_that_was_said_stays_for_the_next_attempt)
{
	struct leg l = used();

	leg_reset(&l);
	CHECK(!l.usage.present && !l.kept && !l.whole && !l.raw);
	CHECK(!l.substituted && !l.array_begun && !l.lost_media);
	CHECK_INT(l.seen_bytes, 0);
	CHECK_INT(l.first_byte_ns, 0);
	CHECK_INT(l.startup.n, 0);
	CHECK_INT(l.usage_data.n, 0);
	CHECK_INT(l.served.n, 0);
	/* what he answered with is the error's status still */
	CHECK_INT(l.upstream_status, 200);
	leg_free(&l, NULL);
}

TEST(a_body_goes_back_to_the_pool)
{
	struct pool *pool = pool_new(1 << 20);
	struct leg l = used();

	l.body.p = pool_alloc(pool, POOL_BLOCK);
	l.body.cap = POOL_BLOCK;
	CHECK_INT(pool_used(pool), POOL_BLOCK);
	leg_free(&l, pool);
	CHECK_INT(pool_used(pool), 0);
	pool_destroy(pool);
}

int
main(void)
{
	RUN(a_new_one_holds_no_slot_and_asks_nobody);
	RUN(nothing_that_was_said_stays_for_the_next_attempt);
	RUN(a_body_goes_back_to_the_pool);
	return tap_done();
}
