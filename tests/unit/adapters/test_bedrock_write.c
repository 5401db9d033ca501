/* adapters/bedrock_write.c, bedrock_blocks.c: requests for Converse. */
#include "tests/unit/adapters/wire_maker.h"

static struct maker m;

#define CLAUDE "anthropic.claude-sonnet-4-20250514-v1:0"
#define PNG    "iVBORw0KGgoAAAANSUhEUg=="
#define HELLO \
	"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]"

static void
hello(const char *model)
{
	maker_init(&m, model);
	maker_text(&m, SPEAKER_USER, "hi");
}

TEST(a_request_as_its_own_client_sends_it)
{
	maker_init(&m, CLAUDE);
	maker_text(&m, SPEAKER_SYSTEM, "Be terse.");
	maker_text(&m, SPEAKER_USER, "hello");
	maker_max(&m, 64);
	maker_say(&m, TRAIT_TEMPERATURE, "0.5");
	maker_say(&m, TRAIT_STOP, "[\"END\"]");
	maker_check(&m, &wire_bedrock,
		    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
		    "\"hello\"}]}],\"system\":[{\"text\":\"Be terse.\"}],"
		    "\"inferenceConfig\":{\"maxTokens\":64,\"temperature\":0.5,"
		    "\"stopSequences\":[\"END\"]}}");
}

TEST(turns_alternate_and_say_something)
{
	maker_init(&m, CLAUDE);
	maker_text(&m, SPEAKER_USER, "a");
	maker_text(&m, SPEAKER_SYSTEM, "s1");
	maker_text(&m, SPEAKER_USER, "b");
	maker_text(&m, SPEAKER_ASSISTANT, "");
	maker_text(&m, SPEAKER_USER, "c");
	maker_add(&m, SPEAKER_ASSISTANT, PART_REFUSAL, "no");
	maker_text(&m, SPEAKER_SYSTEM, "s2");
	maker_text(&m, SPEAKER_ASSISTANT, "d");
	maker_text(&m, SPEAKER_SYSTEM, "");
	maker_check(&m, &wire_bedrock,
		    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
		    "\"a\"},{\"text\":\"b\"},{\"text\":\"c\"}]},{\"role\":"
		    "\"assistant\",\"content\":[{\"text\":\"no\"},{\"text\":"
		    "\"d\"}]}],\"system\":[{\"text\":\"s1\"},{\"text\":"
		    "\"s2\"}],\"inferenceConfig\":{}}");
}

TEST(calls_and_results_keep_their_ids)
{
	maker_init(&m, CLAUDE);
	maker_text(&m, SPEAKER_USER, "tool2");
	maker_call(&m, "call_1", "get_weather", "{\"city\":\"Z\\u00fc\"}");
	maker_call(&m, "call_0", "get_time", "");
	maker_text(&m, SPEAKER_USER, "now");
	maker_result(&m, "call_1", "sunny")->failed = true;
	maker_result(&m, "call_0", NULL);
	maker_tool(&m, "get_weather", "{\"type\":\"object\"}")->description =
		STR("Weather");
	maker_tool(&m, "get_time", "{\"properties\":{}}")->strict =
		maker_json("true");
	maker_choose(&m, CHOICE_REQUIRED, "");
	maker_check(
		&m, &wire_bedrock,
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
		"\"tool2\"}]},{\"role\":\"assistant\",\"content\":[{"
		"\"toolUse\":{\"toolUseId\":\"call_1\",\"name\":"
		"\"get_weather\",\"input\":{\"city\":\"Z\\u00fc\"}}},{"
		"\"toolUse\":{\"toolUseId\":\"call_0\",\"name\":\"get_time\","
		"\"input\":{}}}]},{\"role\":\"user\",\"content\":[{"
		"\"toolResult\":{\"toolUseId\":\"call_1\",\"content\":[{"
		"\"text\":\"sunny\"}],\"status\":\"error\"}},{\"toolResult\":{"
		"\"toolUseId\":\"call_0\",\"content\":[]}},{\"text\":\"now\"}]"
		"}],\"inferenceConfig\":{},\"toolConfig\":{\"tools\":[{"
		"\"toolSpec\":{\"name\":\"get_weather\",\"description\":"
		"\"Weather\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}"
		",{\"toolSpec\":{\"name\":\"get_time\",\"inputSchema\":{"
		"\"json\":{\"type\":\"object\",\"properties\":{}}},\"strict\":"
		"true}}],\"toolChoice\":{\"any\":{}}}}");
}

