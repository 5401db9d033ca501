/* Queues of channels: who is next. */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/channels.h"
#include "shm/queue.h"
#include "tests/tap.h"

#define NOW  (1000 * NS_PER_SEC)
#define SOON (NOW + NS_PER_SEC)

struct bench {
	struct region r;
	struct queue *q;
};

static void
bench_init(struct bench *b)
{
	must(region_anonymous(&b->r, SLOT_PAGE, 4) == E_OK);
	must(queue_need(&b->r, 3) == E_OK);
	b->q = queue_of(&b->r, 3);
}

static uint32_t
join(const struct bench *b, uint32_t worker, uint32_t account)
{
	return queue_join(b->q,
			  &(struct queue_spec){.owner = queue_owner(7, worker),
					       .account = account,
					       .places = 100,
					       .until_ns = SOON});
}

/* Serves the next; its account, -1 = nobody waits. */
static int
serve(const struct bench *b)
{
	struct queue_walk walk = {0};
	int account;

	if (!queue_next(b->q, NOW, &walk))
		return -1;
	account = (int)b->q->place[walk.place].account;
	queue_leave(b->q, walk.place, true);
	return account;
}

TEST(a_channel_has_none_unless_it_needs_one)
{
	struct bench b;

	bench_init(&b);
	CHECK(b.q == &b.r.queues[3]);
	CHECK(queue_of(&b.r, 2) == NULL);
	CHECK(!queue_busy(b.q));
	CHECK_INT(queue_length(b.q), 0);
	CHECK_INT(serve(&b), -1);
	region_close(&b.r);
}

TEST(one_account_is_served_in_the_order_of_coming)
{
	struct bench b;
	uint32_t place[90];

	bench_init(&b);
	for (unsigned i = 0; i < 90; i++) {
		place[i] = join(&b, 0, 5);
		CHECK_INT(queue_rank(b.q, place[i], NOW), i);
	}
	CHECK(queue_busy(b.q));
	CHECK_INT(queue_length(b.q), 90);
	for (unsigned i = 0; i < 90; i++) {
		struct queue_walk walk = {0};

		CHECK(queue_next(b.q, NOW, &walk));
		CHECK_INT(walk.place, place[i]);
		queue_leave(b.q, walk.place, true);
	}
	CHECK(!queue_busy(b.q));
	region_close(&b.r);
}

TEST(accounts_take_turns)
{
	struct bench b;
	static const int order[] = {1, 2, 3, 1, 2, 1, 1, 1, -1};

	bench_init(&b);
	for (unsigned i = 0; i < 5; i++)
		(void)join(&b, 0, 1);
	(void)join(&b, 1, 2);
	(void)join(&b, 2, 2);
	(void)join(&b, 1, 3);
	for (unsigned i = 0; i < 9; i++)
		CHECK_INT(serve(&b), order[i]);
	region_close(&b.r);
}

TEST(who_comes_waits_one_turn_of_each_other_account)
{
	struct bench b;

	bench_init(&b);
	for (unsigned i = 0; i < 50; i++)
		(void)join(&b, 0, 1);
	for (unsigned i = 0; i < 20; i++)
		CHECK_INT(serve(&b), 1);
	/* as soon as served it comes again */
	for (unsigned i = 0; i < 10; i++) {
		(void)join(&b, 1, 2);
		CHECK_INT(serve(&b), 1);
		CHECK_INT(serve(&b), 2);
	}
	region_close(&b.r);
}

TEST(who_leaves_without_a_turn_leaves_no_gap)
{
	struct bench b;
	uint32_t place[40];

	bench_init(&b);
	for (unsigned i = 0; i < 40; i++)
		place[i] = join(&b, 0, 1);
	for (unsigned i = 0; i < 38; i++)
		queue_leave(b.q, place[i], false);
	(void)join(&b, 0, 2);
	(void)join(&b, 0, 2);
	(void)join(&b, 0, 2);
	CHECK_INT(serve(&b), 1);
	CHECK_INT(serve(&b), 2);
	CHECK_INT(serve(&b), 1);
	CHECK_INT(serve(&b), 2);
	CHECK_INT(serve(&b), 2);
	region_close(&b.r);
}

TEST(no_more_places_than_said)
{
	struct bench b;
	struct queue_spec two = {.owner = 1, .places = 2, .until_ns = SOON};
	struct queue_spec many = {
		.owner = 1, .places = UINT32_MAX, .until_ns = SOON};
	uint32_t first;

	bench_init(&b);
	first = queue_join(b.q, &two);
	CHECK(first != SHM_NONE);
	CHECK(queue_join(b.q, &two) != SHM_NONE);
	CHECK_INT(queue_join(b.q, &two), SHM_NONE);
	queue_leave(b.q, first, false);
	CHECK_INT(queue_join(b.q, &two), first);
	for (unsigned i = 2; i < QUEUE_PLACES; i++)
		CHECK(queue_join(b.q, &many) != SHM_NONE);
	CHECK_INT(queue_join(b.q, &many), SHM_NONE);
	CHECK_INT(queue_length(b.q), QUEUE_PLACES);
	region_close(&b.r);
}

