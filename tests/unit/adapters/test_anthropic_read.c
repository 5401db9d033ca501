/* adapters/anthropic_read.c, anthropic_blocks.c: a client's request read,
 * refused, or dropped by name. */
#include "tests/unit/adapters/talks.h"

#define ASK "{\"model\":\"m\",\"max_tokens\":64,"
#define MSG(content) \
	ASK "\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"
#define HEY "\"messages\":[{\"role\":\"user\",\"content\":\"hey\"}]"

TEST(words_stay_as_they_were_sent)
{
	struct talks t;
	struct part *p;

	talks_read(&t, &dialect_anthropic,
		   " " MSG("[{\"type\":\"text\",\"text\":\"a\\ud83d\"},"
			   "{\"type\":\"te\\u0078t\",\"text\":\"b\"}]") " \n");
	CHECK_INT(t.err, E_OK);
	p = t.talk.turns->parts;
	CHECK(t.talk.turns->speaker == SPEAKER_USER);
	CHECK(p->kind == PART_TEXT && str_eq(p->text, STR("a\\ud83d")));
	CHECK(p->next && str_eq(p->next->text, STR("b")) && !p->next->next);
	CHECK(t.talk.traits[TRAIT_MAX].field && t.ask.max_output == 64);
	talks_free(&t);
}

TEST(calls_and_results_keep_ids_and_objects)
{
	struct talks t;
	struct part *p;

	talks_read(&t, &dialect_anthropic,
		   ASK "\"messages\":[{\"role\":\"assistant\",\"content\":[{"
		       "\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"n\","
		       "\"input\":{ \"a\" : 1.0 }}]},{\"role\":\"user\","
		       "\"content\":[{\"type\":\"tool_result\","
		       "\"tool_use_id\":\"c\",\"content\":[{\"type\":"
		       "\"text\",\"text\":\"x\"},{\"type\":\"document\","
		       "\"source\":{\"type\":\"base64\",\"media_type\":"
		       "\"application\\/pdf\",\"data\":\"JV\\/E\"}}],"
		       "\"is_error\":true}]}]}");
	CHECK_INT(t.err, E_OK);
	p = t.talk.turns->parts;
	CHECK(p->kind == PART_CALL && str_eq(p->id, STR("c")));
	CHECK(str_eq(p->args, STR("{ \"a\" : 1.0 }")));
	p = t.talk.turns->next->parts;
	CHECK(p->kind == PART_RESULT && p->failed && str_eq(p->id, STR("c")));
	CHECK(str_eq(p->content->text, STR("x")));
	CHECK(p->content->next->kind == PART_FILE);
	CHECK(str_eq(p->content->next->mime, STR("application/pdf")));
	CHECK(str_eq(p->content->next->data, STR("JV/E")));
	talks_free(&t);
}

TEST(the_signature_of_a_call_is_found_again)
{
	struct talks t;
	struct part *p;

	talks_read(&t, &dialect_anthropic,
		   ASK "\"messages\":[{\"role\":\"assistant\",\"content\":[{"
		       "\"type\":\"thinking\",\"thinking\":\"\","
		       "\"signature\":\"call:none\"},{\"type\":"
		       "\"tool_use\",\"id\":\"c\",\"name\":\"n\","
		       "\"input\":{}},{\"type\":\"thinking\",\"thinking\":"
		       "\"\",\"signature\":\"call:c2ln\"}]}]}");
	CHECK_INT(t.err, E_OK);
	p = t.talk.turns->parts;
	CHECK(p->kind == PART_THINKING);
	p = p->next;
	CHECK(p->kind == PART_CALL && !p->next);
	CHECK(str_eq(p->signature, STR("c2ln")));
	talks_free(&t);
}

TEST(a_mark_for_the_whole_stands_behind_the_last_part)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"cache_control\":{\"type\":\"ephemeral\","
			   "\"ttl\":\"1h\"}}");
	CHECK_INT(t.err, E_OK);
	CHECK(t.talk.turns->parts->cached);
	CHECK(str_eq(t.talk.turns->parts->cache_ttl, STR("1h")));
	talks_free(&t);
}

TEST(tools_and_choices_are_read)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"tools\":[{\"type\":\"custom\",\"name\":\"n\","
			   "\"description\":\"d\",\"input_schema\":{},"
			   "\"strict\":false,\"eager_input_streaming\":true}],"
			   "\"tool_choice\":{\"type\":\"tool\",\"name\":\"n\","
			   "\"disable_parallel_tool_use\":true}}");
	CHECK_INT(t.err, E_OK);
	CHECK(str_eq(t.talk.tools->name, STR("n")));
	CHECK(str_eq(t.talk.tools->description, STR("d")));
	CHECK(t.talk.tools->strict.type == JSON_FALSE);
	CHECK(t.talk.choice == CHOICE_NAMED);
	CHECK(str_eq(t.talk.choice_name, STR("n")));
	CHECK(t.talk.traits[TRAIT_PARALLEL].value.type == JSON_FALSE);
	CHECK(str_eq(t.talk.dropped, STR("tools.eager_input_streaming")));
	talks_free(&t);
}

