/* The upstream's answer as it arrives: events, whole answers, what breaks. */

#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

#define CHUNK(text)                                                  \
	"{\"model\":\"up-gpt\",\"choices\":[{\"index\":0,\"delta\":" \
	"{\"content\":\"" text "\"}}]}"
#define USAGE                                   \
	"{\"model\":\"up-gpt\",\"choices\":[]," \
	"\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}"

TEST(events_go_on_as_they_come_byte_for_byte)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	CHECK(!x->begun); /* nothing said yet: another channel could answer */
	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	CHECK_STR(fix_out(x), "data: " CHUNK("Hi") "\n\n");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "content-type"), "text/event-stream");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	CHECK_STR(fix_field(x, "x-tollgate-model"), "up-gpt");
	CHECK(!x->body);
	fix_up_text(f, "event: thing\ndata: " CHUNK("you") "\n\n");
	CHECK_STR(fix_out(x),
		  "data: " CHUNK("Hi") "\n\nevent: thing\ndata: " CHUNK(
			  "you") "\n\n");
	fix_up_text(f, ": a comment\n\nretry: 3\n\ndata:\n\n");
	fix_up_text(f, "data: " USAGE "\n\ndata: [DONE]\n\n");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, CHUNK("you") "\n\ndata: [DONE]\n\n"));
	CHECK_INT(x->end, E_OK);
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

TEST(the_usage_event_is_asked_for_upstream_and_kept_from_who_did_not_ask)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	CHECK(strstr(f->calls->sent.p,
		     "\"stream_options\":{\"include_usage\":true}") != NULL);
	fix_up_chunk(f, "Hi");
	fix_up_usage(f, 7, 3);
	fix_up_done(f);
	fix_settle(f);
	CHECK(!fix_says(x, "usage"));
	CHECK(fix_done(f));
}

TEST(who_asked_gets_the_usage_event_last_with_its_cost)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED_USAGE);

	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	fix_up_text(f, "data: " USAGE "\n\n");
	CHECK(!fix_says(x, "usage"));
	fix_up_text(f, "data: [DONE]\n\n");
	fix_settle(f);
	CHECK_STR(fix_out(x),
		  "data: " CHUNK("Hi") "\n\ndata: {\"model\":\"up-gpt\","
				       "\"choices\":[],\"usage\":{\"cost\":"
				       "0.0000475,\"prompt_tokens\":7,"
				       "\"completion_tokens\":3}}\n\n"
				       "data: [DONE]\n\n");
	CHECK(fix_done(f));
}

TEST(an_upstreams_own_cost_is_replaced)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED_USAGE);

	fix_up_text(f, "data: " CHUNK("Hi") "\n\n");
	fix_up_text(f, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,"
		       "\"cost\":99,\"completion_tokens\":3}}\n\n"
		       "data: [DONE]\n\n");
	fix_settle(f);
	CHECK(fix_says(x, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\""
			  ":7,\"cost\":0.0000475,\"completion_tokens\":3}}"));
	CHECK(fix_done(f));
}

TEST(usage_in_every_chunk_is_hidden_and_the_last_counts)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED_USAGE);

	for (int i = 1; i <= 3; i++) {
		char text[256];

		(void)snprintf(text, sizeof(text),
			       "data: {\"choices\":[{\"delta\":{\"content\":"
			       "\"a\"}}],\"usage\":{\"prompt_tokens\":7,"
			       "\"completion_tokens\":%d},\"x\":1}\n\n",
			       i);
		fix_up_text(f, text);
	}
	fix_up_done(f);
	fix_settle(f);
	CHECK(!fix_says(x, "prompt_tokens\":7,\"completion_tokens\":1"));
	CHECK(fix_says(x, "\"usage\":null,\"x\":1}\n\n"));
	CHECK(fix_says(x, "\"completion_tokens\":3"));
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

TEST(any_number_of_usage_events_needs_the_memory_of_one)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED_USAGE);

	for (unsigned i = 0; i < 1000; i++)
		fix_up_usage(f, 7, i);
	fix_up_done(f);
	fix_settle(f);
	CHECK_STR(fix_json(x, "completion_tokens"), "999");
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 999 * 10000);
	CHECK(fix_done(f));
}

