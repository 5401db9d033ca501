/* adapters/dialect_openai.c: requests read, errors and charges written. */
#include "adapters/adapter.h"
#include "tests/tap.h"

static struct arena arena;

static enum err
parse(enum ask_kind kind, const char *body, struct ask *ask,
      const char **detail)
{
	*detail = "";
	*ask = (struct ask){.kind = kind, .body = str_of(body)};
	return dialect_openai.parse(&arena, ask, detail);
}

TEST(the_fields_that_matter_are_found_anywhere)
{
	struct ask a;
	const char *detail;

	CHECK(parse(ASK_CHAT,
		    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
		    "\"metadata\":{\"team\":\"x\"},\"n\":3,\"max_tokens\":7,\"stream\":true,"
		    "\"stream_options\":{\"include_usage\":true},"
		    "\"m\\u006fdel\":\"a\\/b\"}",
		    &a, &detail) == E_OK);
	CHECK(str_eq(a.model, STR("a/b")));
	CHECK(a.stream && a.include_usage && a.has_max);
	CHECK_INT(a.max_output, 7);
	CHECK_INT(a.choices, 3);
	CHECK(str_eq(a.metadata.raw, STR("{\"team\":\"x\"}")));
}

TEST(max_completion_tokens_wins_over_max_tokens)
{
	struct ask a;
	const char *detail;

	CHECK(parse(ASK_CHAT,
		    "{\"model\":\"m\",\"messages\":[],\"max_tokens\":7,"
		    "\"max_completion_tokens\":9}",
		    &a, &detail) == E_OK);
	CHECK_INT(a.max_output, 9);
}

TEST(bad_requests_name_the_field)
{
	static const struct {
		enum ask_kind kind;
		const char *body;
		enum err err;
		const char *detail;
	} cases[] = {
		{ASK_CHAT, "{\"messages\":[]}", E_MISSING_FIELD, "model"},
		{ASK_CHAT, "{\"model\":1,\"messages\":[]}", E_BAD_FIELD,
		 "model"},
		{ASK_CHAT, "{\"model\":\"\",\"messages\":[]}", E_BAD_FIELD,
		 "model"},
		{ASK_CHAT, "{\"model\":\"\\ud800\",\"messages\":[]}",
		 E_BAD_FIELD, "model"},
		{ASK_CHAT, "{\"model\":\"m\"}", E_MISSING_FIELD, "messages"},
		{ASK_CHAT, "{\"model\":\"m\",\"messages\":\"x\"}", E_BAD_FIELD,
		 "messages"},
		{ASK_CHAT, "{\"model\":\"m\",\"messages\":[],\"stream\":1}",
		 E_BAD_FIELD, "stream"},
		{ASK_CHAT, "{\"model\":\"m\",\"messages\":[],\"n\":0}",
		 E_BAD_FIELD, "n"},
		{ASK_CHAT, "{\"model\":\"m\",\"messages\":[],\"n\":129}",
		 E_BAD_FIELD, "n"},
		{ASK_CHAT,
		 "{\"model\":\"m\",\"messages\":[],\"max_tokens\":-1}",
		 E_BAD_FIELD, "max_tokens"},
		{ASK_CHAT,
		 "{\"model\":\"m\",\"messages\":[],"
		 "\"max_completion_tokens\":1e30}",
		 E_BAD_FIELD, "max_completion_tokens"},
		{ASK_CHAT,
		 "{\"model\":\"m\",\"messages\":[],\"stream_options\":1}",
		 E_BAD_FIELD, "stream_options"},
		{ASK_CHAT,
		 "{\"model\":\"m\",\"messages\":[],\"stream_options\":"
		 "{\"include_usage\":0}}",
		 E_BAD_FIELD, "stream_options.include_usage"},
		{ASK_CHAT, "{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}",
		 E_DUPLICATE_FIELD, "model"},
		{ASK_CHAT,
		 "{\"model\":\"a\",\"mode\\u006c\":\"b\",\"messages\":[]}",
		 E_DUPLICATE_FIELD, "model"},
		{ASK_EMBEDDINGS, "{\"model\":\"m\"}", E_MISSING_FIELD, "input"},
	};
	struct ask a;
	const char *detail;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_INT(parse(cases[i].kind, cases[i].body, &a, &detail),
			  cases[i].err);
		CHECK_STR(detail, cases[i].detail);
	}
}

