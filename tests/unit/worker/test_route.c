/* Where a request goes: priorities, strategies, keys, what is left out. */
#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

static struct channel_row *
row(struct fixture *f, unsigned lane)
{
	return &f->region.channels[f->rows[lane]];
}

/* The channel a request goes to first; '-' = none. It fails there. */
static char
goes_to(struct fixture *f)
{
	unsigned before = f->n_calls;
	char to;

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	if (f->n_calls == before)
		return '-';
	to = f->calls->target.pool_key == f->rows[LANE_A] ? 'a' : 'b';
	fix_answer(f, 400, "{}");
	fix_settle(f);
	f->n_entries = 0;
	return to;
}

TEST(the_lowest_priority_number_comes_first)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].priority = 5;
	f->channel[LANE_B].priority = 0;
	fix_start(f);
	for (int i = 0; i < 10; i++)
		CHECK_INT(goes_to(f), 'b');
	CHECK(fix_done(f));
}

TEST(channels_that_are_not_well_are_left_out)
{
	struct fixture *f = fix_started();

	CHECK_INT(goes_to(f), 'a');
	atomic_store(&row(f, LANE_A)->state, CHANNEL_OPEN);
	CHECK_INT(goes_to(f), 'b');
	atomic_store(&row(f, LANE_A)->state, CHANNEL_HALF);
	CHECK_INT(goes_to(f), 'b');
	atomic_store(&row(f, LANE_A)->state, CHANNEL_DEGRADED);
	CHECK_INT(goes_to(f), 'a');
	atomic_store(&row(f, LANE_A)->state, CHANNEL_UP);
	atomic_store(&row(f, LANE_A)->operator_state, CHANNEL_DRAIN);
	CHECK_INT(goes_to(f), 'b');
	atomic_store(&row(f, LANE_A)->operator_state, 0);
	atomic_store(&row(f, LANE_A)->fault_until_ns,
		     fix_now() + 10 * NS_PER_SEC);
	CHECK_INT(goes_to(f), 'b');
	fix_wait_ms(f, 10000);
	CHECK_INT(goes_to(f), 'a');
	CHECK(fix_done(f));
}

TEST(a_channel_that_just_refused_is_better_than_none)
{
	struct fixture *f = fix_started();

	atomic_store(&row(f, LANE_A)->state, CHANNEL_OPEN);
	atomic_store(&row(f, LANE_B)->fault_until_ns, UINT64_MAX);
	CHECK_INT(goes_to(f), 'b');
	atomic_store(&row(f, LANE_B)->operator_state, CHANNEL_OFF);
	CHECK_INT(goes_to(f), '-');
	CHECK_INT(f->exchanges->status, 503);
	CHECK_STR(fix_json(f->exchanges, "code"), "\"no_channel\"");
	CHECK_STR(fix_field(f->exchanges, "retry-after"), "10");
	atomic_store(&row(f, LANE_B)->operator_state, 0);
	atomic_store(&row(f, LANE_B)->state, CHANNEL_OPEN);
	CHECK_INT(goes_to(f), '-');
	CHECK(fix_done(f));
}

TEST(a_channel_of_other_groups_is_no_candidate)
{
	struct fixture *f = fix_new();
	static const uint32_t pool[] = {GROUP_POOL};
	struct exchange *x;

	f->channel[LANE_A].groups = pool;
	f->channel[LANE_A].n_groups = 1;
	fix_start(f);
	CHECK_INT(goes_to(f), 'b');
	(void)str_copy(f->client_key->texts[0].group, GROUP_NAME, STR("pool"));
	CHECK_INT(goes_to(f), 'a');
	CHECK(fix_done(f));

	f = fix_new();
	f->channel[LANE_A].groups = pool;
	f->channel[LANE_A].n_groups = 1;
	f->channel[LANE_B].groups = pool;
	f->channel[LANE_B].n_groups = 1;
	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(x->status, 403);
	CHECK(fix_says(x, "'gpt'"));
	CHECK(fix_done(f));
}

TEST(a_full_channel_is_passed_over)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->channel[LANE_A].max_concurrency = 1;
	f->channel[LANE_B].max_concurrency = 1;
	f->channel[LANE_A].queue = f->channel[LANE_B].queue = 0;
	fix_start(f);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(row(f, LANE_A)->in_flight, 1);
	CHECK_INT(goes_to(f), 'b');
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(goes_to(f), '-');
	CHECK_INT(f->exchanges->status, 503);
	for (x = f->exchanges; x; x = x->next)
		if (x->live)
			fix_gone(x, E_CLIENT_GONE);
	CHECK(fix_done(f));
}

/* ---- strategies ---- */

static struct fixture *
equal(enum conf_strategy s, uint32_t weight_a, uint32_t weight_b)
{
	struct fixture *f = fix_new();

	f->conf.routing.strategy = s;
	f->channel[LANE_B].priority = f->channel[LANE_A].priority;
	f->channel[LANE_A].weight = weight_a;
	f->channel[LANE_B].weight = weight_b;
	fix_start(f);
	return f;
}