TEST(data_of_several_lines_stays_one_event)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED_USAGE);

	fix_up_text(f, "event: e\ndata: {\"choices\":\ndata: [{\"delta\":\n"
		       "data: {\"content\":\"Hi\"}}]}\n\n");
	CHECK_STR(fix_out(x), "event: e\ndata: {\"choices\": [{\"delta\": "
			      "{\"content\":\"Hi\"}}]}\n\n");
	fix_up_text(f, "data: {\"choices\":[{\"delta\":{}}],\n"
		       "data: \"usage\":\ndata: {\"prompt_tokens\":1\n"
		       "data: }\ndata: }\n\n");
	CHECK(fix_says(x, "[{\"delta\":{}}], \"usage\": null }\n\n"));
	fix_up_text(f, "data: {\"choices\":[],\"usage\":\n"
		       "data: {\"prompt_tokens\":7,\n"
		       "data: \"completion_tokens\":3}}\n\n"
		       "data: [DONE]\n\n");
	fix_settle(f);
	CHECK(fix_says(x, "data: {\"choices\":[],\"usage\": {\"cost\":"
			  "0.0000475,\"prompt_tokens\":7, "
			  "\"completion_tokens\":3}}\n\n"));
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

TEST(a_broken_usage_event_is_replaced_by_an_estimate)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED_USAGE);

	fix_up_chunk(f, "Hi");
	fix_up_text(f, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":"
		       "-7}}\n\ndata: [DONE]\n\n");
	fix_settle(f);
	CHECK(!fix_says(x, "-7"));
	CHECK(fix_says(x, "\"prompt_tokens\":11,\"completion_tokens\":1,"
			  "\"total_tokens\":12,\"estimated\":true"));
	CHECK(fix_done(f));
}

TEST(what_follows_the_end_mark_is_not_read)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_chunk(f, "Hi");
	fix_up_text(f, "data: [DONE]\n\ndata: {\"error\":{\"message\":"
		       "\"late\"}}\n\n");
	fix_up_text(f, "garbage");
	fix_up_fail(f, CALL_CUT);
	fix_settle(f);
	CHECK(!fix_says(x, "late"));
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].reason, REASON_NORMAL);
	CHECK_INT(f->region.channels[f->rows[LANE_A]].ok, 1);
	CHECK(fix_done(f));
}

TEST(a_stream_that_ends_after_its_usage_needs_no_end_mark)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_chunk(f, "Hi");
	fix_up_usage(f, 7, 3);
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

TEST(a_stream_that_ends_without_either_broke_off)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_chunk(f, "Hi");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "data: {\"error\":{"));
	CHECK(fix_says(x, "upstream_cut"));
	CHECK(!fix_says(x, "[DONE]"));
	CHECK_INT(x->end, E_OK); /* the event is the end, not a reset */
	CHECK_INT(f->entry[0].cost, 10000);
	x = fix_streaming(f, STREAMED);
	fix_up_chunk(f, "Hi");
	fix_up_usage(f, 7, 3);
	fix_up_text(f, "data: {\"half");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "upstream_cut"));
	CHECK(fix_done(f));
}

struct mishap {
	const char *text;
	enum err err;
};
static const struct mishap mishaps[] = {
	{"data: {\"choices\":[}\n\n", E_UP_BAD_RESPONSE},
	{"data: nonsense\n\n", E_UP_BAD_RESPONSE},
	{"data: [1]\n\n", E_UP_BAD_RESPONSE},
	{"data: {\"choices\":[],\"choices\":[]}\n\n", E_UP_BAD_RESPONSE},
	{"data: {\"model\":\"up-other\",\"choices\":[{\"delta\":{\"content\":"
	 "\"x\"}}]}\n\n",
	 E_UP_MODEL_MISMATCH},
	{"data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}"
	 "\n\n",
	 E_UP_SERVER_ERROR},
	{"data: {\"error\":\"boom\"}\n\n", E_UP_SERVER_ERROR},
};

TEST(a_mishap_before_the_first_byte_leads_to_the_next_channel)
{
	for (unsigned i = 0; i < ARRAY_LEN(mishaps); i++) {
		struct fixture *f = fix_started();
		struct exchange *x = fix_streaming(f, STREAMED);

		fix_up_text(f, mishaps[i].text);
		CHECK_INT(f->n_calls, 2);
		CHECK_INT(f->calls->next->end, CALL_CANCELLED);
		CHECK(!x->begun);
		CHECK_INT(f->region.channels[f->rows[LANE_A]].faults, 1);
		CHECK_INT(f->region.channels[f->rows[LANE_A]].last_fault,
			  err_vocab_id(mishaps[i].err));
		fix_up_stream(f);
		fix_up_chunk(f, "Hi");
		fix_up_usage(f, 7, 3);
		fix_up_done(f);
		fix_settle(f);
		CHECK_STR(fix_field(x, "x-tollgate-channel"), "b");
		CHECK_STR(fix_field(x, "x-tollgate-attempts"), "2");
		CHECK_INT(f->n_entries, 2);
		CHECK_INT(f->entry[1].cost, 0);
		CHECK(f->entry[1].note.flags & NOTE_LOST);
		CHECK_INT(f->entry[1].note.error_type,
			  err_vocab_id(mishaps[i].err));
		CHECK_INT(f->entry[1].note.channel, f->rows[LANE_A]);
		CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
		CHECK_INT(f->entry[0].note.attempts, 2);
		CHECK_INT(f->entry[0].note.channel, f->rows[LANE_B]);
		CHECK(fix_done(f));
	}
}

