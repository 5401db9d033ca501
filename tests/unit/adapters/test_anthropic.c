/* adapters/anthropic.c: bytes to the provider, and what its answers mean. */
#include "adapters/names.h"
#include "tests/unit/adapters/talks.h"

static struct arena arena;

static struct target
target(const char *path)
{
	return (struct target){.host = STR("api.example.com"),
			       .path = str_of(path),
			       .model = STR("claude-x-1"),
			       .model_json = STR("\"claude-x-1\""),
			       .credential = STR("sk-up"),
			       .organization = STR(""),
			       .project = STR("")};
}

/* The whole request for `body`. */
static const char *
built(struct ask *ask, const char *body, const char *path)
{
	static char out[2048];
	struct target t = target(path);
	struct pieces p, inside;
	const char *detail = NULL;
	size_t n = 0;

	ask->body = str_of(body);
	CHECK(dialect_anthropic.parse(&arena, ask, &detail) == E_OK);
	CHECK(wire_anthropic.patch(&arena, ask, &t, &inside) == E_OK);
	CHECK(adapter_request(&arena, adapter_find(STR("anthropic")), ask, &t,
			      &inside, &p) == E_OK);
	for (unsigned i = 0; i < p.n; i++) {
		memcpy(out + n, p.iov[i].iov_base, p.iov[i].iov_len);
		n += p.iov[i].iov_len;
	}
	CHECK_INT(n, p.bytes);
	out[n] = '\0';
	return out;
}

TEST(the_body_is_the_clients_but_for_the_model)
{
	struct ask ask = {.kind = ASK_CHAT};
	const char *out = built(&ask,
				"{ \"messages\":[], \"model\" : \"m\" ,"
				"\"max_tokens\":5,\"x\":[1.0]}",
				"");

	CHECK_STR(strstr(out, "\r\n\r\n") + 4,
		  "{ \"messages\":[], \"model\" : \"claude-x-1\" ,"
		  "\"max_tokens\":5,\"x\":[1.0]}");
	CHECK(strstr(out, "POST /v1/messages HTTP/1.1\r\n") == out);
	CHECK(strstr(out, "\r\nanthropic-version: 2023-06-01\r\n") != NULL);
	CHECK(strstr(out, "anthropic-beta") == NULL);
	CHECK(strstr(out, "\r\nx-api-key: sk-up\r\n") != NULL);
}

TEST(the_clients_version_and_betas_go_with_it)
{
	struct ask ask = {.kind = ASK_CHAT,
			  .fields = {STR("2026-10-21"), STR("a-1,b-2")}};
	const char *out = built(
		&ask, "{\"messages\":[],\"model\":\"m\",\"max_tokens\":5}",
		"/api/v1");

	CHECK(strstr(out, "POST /api/v1/messages HTTP/1.1\r\n") == out);
	CHECK(strstr(out, "\r\nanthropic-version: 2026-10-21\r\n"
			  "anthropic-beta: a-1,b-2\r\n") != NULL);
}

TEST(tokens_are_counted_by_the_provider)
{
	struct ask ask = {.kind = ASK_COUNT};
	const char *body = "{\"messages\":[],\"model\":\"m\"}";
	struct answer a;

	CHECK(strstr(built(&ask, body, ""),
		     "POST /v1/messages/count_tokens HTTP") != NULL);
	CHECK(strstr(built(&ask, body, "/v1"),
		     "POST /v1/messages/count_tokens HTTP") != NULL);
	CHECK(wire_anthropic.parse_answer(&ask, STR("{\"input_tokens\":7}"),
					  &a) == E_OK);
	CHECK(wire_anthropic.parse_answer(&ask, STR("{\"content\":[]}"), &a) ==
	      E_UP_BAD_RESPONSE);
}

