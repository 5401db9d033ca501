/* Two attempts side by side: who answers, what is left of the other. */
#include "shm/retries.h"
#include "tests/unit/worker/fixture.h"

#define CHEAP_WORD                                                           \
	"data: {\"model\":\"up-cheap\",\"choices\":[{\"index\":0,\"delta\":" \
	"{\"content\":\"hi\"}}]}\n\n"
#define LATE_MS 50

static struct conf_route route;

static struct fixture *
routed(bool hedge, const char *race)
{
	struct fixture *f = fix_new();

	route = (struct conf_route){.name = STR("r"),
				    .hedge = hedge,
				    .hedge_after_ms = LATE_MS,
				    .race = str_of(race),
				    .chosen = STRATEGY_FAILOVER};
	f->conf.routes = &route;
	f->conf.n_routes = 1;
	f->conf.routing.hedge_budget_ppm = 1000000;
	atomic_fetch_or(&f->client_key->flags, KEY_SUBSTITUTION);
	fix_start(f);
	return f;
}

/* Its first attempt is late, the second one under way. */
static struct exchange *
two(struct fixture *f, const char *more)
{
	struct exchange *x = fix_post(f, FIX_CHATS, fix_chat("gpt", more));

	CHECK_INT(f->n_calls, 1);
	fix_wait_ms(f, LATE_MS + 20);
	CHECK_INT(f->n_calls, 2);
	CHECK_INT(fix_running(f), 2);
	return x;
}

/* What comes now comes from the first one. */
static struct call *
turn_to_first(struct fixture *f)
{
	struct call *second = f->calls;

	f->calls = second->next;
	return second;
}

static void
turn_back(struct fixture *f, struct call *second)
{
	second->next = f->calls;
	f->calls = second;
}

/* One that began while the second was out of the list is the newest. */
static void
put_under(struct fixture *f, struct call *second)
{
	second->next = f->calls->next;
	f->calls->next = second;
}

static unsigned
lost(const struct fixture *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n_entries; i++)
		n += (f->entry[i].note.flags & NOTE_LOST) != 0;
	return n;
}

TEST(the_second_answers_and_the_first_is_given_up)
{
	struct fixture *f = routed(true, "");
	struct exchange *x = two(f, "");
	struct call *first = f->calls->next;

	fix_answer(f, 200, fix_whole("hi", NULL));
	CHECK_INT(first->end, CALL_CANCELLED);
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "2");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK_INT(lost(f), 1);
	CHECK(fix_done(f));
}

TEST(the_first_answers_and_the_second_is_given_up)
{
	struct fixture *f = routed(true, "");
	struct exchange *x = two(f, STREAMED);
	struct call *second = turn_to_first(f);

	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	CHECK_INT(second->end, CALL_RUNS);
	fix_up_chunk(f, "word");
	CHECK_INT(second->end, CALL_CANCELLED);
	fix_up_done(f);
	turn_back(f, second);
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	CHECK(fix_says(x, "word"));
	CHECK_INT(lost(f), 1);
	CHECK(fix_done(f));
}

TEST(both_are_marked_while_they_run)
{
	struct fixture *f = routed(true, "");
	struct exchange *x = two(f, STREAMED);
	const struct request *req = x->user;
	const struct note *n = &f->region.notes[req->hold.slot];

	CHECK_INT(n->attempt, (f->rows[LANE_A] + 1) | (f->rows[LANE_B] + 1)
							      << 16);
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->region.channels[f->rows[LANE_A]].in_flight, 0);
	CHECK_INT(f->region.channels[f->rows[LANE_B]].in_flight, 0);
	CHECK(fix_done(f));
}

TEST(one_that_fails_leaves_it_to_the_other)
{
	struct fixture *f = routed(true, "");
	struct exchange *x = two(f, "");
	struct call *second = turn_to_first(f);

	fix_answer(f, 500, "{}");
	CHECK_INT(second->end, CALL_RUNS);
	turn_back(f, second);
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(f->n_calls, 2);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK(fix_done(f));
	f = routed(true, "");
	x = two(f, "");
	fix_up_fail(f, CALL_RESET);
	second = turn_to_first(f);
	fix_answer(f, 200, fix_whole("hi", NULL));
	turn_back(f, second);
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	CHECK(fix_done(f));
}

TEST(without_a_budget_or_a_late_answer_there_is_one)
{
	struct fixture *f = routed(true, "");
	struct exchange *x;

	f->conf.routing.hedge_budget_ppm = 0;
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_wait_ms(f, LATE_MS + 20);
	CHECK_INT(f->n_calls, 1);
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 200);
	f->conf.routing.hedge_budget_ppm = 1000000;
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_chunk(f, "word");
	fix_wait_ms(f, LATE_MS + 20);
	CHECK_INT(f->n_calls, 2);
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(lost(f), 0);
	CHECK(fix_done(f));
}

TEST(a_budget_is_not_spent_where_nobody_else_is)
{
	struct fixture *f = routed(true, "");
	struct exchange *x;

	atomic_store(&f->region.channels[f->rows[LANE_B]].state, CHANNEL_OPEN);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_wait_ms(f, LATE_MS + 20);
	CHECK_INT(f->n_calls, 1);
	CHECK(hedge_take(f->region.hedges));
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK(fix_done(f));
}

TEST(of_two_models_the_first_word_is_paid)
{
	struct fixture *f = routed(false, "cheap");
	struct exchange *x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));

	CHECK_INT(f->n_calls, 2);
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, CHEAP_WORD);
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(f->calls->next->end, CALL_CANCELLED);
	CHECK_STR(fix_field(x, "x-tollgate-model"), "up-cheap");
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "gpt");
	for (unsigned i = 0; i < f->n_entries; i++) {
		bool is_lost = f->entry[i].note.flags & NOTE_LOST;

		CHECK_INT(f->region.slots[f->entry[i].slot].model,
			  is_lost ? MODEL_GPT : MODEL_CHEAP);
		CHECK_INT(f->entry[i].cost > 0, !is_lost);
	}
	CHECK_INT(f->n_entries, 2);
	CHECK(fix_done(f));
}

TEST(when_both_models_fail_the_asked_one_is_tried_on)
{
	struct fixture *f = routed(false, "cheap");
	struct exchange *x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	struct call *second;

	fix_answer(f, 500, "{}");
	CHECK_INT(f->n_calls, 2);
	second = turn_to_first(f);
	fix_up_fail(f, CALL_RESET);
	CHECK_INT(f->n_calls, 3);
	put_under(f, second);
	CHECK(strstr(f->calls->sent.p, "up-gpt"));
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "");
	CHECK_INT(lost(f), 2);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_second_answers_and_the_first_is_given_up);
	RUN(the_first_answers_and_the_second_is_given_up);
	RUN(both_are_marked_while_they_run);
	RUN(one_that_fails_leaves_it_to_the_other);
	RUN(without_a_budget_or_a_late_answer_there_is_one);
	RUN(a_budget_is_not_spent_where_nobody_else_is);
	RUN(of_two_models_the_first_word_is_paid);
	RUN(when_both_models_fail_the_asked_one_is_tried_on);
	return tap_done();
}
