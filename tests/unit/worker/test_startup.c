/* Streams until their first word, and signs of life. */
#include "tests/unit/worker/fixture.h"

#define ROLE                                                               \
	"data: {\"model\":\"up-gpt\",\"choices\":[{\"index\":0,\"delta\":" \
	"{\"role\":\"assistant\"}}]}\n\n"
#define CHUNK(text)                                                  \
	"{\"model\":\"up-gpt\",\"choices\":[{\"index\":0,\"delta\":" \
	"{\"content\":\"" text "\"}}]}"

/* A stream whose role has come. */
static struct exchange *
with_role(struct fixture *f, size_t hold_back)
{
	struct exchange *x;

	f->conf.stream.hold_back = hold_back;
	fix_start(f);
	x = fix_streaming(f, STREAMED);
	fix_up_text(f, ROLE);
	return x;
}

TEST(what_comes_before_the_first_word_is_held_back)
{
	struct fixture *f = fix_new();
	struct exchange *x = with_role(f, sizeof(ROLE) - 1);

	CHECK(!x->begun && x->body);
	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	CHECK_STR(fix_out(x), ROLE "data: " CHUNK("Hi") "\n\n");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	CHECK(!x->body);
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(no_more_of_it_than_the_limit)
{
	struct fixture *f = fix_new();
	struct exchange *x = with_role(f, sizeof(ROLE) - 2);

	CHECK_STR(fix_out(x), ROLE);
	fix_up_chunk(f, "Hi");
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(an_attempt_that_fails_there_leaves_no_trace)
{
	struct fixture *f = fix_new();
	struct exchange *x = with_role(f, 1000);

	fix_up_text(f, "data: nonsense\n\n");
	CHECK(!x->begun);
	fix_up_stream(f);
	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	CHECK_STR(fix_out(x), "data: " CHUNK("Hi") "\n\n");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "2");
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(who_waits_gets_the_head_and_learns_later_who_answers)
{
	struct fixture *f = fix_new();
	struct exchange *x = with_role(f, 1000);

	fix_wait_ms(f, 15100);
	CHECK(x->begun && x->body);
	CHECK_STR(fix_out(x), ": keep-alive\n\n");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "");
	fix_up_text(f, "data: nonsense\n\n");
	fix_up_stream(f);
	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	CHECK_STR(fix_out(x), ": keep-alive\n\n"
			      ": x-tollgate-channel: b\n"
			      ": x-tollgate-model: up-gpt\n"
			      ": x-tollgate-attempts: 2\n\n"
			      "data: " CHUNK("Hi") "\n\n");
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(a_silent_stream_gets_comments)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);
	size_t n;

	fix_wait_ms(f, 16000);
	CHECK(!x->begun); /* none before the head: it may still fail over */
	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	fix_wait_ms(f, 14000);
	CHECK(!fix_says(x, "keep-alive"));
	fix_wait_ms(f, 1100);
	CHECK_STR(fix_out(x), "data: " CHUNK("Hi") "\n\n: keep-alive\n\n");
	n = x->out.n;
	fix_wait_ms(f, 15000);
	CHECK_INT(x->out.n, n + 14);
	/* an event moves the next one */
	fix_up_chunk(f, "you");
	n = x->out.n;
	fix_wait_ms(f, 10000);
	fix_up_chunk(f, "you");
	CHECK(x->out.n > n);
	n = x->out.n;
	fix_wait_ms(f, 10000);
	CHECK_INT(x->out.n, n);
	fix_up_done(f);
	fix_settle(f);
	fix_wait_ms(f, 60000);
	CHECK_INT(f->entry[0].cost, FIX_CHAT_TOKENS * 2500 + 2 * 10000);
	CHECK(fix_done(f));
}

TEST(no_comment_queues_behind_a_client_that_takes_nothing)
{
	struct fixture *f = fix_new();
	struct exchange *x;
	size_t n;

	f->room = 0;
	fix_start(f);
	x = fix_streaming(f, STREAMED);
	fix_up_chunk(f, "Hi");
	n = x->out.n;
	fix_wait_ms(f, 60000);
	CHECK_INT(x->out.n, n);
	fix_take(x, UINT64_MAX);
	fix_wait_ms(f, 16000);
	CHECK_INT(x->out.n, n + 14);
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(comments_can_be_turned_off)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.stream.keepalive_ms = 0;
	fix_start(f);
	x = fix_streaming(f, STREAMED);
	fix_up_chunk(f, "Hi");
	fix_wait_ms(f, 60000);
	CHECK(!fix_says(x, "keep-alive"));
	fix_up_done(f);
	fix_settle(f);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(what_comes_before_the_first_word_is_held_back);
	RUN(no_more_of_it_than_the_limit);
	RUN(an_attempt_that_fails_there_leaves_no_trace);
	RUN(who_waits_gets_the_head_and_learns_later_who_answers);
	RUN(a_silent_stream_gets_comments);
	RUN(no_comment_queues_behind_a_client_that_takes_nothing);
	RUN(comments_can_be_turned_off);
	return tap_done();
}