TEST(thinking_and_effort_are_read)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"thinking\":{\"type\":\"enabled\","
			   "\"budget_tokens\":2000},\"output_config\":{"
			   "\"effort\":\"low\"}}");
	CHECK_INT(t.err, E_OK);
	CHECK(t.talk.think == THINK_ON && t.talk.show_thoughts);
	CHECK_INT(t.talk.budget, 2000);
	CHECK(t.talk.effort.n == 0);
	CHECK(str_eq(t.talk.dropped, STR("output_config.effort")));
	talks_free(&t);
	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"thinking\":{\"type\":\"adaptive\",\"display\":"
			   "\"omitted\"},\"output_config\":{\"effort\":"
			   "\"low\"}}");
	CHECK(t.talk.think == THINK_AUTO && !t.talk.show_thoughts);
	CHECK(str_eq(t.talk.effort, STR("low")));
	talks_free(&t);
	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"output_config\":{\"effort\":\"max\"}}");
	CHECK(t.talk.think == THINK_UNSAID);
	CHECK_STR(t.talk.traits[TRAIT_THINKING].field, "output_config.effort");
	talks_free(&t);
}

TEST(a_tier_is_said_in_common_words)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"service_tier\":\"standard_only\"}");
	CHECK(str_eq(json_inside(t.talk.traits[TRAIT_TIER].value),
		     STR("default")));
	talks_free(&t);
}

TEST(wrong_values_name_the_field)
{
	static const char *const cases[][2] = {
		{MSG("7"), "messages.content"},
		{MSG("[7]"), "messages.content.type"},
		{MSG("[{\"type\":\"text\"}]"), "messages.content.text"},
		{MSG("[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"n\","
		     "\"input\":{}}]"),
		 "messages.content.type"},
		{MSG("[{\"type\":\"image\",\"source\":{\"type\":\"base64\"}}]"),
		 "messages.content.source"},
		{MSG("[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
		     "\"media_type\":\"image/png\",\"data\":\"\"}}]"),
		 "messages.content.source.data"},
		{MSG("[{\"type\":\"image\"}]"), "messages.content.source"},
		{MSG("[{\"type\":\"tool_result\"}]"),
		 "messages.content.tool_use_id"},
		{MSG("[{\"type\":\"tool_result\",\"tool_use_id\":\"c\","
		     "\"is_error\":1}]"),
		 "messages.content.is_error"},
		{MSG("[{\"type\":\"tool_result\",\"tool_use_id\":\"c\","
		     "\"content\":[{\"type\":\"thinking\"}]}]"),
		 "messages.content.type"},
		{ASK "\"messages\":[{\"role\":\"tool\",\"content\":\"\"}]}",
		 "messages.role"},
		{ASK "\"messages\":[\"x\"]}", "messages"},
		{ASK "\"messages\":[{\"role\":\"assistant\",\"content\":[{"
		     "\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"n\","
		     "\"input\":\"{}\"}]}]}",
		 "messages.content.input"},
		{ASK HEY ",\"system\":7}", "system"},
		{ASK HEY ",\"tools\":{}}", "tools"},
		{ASK HEY ",\"tools\":[{\"name\":\"n\"}]}",
		 "tools.input_schema"},
		{ASK HEY ",\"tools\":[{\"input_schema\":{}}]}", "tools.name"},
		{ASK HEY ",\"tool_choice\":\"auto\"}", "tool_choice.type"},
		{ASK HEY ",\"tool_choice\":{\"type\":\"tool\"}}",
		 "tool_choice.name"},
		{ASK HEY ",\"temperature\":\"hot\"}", "temperature"},
		{ASK HEY ",\"stop_sequences\":\"x\"}", "stop_sequences"},
		{ASK HEY ",\"stop_sequences\":[1]}", "stop_sequences"},
		{ASK HEY ",\"thinking\":{\"type\":\"enabled\"}}",
		 "thinking.budget_tokens"},
		{ASK HEY ",\"thinking\":true}", "thinking.type"},
		{ASK HEY ",\"output_config\":{\"format\":{\"type\":\"x\"}}}",
		 "output_config.format"},
		{ASK HEY ",\"output_config\":{\"effort\":1}}",
		 "output_config.effort"},
		{ASK HEY ",\"metadata\":{\"user_id\":1}}", "metadata.user_id"},
		{ASK HEY ",\"service_tier\":1}", "service_tier"},
	};
	struct talks t;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		talks_read(&t, &dialect_anthropic, cases[i][0]);
		CHECK_INT(t.err, E_BAD_FIELD);
		CHECK_STR(t.detail ? t.detail : "", cases[i][1]);
		talks_free(&t);
	}
}

