/* adapters/cohere.c, cohere_write.c: requests written, answers read. */
#include "tests/unit/adapters/wire_maker.h"

static struct maker m;
static struct told t;

#define PNG  "iVBORw0KGgoAAAANSUhEUg=="
#define HEAD "{\"model\":\"command-a-reasoning-08-2025\",\"messages\":"
#define TAIL ",\"stream\":false}"

static void
begin(void)
{
	maker_init(&m, "command-a-reasoning-08-2025");
}

/* ---- requests ---- */

TEST(a_request_as_its_own_client_sends_it)
{
	maker_init(&m, "command-r-plus");
	maker_text(&m, SPEAKER_SYSTEM, "Be terse.");
	maker_text(&m, SPEAKER_USER, "hello");
	maker_max(&m, 64);
	maker_say(&m, TRAIT_TEMPERATURE, "0.5");
	maker_say(&m, TRAIT_STOP, "[\"END\"]");
	maker_check(&m, &wire_cohere,
		    "{\"model\":\"command-r-plus\",\"messages\":[{\"role\":"
		    "\"system\",\"content\":\"Be terse.\"},{\"role\":\"user\","
		    "\"content\":\"hello\"}],\"temperature\":0.5,"
		    "\"max_tokens\":64,\"stop_sequences\":[\"END\"]" TAIL);
}

TEST(every_option_has_its_name)
{
	begin();
	m.ask.stream = true;
	maker_say(&m, TRAIT_TOP_P, "0.9");
	maker_say(&m, TRAIT_TOP_K, "40");
	maker_say(&m, TRAIT_SEED, "7");
	maker_say(&m, TRAIT_PRESENCE, "0.1");
	maker_say(&m, TRAIT_FREQUENCY, "0.2");
	maker_say(&m, TRAIT_COUNT, "1");
	maker_format(&m, FORMAT_JSON, NULL);
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"p\":0.9,\"k\":40,\"seed\":7,"
			 "\"frequency_penalty\":0.2,\"presence_penalty\":0.1,"
			 "\"response_format\":{\"type\":\"json_object\"},"
			 "\"stream\":true}");
	begin();
	maker_format(&m, FORMAT_SCHEMA, "{\"type\":\"object\"}");
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"response_format\":{\"type\":\"json_object\","
			 "\"json_schema\":{\"type\":\"object\"}}" TAIL);
}

TEST(results_stand_right_behind_their_calls)
{
	begin();
	maker_text(&m, SPEAKER_USER, "tool2");
	maker_call(&m, "call_1", "get_weather", "{\"city\":\"Z\\\"\"}");
	maker_call(&m, "call_0", "get_time", "{}");
	maker_text(&m, SPEAKER_USER, "now");
	maker_result(&m, "call_1", "sunny");
	maker_result(&m, "call_0", "09:00");
	maker_check(&m, &wire_cohere,
		    HEAD
		    "[{\"role\":\"user\",\"content\":\"tool2\"},{\"role\":"
		    "\"assistant\",\"tool_calls\":[{\"type\":\"function\","
		    "\"id\":\"call_1\",\"function\":{\"name\":\"get_weather\","
		    "\"arguments\":\"{\\\"city\\\":\\\"Z\\\\\\\"\\\"}\"}},"
		    "{\"type\":\"function\",\"id\":\"call_0\",\"function\":"
		    "{\"name\":\"get_time\",\"arguments\":\"{}\"}}]},"
		    "{\"role\":\"tool\",\"tool_call_id\":\"call_1\","
		    "\"content\":\"sunny\"},{\"role\":\"tool\","
		    "\"tool_call_id\":\"call_0\",\"content\":\"09:00\"},"
		    "{\"role\":\"user\",\"content\":[{\"type\":\"text\","
		    "\"text\":\"now\"}]}]" TAIL);
}

