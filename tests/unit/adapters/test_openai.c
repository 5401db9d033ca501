/* adapters/openai.c: bytes to the provider, and what its answers mean. */
#include "adapters/openai.h"
#include "tests/tap.h"

static struct arena arena;

static struct target
target(void)
{
	return (struct target){.host = STR("api.example.com"),
			       .path = STR(""),
			       .model = STR("gpt-x-2026"),
			       .model_json = STR("\"gpt-x-2026\""),
			       .credential = STR("sk-up"),
			       .organization = STR(""),
			       .project = STR("")};
}

/* Parses `body` as a chat request and builds it; the bytes in `out`. */
static bool
built(const char *body, const struct target *t, char *out, size_t cap)
{
	struct ask ask = {.kind = ASK_CHAT, .body = str_of(body)};
	struct pieces p, inside;
	const char *detail = NULL;
	size_t n = 0;

	if (dialect_openai.parse(&arena, &ask, &detail) != E_OK ||
	    wire_openai.patch(&arena, &ask, t, &inside) != E_OK ||
	    adapter_request(&arena, adapter_find(STR("openai")), &ask, t,
			    &inside, &p) != E_OK)
		return false;
	for (unsigned i = 0; i < p.n; i++) {
		if (n + p.iov[i].iov_len >= cap)
			return false;
		memcpy(out + n, p.iov[i].iov_base, p.iov[i].iov_len);
		n += p.iov[i].iov_len;
	}
	out[n] = '\0';
	return n == p.bytes;
}

static const char *
body_of(const char *request)
{
	const char *at = strstr(request, "\r\n\r\n");

	return at ? at + 4 : "";
}

TEST(the_body_is_the_clients_but_for_the_model)
{
	struct target t = target();
	char out[2048];

	CHECK(built("{ \"messages\" : [{\"role\":\"user\",\"content\":"
		    "\"\\ud83d a\\u0000b\"}] , \"model\" : \"gpt-x\", "
		    "\"top_p\":1.0,\"x\":1e400 }",
		    &t, out, sizeof(out)));
	CHECK_STR(body_of(out),
		  "{ \"messages\" : [{\"role\":\"user\",\"content\":"
		  "\"\\ud83d a\\u0000b\"}] , \"model\" : \"gpt-x-2026\", "
		  "\"top_p\":1.0,\"x\":1e400 }");
}

TEST(the_head_names_host_length_and_credential)
{
	struct target t = target();
	char out[2048];

	CHECK(built("{\"model\":\"m\",\"messages\":[]}", &t, out, sizeof(out)));
	CHECK(strstr(out, "POST /v1/chat/completions HTTP/1.1\r\n") == out);
	CHECK(strstr(out, "\r\nhost: api.example.com\r\n") != NULL);
	CHECK(strstr(out, "\r\nauthorization: Bearer sk-up\r\n\r\n") != NULL);
	CHECK(strstr(out, "\r\ncontent-length: 36\r\n") != NULL);
	CHECK_INT(strlen(body_of(out)), 36);
}

TEST(a_version_in_base_url_is_not_repeated)
{
	struct target t = target();
	char out[2048];

	t.path = STR("/openai/v1");
	CHECK(built("{\"model\":\"m\",\"messages\":[]}", &t, out, sizeof(out)));
	CHECK(strstr(out, "POST /openai/v1/chat/completions HTTP") == out);
	t.path = STR("/v1beta/openai");
	CHECK(built("{\"model\":\"m\",\"messages\":[]}", &t, out, sizeof(out)));
	CHECK(strstr(out, "POST /v1beta/openai/chat/completions HTTP") == out);
	t.path = STR("/api");
	CHECK(built("{\"model\":\"m\",\"messages\":[]}", &t, out, sizeof(out)));
	CHECK(strstr(out, "POST /api/v1/chat/completions HTTP") == out);
}

TEST(azure_names_the_deployment_in_its_path)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct target t = target();
	struct str path;

	t.model = STR("gpt 4/ü");
	path = openai_azure_path(&arena, &ask, &t);
	CHECK(str_eq(path, STR("/openai/deployments/gpt%204%2F%C3%BC/chat/"
			       "completions?api-version=2024-10-21")));
	t.api_version = STR("2025-01-01-preview");
	ask.kind = ASK_EMBEDDINGS;
	path = openai_azure_path(&arena, &ask, &t);
	CHECK(str_eq(path, STR("/openai/deployments/gpt%204%2F%C3%BC/embeddings"
			       "?api-version=2025-01-01-preview")));
	t.path = STR("/openai/v1");
	path = openai_azure_path(&arena, &ask, &t);
	CHECK(str_eq(path, STR("/embeddings")));
	CHECK(adapter_find(STR("azure"))->auth == AUTH_API_KEY);
}

