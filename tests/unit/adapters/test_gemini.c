/* adapters/gemini.c: paths, what answers mean for the bill, errors. */
#include "adapters/gemini.h"
#include "tests/tap.h"

static struct arena arena;

static const char *
path_of(const char *base, const char *model, struct ask ask)
{
	struct target t = {.path = str_of(base), .model = str_of(model)};
	struct str path = wire_gemini.path(&arena, &ask, &t);

	return path.p ? path.p : "none";
}

TEST(the_path_names_model_and_action)
{
	struct ask chat = {.kind = ASK_CHAT};
	struct ask stream = {.kind = ASK_CHAT, .stream = true};
	struct ask count = {.kind = ASK_COUNT};
	struct ask old = {.kind = ASK_COMPLETIONS};

	arena_init(&arena);
	CHECK_STR(path_of("", "gemini-2.0-flash", chat),
		  "/v1beta/models/gemini-2.0-flash:generateContent");
	CHECK_STR(path_of("/v1beta", "gemini-2.0-flash", stream),
		  "/models/gemini-2.0-flash:streamGenerateContent?alt=sse");
	CHECK_STR(path_of("/x/v1", "m", count), "/models/m:countTokens");
	CHECK_STR(path_of("", "tunedModels/t", chat),
		  "/v1beta/tunedModels/t:generateContent");
	CHECK_STR(path_of("", "m", old), "none");
	arena_free(&arena);
}

TEST(the_head_has_googles_key_and_the_body_goes_as_it_came)
{
	struct ask ask = {.kind = ASK_CHAT, .body = STR("{ \"contents\":[] }")};
	struct target t = {.host = STR("h"),
			   .path = STR(""),
			   .model = STR("m"),
			   .credential = STR("secret")};
	struct pieces body, all;
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	arena_init(&arena);
	CHECK_INT(wire_gemini.patch(&arena, &ask, &t, &body), E_OK);
	CHECK_INT(adapter_request(&arena, adapter_find(STR("gemini")), &ask, &t,
				  &body, &all),
		  E_OK);
	for (unsigned i = 0; i < all.n; i++)
		buf_add(&out, all.iov[i].iov_base, all.iov[i].iov_len);
	buf_add_char(&out, '\0');
	CHECK(strstr(out.p, "POST /v1beta/models/m:generateContent HTTP/1.1"
			    "\r\n") == out.p);
	CHECK(strstr(out.p, "\r\nx-goog-api-key: secret\r\n\r\n"
			    "{ \"contents\":[] }") != NULL);
	arena_free(&arena);
}

/* ---- usage ---- */

static struct usage
usage_of(const char *usage)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a = {0};
	char body[1024];

	(void)snprintf(body, sizeof(body),
		       "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
		       "\"hey\"},{\"functionCall\":{\"name\":\"ab\",\"args\":"
		       "{}}}]}}],\"modelVersion\":\"models/m-1\","
		       "\"usageMetadata\":%s}",
		       usage);
	CHECK_INT(wire_gemini.parse_answer(&ask, str_of(body), &a), E_OK);
	CHECK_INT(a.content_bytes, a.usage.present ? 1 : 3 + 2 + 2);
	CHECK(str_eq(a.model, STR("m-1")));
	return a.usage;
}

TEST(usage_is_taken_apart_into_disjoint_classes)
{
	struct usage u = usage_of(
		"{\"promptTokenCount\":100,\"cachedContentTokenCount\":60,"
		"\"candidatesTokenCount\":30,\"thoughtsTokenCount\":20,"
		"\"toolUsePromptTokenCount\":5,\"totalTokenCount\":155}");

	CHECK(u.present);
	CHECK_INT(u.input, 45);
	CHECK_INT(u.cache_read, 60);
	CHECK_INT(u.cache_write, 0);
	CHECK_INT(u.output, 30);
	CHECK_INT(u.reasoning, 20);
	u = usage_of("{\"promptTokenCount\":10,\"thoughtsTokenCount\":5,"
		     "\"totalTokenCount\":15}");
	CHECK(u.present && u.output == 0);
	CHECK_INT(u.reasoning, 5);
	u = usage_of("{\"promptTokenCount\":10,\"totalTokenCount\":15}");
	CHECK(u.present);
	CHECK_INT(u.output, 5);
}