TEST(a_worker_that_hangs_holds_nobody_up_for_long)
{
	struct bench b;
	struct queue_walk walk = {0};
	uint64_t late = SOON + NS_PER_SEC;
	uint32_t mine;

	bench_init(&b);
	(void)join(&b, 1, 1);
	mine = queue_join(b.q, &(struct queue_spec){.owner = 2,
						    .account = 2,
						    .places = 9,
						    .until_ns = late});
	CHECK_INT(queue_rank(b.q, mine, SOON), 1);
	CHECK_INT(queue_rank(b.q, mine, late), 0);
	CHECK(queue_next(b.q, late, &walk));
	CHECK_INT(walk.place, mine);
	CHECK(!queue_next(b.q, late, &walk));
	region_close(&b.r);
}

TEST(the_places_of_a_dead_worker_are_freed)
{
	struct bench b;

	bench_init(&b);
	for (unsigned i = 0; i < 60; i++)
		(void)join(&b, i % 3, i % 2);
	/* died before it was published */
	b.q->place[70].owner = queue_owner(7, 1);
	queue_reap(&b.r, queue_owner(7, 1));
	CHECK_INT(queue_length(b.q), 40);
	CHECK_INT(b.q->place[70].owner, 0);
	queue_reap(&b.r, queue_owner(6, 0)); /* of the row before */
	CHECK_INT(queue_length(b.q), 40);
	for (unsigned i = 0; i < 40; i++)
		CHECK(serve(&b) >= 0);
	for (unsigned i = 0; i < QUEUE_PLACES; i++)
		CHECK_INT(b.q->place[i].owner, 0);
	region_close(&b.r);
}

TEST(the_wait_is_estimated_from_what_places_took)
{
	struct bench b;

	bench_init(&b);
	CHECK_INT(queue_wait_ns(b.q, 9, 2, NOW), 0); /* not known */
	queue_note_held(b.q, 1000, NOW);
	CHECK_INT(queue_wait_ns(b.q, 0, 1, NOW), 1000000);
	CHECK_INT(queue_wait_ns(b.q, 9, 2, NOW), 5000000);
	for (unsigned i = 0; i < 100; i++)
		queue_note_held(b.q, 9000, NOW);
	CHECK(queue_wait_ns(b.q, 0, 1, NOW) > 8900000);
	CHECK(queue_wait_ns(b.q, 0, 1, NOW - NS_PER_SEC) > 8900000);
	CHECK_INT(queue_wait_ns(b.q, 0, 1, NOW + 62 * NS_PER_SEC), 0);
	queue_note_held(b.q, 10, NOW + 62 * NS_PER_SEC);
	CHECK_INT(queue_wait_ns(b.q, 0, 1, NOW + 62 * NS_PER_SEC), 10000);
	queue_note_held(b.q, UINT64_MAX, NOW + 62 * NS_PER_SEC);
	CHECK(queue_wait_ns(b.q, QUEUE_PLACES, 1, NOW + 62 * NS_PER_SEC) > 0);
	region_close(&b.r);
}

/* ---- many at once ---- */

#define THREADS 4
#define ROUNDS	3000
#define MOST	3

struct crowd {
	struct bench b;
	struct channel_row *row;
	_Atomic int inside, most_inside, next_thread;
	_Atomic unsigned served;
};

static void
visit(struct crowd *c)
{
	int n = atomic_fetch_add(&c->inside, 1) + 1;
	int was = atomic_load(&c->most_inside);

	while (was < n &&
	       !atomic_compare_exchange_weak(&c->most_inside, &was, n))
		;
	atomic_fetch_sub(&c->inside, 1);
	atomic_fetch_add(&c->served, 1);
}

/* One that waits in a loop, as a worker waits by looking. */
static void *
live(void *arg)
{
	struct crowd *c = arg;
	struct queue *q = c->b.q;
	uint32_t number = (uint32_t)atomic_fetch_add(&c->next_thread, 1);

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t place = join(&c->b, number, number);

		must(place != SHM_NONE);
		while (queue_rank(q, place, NOW) >= MOST ||
		       !channel_enter(c->row, MOST))
			(void)sched_yield();
		queue_leave(q, place, i % 16 != 0);
		visit(c);
		(void)channel_leave(c->row, MOST);
	}
	return NULL;
}

TEST(never_more_are_inside_than_may_be)
{
	static struct crowd c;
	pthread_t thread[THREADS];

	bench_init(&c.b);
	c.row = &c.b.r.channels[3];
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_create(&thread[i], NULL, live, &c) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(thread[i], NULL);
	CHECK_INT(c.served, THREADS * ROUNDS);
	CHECK(c.most_inside <= MOST);
	CHECK_INT(c.row->in_flight, 0);
	CHECK(!queue_busy(c.b.q));
	region_close(&c.b.r);
}

int
main(void)
{
	RUN(a_channel_has_none_unless_it_needs_one);
	RUN(one_account_is_served_in_the_order_of_coming);
	RUN(accounts_take_turns);
	RUN(who_comes_waits_one_turn_of_each_other_account);
	RUN(who_leaves_without_a_turn_leaves_no_gap);
	RUN(no_more_places_than_said);
	RUN(a_worker_that_hangs_holds_nobody_up_for_long);
	RUN(the_places_of_a_dead_worker_are_freed);
	RUN(the_wait_is_estimated_from_what_places_took);
	RUN(never_more_are_inside_than_may_be);
	return tap_done();
}