static void
check_has(const char *member)
{
	const char *body = maker_write(&m, &wire_bedrock);

	CHECK_INT(m.err, E_OK);
	CHECK_STR(m.dropped.n > 0 ? m.dropped.p : "", "");
	if (!strstr(body, member))
		CHECK_STR(body, member);
	maker_free(&m);
}

#define TOOLS                                                               \
	"\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\","         \
	"\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}" \
	"}}}]"

TEST(a_tool_may_be_chosen)
{
	hello(CLAUDE);
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_NAMED, "f");
	check_has(TOOLS ",\"toolChoice\":{\"tool\":{\"name\":\"f\"}}}}");
	hello(CLAUDE);
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_AUTO, "");
	check_has(TOOLS ",\"toolChoice\":{\"auto\":{}}}}");
	hello(CLAUDE);
	maker_tool(&m, "f", NULL);
	check_has(TOOLS "}}");
	hello(CLAUDE);
	maker_choose(&m, CHOICE_REQUIRED, "");
	maker_check_refused(&m, &wire_bedrock, "TOOL_CHOICE");
}

TEST(no_call_means_no_tools)
{
	hello(CLAUDE);
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_NONE, "");
	maker_say(&m, TRAIT_PARALLEL, "false");
	maker_check(&m, &wire_bedrock, HELLO ",\"inferenceConfig\":{}}");
	hello(CLAUDE);
	maker_call(&m, "1", "f", "{}");
	maker_result(&m, "1", "x");
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_NONE, "");
	maker_check_refused(&m, &wire_bedrock, "TOOL_CHOICE");
}

TEST(one_call_at_most_is_said_to_claude_only)
{
	hello(CLAUDE);
	maker_tool(&m, "f", NULL);
	maker_say(&m, TRAIT_PARALLEL, "false");
	check_has(TOOLS "},\"additionalModelRequestFields\":{\"tool_choice\":{"
			"\"type\":\"auto\",\"disable_parallel_tool_use\":true}}"
			"}");
	hello(CLAUDE);
	maker_tool(&m, "f", NULL);
	maker_choose(&m, CHOICE_NAMED, "f");
	maker_say(&m, TRAIT_PARALLEL, "false");
	check_has(TOOLS "},\"additionalModelRequestFields\":{\"tool_choice\":{"
			"\"type\":\"tool\",\"name\":\"f\","
			"\"disable_parallel_tool_use\":true}}}");
	hello("meta.llama3-1-8b-instruct-v1:0");
	maker_tool(&m, "f", NULL);
	maker_say(&m, TRAIT_PARALLEL, "false");
	maker_check_refused(&m, &wire_bedrock, "PARALLEL");
}

TEST(illegal_names_become_legal_everywhere)
{
	struct str legal;
	const char *at;

	maker_init(&m, CLAUDE);
	maker_call(&m, "a:b", "my.tool", "{}");
	maker_result(&m, "a:b", "x");
	maker_tool(&m, "my.tool", NULL);
	maker_choose(&m, CHOICE_NAMED, "my.tool");
	at = strstr(maker_write(&m, &wire_bedrock), "my_tool_");
	legal = str_make(at, 20);
	CHECK_INT(m.err, E_OK);
	for (unsigned i = 0; i < 2; i++) {
		at = strstr(at + 1, "my_tool_");
		CHECK(at && str_eq(str_make(at, 20), legal));
	}
	CHECK(!strstr(m.body.p, "my.tool") && !strstr(m.body.p, "a:b"));
	at = strstr(m.body.p, "a_b_");
	legal = str_make(at, 16);
	at = strstr(at + 1, "a_b_");
	CHECK(at && str_eq(str_make(at, 16), legal));
	maker_free(&m);
}

