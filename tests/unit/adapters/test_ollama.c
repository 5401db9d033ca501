/* adapters/ollama.c: requests written, answers of one or many lines read. */
#include "tests/unit/adapters/wire_maker.h"

static struct maker m;
static struct told t;

#define PNG	   "iVBORw0KGgoAAAANSUhEUg=="
#define NO_OPTIONS ",\"options\":{},\"stream\":false}"

/* ---- requests ---- */

TEST(a_request_as_its_own_client_sends_it)
{
	maker_init(&m, "llama3.2");
	maker_text(&m, SPEAKER_SYSTEM, "Be terse.");
	maker_text(&m, SPEAKER_USER, "hello");
	maker_say(&m, TRAIT_TEMPERATURE, "0.5");
	maker_max(&m, 64);
	maker_say(&m, TRAIT_STOP, "[\"END\"]");
	maker_check(
		&m, &wire_ollama,
		"{\"model\":\"llama3.2\",\"messages\":[{\"role\":\"system\","
		"\"content\":\"Be terse.\"},{\"role\":\"user\",\"content\":"
		"\"hello\"}],\"options\":{\"temperature\":0.5,"
		"\"num_predict\":64,\"stop\":[\"END\"]},\"stream\":false}");
}

TEST(a_stream_is_asked_for_and_every_option_has_its_name)
{
	maker_init(&m, "m");
	maker_text(&m, SPEAKER_USER, "hi");
	m.ask.stream = true;
	maker_say(&m, TRAIT_TOP_P, "0.9");
	maker_say(&m, TRAIT_TOP_K, "40");
	maker_say(&m, TRAIT_SEED, "7");
	maker_say(&m, TRAIT_PRESENCE, "0.1");
	maker_say(&m, TRAIT_FREQUENCY, "0.2");
	maker_say(&m, TRAIT_LOGPROBS, "true");
	maker_say(&m, TRAIT_TOP_LOGPROBS, "3");
	maker_say(&m, TRAIT_COUNT, "1");
	maker_check(&m, &wire_ollama,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":\"hi\"}],\"options\":{\"top_p\":0.9,"
		    "\"top_k\":40,\"seed\":7,\"presence_penalty\":0.1,"
		    "\"frequency_penalty\":0.2},\"logprobs\":true,"
		    "\"top_logprobs\":3,\"stream\":true}");
}

TEST(calls_have_objects_and_results_the_names_of_tools)
{
	maker_init(&m, "m");
	maker_text(&m, SPEAKER_USER, "tool2");
	maker_call(&m, "call_1", "get_weather", "{\"city\":\"Z\\u00fc\"}");
	maker_call(&m, "call_2", "get_time", "{}");
	maker_result(&m, "call_1", "sunny");
	maker_result(&m, "call_2", "09:00");
	maker_text(&m, SPEAKER_USER, "and?");
	maker_tool(&m, "get_time", "{\"type\":\"object\"}")->description =
		STR("Time");
	maker_choose(&m, CHOICE_AUTO, "");
	maker_check(
		&m, &wire_ollama,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
		"\"tool2\"},{\"role\":\"assistant\",\"content\":\"\","
		"\"tool_calls\":[{\"function\":{\"name\":\"get_weather\","
		"\"arguments\":{\"city\":\"Z\\u00fc\"}}},{\"function\":{"
		"\"name\":\"get_time\",\"arguments\":{}}}]},{\"role\":\"tool\","
		"\"content\":\"sunny\",\"tool_name\":\"get_weather\"},"
		"{\"role\":\"tool\",\"content\":\"09:00\",\"tool_name\":"
		"\"get_time\"},{\"role\":\"user\",\"content\":\"and?\"}],"
		"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
		"\"get_time\",\"description\":\"Time\",\"parameters\":"
		"{\"type\":\"object\"}}}]" NO_OPTIONS);
}

