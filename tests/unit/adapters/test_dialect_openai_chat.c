/* adapters/dialect_openai_chat.c, dialect_openai_messages.c: requests of
 * clients, seen by what an upstream of the same dialect would be sent. */
#include "tests/unit/adapters/openai_talk.h"

static struct converted out;

/* A chat of one user message and these members. */
static const char *
with(const char *members)
{
	char body[2048];

	(void)snprintf(body, sizeof(body),
		       "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		       "\"content\":\"hi\"}]%s}",
		       members);
	return converted(ASK_CHAT, body, 0, &out);
}

/* The members that such a chat becomes. */
static void
check_members(const char *line, const char *members, const char *expected)
{
	static const char head[] = "{\"model\":\"up\",\"messages\":[{\"role\":"
				   "\"user\",\"content\":\"hi\"}]";
	const char *got = with(members);

	if (strncmp(got, head, sizeof(head) - 1) != 0 ||
	    strncmp(got + sizeof(head) - 1, expected, strlen(expected)) != 0 ||
	    strcmp(got + sizeof(head) - 1 + strlen(expected), "}") != 0) {
		printf("# %s: %s became %s\n", line, members, got);
		tap_case_bad = true;
	}
}

#define SAME(members)		   check_members("same", members, members)
#define BECOMES(members, expected) check_members("becomes", members, expected)

static const char *
messages(const char *list, unsigned quirks)
{
	static char text[4096];
	char body[2048];
	const char *got, *at;

	(void)snprintf(body, sizeof(body), "{\"model\":\"m\",\"messages\":%s}",
		       list);
	got = converted(ASK_CHAT, body, quirks, &out);
	at = strstr(got, "\"messages\":");
	(void)snprintf(text, sizeof(text), "%s", at ? at + 11 : got);
	if (at && *text)
		text[strlen(text) - 1] = '\0';
	return text;
}

TEST(what_the_official_client_sends_comes_through)
{
	CHECK_STR(converted(ASK_CHAT,
			    "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":"
			    "\"system\",\"content\":\"Be terse.\"},{\"role\":"
			    "\"user\",\"content\":\"hello\"}],"
			    "\"max_completion_tokens\":64,\"temperature\":0.5,"
			    "\"stop\":[\"END\"]}",
			    0, &out),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"system\","
		  "\"content\":\"Be terse.\"},{\"role\":\"user\",\"content\":"
		  "\"hello\"}],\"temperature\":0.5,\"max_completion_tokens\":"
		  "64,\"stop\":[\"END\"]}");
	CHECK_STR(converted(ASK_CHAT,
			    "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":"
			    "\"user\",\"content\":\"hello\"}],\"stream\":true,"
			    "\"stream_options\":{\"include_usage\":true}}",
			    0, &out),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"user\","
		  "\"content\":\"hello\"}],\"stream\":true,"
		  "\"stream_options\":{\"include_usage\":true}}");
	CHECK(out.dropped.n == 0);
}

TEST(calls_and_their_results_come_through)
{
	static const char talk[] =
		"[{\"role\":\"user\",\"content\":\"tool2\"},{\"role\":"
		"\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
		"\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
		"\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Zürich\\\""
		"}\"}},{\"id\":\"call_2\",\"type\":\"function\",\"function\":"
		"{\"name\":\"get_time\",\"arguments\":\"{\\\"tz\\\":\\\"UTC"
		"\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\","
		"\"content\":\"sunny\"},{\"role\":\"tool\",\"tool_call_id\":"
		"\"call_2\",\"content\":\"09:00\"}]";

	CHECK_STR(messages(talk, 0), talk);
	CHECK(out.dropped.n == 0);
}

TEST(arguments_that_are_no_object_stay_as_they_are)
{
	static const char talk[] =
		"[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
		"\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":"
		"\"f\",\"arguments\":\"{\\\"a\\\":\"}}]}]";

	CHECK_STR(messages(talk, 0), talk);
	CHECK_STR(messages("[{\"role\":\"assistant\",\"content\":\"\","
			   "\"tool_calls\":[{\"id\":\"c\",\"function\":{"
			   "\"name\":\"f\",\"arguments\":\"\"},\"index\":0}],"
			   "\"prefix\":false}]",
			   0),
		  "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
		  "\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":"
		  "\"f\",\"arguments\":\"{}\"}}]}]");
}

