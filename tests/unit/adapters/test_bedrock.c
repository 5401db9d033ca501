/* adapters/bedrock.c: paths, answers, streams, errors. */
#include "tests/unit/adapters/wire_maker.h"

static struct told t;

TEST(the_path_holds_the_model_encoded)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct target to = {
		.model = STR("anthropic.claude-3-haiku-20240307-v1:0")};
	struct arena a;

	arena_init(&a);
	CHECK(str_eq(wire_bedrock.path(&a, &ask, &to),
		     STR("/model/anthropic.claude-3-haiku-20240307-v1%3A0/"
			 "converse")));
	ask.stream = true;
	to.model = STR("arn:aws:x/y~_\xc3\xa9");
	CHECK(str_eq(wire_bedrock.path(&a, &ask, &to),
		     STR("/model/arn%3Aaws%3Ax%2Fy~_%C3%A9/converse-stream")));
	ask.kind = ASK_EMBEDDINGS;
	CHECK(wire_bedrock.path(&a, &ask, &to).p == NULL);
	arena_free(&a);
}

/* ---- answers ---- */

TEST(an_answer_is_read)
{
	tell_answer(
		&t, &wire_bedrock,
		"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":"
		"[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\","
		"\"signature\":\"sig\"}}},{\"reasoningContent\":{"
		"\"redactedContent\":\"cmVk\"}},{\"text\":\"a\\\"b\"},{"
		"\"citationsContent\":{\"content\":[{\"text\":\"c\"}],"
		"\"citations\":[]}},{\"toolUse\":{\"toolUseId\":\"t1\","
		"\"name\":\"f\",\"input\":{\"a\":1}}},{\"toolUse\":{"
		"\"toolUseId\":\"t2\",\"name\":\"g\",\"input\":null}}]}},"
		"\"stopReason\":\"tool_use\",\"usage\":{\"inputTokens\":10,"
		"\"outputTokens\":5,\"totalTokens\":22,"
		"\"cacheReadInputTokens\":4,\"cacheWriteInputTokens\":3},"
		"\"metrics\":{\"latencyMs\":0}}",
		NULL);
	CHECK_INT(t.err, E_OK);
	CHECK_STR(t.text.p, "  think(hm|sig) redacted(cmVk) text(a\\\"b) "
			    "text(c) call(t1|f|{\"a\":1}) call(t2|g|{}) calls");
	told_check_usage(&t.answer.usage, 10, 4, 3, 5);
	CHECK_INT(t.answer.content_bytes, 1);
	told_free(&t);
}

TEST(tools_get_their_own_names_back)
{
	struct maker m;

	maker_init(&m, "m");
	maker_tool(&m, "my.tool", NULL);
	maker_text(&m, SPEAKER_USER, "x");
	(void)maker_write(&m, &wire_bedrock);
	CHECK(strstr(m.body.p, "\"name\":\"my_tool_") != NULL);
	tell_answer(&t, &wire_bedrock,
		    arena_printf(&m.a,
				 "{\"output\":{\"message\":{\"content\":[{"
				 "\"toolUse\":{\"toolUseId\":\"t\",\"name\":"
				 "\"%.20s\",\"input\":{}}}]}}}",
				 strstr(m.body.p, "my_tool_"))
			    .p,
		    &m.c);
	CHECK_STR(t.text.p, "  call(t|my.tool|{}) stop");
	told_free(&t);
	maker_free(&m);
}

static enum finish
finish_of(const char *reason)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct arena a;
	struct reply r;
	char body[256];
	enum finish finish;

	(void)snprintf(body, sizeof(body),
		       "{\"stopReason\":\"%s\",\"output\":{\"message\":{"
		       "\"content\":[]}}}",
		       reason);
	arena_init(&a);
	reply_init(&r);
	CHECK_INT(wire_bedrock.read_answer(&a, &ask, str_of(body), &r), E_OK);
	finish = r.choices->finish;
	arena_free(&a);
	return finish;
}

