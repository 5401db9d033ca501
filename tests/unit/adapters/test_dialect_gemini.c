/* adapters/dialect_gemini.c: what the path and the body ask for, errors. */
#include "adapters/gemini.h"
#include "tests/tap.h"

static struct arena arena;

static enum err
parse(struct ask *ask, const char *path, const char *query, const char *body,
      const char **detail)
{
	ask->path = str_of(path);
	ask->query = str_of(query);
	ask->body = str_of(body);
	*detail = "";
	return dialect_gemini.parse(&arena, ask, detail);
}

#define HI "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}]"

TEST(the_path_says_model_and_action)
{
	struct ask ask = {.kind = ASK_CHAT};
	const char *detail;

	arena_init(&arena);
	CHECK_INT(parse(&ask, "gemini-2.0-flash:generateContent", "", HI "}",
			&detail),
		  E_OK);
	CHECK(str_eq(ask.model, STR("gemini-2.0-flash")));
	CHECK(str_eq(ask.model_value.raw, STR("\"gemini-2.0-flash\"")));
	CHECK(!ask.stream && !ask.array && !ask.has_max);
	CHECK_INT(ask.choices, 1);
	ask = (struct ask){.kind = ASK_CHAT};
	CHECK_INT(parse(&ask, "a/b:c:streamGenerateContent", "key=k&alt=sse",
			HI "}", &detail),
		  E_OK);
	CHECK(str_eq(ask.model, STR("a/b:c")));
	CHECK(ask.stream && !ask.array);
	ask = (struct ask){.kind = ASK_CHAT};
	CHECK_INT(parse(&ask, "m:streamGenerateContent", "alt=json", HI "}",
			&detail),
		  E_OK);
	CHECK(ask.stream && ask.array);
	ask = (struct ask){.kind = ASK_CHAT};
	CHECK_INT(parse(&ask, "m", "", HI "}", &detail), E_MISSING_FIELD);
	CHECK_INT(parse(&ask, ":generateContent", "", HI "}", &detail),
		  E_MISSING_FIELD);
	CHECK_STR(detail, "model");
	arena_free(&arena);
}

TEST(the_body_says_how_much)
{
	struct ask ask = {.kind = ASK_CHAT};
	const char *detail;

	arena_init(&arena);
	CHECK_INT(parse(&ask, "m:generateContent", "",
			HI ",\"generation_config\":{\"maxOutputTokens\":9,"
			   "\"candidate_count\":2},\"system_instruction\":{},"
			   "\"labels\":{\"a\":\"b\"},\"tools\":[1]}",
			&detail),
		  E_OK);
	CHECK(ask.has_max);
	CHECK_INT(ask.max_output, 9);
	CHECK_INT(ask.choices, 2);
	CHECK(str_eq(ask.input.raw, STR("[{\"parts\":[{\"text\":\"hi\"}]}]")));
	CHECK(str_eq(ask.more[0].raw, STR("{}")));
	CHECK(str_eq(ask.more[1].raw, STR("[1]")));
	CHECK(str_eq(ask.metadata.raw, STR("{\"a\":\"b\"}")));
	arena_free(&arena);
}

TEST(what_is_wrong_is_named)
{
	static const struct {
		const char *body;
		enum err err;
		const char *detail;
	} cases[] = {
		{"{}", E_MISSING_FIELD, "contents"},
		{"{\"contents\":\"x\"}", E_BAD_FIELD, "contents"},
		{"{\"contents\":[],\"contents\":[]}", E_DUPLICATE_FIELD,
		 "contents"},
		{HI ",\"generationConfig\":[]}", E_BAD_FIELD,
		 "generationConfig"},
		{HI ",\"generationConfig\":{},\"generation_config\":{}}",
		 E_DUPLICATE_FIELD, "generationConfig"},
		{HI ",\"generationConfig\":{\"maxOutputTokens\":1,"
		    "\"max_output_tokens\":100000}}",
		 E_DUPLICATE_FIELD, "generationConfig.max_output_tokens"},
		{HI ",\"generationConfig\":{\"maxOutputTokens\":1,"
		    "\"max\\u004futputTokens\":100000}}",
		 E_DUPLICATE_FIELD, "generationConfig.max\\u004futputTokens"},
		{HI ",\"generationConfig\":{\"maxOutputTokens\":-1}}",
		 E_BAD_FIELD, "generationConfig.maxOutputTokens"},
		{HI ",\"generationConfig\":{\"candidateCount\":0}}",
		 E_BAD_FIELD, "generationConfig.candidateCount"},
		{"{\"contents\":[}", E_BAD_JSON,
		 "unexpected character at byte 13"},
	};
	const char *detail;

	arena_init(&arena);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct ask ask = {.kind = ASK_CHAT};

		CHECK_INT(parse(&ask, "m:generateContent", "", cases[i].body,
				&detail),
			  cases[i].err);
		if (cases[i].err != E_BAD_JSON)
			CHECK_STR(detail, cases[i].detail);
	}
	arena_free(&arena);
}