TEST(a_stream_always_asks_for_its_usage)
{
	static const char *const cases[][2] = {
		{"{\"model\":\"m\",\"messages\":[],\"stream\":true}",
		 "{\"stream_options\":{\"include_usage\":true},"
		 "\"model\":\"gpt-x-2026\",\"messages\":[],\"stream\":true}"},
		{"{\"model\":\"m\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":null}",
		 "{\"model\":\"gpt-x-2026\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"include_usage\":true}}"},
		{"{\"stream_options\":{},\"model\":\"m\",\"messages\":[],"
		 "\"stream\":true}",
		 "{\"stream_options\":{\"include_usage\":true},"
		 "\"model\":\"gpt-x-2026\",\"messages\":[],\"stream\":true}"},
		{"{\"model\":\"m\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"x\":1,\"include_usage\":false}}",
		 "{\"model\":\"gpt-x-2026\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"x\":1,\"include_usage\":true}}"},
		{"{\"model\":\"m\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"x\":1}}",
		 "{\"model\":\"gpt-x-2026\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"include_usage\":true,\"x\":1}}"},
		{"{\"model\":\"m\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"include_usage\":true}}",
		 "{\"model\":\"gpt-x-2026\",\"messages\":[],\"stream\":true,"
		 "\"stream_options\":{\"include_usage\":true}}"},
	};
	struct target t = target();
	char out[2048];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK(built(cases[i][0], &t, out, sizeof(out)));
		CHECK_STR(body_of(out), cases[i][1]);
	}
}

/* ---- answers ---- */

static struct usage
usage_of(const char *usage)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a = {0};
	char body[1024];

	(void)snprintf(body, sizeof(body),
		       "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":"
		       "{\"role\":\"assistant\",\"content\":\"hey\"}}],"
		       "\"usage\":%s}",
		       usage);
	CHECK(wire_openai.parse_answer(&ask, str_of(body), &a) == E_OK);
	CHECK_INT(a.content_bytes, a.usage.present ? 1 : 3);
	return a.usage;
}

TEST(usage_is_taken_apart_into_disjoint_classes)
{
	struct usage u = usage_of(
		"{\"prompt_tokens\":100,\"completion_tokens\":50,"
		"\"total_tokens\":150,\"prompt_tokens_details\":"
		"{\"cached_tokens\":60,\"cache_write_tokens\":10},"
		"\"completion_tokens_details\":{\"reasoning_tokens\":20}}");

	CHECK(u.present);
	CHECK_INT(u.input, 30);
	CHECK_INT(u.cache_read, 60);
	CHECK_INT(u.cache_write, 10);
	CHECK_INT(u.output, 30);
	CHECK_INT(u.reasoning, 20);
}

TEST(relatives_count_in_other_places)
{
	struct usage u =
		usage_of("{\"prompt_tokens\":100,\"completion_tokens\":50,"
			 "\"prompt_cache_hit_tokens\":60,"
			 "\"prompt_cache_miss_tokens\":40}");

	CHECK(u.present);
	CHECK_INT(u.cache_read, 60);
	CHECK_INT(u.input, 40);
	u = usage_of("{\"prompt_tokens\":100,\"completion_tokens\":50,"
		     "\"cached_tokens\":10,\"prompt_tokens_details\":null}");
	CHECK_INT(u.cache_read, 10);
	/* reasoning beside the completion, as the total says */
	u = usage_of("{\"prompt_tokens\":32,\"completion_tokens\":9,"
		     "\"total_tokens\":135,\"completion_tokens_details\":"
		     "{\"reasoning_tokens\":94}}");
	CHECK(u.present);
	CHECK_INT(u.output, 9);
	CHECK_INT(u.reasoning, 94);
}

TEST(usage_that_makes_no_sense_is_missing_and_zero_is_not)
{
	static const char *const bad[] = {
		"null",
		"{}",
		"{\"prompt_tokens\":-1,\"completion_tokens\":5}",
		"{\"prompt_tokens\":5,\"completion_tokens\":-5}",
		"{\"prompt_tokens\":5,\"completion_tokens\":\"5\"}",
		"{\"prompt_tokens\":5.5,\"completion_tokens\":5}",
		"{\"prompt_tokens\":5,\"completion_tokens\":1,"
		"\"prompt_tokens_details\":{\"cached_tokens\":6}}",
		"{\"prompt_tokens\":5,\"completion_tokens\":1,"
		"\"completion_tokens_details\":{\"reasoning_tokens\":2}}",
		"{\"prompt_tokens\":99999999999999999999,"
		"\"completion_tokens\":1}",
	};
	struct usage u;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!usage_of(bad[i]).present);
	u = usage_of("{\"prompt_tokens\":0,\"completion_tokens\":0}");
	CHECK(u.present);
	CHECK_INT(u.input + u.output, 0);
	u = usage_of("{\"prompt_tokens\":9223372036854775808,"
		     "\"completion_tokens\":1}");
	CHECK(u.present);
	CHECK(u.input == 9223372036854775808ull);
}