TEST(functions_are_read_as_tools)
{
	CHECK_STR(messages("[{\"role\":\"assistant\",\"content\":null,"
			   "\"function_call\":{\"name\":\"f\",\"arguments\":"
			   "\"{}\"}},{\"role\":\"function\",\"name\":\"f\","
			   "\"content\":\"1\"}]",
			   0),
		  "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
		  "\"id\":\"call_function_1\",\"type\":\"function\","
		  "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{"
		  "\"role\":\"tool\",\"tool_call_id\":\"call_function_1\","
		  "\"content\":\"1\"}]");
	BECOMES(",\"functions\":[{\"name\":\"f\",\"parameters\":{}}],"
		"\"function_call\":{\"name\":\"f\"}",
		",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
		"\"f\",\"parameters\":{}}}],\"tool_choice\":{\"type\":"
		"\"function\",\"function\":{\"name\":\"f\"}}");
}

TEST(parts_of_all_kinds_come_through)
{
	static const char parts[] =
		"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
		"\"a\\ud83d\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"data:image/png;base64,iVBO\",\"detail\":\"low\"}},{"
		"\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"https://a/b.png\"}},{\"type\":\"input_audio\","
		"\"input_audio\":{\"data\":\"UklG\",\"format\":\"wav\"}},{"
		"\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\","
		"\"file_data\":\"data:application/pdf;base64,JVBE\"}}]}]";

	CHECK_STR(messages(parts, 0), parts);
	/* a lone URL, as Mistral's client sends it */
	CHECK_STR(messages("[{\"role\":\"user\",\"content\":[{\"type\":"
			   "\"image_url\",\"image_url\":\"https://a/b\"}]}]",
			   0),
		  "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
		  "\"image_url\":{\"url\":\"https://a/b\"}}]}]");
}

TEST(texts_of_a_message_become_one)
{
	CHECK_STR(messages("[{\"role\":\"developer\",\"content\":[{\"type\":"
			   "\"text\",\"text\":\"a\"},{\"type\":\"text\","
			   "\"text\":\"b\"}]},{\"role\":\"user\",\"content\":"
			   "\"c\"},{\"role\":\"user\",\"content\":\"d\"},"
			   "{\"role\":\"system\",\"content\":\"e\"}]",
			   0),
		  "[{\"role\":\"system\",\"content\":\"a\\nb\"},{\"role\":"
		  "\"user\",\"content\":\"c\\nd\"},{\"role\":\"system\","
		  "\"content\":\"e\"}]");
	CHECK_STR(messages("[{\"role\":\"assistant\",\"content\":[{\"type\":"
			   "\"text\",\"text\":\"a\"},{\"type\":\"refusal\","
			   "\"refusal\":\"no\"}]}]",
			   0),
		  "[{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":"
		  "\"no\"}]");
}

TEST(thinking_keeps_its_signatures)
{
	static const char talk[] =
		"[{\"role\":\"assistant\",\"content\":\"a\","
		"\"reasoning_content\":\"t\",\"reasoning_details\":[{\"type\":"
		"\"thinking\",\"index\":0,\"signature\":\"s=\"},{\"type\":"
		"\"redacted_thinking\",\"data\":\"ZGF0\"}]}]";

	CHECK_STR(messages(talk, QUIRK_DETAILS),
		  "[{\"role\":\"assistant\",\"content\":\"a\","
		  "\"reasoning_details\":[{\"type\":\"reasoning.text\","
		  "\"text\":\"t\",\"signature\":\"s=\"},{\"type\":"
		  "\"reasoning.encrypted\",\"data\":\"ZGF0\"}]}]");
	CHECK_STR(messages(talk, QUIRK_THOUGHTS),
		  "[{\"role\":\"assistant\",\"content\":\"a\","
		  "\"reasoning_content\":\"t\"}]");
	CHECK(str_eq(out.dropped, STR("thinking")));
	CHECK_STR(messages(talk, 0),
		  "[{\"role\":\"assistant\",\"content\":\"a\"}]");
	CHECK(str_eq(out.dropped, STR("thinking")));
	/* texts of their own: the whole is said twice */
	CHECK_STR(messages("[{\"role\":\"assistant\",\"content\":\"a\","
			   "\"reasoning\":\"xy\",\"thinking_blocks\":[{"
			   "\"type\":\"thinking\",\"thinking\":\"x\","
			   "\"signature\":\"1\"},{\"type\":\"thinking\","
			   "\"thinking\":\"y\",\"signature\":\"2\"}]}]",
			   QUIRK_DETAILS),
		  "[{\"role\":\"assistant\",\"content\":\"a\","
		  "\"reasoning_details\":[{\"type\":\"reasoning.text\","
		  "\"text\":\"x\",\"signature\":\"1\"},{\"type\":"
		  "\"reasoning.text\",\"text\":\"y\",\"signature\":\"2\"}]}]");
}