TEST(there_is_nothing_else_to_ask_for)
{
	struct target t = target("");
	struct ask ask = {.kind = ASK_EMBEDDINGS};

	CHECK(wire_anthropic.path(&arena, &ask, &t).p == NULL);
	ask.kind = ASK_COMPLETIONS;
	CHECK(wire_anthropic.path(&arena, &ask, &t).p == NULL);
}

/* ---- whole answers ---- */

static enum err
answered(const char *usage, struct answer *a)
{
	struct ask ask = {.kind = ASK_CHAT};
	static char body[1024];

	(void)snprintf(body, sizeof(body),
		       "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"
		       "\"assistant\",\"content\":[{\"type\":\"text\","
		       "\"text\":\"hey\"},{\"type\":\"tool_use\",\"id\":\"c\","
		       "\"name\":\"ab\",\"input\":{\"c\":1}}],\"model\":"
		       "\"claude-x-1\",\"stop_reason\":\"end_turn\","
		       "\"stop_sequence\":null,\"usage\":%s}",
		       usage);
	return wire_anthropic.parse_answer(&ask, str_of(body), a);
}

TEST(usage_is_taken_apart_into_disjoint_classes)
{
	struct answer a;

	CHECK(answered("{\"input_tokens\":10,\"output_tokens\":7,"
		       "\"cache_creation_input_tokens\":3,"
		       "\"cache_read_input_tokens\":2,"
		       "\"output_tokens_details\":{\"thinking_tokens\":4},"
		       "\"cache_creation\":{\"ephemeral_5m_input_tokens\":3}}",
		       &a) == E_OK);
	CHECK(a.usage.present);
	CHECK_INT(a.usage.input, 10);
	CHECK_INT(a.usage.cache_write, 3);
	CHECK_INT(a.usage.cache_read, 2);
	CHECK_INT(a.usage.output, 3);
	CHECK_INT(a.usage.reasoning, 4);
	CHECK_INT(a.content_bytes, 1);
	CHECK(str_eq(a.model, STR("claude-x-1")));
	CHECK(answered("{\"input_tokens\":10,\"output_tokens\":7,"
		       "\"cache_read_input_tokens\":null,"
		       "\"output_tokens_details\":null}",
		       &a) == E_OK);
	CHECK(a.usage.present && a.usage.output == 7);
}

TEST(a_usage_that_makes_no_sense_is_missing)
{
	static const char *const cases[] = {
		"null",
		"{}",
		"{\"input_tokens\":1}",
		"{\"output_tokens\":1}",
		"{\"input_tokens\":-1,\"output_tokens\":1}",
		"{\"input_tokens\":1,\"output_tokens\":\"1\"}",
		"{\"input_tokens\":1,\"output_tokens\":1,"
		"\"cache_read_input_tokens\":1.5}",
		"{\"input_tokens\":1,\"output_tokens\":1,"
		"\"output_tokens_details\":{\"thinking_tokens\":2}}",
	};
	struct answer a;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK(answered(cases[i], &a) == E_OK);
		CHECK(!a.usage.present);
		CHECK_INT(a.content_bytes, 3 + 2 + 7);
	}
}

TEST(what_is_no_answer_is_told)
{
	static const struct {
		const char *body;
		enum err err;
	} cases[] = {
		{"", E_UP_BAD_RESPONSE},
		{"[]", E_UP_BAD_RESPONSE},
		{"{}", E_UP_BAD_RESPONSE},
		{"{\"content\":\"x\"}", E_UP_BAD_RESPONSE},
		{"{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}",
		 E_UP_SERVER_ERROR},
		{"{\"type\":\"error\"}", E_UP_SERVER_ERROR},
	};
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_INT(wire_anthropic.parse_answer(
				  &ask, str_of(cases[i].body), &a),
			  cases[i].err);
}

static struct conversation *
with_tool(const char *name)
{
	static struct conversation c;

	conversation_init(&c, &arena);
	conversation_tool(&c)->name = str_of(name);
	return &c;
}

