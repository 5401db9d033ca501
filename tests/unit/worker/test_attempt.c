/* Slots of attempts: caps of channels, and legs that were lost. */
#include "shm/counters.h"
#include "tests/unit/worker/fixture.h"

/* The channels cost half of the list price. */
#define COST_7_3 ((7 * 2500 + 3 * 10000) / 2)

static struct counter *
cap(struct fixture *f, unsigned lane)
{
	return &f->region.counters[counter_of_channel(lane)];
}

static struct fixture *
capped(int64_t left_a, int64_t left_b)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].daily_budget = money_nano(1000000000);
	f->channel[LANE_B].daily_budget = money_nano(1000000000);
	fix_start(f);
	for (unsigned i = LANE_A; i <= LANE_B; i++)
		f->region.channels[f->rows[i]].cap = i + 1;
	cap(f, LANE_A)->available = left_a;
	cap(f, LANE_B)->available = left_b;
	return f;
}

static struct exchange *
asked(struct fixture *f)
{
	return fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"stream\":true"));
}

static void
answered(struct fixture *f)
{
	fix_up_stream(f);
	fix_up_chunk(f, "Hi");
	fix_up_usage(f, 7, 3);
	fix_up_done(f);
	fix_settle(f);
}

TEST(the_attempt_that_answers_takes_its_cost_from_the_cap)
{
	struct fixture *f = capped(1000000000, 1000000000);
	struct exchange *x = asked(f);

	CHECK(cap(f, LANE_A)->available < 1000000000);
	answered(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	CHECK_INT(cap(f, LANE_A)->available, 1000000000 - COST_7_3);
	CHECK_INT(f->n_entries, 2);
	CHECK(fix_done(f));
}

TEST(a_spent_cap_sends_the_request_to_the_next_channel)
{
	struct fixture *f = capped(1, 1000000000);
	struct exchange *x = asked(f);

	answered(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "1");
	CHECK_INT(cap(f, LANE_A)->available, 1);
	CHECK_INT(cap(f, LANE_B)->available, 1000000000 - COST_7_3);
	CHECK(fix_done(f));
}

TEST(with_all_caps_spent_there_is_no_channel)
{
	struct fixture *f = capped(0, 1);
	struct exchange *x = asked(f);

	CHECK_INT(x->status, 503);
	CHECK_INT(f->n_calls, 0);
	CHECK_INT(cap(f, LANE_B)->available, 1);
	CHECK(fix_done(f));
}

TEST(a_failover_gives_the_first_cap_back)
{
	struct fixture *f = capped(1000000000, 1000000000);
	struct exchange *x = asked(f);

	fix_answer(f, 500, "{}");
	CHECK_INT(f->n_calls, 2);
	answered(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK_INT(cap(f, LANE_A)->available, 1000000000);
	CHECK_INT(cap(f, LANE_B)->available, 1000000000 - COST_7_3);
	CHECK(f->entry[1].note.flags & NOTE_LOST);
	CHECK_INT(f->entry[1].note.status, 500);
	CHECK(fix_done(f));
}

TEST(without_a_cap_a_lost_attempt_is_booked_and_moves_nothing)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	fix_start(f);
	x = asked(f);
	fix_answer(f, 503, "{}");
	answered(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK_INT(f->n_entries, 2);
	CHECK(f->entry[1].note.flags & NOTE_LOST);
	CHECK_INT(f->entry[1].note.attempts, 1);
	CHECK(memcmp(f->entry[0].note.request_id, f->entry[1].note.request_id,
		     16) == 0);
	CHECK_INT(f->entry[0].note.attempts, 2);
	CHECK(fix_done(f));
}

/* Refused, or told so: nothing. Worked on and lost: the input, or what the
 * usage says. */
TEST(a_lost_attempt_costs_what_the_provider_has_probably_done)
{
	static const struct {
		enum call_fault fault;
		const char *answer;
		int64_t nano;
		uint8_t flags;
	} cases[] = {
		{CALL_REFUSED, NULL, 0, NOTE_LOST},
		{CALL_RESET, NULL, 0, NOTE_LOST},
		{CALL_CONNECT_TIMEOUT, NULL, 0, NOTE_LOST},
		{CALL_HEAD_TIMEOUT, NULL, FIX_CHAT_TOKENS * 1250,
		 NOTE_LOST | NOTE_ESTIMATED},
		{CALL_CUT, NULL, FIX_CHAT_TOKENS * 1250,
		 NOTE_LOST | NOTE_ESTIMATED},
		{CALL_CUT,
		 "{\"model\":\"another\",\"choices\":[{\"message\":{\"content\":"
		 "\"x\"}}],\"usage\":{\"prompt_tokens\":10,"
		 "\"completion_tokens\":2,\"total_tokens\":12}}",
		 (10 * 2500 + 2 * 10000) / 2, NOTE_LOST},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture *f = fix_started();
		const struct entry *e = f->entry;

		(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
		if (cases[i].answer)
			fix_answer(f, 200, cases[i].answer);
		else
			fix_up_fail(f, cases[i].fault);
		fix_answer(f, 400, "{}");
		fix_settle(f);
		CHECK_INT(f->n_entries, 3);
		/* the first attempt's; the second one cost nothing */
		while (!(e->note.flags & NOTE_LOST) || e->note.attempts != 1)
			e++;
		CHECK_INT(e->note.upstream_nano, cases[i].nano);
		CHECK_INT(e->note.flags, cases[i].flags);
		CHECK_INT(e->cost, 0);
		CHECK(fix_done(f));
	}
}

/* The provider had the whole request: it is at work. */
TEST(a_client_that_leaves_frees_the_cap_but_for_its_input)
{
	struct fixture *f = capped(1000000000, 1000000000);
	struct exchange *x = asked(f);

	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(cap(f, LANE_A)->available,
		  1000000000 - FIX_CHAT_TOKENS * 1250);
	CHECK(fix_done(f));
}

TEST(what_a_stream_costs_the_operator_is_noted_as_it_goes)
{
	struct fixture *f = capped(1000000000, 1000000000);
	struct exchange *x = asked(f);
	int64_t cost;

	fix_up_stream(f);
	fix_up_chunk(f, "Hello, is there anybody in there?");
	cost = f->region.notes[0].upstream_nano;
	CHECK(cost > 0);
	CHECK_INT(f->region.slots[1].delivered, cost);
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(what_a_stream_costs_the_operator_is_noted_as_it_goes);
	RUN(the_attempt_that_answers_takes_its_cost_from_the_cap);
	RUN(a_spent_cap_sends_the_request_to_the_next_channel);
	RUN(with_all_caps_spent_there_is_no_channel);
	RUN(a_failover_gives_the_first_cap_back);
	RUN(without_a_cap_a_lost_attempt_is_booked_and_moves_nothing);
	RUN(a_lost_attempt_costs_what_the_provider_has_probably_done);
	RUN(a_client_that_leaves_frees_the_cap_but_for_its_input);
	return tap_done();
}