TEST(media_are_named_by_their_format)
{
	struct part *p;

	maker_init(&m, CLAUDE);
	maker_media(&m, PART_IMAGE, "image/jpg", "aaaa");
	maker_media(&m, PART_IMAGE, "", PNG);
	maker_media(&m, PART_FILE, "application/pdf", "bbbb")->name =
		STR("my  report_v2.pdf");
	maker_media(&m, PART_FILE, "text/plain; charset=utf-8", "cccc");
	maker_media(&m, PART_AUDIO, "audio/mpeg", "dddd");
	check_has("\"content\":[{\"image\":{\"format\":\"jpeg\",\"source\":{"
		  "\"bytes\":\"aaaa\"}}},{\"image\":{\"format\":\"png\","
		  "\"source\":{\"bytes\":\"" PNG "\"}}},{\"document\":{"
		  "\"format\":\"pdf\",\"name\":\"my report v2 pdf 1\","
		  "\"source\":{\"bytes\":\"bbbb\"}}},{\"document\":{"
		  "\"format\":\"txt\",\"name\":\"document 2\",\"source\":{"
		  "\"bytes\":\"cccc\"}}},{\"audio\":{\"format\":\"mp3\","
		  "\"source\":{\"bytes\":\"dddd\"}}}]");
	maker_init(&m, CLAUDE);
	p = maker_result(&m, "1", "see");
	p->content->next = part_new(&m.a, PART_IMAGE);
	p->content->next->data = STR(PNG);
	check_has("\"content\":[{\"text\":\"see\"},{\"image\":{\"format\":"
		  "\"png\",\"source\":{\"bytes\":\"" PNG "\"}}}]");
}

TEST(media_that_cannot_be_sent_are_refused)
{
	maker_init(&m, CLAUDE);
	maker_media(&m, PART_IMAGE, "image/png", "")->url = STR("https://x");
	maker_check_refused(&m, &wire_bedrock,
			    "messages[].content[].image_url.url");
	maker_init(&m, CLAUDE);
	maker_media(&m, PART_IMAGE, "image/tiff", "aaaa");
	maker_check_refused(&m, &wire_bedrock,
			    "messages[].content[].image_url.url");
	maker_init(&m, CLAUDE);
	maker_media(&m, PART_FILE, "application/zip", "aaaa");
	maker_check_refused(&m, &wire_bedrock, "messages[].content[].file");
	maker_init(&m, CLAUDE);
	maker_media(&m, PART_AUDIO, "audio/x", "aaaa");
	maker_check_refused(&m, &wire_bedrock,
			    "messages[].content[].input_audio");
	maker_init(&m, CLAUDE);
	maker_call(&m, "1", "f", "")->text = STR("{bad");
	maker_check_refused(&m, &wire_bedrock,
			    "messages[].tool_calls[].function.arguments");
}

TEST(thoughts_go_back_sealed_or_not_at_all)
{
	maker_init(&m, CLAUDE);
	maker_add(&m, SPEAKER_ASSISTANT, PART_THINKING, "hm")->signature =
		STR("sig");
	maker_add(&m, SPEAKER_ASSISTANT, PART_REDACTED, "")->data = STR("cmVk");
	maker_text(&m, SPEAKER_ASSISTANT, "yes");
	check_has("\"content\":[{\"reasoningContent\":{\"reasoningText\":{"
		  "\"text\":\"hm\",\"signature\":\"sig\"}}},{"
		  "\"reasoningContent\":{\"redactedContent\":\"cmVk\"}},{"
		  "\"text\":\"yes\"}]");
	maker_init(&m, CLAUDE);
	maker_add(&m, SPEAKER_ASSISTANT, PART_THINKING, "hm");
	maker_text(&m, SPEAKER_ASSISTANT, "yes");
	maker_check_dropped(&m, &wire_bedrock, "thinking");
}