static int
share_of_a(struct fixture *f, int n)
{
	int a = 0;

	for (int i = 0; i < n; i++)
		a += goes_to(f) == 'a';
	return a;
}

TEST(weights_are_shares)
{
	struct fixture *f = equal(STRATEGY_WEIGHTED, 3, 1);
	int a = share_of_a(f, 1000);

	/* 750 +- 5 sigma; the random numbers are the same each time */
	CHECK(a > 680 && a < 820);
	CHECK(fix_done(f));
	f = equal(STRATEGY_WEIGHTED, 0, 1);
	CHECK_INT(share_of_a(f, 100), 0);
	/* but the last resort it is */
	atomic_store(&row(f, LANE_B)->state, CHANNEL_OPEN);
	CHECK_INT(share_of_a(f, 10), 10);
	CHECK(fix_done(f));
	f = equal(STRATEGY_WEIGHTED, 0, 0);
	CHECK_INT(share_of_a(f, 10), 10);
	CHECK(fix_done(f));
}

TEST(failover_takes_the_first_of_the_file)
{
	struct fixture *f = equal(STRATEGY_FAILOVER, 1, 1000);

	CHECK_INT(share_of_a(f, 20), 20);
	CHECK(fix_done(f));
}

TEST(balanced_prefers_the_less_loaded)
{
	struct fixture *f = equal(STRATEGY_BALANCED, 1, 1);
	int a;

	atomic_store(&row(f, LANE_A)->in_flight, 10);
	a = share_of_a(f, 400);
	/* both draws must be a: a quarter */
	CHECK(a > 50 && a < 150);
	atomic_store(&row(f, LANE_A)->in_flight, 0);
	CHECK(fix_done(f));
	/* load by weight */
	f = equal(STRATEGY_BALANCED, 9, 1);
	atomic_store(&row(f, LANE_A)->in_flight, 10);
	atomic_store(&row(f, LANE_B)->in_flight, 2);
	a = share_of_a(f, 400);
	CHECK(a > 380);
	atomic_store(&row(f, LANE_A)->in_flight, 0);
	atomic_store(&row(f, LANE_B)->in_flight, 0);
	CHECK(fix_done(f));
}

TEST(cost_takes_the_cheapest_and_shares_among_equals)
{
	struct fixture *f = fix_new();
	int a;

	f->conf.routing.strategy = STRATEGY_COST;
	f->channel[LANE_B].priority = f->channel[LANE_A].priority;
	f->channel[LANE_A].cost_ppm = 600000;
	f->channel[LANE_B].cost_ppm = 599000;
	fix_start(f);
	CHECK_INT(share_of_a(f, 20), 0);
	atomic_store(&row(f, LANE_B)->state, CHANNEL_OPEN);
	CHECK_INT(share_of_a(f, 20), 20);
	CHECK(fix_done(f));
	f = equal(STRATEGY_COST, 1, 1);
	a = share_of_a(f, 400);
	CHECK(a > 120 && a < 280);
	CHECK(fix_done(f));
}

TEST(a_channel_that_is_kept_though_it_fails_is_for_those_without_another)
{
	struct fixture *f = equal(STRATEGY_BALANCED, 1, 1);

	atomic_store(&row(f, LANE_A)->kept, 1);
	CHECK_INT(share_of_a(f, 20), 0);
	atomic_store(&row(f, LANE_B)->state, CHANNEL_OPEN);
	CHECK_INT(share_of_a(f, 20), 20);
	atomic_store(&row(f, LANE_B)->kept, 1);
	CHECK_INT(share_of_a(f, 20), 20);
	CHECK(fix_done(f));
}

static void
pace(struct fixture *f, unsigned lane, uint64_t ms)
{
	channel_note_pace(row(f, lane), PACE_WHOLE, ms * 1000, fix_now());
}

TEST(performance_takes_the_quicker_one)
{
	struct fixture *f = equal(STRATEGY_PERFORMANCE, 1, 1);
	int a;

	/* nothing is known yet */
	a = share_of_a(f, 400);
	CHECK(a > 150 && a < 250);
	pace(f, LANE_A, 100);
	pace(f, LANE_B, 900);
	CHECK_INT(share_of_a(f, 50), 50);
	/* but not whatever its load is */
	atomic_store(&row(f, LANE_A)->in_flight, 9);
	CHECK_INT(share_of_a(f, 50), 0);
	atomic_store(&row(f, LANE_A)->in_flight, 0);
	CHECK(fix_done(f));
}

