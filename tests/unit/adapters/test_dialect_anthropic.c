/* adapters/dialect_anthropic.c: requests, errors and answers in its words. */
#include "tests/unit/adapters/talks.h"

static struct arena arena;

/* ---- requests ---- */

static enum err
parse(enum ask_kind kind, const char *body, struct ask *ask,
      const char **detail)
{
	*detail = "";
	*ask = (struct ask){.kind = kind, .body = str_of(body)};
	return dialect_anthropic.parse(&arena, ask, detail);
}

TEST(the_fields_that_matter_are_found)
{
	struct ask a;
	const char *detail;

	CHECK(parse(ASK_CHAT,
		    "{\"messages\":[1],\"system\":\"S\",\"tools\":[2],"
		    "\"max_tokens\":7,\"stream\":true,\"model\":\"m\","
		    "\"metadata\":{\"user_id\":\"u\"}}",
		    &a, &detail) == E_OK);
	CHECK(a.stream && a.has_max && a.choices == 1);
	CHECK_INT(a.max_output, 7);
	CHECK(str_eq(a.input.raw, STR("[1]")));
	CHECK(str_eq(a.more[0].raw, STR("\"S\"")));
	CHECK(str_eq(a.more[1].raw, STR("[2]")));
	CHECK(str_eq(a.metadata.raw, STR("{\"user_id\":\"u\"}")));
	CHECK(parse(ASK_COUNT,
		    "{\"messages\":[],\"model\":\"m\",\"stream\":true}", &a,
		    &detail) == E_OK);
	CHECK(!a.has_max && !a.stream);
}

TEST(bad_requests_name_the_field)
{
	static const struct {
		const char *body;
		enum err err;
		const char *detail;
	} cases[] = {
		{"{\"messages\":[],\"max_tokens\":1}", E_MISSING_FIELD,
		 "model"},
		{"{\"model\":\"m\",\"max_tokens\":1}", E_MISSING_FIELD,
		 "messages"},
		{"{\"model\":\"m\",\"messages\":[]}", E_MISSING_FIELD,
		 "max_tokens"},
		{"{\"model\":\"m\",\"messages\":{},\"max_tokens\":1}",
		 E_BAD_FIELD, "messages"},
		{"{\"model\":\"m\",\"messages\":[],\"max_tokens\":-1}",
		 E_BAD_FIELD, "max_tokens"},
		{"{\"model\":\"m\",\"messages\":[],\"max_tokens\":1,"
		 "\"stream\":1}",
		 E_BAD_FIELD, "stream"},
		{"{\"model\":\"m\",\"model\":\"m\",\"messages\":[]}",
		 E_DUPLICATE_FIELD, "model"},
	};
	const char *detail;
	struct ask a;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_INT(parse(ASK_CHAT, cases[i].body, &a, &detail),
			  cases[i].err);
		CHECK_STR(detail, cases[i].detail);
	}
}

/* ---- errors ---- */

static const char *
rendered(const struct complaint *c, bool event)
{
	static struct buf out;

	buf_reset(&out);
	if (event)
		dialect_anthropic.error_event(&out, c, NULL);
	else
		dialect_anthropic.error(&out, c);
	buf_add_char(&out, '\0');
	return out.p;
}

TEST(an_error_has_the_envelope)
{
	struct complaint c = {.err = E_MISSING_FIELD,
			      .detail = "max_tokens",
			      .request_id = STR("req_1")};

	CHECK_STR(rendered(&c, false),
		  "{\"type\":\"error\",\"error\":{\"type\":"
		  "\"invalid_request_error\",\"message\":\"The field "
		  "'max_tokens' is required. Add it to the request body.\"},"
		  "\"request_id\":\"req_1\"}");
	c = (struct complaint){.err = E_UP_CUT};
	CHECK_STR(rendered(&c, true),
		  "event: error\ndata: {\"type\":\"error\",\"error\":{"
		  "\"type\":\"api_error\",\"message\":\"The provider's answer "
		  "broke off. What arrived is above; try again for the "
		  "whole.\"},\"request_id\":null}\n\n");
}