TEST(marks_of_the_cache_become_points)
{
	maker_init(&m, CLAUDE);
	maker_add(&m, SPEAKER_SYSTEM, PART_TEXT, "s")->cached = true;
	maker_add(&m, SPEAKER_USER, PART_TEXT, "u")->cached = true;
	m.c.last->parts->cache_ttl = STR("1h");
	maker_tool(&m, "f", NULL)->cached = true;
	check_has("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
		  "\"u\"},{\"cachePoint\":{\"type\":\"default\",\"ttl\":"
		  "\"1h\"}}]}],\"system\":[{\"text\":\"s\"},{\"cachePoint\":{"
		  "\"type\":\"default\"}}],\"inferenceConfig\":{},"
		  "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\","
		  "\"inputSchema\":{\"json\":{\"type\":\"object\","
		  "\"properties\":{}}}}},{\"cachePoint\":{\"type\":"
		  "\"default\"}}]}}");
	hello("meta.llama3-1-8b-instruct-v1:0");
	m.c.last->parts->cached = true;
	maker_check_dropped(&m, &wire_bedrock, "cache_control");
}

TEST(claude_thinks_within_its_rules)
{
	hello(CLAUDE);
	maker_think(&m, THINK_ON, "", 2000);
	maker_max(&m, 5000);
	check_has("\"inferenceConfig\":{\"maxTokens\":5000},"
		  "\"additionalModelRequestFields\":{\"thinking\":{\"type\":"
		  "\"enabled\",\"budget_tokens\":2000}}}");
	hello("us.anthropic.claude-opus-4-6-v1:0");
	maker_think(&m, THINK_ON, "low", 0);
	check_has("\"inferenceConfig\":{},\"additionalModelRequestFields\":{"
		  "\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{"
		  "\"effort\":\"low\"}}}");
	hello(CLAUDE);
	maker_think(&m, THINK_ON, "low", 0);
	maker_say(&m, TRAIT_TEMPERATURE, "0.5");
	maker_check_dropped(&m, &wire_bedrock, "THINKING");
	hello("anthropic.claude-3-haiku-20240307-v1:0");
	maker_think(&m, THINK_ON, "low", 0);
	maker_check_dropped(&m, &wire_bedrock, "THINKING");
	hello("anthropic.claude-3-haiku-20240307-v1:0");
	maker_think(&m, THINK_OFF, "", 0);
	maker_check(&m, &wire_bedrock, HELLO ",\"inferenceConfig\":{}}");
}

TEST(other_models_have_other_fields)
{
	hello(CLAUDE);
	maker_say(&m, TRAIT_TOP_K, "40");
	check_has("\"additionalModelRequestFields\":{\"top_k\":40}}");
	hello("amazon.nova-2-lite-v1:0");
	maker_say(&m, TRAIT_TOP_K, "40");
	maker_think(&m, THINK_ON, "high", 0);
	check_has("\"additionalModelRequestFields\":{\"inferenceConfig\":{"
		  "\"topK\":40},\"reasoningConfig\":{\"type\":\"enabled\","
		  "\"maxReasoningEffort\":\"high\"}}}");
	hello("amazon.nova-pro-v1:0");
	maker_think(&m, THINK_ON, "high", 0);
	maker_check_dropped(&m, &wire_bedrock, "THINKING");
	hello("openai.gpt-oss-120b-1:0");
	maker_think(&m, THINK_ON, "high", 0);
	check_has("\"additionalModelRequestFields\":{\"reasoning_effort\":"
		  "\"high\"}}");
}