TEST(texts_are_joined_and_thoughts_sent_back)
{
	maker_init(&m, "m");
	maker_text(&m, SPEAKER_USER, "a");
	maker_text(&m, SPEAKER_USER, "b\\n");
	maker_add(&m, SPEAKER_ASSISTANT, PART_THINKING, "hm");
	maker_text(&m, SPEAKER_ASSISTANT, "c");
	maker_add(&m, SPEAKER_ASSISTANT, PART_REFUSAL, "no");
	maker_check(&m, &wire_ollama,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":\"a\\nb\\n\"},{\"role\":\"assistant\","
		    "\"content\":\"c\\nno\",\"thinking\":\"hm\"}]" NO_OPTIONS);
}

TEST(pictures_are_base64_also_those_of_results)
{
	maker_init(&m, "m");
	maker_text(&m, SPEAKER_USER, "hello");
	maker_media(&m, PART_IMAGE, "image/png", PNG);
	maker_check(&m, &wire_ollama,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":\"hello\",\"images\":[\"" PNG
		    "\"]}]" NO_OPTIONS);
	maker_init(&m, "m");
	maker_call(&m, "1", "look", "{}");
	maker_result(&m, "1", "see")->content->next =
		part_new(&m.a, PART_IMAGE);
	m.c.last->parts->content->next->data = STR(PNG);
	maker_check(&m, &wire_ollama,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\","
		    "\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":"
		    "\"look\",\"arguments\":{}}}]},{\"role\":\"tool\","
		    "\"content\":\"see\",\"tool_name\":\"look\"},{\"role\":"
		    "\"user\",\"content\":\"\",\"images\":[\"" PNG
		    "\"]}]" NO_OPTIONS);
	maker_init(&m, "m");
	maker_media(&m, PART_IMAGE, "", "")->url = STR("https://x/y.png");
	maker_check_refused(&m, &wire_ollama,
			    "messages[].content[].image_url.url");
	maker_init(&m, "m");
	maker_media(&m, PART_AUDIO, "audio/wav", PNG);
	maker_check_refused(&m, &wire_ollama,
			    "messages[].content[].input_audio");
	maker_init(&m, "m");
	maker_media(&m, PART_FILE, "application/pdf", PNG);
	maker_check_refused(&m, &wire_ollama, "messages[].content[].file");
}

static void
check_member(const char *member)
{
	const char *body;

	body = maker_write(&m, &wire_ollama);
	CHECK(strstr(body, member) != NULL);
	CHECK_INT(m.err, E_OK);
	maker_free(&m);
}

TEST(formats_are_a_word_or_a_schema)
{
	maker_init(&m, "m");
	maker_format(&m, FORMAT_JSON, NULL);
	check_member("\"format\":\"json\"");
	maker_init(&m, "m");
	maker_format(&m, FORMAT_SCHEMA, "{\"type\":\"object\"}");
	check_member("\"format\":{\"type\":\"object\"}");
	maker_init(&m, "m");
	maker_format(&m, FORMAT_TEXT, NULL);
	maker_check(&m, &wire_ollama,
		    "{\"model\":\"m\",\"messages\":[]" NO_OPTIONS);
}

TEST(thinking_is_a_level_or_whether)
{
	static const struct {
		enum think_mode mode;
		const char *effort;
		uint64_t budget;
		const char *want;
	} cases[] = {
		{THINK_OFF, "", 0, "\"think\":false"},
		{THINK_ON, "", 0, "\"think\":true"},
		{THINK_AUTO, "", 0, "\"think\":true"},
		{THINK_ON, "minimal", 0, "\"think\":\"low\""},
		{THINK_ON, "high", 0, "\"think\":\"high\""},
		{THINK_UNSAID, "medium", 0, "\"think\":\"medium\""},
		{THINK_ON, "none", 0, "\"think\":false"},
		{THINK_ON, "", 1024, "\"think\":\"low\""},
		{THINK_ON, "", 10000, "\"think\":\"medium\""},
		{THINK_ON, "", 32000, "\"think\":\"high\""},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		maker_init(&m, "m");
		maker_think(&m, cases[i].mode, cases[i].effort,
			    cases[i].budget);
		check_member(cases[i].want);
	}
}