TEST(each_case_has_its_type)
{
	static const struct {
		enum err err;
		const char *type;
	} cases[] = {
		{E_NO_KEY, "authentication_error"},
		{E_KEY_EXPIRED, "authentication_error"},
		{E_BALANCE, "billing_error"},
		{E_BUDGET, "billing_error"},
		{E_MODEL_NOT_ALLOWED, "permission_error"},
		{E_NO_MODEL, "not_found_error"},
		{E_NO_PATH, "not_found_error"},
		{E_BAD_JSON, "invalid_request_error"},
		{E_FIELD_LOST, "invalid_request_error"},
		{E_TOO_LARGE, "request_too_large"},
		{E_RATE_REQUESTS, "rate_limit_error"},
		{E_RATE_TOKENS, "rate_limit_error"},
		{E_UP_CREDENTIALS, "api_error"},
		{E_UP_BAD_RESPONSE, "api_error"},
		{E_NO_CHANNEL, "overloaded_error"},
		{E_UP_RATE_LIMITED, "overloaded_error"},
		{E_DRAINING, "overloaded_error"},
		{E_UP_TIMEOUT, "timeout_error"},
		{E_METHOD, "invalid_request_error"},
		{E_CLIENT_SLOW, "invalid_request_error"},
		{E_HTTP_VERSION, "invalid_request_error"},
		{E_IDEM_RUNNING, "invalid_request_error"},
		{E_INTERNAL, "api_error"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct complaint c = {.err = cases[i].err};
		const char *type = strstr(rendered(&c, false), "{\"type\":\"");

		type = strstr(type + 9, "{\"type\":\"") + 9;
		CHECK(strncmp(type, cases[i].type, strlen(cases[i].type)) == 0);
	}
}

TEST(the_upstreams_words_are_kept)
{
	struct upstream_error u = {.message = STR("too \\\"many\\\""),
				   .type = STR("insufficient_quota")};
	struct complaint c = {
		.err = E_UP_REQUEST, .status = 404, .upstream = &u};

	CHECK(strstr(rendered(&c, false),
		     "{\"type\":\"not_found_error\",\"message\":"
		     "\"too \\\"many\\\"\"}") != NULL);
	u.type = STR("request_too_large");
	CHECK(strstr(rendered(&c, false), "{\"type\":\"request_too_large\",") !=
	      NULL);
}

TEST(a_count_is_written)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	dialect_anthropic.write_count(&out, 123);
	CHECK(str_eq(buf_str(&out), STR("{\"input_tokens\":123}")));
}

/* ---- answers ---- */

static struct buf out;

static struct sink *
sink(void)
{
	static struct sink s;

	buf_reset(&out);
	s = (struct sink){.a = &arena,
			  .id = STR("req_00ff"),
			  .model = STR("sonnet"),
			  .input_hint = 12,
			  .out = &out};
	s.own = arena_zalloc(&arena, dialect_anthropic.sink_bytes);
	return &s;
}

static const char *
text(void)
{
	buf_add_char(&out, '\0');
	return out.p;
}

static const struct usage usage = {.present = true,
				   .input = 10,
				   .cache_read = 2,
				   .cache_write = 3,
				   .output = 4,
				   .reasoning = 5};
#define USAGE                                                \
	"\"usage\":{\"input_tokens\":10,"                    \
	"\"cache_creation_input_tokens\":3,"                 \
	"\"cache_read_input_tokens\":2,\"output_tokens\":9," \
	"\"output_tokens_details\":{\"thinking_tokens\":5}}"

TEST(an_answer_is_written_block_by_block)
{
	struct sink *s = sink();
	struct reply_choice *c;
	struct reply r;
	struct part *p;

	reply_init(&r);
	c = reply_choice(&arena, &r);
	p = reply_part(&arena, c, PART_THINKING);
	p->text = STR("a");
	p->signature = STR("s");
	reply_part(&arena, c, PART_REDACTED)->data = STR("d");
	reply_part(&arena, c, PART_TEXT)->text = STR("b\\ud83d");
	p = reply_part(&arena, c, PART_CALL);
	p->name = STR("n");
	p->args = STR("{\"k\":1}");
	p = reply_part(&arena, c, PART_CALL);
	p->id = STR("call_9");
	p->name = STR("n");
	p->text = STR("{\\\"k\\\":");
	c->finish = FINISH_CALLS;
	dialect_anthropic.write_answer(s, &r, &usage, money_nano(0));
	CHECK_STR(text(),
		  "{\"type\":\"message\",\"id\":\"msg_00ff\",\"role\":"
		  "\"assistant\",\"model\":\"sonnet\",\"content\":[{\"type\":"
		  "\"thinking\",\"thinking\":\"a\",\"signature\":\"s\"},{"
		  "\"type\":\"redacted_thinking\",\"data\":\"d\"},{\"type\":"
		  "\"text\",\"text\":\"b\\ud83d\"},{\"type\":\"tool_use\","
		  "\"id\":\"toolu_00ff_0\",\"name\":\"n\",\"input\":{\"k\":1}},"
		  "{\"type\":\"tool_use\",\"id\":\"call_9\",\"name\":\"n\","
		  "\"input\":{\"raw_arguments\":\"{\\\"k\\\":\"}}],"
		  "\"stop_reason\":\"tool_use\",\"stop_sequence\":null," USAGE
		  "}");
}