TEST(schemas_stand_in_a_string)
{
	hello(CLAUDE);
	maker_format(&m, FORMAT_SCHEMA, "{\"type\":\"object\"}");
	m.c.format_name = STR("person");
	check_has("\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\","
		  "\"structure\":{\"jsonSchema\":{\"schema\":\"{\\\"type\\\":"
		  "\\\"object\\\",\\\"additionalProperties\\\":"
		  "false}\",\"name\":\"person\"}}}}}");
	hello(CLAUDE);
	maker_format(&m, FORMAT_JSON, NULL);
	maker_check_refused(&m, &wire_bedrock, "FORMAT");
	hello(CLAUDE);
	maker_format(&m, FORMAT_TEXT, NULL);
	maker_check(&m, &wire_bedrock, HELLO ",\"inferenceConfig\":{}}");
}

TEST(who_asks_is_metadata_where_it_is_legal)
{
	hello(CLAUDE);
	maker_say(&m, TRAIT_USER, "\"u-1\"");
	maker_say(&m, TRAIT_METADATA, "{\"a\":\"b\",\"c\":\"d e\"}");
	maker_say(&m, TRAIT_TIER, "\"flex\"");
	check_has("\"requestMetadata\":{\"a\":\"b\",\"c\":\"d e\",\"user\":"
		  "\"u-1\"},\"serviceTier\":{\"type\":\"flex\"}}");
	hello(CLAUDE);
	maker_say(&m, TRAIT_USER, "\"u\\\"1\"");
	maker_say(&m, TRAIT_METADATA, "{\"a\":1}");
	maker_say(&m, TRAIT_TIER, "\"auto\"");
	maker_check_dropped(&m, &wire_bedrock, "USER, TIER, METADATA");
}

TEST(what_is_lost_is_named)
{
	static const struct {
		enum trait_kind kind;
		const char *value, *name;
	} refused[] = {
		{TRAIT_TEMPERATURE, "1.5", "TEMPERATURE"},
		{TRAIT_SEED, "1", "SEED"},
		{TRAIT_LOGPROBS, "true", "LOGPROBS"},
		{TRAIT_PRESENCE, "1", "PRESENCE"},
		{TRAIT_FREQUENCY, "1", "FREQUENCY"},
		{TRAIT_BIAS, "{}", "BIAS"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
		hello(CLAUDE);
		maker_say(&m, refused[i].kind, refused[i].value);
		maker_check_refused(&m, &wire_bedrock, refused[i].name);
	}
	hello(CLAUDE);
	maker_say(&m, TRAIT_COUNT, "2");
	m.ask.choices = 2;
	maker_check_refused(&m, &wire_bedrock, "COUNT");
	hello(CLAUDE);
	maker_say(&m, TRAIT_COUNT, "1");
	maker_say(&m, TRAIT_VERBOSITY, "\"low\"");
	maker_say(&m, TRAIT_CACHE_KEY, "\"k\"");
	maker_check_dropped(&m, &wire_bedrock, "VERBOSITY, CACHE_KEY");
}

int
main(void)
{
	RUN(a_request_as_its_own_client_sends_it);
	RUN(turns_alternate_and_say_something);
	RUN(calls_and_results_keep_their_ids);
	RUN(a_tool_may_be_chosen);
	RUN(no_call_means_no_tools);
	RUN(one_call_at_most_is_said_to_claude_only);
	RUN(illegal_names_become_legal_everywhere);
	RUN(media_are_named_by_their_format);
	RUN(media_that_cannot_be_sent_are_refused);
	RUN(thoughts_go_back_sealed_or_not_at_all);
	RUN(marks_of_the_cache_become_points);
	RUN(claude_thinks_within_its_rules);
	RUN(other_models_have_other_fields);
	RUN(schemas_stand_in_a_string);
	RUN(who_asks_is_metadata_where_it_is_legal);
	RUN(what_is_lost_is_named);
	return tap_done();
}