TEST(stop_reasons_are_understood)
{
	CHECK_INT(finish_of("end_turn"), FINISH_STOP);
	CHECK_INT(finish_of("stop_sequence"), FINISH_SEQUENCE);
	CHECK_INT(finish_of("max_tokens"), FINISH_LENGTH);
	CHECK_INT(finish_of("model_context_window_exceeded"), FINISH_LENGTH);
	CHECK_INT(finish_of("tool_use"), FINISH_CALLS);
	CHECK_INT(finish_of("guardrail_intervened"), FINISH_FILTER);
	CHECK_INT(finish_of("content_filtered"), FINISH_FILTER);
	CHECK_INT(finish_of("malformed_tool_use"), FINISH_ERROR);
	CHECK_INT(finish_of("something new"), FINISH_STOP);
}

static struct usage
usage_of(const char *usage)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;
	char body[512];

	(void)snprintf(body, sizeof(body),
		       "{\"output\":{\"message\":{\"content\":[{\"text\":"
		       "\"abc\"},{\"toolUse\":{\"name\":\"f\",\"input\":{}}},"
		       "{\"reasoningContent\":{\"reasoningText\":{\"text\":"
		       "\"hm\"}}},{\"citationsContent\":{\"content\":[{"
		       "\"text\":\"c\"}]}}]}},\"usage\":%s}",
		       usage);
	CHECK_INT(wire_bedrock.parse_answer(&ask, str_of(body), &a), E_OK);
	CHECK_INT(a.content_bytes, a.usage.present ? 1 : 3 + 1 + 2 + 2 + 1);
	return a.usage;
}

TEST(usage_that_makes_no_sense_is_missing)
{
	static const char *const bad[] = {
		"null",
		"{}",
		"{\"outputTokens\":1}",
		"{\"inputTokens\":-1,\"outputTokens\":1}",
		"{\"inputTokens\":1,\"outputTokens\":\"1\"}",
		"{\"inputTokens\":1,\"outputTokens\":1,\"totalTokens\":1}",
		"{\"inputTokens\":18446744073709551615,\"outputTokens\":1}",
		"{\"inputTokens\":1,\"cacheReadInputTokens\":1.5}",
	};
	struct usage u;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!usage_of(bad[i]).present);
	u = usage_of("{\"inputTokens\":0,\"outputTokens\":0,"
		     "\"totalTokens\":0}");
	told_check_usage(&u, 0, 0, 0, 0);
}

static enum err
parsed(const char *body)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;

	return wire_bedrock.parse_answer(&ask, str_of(body), &a);
}