TEST(a_mishap_after_the_first_byte_becomes_an_error_event)
{
	for (unsigned i = 0; i < ARRAY_LEN(mishaps); i++) {
		struct fixture *f = fix_started();
		struct exchange *x = fix_streaming(f, STREAMED);

		fix_up_chunk(f, "Hi");
		fix_up_text(f, mishaps[i].text);
		CHECK_INT(f->n_calls, 1);
		CHECK(!fix_call_runs(f));
		fix_settle(f);
		CHECK(fix_says(x, "data: {\"error\":{"));
		CHECK(fix_says(x, err_row(mishaps[i].err)->code));
		CHECK(!fix_says(x, "[DONE]"));
		CHECK_INT(f->entry[0].cost, 10000);
		CHECK_INT(f->entry[0].note.error_type,
			  err_vocab_id(mishaps[i].err));
		CHECK(fix_done(f));
	}
}

TEST(the_words_of_a_content_filter_reach_the_client)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_text(f, "data: {\"error\":{\"message\":\"not \\\"that\\\"\","
		       "\"code\":\"content_filter\"}}\n\n");
	fix_settle(f);
	CHECK_INT(x->status, 400);
	CHECK(fix_says(x, "not \\\"that\\\""));
	CHECK_INT(f->n_calls, 1);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

TEST(what_a_failed_attempt_said_is_forgotten)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_streaming(f, STREAMED);

	/* a usage and a served name, and nothing for the client yet */
	fix_up_text(f, "data: {\"model\":\"up-gpt-2024\",\"choices\":[],"
		       "\"usage\":{\"prompt_tokens\":500,"
		       "\"completion_tokens\":500}}\n\n");
	fix_up_fail(f, CALL_CUT);
	fix_up_stream(f);
	fix_up_chunk(f, "Hi");
	fix_up_done(f);
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-model"), "up-gpt");
	CHECK_INT(f->entry[0].note.served_len, 0);
	CHECK_INT(f->entry[0].cost, FIX_CHAT_TOKENS * 2500 + 10000);
	CHECK(fix_done(f));
}

TEST(a_head_that_is_no_event_stream_leads_to_the_next_channel)
{
	static const char *const heads[] = {
		"content-type: application/json\r\n",
		"content-type: application/json; charset=utf-8\r\n",
		"content-type: Application/JSON\r\n",
		("content-type: text/event-stream\r\n"
		 "content-encoding: gzip\r\n")};

	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		struct fixture *f = fix_started();

		(void)fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
		fix_up_head(f, 200, heads[i]);
		CHECK_INT(f->n_calls, 2);
		fix_up_head(f, 200, "content-encoding: identity\r\n");
		fix_up_chunk(f, "Hi");
		fix_up_done(f);
		fix_settle(f);
		CHECK_INT(f->entry[0].note.status, 200);
		CHECK(fix_done(f));
	}
}

/* ---- whole answers ---- */

TEST(a_whole_answer_goes_on_with_its_cost_and_nothing_else_changed)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 201,
		   "{ \"id\" : \"\\u0041\",\"choices\":[{\"message\":{"
		   "\"content\":\"x\"}}],\"big\":1234567890123456789012,"
		   "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}");
	fix_settle(f);
	CHECK_INT(x->status, 201);
	CHECK_STR(fix_out(x),
		  "{ \"id\" : \"\\u0041\",\"choices\":[{\"message\":{"
		  "\"content\":\"x\"}}],\"big\":1234567890123456789012,"
		  "\"usage\":{\"cost\":0.0000475,\"prompt_tokens\":7,"
		  "\"completion_tokens\":3}}");
	CHECK_STR(fix_field(x, "x-tollgate-charge-usd"), "0.0000475");
	CHECK_STR(fix_field(x, "content-type"), "application/json");
	CHECK(fix_done(f));
}

TEST(whole_answers_that_are_none_lead_to_the_next_channel)
{
	static const char *const bodies[] = {
		"",
		"{",
		"[]",
		"not json",
		"{\"choices\":[]}",
		"{\"object\":\"list\"}",
		"{\"error\":{\"message\":\"boom\"}}",
	};

	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++) {
		struct fixture *f = fix_started();
		struct exchange *x;

		x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
		fix_answer(f, 200, bodies[i]);
		CHECK_INT(f->n_calls, 2);
		fix_answer(f, 200, fix_whole("ok", NULL));
		fix_settle(f);
		CHECK(fix_says(x, "\"ok\""));
		CHECK(fix_done(f));
	}
}