TEST(usage_that_makes_no_sense_is_missing)
{
	static const char *const bad[] = {
		"null",
		"{}",
		"{\"totalTokenCount\":5}",
		"{\"promptTokenCount\":-1}",
		"{\"promptTokenCount\":\"5\"}",
		"{\"promptTokenCount\":5,\"candidatesTokenCount\":1.5}",
		"{\"promptTokenCount\":5,\"cachedContentTokenCount\":6}",
		"{\"promptTokenCount\":18446744073709551615}",
	};

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!usage_of(bad[i]).present);
}

TEST(an_answer_has_candidates_or_says_why_not)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;

	CHECK_INT(wire_gemini.parse_answer(&ask, STR("{}"), &a),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(
		wire_gemini.parse_answer(&ask, STR("{\"candidates\":[]}"), &a),
		E_UP_BAD_RESPONSE);
	CHECK_INT(wire_gemini.parse_answer(&ask, STR("x"), &a),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(wire_gemini.parse_answer(
			  &ask, STR("{\"error\":{\"code\":500}}"), &a),
		  E_UP_SERVER_ERROR);
	CHECK_INT(wire_gemini.parse_answer(
			  &ask,
			  STR("{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}"
			      ",\"usageMetadata\":{\"promptTokenCount\":9,"
			      "\"totalTokenCount\":9}}"),
			  &a),
		  E_OK);
	CHECK(a.usage.present);
	CHECK_INT(a.usage.input, 9);
}

/* ---- events ---- */

TEST(the_usage_is_final_from_the_finish_reason_on)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true};
	struct source s = {.ask = &ask};
	struct delta d;

	arena_init(&arena);
	s.a = &arena;
	s.own = arena_zalloc(&arena, wire_gemini.source_bytes);
	CHECK_INT(wire_gemini.parse_event(
			  &s, STR_NONE,
			  STR("{\"candidates\":[{\"content\":{\"parts\":["
			      "{\"text\":\"four\",\"thought\":true}]}}],"
			      "\"usageMetadata\":{\"promptTokenCount\":7},"
			      "\"modelVersion\":\"m-2\"}"),
			  &d),
		  E_OK);
	CHECK(d.choices && !d.last && !d.usage.present && !d.done && !d.error);
	CHECK(d.usage_value.type == JSON_ABSENT);
	CHECK_INT(d.content_bytes, 4);
	CHECK(str_eq(d.model, STR("m-2")));
	CHECK_INT(wire_gemini.parse_event(
			  &s, STR_NONE,
			  STR("{\"candidates\":[{\"finishReason\":\"STOP\"}],"
			      "\"usageMetadata\":{\"promptTokenCount\":7,"
			      "\"candidatesTokenCount\":3}}"),
			  &d),
		  E_OK);
	CHECK(d.choices && d.last && d.usage.present);
	CHECK_INT(d.usage.output, 3);
	CHECK_INT(wire_gemini.parse_event(
			  &s, STR_NONE,
			  STR("{\"usageMetadata\":{\"promptTokenCount\":7,"
			      "\"candidatesTokenCount\":4}}"),
			  &d),
		  E_OK);
	CHECK(d.last && d.usage.present && !d.choices);
	CHECK_INT(d.usage.output, 4);
	arena_free(&arena);
}

TEST(errors_and_nonsense_in_a_stream_are_seen)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true};
	struct source s = {.ask = &ask, .a = &arena};
	struct delta d;

	arena_init(&arena);
	s.own = arena_zalloc(&arena, wire_gemini.source_bytes);
	CHECK_INT(wire_gemini.parse_event(
			  &s, STR_NONE, STR("{\"error\":{\"code\":503}}"), &d),
		  E_OK);
	CHECK(d.error);
	CHECK_INT(wire_gemini.parse_event(&s, STR_NONE, STR("[DONE]"), &d),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(wire_gemini.parse_event(
			  &s, STR_NONE,
			  STR("{\"promptFeedback\":{\"blockReason\":"
			      "\"OTHER\"}}"),
			  &d),
		  E_OK);
	CHECK(d.last && !d.choices);
	arena_free(&arena);
}