TEST(signatures_of_calls_are_kept)
{
	static const char talk[] =
		"[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
		"\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":"
		"\"f\",\"arguments\":\"{}\"},\"extra_content\":{\"google\":{"
		"\"thought_signature\":\"abc\"}}}]}]";

	CHECK_STR(messages(talk, QUIRK_SIGNATURES), talk);
	(void)messages(talk, 0);
	CHECK(str_eq(out.dropped, STR("thought_signature")));
}

TEST(cache_marks_are_kept_or_named)
{
	static const char talk[] =
		"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
		"\"a\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":"
		"\"1h\"}},{\"type\":\"text\",\"text\":\"b\"}]}]";

	CHECK_STR(messages(talk, QUIRK_CACHE_MARKS), talk);
	CHECK_STR(messages(talk, 0),
		  "[{\"role\":\"user\",\"content\":\"a\\nb\"}]");
	CHECK(str_eq(out.dropped, STR("cache_control")));
}

TEST(fields_that_say_something_are_traits)
{
	SAME(",\"temperature\":1.0,\"top_p\":0.1,\"seed\":7,\"n\":2,"
	     "\"logprobs\":true,\"top_logprobs\":3,\"presence_penalty\":0.5,"
	     "\"frequency_penalty\":-1,\"logit_bias\":{\"1\":2}");
	SAME(",\"reasoning_effort\":\"high\",\"user\":\"u\","
	     "\"service_tier\":\"flex\",\"metadata\":{\"a\":\"b\"},"
	     "\"store\":true,\"prompt_cache_key\":\"k\",\"verbosity\":\"low\"");
	BECOMES(",\"stop\":\"END\"", ",\"stop\":[\"END\"]");
	BECOMES(",\"max_tokens\":5", ",\"max_completion_tokens\":5");
	BECOMES(",\"random_seed\":5", ",\"seed\":5");
	BECOMES(",\"user\":\"u\",\"safety_identifier\":\"s\"",
		",\"user\":\"s\"");
	CHECK(out.dropped.n == 0);
}

TEST(defaults_say_nothing)
{
	BECOMES(",\"n\":1,\"stop\":null,\"logprobs\":false,\"store\":false,"
		"\"presence_penalty\":0,\"frequency_penalty\":0.0,"
		"\"logit_bias\":{},\"modalities\":[\"text\"],"
		"\"parallel_tool_calls\":true,\"response_format\":{\"type\":"
		"\"text\"},\"tools\":[],\"functions\":null,\"audio\":null,"
		"\"user\":\"\",\"stop\":[],\"web_search_options\":null",
		"");
	CHECK(out.dropped.n == 0);
}

TEST(tools_and_choices_come_through)
{
	static const char tool[] =
		",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
		"\"f\",\"description\":\"d\",\"parameters\":{\"type\":"
		"\"object\"},\"strict\":true}}]";
	char text[512];

	SAME(tool);
	(void)snprintf(text, sizeof(text),
		       "%s,\"tool_choice\":\"required\","
		       "\"parallel_tool_calls\":false",
		       tool);
	SAME(text);
	(void)snprintf(text, sizeof(text),
		       "%s,\"tool_choice\":{\"type\":\"function\","
		       "\"function\":{\"name\":\"f\"}}",
		       tool);
	SAME(text);
	/* what is refused without tools, and says nothing */
	BECOMES(",\"tool_choice\":\"none\",\"parallel_tool_calls\":false", "");
}

