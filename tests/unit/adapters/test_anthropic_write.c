/* adapters/anthropic_write.c: any conversation as a legal request. */
#include "tests/unit/adapters/talks.h"

#define HEAD "{\"model\":\"claude-sonnet-4-20250514\",\"max_tokens\":64"
#define ASK  "{\"model\":\"m\",\"max_tokens\":64,"
#define HEY                                                    \
	"[{\"role\":\"user\",\"content\":[{\"type\":\"text\"," \
	"\"text\":\"hey\"}]}]"

/* Read as a client's and written for the upstream: what comes out. */
static void
check(const char *body, const char *expected)
{
	struct talks t;

	talks_read(&t, &dialect_anthropic, body);
	talks_write(&t, &wire_anthropic, "claude-sonnet-4-20250514");
	CHECK_INT(t.err, E_OK);
	if (t.err == E_OK)
		CHECK_STR(t.body.p, expected);
	talks_free(&t);
}

TEST(a_plain_request_is_the_same_again)
{
	check("{\"model\":\"m\",\"max_tokens\":64,\"messages\":[{\"role\":"
	      "\"user\",\"content\":\"hello\"}],\"system\":\"Be terse.\","
	      "\"temperature\":0.5,\"stop_sequences\":[\"END\"],"
	      "\"top_p\":0.9,\"top_k\":5,\"stream\":true}",
	      HEAD ",\"system\":[{\"type\":\"text\",\"text\":\"Be terse.\"}],"
		   "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		   "\"text\",\"text\":\"hello\"}]}],"
		   "\"stop_sequences\":[\"END\"],\"temperature\":0.5,"
		   "\"top_p\":0.9,\"top_k\":5,\"stream\":true}");
}

TEST(tools_and_their_results_are_the_same_again)
{
	check(ASK
	      "\"messages\":[{\"role\":\"user\",\"content\":\"tool2\"},"
	      "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
	      "\"id\":\"call_1\",\"name\":\"get_weather\",\"input\":{\"city\":"
	      "\"Z\\u00fcrich\"}},{\"type\":\"tool_use\",\"id\":\"call_2\","
	      "\"name\":\"get_time\",\"input\":{}}]},{\"role\":\"user\","
	      "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
	      "\"call_1\",\"content\":\"sunny\"},{\"type\":\"tool_result\","
	      "\"tool_use_id\":\"call_2\",\"is_error\":true,\"content\":[{"
	      "\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\","
	      "\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
	      "\"data\":\"iVBO\"}}]}]}],\"tools\":[{\"name\":\"get_weather\","
	      "\"description\":\"W\",\"input_schema\":{\"type\":\"object\"},"
	      "\"strict\":true},{\"name\":\"get_time\",\"input_schema\":"
	      "{\"properties\":{}}}],\"tool_choice\":{\"type\":\"any\","
	      "\"disable_parallel_tool_use\":true}}",
	      HEAD
	      ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	      "\"text\",\"text\":\"tool2\"}]},{\"role\":\"assistant\","
	      "\"content\":[{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":"
	      "\"get_weather\",\"input\":{\"city\":\"Z\\u00fcrich\"}},"
	      "{\"type\":\"tool_use\",\"id\":\"call_2\",\"name\":\"get_time\","
	      "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":"
	      "\"tool_result\",\"tool_use_id\":\"call_1\",\"content\":[{"
	      "\"type\":\"text\",\"text\":\"sunny\"}]},{\"type\":"
	      "\"tool_result\",\"tool_use_id\":\"call_2\",\"content\":[{"
	      "\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\","
	      "\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
	      "\"data\":\"iVBO\"}}],\"is_error\":true}]}],\"tools\":[{"
	      "\"name\":\"get_weather\",\"description\":\"W\","
	      "\"input_schema\":{\"type\":\"object\"},\"strict\":true},{"
	      "\"name\":\"get_time\",\"input_schema\":{\"type\":\"object\","
	      "\"properties\":{}}}],\"tool_choice\":{\"type\":\"any\","
	      "\"disable_parallel_tool_use\":true}}");
}

