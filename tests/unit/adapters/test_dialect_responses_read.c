/* adapters/dialect_responses_read.c and _items.c: requests in nobody's
 * words, shown by writing them again for an upstream. */
#include "tests/unit/adapters/responses_fixture.h"

#define ASKED(more)   "{\"model\":\"m\",\"input\":\"x\"," more "}"
#define ITEMS(more)   "{\"model\":\"m\",\"input\":[" more "]}"
#define WRITTEN(more) "{\"model\":\"up\",\"input\":[" more "],\"store\":false}"
#define X	      "{\"role\":\"user\",\"content\":\"x\"}"

TEST(requests_of_sdks_are_read)
{
	CHECK_STR(fix_round("{\"model\":\"gpt-4o\",\"input\":[{\"role\":"
			    "\"user\",\"content\":\"hello\"}],\"store\":false,"
			    "\"instructions\":\"Be terse.\","
			    "\"max_output_tokens\":64,\"temperature\":0.5}"),
		  "{\"model\":\"up\",\"instructions\":\"Be terse.\",\"input\":"
		  "[{\"role\":\"user\",\"content\":\"hello\"}],"
		  "\"max_output_tokens\":64,\"temperature\":0.5,"
		  "\"store\":false}");
	CHECK_STR(fix_round("{\"model\":\"m\",\"input\":\"hi \\ud83d\"}"),
		  WRITTEN("{\"role\":\"user\",\"content\":\"hi \\ud83d\"}"));
}