/* ---- errors ---- */

TEST(errors_are_judged_by_their_status_and_reason)
{
	static const struct {
		int status;
		const char *body;
		enum err err;
	} cases[] = {
		{400, "{\"error\":{\"status\":\"INVALID_ARGUMENT\"}}",
		 E_UP_REQUEST},
		{400,
		 "{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\","
		 "\"details\":[{\"@type\":\"type.googleapis.com/"
		 "google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\"}]}}",
		 E_UP_CREDENTIALS},
		{400, "{\"error\":{\"status\":\"FAILED_PRECONDITION\"}}",
		 E_UP_BILLING},
		{403, "{\"error\":{\"status\":\"PERMISSION_DENIED\"}}",
		 E_UP_CREDENTIALS},
		{403,
		 "{\"error\":{\"status\":\"PERMISSION_DENIED\",\"details\":["
		 "{\"reason\":\"BILLING_DISABLED\"}]}}",
		 E_UP_BILLING},
		{404, "{\"error\":{\"status\":\"NOT_FOUND\"}}", E_UP_REQUEST},
		{429, "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\"}}",
		 E_UP_RATE_LIMITED},
		{429, "[{\"error\":{\"status\":\"rate_limit_error\"}}]",
		 E_UP_RATE_LIMITED},
		{500, "{\"error\":{\"status\":\"INTERNAL\"}}",
		 E_UP_SERVER_ERROR},
		{503, "{\"error\":{\"status\":\"UNAVAILABLE\"}}",
		 E_UP_OVERLOADED},
		{504, "", E_UP_TIMEOUT},
		{502, "<html>", E_UP_SERVER_ERROR},
		{401, "{\"error\":\"x\"}", E_UP_CREDENTIALS},
		/* inside of a stream */
		{200, "{\"error\":{\"code\":503}}", E_UP_OVERLOADED},
		{200, "{\"error\":{\"code\":429}}", E_UP_RATE_LIMITED},
		{200, "{\"error\":{}}", E_UP_SERVER_ERROR},
	};
	struct upstream_error e;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		wire_gemini.parse_error(cases[i].status, STR_NONE,
					str_of(cases[i].body), &e);
		CHECK_INT(e.err, cases[i].err);
	}
}

TEST(an_error_says_how_long_to_wait)
{
	static const struct {
		const char *delay;
		uint64_t ms;
	} cases[] = {{"7s", 7000},	{"0.25s", 250}, {"1.0001s", 1001},
		     {"-3s", 0},	{"s", 0},	{"7", 0},
		     {"3e9s", 0},	{"1.2.3s", 0},	{"", 0},
		     {"3600s", 3600000}};
	struct upstream_error e;
	char body[512];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(body, sizeof(body),
			       "{\"error\":{\"code\":429,\"message\":\"Slow\","
			       "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":["
			       "{\"@type\":\"x/google.rpc.QuotaFailure\"},"
			       "{\"@type\":\"type.googleapis.com/"
			       "google.rpc.RetryInfo\",\"retryDelay\":"
			       "\"%s\"}]}}",
			       cases[i].delay);
		wire_gemini.parse_error(429, STR_NONE, str_of(body), &e);
		CHECK_INT(e.retry_after_ms, cases[i].ms);
		CHECK(str_eq(e.message, STR("Slow")));
		CHECK(str_eq(e.code, STR("RESOURCE_EXHAUSTED")));
	}
}

int
main(void)
{
	RUN(the_path_names_model_and_action);
	RUN(the_head_has_googles_key_and_the_body_goes_as_it_came);
	RUN(usage_is_taken_apart_into_disjoint_classes);
	RUN(usage_that_makes_no_sense_is_missing);
	RUN(an_answer_has_candidates_or_says_why_not);
	RUN(the_usage_is_final_from_the_finish_reason_on);
	RUN(errors_and_nonsense_in_a_stream_are_seen);
	RUN(errors_are_judged_by_their_status_and_reason);
	RUN(an_error_says_how_long_to_wait);
	return tap_done();
}