TEST(pictures_are_urls_of_either_kind)
{
	struct part *p;

	begin();
	maker_text(&m, SPEAKER_USER, "hello");
	maker_media(&m, PART_IMAGE, "", PNG);
	p = maker_media(&m, PART_IMAGE, "", "");
	p->url = STR("https://x/y.png");
	p->detail = STR("low");
	maker_check(&m, &wire_cohere,
		    HEAD "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
			 "\"text\":\"hello\"},{\"type\":\"image_url\","
			 "\"image_url\":{\"url\":\"data:image/png;base64," PNG
			 "\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
			 "\"https://x/y.png\",\"detail\":\"low\"}}]}]" TAIL);
	begin();
	maker_media(&m, PART_IMAGE, "image/\"", PNG);
	maker_check_refused(&m, &wire_cohere,
			    "messages[].content[].image_url.url");
	begin();
	maker_media(&m, PART_FILE, "application/pdf", PNG);
	maker_check_refused(&m, &wire_cohere, "messages[].content[].file");
	begin();
	maker_media(&m, PART_AUDIO, "audio/wav", PNG);
	maker_check_refused(&m, &wire_cohere,
			    "messages[].content[].input_audio");
}

TEST(thoughts_are_sent_to_models_that_have_some)
{
	begin();
	maker_add(&m, SPEAKER_ASSISTANT, PART_THINKING, "hm");
	maker_text(&m, SPEAKER_ASSISTANT, "");
	maker_text(&m, SPEAKER_ASSISTANT, "yes");
	maker_check(&m, &wire_cohere,
		    HEAD "[{\"role\":\"assistant\",\"content\":[{\"type\":"
			 "\"thinking\",\"thinking\":\"hm\"},{\"type\":"
			 "\"text\",\"text\":\"yes\"}]}]" TAIL);
	maker_init(&m, "command-r-plus");
	maker_add(&m, SPEAKER_ASSISTANT, PART_THINKING, "hm");
	maker_add(&m, SPEAKER_ASSISTANT, PART_REDACTED, "");
	maker_text(&m, SPEAKER_ASSISTANT, "yes");
	maker_think(&m, THINK_ON, "low", 0);
	maker_check_dropped(&m, &wire_cohere,
			    "thinking, redacted_thinking, THINKING");
	begin();
	maker_think(&m, THINK_ON, "", 2048);
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"thinking\":{\"type\":\"enabled\","
			 "\"token_budget\":2048}" TAIL);
	begin();
	maker_think(&m, THINK_OFF, "", 0);
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"thinking\":{\"type\":\"disabled\"}" TAIL);
	maker_init(&m, "command-r");
	maker_think(&m, THINK_OFF, "", 0);
	maker_check(&m, &wire_cohere,
		    "{\"model\":\"command-r\",\"messages\":[]" TAIL);
}

#define TOOL_F                                                 \
	"{\"type\":\"function\",\"function\":{\"name\":\"f\"," \
	"\"parameters\":{\"type\":\"object\",\"properties\":{}}}}"

TEST(a_tool_can_be_forced_but_not_chosen)
{
	begin();
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_REQUIRED, "");
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"tools\":[" TOOL_F
			 "],\"tool_choice\":\"REQUIRED\"" TAIL);
	begin();
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_NAMED, "f");
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"tools\":[" TOOL_F
			 "],\"tool_choice\":\"REQUIRED\"" TAIL);
	begin();
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_NONE, "");
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"tools\":[" TOOL_F
			 "],\"tool_choice\":\"NONE\"" TAIL);
	begin();
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_AUTO, "");
	maker_check(&m, &wire_cohere, HEAD "[],\"tools\":[" TOOL_F "]" TAIL);
	begin();
	maker_tool(&m, "f", NULL);
	maker_tool(&m, "g", NULL);
	maker_choose(&m, CHOICE_NAMED, "f");
	maker_check_refused(&m, &wire_cohere, "TOOL_CHOICE");
	begin();
	maker_choose(&m, CHOICE_NONE, "");
	maker_check(&m, &wire_cohere, HEAD "[]" TAIL);
}