TEST(performance_goes_by_the_slow_answers_where_enough_is_known)
{
	struct fixture *f = equal(STRATEGY_PERFORMANCE, 1, 1);

	for (unsigned i = 0; i < PACE_ENOUGH; i++)
		pace(f, LANE_A, 200);
	/* mostly quicker, but some take long */
	for (unsigned i = 0; i < PACE_ENOUGH - 1; i++)
		pace(f, LANE_B, i == 5 ? 2000 : 50);
	CHECK_INT(share_of_a(f, 20), 0); /* by their averages */
	pace(f, LANE_B, 2000);
	for (unsigned i = 0; i < 15; i++)
		pace(f, LANE_B, 50);
	CHECK(channel_pace_us(row(f, LANE_B), PACE_WHOLE, fix_now()) < 180000);
	CHECK_INT(share_of_a(f, 20), 20);
	CHECK(fix_done(f));
}

TEST(a_channel_that_once_was_slow_is_tried_again)
{
	struct fixture *f = equal(STRATEGY_PERFORMANCE, 1, 1);

	pace(f, LANE_A, 100);
	pace(f, LANE_B, 900);
	for (int i = 0; i < 5; i++) {
		fix_wait_ms(f, 15000);
		pace(f, LANE_A, 100);
	}
	CHECK_INT(share_of_a(f, 20), 0);
	/* one is enough to know better */
	pace(f, LANE_B, 900);
	CHECK_INT(share_of_a(f, 20), 20);
	CHECK(fix_done(f));
}

TEST(the_first_byte_of_each_answer_is_timed)
{
	struct fixture *f = fix_started();
	struct channel_row *a = row(f, LANE_A);

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_wait_ms(f, 250);
	fix_answer(f, 200,
		   "{\"model\":\"up-gpt\",\"choices\":[{\"message\":"
		   "{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":1,"
		   "\"completion_tokens\":1,\"total_tokens\":2}}");
	fix_settle(f);
	CHECK_INT(channel_pace_us(a, PACE_WHOLE, fix_now()), 250000);
	CHECK_INT(channel_pace_us(a, PACE_STREAM, fix_now()), 0);
	CHECK(fix_done(f));
}

/* ---- keys ---- */

static void
with_keys(struct fixture *f, uint32_t n)
{
	f->channel[LANE_A].n_keys = n;
}

static unsigned
key_of(const struct fixture *f)
{
	static const char *const texts[] = {"sk-first-0001", "sk-second-02",
					    "sk-third-003", "sk-fourth-04"};

	for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
		if (strstr(f->calls->sent.p, texts[i]))
			return i;
	return 99;
}

TEST(every_key_of_a_channel_has_its_turn)
{
	for (uint32_t n = 1; n <= 4; n++) {
		struct fixture *f = fix_new();
		unsigned used[4] = {0};

		with_keys(f, n);
		fix_start(f);
		for (unsigned i = 0; i < 4 * n; i++) {
			CHECK_INT(goes_to(f), 'a');
			used[key_of(f)]++;
		}
		for (unsigned i = 0; i < n; i++)
			CHECK_INT(used[i], 4);
		CHECK(fix_done(f));
	}
}

TEST(a_key_that_cools_down_is_left_alone)
{
	struct fixture *f = fix_new();

	with_keys(f, 3);
	fix_start(f);
	atomic_store(&row(f, LANE_A)->key_until_ns[1],
		     fix_now() + 60 * NS_PER_SEC);
	for (int i = 0; i < 12; i++) {
		CHECK_INT(goes_to(f), 'a');
		CHECK(key_of(f) != 1);
	}
	atomic_store(&row(f, LANE_A)->key_until_ns[0], UINT64_MAX);
	atomic_store(&row(f, LANE_A)->key_until_ns[2], UINT64_MAX);
	CHECK_INT(goes_to(f), 'b');
	fix_wait_ms(f, 60000);
	CHECK_INT(goes_to(f), 'a');
	CHECK_INT(key_of(f), 1);
	CHECK(fix_done(f));
}

TEST(a_channel_without_keys_needs_none)
{
	struct fixture *f = fix_new();

	with_keys(f, 0);
	fix_start(f);
	CHECK_INT(goes_to(f), 'a');
	CHECK(strstr(f->calls->sent.p, "authorization") == NULL);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_lowest_priority_number_comes_first);
	RUN(channels_that_are_not_well_are_left_out);
	RUN(a_channel_that_just_refused_is_better_than_none);
	RUN(a_channel_of_other_groups_is_no_candidate);
	RUN(a_full_channel_is_passed_over);
	RUN(weights_are_shares);
	RUN(failover_takes_the_first_of_the_file);
	RUN(balanced_prefers_the_less_loaded);
	RUN(cost_takes_the_cheapest_and_shares_among_equals);
	RUN(a_channel_that_is_kept_though_it_fails_is_for_those_without_another);
	RUN(performance_takes_the_quicker_one);
	RUN(performance_goes_by_the_slow_answers_where_enough_is_known);
	RUN(a_channel_that_once_was_slow_is_tried_again);
	RUN(the_first_byte_of_each_answer_is_timed);
	RUN(every_key_of_a_channel_has_its_turn);
	RUN(a_key_that_cools_down_is_left_alone);
	RUN(a_channel_without_keys_needs_none);
	return tap_done();
}