TEST(what_only_the_provider_has_is_refused_by_name)
{
	static const char *const cases[][2] = {
		{ASK HEY ",\"tools\":[{\"type\":\"web_search_20250305\","
			 "\"name\":\"web_search\"}]}",
		 "tools.web_search_20250305"},
		{MSG("[{\"type\":\"search_result\"}]"),
		 "messages.content.search_result"},
		{MSG("[{\"type\":\"image\",\"source\":{\"type\":\"file\","
		     "\"file_id\":\"f\"}}]"),
		 "messages.content.source.file_id"},
		{MSG("[{\"type\":\"document\",\"source\":{\"type\":\"file\","
		     "\"file_id\":\"f\"}}]"),
		 "messages.content.source.file_id"},
		{ASK HEY ",\"mcp_servers\":[{\"url\":\"x\"}]}", "mcp_servers"},
		{ASK HEY ",\"container\":\"c\"}", "container"},
		{ASK HEY ",\"inference_geo\":\"us\"}", "inference_geo"},
		{ASK HEY ",\"output_config\":{\"x\":1}}", "output_config.x"},
		{MSG("[{\"type\":\"text\",\"text\":\"a\",\"x\":1}]"),
		 "messages.content.x"},
	};
	struct talks t;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		talks_read(&t, &dialect_anthropic, cases[i][0]);
		CHECK_INT(t.err, E_OK);
		CHECK_STR(t.talk.refused ? t.talk.refused : "", cases[i][1]);
		talks_write(&t, &wire_anthropic, "m");
		CHECK_INT(t.err, E_FIELD_LOST);
		CHECK_STR(t.refused, cases[i][1]);
		talks_free(&t);
	}
}

TEST(empty_wishes_are_none)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic,
		   ASK HEY ",\"tools\":[],\"system\":null,\"container\":null,"
			   "\"mcp_servers\":[],\"stop_sequences\":[],"
			   "\"tool_choice\":null,\"thinking\":null,"
			   "\"metadata\":{},\"x\":false}");
	CHECK_INT(t.err, E_OK);
	CHECK(!t.talk.refused && t.talk.dropped.n == 0);
	CHECK(!t.talk.traits[TRAIT_STOP].field);
	talks_free(&t);
}

TEST(harmless_members_are_dropped_by_name)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic,
		   ASK "\"messages\":[{\"role\":\"user\",\"content\":[{"
		       "\"type\":\"text\",\"text\":\"a\",\"citations\":[1]},"
		       "{\"type\":\"text\",\"text\":\"a\",\"citations\":[1]}]"
		       "}],\"speed\":\"fast\",\"context_management\":"
		       "{\"edits\":[]}}");
	CHECK_INT(t.err, E_OK);
	CHECK(!t.talk.refused);
	CHECK(str_eq(t.talk.dropped, STR("speed, context_management, "
					 "messages.content.citations")));
	talks_free(&t);
}

/* Every request cut off anywhere is refused, without harm. */
TEST(half_a_request_is_none)
{
	static const char body[] =
		ASK "\"system\":[{\"type\":\"text\",\"text\":\"S\"}],"
		    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"text\",\"text\":\"a\"}]}]}";
	char cut[sizeof(body)];
	struct talks t;

	for (size_t n = 0; n + 1 < sizeof(body); n++) {
		memcpy(cut, body, n);
		cut[n] = '\0';
		talks_read(&t, &dialect_anthropic, cut);
		CHECK_INT(t.err, E_BAD_JSON);
		talks_free(&t);
	}
}

int
main(void)
{
	RUN(words_stay_as_they_were_sent);
	RUN(calls_and_results_keep_ids_and_objects);
	RUN(the_signature_of_a_call_is_found_again);
	RUN(a_mark_for_the_whole_stands_behind_the_last_part);
	RUN(tools_and_choices_are_read);
	RUN(thinking_and_effort_are_read);
	RUN(a_tier_is_said_in_common_words);
	RUN(wrong_values_name_the_field);
	RUN(what_only_the_provider_has_is_refused_by_name);
	RUN(empty_wishes_are_none);
	RUN(harmless_members_are_dropped_by_name);
	RUN(half_a_request_is_none);
	return tap_done();
}