TEST(names_and_ranges_are_cohere_s_own)
{
	begin();
	maker_say(&m, TRAIT_TOP_P, "1");
	maker_say(&m, TRAIT_PRESENCE, "0");
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"p\":0.99,\"presence_penalty\":0" TAIL);
	begin();
	maker_say(&m, TRAIT_FREQUENCY, "-0.5");
	maker_check_refused(&m, &wire_cohere, "FREQUENCY");
	begin();
	maker_tool(&m, "f", NULL);
	maker_format(&m, FORMAT_JSON, NULL);
	maker_check_refused(&m, &wire_cohere, "FORMAT");
	begin();
	maker_tool(&m, "my-tool", NULL);
	CHECK(strstr(maker_write(&m, &wire_cohere), "\"my_tool_") != NULL);
	tell_answer(&t, &wire_cohere,
		    arena_printf(&m.a,
				 "{\"message\":{\"tool_calls\":[{\"id\":"
				 "\"c\",\"function\":{\"name\":\"%.20s\","
				 "\"arguments\":\"\"}}]}}",
				 strstr(m.body.p, "my_tool_"))
			    .p,
		    &m.c);
	CHECK_STR(t.text.p, "  call(c|my-tool|{}) stop");
	told_free(&t);
	maker_free(&m);
}

TEST(tools_are_strict_all_or_none)
{
	begin();
	maker_tool(&m, "f", NULL)->strict = maker_json("true");
	maker_check(&m, &wire_cohere,
		    HEAD "[],\"tools\":[" TOOL_F
			 "],\"strict_tools\":true" TAIL);
	begin();
	maker_tool(&m, "f", NULL)->strict = maker_json("true");
	maker_tool(&m, "g", NULL);
	maker_check_dropped(&m, &wire_cohere, "tools[].function.strict");
}

TEST(what_is_lost_is_named)
{
	static const struct {
		enum trait_kind kind;
		const char *name;
	} refused[] = {{TRAIT_LOGPROBS, "LOGPROBS"}, {TRAIT_BIAS, "BIAS"}};

	for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
		begin();
		maker_say(&m, refused[i].kind, "1");
		maker_check_refused(&m, &wire_cohere, refused[i].name);
	}
	begin();
	maker_call(&m, "1", "f", "{}");
	maker_result(&m, "1", NULL)->failed = true;
	m.c.last->parts->cached = true;
	maker_say(&m, TRAIT_USER, "\"u\"");
	maker_say(&m, TRAIT_METADATA, "{}");
	maker_check_dropped(&m, &wire_cohere,
			    "cache_control, is_error, USER, METADATA");
}

/* ---- answers ---- */

TEST(an_answer_is_read)
{
	tell_answer(
		&t, &wire_cohere,
		"{\"id\":\"msg_1\",\"finish_reason\":\"TOOL_CALL\","
		"\"message\":{\"role\":\"assistant\",\"tool_plan\":\"I will\","
		"\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},"
		"{\"type\":\"text\",\"text\":\"a\\\"b\"}],\"tool_calls\":[{"
		"\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
		"\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\","
		"\"function\":{\"name\":\"g\",\"arguments\":\"\"}},{\"id\":"
		"\"c3\",\"function\":{\"name\":\"h\",\"arguments\":"
		"\"{bad\"}}],\"citations\":[]},\"usage\":{\"billed_units\":{"
		"\"input_tokens\":5,\"output_tokens\":6},\"tokens\":{"
		"\"input_tokens\":70.0,\"output_tokens\":8},"
		"\"cached_tokens\":20}}",
		NULL);
	CHECK_INT(t.err, E_OK);
	CHECK_STR(t.text.p, "msg_1  think(hm|) text(a\\\"b) text(I will) "
			    "call(c1|f|{\"a\":1}) call(c2|g|{}) "
			    "call(c3|h|{bad) calls");
	told_check_usage(&t.answer.usage, 50, 20, 0, 8);
	CHECK_INT(t.answer.content_bytes, 1);
	told_free(&t);
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
		       "{\"finish_reason\":\"%s\",\"message\":{\"content\":"
		       "\"abc\"}}",
		       reason);
	arena_init(&a);
	reply_init(&r);
	CHECK_INT(wire_cohere.read_answer(&a, &ask, str_of(body), &r), E_OK);
	finish = r.choices->finish;
	arena_free(&a);
	return finish;
}

