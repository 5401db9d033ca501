/* Waiting for a place at a full channel. */
#include <unistd.h>

#include "base/clock.h"
#include "shm/queue.h"
#include "tests/unit/worker/fixture.h"
#include "worker/queue.h"

/* Lane a takes one at a time, b none. */
static struct fixture *
narrow(void)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].max_concurrency = 1;
	f->channel[LANE_B].n_models = 0;
	return f;
}

static struct fixture *
narrow_started(void)
{
	struct fixture *f = narrow();

	fix_start(f);
	return f;
}

static struct channel_row *
row(struct fixture *f, unsigned lane)
{
	return &f->region.channels[f->rows[lane]];
}

static uint32_t
length(const struct fixture *f)
{
	return queue_length(queue_of(&f->region, f->rows[LANE_A]));
}

static uint64_t
outcomes(const struct fixture *f, enum metric_queued q)
{
	return f->w.metrics->cell[M_QUEUED + q];
}

static struct exchange *
ask(struct fixture *f)
{
	return fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
}

static void
answer(struct fixture *f)
{
	fix_answer(f, 200, fix_whole("hello", NULL));
	fix_settle(f);
}

TEST(one_that_finds_only_full_channels_waits_for_its_turn)
{
	struct fixture *f = narrow_started();
	struct exchange *one = ask(f), *two = ask(f), *three = ask(f);

	CHECK_INT(f->n_calls, 1);
	CHECK_INT(length(f), 2);
	CHECK(two->live && !two->answered);
	answer(f);
	CHECK_INT(one->status, 200);
	CHECK_INT(f->n_calls, 2);
	CHECK_INT(length(f), 1);
	CHECK_INT(row(f, LANE_A)->in_flight, 1);
	fix_wait_ms(f, 500);
	CHECK_INT(f->n_calls, 2);
	answer(f);
	CHECK_INT(two->status, 200);
	answer(f);
	CHECK_INT(three->status, 200);
	CHECK_INT(outcomes(f, QUEUED_SERVED), 2);
	CHECK(fix_done(f));
}

TEST(what_came_later_does_not_overtake)
{
	struct fixture *f = narrow_started();
	struct exchange *two, *three;

	(void)ask(f);
	two = ask(f);
	/* free, and the one that is next has not heard of it */
	fix_answer(f, 200, fix_whole("hello", NULL));
	CHECK_INT(row(f, LANE_A)->in_flight, 0);
	three = ask(f);
	CHECK_INT(f->n_calls, 1);
	fix_settle(f);
	answer(f);
	CHECK(two->answered && !three->answered);
	answer(f);
	CHECK(three->answered);
	CHECK(fix_done(f));
}

TEST(a_wait_that_is_over_is_refused_unbilled)
{
	struct fixture *f = narrow();
	struct exchange *two;

	f->conf.routing.queue_timeout_ms = 300;
	fix_start(f);
	(void)ask(f);
	two = ask(f);
	fix_wait_ms(f, 290);
	fix_settle(f);
	CHECK(!two->answered);
	fix_wait_ms(f, 20);
	fix_settle(f);
	CHECK_INT(two->status, 503);
	CHECK_STR(fix_json(two, "code"), "\"channels_full\"");
	CHECK_STR(fix_field(two, "retry-after"), "1");
	CHECK_INT(length(f), 0);
	CHECK_INT(outcomes(f, QUEUED_TIMEOUT), 1);
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].cost, 0);
	answer(f);
	CHECK(fix_done(f));
}

TEST(a_queue_that_is_full_refuses_at_once)
{
	struct fixture *f = narrow();
	struct exchange *x;

	f->channel[LANE_A].queue = 2;
	fix_start(f);
	for (int i = 0; i < 3; i++)
		(void)ask(f);
	x = ask(f);
	fix_settle(f);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_json(x, "code"), "\"channels_full\"");
	CHECK_INT(outcomes(f, QUEUED_FULL), 1);
	CHECK_INT(f->entry[0].cost, 0);
	for (int i = 0; i < 3; i++)
		answer(f);
	CHECK(fix_done(f));
}

TEST(without_a_queue_nobody_waits)
{
	struct fixture *f = narrow();
	struct exchange *x;

	f->channel[LANE_A].queue = 0;
	fix_start(f);
	(void)ask(f);
	x = ask(f);
	fix_settle(f);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_json(x, "code"), "\"channels_full\"");
	answer(f);
	CHECK(fix_done(f));
}

TEST(a_wait_that_takes_too_long_is_refused_at_once)
{
	struct fixture *f = narrow();
	struct exchange *x;

	f->conf.routing.queue_timeout_ms = 2500;
	fix_start(f);
	(void)ask(f);
	fix_wait_ms(f, 2000); /* that is how long a place is held */
	answer(f);
	(void)ask(f);
	(void)ask(f); /* expects 2 s */
	CHECK_INT(length(f), 1);
	x = ask(f); /* 4 s */
	fix_settle(f);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_field(x, "retry-after"), "4");
	CHECK_INT(outcomes(f, QUEUED_LATE), 1);
	answer(f);
	answer(f);
	CHECK(fix_done(f));
}

