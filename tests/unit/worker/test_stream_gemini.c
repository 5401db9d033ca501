/* worker/stream.c for Gemini's clients: the upstream's events, or one array of
 * them. */
#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

#define CANDIDATE(text, rest)                                         \
	"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text \
	"\"}]}" rest "}],\"modelVersion\":\"up-gpt\"}"
#define LAST                                                               \
	"{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":" \
	"{\"promptTokenCount\":7,\"candidatesTokenCount\":3}}"
#define HELLO "{\"contents\":[{\"parts\":[{\"text\":\"hello\"}]}]}"

static struct fixture *
gemini_started(void)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].provider = STR("gemini");
	f->channel[LANE_B].provider = STR("gemini");
	fix_start(f);
	return f;
}

TEST(geminis_events_go_on_as_they_come_the_last_one_with_the_end)
{
	struct fixture *f = gemini_started();
	struct exchange *x = fix_post(
		f, "/v1beta/models/gpt:streamGenerateContent?alt=sse", HELLO);

	fix_settle(f);
	CHECK(strstr(f->calls->sent.p,
		     "POST /v1beta/models/up-gpt:streamGenerateContent?alt=sse "
		     "HTTP/1.1\r\n") == f->calls->sent.p);
	CHECK(strstr(f->calls->sent.p, "\r\n\r\n" HELLO) != NULL);
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, "data: " CANDIDATE("Hi", "") "\r\n\r\n");
	fix_up_text(f, "data: " LAST "\r\n\r\n");
	CHECK_STR(fix_out(x), "data: " CANDIDATE("Hi", "") "\n\n");
	CHECK_STR(fix_field(x, "content-type"), "text/event-stream");
	fix_up_end(f);
	fix_settle(f);
	CHECK_STR(fix_out(x),
		  "data: " CANDIDATE("Hi", "") "\n\ndata: " LAST "\n\n");
	CHECK_INT(x->end, E_OK);
	CHECK_INT(f->entry[0].cost, 7 * 2500 + 3 * 10000);
	CHECK(fix_done(f));
}

TEST(without_alt_sse_geminis_stream_is_one_array)
{
	struct fixture *f = gemini_started();
	struct exchange *x =
		fix_post(f, "/v1/models/gpt:streamGenerateContent", HELLO);

	fix_settle(f);
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, "data: " CANDIDATE("Hi", "") "\n\n");
	fix_wait_ms(f, f->conf.stream.keepalive_ms + 1000);
	fix_up_text(f, "data: " CANDIDATE("you", "") "\n\n");
	fix_up_text(f, "data: " LAST "\n\n");
	fix_up_end(f);
	fix_settle(f);
	CHECK_STR(fix_field(x, "content-type"), "application/json");
	CHECK_STR(fix_out(x), "[" CANDIDATE("Hi", "") "\n,\r\n" CANDIDATE(
				      "you", "") ",\r\n" LAST "]");
	CHECK(fix_done(f));
}

TEST(a_gemini_stream_that_breaks_off_ends_with_an_error)
{
	static const char *const paths[] = {
		"/v1beta/models/gpt:streamGenerateContent?alt=sse",
		"/v1beta/models/gpt:streamGenerateContent"};

	for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
		struct fixture *f = gemini_started();
		struct exchange *x = fix_post(f, paths[i], HELLO);

		fix_settle(f);
		fix_up_head(f, 200, "content-type: text/event-stream\r\n");
		fix_up_text(f, "data: " CANDIDATE("Hi", "") "\n\n");
		fix_up_end(f);
		fix_settle(f);
		CHECK(fix_says(x, i == 0 ? "\n\ndata: {\"error\":{\"code\":502,"
					 : ",\r\n{\"error\":{\"code\":502,"));
		CHECK(str_ends(str_of(fix_out(x)),
			       i == 0 ? STR("}}\n\n") : STR("}}]")));
		CHECK(fix_done(f));
	}
}

