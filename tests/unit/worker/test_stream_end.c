/* worker/stream.c: streams whose upstream breaks off near the end. What the client sees and what he pays agree. */
#include "tests/unit/worker/fixture.h"

#define HELLO                                                  \
	"{\"model\":\"gpt\",\"max_tokens\":9,\"stream\":true," \
	"\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define START                                                        \
	"event: message_start\ndata: {\"type\":\"message_start\","   \
	"\"message\":{\"id\":\"m\",\"model\":\"up-gpt\",\"usage\":{" \
	"\"input_tokens\":7,\"output_tokens\":1}}}\n\n"              \
	"event: content_block_start\ndata: {\"type\":"               \
	"\"content_block_start\",\"index\":0,\"content_block\":{"    \
	"\"type\":\"text\",\"text\":\"\"}}\n\n"
#define WORDS                                                      \
	"event: content_block_delta\ndata: {\"type\":"             \
	"\"content_block_delta\",\"index\":0,\"delta\":{\"type\":" \
	"\"text_delta\",\"text\":\"Hi\"}}\n\n"                     \
	"event: content_block_stop\ndata: {\"type\":"              \
	"\"content_block_stop\",\"index\":0}\n\n"
#define LAST(reason)                                               \
	"event: message_delta\ndata: {\"type\":\"message_delta\"," \
	"\"delta\":{\"stop_reason\":" reason "},\"usage\":{"       \
	"\"output_tokens\":3}}\n\n"
#define STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

static struct exchange *
ask(struct fixture *f)
{
	struct exchange *x = fix_post(f, "/v1/messages", HELLO);

	fix_settle(f);
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, START WORDS);
	return x;
}

static struct fixture *
started(void)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].provider = STR("anthropic");
	f->channel[LANE_B].provider = STR("anthropic");
	fix_start(f);
	return f;
}

TEST(a_whole_stream_is_passed_on_as_it_came)
{
	struct fixture *f = started();
	struct exchange *x = ask(f);

	fix_up_text(f, LAST("\"end_turn\""));
	CHECK(!fix_says(x, "message_delta"));
	fix_up_text(f, STOP);
	fix_settle(f);
	CHECK_STR(fix_out(x), START WORDS LAST("\"end_turn\"") STOP);
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

TEST(where_only_the_end_mark_is_missing_it_is_put_there)
{
	struct fixture *f = started();
	struct exchange *x = ask(f);

	fix_up_text(f, LAST("\"end_turn\""));
	fix_up_end(f);
	fix_settle(f);
	CHECK_STR(fix_out(x), START WORDS LAST("\"end_turn\"") STOP);
	CHECK_INT(f->entry[0].reason, REASON_NORMAL);
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

/* Nobody said why it ended: more may have been to come. */
TEST(a_usage_without_a_reason_ends_nothing)
{
	struct fixture *f = started();
	struct exchange *x = ask(f);

	fix_up_text(f, LAST("null"));
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "event: error\n") && !fix_says(x, "message_stop"));
	CHECK_INT(f->entry[0].reason, REASON_UPSTREAM);
	CHECK_INT(f->entry[0].cost, 10000);
	CHECK(fix_done(f));
}

TEST(an_error_after_the_usage_is_told_and_its_usage_is_not)
{
	struct fixture *f = started();
	struct exchange *x = ask(f);

	fix_up_text(f, LAST("\"end_turn\""));
	fix_up_text(f, "event: error\ndata: {\"type\":\"error\",\"error\":{"
		       "\"type\":\"overloaded_error\",\"message\":\"busy\"}}"
		       "\n\n");
	fix_settle(f);
	CHECK(fix_says(x, "event: error\n") && !fix_says(x, "message_delta"));
	CHECK_INT(f->entry[0].reason, REASON_UPSTREAM);
	CHECK_INT(f->entry[0].cost, 10000);
	CHECK(fix_done(f));
}

/* ---- the same of OpenAI ---- */

TEST(a_usage_that_comes_with_words_ends_nothing)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_text(f, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}"
		       "}],\"usage\":{\"prompt_tokens\":7,"
		       "\"completion_tokens\":3}}\n\n");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "upstream_cut") && !fix_says(x, "[DONE]"));
	x = fix_streaming(f, STREAMED);
	fix_up_text(f, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},"
		       "\"finish_reason\":\"stop\"}],\"usage\":{"
		       "\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[1].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_whole_stream_is_passed_on_as_it_came);
	RUN(where_only_the_end_mark_is_missing_it_is_put_there);
	RUN(a_usage_without_a_reason_ends_nothing);
	RUN(an_error_after_the_usage_is_told_and_its_usage_is_not);
	RUN(a_usage_that_comes_with_words_ends_nothing);
	return tap_done();
}