TEST(an_answer_is_read_part_by_part)
{
	struct conversation *talk = with_tool("get weather");
	struct ask ask = {.kind = ASK_CHAT, .talk = talk};
	struct str legal = name_legal(
		&arena, &(const struct name_rule){.marks = "_-", .max = 128},
		STR("get weather"));
	struct str body = arena_printf(
		&arena,
		"{\"id\":\"msg_1\",\"content\":[{\"type\":\"thinking\","
		"\"thinking\":\"a\",\"signature\":\"s\"},{\"type\":"
		"\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"text\","
		"\"text\":\"b\\n\"},{\"type\":\"server_tool_use\",\"id\":"
		"\"x\"},{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"%.*s\","
		"\"input\":{\"k\":\"\\u00fc\"}}],\"model\":\"m\","
		"\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"E\"}",
		STR_ARG(legal));
	struct reply r;
	struct part *p;

	reply_init(&r);
	CHECK(wire_anthropic.read_answer(&arena, &ask, body, &r) == E_OK);
	CHECK(str_eq(r.id, STR("msg_1")) && str_eq(r.model, STR("m")));
	CHECK(r.choices->finish == FINISH_SEQUENCE);
	CHECK(str_eq(r.choices->sequence, STR("E")));
	p = r.choices->parts;
	CHECK(p->kind == PART_THINKING && str_eq(p->text, STR("a")));
	CHECK(str_eq(p->signature, STR("s")));
	p = p->next;
	CHECK(p->kind == PART_REDACTED && str_eq(p->data, STR("d")));
	p = p->next;
	CHECK(p->kind == PART_TEXT && str_eq(p->text, STR("b\\n")));
	p = p->next;
	CHECK(p->kind == PART_CALL && str_eq(p->id, STR("c")) && !p->next);
	CHECK(str_eq(p->name, STR("get weather")));
	CHECK(str_eq(p->args, STR("{\"k\":\"\\u00fc\"}")));
}

TEST(the_end_of_an_answer_has_one_word_in_each_dialect)
{
	static const struct {
		const char *reason;
		enum finish finish;
	} cases[] = {
		{"\"end_turn\"", FINISH_STOP},
		{"\"stop_sequence\"", FINISH_SEQUENCE},
		{"\"max_tokens\"", FINISH_LENGTH},
		{"\"model_context_window_exceeded\"", FINISH_LENGTH},
		{"\"tool_use\"", FINISH_CALLS},
		{"\"refusal\"", FINISH_FILTER},
		{"\"pause_turn\"", FINISH_PAUSE},
		{"\"something new\"", FINISH_STOP},
		{"null", FINISH_NONE},
	};
	struct ask ask = {.kind = ASK_CHAT};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply r;
		struct str body = arena_printf(
			&arena, "{\"content\":[],\"stop_reason\":%s}",
			cases[i].reason);

		reply_init(&r);
		CHECK(wire_anthropic.read_answer(&arena, &ask, body, &r) ==
		      E_OK);
		CHECK_INT(r.choices->finish, cases[i].finish);
	}
}

/* ---- streams ---- */

static char told[2048];

/* "begin msg_1|text hey|..." */
static void
note_piece(void *user, const struct piece *p)
{
	static const char *const names[] = {
		"begin",    "text", "refusal", "thinking", "signature",
		"redacted", "call", "args",    "logprobs", "finish"};
	size_t n = strlen(told);

	(void)user;
	(void)snprintf(told + n, sizeof(told) - n, "%s%s %u %.*s%.*s%.*s%.*s",
		       n ? "|" : "", names[p->kind],
		       p->kind == PIECE_FINISH ? p->finish : p->call,
		       STR_ARG(p->id), STR_ARG(p->name), STR_ARG(p->text),
		       STR_ARG(p->sequence));
}

struct seen {
	struct usage usage;
	uint64_t bytes;
	bool done, error, whole;
	unsigned last; /* number of the first of the last events, 0 = none */
	struct str model;
};