TEST(the_provider_counts_for_gemini_too)
{
	struct fixture *f = gemini_started();
	struct exchange *x =
		fix_post(f, "/v1beta/models/gpt:countTokens", HELLO);

	fix_settle(f);
	CHECK(strstr(f->calls->sent.p,
		     "POST /v1beta/models/up-gpt:countTokens HTTP/1.1\r\n") ==
	      f->calls->sent.p);
	fix_answer(f, 200, "{\"totalTokens\":14,\"x\":1}");
	fix_settle(f);
	CHECK_STR(fix_out(x), "{\"totalTokens\":14,\"x\":1}");
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
	f = fix_started();
	x = fix_post(f, "/v1beta/models/gpt:countTokens", HELLO);
	CHECK_INT(f->n_calls, 0);
	CHECK(str_starts(str_of(fix_out(x)), STR("{\"totalTokens\":")));
	CHECK(fix_done(f));
}

#define PICTURE(mime)                                                    \
	"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"see\"},{" \
	"\"inlineData\":{\"mimeType\":\"" mime "\",\"data\":\"iVBO\"}}]" \
	"},\"finishReason\":\"STOP\"}],\"modelVersion\":\"up-gpt\","     \
	"\"usageMetadata\":{\"promptTokenCount\":7,"                     \
	"\"candidatesTokenCount\":3}}"
#define IMAGES                                                        \
	"\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":" \
	"\"data:image/png;base64,iVBO\"}}]"

/* The answer of a client at `path`, with a picture or a sound in it. */
static struct exchange *
pictured(struct fixture *f, const char *path, const char *stream,
	 const char *answer)
{
	char body[160], event[512];
	struct exchange *x;

	(void)snprintf(body, sizeof(body),
		       "{\"model\":\"gpt\",\"max_tokens\":9,\"stream\":%s,"
		       "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
		       stream);
	x = fix_post(f, path, body);
	fix_settle(f);
	if (strcmp(stream, "false") == 0) {
		fix_answer(f, 200, answer);
	} else {
		(void)snprintf(event, sizeof(event), "data: %s\n\n", answer);
		fix_up_head(f, 200, "content-type: text/event-stream\r\n");
		fix_up_text(f, event);
		if (f->calls && f->calls->end == CALL_RUNS)
			fix_up_end(f);
	}
	fix_settle(f);
	return x;
}

TEST(a_picture_goes_where_the_client_has_a_place_for_it)
{
	static const char *const streams[] = {"false", "true"};
	struct fixture *f = gemini_started();
	struct exchange *x;

	for (unsigned i = 0; i < 2; i++) {
		x = pictured(f, "/v1/chat/completions", streams[i],
			     PICTURE("image/png"));
		CHECK(fix_says(x, IMAGES) && !fix_says(x, "error"));
		CHECK_INT(f->entry[i].cost, 7 * 2500 + 3 * 10000);
	}
	CHECK(fix_done(f));
}

TEST(what_the_client_has_no_place_for_is_an_error)
{
	static const char *const streams[] = {"false", "true"};
	static const char *const paths[] = {"/v1/messages",
					    "/v1/chat/completions"};
	static const char *const answers[] = {PICTURE("image/png"),
					      PICTURE("audio/L16")};
	static const char *const says[] = {"answered with image/png,",
					   "answered with audio/L16,"};

	for (unsigned i = 0; i < 4; i++) {
		struct fixture *f = gemini_started();
		struct exchange *x = pictured(f, paths[i / 2], streams[i % 2],
					      answers[i / 2]);

		CHECK(fix_says(x, says[i / 2]));
		CHECK_INT(f->n_calls, 1);
		for (unsigned n = 0; n < f->n_entries; n++)
			CHECK_INT(f->entry[n].cost, 0);
		CHECK(fix_done(f));
	}
}

int
main(void)
{
	RUN(geminis_events_go_on_as_they_come_the_last_one_with_the_end);
	RUN(without_alt_sse_geminis_stream_is_one_array);
	RUN(a_picture_goes_where_the_client_has_a_place_for_it);
	RUN(what_the_client_has_no_place_for_is_an_error);
	RUN(a_gemini_stream_that_breaks_off_ends_with_an_error);
	RUN(the_provider_counts_for_gemini_too);
	return tap_done();
}