TEST(finish_reasons_are_understood)
{
	CHECK_INT(finish_of("COMPLETE"), FINISH_STOP);
	CHECK_INT(finish_of("STOP_SEQUENCE"), FINISH_SEQUENCE);
	CHECK_INT(finish_of("MAX_TOKENS"), FINISH_LENGTH);
	CHECK_INT(finish_of("TOOL_CALL"), FINISH_CALLS);
	CHECK_INT(finish_of("ERROR"), FINISH_ERROR);
	CHECK_INT(finish_of("TIMEOUT"), FINISH_ERROR);
	CHECK_INT(finish_of("ERROR_TOXIC"), FINISH_FILTER);
	CHECK_INT(finish_of("something new"), FINISH_STOP);
}

static struct usage
usage_of(const char *usage)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;
	char body[512];

	(void)snprintf(body, sizeof(body),
		       "{\"message\":{\"content\":[{\"text\":\"abc\"}]},"
		       "\"usage\":%s}",
		       usage);
	CHECK_INT(wire_cohere.parse_answer(&ask, str_of(body), &a), E_OK);
	CHECK_INT(a.content_bytes, a.usage.present ? 1 : 3);
	return a.usage;
}

TEST(usage_is_of_tokens_or_else_of_what_is_billed)
{
	struct usage u = usage_of("{\"billed_units\":{\"input_tokens\":5,"
				  "\"output_tokens\":6}}");

	told_check_usage(&u, 5, 0, 0, 6);
	CHECK(!usage_of("null").present);
	CHECK(!usage_of("{}").present);
	CHECK(!usage_of("{\"tokens\":{\"output_tokens\":1}}").present);
	CHECK(!usage_of("{\"tokens\":{\"input_tokens\":1.5}}").present);
	CHECK(!usage_of("{\"tokens\":{\"input_tokens\":1,\"output_tokens\":"
			"1},\"cached_tokens\":2}")
		       .present);
	CHECK(!usage_of("{\"tokens\":{\"input_tokens\":18446744073709551615,"
			"\"output_tokens\":1}}")
		       .present);
}

static enum err
parsed(const char *body)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;

	return wire_cohere.parse_answer(&ask, str_of(body), &a);
}