TEST(signed_thoughts_and_cache_marks_go_back_unchanged)
{
	check(ASK
	      "\"system\":[{\"type\":\"text\",\"text\":\"S\","
	      "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],"
	      "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
	      "\"thinking\",\"thinking\":\"a\\n\",\"signature\":\"c2ln\"},"
	      "{\"type\":\"redacted_thinking\",\"data\":\"ZGF0\"},{\"type\":"
	      "\"thinking\",\"thinking\":\"\",\"signature\":\"b25seQ==\"},"
	      "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"n\",\"input\":"
	      "{\"a\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":"
	      "\"text\",\"text\":\"t\",\"cache_control\":{\"type\":"
	      "\"ephemeral\"}}]}],\"tools\":[{\"name\":\"n\",\"input_schema\":"
	      "{\"type\":\"object\"},\"cache_control\":{\"type\":"
	      "\"ephemeral\"}}]}",
	      HEAD
	      ",\"system\":[{\"type\":\"text\",\"text\":\"S\","
	      "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],"
	      "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
	      "\"thinking\",\"thinking\":\"a\\n\",\"signature\":\"c2ln\"},"
	      "{\"type\":\"redacted_thinking\",\"data\":\"ZGF0\"},{\"type\":"
	      "\"thinking\",\"thinking\":\"\",\"signature\":\"b25seQ==\"},"
	      "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"n\",\"input\":"
	      "{\"a\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":"
	      "\"text\",\"text\":\"t\",\"cache_control\":{\"type\":"
	      "\"ephemeral\"}}]}],\"tools\":[{\"name\":\"n\",\"input_schema\":"
	      "{\"type\":\"object\"},\"cache_control\":{\"type\":"
	      "\"ephemeral\"}}]}");
}

TEST(results_come_first_and_neighbours_are_merged)
{
	check(ASK
	      "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
	      "\"tool_use\",\"id\":\"a.b\",\"name\":\"x y\",\"input\":{}}]},"
	      "{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"system\","
	      "\"content\":\"late\"},{\"role\":\"assistant\",\"content\":\"\"}"
	      ",{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
	      "\"tool_use_id\":\"a.b\"},{\"type\":\"text\",\"text\":\"\"},{"
	      "\"type\":\"text\",\"text\":\"two\"}]}]}",
	      HEAD
	      ",\"system\":[{\"type\":\"text\",\"text\":\"late\"}],"
	      "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
	      "\"tool_use\",\"id\":\"a_b_eb6f6f6c570f\",\"name\":"
	      "\"x_y_b5825f22357b\",\"input\":{}}]},{\"role\":\"user\","
	      "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
	      "\"a_b_eb6f6f6c570f\"},{\"type\":\"text\",\"text\":\"one\"},"
	      "{\"type\":\"text\",\"text\":\"two\"}]}]}");
}

TEST(files_of_any_kind_are_documents)
{
	check(ASK
	      "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	      "\"document\",\"title\":\"T\",\"source\":{\"type\":\"base64\","
	      "\"media_type\":\"application/pdf\",\"data\":\"JVBE\"}},{"
	      "\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":"
	      "\"https://a/b.pdf\"}},{\"type\":\"document\",\"title\":\"N\","
	      "\"context\":\"C\",\"source\":{\"type\":\"text\",\"media_type\":"
	      "\"text/plain\",\"data\":\"words\"}},{\"type\":\"image\","
	      "\"source\":{\"type\":\"url\",\"url\":\"https://a/b.png\"}},{"
	      "\"type\":\"document\",\"source\":{\"type\":\"content\","
	      "\"content\":[{\"type\":\"text\",\"text\":\"in\"}]}}]}]}",
	      HEAD
	      ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	      "\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
	      "\"application/pdf\",\"data\":\"JVBE\"},\"title\":\"T\"},{"
	      "\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":"
	      "\"https://a/b.pdf\"}},{\"type\":\"text\",\"text\":\"C\"},{"
	      "\"type\":\"text\",\"text\":\"N\"},{\"type\":\"text\",\"text\":"
	      "\"words\"},{\"type\":\"image\",\"source\":{\"type\":\"url\","
	      "\"url\":\"https://a/b.png\"}},{\"type\":\"text\",\"text\":"
	      "\"in\"}]}]}");
}

