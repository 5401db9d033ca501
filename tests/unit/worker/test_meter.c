/* What a running answer costs so far, and the holds that grow with it. */
#include <stdlib.h>

#include "tests/unit/worker/fixture.h"

#define INPUT (FIX_CHAT_TOKENS * 2500)
/* A fifth more and one, at the dearest class; tokens at the dearest. */
#define HELD(output) ((FIX_CHAT_TOKENS + 2 + 1) * 3125 + (output)*12000)

static int64_t
held(const struct fixture *f)
{
	return f->opening[ACME] - fix_available(f, ACME);
}

/* One event with so many bytes of text. */
static void
up_bytes(struct fixture *f, size_t n)
{
	char *text = calloc(1, n + 1);

	memset(text, 'x', n);
	fix_up_chunk(f, text);
	free(text);
}

static const struct slot *
slot_of(const struct fixture *f)
{
	for (uint32_t i = 0; i < f->region.head->n_slots; i++)
		if (word_state(atomic_load(&f->region.slots[i].word)) ==
		    SLOT_HELD)
			return &f->region.slots[i];
	return NULL;
}

TEST(the_slot_knows_what_arrived_and_what_was_taken)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->room = 0;
	fix_start(f);
	x = fix_streaming(f, STREAMED);
	CHECK_INT(slot_of(f)->meter, 0);
	up_bytes(f, 40);
	CHECK_INT(slot_of(f)->meter, INPUT + 10 * 10000);
	CHECK_INT(slot_of(f)->delivered, 0);
	up_bytes(f, 41);
	CHECK_INT(slot_of(f)->meter, INPUT + 21 * 10000);
	CHECK_INT(slot_of(f)->delivered, 0);
	fix_take(x, 1);
	CHECK_INT(slot_of(f)->delivered, INPUT + 10 * 10000);
	fix_take(x, UINT64_MAX);
	CHECK_INT(slot_of(f)->delivered, INPUT + 21 * 10000);
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(steps_of_a_growing_hold_double)
{
	struct fixture *f = fix_started();

	(void)fix_streaming(f, STREAMED ",\"max_tokens\":1000000");
	CHECK_INT(held(f), HELD(1024));
	up_bytes(f, 4 * 768);
	CHECK_INT(held(f), HELD(1024));
	up_bytes(f, 4); /* less than 256 tokens are left */
	CHECK_INT(held(f), HELD(2048));
	up_bytes(f, 4 * 1024);
	CHECK_INT(held(f), HELD(2048 + 2048));
	up_bytes(f, 4 * 2048);
	CHECK_INT(held(f), HELD(4096 + 4096));
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, INPUT + (769 + 1024 + 2048) * 10000);
	CHECK(fix_done(f));
}

TEST(one_large_event_is_no_reason_to_stop)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	up_bytes(f, 60000);
	CHECK(fix_call_runs(f));
	CHECK_INT(held(f), HELD(15000 + 1024));
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].cost, INPUT + 15000 * 10000);
	CHECK(fix_done(f));
}

TEST(a_stream_stops_where_the_money_ends)
{
	struct fixture *f = fix_started();
	struct exchange *x;
	int64_t cost;

	/* good for 1500 tokens and a little */
	fix_fund(f, ACME, HELD(1500) + 100);
	x = fix_streaming(f, STREAMED);
	for (int i = 0; i < 10000 && fix_call_runs(f); i++)
		up_bytes(f, 8);
	CHECK(!fix_call_runs(f));
	CHECK_INT(f->calls->end, CALL_CANCELLED);
	fix_settle(f);
	cost = f->entry[0].cost;
	CHECK_INT(f->entry[0].reason, REASON_AT_HOLD);
	/* all of the hold, but for the part of an event, and a step */
	CHECK(cost <= f->opening[ACME]);
	CHECK(cost > HELD(1500 - 64) - 2 * 12000);
	CHECK(fix_says(x, "insufficient_balance"));
	CHECK(!fix_says(x, "[DONE]"));
	CHECK_INT(x->status, 200);
	CHECK_INT(f->entry[0].note.flags,
		  NOTE_STREAM | NOTE_PARTIAL | NOTE_ESTIMATED);
	CHECK(fix_done(f));
}