TEST(what_is_not_json_says_where)
{
	struct ask a;
	const char *detail;

	CHECK(parse(ASK_CHAT, "{\"model\":\"m\"} x", &a, &detail) ==
	      E_BAD_JSON);
	CHECK(strstr(detail, "at byte 14") != NULL);
	CHECK(parse(ASK_CHAT, "", &a, &detail) == E_BAD_JSON);
	CHECK(parse(ASK_CHAT, "[]", &a, &detail) == E_BAD_JSON);
}

/* ---- errors ---- */

static void
check_error(const struct complaint *c, const char *expected)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	dialect_openai.error(&out, c);
	buf_add_char(&out, '\0');
	CHECK_STR(out.p, expected);
}

TEST(errors_have_the_shape_the_sdks_read)
{
	struct upstream_error up = {.err = E_UP_REQUEST,
				    .message = STR("no \\\"n\\\""),
				    .type = STR("invalid_request_error"),
				    .param = STR("n")};
	struct complaint c = {
		.err = E_NO_MODEL, .detail = "a\"b", .param = "model"};

	check_error(&c,
		    "{\"error\":{\"message\":\"The model 'a\\\"b' does not "
		    "exist here. GET /v1/models lists the models.\","
		    "\"type\":\"invalid_request_error\",\"param\":\"model\","
		    "\"code\":\"model_not_found\"}}");
	c = (struct complaint){.err = E_BAD_KEY};
	check_error(&c, "{\"error\":{\"message\":\"The API key is not valid "
			"here. Check the key, or ask your operator for one.\","
			"\"type\":\"authentication_error\",\"param\":null,"
			"\"code\":\"invalid_api_key\"}}");
	c = (struct complaint){.err = E_UP_REQUEST, .upstream = &up};
	check_error(&c, "{\"error\":{\"message\":\"no \\\"n\\\"\","
			"\"type\":\"invalid_request_error\",\"param\":\"n\","
			"\"code\":\"upstream_rejected\"}}");
}

TEST(every_error_row_renders_as_json)
{
	static const char *const names[] = {"error"};

	for (int e = 1; e < E_COUNT; e++) {
		CLEANUP(buf_free) struct buf out = BUF_INIT;
		struct complaint c = {.err = (enum err)e, .detail = "d"};
		struct json_value v;
		struct json_error fault;

		dialect_openai.error(&out, &c);
		CHECK(json_members(buf_str(&out), names, 1, &v, &fault));
		CHECK(json_get(v, "message").type == JSON_STRING);
	}
}

/* ---- charges ---- */

static void
check_cost(const char *body, int64_t nano, const char *expected)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;
	struct usage estimate = {.input = 3, .output = 4};
	struct pieces p;
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	CHECK(adapter_find(STR("openai"))
		      ->wire->parse_answer(&ask, str_of(body), &a) == E_OK);
	CHECK(dialect_openai.put_cost(&arena, &a, str_of(body), &estimate,
				      money_nano(nano), &p) == E_OK);
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&out, p.iov[i].iov_base, p.iov[i].iov_len);
	buf_add_char(&out, '\0');
	CHECK_STR(out.p, expected);
}

TEST(the_charge_stands_in_the_usage)
{
	check_cost("{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,"
		   "\"completion_tokens\":2}}",
		   120000,
		   "{\"choices\":[{}],\"usage\":{\"cost\":0.00012,"
		   "\"prompt_tokens\":1,\"completion_tokens\":2}}");
	check_cost("{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,"
		   "\"cost\":0.5,\"completion_tokens\":2}}",
		   1,
		   "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,"
		   "\"cost\":0.000000001,\"completion_tokens\":2}}");
	check_cost("{\"choices\":[{}]}", 0,
		   "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,"
		   "\"total_tokens\":7,\"estimated\":true,\"cost\":0.00},"
		   "\"choices\":[{}]}");
	check_cost("{\"choices\":[{}],\"usage\":null}", 2000000000,
		   "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":3,"
		   "\"completion_tokens\":4,\"total_tokens\":7,"
		   "\"estimated\":true,\"cost\":2.00}}");
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_fields_that_matter_are_found_anywhere);
	RUN(max_completion_tokens_wins_over_max_tokens);
	RUN(bad_requests_name_the_field);
	RUN(what_is_not_json_says_where);
	RUN(errors_have_the_shape_the_sdks_read);
	RUN(every_error_row_renders_as_json);
	RUN(the_charge_stands_in_the_usage);
	arena_free(&arena);
	return tap_done();
}