static void
stream(const char *const *events, unsigned n, const struct conversation *talk,
       struct seen *seen)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true, .talk = talk};
	struct source s = {.a = &arena, .ask = &ask, .put = note_piece};
	struct delta d;

	s.own = arena_zalloc(&arena, wire_anthropic.source_bytes);
	told[0] = '\0';
	*seen = (struct seen){.bytes = 0};
	for (unsigned i = 0; i < n; i++) {
		CHECK(wire_anthropic.parse_event(&s, STR(""), str_of(events[i]),
						 &d) == E_OK);
		seen->bytes += d.content_bytes;
		seen->done |= d.done;
		seen->error |= d.error;
		seen->whole |= d.whole;
		if (d.last && !seen->last)
			seen->last = i + 1;
		if (d.usage.present)
			seen->usage = d.usage;
		if (d.model.n > 0)
			seen->model = d.model;
		/* events go on byte by byte */
		CHECK(d.usage_value.type == JSON_ABSENT);
	}
}

#define START                                                         \
	"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","  \
	"\"type\":\"message\",\"role\":\"assistant\",\"content\":[]," \
	"\"model\":\"claude-x-1\",\"usage\":{\"input_tokens\":12,"    \
	"\"cache_read_input_tokens\":5,\"output_tokens\":1}}}"
#define BLOCK(index, block)                                  \
	"{\"type\":\"content_block_start\",\"index\":" index \
	",\"content_block\":" block "}"
#define DELTA(index, delta)                                  \
	"{\"type\":\"content_block_delta\",\"index\":" index \
	",\"delta\":" delta "}"
#define STOP(index) "{\"type\":\"content_block_stop\",\"index\":" index "}"
#define END(reason)                                                        \
	"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
	"\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}}"
#define MESSAGE_STOP "{\"type\":\"message_stop\"}"

TEST(a_text_is_streamed)
{
	static const char *const events[] = {
		START,
		BLOCK("0", "{\"type\":\"text\",\"text\":\"\"}"),
		"{\"type\":\"ping\"}",
		DELTA("0", "{\"type\":\"text_delta\",\"text\":\"he\\ud83d\"}"),
		DELTA("0", "{\"type\":\"text_delta\",\"text\":\"\\ude00\"}"),
		DELTA("0", "{\"type\":\"citations_delta\",\"citation\":{}}"),
		STOP("0"),
		"{\"type\":\"something_new\"}",
		END("end_turn"),
		MESSAGE_STOP,
	};
	struct seen s;

	stream(events, ARRAY_LEN(events), NULL, &s);
	CHECK_STR(told, "begin 0 msg_1|text 0 he\\ud83d|text 0 \\ude00|"
			"finish 1 ");
	CHECK_INT(s.bytes, 8 + 6);
	CHECK(s.done && !s.error);
	CHECK(s.last == 9 && s.whole);
	CHECK(s.usage.present);
	CHECK_INT(s.usage.input, 12);
	CHECK_INT(s.usage.cache_read, 5);
	CHECK_INT(s.usage.output, 9);
	CHECK(str_eq(s.model, STR("claude-x-1")));
}

TEST(thinking_keeps_its_signature)
{
	static const char *const events[] = {
		START,
		BLOCK("0", "{\"type\":\"thinking\",\"thinking\":\"\","
			   "\"signature\":\"\"}"),
		DELTA("0", "{\"type\":\"thinking_delta\",\"thinking\":\"a\"}"),
		DELTA("0",
		      "{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}"),
		STOP("0"),
		BLOCK("1",
		      "{\"type\":\"redacted_thinking\",\"data\":\"ZGF0\"}"),
		STOP("1"),
		END("refusal"),
		MESSAGE_STOP,
	};
	struct seen s;

	stream(events, ARRAY_LEN(events), NULL, &s);
	CHECK_STR(told, "begin 0 msg_1|thinking 0 a|signature 0 c2ln|"
			"redacted 0 ZGF0|finish 5 ");
	CHECK_INT(s.bytes, 1);
}