TEST(a_refused_step_does_not_end_a_stream_that_the_hold_covers)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	fix_fund(f, ACME, HELD(1024));
	x = fix_streaming(f, STREAMED);
	for (int i = 0; i < 250; i++)
		up_bytes(f, 16);
	CHECK(fix_call_runs(f));
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].cost, INPUT + 1000 * 10000);
	CHECK(fix_done(f));
}

TEST(money_that_comes_while_it_runs_lets_a_stream_go_on)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	fix_fund(f, ACME, HELD(1024));
	x = fix_streaming(f, STREAMED);
	for (int i = 0; i < 250; i++)
		up_bytes(f, 16);
	/* a top-up */
	atomic_fetch_add(
		&f->region.counters[counter_of_account(ACME)].available,
		1000000000);
	f->opening[ACME] += 1000000000;
	for (int i = 0; i < 250; i++)
		up_bytes(f, 16);
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].cost, INPUT + 2000 * 10000);
	CHECK(fix_done(f));
}

TEST(a_parent_without_money_stops_its_childs_stream)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->acme->parent, ORG);
	fix_fund(f, ORG, HELD(1024));
	x = fix_streaming(f, STREAMED);
	for (int i = 0; i < 1000 && fix_call_runs(f); i++)
		up_bytes(f, 16);
	fix_settle(f);
	CHECK_INT(f->entry[0].reason, REASON_AT_HOLD);
	CHECK(f->entry[0].cost <= HELD(1024));
	CHECK(fix_says(x, "insufficient_balance"));
	CHECK(fix_done(f));
}

TEST(an_event_that_can_never_be_paid_is_an_error_before_the_first_byte)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	fix_fund(f, ACME, HELD(1024));
	x = fix_streaming(f, STREAMED);
	up_bytes(f, 50000);
	fix_settle(f);
	CHECK_INT(x->status, 402);
	CHECK(!x->streamed);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

TEST(hidden_thoughts_are_held_for_from_the_start)
{
	struct fixture *f = fix_started();

	(void)fix_post(f, FIX_CHATS, fix_chat("think", STREAMED));
	CHECK_INT(held(f), 14 * 1000 + 8192 * 4000);
	fix_up_stream(f);
	fix_up_text(f, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"
		       "\n\ndata: {\"choices\":[],\"usage\":{"
		       "\"prompt_tokens\":10,\"completion_tokens\":8000,"
		       "\"completion_tokens_details\":{\"reasoning_tokens\":"
		       "7999}}}\n\ndata: [DONE]\n\n");
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 10 * 1000 + 8000 * 4000);
	CHECK(fix_done(f));
}

TEST(a_model_that_costs_nothing_streams_without_money)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	fix_fund(f, ACME, 0);
	x = fix_post(f, FIX_CHATS, fix_chat("free", STREAMED));
	fix_up_stream(f);
	for (int i = 0; i < 100; i++)
		fix_up_text(f, "data: {\"choices\":[{\"delta\":{\"content\":"
			       "\"a long text indeed, a very long one, as "
			       "long as it needs to be for an extension\"}}]}"
			       "\n\n");
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_slot_knows_what_arrived_and_what_was_taken);
	RUN(steps_of_a_growing_hold_double);
	RUN(one_large_event_is_no_reason_to_stop);
	RUN(a_stream_stops_where_the_money_ends);
	RUN(a_refused_step_does_not_end_a_stream_that_the_hold_covers);
	RUN(money_that_comes_while_it_runs_lets_a_stream_go_on);
	RUN(a_parent_without_money_stops_its_childs_stream);
	RUN(an_event_that_can_never_be_paid_is_an_error_before_the_first_byte);
	RUN(hidden_thoughts_are_held_for_from_the_start);
	RUN(a_model_that_costs_nothing_streams_without_money);
	return tap_done();
}
