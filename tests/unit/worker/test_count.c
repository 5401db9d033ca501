/* Messages in the words of Anthropic: counted for free, sent on as they are,
 * billed by both parts of their usage. */
#include "tests/unit/worker/fixture.h"

#define COUNT	 "/v1/messages/count_tokens"
#define MESSAGES "/v1/messages"
#define BODY                                                   \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\"," \
	"\"content\":\"hello there\"}],\"system\":\"Be terse.\""

/* Lane a speaks it. */
static struct fixture *
begin(void)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].provider = STR("anthropic");
	f->channel[LANE_B].n_models = 0;
	f->channel[LANE_DEMO].n_models = 0;
	fix_start(f);
	return f;
}

static const char *
sent(const struct fixture *f)
{
	buf_add_char(&f->calls->sent, '\0');
	return f->calls->sent.p;
}

TEST(the_provider_counts_where_it_can)
{
	struct fixture *f = begin();
	int64_t had = fix_available(f, ACME);
	struct exchange *x = fix_post(f, COUNT, BODY "}");

	CHECK(strstr(sent(f), "POST /v1/messages/count_tokens HTTP/1.1\r\n") ==
	      f->calls->sent.p);
	CHECK(strstr(sent(f), "{\"model\":\"up-gpt\",") != NULL);
	fix_answer(f, 200, "{\"input_tokens\":14}");
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x), "{\"input_tokens\":14}");
	CHECK_STR(fix_field(x, "x-tollgate-estimated"), "");
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_available(f, ACME) == had);
	CHECK(fix_done(f));
}

TEST(else_the_answer_is_an_estimate)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	fix_start(f);
	x = fix_post(f, COUNT, BODY "}");
	CHECK_INT(f->n_calls, 0);
	CHECK_INT(x->status, 200);
	CHECK(str_starts(str_of(fix_out(x)), STR("{\"input_tokens\":")));
	CHECK_STR(fix_field(x, "x-tollgate-estimated"), "true");
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
}

TEST(an_estimate_stands_in_for_a_provider_that_fails)
{
	static const int statuses[] = {404, 405, 429, 500, 529};
	struct fixture *f = begin();

	for (unsigned i = 0; i < ARRAY_LEN(statuses); i++) {
		struct exchange *x = fix_post(f, COUNT, BODY "}");

		if (fix_call_runs(f))
			fix_answer(f, statuses[i], "{}");
		fix_settle(f);
		CHECK_INT(x->status, 200);
		CHECK_STR(fix_field(x, "x-tollgate-estimated"), "true");
	}
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
}

TEST(what_the_provider_says_of_a_bad_request_stands)
{
	struct fixture *f = begin();
	struct exchange *x = fix_post(f, COUNT, BODY "}");

	fix_answer(f, 400,
		   "{\"type\":\"error\",\"error\":{\"type\":"
		   "\"invalid_request_error\",\"message\":\"no\"}}");
	fix_settle(f);
	CHECK_INT(x->status, 400);
	CHECK(fix_says(x, "{\"type\":\"error\",\"error\":{\"type\":"
			  "\"invalid_request_error\",\"message\":\"no\"},"
			  "\"request_id\":\"req_"));
	CHECK(fix_done(f));
}

TEST(a_count_needs_a_key_and_a_model)
{
	struct fixture *f = begin();
	struct exchange *x =
		fix_open(f, "POST", COUNT, NULL, "content-length: 2\r\n");

	CHECK_INT(x->status, 401);
	CHECK(fix_says(x, "\"authentication_error\""));
	x = fix_post(f, COUNT, "{\"model\":\"nope\",\"messages\":[]}");
	CHECK_INT(x->status, 404);
	CHECK(fix_says(x, "\"not_found_error\""));
	CHECK(fix_done(f));
}

TEST(a_count_is_a_request_of_the_limits)
{
	struct fixture *f = begin();
	struct exchange *x;

	atomic_store(&f->client_key->limits.rpm, 1);
	x = fix_post(f, COUNT, BODY "}");
	fix_answer(f, 200, "{\"input_tokens\":14}");
	fix_settle(f);
	CHECK_INT(x->status, 200);
	x = fix_post(f, COUNT, BODY "}");
	CHECK_INT(x->status, 429);
	CHECK(fix_says(x, "\"rate_limit_error\""));
	CHECK(fix_done(f));
}

TEST(a_client_that_leaves_leaves_nothing)
{
	struct fixture *f = begin();
	struct exchange *x = fix_post(f, COUNT, BODY "}");

	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
}

/* ---- messages ---- */