TEST(parallel_calls_are_counted_from_zero)
{
	static const char *const events[] = {
		START,
		BLOCK("0", "{\"type\":\"text\",\"text\":\"\"}"),
		DELTA("0", "{\"type\":\"text_delta\",\"text\":\"x\"}"),
		STOP("0"),
		BLOCK("1", "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":"
			   "\"aa\",\"input\":{}}"),
		DELTA("1", "{\"type\":\"input_json_delta\",\"partial_json\":"
			   "\"\"}"),
		DELTA("1", "{\"type\":\"input_json_delta\",\"partial_json\":"
			   "\"{\\\"k\\\":\"}"),
		DELTA("1", "{\"type\":\"input_json_delta\",\"partial_json\":"
			   "\"1}\"}"),
		STOP("1"),
		BLOCK("2", "{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":"
			   "\"bb\",\"input\":{}}"),
		STOP("2"),
		BLOCK("3", "{\"type\":\"tool_use\",\"id\":\"c3\",\"name\":"
			   "\"cc\",\"input\":{\"q\":\"\\\"\"}}"),
		STOP("3"),
		END("tool_use"),
		MESSAGE_STOP,
	};
	struct seen s;

	stream(events, ARRAY_LEN(events), NULL, &s);
	CHECK_STR(told, "begin 0 msg_1|text 0 x|call 0 c1aa|"
			"args 0 {\\\"k\\\":|args 0 1}|call 1 c2bb|args 1 {}|"
			"call 2 c3cc|args 2 {\\\"q\\\":\\\"\\\\\\\"\\\"}|"
			"finish 4 ");
	CHECK_INT(s.bytes, 1 + 2 + 7 + 2 + 2 + 2 + 10);
}

TEST(a_mapped_name_is_streamed_as_it_was)
{
	struct conversation *talk = with_tool("a.b");
	struct str legal = name_legal(
		&arena, &(const struct name_rule){.marks = "_-", .max = 128},
		STR("a.b"));
	struct str block = arena_printf(
		&arena,
		BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":"
			   "\"%.*s\",\"input\":{}}"),
		STR_ARG(legal));
	const char *events[] = {START, block.p};
	struct seen s;

	stream(events, 2, talk, &s);
	CHECK_STR(told, "begin 0 msg_1|call 0 ca.b");
}

TEST(usage_may_come_whole_at_the_end)
{
	static const char *const events[] = {
		"{\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}",
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
		"\"max_tokens\"},\"usage\":{\"input_tokens\":4,"
		"\"cache_creation_input_tokens\":3,\"output_tokens\":2,"
		"\"output_tokens_details\":{\"thinking_tokens\":1}}}",
	};
	struct seen s;

	stream(events, 2, NULL, &s);
	CHECK(s.usage.present && s.usage.input == 4);
	CHECK_INT(s.usage.cache_write, 3);
	CHECK_INT(s.usage.output, 1);
	CHECK_INT(s.usage.reasoning, 1);
}

TEST(half_a_usage_is_none)
{
	static const char *const events[] = {
		START, "{\"type\":\"message_delta\",\"delta\":{}}"};
	static const char *const nonsense[] = {
		"{\"type\":\"message_start\",\"message\":{\"usage\":{"
		"\"input_tokens\":-1}}}",
		END("end_turn")};
	struct seen s;

	stream(events, 2, NULL, &s);
	CHECK(!s.usage.present && s.last == 2 && !s.whole);
	stream(nonsense, 2, NULL, &s);
	CHECK(!s.usage.present);
}