TEST(what_is_no_answer_is_refused)
{
	CHECK_INT(parsed("{}"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("nonsense"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("{\"message\":\"an error\"}"), E_UP_BAD_RESPONSE);
	CHECK_INT(parsed("{\"error\":{\"message\":\"x\"}}"), E_UP_SERVER_ERROR);
	CHECK_INT(parsed("{\"finish_reason\":\"ERROR\",\"message\":{}}"),
		  E_UP_SERVER_ERROR);
	CHECK_INT(parsed("{\"finish_reason\":\"ERROR\",\"message\":{"
			 "\"content\":\"half of it\"}}"),
		  E_OK);
}

/* ---- streams ---- */

#define START                                                                  \
	{                                                                      \
		"message-start",                                               \
			"{\"id\":\"msg_1\",\"type\":\"message-start\","        \
			"\"delta\":{\"message\":{\"role\":\"assistant\","      \
			"\"content\":[],\"tool_plan\":\"\",\"tool_calls\":[]," \
			"\"citations\":[]}}}"                                  \
	}

TEST(a_stream_of_text_and_thoughts_is_read)
{
	static const struct told_event events[] = {
		START,
		{"content-start",
		 "{\"type\":\"content-start\",\"index\":0,\"delta\":{"
		 "\"message\":{\"content\":{\"type\":\"thinking\","
		 "\"thinking\":\"\"}}}}"},
		{"content-delta",
		 "{\"type\":\"content-delta\",\"index\":0,\"delta\":{"
		 "\"message\":{\"content\":{\"thinking\":\"hm\"}}}}"},
		{"content-end", "{\"type\":\"content-end\",\"index\":0}"},
		{"content-start",
		 "{\"type\":\"content-start\",\"index\":1,\"delta\":{"
		 "\"message\":{\"content\":{\"type\":\"text\",\"text\":\"H\"}"
		 "}}}"},
		{"content-delta",
		 "{\"type\":\"content-delta\",\"index\":1,\"delta\":{"
		 "\"message\":{\"content\":{\"type\":\"text\",\"text\":"
		 "\"i\\n\"}}}}"},
		{"citation-start", "{\"type\":\"citation-start\",\"delta\":{"
				   "\"message\":{\"citations\":{}}}}"},
		{"content-end", "{\"type\":\"content-end\",\"index\":1}"},
		{"message-end",
		 "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":"
		 "\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":12,"
		 "\"output_tokens\":5},\"cached_tokens\":2}}}"},
		{"", NULL}};

	tell_stream(&t, &wire_cohere, events, NULL);
	CHECK_INT(t.err, E_OK);
	CHECK_STR(t.text.p, "begin(msg_1|) think(hm) text(H) text(i\\n) stop");
	CHECK(t.done && t.last && !t.error);
	CHECK_INT(t.bytes, 2 + 1 + 3);
	told_check_usage(&t.usage, 10, 2, 0, 5);
	told_free(&t);
}

#define CALL_START(index, id, name)                                               \
	{                                                                         \
		"tool-call-start",                                                \
			"{\"type\":\"tool-call-start\",\"index\":" index          \
			",\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"" id   \
			"\",\"type\":\"function\",\"function\":{\"name\":\"" name \
			"\",\"arguments\":\"\"}}}}}"                              \
	}
#define CALL_DELTA(index, args)                                          \
	{                                                                \
		"tool-call-delta",                                       \
			"{\"type\":\"tool-call-delta\",\"index\":" index \
			",\"delta\":{\"message\":{\"tool_calls\":{"      \
			"\"function\":{\"arguments\":\"" args "\"}}}}}"  \
	}
#define CALL_END(index)                                                    \
	{                                                                  \
		"tool-call-end",                                           \
			"{\"type\":\"tool-call-end\",\"index\":" index "}" \
	}

TEST(a_stream_of_calls_is_read)
{
	static const struct told_event events[] = {
		START,
		{"tool-plan-delta", "{\"type\":\"tool-plan-delta\",\"delta\":{"
				    "\"message\":{\"tool_plan\":\"I will\"}}}"},
		CALL_START("0", "c1", "f"),
		CALL_DELTA("0", "{\\\"a\\\":"),
		CALL_DELTA("0", "1}"),
		CALL_END("0"),
		CALL_START("1", "c2", "g"),
		CALL_END("1"),
		CALL_START("2", "c3", "h"),
		CALL_START("3", "c4", "i"),
		CALL_DELTA("2", "{\\\"b\\\":2}"),
		CALL_DELTA("3", "{}"),
		CALL_END("2"),
		CALL_END("3"),
		{"message-end", "{\"type\":\"message-end\",\"delta\":{"
				"\"finish_reason\":\"TOOL_CALL\"}}"},
		{"", NULL}};

	tell_stream(&t, &wire_cohere, events, NULL);
	CHECK_STR(t.text.p,
		  "begin(msg_1|) text(I will) call0(c1|f) "
		  "args0({\\\"a\\\":) args0(1}) call1(c2|g) args1({}) "
		  "call2(c3|h) call3(c4|i) args2({\\\"b\\\":2}) args3({}) "
		  "calls");
	CHECK_INT(t.bytes, 6 + 1 + 7 + 2 + 1 + 1 + 1 + 9 + 2);
	CHECK(t.done && !t.usage.present);
	told_free(&t);
}

TEST(a_stream_may_break)
{
	static const struct told_event error[] = {
		START,
		{"message-end", "{\"type\":\"message-end\",\"delta\":{"
				"\"finish_reason\":\"ERROR\",\"error\":"
				"\"it broke\"}}"},
		{"", NULL}};
	static const struct told_event silent[] = {
		START,
		{"message-end", "{\"type\":\"message-end\",\"delta\":{"
				"\"finish_reason\":\"TIMEOUT\"}}"},
		{"", NULL}};
	static const struct told_event odd[] = {
		START, {"", "{\"message\":\"too many\"}"}, {"", NULL}};
	static const struct told_event nonsense[] = {{"", "[]"}, {"", NULL}};
	struct upstream_error e;

	tell_stream(&t, &wire_cohere, error, NULL);
	CHECK(t.error && !t.done);
	told_free(&t);
	tell_stream(&t, &wire_cohere, silent, NULL);
	CHECK(t.error && !t.done);
	told_free(&t);
	tell_stream(&t, &wire_cohere, odd, NULL);
	CHECK(t.error && !t.done);
	told_free(&t);
	tell_stream(&t, &wire_cohere, nonsense, NULL);
	CHECK_INT(t.err, E_UP_BAD_RESPONSE);
	told_free(&t);
	wire_cohere.parse_error(200, STR(""), str_of(error[1].data), &e);
	CHECK_INT(e.err, E_UP_SERVER_ERROR);
	CHECK(str_eq(e.message, STR("it broke")));
	wire_cohere.parse_error(200, STR(""), str_of(silent[1].data), &e);
	CHECK_INT(e.err, E_UP_TIMEOUT);
}

TEST(errors_are_judged_by_their_status)
{
	static const struct {
		int status;
		enum err err;
	} cases[] = {
		{400, E_UP_REQUEST},	 {401, E_UP_CREDENTIALS},
		{402, E_UP_BILLING},	 {404, E_UP_REQUEST},
		{422, E_UP_REQUEST},	 {429, E_UP_RATE_LIMITED},
		{498, E_UP_CREDENTIALS}, {500, E_UP_SERVER_ERROR},
		{503, E_UP_OVERLOADED},	 {504, E_UP_TIMEOUT},
	};
	struct upstream_error e;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		wire_cohere.parse_error(cases[i].status, STR(""),
					STR("{\"message\":\"m \\\"x\\\"\"}"),
					&e);
		CHECK_INT(e.err, cases[i].err);
		CHECK(str_eq(e.message, STR("m \\\"x\\\"")));
	}
}

int
main(void)
{
	RUN(a_request_as_its_own_client_sends_it);
	RUN(every_option_has_its_name);
	RUN(results_stand_right_behind_their_calls);
	RUN(pictures_are_urls_of_either_kind);
	RUN(thoughts_are_sent_to_models_that_have_some);
	RUN(a_tool_can_be_forced_but_not_chosen);
	RUN(names_and_ranges_are_cohere_s_own);
	RUN(tools_are_strict_all_or_none);
	RUN(what_is_lost_is_named);
	RUN(an_answer_is_read);
	RUN(finish_reasons_are_understood);
	RUN(usage_is_of_tokens_or_else_of_what_is_billed);
	RUN(what_is_no_answer_is_refused);
	RUN(a_stream_of_text_and_thoughts_is_read);
	RUN(a_stream_of_calls_is_read);
	RUN(a_stream_may_break);
	RUN(errors_are_judged_by_their_status);
	return tap_done();
}