TEST(a_client_that_leaves_leaves_its_place)
{
	struct fixture *f = narrow_started();
	struct exchange *two, *three;

	(void)ask(f);
	two = ask(f);
	three = ask(f);
	fix_gone(two, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(length(f), 1);
	CHECK_INT(outcomes(f, QUEUED_GONE), 1);
	answer(f);
	answer(f);
	CHECK_INT(three->status, 200);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

/* Somebody else's place. */
static uint32_t
elsewhere(struct fixture *f, uint32_t worker)
{
	atomic_store(&f->region.workers[worker].spawn_epoch, 3);
	return queue_join(
		queue_of(&f->region, f->rows[LANE_A]),
		&(struct queue_spec){.owner = queue_owner(3, worker),
				     .account = 77,
				     .places = QUEUE_PLACES,
				     .until_ns = fix_now() + NS_PER_SEC});
}

static bool
rung(struct fixture *f, unsigned worker)
{
	uint64_t n;

	return read(f->doorbells[worker], &n, sizeof(n)) == sizeof(n);
}

TEST(the_worker_of_the_next_one_is_rung)
{
	struct fixture *f = narrow_started();
	struct queue *q = queue_of(&f->region, f->rows[LANE_A]);
	struct exchange *x;
	uint32_t place;

	(void)ask(f);
	place = elsewhere(f, 2);
	x = ask(f);
	answer(f);
	CHECK(rung(f, 2));
	CHECK(!rung(f, 3));
	/* it is his, ours waits for it in vain */
	fix_wait_ms(f, 300);
	CHECK_INT(f->n_calls, 1);
	/* he took it and has given it back */
	queue_leave(q, place, true);
	fix_wait_ms(f, 100);
	CHECK_INT(f->n_calls, 2);
	answer(f);
	CHECK_INT(x->status, 200);
	CHECK(fix_done(f));
}

TEST(who_gives_up_calls_the_next)
{
	struct fixture *f = narrow_started();
	struct exchange *x;
	uint32_t place;

	(void)ask(f);
	x = ask(f);
	place = elsewhere(f, 2);
	fix_answer(f, 200, fix_whole("hello", NULL));
	CHECK(!rung(f, 2));
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK(rung(f, 2));
	queue_leave(queue_of(&f->region, f->rows[LANE_A]), place, false);
	CHECK(fix_done(f));
}

TEST(it_waits_at_all_full_channels_and_goes_where_one_is_free)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->channel[LANE_A].max_concurrency = 1;
	f->channel[LANE_B].max_concurrency = 1;
	fix_start(f);
	(void)ask(f); /* at a */
	(void)ask(f); /* at b */
	CHECK_INT(f->n_calls, 2);
	x = ask(f);
	CHECK_INT(queue_length(queue_of(&f->region, f->rows[LANE_B])), 1);
	answer(f); /* b's, the newest */
	CHECK_INT(f->n_calls, 3);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	CHECK_INT(length(f), 0);
	answer(f);
	CHECK_INT(x->status, 200);
	for (x = f->exchanges; x; x = x->next)
		if (x->live)
			fix_gone(x, E_CLIENT_GONE);
	CHECK(fix_done(f));
}

TEST(a_channel_that_is_not_well_is_not_waited_for)
{
	struct fixture *f = narrow_started();
	struct exchange *two, *three;

	(void)ask(f);
	two = ask(f);
	atomic_store(&row(f, LANE_A)->state, CHANNEL_OPEN);
	three = ask(f);
	fix_settle(f);
	CHECK_INT(three->status, 503);
	CHECK_STR(fix_json(three, "code"), "\"no_channel\"");
	CHECK(!two->answered);
	fix_wait_ms(f, 110);
	fix_settle(f);
	CHECK_INT(two->status, 503);
	CHECK_STR(fix_json(two, "code"), "\"no_channel\"");
	CHECK_INT(outcomes(f, QUEUED_CLOSED), 1);
	answer(f);
	CHECK(fix_done(f));
}

TEST(a_second_attempt_waits_as_well)
{
	struct fixture *f = fix_new();
	struct exchange *one, *two;

	f->channel[LANE_B].max_concurrency = 1;
	fix_start(f);
	/* b is full */
	atomic_store(&row(f, LANE_A)->state, CHANNEL_OPEN);
	one = ask(f);
	atomic_store(&row(f, LANE_A)->state, CHANNEL_UP);
	two = ask(f);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_A]);
	fix_answer(f, 500, "{}");
	CHECK_INT(f->n_calls, 2);
	CHECK(!two->answered);
	CHECK_INT(queue_length(queue_of(&f->region, f->rows[LANE_B])), 1);
	fix_gone(one, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->n_calls, 3);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	answer(f);
	CHECK_INT(two->status, 200);
	CHECK_STR(fix_field(two, "x-tollgate-attempts"), "2");
	CHECK(fix_done(f));
}