TEST(tool_loops_keep_their_items)
{
	CHECK_STR(
		fix_round(ITEMS(
			X
			",{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":["
			"{\"type\":\"summary_text\",\"text\":\"Hm\"}],"
			"\"encrypted_content\":\"rs_9:gA\"},{\"type\":"
			"\"function_call\",\"id\":\"fc_1\",\"call_id\":"
			"\"call_1\",\"name\":\"get_weather\",\"arguments\":"
			"\"{\\\"city\\\":\\\"Zürich\\\"}\"},{\"type\":"
			"\"function_call\",\"call_id\":\"call_2\",\"name\":"
			"\"get_time\",\"arguments\":\"not JSON\"},{\"type\":"
			"\"function_call_output\",\"call_id\":\"call_1\","
			"\"output\":\"sunny\"},{\"type\":"
			"\"function_call_output\",\"call_id\":\"call_2\","
			"\"output\":[{\"type\":\"input_text\",\"text\":\"09\"}"
			",{\"type\":\"input_image\",\"image_url\":"
			"\"https://x/y\"}]}")),
		"{\"model\":\"up\",\"input\":[" X
		",{\"type\":\"reasoning\",\"id\":\"rs_9\",\"summary\":[{"
		"\"type\":\"summary_text\",\"text\":\"Hm\"}],"
		"\"encrypted_content\":\"gA\"},{\"type\":\"function_call\","
		"\"call_id\":\"call_1\",\"name\":\"get_weather\","
		"\"arguments\":\"{\\\"city\\\":\\\"Zürich\\\"}\"},{\"type\":"
		"\"function_call\",\"call_id\":\"call_2\",\"name\":"
		"\"get_time\",\"arguments\":\"not JSON\"},{\"type\":"
		"\"function_call_output\",\"call_id\":\"call_1\",\"output\":"
		"\"sunny\"},{\"type\":\"function_call_output\",\"call_id\":"
		"\"call_2\",\"output\":[{\"type\":\"input_text\",\"text\":"
		"\"09\"},{\"type\":\"input_image\",\"image_url\":"
		"\"https://x/y\",\"detail\":\"auto\"}]}],\"include\":["
		"\"reasoning.encrypted_content\"],\"store\":false}");
}

static const char *
parts_of(const char *body, struct conversation *c)
{
	struct ask ask;
	const char *detail;

	conversation_init(c, &arena);
	CHECK(fix_parse(body, &ask, &detail) == E_OK);
	if (dialect_responses.read(c, &ask, &detail) != E_OK)
		return "error";
	buf_reset(&text);
	for (const struct turn *t = c->turns; t; t = t->next) {
		buf_add_cstr(&text, t->speaker == SPEAKER_USER	   ? "user: "
				    : t->speaker == SPEAKER_SYSTEM ? "system: "
								   : "model: ");
		fix_parts(t->parts);
	}
	return said();
}

TEST(messages_have_two_forms_and_four_roles)
{
	struct conversation c;

	CHECK_STR(
		parts_of(ITEMS("{\"role\":\"system\",\"content\":\"a\"},{"
			       "\"type\":\"message\",\"role\":\"developer\","
			       "\"content\":[{\"type\":\"input_text\",\"text\":"
			       "\"b\"}]},{\"type\":\"message\",\"id\":\"msg_1"
			       "\",\"status\":\"completed\",\"role\":"
			       "\"assistant\",\"content\":[{\"type\":"
			       "\"output_text\",\"text\":\"c\",\"annotations\""
			       ":[]},{\"type\":\"refusal\",\"refusal\":\"d\"}]"
			       "},{\"type\":null,\"role\":\"user\","
			       "\"content\":[{\"type\":\"input_image\","
			       "\"image_url\":\"data:image/png;base64,iVBO\","
			       "\"detail\":\"high\"},{\"type\":\"input_file\","
			       "\"file_data\":\"data:application/pdf;base64,J"
			       "\",\"filename\":\"a.pdf\"},{\"type\":"
			       "\"input_file\",\"file_data\":\"Kg\"},{"
			       "\"type\":\"input_audio\",\"input_audio\":{"
			       "\"data\":\"U\",\"format\":\"mp3\"}}]}"),
			 &c),
		"system: text(a) text(b) model: text(c) refusal(d) user: "
		"image( data=iVBO) file( data=J) file( data=Kg) "
		"audio( data=U) ");
}

TEST(seals_find_their_place_again)
{
	struct conversation c;

	CHECK_STR(parts_of(ITEMS("{\"type\":\"function_call\",\"call_id\":"
				 "\"a:b\",\"name\":\"f\",\"arguments\":\"{}\"},"
				 "{\"type\":\"reasoning\",\"summary\":[],"
				 "\"encrypted_content\":\"call:a:b:Sig=\"},{"
				 "\"type\":\"reasoning\",\"summary\":[],"
				 "\"encrypted_content\":\"redacted:Abc\"},{"
				 "\"type\":\"reasoning\",\"summary\":[],"
				 "\"content\":[{\"type\":\"reasoning_text\","
				 "\"text\":\"raw\"}]},{\"type\":\"reasoning\","
				 "\"summary\":[],\"encrypted_content\":\"E\"},{"
				 "\"type\":\"reasoning\",\"summary\":[]}"),
			   &c),
		  "model: call({} id=a:b name=f sign=Sig=) "
		  "redacted( data=Abc) thinking(raw) thinking( sign=E) ");
	CHECK(str_eq(c.dropped, STR("input.reasoning")));
}

TEST(tools_and_their_choice_are_read)
{
	CHECK_STR(fix_round(ASKED("\"tools\":[{\"type\":\"function\",\"name\":"
				  "\"f\",\"description\":\"d\",\"parameters\":{"
				  "\"type\":\"object\"},\"strict\":true},{"
				  "\"type\":\"function\",\"name\":\"g\","
				  "\"parameters\":null,\"strict\":null}],"
				  "\"tool_choice\":\"required\","
				  "\"parallel_tool_calls\":true")),
		  "{\"model\":\"up\",\"input\":[" X
		  "],\"tools\":[{\"type\":\"function\",\"name\":\"f\","
		  "\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
		  "\"strict\":true},{\"type\":\"function\",\"name\":\"g\","
		  "\"parameters\":{\"type\":\"object\",\"properties\":{}},"
		  "\"strict\":false}],\"tool_choice\":\"required\","
		  "\"store\":false}");
	CHECK(strstr(fix_round(ASKED("\"tool_choice\":{\"type\":\"function\","
				     "\"name\":\"f\"}")),
		     "\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}"));
	CHECK(strstr(fix_round(ASKED("\"tool_choice\":\"none\","
				     "\"parallel_tool_calls\":false")),
		     "\"tool_choice\":\"none\",\"parallel_tool_calls\":false"));
}

TEST(tools_that_are_not_allowed_are_not_told_of)
{
	const char *s = fix_round(
		ASKED("\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{"
		      "\"type\":\"function\",\"name\":\"g\"}],"
		      "\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":"
		      "\"required\",\"tools\":[{\"type\":\"function\","
		      "\"name\":\"g\"}]}"));

	CHECK(!strstr(s, "\"name\":\"f\""));
	CHECK(strstr(s, "\"name\":\"g\"") &&
	      strstr(s, "\"tool_choice\":\"required\""));
}

TEST(settings_are_read)
{
	CHECK_STR(
		fix_round(ASKED(
			"\"text\":{\"format\":{\"type\":\"json_schema\","
			"\"name\":\"person\",\"schema\":{\"type\":\"object\"},"
			"\"strict\":true},\"verbosity\":\"low\"},"
			"\"reasoning\":{\"effort\":\"high\",\"summary\":"
			"\"auto\"},\"include\":[\"reasoning.encrypted_content\""
			",\"message.output_text.logprobs\"],\"top_logprobs\":2,"
			"\"top_p\":0.9,\"metadata\":{\"a\":\"b\"},"
			"\"safety_identifier\":\"s\",\"user\":\"u\","
			"\"service_tier\":\"flex\",\"store\":true,"
			"\"prompt_cache_key\":\"k\",\"truncation\":\"auto\","
			"\"background\":false,\"max_tool_calls\":3")),
		"{\"model\":\"up\",\"input\":[" X
		"],\"top_p\":0.9,\"text\":{\"format\":{\"type\":"
		"\"json_schema\",\"name\":\"person\",\"schema\":{\"type\":"
		"\"object\"},\"strict\":true},\"verbosity\":\"low\"},"
		"\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"},"
		"\"include\":[\"reasoning.encrypted_content\","
		"\"message.output_text.logprobs\"],\"top_logprobs\":2,"
		"\"service_tier\":\"flex\",\"safety_identifier\":\"s\","
		"\"metadata\":{\"a\":\"b\"},\"prompt_cache_key\":\"k\","
		"\"store\":true} dropped: truncation, user, max_tool_calls");
	CHECK_STR(
		fix_round(ASKED("\"text\":{\"format\":{\"type\":\"text\"}},"
				"\"tools\":[],\"tool_choice\":null,"
				"\"top_logprobs\":0,\"reasoning\":{\"effort\":"
				"null},\"store\":"
				"false,\"truncation\":\"disabled\","
				"\"previous_response_id\":null")),
		WRITTEN(X));
	CHECK(strstr(fix_round(ASKED("\"reasoning\":{\"effort\":\"none\"}")),
		     "\"reasoning\":{\"effort\":\"none\"},\"store\""));
}