TEST(a_message_is_passed_on_with_its_head)
{
	struct fixture *f = begin();
	struct exchange *x = fix_open(f, "POST", MESSAGES, FIX_KEY,
				      "anthropic-version: 2026-10-21\r\n"
				      "anthropic-beta: a\r\n"
				      "anthropic-beta: b\r\n");

	fix_body(x, BODY ",\"max_tokens\":64}");
	CHECK(strstr(sent(f), "\r\nanthropic-version: 2026-10-21\r\n"
			      "anthropic-beta: a,b\r\n") != NULL);
	fix_answer(f, 200,
		   "{\"type\":\"message\",\"content\":[{\"type\":\"text\","
		   "\"text\":\"hey\"}],\"model\":\"up-gpt\",\"usage\":{"
		   "\"input_tokens\":10,\"cache_read_input_tokens\":5,"
		   "\"cache_creation_input_tokens\":3,\"output_tokens\":7}}");
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK(fix_says(x, "\"cache_read_input_tokens\":5,"));
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].note.endpoint, ENDPOINT_MESSAGES);
	CHECK_INT(f->entry[0].cost,
		  fix_price(f, MODEL_GPT, (struct fix_usage){10, 5, 3, 7, 0},
			    1000000));
	CHECK(fix_done(f));
}

#define EVENT(type, rest) \
	"event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define BEGIN                                                        \
	EVENT("message_start",                                       \
	      ",\"message\":{\"id\":\"msg_1\",\"model\":\"up-gpt\"," \
	      "\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}")
#define CONTENT                                                          \
	EVENT("content_block_start", ",\"index\":0,\"content_block\":{"  \
				     "\"type\":\"text\",\"text\":\"\"}") \
	EVENT("ping", "")                                                \
	EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":" \
				     "\"text_delta\",\"text\":\"hey\"}") \
	EVENT("content_block_stop", ",\"index\":0")
#define FINISH                                                              \
	EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}," \
			       "\"usage\":{\"output_tokens\":7}")           \
	EVENT("message_stop", "")

TEST(a_stream_is_passed_on_byte_by_byte)
{
	struct fixture *f = begin();
	struct exchange *x =
		fix_post(f, MESSAGES, BODY ",\"max_tokens\":64" STREAMED "}");

	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, BEGIN CONTENT);
	CHECK_STR(fix_out(x), BEGIN CONTENT);
	fix_up_text(f, FINISH);
	fix_settle(f);
	CHECK_STR(fix_out(x), BEGIN CONTENT FINISH);
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].cost,
		  fix_price(f, MODEL_GPT, (struct fix_usage){10, 0, 0, 7, 0},
			    1000000));
	CHECK(fix_done(f));
}

TEST(a_stream_that_breaks_off_ends_in_an_error)
{
	struct fixture *f = begin();
	struct exchange *x =
		fix_post(f, MESSAGES, BODY ",\"max_tokens\":64" STREAMED "}");

	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, BEGIN CONTENT);
	fix_up_fail(f, CALL_CUT);
	fix_settle(f);
	CHECK(fix_says(x, "event: error\ndata: {\"type\":\"error\","
			  "\"error\":{\"type\":\"api_error\","));
	CHECK(!fix_says(x, "message_stop"));
	CHECK(fix_done(f));
}

TEST(errors_are_told_in_the_callers_words)
{
	struct fixture *f = begin();
	struct exchange *x = fix_post(f, MESSAGES, BODY "}");

	CHECK_INT(x->status, 400);
	CHECK(fix_says(x, "{\"type\":\"error\",\"error\":{\"type\":"
			  "\"invalid_request_error\",\"message\":\"The field "
			  "'max_tokens' is required."));
	x = fix_get(f, "/v1/messages/none");
	CHECK_INT(x->status, 404);
	CHECK(fix_says(x, "{\"type\":\"error\""));
	x = fix_get(f, "/v1/nothing");
	CHECK(fix_says(x, "{\"error\":{"));
	x = fix_open(f, "GET", "/v1/models/nope", FIX_KEY,
		     "anthropic-version: 2023-06-01\r\n");
	CHECK_INT(x->status, 404);
	CHECK(fix_says(x, "\"not_found_error\""));
	CHECK(fix_done(f));
}

TEST(models_are_listed_in_the_callers_words)
{
	struct fixture *f = begin();
	struct exchange *x = fix_open(f, "GET", "/v1/models", FIX_KEY,
				      "anthropic-version: 2023-06-01\r\n");

	CHECK_INT(x->status, 200);
	CHECK(fix_says(x, "{\"data\":[{\"type\":\"model\",\"id\":\"gpt\","
			  "\"display_name\":\"gpt\",\"created_at\":\""));
	CHECK(fix_says(x, "],\"has_more\":false,\"first_id\":\"gpt\","
			  "\"last_id\":\""));
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_provider_counts_where_it_can);
	RUN(else_the_answer_is_an_estimate);
	RUN(an_estimate_stands_in_for_a_provider_that_fails);
	RUN(what_the_provider_says_of_a_bad_request_stands);
	RUN(a_count_needs_a_key_and_a_model);
	RUN(a_count_is_a_request_of_the_limits);
	RUN(a_client_that_leaves_leaves_nothing);
	RUN(a_message_is_passed_on_with_its_head);
	RUN(a_stream_is_passed_on_byte_by_byte);
	RUN(a_stream_that_breaks_off_ends_in_an_error);
	RUN(errors_are_told_in_the_callers_words);
	RUN(models_are_listed_in_the_callers_words);
	return tap_done();
}
