/* Slots of attempts: caps, and legs that were lost. */
#include <stdlib.h>

#include "base/must.h"
#include "shm/caps.h"
#include "shm/counters.h"
#include "tests/unit/worker/fixture.h"

/* The channels cost half of the list price. */
#define COST_7_3 ((7 * 2500 + 3 * 10000) / 2)

static struct counter *
cap(struct fixture *f, unsigned lane)
{
	return &f->region.counters[counter_of_cap(lane)];
}

/* As master and writer set it up; they are numbered as they come. */
static void
set_cap(struct fixture *f, enum cap_kind kind, const char *channel,
	const char *name, int64_t left)
{
	const struct cap_of of = {kind, str_of(channel), str_of(name)};
	uint32_t row = cap_want(&f->region, &of, 1000000000);

	must(row < SHM_CAPS);
	f->region.caps[row].number = row + 1;
	cap(f, row)->available = left;
}

static struct fixture *
capped(int64_t left_a, int64_t left_b)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].daily_budget = money_nano(1000000000);
	f->channel[LANE_B].daily_budget = money_nano(1000000000);
	set_cap(f, CAP_CHANNEL, "a", "", left_a);
	set_cap(f, CAP_CHANNEL, "b", "", left_b);
	fix_start(f);
	return f;
}

/* Channel a with two keys of that much; b has none and no cap. */
static struct fixture *
two_keys(int64_t left_0, int64_t left_1)
{
	static struct conf_credential keys[2];
	struct fixture *f = fix_new();

	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		keys[i] = f->channel[LANE_A].keys[i];
		keys[i].daily_budget = money_nano(1000000000);
	}
	f->channel[LANE_A].keys = keys;
	f->channel[LANE_A].n_keys = 2;
	set_cap(f, CAP_CREDENTIAL, "a", "0", left_0);
	set_cap(f, CAP_CREDENTIAL, "a", "1", left_1);
	fix_start(f);
	return f;
}

static struct fixture *
capped_model(int64_t left)
{
	struct fixture *f = fix_new();

	f->model[MODEL_GPT].daily_budget = money_nano(1000000000);
	set_cap(f, CAP_MODEL, "", "gpt", left);
	fix_start(f);
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

TEST(a_spent_key_gives_way_to_the_others_of_its_channel)
{
	struct fixture *f = two_keys(0, 1000000000);

	for (unsigned i = 0; i < 4; i++) {
		struct exchange *x = asked(f);

		answered(f);
		CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
		CHECK_STR(fix_field(x, "x-tollgate-attempts"), "1");
	}
	CHECK_INT(cap(f, 0)->available, 0);
	CHECK_INT(cap(f, 1)->available, 1000000000 - 4 * COST_7_3);
	CHECK(fix_done(f));
}

/* Something is left of it, but not enough: seen only when it is taken. */
TEST(a_key_that_does_not_cover_the_request_gives_way_too)
{
	struct fixture *f = two_keys(1, 1000000000);

	for (unsigned i = 0; i < 4; i++) {
		struct exchange *x = asked(f);

		answered(f);
		CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	}
	CHECK_INT(cap(f, 0)->available, 1);
	CHECK_INT(cap(f, 1)->available, 1000000000 - 4 * COST_7_3);
	CHECK(fix_done(f));
}

TEST(with_all_keys_spent_the_next_channel_is_asked)
{
	static const int64_t left[][2] = {{0, 0}, {0, 1}, {1, 1}};

	for (unsigned i = 0; i < ARRAY_LEN(left); i++) {
		struct fixture *f = two_keys(left[i][0], left[i][1]);
		struct exchange *x = asked(f);

		answered(f);
		CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
		CHECK_INT(cap(f, 0)->available, left[i][0]);
		CHECK_INT(cap(f, 1)->available, left[i][1]);
		CHECK(fix_done(f));
	}
}

TEST(a_key_whose_cap_is_not_set_up_yet_is_not_used)
{
	struct fixture *f = two_keys(1000000000, 1000000000);
	struct exchange *x;

	f->region.caps[1].number = 0;
	for (unsigned i = 0; i < 2; i++) {
		x = asked(f);
		answered(f);
		CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	}
	CHECK_INT(cap(f, 0)->available, 1000000000 - 2 * COST_7_3);
	CHECK(fix_done(f));
}

TEST(one_attempt_spends_the_caps_of_key_channel_and_model)
{
	struct fixture *f = fix_new();
	struct conf_credential key = f->channel[LANE_A].keys[0];

	key.daily_budget = money_nano(1000000000);
	f->channel[LANE_A].keys = &key;
	f->channel[LANE_A].daily_budget = money_nano(1000000000);
	f->model[MODEL_GPT].daily_budget = money_nano(1000000000);
	set_cap(f, CAP_CHANNEL, "a", "", 1000000000);
	set_cap(f, CAP_CREDENTIAL, "a", "0", 1000000000);
	set_cap(f, CAP_MODEL, "", "gpt", 1000000000);
	fix_start(f);
	(void)asked(f);
	CHECK(cap(f, 0)->available < 1000000000);
	CHECK_INT(cap(f, 0)->available, cap(f, 1)->available);
	CHECK_INT(cap(f, 0)->available, cap(f, 2)->available);
	answered(f);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(cap(f, i)->available, 1000000000 - COST_7_3);
	CHECK_INT(f->n_entries, 2);
	CHECK(fix_done(f));
}

TEST(a_spent_model_is_refused_until_the_day_is_over)
{
	static const int64_t left[] = {0, -5, 1};

	for (unsigned i = 0; i < ARRAY_LEN(left); i++) {
		struct fixture *f = capped_model(left[i]);
		struct exchange *x = asked(f);
		long wait = strtol(fix_field(x, "retry-after"), NULL, 10);

		CHECK_INT(x->status, 429);
		CHECK_STR(fix_json(x, "code"), "\"model_budget_exceeded\"");
		CHECK(fix_says(x, "'gpt'"));
		CHECK(wait > 0 && wait <= 25 * 3600);
		CHECK_INT(f->n_calls, 0);
		CHECK_INT(cap(f, 0)->available, left[i]);
		/* others are not concerned */
		x = fix_post(f, FIX_CHATS, fix_chat("cheap", ""));
		CHECK_INT(f->n_calls, 1);
		fix_gone(x, E_CLIENT_GONE);
		fix_settle(f);
		CHECK(fix_done(f));
	}
}

TEST(a_model_whose_cap_is_not_set_up_yet_has_no_channel)
{
	struct fixture *f = capped_model(1000000000);
	struct exchange *x;

	f->region.caps[0].number = 0;
	x = asked(f);
	CHECK_INT(x->status, 503);
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

TEST(a_models_cap_counts_over_all_channels)
{
	struct fixture *f = capped_model(1000000000);

	(void)asked(f);
	answered(f);
	(void)asked(f);
	fix_answer(f, 500, "{}");
	answered(f);
	CHECK_INT(cap(f, 0)->available, 1000000000 - 2 * COST_7_3);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_spent_key_gives_way_to_the_others_of_its_channel);
	RUN(a_key_that_does_not_cover_the_request_gives_way_too);
	RUN(with_all_keys_spent_the_next_channel_is_asked);
	RUN(a_key_whose_cap_is_not_set_up_yet_is_not_used);
	RUN(one_attempt_spends_the_caps_of_key_channel_and_model);
	RUN(a_spent_model_is_refused_until_the_day_is_over);
	RUN(a_model_whose_cap_is_not_set_up_yet_has_no_channel);
	RUN(a_models_cap_counts_over_all_channels);
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