TEST(tokens_are_counted_of_contents_or_a_whole_request)
{
	struct ask ask = {.kind = ASK_COUNT};
	const char *detail;
	struct buf out = BUF_INIT;

	arena_init(&arena);
	CHECK_INT(parse(&ask, "m:countTokens", "", HI "}", &detail), E_OK);
	CHECK(!ask.stream && ask.input.type == JSON_ARRAY);
	ask = (struct ask){.kind = ASK_COUNT};
	CHECK_INT(parse(&ask, "m:countTokens", "",
			"{\"generateContentRequest\":" HI
			",\"model\":\"models/m\"}}",
			&detail),
		  E_OK);
	CHECK(ask.input.type == JSON_OBJECT);
	ask = (struct ask){.kind = ASK_COUNT};
	CHECK_INT(parse(&ask, "m:countTokens", "", "{}", &detail),
		  E_MISSING_FIELD);
	dialect_gemini.write_count(&out, 31);
	CHECK(str_eq(buf_str(&out), STR("{\"totalTokens\":31}")));
	buf_free(&out);
	arena_free(&arena);
}

static const char *
error_text(const struct complaint *c, struct buf *out)
{
	buf_reset(out);
	dialect_gemini.error(out, c);
	buf_add_char(out, '\0');
	return out->p;
}

TEST(errors_stand_in_googles_envelope)
{
	struct buf out = BUF_INIT;
	struct upstream_error up = {.err = E_UP_REQUEST,
				    .message = STR("bad \\\"x\\\""),
				    .code = STR("NOT_FOUND")};
	struct complaint c = {
		.err = E_BAD_FIELD, .detail = "contents", .param = "contents"};

	CHECK_STR(error_text(&c, &out),
		  "{\"error\":{\"code\":400,\"message\":\"The field 'contents' "
		  "has a wrong type or is out of range. Correct it.\","
		  "\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":"
		  "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
		  "\"INVALID_FIELD\",\"domain\":\"tollgate\"},{\"@type\":"
		  "\"type.googleapis.com/google.rpc.BadRequest\","
		  "\"fieldViolations\":[{\"field\":\"contents\"}]}]}}");
	c = (struct complaint){.err = E_RATE_REQUESTS,
			       .detail = "this key",
			       .retry_after_s = 7};
	CHECK(strstr(error_text(&c, &out),
		     "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
		     "\"retryDelay\":\"7s\"}]}}") != NULL);
	CHECK(strstr(out.p, "\"code\":429,") != NULL);
	CHECK(strstr(out.p, "\"status\":\"RESOURCE_EXHAUSTED\"") != NULL);
	c = (struct complaint){
		.err = E_UP_REQUEST, .status = 404, .upstream = &up};
	CHECK(strstr(error_text(&c, &out),
		     "{\"error\":{\"code\":404,\"message\":\"bad \\\"x\\\"\","
		     "\"status\":\"NOT_FOUND\"") == out.p);
	buf_reset(&out);
	dialect_gemini.error_event(&out, &c, NULL);
	CHECK(str_starts(buf_str(&out), STR("data: {\"error\":{\"code\":404")));
	CHECK(str_ends(buf_str(&out), STR("}}\n\n")));
	buf_free(&out);
}

TEST(every_status_has_googles_word)
{
	static const struct {
		enum err err;
		const char *status;
	} cases[] = {
		{E_NO_KEY, "UNAUTHENTICATED"},
		{E_BALANCE, "RESOURCE_EXHAUSTED"},
		{E_MODEL_NOT_ALLOWED, "PERMISSION_DENIED"},
		{E_NO_MODEL, "NOT_FOUND"},
		{E_BAD_JSON, "INVALID_ARGUMENT"},
		{E_TOO_LARGE, "INVALID_ARGUMENT"},
		{E_METHOD, "INVALID_ARGUMENT"},
		{E_HTTP_VERSION, "INVALID_ARGUMENT"},
		{E_IDEM_RUNNING, "ABORTED"},
		{E_IDEM_REUSED, "INVALID_ARGUMENT"},
		{E_UP_CREDENTIALS, "INTERNAL"},
		{E_UP_CUT, "INTERNAL"},
		{E_INTERNAL, "INTERNAL"},
		{E_NO_CHANNEL, "UNAVAILABLE"},
		{E_UP_TIMEOUT, "DEADLINE_EXCEEDED"},
	};
	struct buf out = BUF_INIT;
	char want[64];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct complaint c = {.err = cases[i].err, .detail = "GET"};

		(void)snprintf(want, sizeof(want), "\"status\":\"%s\"",
			       cases[i].status);
		CHECK(strstr(error_text(&c, &out), want) != NULL);
	}
	buf_free(&out);
}

int
main(void)
{
	RUN(the_path_says_model_and_action);
	RUN(the_body_says_how_much);
	RUN(what_is_wrong_is_named);
	RUN(tokens_are_counted_of_contents_or_a_whole_request);
	RUN(errors_stand_in_googles_envelope);
	RUN(every_status_has_googles_word);
	return tap_done();
}
