/* adapters/responses_write.c: a conversation as a request. */
#include "tests/unit/adapters/responses_fixture.h"

static struct conversation talk;
static struct ask ask;

static void
begin(void)
{
	conversation_init(&talk, &arena);
	ask = (struct ask){.kind = ASK_CHAT};
}

static struct part *
add(enum speaker speaker, enum part_kind kind, const char *raw)
{
	struct part *p =
		turn_add(&talk, conversation_turn(&talk, speaker), kind);

	p->text = str_of(raw);
	return p;
}

static void
say(enum trait_kind kind, const char *field, const char *json)
{
	struct json_value v;
	struct json_error fault;

	CHECK(json_valid(str_of(json), &v, &fault));
	conversation_say(&talk, kind, field, v);
}

TEST(leading_system_text_becomes_the_instructions)
{
	begin();
	(void)add(SPEAKER_SYSTEM, PART_TEXT, "Be terse.");
	(void)add(SPEAKER_SYSTEM, PART_TEXT, "Be \\\"nice\\\".");
	(void)add(SPEAKER_USER, PART_TEXT, "hello");
	(void)add(SPEAKER_ASSISTANT, PART_TEXT, "hey");
	(void)add(SPEAKER_SYSTEM, PART_TEXT, "Now French.");
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"instructions\":\"Be terse.\\nBe "
		  "\\\"nice\\\".\",\"input\":[{\"role\":\"user\",\"content\":"
		  "\"hello\"},{\"role\":\"assistant\",\"content\":\"hey\"},{"
		  "\"role\":\"developer\",\"content\":\"Now French.\"}],"
		  "\"store\":false}");
}

TEST(a_lone_system_turn_stays_an_item)
{
	begin();
	(void)add(SPEAKER_SYSTEM, PART_TEXT, "Go.");
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"input\":[{\"role\":\"developer\","
		  "\"content\":\"Go.\"}],\"store\":false}");
}

TEST(pictures_files_and_sounds_are_parts)
{
	struct part *p;

	begin();
	(void)add(SPEAKER_USER, PART_TEXT, "see");
	p = add(SPEAKER_USER, PART_IMAGE, "");
	p->data = STR("iVBO");
	p->mime = STR("image/jpeg");
	p = add(SPEAKER_USER, PART_IMAGE, "");
	p->url = STR("https://x/y.png");
	p->detail = STR("low");
	p = add(SPEAKER_USER, PART_FILE, "");
	p->data = STR("JVBE");
	p->name = STR("a.pdf");
	p = add(SPEAKER_USER, PART_FILE, "");
	p->url = STR("https://x/a.pdf");
	p = add(SPEAKER_USER, PART_AUDIO, "");
	p->data = STR("UklG");
	p->mime = STR("audio/wav");
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"input\":[{\"role\":\"user\",\"content\":"
		  "[{\"type\":\"input_text\",\"text\":\"see\"},{\"type\":"
		  "\"input_image\",\"image_url\":\"data:image/jpeg;base64,iVBO"
		  "\",\"detail\":\"auto\"},{\"type\":\"input_image\","
		  "\"image_url\":\"https://x/y.png\",\"detail\":\"low\"},{"
		  "\"type\":\"input_file\",\"filename\":\"a.pdf\","
		  "\"file_data\":\"data:application/pdf;base64,JVBE\"},{"
		  "\"type\":\"input_file\",\"file_url\":\"https://x/a.pdf\"},{"
		  "\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklG\","
		  "\"format\":\"wav\"}}]}],\"store\":false}");
	p->mime = STR("audio/flac");
	CHECK_STR(fix_write(&talk, &ask), "lost: audio");
}