TEST(what_only_its_provider_can_do_is_refused_by_name)
{
	static const char *const cases[][2] = {
		{ASKED("\"previous_response_id\":\"r\""),
		 "lost: previous_response_id"},
		{ASKED("\"conversation\":\"c\""), "lost: conversation"},
		{ASKED("\"prompt\":{\"id\":\"p\"}"), "lost: prompt"},
		{ASKED("\"n\\u0065w\":1"), "lost: n\\u0065w"},
		{ASKED("\"tools\":[{\"type\":\"web_search\"}]"),
		 "lost: tools[0].web_search"},
		{ASKED("\"tools\":[{\"type\":\"function\",\"name\":\"f\"},"
		       "{\"type\":\"custom\",\"name\":\"g\"}]"),
		 "lost: tools[1].custom"},
		{ASKED("\"tool_choice\":{\"type\":\"web_search\"}"),
		 "lost: tool_choice.type"},
		{ITEMS(X ",{\"type\":\"item_reference\",\"id\":\"i\"}"),
		 "lost: input[1].item_reference"},
		{ITEMS("{\"type\":\"web_search_call\",\"id\":\"i\"}"),
		 "lost: input[0].web_search_call"},
		{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"input_image\",\"file_id\":\"f\"}]}"),
		 "lost: input[0].file_id"},
		{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"input_video\"}]}"),
		 "lost: input[0].input_video"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(fix_round(cases[i][0]), cases[i][1]);
}