TEST(each_end_has_its_word)
{
	static const struct {
		enum finish finish;
		const char *reason;
	} cases[] = {
		{FINISH_STOP, "\"end_turn\",\"stop_sequence\":null"},
		{FINISH_NONE, "\"end_turn\",\"stop_sequence\":null"},
		{FINISH_SEQUENCE, "\"stop_sequence\",\"stop_sequence\":\"E\""},
		{FINISH_LENGTH, "\"max_tokens\",\"stop_sequence\":null"},
		{FINISH_CALLS, "\"tool_use\",\"stop_sequence\":null"},
		{FINISH_FILTER, "\"refusal\",\"stop_sequence\":null"},
		{FINISH_PAUSE, "\"pause_turn\",\"stop_sequence\":null"},
		{FINISH_ERROR, "\"end_turn\",\"stop_sequence\":null"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct sink *s = sink();
		struct reply r;

		reply_init(&r);
		reply_choice(&arena, &r)->finish = cases[i].finish;
		r.choices->sequence = STR("E");
		dialect_anthropic.write_answer(s, &r, &usage, money_nano(0));
		CHECK(strstr(text(), cases[i].reason) != NULL);
	}
}

/* ---- streams ---- */

#define EVENT(type, rest) \
	"event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                             \
	EVENT("message_start",                                            \
	      ",\"message\":{\"type\":\"message\",\"id\":\"msg_00ff\","   \
	      "\"role\":\"assistant\",\"model\":\"sonnet\",\"content\":[" \
	      "],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{" \
	      "\"input_tokens\":12,\"cache_creation_input_tokens\":0,"    \
	      "\"cache_read_input_tokens\":0,\"output_tokens\":0}}")
#define OPEN(index, block)           \
	EVENT("content_block_start", \
	      ",\"index\":" index ",\"content_block\":{" block "}")
#define DELTA(index, delta)          \
	EVENT("content_block_delta", \
	      ",\"index\":" index ",\"delta\":{" delta "}")
#define CLOSE(index) EVENT("content_block_stop", ",\"index\":" index)
#define END(reason)                                                    \
	EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" reason \
			       "\",\"stop_sequence\":null}," USAGE)    \
	EVENT("message_stop", "")

static void
put(struct sink *s, enum piece_kind kind, uint32_t call, const char *words)
{
	struct piece p = {.kind = kind, .call = call, .text = str_of(words)};

	dialect_anthropic.put(s, &p);
}

static void
put_call(struct sink *s, uint32_t call, const char *id, const char *name)
{
	struct piece p = {.kind = PIECE_CALL,
			  .call = call,
			  .id = str_of(id),
			  .name = str_of(name)};

	dialect_anthropic.put(s, &p);
}

static void
end(struct sink *s, enum finish finish)
{
	struct piece p = {.kind = PIECE_FINISH, .finish = finish};

	dialect_anthropic.put(s, &p);
	dialect_anthropic.end(s, &usage, money_nano(0));
}

TEST(a_message_begins_with_its_first_content)
{
	struct sink *s = sink();

	put(s, PIECE_BEGIN, 0, "");
	put(s, PIECE_TEXT, 0, "");
	CHECK_INT(out.n, 0);
	put(s, PIECE_TEXT, 0, "he\\ud83d");
	put(s, PIECE_TEXT, 0, "\\ude00");
	end(s, FINISH_STOP);
	CHECK_STR(text(), START OPEN("0", "\"type\":\"text\",\"text\":\"\"")
				  DELTA("0", "\"type\":\"text_delta\",\"text\":"
					     "\"he\\ud83d\"")
					  DELTA("0", "\"type\":\"text_delta\","
						     "\"text\":\"\\ude00\"")
						  CLOSE("0") END("end_turn"));
}

TEST(an_empty_answer_is_a_message_too)
{
	struct sink *s = sink();

	end(s, FINISH_FILTER);
	CHECK_STR(text(), START END("refusal"));
}

TEST(blocks_follow_one_another)
{
	struct sink *s = sink();

	put(s, PIECE_THINKING, 0, "a");
	put(s, PIECE_SIGNATURE, 0, "s");
	put(s, PIECE_THINKING, 0, "b");
	put(s, PIECE_REDACTED, 0, "d");
	put(s, PIECE_REFUSAL, 0, "no");
	put_call(s, 0, "", "n");
	put(s, PIECE_ARGS, 0, "{}");
	end(s, FINISH_STOP);
	CHECK_STR(
		text(),
		START OPEN(
			"0",
			"\"type\":\"thinking\",\"thinking\":"
			"\"\",\"signature\":\"\"") DELTA("0",
							 "\"type\":\"thinking_delta\","
							 "\"thinking\":\"a\"") DELTA("0",
										     "\"type\":\"signature_delta\","
										     "\"signature\":\"s\"")
			CLOSE("0") OPEN(
				"1",
				"\"type\":\"thinking\",\"thinking\":\"\","
				"\"signature\":\"\"") DELTA("1",
							    "\"type\":\"thinking_delta\","
							    "\"thinking\":\"b\"")
				CLOSE("1") OPEN(
					"2", "\"type\":\"redacted_thinking\","
					     "\"data\":\"d\"") CLOSE("2")
					OPEN("3", "\"type\":\"text\",\"text\":\"\"") DELTA(
						"3",
						"\"type\":\"text_delta\","
						"\"text\":\"no\"") CLOSE("3")
						OPEN("4",
						     "\"type\":\"tool_use\",\"id\":"
						     "\"toolu_00ff_0\",\"name\":\"n\","
						     "\"input\":{}")
							DELTA("4",
							      "\"type\":\"input_json_delta\","
							      "\"partial_json\":\"{}\"")
								CLOSE("4") END(
									"tool_use"));
}