TEST(an_error_in_a_stream_is_seen)
{
	static const char *const events[] = {
		START, "{\"type\":\"error\",\"error\":{\"type\":"
		       "\"overloaded_error\",\"message\":\"Overloaded\"}}"};
	struct upstream_error e;
	struct seen s;

	stream(events, 2, NULL, &s);
	CHECK(s.error && !s.done);
	wire_anthropic.parse_error(200, STR(""), str_of(events[1]), &e);
	CHECK_INT(e.err, E_UP_OVERLOADED);
	CHECK(str_eq(e.message, STR("Overloaded")));
}

TEST(an_event_that_is_no_json_is_told)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct source s = {.a = &arena, .ask = &ask};
	struct delta d;

	s.own = arena_zalloc(&arena, wire_anthropic.source_bytes);
	CHECK(wire_anthropic.parse_event(&s, STR("ping"), STR("{"), &d) ==
	      E_UP_BAD_RESPONSE);
	CHECK(wire_anthropic.parse_event(&s, STR("ping"), STR("{}"), &d) ==
	      E_OK);
}

/* ---- errors ---- */

TEST(errors_are_judged_by_type_then_status)
{
	static const struct {
		int status;
		const char *type;
		const char *message;
		enum err err;
	} cases[] = {
		{401, "authentication_error", "x", E_UP_CREDENTIALS},
		{403, "permission_error", "x", E_UP_CREDENTIALS},
		{402, "billing_error", "x", E_UP_BILLING},
		{400, "invalid_request_error", "x", E_UP_REQUEST},
		{400, "invalid_request_error",
		 "Your credit balance is too low to access", E_UP_BILLING},
		{404, "not_found_error", "x", E_UP_REQUEST},
		{413, "request_too_large", "x", E_UP_REQUEST},
		{429, "rate_limit_error", "x", E_UP_RATE_LIMITED},
		{500, "api_error", "x", E_UP_SERVER_ERROR},
		{504, "timeout_error", "x", E_UP_TIMEOUT},
		{529, "overloaded_error", "x", E_UP_OVERLOADED},
		{529, "new_error", "x", E_UP_OVERLOADED},
		{422, "new_error", "x", E_UP_REQUEST},
		{200, "new_error", "x", E_UP_SERVER_ERROR},
	};
	struct upstream_error e;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct str body = arena_printf(
			&arena,
			"{\"type\":\"error\",\"error\":{\"type\":\"%s\","
			"\"message\":\"%s\"},\"request_id\":null}",
			cases[i].type, cases[i].message);

		wire_anthropic.parse_error(cases[i].status, STR(""), body, &e);
		CHECK_INT(e.err, cases[i].err);
		CHECK(str_eq(e.message, str_of(cases[i].message)));
		CHECK(str_eq(e.type, str_of(cases[i].type)));
	}
	wire_anthropic.parse_error(502, STR(""), STR("<html>"), &e);
	CHECK_INT(e.err, E_UP_SERVER_ERROR);
	CHECK(e.message.n == 0);
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_body_is_the_clients_but_for_the_model);
	RUN(the_clients_version_and_betas_go_with_it);
	RUN(tokens_are_counted_by_the_provider);
	RUN(there_is_nothing_else_to_ask_for);
	RUN(usage_is_taken_apart_into_disjoint_classes);
	RUN(a_usage_that_makes_no_sense_is_missing);
	RUN(what_is_no_answer_is_told);
	RUN(an_answer_is_read_part_by_part);
	RUN(the_end_of_an_answer_has_one_word_in_each_dialect);
	RUN(a_text_is_streamed);
	RUN(thinking_keeps_its_signature);
	RUN(parallel_calls_are_counted_from_zero);
	RUN(a_mapped_name_is_streamed_as_it_was);
	RUN(usage_may_come_whole_at_the_end);
	RUN(half_a_usage_is_none);
	RUN(an_error_in_a_stream_is_seen);
	RUN(an_event_that_is_no_json_is_told);
	RUN(errors_are_judged_by_type_then_status);
	arena_free(&arena);
	return tap_done();
}