TEST(what_is_malformed_is_refused_by_place)
{
	static const char *const cases[][2] = {
		{"{\"model\":\"m\"}", "missing: input"},
		{ASKED("\"instructions\":1"), "bad: instructions"},
		{ASKED("\"tools\":{}"), "bad: tools"},
		{ASKED("\"tools\":[1]"), "bad: tools[0]"},
		{ASKED("\"tools\":[{\"type\":\"function\"}]"),
		 "bad: tools[0].name"},
		{ASKED("\"tools\":[{\"type\":\"function\",\"name\":\"f\","
		       "\"parameters\":1}]"),
		 "bad: tools[0].parameters"},
		{ASKED("\"tool_choice\":\"any\""), "bad: tool_choice"},
		{ASKED("\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":"
		       "\"auto\"}"),
		 "bad: tool_choice"},
		{ASKED("\"text\":1"), "bad: text"},
		{ASKED("\"text\":{\"format\":{\"type\":\"xml\"}}"),
		 "bad: text.format"},
		{ASKED("\"text\":{\"format\":{\"type\":\"json_schema\"}}"),
		 "bad: text.format"},
		{ASKED("\"reasoning\":1"), "bad: reasoning"},
		{ASKED("\"reasoning\":{\"effort\":1}"),
		 "bad: reasoning.effort"},
		{ASKED("\"include\":[1]"), "bad: include[0]"},
		{ASKED("\"top_logprobs\":\"x\""), "bad: top_logprobs"},
		{ASKED("\"temperature\":\"x\""), "bad: temperature"},
		{ASKED("\"metadata\":1"), "bad: metadata"},
		{ITEMS("1"), "bad: input[0]"},
		{ITEMS("{\"role\":\"tool\",\"content\":\"x\"}"),
		 "bad: input[0].role"},
		{ITEMS("{\"role\":\"user\"}"), "bad: input[0].content"},
		{ITEMS(X ",{\"role\":\"user\",\"content\":[1]}"),
		 "bad: input[1].content"},
		{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"input_text\"}]}"),
		 "bad: input[0].content"},
		{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"input_image\"}]}"),
		 "bad: input[0].image_url"},
		{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"input_file\"}]}"),
		 "bad: input[0].file_data"},
		{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":"
		       "\"input_audio\",\"input_audio\":{\"data\":\"a\"}}]}"),
		 "bad: input[0].input_audio.format"},
		{ITEMS("{\"type\":\"function_call\",\"call_id\":\"a\","
		       "\"name\":\"f\"}"),
		 "bad: input[0].arguments"},
		{ITEMS("{\"type\":\"function_call\",\"arguments\":\"\"}"),
		 "bad: input[0].call_id"},
		{ITEMS("{\"type\":\"function_call_output\",\"call_id\":"
		       "\"a\"}"),
		 "bad: input[0].content"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(fix_round(cases[i][0]), cases[i][1]);
}

TEST(the_answer_repeats_the_settings_on_one_line)
{
	struct conversation c;

	(void)parts_of("{\"model\":\"m\",\"input\":\"x\",\"temperature\":0.5,"
		       "\n\"tools\":[ {\"type\":\"function\",\r\n\"name\":"
		       "\"f\"}]}",
		       &c);
	CHECK(str_eq(
		c.echo,
		STR("\"instructions\":null,\"max_output_tokens\":null,"
		    "\"metadata\":{},\"parallel_tool_calls\":true,"
		    "\"prompt_cache_key\":null,\"reasoning\":{\"effort\":null,"
		    "\"summary\":null},\"safety_identifier\":null,"
		    "\"temperature\":0.5,\"text\":{\"format\":{\"type\":"
		    "\"text\"}},\"tool_choice\":\"auto\",\"tools\":[ {\"type\":"
		    "\"function\",  \"name\":\"f\"}],\"top_logprobs\":0,"
		    "\"top_p\":null,\"truncation\":\"disabled\",\"user\":null,"
		    "\"background\":false,\"previous_response_id\":null,"
		    "\"store\":false")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(requests_of_sdks_are_read);
	RUN(tool_loops_keep_their_items);
	RUN(messages_have_two_forms_and_four_roles);
	RUN(seals_find_their_place_again);
	RUN(tools_and_their_choice_are_read);
	RUN(tools_that_are_not_allowed_are_not_told_of);
	RUN(settings_are_read);
	RUN(what_only_its_provider_can_do_is_refused_by_name);
	RUN(what_is_malformed_is_refused_by_place);
	RUN(the_answer_repeats_the_settings_on_one_line);
	arena_free(&arena);
	buf_free(&text);
	return tap_done();
}
