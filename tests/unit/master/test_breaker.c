/* The breaker: a table of histories, second by second. */
#include "base/clock.h"
#include "master/breaker.h"
#include "tests/tap.h"

#define PAUSE (10 * NS_PER_SEC)

static void
seconds(struct breaker *b, unsigned n, struct breaker_counts each,
	uint64_t *now)
{
	for (unsigned i = 0; i < n; i++) {
		*now += NS_PER_SEC;
		breaker_tick(b, &each, false, *now);
	}
}

struct history {
	const char *what;
	unsigned seconds;
	struct breaker_counts each; /* ok, faults, refused, late */
	enum channel_state then;
};

static const struct history histories[] = {
	{"nothing happens", 20, {0, 0, 0, 0}, CHANNEL_UP},
	{"all is well", 5, {100, 0, 0, 0}, CHANNEL_UP},
	{"few faults", 10, {96, 4, 0, 0}, CHANNEL_UP},
	{"one in ten fails", 3, {90, 10, 0, 0}, CHANNEL_DEGRADED},
	{"just below half fails", 3, {51, 49, 0, 0}, CHANNEL_DEGRADED},
	{"half fails", 1, {50, 50, 0, 0}, CHANNEL_OPEN},
	{"all fails, but few were asked", 1, {0, 9, 0, 0}, CHANNEL_UP},
	{"few a second still make a verdict", 5, {0, 2, 0, 0}, CHANNEL_OPEN},
	{"refused three times, nothing else", 1, {0, 0, 3, 0}, CHANNEL_OPEN},
	{"refused twice", 1, {0, 0, 2, 0}, CHANNEL_UP},
	{"refused now and then among many", 5, {100, 0, 3, 0}, CHANNEL_UP},
};

TEST(each_history_ends_in_its_state)
{
	for (size_t i = 0; i < ARRAY_LEN(histories); i++) {
		const struct history *h = &histories[i];
		uint64_t now = 1;
		struct breaker b;

		breaker_init(&b, CHANNEL_UP, PAUSE, now);
		seconds(&b, h->seconds, h->each, &now);
		if (b.state != h->then)
			printf("# %s\n", h->what);
		CHECK_INT(b.state, h->then);
	}
}

TEST(old_faults_are_forgotten_after_the_window)
{
	uint64_t now = 1;
	struct breaker b;

	breaker_init(&b, CHANNEL_UP, PAUSE, now);
	seconds(&b, 1, (struct breaker_counts){80, 20, 0, 0}, &now);
	CHECK_INT(b.state, CHANNEL_DEGRADED);
	seconds(&b, BREAKER_WINDOW - 1, (struct breaker_counts){1, 0, 0, 0},
		&now);
	CHECK_INT(b.state, CHANNEL_DEGRADED);
	seconds(&b, 1, (struct breaker_counts){1, 0, 0, 0}, &now);
	CHECK_INT(b.state, CHANNEL_UP);
}

TEST(an_open_channel_is_probed_once_after_its_pause)
{
	uint64_t now = 1;
	struct breaker b;

	breaker_init(&b, CHANNEL_UP, PAUSE, now);
	CHECK(!breaker_wants_probe(&b, now));
	seconds(&b, 1, (struct breaker_counts){0, 20, 0, 0}, &now);
	CHECK_INT(b.state, CHANNEL_OPEN);
	CHECK(!breaker_wants_probe(&b, now + PAUSE - 1));
	CHECK(breaker_wants_probe(&b, now + PAUSE));
	CHECK_INT(b.state, CHANNEL_HALF);
	CHECK(!breaker_wants_probe(&b, now + 2 * PAUSE));
}

TEST(a_failed_probe_opens_for_the_same_pause_again)
{
	uint64_t now = 1;
	struct breaker b;

	breaker_init(&b, CHANNEL_OPEN, PAUSE, now);
	for (int i = 0; i < 5; i++) {
		CHECK(breaker_wants_probe(&b, now));
		breaker_probed(&b, false, now);
		CHECK_INT(b.state, CHANNEL_OPEN);
		CHECK(!breaker_wants_probe(&b, now + PAUSE - 1));
		now += PAUSE;
	}
}

TEST(a_good_probe_lets_traffic_prove_the_channel)
{
	uint64_t now = 1;
	struct breaker b;

	breaker_init(&b, CHANNEL_OPEN, PAUSE, now);
	CHECK(breaker_wants_probe(&b, now));
	breaker_probed(&b, true, now);
	CHECK_INT(b.state, CHANNEL_DEGRADED);
	seconds(&b, 2, (struct breaker_counts){50, 0, 0, 0}, &now);
	CHECK_INT(b.state, CHANNEL_UP);
	CHECK_INT(b.pause_ns, PAUSE);
}

TEST(a_channel_that_probes_well_and_fails_again_waits_longer)
{
	uint64_t now = 1, pause = PAUSE;
	struct breaker b;

	breaker_init(&b, CHANNEL_OPEN, PAUSE, now);
	for (int i = 0; i < 6; i++) {
		CHECK(breaker_wants_probe(&b, now));
		breaker_probed(&b, true, now);
		seconds(&b, 1, (struct breaker_counts){0, 20, 0, 0}, &now);
		CHECK_INT(b.state, CHANNEL_OPEN);
		pause = MIN_OF(pause * 2, BREAKER_PAUSE_MAX_NS);
		CHECK(!breaker_wants_probe(&b, now + pause - 1));
		now += pause;
	}
}

TEST(a_probe_that_nobody_asked_for_changes_nothing)
{
	struct breaker b;

	breaker_init(&b, CHANNEL_UP, PAUSE, 1);
	breaker_probed(&b, false, 2);
	CHECK_INT(b.state, CHANNEL_UP);
}