TEST(formats_come_through)
{
	SAME(",\"response_format\":{\"type\":\"json_object\"}");
	SAME(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
	     "{\"name\":\"person\",\"schema\":{\"type\":\"object\"},"
	     "\"strict\":true}}");
}

TEST(thinking_is_asked_for_in_several_ways)
{
	BECOMES(",\"reasoning\":{\"effort\":\"low\"}",
		",\"reasoning_effort\":\"low\"");
	BECOMES(",\"reasoning\":{\"max_tokens\":9000}",
		",\"reasoning_effort\":\"medium\"");
	BECOMES(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}",
		",\"reasoning_effort\":\"low\"");
	BECOMES(",\"thinking\":{\"type\":\"adaptive\"}", "");
	BECOMES(",\"reasoning_effort\":\"none\"", "");
	CHECK(str_eq(out.dropped, STR("reasoning_effort")));
	BECOMES(",\"enable_thinking\":false", "");
	CHECK(str_eq(out.dropped, STR("enable_thinking")));
}

TEST(what_has_no_meaning_elsewhere_is_named)
{
	(void)with(",\"prediction\":{\"type\":\"content\"},"
		   "\"prompt_cache_retention\":\"24h\"");
	CHECK(str_eq(out.dropped, STR("prediction, prompt_cache_retention")));
	(void)messages("[{\"role\":\"user\",\"name\":\"n\",\"content\":\"a\"},"
		       "{\"role\":\"user\",\"name\":\"n\",\"content\":\"b\"}]",
		       0);
	CHECK(str_eq(out.dropped, STR("messages[].name")));
	CHECK_STR(with(",\"web_search_options\":{\"a\":1}"),
		  "E_FIELD_LOST: web_search_options");
	CHECK_STR(with(",\"no_such\\u0022field\":1"),
		  "E_FIELD_LOST: no_such\"field");
	CHECK_STR(with(",\"audio\":{\"voice\":\"x\"}"), "E_FIELD_LOST: audio");
	CHECK_STR(with(",\"modalities\":[\"text\",\"audio\"]"),
		  "E_FIELD_LOST: modalities");
	CHECK_STR(with(",\"top_k\":5"), "E_FIELD_LOST: top_k");
	CHECK_STR(with(",\"tools\":[{\"type\":\"custom\",\"custom\":{}}]"),
		  "E_FIELD_LOST: tools[].type");
	CHECK_STR(with(",\"tool_choice\":{\"type\":\"allowed_tools\"}"),
		  "E_FIELD_LOST: tool_choice.type");
	CHECK_STR(messages("[{\"role\":\"user\",\"content\":[{\"type\":"
			   "\"file\",\"file\":{\"file_id\":\"f\"}}]}]",
			   0),
		  "E_FIELD_LOST: messages[].content[].file.file_id");
	CHECK_STR(messages("[{\"role\":\"user\",\"content\":[{\"type\":"
			   "\"video\"}]}]",
			   0),
		  "E_FIELD_LOST: messages[].content[].type");
	CHECK_STR(messages("[{\"role\":\"assistant\",\"audio\":{\"id\":"
			   "\"a\"}}]",
			   0),
		  "E_FIELD_LOST: messages[].audio");
}