TEST(settings_keep_their_words)
{
	check(ASK
	      "\"messages\":[{\"role\":\"user\",\"content\":\"hey\"}],"
	      "\"output_config\":{\"format\":{\"type\":\"json_schema\","
	      "\"schema\":{\"type\":\"object\"}}},\"metadata\":{\"user_id\":"
	      "\"u1\"},\"service_tier\":\"standard_only\"}",
	      HEAD ",\"messages\":" HEY
		   ",\"output_config\":{\"format\":{\"type\":\"json_schema\","
		   "\"schema\":{\"type\":\"object\","
		   "\"additionalProperties\":false}}},\"metadata\":{"
		   "\"user_id\":\"u1\"},\"service_tier\":\"standard_only\"}");
}

/* ---- what comes from other dialects ---- */

/* A request with "hey", to be changed before it is written. */
static void
begin(struct talks *t)
{
	talks_read(t, &dialect_anthropic,
		   ASK "\"messages\":[{\"role\":\"user\","
		       "\"content\":\"hey\"}]}");
}

static struct part *
add(struct talks *t, enum speaker speaker, enum part_kind kind)
{
	return turn_add(&t->talk, conversation_turn(&t->talk, speaker), kind);
}

static const char *
written(struct talks *t)
{
	talks_write(t, &wire_anthropic, "claude-sonnet-4-20250514");
	return t->err == E_OK ? t->body.p : "";
}

static void
check_refused(enum speaker speaker, struct part part, const char *name)
{
	struct talks t;
	struct part *p;

	begin(&t);
	p = add(&t, speaker, part.kind);
	part.next = NULL;
	*p = part;
	CHECK_STR(written(&t), "");
	CHECK_INT(t.err, E_FIELD_LOST);
	CHECK_STR(t.refused ? t.refused : "", name);
	talks_free(&t);
}

TEST(what_cannot_be_said_is_refused)
{
	check_refused(SPEAKER_ASSISTANT,
		      (struct part){.kind = PART_CALL,
				    .id = STR("c"),
				    .name = STR("n"),
				    .text = STR("[1")},
		      "tool call arguments");
	check_refused(SPEAKER_USER,
		      (struct part){.kind = PART_AUDIO, .data = STR("AAAA")},
		      "audio");
	check_refused(SPEAKER_USER,
		      (struct part){.kind = PART_FILE, .name = STR("x")},
		      "file");
	check_refused(SPEAKER_USER,
		      (struct part){.kind = PART_IMAGE, .data = STR("AAAA")},
		      "image");
	check_refused(SPEAKER_SYSTEM,
		      (struct part){.kind = PART_IMAGE, .url = STR("u")},
		      "system content");
}

static struct json_value
number(const char *text)
{
	return (struct json_value){JSON_NUMBER, str_of(text)};
}

/* What becomes of a request that says `kind`. */
static void
say(struct talks *t, enum trait_kind kind, struct json_value value)
{
	begin(t);
	conversation_say(&t->talk, kind, "field", value);
	(void)written(t);
}

TEST(settings_of_others_are_taken_only_where_they_fit)
{
	static const struct {
		enum trait_kind kind;
		const char *value;
		enum err err;
	} cases[] = {
		{TRAIT_TEMPERATURE, "1", E_OK},
		{TRAIT_TEMPERATURE, "1.01", E_FIELD_LOST},
		{TRAIT_TEMPERATURE, "2", E_FIELD_LOST},
		{TRAIT_COUNT, "1", E_OK},
		{TRAIT_COUNT, "2", E_FIELD_LOST},
		{TRAIT_SEED, "7", E_FIELD_LOST},
		{TRAIT_PRESENCE, "0.5", E_FIELD_LOST},
		{TRAIT_LOGPROBS, "1", E_FIELD_LOST},
	};
	struct talks t;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		say(&t, cases[i].kind, number(cases[i].value));
		CHECK_INT(t.err, cases[i].err);
		if (t.err != E_OK)
			CHECK_STR(t.refused, "field");
		talks_free(&t);
	}
}