/* One second of it. */
static void
last(struct breaker *b, struct breaker_counts each, bool is_last, uint64_t *now)
{
	*now += NS_PER_SEC;
	breaker_tick(b, &each, is_last, *now);
}

TEST(the_last_channel_that_answers_with_faults_is_kept_while_it_is_the_last)
{
	struct breaker b;
	uint64_t now = 100 * NS_PER_SEC;
	const struct breaker_counts bad = {2, 20, 0, 3};

	breaker_init(&b, CHANNEL_UP, PAUSE, now);
	last(&b, bad, true, &now);
	CHECK(b.state == CHANNEL_DEGRADED && b.kept);
	last(&b, bad, true, &now);
	CHECK(b.state == CHANNEL_DEGRADED && b.kept);
	last(&b, bad, false, &now);
	CHECK(b.state == CHANNEL_OPEN && !b.kept);
	/* the others are gone: it is tried at once */
	CHECK(!breaker_wants_probe(&b, now));
	last(&b, (struct breaker_counts){0, 0, 0, 0}, true, &now);
	CHECK(breaker_wants_probe(&b, now));
	breaker_probed(&b, true, now);
	CHECK(b.state == CHANNEL_DEGRADED && !b.kept);
	last(&b, bad, true, &now);
	CHECK(b.state == CHANNEL_DEGRADED && b.kept);
	/* well again */
	for (unsigned i = 0; i < BREAKER_WINDOW; i++)
		last(&b, (struct breaker_counts){100, 0, 0, 0}, true, &now);
	CHECK(b.state == CHANNEL_UP && !b.kept);
}

TEST(a_channel_that_refuses_or_does_not_answer_opens_though_it_is_the_last)
{
	static const struct breaker_counts down[] = {
		{0, 0, 20, 0}, {0, 5, 6, 0}, {5, 20, 0, 15}, {0, 20, 0, 20}};

	for (size_t i = 0; i < ARRAY_LEN(down); i++) {
		struct breaker b;
		uint64_t now = 100 * NS_PER_SEC;

		breaker_init(&b, CHANNEL_UP, PAUSE, now);
		last(&b, down[i], true, &now);
		CHECK(b.state == CHANNEL_OPEN && !b.kept);
		/* and keeps its pause */
		last(&b, down[i], true, &now);
		CHECK(!breaker_wants_probe(&b, now));
	}
}

TEST(a_probe_that_was_given_up_is_repeated_at_once)
{
	struct breaker b;
	uint64_t now = 100 * NS_PER_SEC;

	breaker_init(&b, CHANNEL_OPEN, PAUSE, now);
	CHECK(breaker_wants_probe(&b, now));
	breaker_again(&b, now);
	CHECK_INT(b.state, CHANNEL_OPEN);
	CHECK(breaker_wants_probe(&b, now));
	breaker_init(&b, CHANNEL_UP, PAUSE, now);
	breaker_again(&b, now);
	CHECK_INT(b.state, CHANNEL_UP);
}

TEST(a_channel_that_was_open_before_a_restart_is_probed_at_once)
{
	struct breaker b;

	breaker_init(&b, CHANNEL_HALF, PAUSE, 7);
	CHECK_INT(b.state, CHANNEL_OPEN);
	CHECK(breaker_wants_probe(&b, 7));
}

TEST(a_stray_refusal_is_checked_at_once_and_repeated_ones_less_often)
{
	struct breaker b;
	uint64_t now = 100 * NS_PER_SEC;
	unsigned checks = 0;

	breaker_init(&b, CHANNEL_UP, PAUSE, now);
	CHECK(!breaker_wants_check(&b, 0, now));
	CHECK(breaker_wants_check(&b, now + PAUSE, now));
	CHECK(!breaker_wants_check(&b, now + PAUSE, now));
	/* refused again after each check that went well */
	for (unsigned ms = 0; ms < 30000; ms += 100)
		checks += breaker_wants_check(&b, UINT64_MAX,
					      now + ms * NS_PER_MS + 1);
	CHECK_INT(checks, 5); /* after 1, 3, 7, 15 and 23 s */
	now += 30 * NS_PER_SEC;
	CHECK(!breaker_wants_check(&b, 0, now + 20 * NS_PER_SEC));
	now += 21 * NS_PER_SEC;
	CHECK(breaker_wants_check(&b, UINT64_MAX, now));
	CHECK(breaker_wants_check(&b, UINT64_MAX, now + NS_PER_SEC));
	/* what the breaker has opened, only its probe closes */
	breaker_init(&b, CHANNEL_OPEN, PAUSE, now);
	CHECK(!breaker_wants_check(&b, UINT64_MAX, now));
}

int
main(void)
{
	RUN(each_history_ends_in_its_state);
	RUN(old_faults_are_forgotten_after_the_window);
	RUN(an_open_channel_is_probed_once_after_its_pause);
	RUN(a_failed_probe_opens_for_the_same_pause_again);
	RUN(a_good_probe_lets_traffic_prove_the_channel);
	RUN(a_channel_that_probes_well_and_fails_again_waits_longer);
	RUN(a_probe_that_nobody_asked_for_changes_nothing);
	RUN(the_last_channel_that_answers_with_faults_is_kept_while_it_is_the_last);
	RUN(a_channel_that_refuses_or_does_not_answer_opens_though_it_is_the_last);
	RUN(a_probe_that_was_given_up_is_repeated_at_once);
	RUN(a_channel_that_was_open_before_a_restart_is_probed_at_once);
	RUN(a_stray_refusal_is_checked_at_once_and_repeated_ones_less_often);
	return tap_done();
}