TEST(calls_and_results_are_items)
{
	struct part *p;

	begin();
	(void)add(SPEAKER_USER, PART_TEXT, "weather?");
	(void)add(SPEAKER_ASSISTANT, PART_TEXT, "Wait.");
	p = add(SPEAKER_ASSISTANT, PART_CALL, "");
	p->id = STR("call_1");
	p->name = STR("get weather");
	p->args = STR("{\"city\":\"Zürich\"}");
	p = add(SPEAKER_ASSISTANT, PART_CALL, "[1");
	p->name = STR("g");
	p = add(SPEAKER_USER, PART_RESULT, "");
	p->id = STR("call_1");
	p->failed = true;
	p->content = part_new(&arena, PART_TEXT);
	p->content->text = STR("sunny");
	(void)add(SPEAKER_USER, PART_RESULT, "");
	(void)add(SPEAKER_USER, PART_TEXT, "and?");
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"input\":[{\"role\":\"user\",\"content\":"
		  "\"weather?\"},{\"role\":\"assistant\",\"content\":\"Wait.\"}"
		  ",{\"type\":\"function_call\",\"call_id\":\"call_1\","
		  "\"name\":\"get_weather_df5e1fad3b36\",\"arguments\":"
		  "\"{\\\"city\\\":\\\"Zürich\\\"}\"},{\"type\":"
		  "\"function_call\",\"call_id\":\"call_0\",\"name\":\"g\","
		  "\"arguments\":\"[1\"},{\"type\":\"function_call_output\","
		  "\"call_id\":\"call_1\",\"output\":\"sunny\"},{\"type\":"
		  "\"function_call_output\",\"call_id\":\"call_0\","
		  "\"output\":\"\"},{\"role\":\"user\",\"content\":\"and?\"}],"
		  "\"store\":false} dropped: is_error");
}

TEST(only_thoughts_sealed_there_go_back)
{
	struct part *p;

	begin();
	p = add(SPEAKER_ASSISTANT, PART_THINKING, "First");
	p->signature = STR("rs_1:gA==");
	p = add(SPEAKER_ASSISTANT, PART_THINKING, "");
	p->signature = STR("rs_2:gB==");
	p = add(SPEAKER_ASSISTANT, PART_THINKING, "foreign");
	p->signature = STR("EqQB");
	(void)add(SPEAKER_ASSISTANT, PART_REDACTED, "");
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"input\":[{\"type\":\"reasoning\",\"id\":"
		  "\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":"
		  "\"First\"}],\"encrypted_content\":\"gA==\"},{\"type\":"
		  "\"reasoning\",\"id\":\"rs_2\",\"summary\":[],"
		  "\"encrypted_content\":\"gB==\"}],\"include\":["
		  "\"reasoning.encrypted_content\"],\"store\":false} dropped: "
		  "thinking, redacted_thinking");
}

TEST(tools_are_flat_and_not_strict_unless_said)
{
	struct tool *t;

	begin();
	(void)add(SPEAKER_USER, PART_TEXT, "x");
	t = conversation_tool(&talk);
	t->name = STR("f");
	t->description = STR("does \\\"f\\\"");
	t->schema =
		(struct json_value){JSON_OBJECT, STR("{\"type\":\"object\"}")};
	t->strict = (struct json_value){JSON_TRUE, STR("true")};
	conversation_tool(&talk)->name = STR("g");
	say(TRAIT_TOOL_CHOICE, "tool_choice", "{}");
	talk.choice = CHOICE_NAMED;
	talk.choice_name = STR("f");
	say(TRAIT_PARALLEL, "parallel_tool_calls", "false");
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"input\":[{\"role\":\"user\",\"content\":"
		  "\"x\"}],\"tools\":[{\"type\":\"function\",\"name\":\"f\","
		  "\"description\":\"does \\\"f\\\"\",\"parameters\":{\"type\":"
		  "\"object\"},\"strict\":true},{\"type\":\"function\","
		  "\"name\":\"g\",\"parameters\":{\"type\":\"object\","
		  "\"properties\":{}},\"strict\":false}],\"tool_choice\":{"
		  "\"type\":\"function\",\"name\":\"f\"},"
		  "\"parallel_tool_calls\":false,\"store\":false}");
}

static void
say_everything(void)
{
	ask.max_output = 64;
	ask.has_max = ask.stream = true;
	say(TRAIT_MAX, "max_tokens", "64");
	say(TRAIT_TEMPERATURE, "temperature", "0.5");
	say(TRAIT_TOP_P, "top_p", "1");
	say(TRAIT_FORMAT, "response_format", "{}");
	talk.format = FORMAT_SCHEMA;
	talk.format_schema = (struct json_value){JSON_OBJECT, STR("{}")};
	talk.format_strict = (struct json_value){JSON_TRUE, STR("true")};
	say(TRAIT_VERBOSITY, "verbosity", "\"low\"");
	say(TRAIT_THINKING, "thinking", "{}");
	talk.think = THINK_ON;
	talk.budget = 5000;
	talk.show_thoughts = true;
	say(TRAIT_LOGPROBS, "logprobs", "true");
	say(TRAIT_TOP_LOGPROBS, "top_logprobs", "3");
	say(TRAIT_TIER, "service_tier", "\"flex\"");
	say(TRAIT_USER, "user", "\"u\"");
	say(TRAIT_METADATA, "metadata", "{\"a\":\"b\"}");
	say(TRAIT_CACHE_KEY, "prompt_cache_key", "\"k\"");
	say(TRAIT_STORE, "store", "true");
}

