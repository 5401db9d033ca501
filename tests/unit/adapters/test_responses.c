/* adapters/responses.c: paths, patches, usage, whole answers, errors. */
#include "tests/unit/adapters/responses_fixture.h"

static const struct ask chat = {.kind = ASK_CHAT};

#define BODY(status, output, usage)                                         \
	"{\"id\":\"resp_1\",\"object\":\"response\",\"model\":\"gpt-x\","   \
	"\"status\":\"" status "\",\"error\":null,\"incomplete_details\":{" \
	"\"reason\":\"content_filter\"},\"output\":[" output                \
	"],\"usage\":" usage "}"
#define USAGE                                                                \
	"{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":" \
	"30,\"cache_write_tokens\":20},\"output_tokens\":50,"                \
	"\"output_tokens_details\":{\"reasoning_tokens\":40},"               \
	"\"total_tokens\":150}"
#define HELLO                                                              \
	"{\"type\":\"message\",\"id\":\"msg_1\",\"status\":\"completed\"," \
	"\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","   \
	"\"text\":\"Hello\",\"annotations\":[]}]}"
#define CALL                                                                  \
	"{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"call_1\"," \
	"\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Z\\\"}\"}"
#define THOUGHT                                                            \
	"{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":"  \
	"\"summary_text\",\"text\":\"First\"},{\"type\":\"summary_text\"," \
	"\"text\":\"then\"}],\"encrypted_content\":\"gAAA=\"}"

TEST(a_native_body_is_the_clients_but_for_the_model)
{
	struct target t = {.model_json = STR("\"up\"")};
	struct ask ask;
	struct pieces p;
	const char *detail;

	CHECK(fix_parse("{ \"input\":\"x\", \"model\" : \"m\" ,\"y\":1e400}",
			&ask, &detail) == E_OK);
	CHECK(wire_responses.patch(&arena, &ask, &t, &p) == E_OK);
	buf_reset(&text);
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&text, p.iov[i].iov_base, p.iov[i].iov_len);
	CHECK_INT(text.n, p.bytes);
	CHECK_STR(said(),
		  "{ \"input\":\"x\", \"model\" : \"up\" ,\"y\":1e400}");
}

TEST(paths_follow_the_base_url)
{
	struct ask embeddings = {.kind = ASK_EMBEDDINGS};
	struct target t = {.path = STR("/v1"), .model = STR("dep")};

	CHECK(str_eq(wire_responses.path(&arena, &chat, &t),
		     STR("/responses")));
	t.path = STR("/api");
	CHECK(str_eq(wire_responses.path(&arena, &chat, &t),
		     STR("/v1/responses")));
	CHECK(!wire_responses.path(&arena, &embeddings, &t).p);
	CHECK(str_eq(responses_azure_path(&arena, &chat, &t),
		     STR("/openai/responses?api-version=2025-04-01-preview")));
	t.api_version = STR("2025-01-01&x");
	CHECK(str_eq(responses_azure_path(&arena, &chat, &t),
		     STR("/openai/responses?api-version=2025-01-01%26x")));
	t.path = STR("/openai/v1");
	CHECK(str_eq(responses_azure_path(&arena, &chat, &t),
		     STR("/responses")));
	CHECK(!responses_azure_path(&arena, &embeddings, &t).p);
}

TEST(a_client_of_the_dialect_is_served_natively_by_openai)
{
	const struct adapter *a = adapter_find(STR("openai"));

	CHECK(adapter_wire(a, &dialect_responses, ASK_CHAT) == &wire_responses);
	CHECK(adapter_wire(a, &dialect_openai, ASK_CHAT) == &wire_openai);
	a = adapter_find(STR("openai-responses"));
	CHECK(adapter_wire(a, &dialect_openai, ASK_CHAT) == &wire_responses);
}

static struct answer
answer_of(const char *body, enum err err)
{
	struct answer a = {0};

	CHECK_INT(wire_responses.parse_answer(&chat, str_of(body), &a), err);
	return a;
}

TEST(usage_is_taken_apart)
{
	struct answer a = answer_of(BODY("completed", HELLO, USAGE), E_OK);

	CHECK(a.usage.present);
	CHECK_INT(a.usage.input, 50);
	CHECK_INT(a.usage.cache_read, 30);
	CHECK_INT(a.usage.cache_write, 20);
	CHECK_INT(a.usage.output, 10);
	CHECK_INT(a.usage.reasoning, 40);
	CHECK(str_eq(a.model, STR("gpt-x")));
}

TEST(a_usage_that_contradicts_itself_is_missing)
{
	static const char *const bad[] = {
		"null",
		"{}",
		"{\"input_tokens\":1}",
		"{\"input_tokens\":1,\"output_tokens\":-1}",
		"{\"input_tokens\":1,\"output_tokens\":1,"
		"\"input_tokens_details\":{\"cached_tokens\":2}}",
		"{\"input_tokens\":1,\"output_tokens\":1,"
		"\"output_tokens_details\":{\"reasoning_tokens\":2}}",
	};
	char body[1024];

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct answer a;

		(void)snprintf(body, sizeof(body),
			       "{\"output\":[" HELLO "," CALL "," THOUGHT
			       "],\"usage\":%s}",
			       bad[i]);
		a = answer_of(body, E_OK);
		CHECK(!a.usage.present);
		/* Hello, get_weather, its arguments, First, then */
		CHECK_INT(a.content_bytes, 5 + 11 + 16 + 5 + 4);
	}
}