TEST(no_tool_can_be_forced)
{
	maker_init(&m, "m");
	maker_tool(&m, "f", "{}");
	maker_choose(&m, CHOICE_REQUIRED, "");
	maker_check_refused(&m, &wire_ollama, "TOOL_CHOICE");
	maker_init(&m, "m");
	maker_tool(&m, "f", "{}");
	maker_choose(&m, CHOICE_NAMED, "f");
	maker_check_refused(&m, &wire_ollama, "TOOL_CHOICE");
	maker_init(&m, "m");
	maker_tool(&m, "f", "{}");
	maker_say(&m, TRAIT_PARALLEL, "false");
	maker_check_refused(&m, &wire_ollama, "PARALLEL");
	maker_init(&m, "m");
	maker_tool(&m, "f", "{}");
	maker_choose(&m, CHOICE_NONE, "");
	maker_say(&m, TRAIT_PARALLEL, "false");
	maker_check(&m, &wire_ollama,
		    "{\"model\":\"m\",\"messages\":[]" NO_OPTIONS);
}

TEST(what_is_lost_is_named)
{
	maker_init(&m, "m");
	maker_add(&m, SPEAKER_ASSISTANT, PART_REDACTED, "");
	maker_call(&m, "1", "f", "{}");
	maker_result(&m, "1", "x")->failed = true;
	maker_tool(&m, "f", "{}")->strict = maker_json("true");
	m.c.tools->cached = true;
	maker_say(&m, TRAIT_USER, "\"u\"");
	maker_check_dropped(&m, &wire_ollama,
			    "redacted_thinking, is_error, "
			    "tools[].function.strict, cache_control, USER");
	maker_init(&m, "m");
	maker_say(&m, TRAIT_BIAS, "{}");
	maker_check_refused(&m, &wire_ollama, "BIAS");
	maker_init(&m, "m");
	maker_say(&m, TRAIT_COUNT, "2");
	m.ask.choices = 2;
	maker_check_refused(&m, &wire_ollama, "COUNT");
	maker_init(&m, "m");
	maker_call(&m, "1", "f", "")->text = STR("{broken");
	maker_check_refused(&m, &wire_ollama,
			    "messages[].tool_calls[].function.arguments");
	maker_init(&m, "m");
	maker_result(&m, "nobody's", "x");
	maker_check_refused(&m, &wire_ollama, "messages[].tool_call_id");
}

TEST(the_path_is_ollamas_own)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct target to = {.path = STR("")};

	CHECK(str_eq(wire_ollama.path(NULL, &ask, &to), STR("/api/chat")));
	to.path = STR("/x/api");
	CHECK(str_eq(wire_ollama.path(NULL, &ask, &to), STR("/chat")));
	ask.kind = ASK_COMPLETIONS;
	CHECK(wire_ollama.path(NULL, &ask, &to).p == NULL);
}

/* ---- answers ---- */

TEST(an_answer_is_read)
{
	tell_answer(&t, &wire_ollama,
		    "{\"model\":\"llama3.2\",\"created_at\":\"x\",\"message\":"
		    "{\"role\":\"assistant\",\"content\":\"a\\\"b\","
		    "\"thinking\":\"hm\"},\"logprobs\":[{\"token\":\"a\"}],"
		    "\"done\":true,\"done_reason\":\"stop\","
		    "\"prompt_eval_count\":11,\"eval_count\":5}",
		    NULL);
	CHECK_INT(t.err, E_OK);
	CHECK_STR(t.text.p, " llama3.2 think(hm|) text(a\\\"b) "
			    "logprobs{\"content\":[{\"token\":\"a\"}]} stop");
	told_check_usage(&t.answer.usage, 11, 0, 0, 5);
	CHECK_INT(t.answer.content_bytes, 1);
	told_free(&t);
}