TEST(a_signature_may_stand_alone)
{
	struct sink *s = sink();

	put(s, PIECE_SIGNATURE, 0, "s");
	end(s, FINISH_STOP);
	CHECK_STR(text(), START OPEN("0", "\"type\":\"thinking\",\"thinking\":"
					  "\"\",\"signature\":\"\"")
				  DELTA("0", "\"type\":\"signature_delta\","
					     "\"signature\":\"s\"") CLOSE("0")
					  END("end_turn"));
}

TEST(calls_that_take_turns_keep_their_blocks)
{
	struct sink *s = sink();

	put_call(s, 0, "c0", "n");
	put_call(s, 1, "c1", "m");
	put(s, PIECE_ARGS, 0, "{\\\"a\\\"");
	put(s, PIECE_ARGS, 1, "{}");
	put(s, PIECE_ARGS, 7, "nobody's");
	put(s, PIECE_ARGS, 0, ":1}");
	end(s, FINISH_CALLS);
	CHECK_STR(
		text(),
		START OPEN("0", "\"type\":\"tool_use\",\"id\":\"c0\","
				"\"name\":\"n\",\"input\":{}") CLOSE("0")
			OPEN("1", "\"type\":\"tool_use\",\"id\":\"c1\","
				  "\"name\":\"m\",\"input\":{}")
				DELTA("0", "\"type\":\"input_json_delta\","
					   "\"partial_json\":\"{\\\"a\\\"\"")
					DELTA("1",
					      "\"type\":\"input_json_delta\","
					      "\"partial_json\":\"{}\"")
						DELTA("0",
						      "\"type\":\"input_json_delta\","
						      "\"partial_json\":\":1}\"")
							CLOSE("1") END(
								"tool_use"));
}

TEST(the_signature_of_a_call_stands_behind_it)
{
	struct sink *s = sink();
	struct reply r;
	struct part *p;

	put_call(s, 0, "c0", "n");
	put(s, PIECE_ARGS, 0, "{}");
	put(s, PIECE_SIGNATURE, 1, "of another");
	put(s, PIECE_SIGNATURE, 0, "c2ln");
	end(s, FINISH_CALLS);
	CHECK(strstr(text(), CLOSE("0") OPEN("1", "\"type\":\"thinking\","
						  "\"thinking\":\"\","
						  "\"signature\":\"\"")
				     DELTA("1", "\"type\":\"signature_delta\","
						"\"signature\":\"call:c2ln\"")
					     CLOSE("1")) != NULL);
	s = sink();
	reply_init(&r);
	p = reply_part(&arena, reply_choice(&arena, &r), PART_CALL);
	p->id = STR("c");
	p->name = STR("n");
	p->signature = STR("c2ln");
	dialect_anthropic.write_answer(s, &r, &usage, money_nano(0));
	CHECK(strstr(text(),
		     "\"input\":{}},{\"type\":\"thinking\",\"thinking\":"
		     "\"\",\"signature\":\"call:c2ln\"}],") != NULL);
}

TEST(nobody_asked_for_a_second_choice)
{
	struct sink *s = sink();
	struct piece p = {
		.kind = PIECE_TEXT, .choice = 1, .text = STR("other")};

	dialect_anthropic.put(s, &p);
	CHECK_INT(out.n, 0);
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_fields_that_matter_are_found);
	RUN(bad_requests_name_the_field);
	RUN(an_error_has_the_envelope);
	RUN(each_case_has_its_type);
	RUN(the_upstreams_words_are_kept);
	RUN(a_count_is_written);
	RUN(an_answer_is_written_block_by_block);
	RUN(each_end_has_its_word);
	RUN(a_message_begins_with_its_first_content);
	RUN(an_empty_answer_is_a_message_too);
	RUN(blocks_follow_one_another);
	RUN(a_signature_may_stand_alone);
	RUN(calls_that_take_turns_keep_their_blocks);
	RUN(the_signature_of_a_call_stands_behind_it);
	RUN(nobody_asked_for_a_second_choice);
	buf_free(&out);
	arena_free(&arena);
	return tap_done();
}