TEST(what_is_wrong_is_named)
{
	static const char *const fields[][2] = {
		{",\"temperature\":\"1\"", "temperature"},
		{",\"logprobs\":1", "logprobs"},
		{",\"stop\":[1]", "stop"},
		{",\"stop\":5", "stop"},
		{",\"tools\":{}", "tools"},
		{",\"tools\":[1]", "tools[]"},
		{",\"tools\":[{\"type\":\"function\"}]",
		 "tools[].function.name"},
		{",\"tool_choice\":\"some\"", "tool_choice"},
		{",\"response_format\":{\"type\":\"xml\"}",
		 "response_format.type"},
		{",\"response_format\":{\"type\":\"json_schema\"}",
		 "response_format.json_schema.schema"},
		{",\"reasoning_effort\":3", "reasoning_effort"},
		{",\"thinking\":{\"type\":\"x\"}", "thinking.type"},
		{",\"reasoning\":\"x\"", "reasoning"},
	};
	static const char *const lists[][2] = {
		{"[1]", "messages[0].role"},
		{"[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"x\"}]",
		 "messages[1].role"},
		{"[{\"role\":\"user\"}]", "messages[0].content"},
		{"[{\"role\":\"user\",\"content\":5}]", "messages[0].content"},
		{"[{\"role\":\"user\",\"content\":[5]}]",
		 "messages[0].content"},
		{"[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]",
		 "messages[0].content[].text"},
		{"[{\"role\":\"system\",\"content\":[{\"type\":"
		 "\"image_url\"}]}]",
		 "messages[0].content[].type"},
		{"[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
		 "\"image_url\":{\"url\":\"data:x\"}}]}]",
		 "messages[0].content[].image_url"},
		{"[{\"role\":\"tool\",\"content\":\"a\"}]",
		 "messages[0].tool_call_id"},
		{"[{\"role\":\"assistant\",\"tool_calls\":[{}]}]",
		 "messages[0].tool_calls[].function.name"},
	};
	char expected[128];

	for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
		(void)snprintf(expected, sizeof(expected), "E_BAD_FIELD: %s",
			       fields[i][1]);
		CHECK_STR(with(fields[i][0]), expected);
	}
	for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
		(void)snprintf(expected, sizeof(expected), "E_BAD_FIELD: %s",
			       lists[i][1]);
		CHECK_STR(messages(lists[i][0], 0), expected);
	}
}

TEST(a_legacy_completion_is_a_turn_of_the_user)
{
	CHECK_STR(converted(ASK_COMPLETIONS,
			    "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":"
			    "5,\"best_of\":1,\"echo\":false}",
			    0, &out),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"user\","
		  "\"content\":\"a\"}],\"max_completion_tokens\":5}");
	CHECK_STR(converted(ASK_COMPLETIONS,
			    "{\"model\":\"m\",\"prompt\":[\"a\"]}", 0, &out),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"user\","
		  "\"content\":\"a\"}]}");
	CHECK_STR(converted(ASK_COMPLETIONS,
			    "{\"model\":\"m\",\"prompt\":[\"a\",\"b\"]}", 0,
			    &out),
		  "E_FIELD_LOST: prompt");
	CHECK_STR(converted(ASK_COMPLETIONS, "{\"model\":\"m\"}", 0, &out),
		  "E_MISSING_FIELD: prompt");
	CHECK_STR(converted(ASK_COMPLETIONS,
			    "{\"model\":\"m\",\"prompt\":\"a\",\"echo\":true}",
			    0, &out),
		  "E_FIELD_LOST: echo");
	CHECK_STR(converted(ASK_COMPLETIONS,
			    "{\"model\":\"m\",\"prompt\":\"a\",\"logprobs\":2}",
			    0, &out),
		  "E_FIELD_LOST: logprobs");
	CHECK_STR(converted(ASK_COMPLETIONS,
			    "{\"model\":\"m\",\"prompt\":\"a\",\"best_of\":2}",
			    0, &out),
		  "E_FIELD_LOST: best_of");
}

int
main(void)
{
	arena_init(&arena);
	RUN(what_the_official_client_sends_comes_through);
	RUN(calls_and_their_results_come_through);
	RUN(arguments_that_are_no_object_stay_as_they_are);
	RUN(functions_are_read_as_tools);
	RUN(parts_of_all_kinds_come_through);
	RUN(texts_of_a_message_become_one);
	RUN(thinking_keeps_its_signatures);
	RUN(signatures_of_calls_are_kept);
	RUN(cache_marks_are_kept_or_named);
	RUN(fields_that_say_something_are_traits);
	RUN(defaults_say_nothing);
	RUN(tools_and_choices_come_through);
	RUN(formats_come_through);
	RUN(thinking_is_asked_for_in_several_ways);
	RUN(what_has_no_meaning_elsewhere_is_named);
	RUN(what_is_wrong_is_named);
	RUN(a_legacy_completion_is_a_turn_of_the_user);
	arena_free(&arena);
	return tap_done();
}