TEST(a_second_attempt_that_waits_in_vain_has_the_error_of_the_first)
{
	struct fixture *f = fix_new();
	struct exchange *two;

	f->channel[LANE_B].max_concurrency = 1;
	f->conf.routing.queue_timeout_ms = 100;
	fix_start(f);
	atomic_store(&row(f, LANE_B)->in_flight, 1);
	two = ask(f);
	fix_answer(f, 500, "{}");
	CHECK_INT(queue_length(queue_of(&f->region, f->rows[LANE_B])), 1);
	fix_wait_ms(f, 120);
	fix_settle(f);
	CHECK_INT(two->status, 502);
	atomic_store(&row(f, LANE_B)->in_flight, 0);
	f->n_entries = 0;
	CHECK(fix_done(f));
}

TEST(a_place_that_nobody_called_for_is_found_all_the_same)
{
	struct fixture *f = narrow_started();
	struct exchange *x;

	atomic_store(&row(f, LANE_A)->in_flight, 1); /* of a dead worker */
	x = ask(f);
	CHECK_INT(f->n_calls, 0);
	fix_wait_ms(f, 200);
	CHECK_INT(f->n_calls, 0);
	atomic_store(&row(f, LANE_A)->in_flight, 0); /* the writer */
	fix_wait_ms(f, 110);
	CHECK_INT(f->n_calls, 1);
	answer(f);
	CHECK_INT(x->status, 200);
	CHECK(fix_done(f));
}

TEST(a_stream_that_waits_for_long_hears_of_us)
{
	struct fixture *f = narrow();
	struct exchange *x;

	f->conf.routing.queue_timeout_ms = 60000;
	fix_start(f);
	(void)ask(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_wait_ms(f, f->conf.stream.keepalive_ms + 100);
	CHECK_INT(x->status, 200);
	CHECK(fix_says(x, ": keep-alive"));
	answer(f);
	CHECK_INT(f->n_calls, 2);
	fix_up_stream(f);
	fix_up_chunk(f, "hello");
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_says(x, "hello"));
	CHECK(fix_says(x, ": x-tollgate-channel: a"));
	CHECK(x->answered);
	CHECK(fix_done(f));
}

TEST(a_stream_that_heard_of_us_hears_of_the_refusal)
{
	static const struct {
		const char *path, *body, *says;
	} rows[] = {
		{FIX_CHATS,
		 "{\"model\":\"gpt\",\"stream\":true,\"messages\":"
		 "[{\"role\":\"user\",\"content\":\"hi\"}]}",
		 "channels_full"},
		{"/v1/responses",
		 "{\"model\":\"gpt\",\"stream\":true,\"input\":\"hi\"}",
		 "channels_full"},
		{"/v1/messages",
		 "{\"model\":\"gpt\",\"stream\":true,\"max_tokens\":9,"
		 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
		 "overloaded_error"},
		{"/v1beta/models/gpt:streamGenerateContent",
		 "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}]}",
		 "UNAVAILABLE"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = narrow();
		struct exchange *x;

		f->conf.routing.queue_timeout_ms = 20000;
		fix_start(f);
		(void)ask(f);
		x = fix_post(f, rows[i].path, rows[i].body);
		fix_wait_ms(f, 19900);
		CHECK_INT(x->status, 200);
		CHECK(!x->answered);
		fix_wait_ms(f, 200);
		fix_settle(f);
		CHECK(fix_says(x, rows[i].says));
		CHECK(x->answered);
		CHECK_INT(f->entry[0].cost, 0);
		answer(f);
		CHECK(fix_done(f));
	}
}

int
main(void)
{
	RUN(one_that_finds_only_full_channels_waits_for_its_turn);
	RUN(what_came_later_does_not_overtake);
	RUN(a_wait_that_is_over_is_refused_unbilled);
	RUN(a_queue_that_is_full_refuses_at_once);
	RUN(without_a_queue_nobody_waits);
	RUN(a_wait_that_takes_too_long_is_refused_at_once);
	RUN(a_client_that_leaves_leaves_its_place);
	RUN(the_worker_of_the_next_one_is_rung);
	RUN(who_gives_up_calls_the_next);
	RUN(it_waits_at_all_full_channels_and_goes_where_one_is_free);
	RUN(a_channel_that_is_not_well_is_not_waited_for);
	RUN(a_second_attempt_waits_as_well);
	RUN(a_second_attempt_that_waits_in_vain_has_the_error_of_the_first);
	RUN(a_place_that_nobody_called_for_is_found_all_the_same);
	RUN(a_stream_that_waits_for_long_hears_of_us);
	RUN(a_stream_that_heard_of_us_hears_of_the_refusal);
	return tap_done();
}