TEST(what_is_no_answer_is_refused)
{
	(void)answer_of("", E_UP_BAD_RESPONSE);
	(void)answer_of("[]", E_UP_BAD_RESPONSE);
	(void)answer_of("{\"output\":1}", E_UP_BAD_RESPONSE);
	(void)answer_of("{\"error\":{\"code\":\"server_error\"}}",
			E_UP_SERVER_ERROR);
	(void)answer_of(BODY("failed", HELLO, "null"), E_UP_SERVER_ERROR);
}

static const char *
read_of(const char *body)
{
	struct reply r;

	reply_init(&r);
	buf_reset(&text);
	if (wire_responses.read_answer(&arena, &chat, str_of(body), &r) != E_OK)
		return "error";
	buf_printf(&text, "%.*s %.*s ", STR_ARG(r.id), STR_ARG(r.model));
	fix_parts(r.choices->parts);
	buf_printf(&text, "%s", fix_finish[r.choices->finish]);
	return said();
}

TEST(whole_answers_are_read)
{
	CHECK_STR(read_of(BODY("completed", HELLO, USAGE)),
		  "resp_1 gpt-x text(Hello) stop");
	CHECK_STR(read_of(BODY("completed", THOUGHT "," HELLO "," CALL, USAGE)),
		  "resp_1 gpt-x thinking(First\\n\\nthen sign=rs_1:gAAA=) "
		  "text(Hello) call({\"city\":\"Z\"} id=call_1 "
		  "name=get_weather) calls");
	CHECK_STR(read_of(BODY("incomplete", CALL, USAGE)),
		  "resp_1 gpt-x call({\"city\":\"Z\"} id=call_1 "
		  "name=get_weather) filter");
	CHECK_STR(read_of("{\"status\":\"incomplete\",\"output\":[]}"),
		  "  length");
	CHECK_STR(read_of("{\"output\":[1,{},{\"type\":\"message\"},{\"type\":"
			  "\"message\",\"content\":[{\"type\":\"refusal\","
			  "\"refusal\":\"No\"}]},{\"type\":\"web_search_call\"}"
			  ",{\"type\":\"function_call\",\"arguments\":\"[1]\"}"
			  ",{\"type\":\"reasoning\",\"summary\":[]}]}"),
		  "  refusal(No) call([1]) calls");
	CHECK_STR(read_of("{\"output\":1}"), "error");
	CHECK_STR(read_of("{"), "error");
}

TEST(logprobs_come_in_the_form_of_chat)
{
	struct reply r;

	reply_init(&r);
	CHECK(wire_responses.read_answer(
		      &arena, &chat,
		      STR("{\"output\":[{\"type\":\"message\",\"content\":[{"
			  "\"text\":\"a\",\"logprobs\":[{\"token\":\"a\","
			  "\"logprob\":-1}]}]}]}"),
		      &r) == E_OK);
	CHECK(str_eq(r.choices->logprobs.raw,
		     STR("{\"content\":[{\"token\":\"a\",\"logprob\":-1}]}")));
}

static enum err
judged(int status, const char *body, const char *message)
{
	struct upstream_error e = {0};

	wire_responses.parse_error(status, STR_NONE, str_of(body), &e);
	CHECK(str_eq(e.message, str_of(message)));
	return e.err;
}

TEST(errors_are_judged_by_status_and_inside_of_a_200_by_code)
{
	CHECK_INT(judged(429,
			 "{\"error\":{\"message\":\"slow down\",\"type\":"
			 "\"rate_limit_error\",\"param\":null,\"code\":"
			 "\"rate_limit_exceeded\"}}",
			 "slow down"),
		  E_UP_RATE_LIMITED);
	CHECK_INT(judged(401, "", ""), E_UP_CREDENTIALS);
	CHECK_INT(judged(200,
			 "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\","
			 "\"message\":\"wait\",\"param\":null}",
			 "wait"),
		  E_UP_RATE_LIMITED);
	CHECK_INT(judged(200,
			 "{\"type\":\"error\",\"error\":{\"type\":"
			 "\"invalid_request_error\",\"message\":\"no\"}}",
			 "no"),
		  E_UP_REQUEST);
	CHECK_INT(judged(200,
			 "{\"type\":\"response.failed\",\"response\":{"
			 "\"error\":{\"code\":\"invalid_prompt\",\"message\":"
			 "\"bad\"}}}",
			 "bad"),
		  E_UP_REQUEST);
	CHECK_INT(judged(200, "{\"type\":\"response.failed\"}", ""),
		  E_UP_SERVER_ERROR);
	CHECK_INT(judged(200, "x", ""), E_UP_SERVER_ERROR);
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_native_body_is_the_clients_but_for_the_model);
	RUN(paths_follow_the_base_url);
	RUN(a_client_of_the_dialect_is_served_natively_by_openai);
	RUN(usage_is_taken_apart);
	RUN(a_usage_that_contradicts_itself_is_missing);
	RUN(what_is_no_answer_is_refused);
	RUN(whole_answers_are_read);
	RUN(logprobs_come_in_the_form_of_chat);
	RUN(errors_are_judged_by_status_and_inside_of_a_200_by_code);
	arena_free(&arena);
	buf_free(&text);
	return tap_done();
}
