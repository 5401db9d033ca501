/* How long channels take. */
#include <pthread.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/channels.h"
#include "tests/tap.h"

#define TURN_S	30u
#define THREADS 4u
#define ADDS	50000u

struct bench {
	struct region r;
	struct channel_row *c;
	uint64_t now;
};

static void
bench_open(struct bench *b)
{
	must(region_anonymous(&b->r, SLOT_PAGE, 1) == E_OK);
	b->c = &b->r.channels[channel_bind(&b->r, STR("main"))];
	b->now = 20 * TURN_S * NS_PER_SEC;
}

static void
note(struct bench *b, unsigned times, uint64_t us)
{
	for (unsigned i = 0; i < times; i++)
		channel_note_pace(b->c, PACE_STREAM, us, b->now);
}

static uint64_t
p95(const struct bench *b)
{
	return channel_p95_us(b->c, PACE_STREAM, b->now);
}

/* Within 12 %. */
static bool
about(uint64_t is, uint64_t wanted)
{
	return is * 100 >= wanted * 88 && is * 100 <= wanted * 112;
}

TEST(a_few_observations_say_nothing)
{
	struct bench b;

	bench_open(&b);
	CHECK_INT(p95(&b), 0);
	note(&b, PACE_ENOUGH - 1, 1000);
	CHECK_INT(p95(&b), 0);
	note(&b, 1, 1000);
	CHECK(about(p95(&b), 1000));
	CHECK_INT(channel_p95_us(b.c, PACE_WHOLE, b.now), 0);
	region_close(&b.r);
}

TEST(each_length_is_known_within_12_percent)
{
	struct bench b;
	unsigned wrong = 0;

	bench_open(&b);
	for (uint64_t us = 64; us < 500u * 1000000; us += us / 37 + 1) {
		b.now += 2 * TURN_S * NS_PER_SEC;
		note(&b, PACE_ENOUGH, us);
		wrong += !about(p95(&b), us);
	}
	CHECK_INT(wrong, 0);
	region_close(&b.r);
}

TEST(what_is_out_of_range_counts_as_the_shortest_or_the_longest)
{
	struct bench b;

	bench_open(&b);
	note(&b, PACE_ENOUGH, 0);
	CHECK(p95(&b) > 0 && p95(&b) < 16);
	b.now += 2 * TURN_S * NS_PER_SEC;
	note(&b, PACE_ENOUGH, UINT64_MAX);
	CHECK(p95(&b) > 400u * 1000000);
	region_close(&b.r);
}

TEST(one_of_twenty_is_not_seen_two_are)
{
	struct bench b;

	bench_open(&b);
	note(&b, 95, 1000);
	note(&b, 5, 900000);
	CHECK(about(p95(&b), 1000));
	note(&b, 1, 900000);
	CHECK(about(p95(&b), 900000));
	region_close(&b.r);
}

TEST(what_is_older_than_a_minute_is_forgotten)
{
	struct bench b;

	bench_open(&b);
	note(&b, PACE_ENOUGH, 900000);
	b.now += TURN_S * NS_PER_SEC;
	CHECK(about(p95(&b), 900000));
	note(&b, PACE_ENOUGH, 1000);
	CHECK(about(p95(&b), 900000));
	b.now += TURN_S * NS_PER_SEC;
	CHECK(about(p95(&b), 1000));
	b.now += TURN_S * NS_PER_SEC;
	CHECK_INT(p95(&b), 0);
	/* the half is used again, and is empty */
	note(&b, PACE_ENOUGH, 2000);
	CHECK(about(p95(&b), 2000));
	region_close(&b.r);
}

TEST(a_worker_whose_time_is_behind_takes_nothing_away)
{
	struct bench b;
	uint64_t now;

	bench_open(&b);
	now = b.now;
	note(&b, PACE_ENOUGH, 1000);
	b.now = now - 2 * TURN_S * NS_PER_SEC;
	note(&b, 1, 1000);
	b.now = now;
	CHECK(about(p95(&b), 1000));
	b.now = now - 1;
	CHECK(about(p95(&b), 1000));
	region_close(&b.r);
}

static void *
adds(void *user)
{
	struct bench *b = user;

	for (unsigned i = 0; i < ADDS; i++)
		channel_note_pace(b->c, PACE_STREAM, 1000 + i % 20 * 1000,
				  b->now);
	return NULL;
}

TEST(workers_add_at_the_same_time)
{
	struct bench b;
	pthread_t t[THREADS];

	bench_open(&b);
	note(&b, 1, 1000); /* the half is in use */
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, adds, &b) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_join(t[i], NULL) == 0);
	CHECK(about(p95(&b), 19000));
	for (uint64_t sum = 0, i = 0; i <= PACE_BUCKETS; i++) {
		if (i == PACE_BUCKETS)
			CHECK_INT(sum, THREADS * ADDS + 1);
		else
			sum += b.c->halves[PACE_STREAM][1].n[i];
	}
	region_close(&b.r);
}

static void *
turns(void *user)
{
	struct bench *b = user;

	for (unsigned i = 0; i < ADDS; i++)
		channel_note_pace(b->c, PACE_STREAM, 1000,
				  b->now + i / 100 * TURN_S * NS_PER_SEC);
	return NULL;
}

TEST(workers_that_turn_the_halves_at_the_same_time_leave_them_whole)
{
	struct bench b;
	pthread_t t[THREADS];

	bench_open(&b);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, turns, &b) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_join(t[i], NULL) == 0);
	b.now += (uint64_t)ADDS / 100 * TURN_S * NS_PER_SEC;
	note(&b, PACE_ENOUGH, 1000);
	CHECK(about(p95(&b), 1000));
	region_close(&b.r);
}

int
main(void)
{
	RUN(a_few_observations_say_nothing);
	RUN(each_length_is_known_within_12_percent);
	RUN(what_is_out_of_range_counts_as_the_shortest_or_the_longest);
	RUN(one_of_twenty_is_not_seen_two_are);
	RUN(what_is_older_than_a_minute_is_forgotten);
	RUN(a_worker_whose_time_is_behind_takes_nothing_away);
	RUN(workers_add_at_the_same_time);
	RUN(workers_that_turn_the_halves_at_the_same_time_leave_them_whole);
	return tap_done();
}