TEST(calls_of_an_answer_make_its_finish)
{
	tell_answer(&t, &wire_ollama,
		    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\","
		    "\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":"
		    "\"get_weather\",\"arguments\":{\"city\":\"Z \\\"HB\\\"\"}"
		    "}},{\"id\":\"call_x\",\"function\":{\"name\":\"f\","
		    "\"arguments\":null}}]},\"done\":true,\"done_reason\":"
		    "\"stop\"}",
		    NULL);
	CHECK_STR(t.text.p, " m call(|get_weather|{\"city\":\"Z \\\"HB\\\"\"})"
			    " call(call_x|f|{}) calls");
	CHECK(!t.answer.usage.present);
	CHECK_INT(t.answer.content_bytes, 11 + 19 + 1 + 2);
	told_free(&t);
}

static bool
has_usage(const char *counts)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;
	char body[256];

	(void)snprintf(body, sizeof(body),
		       "{\"message\":{\"content\":\"abc\"},\"done\":true%s}",
		       counts);
	CHECK_INT(wire_ollama.parse_answer(&ask, str_of(body), &a), E_OK);
	CHECK_INT(a.content_bytes, a.usage.present ? 1 : 3);
	return a.usage.present;
}

TEST(counts_that_make_no_sense_are_missing)
{
	CHECK(has_usage(",\"prompt_eval_count\":1,\"eval_count\":1"));
	CHECK(has_usage(",\"prompt_eval_count\":0,\"eval_count\":1"));
	CHECK(!has_usage(",\"prompt_eval_count\":0,\"eval_count\":0"));
	CHECK(!has_usage(",\"prompt_eval_count\":1"));
	CHECK(!has_usage(",\"eval_count\":1"));
	CHECK(!has_usage(",\"prompt_eval_count\":-1,\"eval_count\":1"));
	CHECK(!has_usage(",\"prompt_eval_count\":\"1\",\"eval_count\":1"));
	CHECK(!has_usage(",\"prompt_eval_count\":99999999999999999999,"
			 "\"eval_count\":1"));
}

