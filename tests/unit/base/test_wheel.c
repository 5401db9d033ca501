#include <stdlib.h>

#include "base/clock.h"
#include "base/wheel.h"
#include "tests/tap.h"

#define START (12345ull * NS_PER_SEC + 3333333)
#define MS(n) ((uint64_t)(n)*NS_PER_MS)

static uint64_t now_ns;
static struct wheel *wheel;
static int fired;

struct owner {
	struct wheel_timer timer; /* first: the callback finds its owner */
	uint64_t fired_ns;
	int times;
};

static void
note(struct wheel_timer *t)
{
	struct owner *o = (struct owner *)t;

	o->fired_ns = now_ns;
	o->times++;
	fired++;
}

static void
begin(void)
{
	now_ns = START;
	fired = 0;
	wheel = wheel_new(now_ns);
}

static void
run_until(uint64_t until, uint64_t step)
{
	while (now_ns < until) {
		now_ns += step;
		wheel_turn(wheel, now_ns);
	}
}

TEST(a_timer_fires_once_never_early_and_at_most_two_ticks_late)
{
	static const uint64_t delays_ms[] = {
		0,    1,    9,	   10,	   11,	   2550,   2560,
		2570, 5120, 10000, 655350, 655360, 655370, 700000};
	struct owner o[ARRAY_LEN(delays_ms)] = {0};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		wheel_arm(wheel, &o[i].timer, START + MS(delays_ms[i]), note);
	run_until(START + MS(701000), MS(5));
	for (size_t i = 0; i < ARRAY_LEN(o); i++) {
		CHECK_INT(o[i].times, 1);
		CHECK(o[i].fired_ns >= START + MS(delays_ms[i]));
		CHECK(o[i].fired_ns <= START + MS(delays_ms[i] + 25));
		CHECK(o[i].timer.prev == NULL);
	}
	wheel_destroy(wheel);
}

TEST(random_timers_fire_in_time_whatever_the_start)
{
	enum { N = 5000 };
	struct owner *o = calloc(N, sizeof(*o));
	uint32_t seed = 1;
	bool fine = true;

	begin();
	for (int i = 0; i < N; i++) {
		seed = seed * 1664525 + 1013904223;
		wheel_arm(wheel, &o[i].timer, now_ns + MS(seed % 200000), note);
		run_until(now_ns + 1, MS(1 + (seed >> 28)));
	}
	run_until(now_ns + MS(250000), MS(40));
	for (int i = 0; i < N; i++)
		fine = fine && o[i].times == 1 &&
		       o[i].fired_ns >= o[i].timer.due_ns &&
		       o[i].fired_ns <= o[i].timer.due_ns + MS(60);
	CHECK(fine);
	CHECK_INT(fired, N);
	wheel_destroy(wheel);
	free(o);
}

TEST(disarmed_and_rearmed_timers_do_as_told)
{
	struct owner a = {0}, b = {0}, c = {0};

	begin();
	wheel_disarm(&a.timer);
	wheel_arm(wheel, &a.timer, START + MS(50), note);
	wheel_arm(wheel, &b.timer, START + MS(50), note);
	wheel_arm(wheel, &c.timer, START + MS(50), note);
	wheel_disarm(&b.timer);
	wheel_arm(wheel, &c.timer, START + MS(500), note);
	run_until(START + MS(100), MS(10));
	CHECK_INT(a.times, 1);
	CHECK_INT(b.times, 0);
	CHECK_INT(c.times, 0);
	run_until(START + MS(600), MS(10));
	CHECK_INT(c.times, 1);
	wheel_destroy(wheel);
}

static void
again(struct wheel_timer *t)
{
	note(t);
	wheel_arm(wheel, t, now_ns, again);
}

TEST(a_callback_that_arms_for_now_does_not_hang_the_turn)
{
	struct owner o = {0};

	begin();
	wheel_arm(wheel, &o.timer, START, again);
	run_until(START + MS(1000), MS(10));
	CHECK(o.times >= 99 && o.times <= 101);
	wheel_destroy(wheel);
}

static struct owner *victim;

static void
free_both(struct wheel_timer *t)
{
	fired++;
	wheel_disarm(&victim->timer);
	free(victim);
	free(t);
}

TEST(a_callback_may_free_its_own_and_another_timer_of_the_same_tick)
{
	struct owner *a = calloc(1, sizeof(*a));

	begin();
	victim = calloc(1, sizeof(*victim));
	wheel_arm(wheel, &victim->timer, START + MS(20), note);
	wheel_arm(wheel, &a->timer, START + MS(20), free_both);
	run_until(START + MS(100), MS(10));
	CHECK_INT(fired, 1);
	wheel_destroy(wheel);
}

TEST(one_late_turn_fires_all_that_is_due)
{
	struct owner o[300] = {0};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		wheel_arm(wheel, &o[i].timer, START + MS(100 * i), note);
	now_ns = START + MS(60000);
	wheel_turn(wheel, now_ns);
	CHECK_INT(fired, 300);
	wheel_turn(wheel, START); /* a clock that is behind does nothing */
	wheel_destroy(wheel);
}

TEST(a_timer_beyond_every_level_stays_armed)
{
	struct owner o = {0};

	begin();
	wheel_arm(wheel, &o.timer, UINT64_MAX, note);
	run_until(START + MS(10000), MS(1000));
	CHECK_INT(o.times, 0);
	CHECK(o.timer.prev != NULL);
	wheel_disarm(&o.timer);
	wheel_destroy(wheel);
}

int
main(void)
{
	RUN(a_timer_fires_once_never_early_and_at_most_two_ticks_late);
	RUN(random_timers_fire_in_time_whatever_the_start);
	RUN(disarmed_and_rearmed_timers_do_as_told);
	RUN(a_callback_that_arms_for_now_does_not_hang_the_turn);
	RUN(a_callback_may_free_its_own_and_another_timer_of_the_same_tick);
	RUN(one_late_turn_fires_all_that_is_due);
	RUN(a_timer_beyond_every_level_stays_armed);
	return tap_done();
}