TEST(harmless_settings_are_dropped_by_name)
{
	static const struct json_value flex = {JSON_STRING, {"\"flex\"", 6}};
	struct talks t;

	say(&t, TRAIT_TIER, flex);
	CHECK_INT(t.err, E_OK);
	CHECK(str_eq(t.dropped, STR("field")));
	talks_free(&t);
	say(&t, TRAIT_CACHE_KEY, flex);
	CHECK(str_eq(t.dropped, STR("field")));
	talks_free(&t);
	begin(&t);
	add(&t, SPEAKER_ASSISTANT, PART_THINKING)->text = STR("unsigned");
	CHECK(strstr(written(&t), "thinking") == NULL);
	CHECK(str_eq(t.dropped, STR("thinking")));
	talks_free(&t);
}

TEST(json_without_a_schema_is_refused)
{
	struct talks t;

	begin(&t);
	t.talk.format = FORMAT_JSON;
	conversation_say(&t.talk, TRAIT_FORMAT, "response_format", number("1"));
	CHECK_STR(written(&t), "");
	CHECK_STR(t.refused, "response_format");
	talks_free(&t);
}

TEST(a_choice_needs_tools)
{
	struct talks t;

	begin(&t);
	conversation_say(&t.talk, TRAIT_TOOL_CHOICE, "tool_choice",
			 number("1"));
	CHECK(strstr(written(&t), "tool_choice") == NULL);
	CHECK_INT(t.err, E_OK);
	talks_free(&t);
	begin(&t);
	t.talk.choice = CHOICE_REQUIRED;
	conversation_say(&t.talk, TRAIT_TOOL_CHOICE, "tool_choice",
			 number("1"));
	CHECK_STR(written(&t), "");
	CHECK_STR(t.refused, "tool_choice");
	talks_free(&t);
	begin(&t);
	conversation_tool(&t.talk)->name = STR("n");
	conversation_say(&t.talk, TRAIT_PARALLEL, "parallel_tool_calls",
			 number("0"));
	CHECK(strstr(written(&t),
		     "\"tools\":[{\"name\":\"n\","
		     "\"input_schema\":{\"type\":\"object\"}}],"
		     "\"tool_choice\":{\"type\":\"auto\","
		     "\"disable_parallel_tool_use\":true}") != NULL);
	talks_free(&t);
}

TEST(a_text_file_is_a_document_of_text)
{
	struct talks t;
	struct part *p;

	begin(&t);
	p = add(&t, SPEAKER_USER, PART_FILE);
	p->mime = STR("text/csv");
	p->data = STR("YSxiCg==");
	p->name = STR("x.csv");
	CHECK(strstr(written(&t),
		     "{\"type\":\"document\",\"source\":{\"type\":\"text\","
		     "\"media_type\":\"text/plain\",\"data\":\"a,b\\n\"},"
		     "\"title\":\"x.csv\"}") != NULL);
	talks_free(&t);
}

int
main(void)
{
	RUN(a_plain_request_is_the_same_again);
	RUN(tools_and_their_results_are_the_same_again);
	RUN(signed_thoughts_and_cache_marks_go_back_unchanged);
	RUN(results_come_first_and_neighbours_are_merged);
	RUN(files_of_any_kind_are_documents);
	RUN(settings_keep_their_words);
	RUN(what_cannot_be_said_is_refused);
	RUN(settings_of_others_are_taken_only_where_they_fit);
	RUN(harmless_settings_are_dropped_by_name);
	RUN(json_without_a_schema_is_refused);
	RUN(a_choice_needs_tools);
	RUN(a_text_file_is_a_document_of_text);
	return tap_done();
}