TEST(settings_have_their_own_names)
{
	begin();
	(void)add(SPEAKER_USER, PART_TEXT, "x");
	say_everything();
	CHECK_STR(fix_write(&talk, &ask),
		  "{\"model\":\"up\",\"input\":[{\"role\":\"user\",\"content\":"
		  "\"x\"}],\"max_output_tokens\":64,\"temperature\":0.5,"
		  "\"top_p\":1,\"text\":{\"format\":{\"type\":\"json_schema\","
		  "\"name\":\"answer\",\"schema\":{},\"strict\":true},"
		  "\"verbosity\":\"low\"},\"reasoning\":{\"effort\":\"medium\","
		  "\"summary\":\"auto\"},\"include\":["
		  "\"reasoning.encrypted_content\","
		  "\"message.output_text.logprobs\"],\"top_logprobs\":3,"
		  "\"service_tier\":\"flex\",\"user\":\"u\",\"metadata\":{"
		  "\"a\":\"b\"},\"prompt_cache_key\":\"k\",\"store\":true,"
		  "\"stream\":true}");
}

static const char *
lost(enum trait_kind kind, const char *field, const char *json)
{
	begin();
	(void)add(SPEAKER_USER, PART_TEXT, "x");
	say(kind, field, json);
	return strstr(fix_write(&talk, &ask), "lost: ") ? text.p + 6 : "";
}

TEST(what_the_dialect_has_no_word_for_is_refused_by_name)
{
	CHECK_STR(lost(TRAIT_STOP, "stop", "[\"a\"]"), "stop");
	CHECK_STR(lost(TRAIT_SEED, "seed", "1"), "seed");
	CHECK_STR(lost(TRAIT_COUNT, "n", "2"), "n");
	CHECK_STR(lost(TRAIT_TOP_K, "top_k", "2"), "top_k");
	CHECK_STR(lost(TRAIT_PRESENCE, "presence_penalty", "1"),
		  "presence_penalty");
	CHECK_STR(lost(TRAIT_MAX, "max_tokens", "5"), "max_tokens");
	CHECK_STR(lost(TRAIT_TIER, "service_tier", "\"standard_only\""), "");
	CHECK(strstr(text.p, " dropped: service_tier") != NULL);
	begin();
	ask.kind = ASK_EMBEDDINGS;
	CHECK(strstr(fix_write(&talk, &ask), "lost: ") != NULL);
}

TEST(a_budget_becomes_an_effort)
{
	begin();
	(void)add(SPEAKER_USER, PART_TEXT, "x");
	say(TRAIT_THINKING, "thinking", "{}");
	talk.think = THINK_OFF;
	CHECK(!strstr(fix_write(&talk, &ask), "reasoning"));
	talk.effort = STR("none");
	CHECK(strstr(fix_write(&talk, &ask),
		     "\"reasoning\":{\"effort\":\"none\"},\"store\"") != NULL);
	talk.effort = STR_NONE;
	talk.think = THINK_ON;
	talk.budget = 1024;
	CHECK(strstr(fix_write(&talk, &ask), "{\"effort\":\"low\"}") != NULL);
	talk.budget = 32000;
	CHECK(strstr(fix_write(&talk, &ask), "{\"effort\":\"high\"}") != NULL);
}

int
main(void)
{
	arena_init(&arena);
	RUN(leading_system_text_becomes_the_instructions);
	RUN(a_lone_system_turn_stays_an_item);
	RUN(pictures_files_and_sounds_are_parts);
	RUN(calls_and_results_are_items);
	RUN(only_thoughts_sealed_there_go_back);
	RUN(tools_are_flat_and_not_strict_unless_said);
	RUN(settings_have_their_own_names);
	RUN(what_the_dialect_has_no_word_for_is_refused_by_name);
	RUN(a_budget_becomes_an_effort);
	arena_free(&arena);
	buf_free(&text);
	return tap_done();
}