TEST(an_answer_beyond_the_limit_is_given_up)
{
	struct fixture *f = fix_new();
	struct exchange *x;
	char text[1025];

	f->conf.limits.response_size = 1024;
	f->conf.routing.attempts = 1;
	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_up_head(f, 200, "");
	memset(text, ' ', sizeof(text));
	fix_up_data(f, text, 1024);
	CHECK(fix_call_runs(f));
	fix_up_data(f, text, 1);
	CHECK(!fix_call_runs(f));
	fix_settle(f);
	CHECK_INT(x->status, 502);
	CHECK(fix_says(x, "upstream_bad_response"));
	CHECK(fix_done(f));
}

TEST(an_event_beyond_the_limit_is_given_up)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.limits.event_size = 1024;
	fix_start(f);
	x = fix_streaming(f, STREAMED);
	fix_up_chunk(f, "Hi");
	for (int i = 0; i < 1100 && fix_call_runs(f); i++)
		fix_up_text(f, "d");
	CHECK(!fix_call_runs(f));
	fix_settle(f);
	CHECK(fix_says(x, "upstream_bad_response"));
	CHECK(fix_done(f));
}

TEST(no_memory_for_an_answer_is_said_and_nothing_is_charged)
{
	struct fixture *f = fix_new();
	struct exchange *x;
	static char text[40000];

	f->conf.limits.worker_memory = 32 * 1024;
	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_up_head(f, 200, "");
	memset(text, ' ', sizeof(text));
	fix_up_data(f, text, sizeof(text));
	fix_settle(f);
	CHECK_INT(x->status, 503);
	CHECK(fix_says(x, "out_of_memory"));
	CHECK_INT(f->n_calls, 1);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

/* ---- pace ---- */

TEST(the_upstream_waits_for_a_slow_client)
{
	struct fixture *f = fix_new();
	struct exchange *x;
	static char text[30001];

	f->room = 0;
	fix_start(f);
	x = fix_streaming(f, STREAMED ",\"max_tokens\":100000");
	memset(text, 'x', sizeof(text) - 1);
	fix_up_chunk(f, text);
	fix_up_chunk(f, text);
	CHECK(!f->calls->paused);
	fix_up_chunk(f, text);
	CHECK(f->calls->paused);
	fix_take(x, 20000);
	fix_take(x, 20000);
	CHECK(f->calls->paused); /* until the queue is low */
	fix_take(x, 40000);
	CHECK(!f->calls->paused);
	fix_take(x, 1000);
	/* and again */
	fix_up_chunk(f, text);
	fix_up_chunk(f, text);
	CHECK(f->calls->paused);
	fix_take(x, UINT64_MAX);
	CHECK(!f->calls->paused);
	CHECK_INT(f->calls->pauses, 2);
	f->exchanges->room = 0;
	fix_up_chunk(f, text);
	fix_up_done(f);
	fix_up_end(f);
	fix_take(x, 20000);
	fix_settle(f);
	CHECK(!x->answered || !x->live || x->taken < x->out.n);
	fix_take(x, UINT64_MAX);
	fix_settle(f);
	CHECK_INT(x->end, E_OK);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(events_go_on_as_they_come_byte_for_byte);
	RUN(the_usage_event_is_asked_for_upstream_and_kept_from_who_did_not_ask);
	RUN(who_asked_gets_the_usage_event_last_with_its_cost);
	RUN(an_upstreams_own_cost_is_replaced);
	RUN(usage_in_every_chunk_is_hidden_and_the_last_counts);
	RUN(any_number_of_usage_events_needs_the_memory_of_one);
	RUN(data_of_several_lines_stays_one_event);
	RUN(a_broken_usage_event_is_replaced_by_an_estimate);
	RUN(what_follows_the_end_mark_is_not_read);
	RUN(a_stream_that_ends_after_its_usage_needs_no_end_mark);
	RUN(a_stream_that_ends_without_either_broke_off);
	RUN(a_mishap_before_the_first_byte_leads_to_the_next_channel);
	RUN(a_mishap_after_the_first_byte_becomes_an_error_event);
	RUN(the_words_of_a_content_filter_reach_the_client);
	RUN(what_a_failed_attempt_said_is_forgotten);
	RUN(a_head_that_is_no_event_stream_leads_to_the_next_channel);
	RUN(a_whole_answer_goes_on_with_its_cost_and_nothing_else_changed);
	RUN(whole_answers_that_are_none_lead_to_the_next_channel);
	RUN(an_answer_beyond_the_limit_is_given_up);
	RUN(an_event_beyond_the_limit_is_given_up);
	RUN(no_memory_for_an_answer_is_said_and_nothing_is_charged);
	RUN(the_upstream_waits_for_a_slow_client);
	return tap_done();
}