TEST(what_is_no_answer_is_refused)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;

	CHECK_INT(wire_ollama.parse_answer(&ask, STR("{}"), &a),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(wire_ollama.parse_answer(&ask, STR("hello"), &a),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(wire_ollama.parse_answer(&ask, STR("{\"message\":[]}"), &a),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(wire_ollama.parse_answer(&ask, STR("{\"error\":\"x\"}"), &a),
		  E_UP_SERVER_ERROR);
}

/* ---- streams ---- */

TEST(a_stream_is_read_line_by_line)
{
	static const struct told_event events[] = {
		{"", "{\"model\":\"llama3.2\",\"message\":{\"role\":"
		     "\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},"
		     "\"done\":false}"},
		{"", "{\"model\":\"llama3.2\",\"message\":{\"content\":"
		     "\"Hello \\ud83d\"},\"done\":false}"},
		{"", "{\"model\":\"llama3.2\",\"message\":{\"content\":"
		     "\"\\ude00\"},\"logprobs\":[1],\"done\":false}"},
		{"", "{\"model\":\"llama3.2\",\"message\":{\"content\":\"\"},"
		     "\"done\":true,\"done_reason\":\"length\","
		     "\"prompt_eval_count\":3,\"eval_count\":4}"},
		{"", NULL}};

	tell_stream(&t, &wire_ollama, events, NULL);
	CHECK_STR(t.text.p, "begin(|llama3.2) think(hm) text(Hello \\ud83d) "
			    "text(\\ude00) logprobs{\"content\":[1]} length");
	CHECK(t.done && t.last && !t.error);
	CHECK_INT(t.bytes, 2 + 12 + 6);
	told_check_usage(&t.usage, 3, 0, 0, 4);
	told_free(&t);
}

TEST(calls_of_a_stream_come_whole)
{
	static const struct told_event events[] = {
		{"", "{\"model\":\"m\",\"message\":{\"content\":\"\","
		     "\"tool_calls\":[{\"function\":{\"name\":\"f\","
		     "\"arguments\":{\"a\":\"\\\"\"}}},{\"function\":{"
		     "\"name\":\"g\",\"arguments\":{}}}]},\"done\":false}"},
		{"", "{\"model\":\"m\",\"message\":{\"tool_calls\":[{"
		     "\"function\":{\"name\":\"h\"}}]},\"done\":false}"},
		{"", "{\"model\":\"m\",\"done\":true,\"done_reason\":"
		     "\"stop\",\"prompt_eval_count\":1,\"eval_count\":1}"},
		{"", NULL}};

	tell_stream(&t, &wire_ollama, events, NULL);
	CHECK_STR(t.text.p,
		  "begin(|m) call0(|f) args0({\\\"a\\\":\\\"\\\\\\\"\\\"}) "
		  "call1(|g) args1({}) call2(|h) args2({}) calls");
	told_free(&t);
}

TEST(a_stream_may_break)
{
	static const struct told_event error[] = {
		{"", "{\"message\":{\"content\":\"a\"}}"},
		{"", "{\"error\":\"out of memory\"}"},
		{"", NULL}};
	static const struct told_event nonsense[] = {{"", "{\"message\""},
						     {"", NULL}};
	struct upstream_error e;

	tell_stream(&t, &wire_ollama, error, NULL);
	CHECK(t.error && !t.done && !t.last);
	told_free(&t);
	tell_stream(&t, &wire_ollama, nonsense, NULL);
	CHECK_INT(t.err, E_UP_BAD_RESPONSE);
	told_free(&t);
	wire_ollama.parse_error(200, STR(""), STR("{\"error\":\"oom\"}"), &e);
	CHECK_INT(e.err, E_UP_SERVER_ERROR);
	CHECK(str_eq(e.message, STR("oom")));
}

TEST(errors_are_judged_by_their_status)
{
	struct upstream_error e;

	wire_ollama.parse_error(404, STR(""),
				STR("{\"error\":\"model 'x' not found\"}"), &e);
	CHECK_INT(e.err, E_UP_REQUEST);
	CHECK(str_eq(e.message, STR("model 'x' not found")));
	wire_ollama.parse_error(503, STR(""), STR("busy"), &e);
	CHECK_INT(e.err, E_UP_OVERLOADED);
	CHECK_INT(e.message.n, 0);
	wire_ollama.parse_error(429, STR(""),
				STR("{\"error\":{\"message\":\"slow\","
				    "\"type\":\"t\"}}"),
				&e);
	CHECK_INT(e.err, E_UP_RATE_LIMITED);
	CHECK(str_eq(e.message, STR("slow")));
	CHECK(str_eq(e.type, STR("t")));
}

int
main(void)
{
	RUN(a_request_as_its_own_client_sends_it);
	RUN(a_stream_is_asked_for_and_every_option_has_its_name);
	RUN(calls_have_objects_and_results_the_names_of_tools);
	RUN(texts_are_joined_and_thoughts_sent_back);
	RUN(pictures_are_base64_also_those_of_results);
	RUN(formats_are_a_word_or_a_schema);
	RUN(thinking_is_a_level_or_whether);
	RUN(no_tool_can_be_forced);
	RUN(what_is_lost_is_named);
	RUN(the_path_is_ollamas_own);
	RUN(an_answer_is_read);
	RUN(calls_of_an_answer_make_its_finish);
	RUN(counts_that_make_no_sense_are_missing);
	RUN(what_is_no_answer_is_refused);
	RUN(a_stream_is_read_line_by_line);
	RUN(calls_of_a_stream_come_whole);
	RUN(a_stream_may_break);
	RUN(errors_are_judged_by_their_status);
	return tap_done();
}