TEST(an_answer_without_choices_is_no_answer)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;

	CHECK(wire_openai.parse_answer(&ask, STR("{\"choices\":[]}"), &a) ==
	      E_UP_BAD_RESPONSE);
	CHECK(wire_openai.parse_answer(&ask, STR("{\"choices\":[{}]"), &a) ==
	      E_UP_BAD_RESPONSE);
	CHECK(wire_openai.parse_answer(&ask, STR("hello"), &a) ==
	      E_UP_BAD_RESPONSE);
	CHECK(wire_openai.parse_answer(&ask,
				       STR("{\"error\":{\"message\":\"x\"}}"),
				       &a) == E_UP_SERVER_ERROR);
}

/* ---- events ---- */

static struct delta
delta_of(const char *data)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true};
	struct delta d = {0};
	struct source s = {.ask = &ask};

	CHECK(wire_openai.parse_event(&s, STR_NONE, str_of(data), &d) == E_OK);
	return d;
}

TEST(events_tell_content_usage_errors_and_the_end)
{
	struct delta d = delta_of(
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"four\"}},"
		"{\"index\":1,\"delta\":{\"reasoning_content\":\"ab\","
		"\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"function\":"
		"{\"name\":\"fn\",\"arguments\":\"{}\"}}]}}]}");

	CHECK(d.choices && !d.done && !d.error);
	CHECK_INT(d.content_bytes, 4 + 2 + 2 + 2);
	d = delta_of("{\"choices\":[{\"delta\":{\"role\":\"assistant\","
		     "\"content\":\"\"}}],\"model\":\"m-1\"}");
	CHECK(d.choices);
	CHECK_INT(d.content_bytes, 0);
	CHECK(str_eq(d.model, STR("m-1")));
	d = delta_of("{\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
		     "\"completion_tokens\":4}}");
	CHECK(!d.choices && d.usage.present);
	CHECK_INT(d.usage.output, 4);
	d = delta_of("{\"choices\":[{\"text\":\"abc\"}],\"usage\":null}");
	CHECK_INT(d.content_bytes, 3);
	CHECK(!d.usage.present);
	CHECK(delta_of("[DONE]").done);
	CHECK(delta_of(" [DONE] ").done);
	CHECK(delta_of("{\"error\":{\"message\":\"boom\"}}").error);
}

/* ---- errors ---- */

TEST(errors_are_judged_by_status_and_code)
{
	static const struct {
		int status;
		const char *body;
		enum err err;
	} cases[] = {
		{400, "{\"error\":{\"message\":\"m\"}}", E_UP_REQUEST},
		{404, "{\"error\":{\"message\":\"m\"}}", E_UP_REQUEST},
		{422, "not json", E_UP_REQUEST},
		{401, "{}", E_UP_CREDENTIALS},
		{403, "{}", E_UP_CREDENTIALS},
		{402, "{}", E_UP_BILLING},
		{429, "{}", E_UP_RATE_LIMITED},
		{429, "{\"error\":{\"code\":\"insufficient_quota\"}}",
		 E_UP_BILLING},
		{400, "{\"error\":{\"code\":\"content_filter\"}}",
		 E_UP_FILTERED},
		{500, "{}", E_UP_SERVER_ERROR},
		{503, "{}", E_UP_OVERLOADED},
		{529, "{}", E_UP_OVERLOADED},
		{504, "{}", E_UP_TIMEOUT},
		{200, "{\"error\":{\"message\":\"m\"}}", E_UP_SERVER_ERROR},
	};
	struct upstream_error e;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		wire_openai.parse_error(cases[i].status, STR_NONE,
					str_of(cases[i].body), &e);
		CHECK_INT(e.err, cases[i].err);
	}
}

TEST(an_error_keeps_the_providers_words)
{
	struct upstream_error e;

	wire_openai.parse_error(400, STR_NONE,
				STR("{\"error\":{\"message\":\"bad \\\"x\\\"\","
				    "\"type\":\"t\",\"param\":\"p\","
				    "\"code\":\"c\"}}"),
				&e);
	CHECK(str_eq(e.message, STR("bad \\\"x\\\"")));
	CHECK(str_eq(e.type, STR("t")));
	CHECK(str_eq(e.param, STR("p")));
	CHECK(str_eq(e.code, STR("c")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_body_is_the_clients_but_for_the_model);
	RUN(the_head_names_host_length_and_credential);
	RUN(a_version_in_base_url_is_not_repeated);
	RUN(azure_names_the_deployment_in_its_path);
	RUN(a_stream_always_asks_for_its_usage);
	RUN(usage_is_taken_apart_into_disjoint_classes);
	RUN(relatives_count_in_other_places);
	RUN(usage_that_makes_no_sense_is_missing_and_zero_is_not);
	RUN(an_answer_without_choices_is_no_answer);
	RUN(events_tell_content_usage_errors_and_the_end);
	RUN(errors_are_judged_by_status_and_code);
	RUN(an_error_keeps_the_providers_words);
	arena_free(&arena);
	return tap_done();
}