TEST(what_is_no_answer_is_refused)
{
	CHECK_INT(parsed("{}"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("hello"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("{\"output\":{\"message\":{}}}"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("{\"output\":[]}"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("{\"message\":\"x\"}"), E_UP_BAD_RESPONSE);
}

/* ---- streams ---- */

#define START                                                             \
	{                                                                 \
		"messageStart", "{\"role\":\"assistant\",\"p\":\"abcd\"}" \
	}
#define DELTA(index, delta)                                                  \
	{                                                                    \
		"contentBlockDelta", "{\"contentBlockIndex\":" index         \
				     ",\"delta\":{" delta "},\"p\":\"abc\"}" \
	}
#define STOP(index)                                                     \
	{                                                               \
		"contentBlockStop", "{\"contentBlockIndex\":" index "}" \
	}
#define END(reason)                                              \
	{                                                        \
		"messageStop", "{\"stopReason\":\"" reason "\"}" \
	}
#define USAGE                                                             \
	{                                                                 \
		"metadata", "{\"usage\":{\"inputTokens\":7,"              \
			    "\"outputTokens\":3,\"totalTokens\":10,"      \
			    "\"cacheReadInputTokens\":2},\"metrics\":{}}" \
	}

TEST(a_stream_of_text_and_thoughts_is_read)
{
	static const struct told_event events[] = {
		START,
		{"contentBlockStart", "{\"contentBlockIndex\":0,\"start\":{"
				      "\"reasoningContent\":{}}}"},
		DELTA("0", "\"reasoningContent\":{\"text\":\"hm\"}"),
		DELTA("0", "\"reasoningContent\":{\"signature\":\"sig\"}"),
		STOP("0"),
		DELTA("1", "\"reasoningContent\":{\"redactedContent\":\"cg\"}"),
		STOP("1"),
		DELTA("2", "\"text\":\"Hi \\ud83d\""),
		DELTA("2", "\"text\":\"\\ude00\""),
		DELTA("2", "\"citation\":{\"title\":\"x\"}"),
		STOP("2"),
		{"somethingNew", "{\"x\":1}"},
		END("max_tokens"),
		USAGE,
		{"", NULL}};

	tell_stream(&t, &wire_bedrock, events, NULL);
	CHECK_INT(t.err, E_OK);
	CHECK_STR(t.text.p, "begin(|) think(hm) signature(sig) redacted(cg) "
			    "text(Hi \\ud83d) text(\\ude00) length");
	CHECK(t.done && t.last && !t.error);
	CHECK_INT(t.bytes, 2 + 9 + 6);
	told_check_usage(&t.usage, 7, 2, 0, 3);
	told_free(&t);
}

#define CALL(index, id, name)                                          \
	{                                                              \
		"contentBlockStart",                                   \
			"{\"contentBlockIndex\":" index                \
			",\"start\":{\"toolUse\":{\"toolUseId\":\"" id \
			"\",\"name\":\"" name "\"}}}"                  \
	}
#define ARGS(index, args) DELTA(index, "\"toolUse\":{\"input\":\"" args "\"}")

TEST(a_stream_of_calls_is_read)
{
	static const struct told_event events[] = {
		START,
		DELTA("0", "\"text\":\"I look\""),
		STOP("0"),
		CALL("1", "t1", "f"),
		ARGS("1", ""),
		ARGS("1", "{\\\"a\\\":"),
		ARGS("1", "1}"),
		STOP("1"),
		CALL("2", "t2", "g"),
		STOP("2"),
		CALL("3", "t3", "h"),
		CALL("4", "t4", "i"),
		ARGS("3", "{}"),
		ARGS("4", "{ }"),
		STOP("3"),
		STOP("4"),
		END("tool_use"),
		USAGE,
		{"", NULL}};

	tell_stream(&t, &wire_bedrock, events, NULL);
	CHECK_STR(t.text.p,
		  "begin(|) text(I look) call0(t1|f) args0({\\\"a\\\":) "
		  "args0(1}) call1(t2|g) args1({}) call2(t3|h) call3(t4|i) "
		  "args2({}) args3({ }) calls");
	CHECK_INT(t.bytes, 6 + 1 + 7 + 2 + 1 + 1 + 1 + 2 + 3);
	told_free(&t);
}

TEST(a_stop_without_a_usage_is_an_end)
{
	static const struct told_event events[] = {START,
						   DELTA("0", "\"text\":\"x\""),
						   END("end_turn"),
						   {"", NULL}};

	tell_stream(&t, &wire_bedrock, events, NULL);
	CHECK(t.last && !t.done && !t.usage.present);
	CHECK_STR(t.text.p, "begin(|) text(x) stop");
	told_free(&t);
}

TEST(a_stream_may_break)
{
	static const struct told_event exception[] = {
		START,
		{"exception:throttlingException", "{\"message\":\"slow\"}"},
		{"", NULL}};
	static const struct told_event error[] = {
		{"error:InternalFailure", "{\"message\":\"x\"}"}, {"", NULL}};
	static const struct told_event nonsense[] = {{"messageStart", "{"},
						     {"", NULL}};
	struct upstream_error e;

	tell_stream(&t, &wire_bedrock, exception, NULL);
	CHECK(t.error && !t.done && !t.last);
	told_free(&t);
	tell_stream(&t, &wire_bedrock, error, NULL);
	CHECK(t.error);
	told_free(&t);
	tell_stream(&t, &wire_bedrock, nonsense, NULL);
	CHECK_INT(t.err, E_UP_BAD_RESPONSE);
	told_free(&t);
	wire_bedrock.parse_error(200, str_of(exception[1].name),
				 str_of(exception[1].data), &e);
	CHECK_INT(e.err, E_UP_RATE_LIMITED);
	CHECK(str_eq(e.message, STR("slow")));
	CHECK(str_eq(e.type, STR("ThrottlingException")));
	wire_bedrock.parse_error(200, str_of(error[0].name),
				 str_of(error[0].data), &e);
	CHECK_INT(e.err, E_UP_SERVER_ERROR);
}

/* ---- errors ---- */

TEST(errors_are_judged_by_their_type)
{
	static const struct {
		int status;
		const char *type;
		enum err err;
	} cases[] = {
		{429, "ThrottlingException:http://internal.example/",
		 E_UP_RATE_LIMITED},
		{400, "ServiceQuotaExceededException", E_UP_BILLING},
		{400, "ValidationException", E_UP_REQUEST},
		{403, "AccessDeniedException", E_UP_CREDENTIALS},
		{400, "ExpiredTokenException", E_UP_CREDENTIALS},
		{404, "ResourceNotFoundException", E_UP_REQUEST},
		{408, "ModelTimeoutException", E_UP_TIMEOUT},
		{424, "ModelErrorException", E_UP_SERVER_ERROR},
		{429, "ModelNotReadyException", E_UP_OVERLOADED},
		{500, "InternalServerException", E_UP_SERVER_ERROR},
		{503, "ServiceUnavailableException", E_UP_OVERLOADED},
		{200, "exception:modelStreamErrorException", E_UP_SERVER_ERROR},
		{200, "exception:validationException", E_UP_REQUEST},
		{200, "exception:", E_UP_SERVER_ERROR},
		{424, "", E_UP_SERVER_ERROR},
		{429, "\"}", E_UP_RATE_LIMITED},
		{400, "SomethingNew", E_UP_REQUEST},
	};
	struct upstream_error e;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		wire_bedrock.parse_error(cases[i].status, str_of(cases[i].type),
					 STR("{\"message\":\"m \\\"x\\\"\"}"),
					 &e);
		CHECK_INT(e.err, cases[i].err);
		CHECK(str_eq(e.message, STR("m \\\"x\\\"")));
		CHECK(!memchr(e.type.n > 0 ? e.type.p : "", '"', e.type.n));
	}
	wire_bedrock.parse_error(400, STR(""),
				 STR("{\"__type\":\"com.amazon#"
				     "ServiceQuotaExceededException\","
				     "\"Message\":\"m\"}"),
				 &e);
	CHECK_INT(e.err, E_UP_BILLING);
	CHECK(str_eq(e.message, STR("m")));
	wire_bedrock.parse_error(502, STR(""), STR("<html>"), &e);
	CHECK_INT(e.err, E_UP_SERVER_ERROR);
}

int
main(void)
{
	RUN(the_path_holds_the_model_encoded);
	RUN(an_answer_is_read);
	RUN(tools_get_their_own_names_back);
	RUN(stop_reasons_are_understood);
	RUN(usage_that_makes_no_sense_is_missing);
	RUN(what_is_no_answer_is_refused);
	RUN(a_stream_of_text_and_thoughts_is_read);
	RUN(a_stream_of_calls_is_read);
	RUN(a_stop_without_a_usage_is_an_end);
	RUN(a_stream_may_break);
	RUN(errors_are_judged_by_their_type);
	return tap_done();
}
