/* adapters/openai_chat.c, openai_messages.c: a conversation of another
 * dialect as a chat request, and the quirks of those who are compatible. */
#include "tests/unit/adapters/openai_talk.h"

static struct converted out;
static struct conversation c;
static struct ask ask;

static void
begin(void)
{
	conversation_init(&c, &arena);
	ask = (struct ask){.kind = ASK_CHAT};
}

static struct part *
add(enum speaker speaker, enum part_kind kind, const char *text)
{
	struct part *p = turn_add(&c, conversation_turn(&c, speaker), kind);

	p->text = str_of(text);
	return p;
}

static struct part *
add_call(const char *id, const char *name)
{
	struct part *p = add(SPEAKER_ASSISTANT, PART_CALL, "");

	p->id = str_of(id);
	p->name = str_of(name);
	p->args = STR("{}");
	return p;
}

static struct part *
add_result(const char *id, const char *name, const char *text)
{
	struct part *p = add(SPEAKER_USER, PART_RESULT, "");

	p->id = str_of(id);
	p->name = str_of(name);
	p->content = part_new(&arena, PART_TEXT);
	p->content->text = str_of(text);
	return p;
}

static const char *
written(unsigned quirks)
{
	return convert_written(&c, &ask, quirks, &out);
}

static struct json_value
value_of(const char *text)
{
	struct json_value v = {JSON_ABSENT, STR_NONE};
	struct json_error fault;

	CHECK(json_valid(str_of(text), &v, &fault));
	return v;
}

static void
say(enum trait_kind kind, const char *value)
{
	conversation_say(&c, kind, "client_field", value_of(value));
}

TEST(results_come_first_and_their_images_after_them)
{
	struct part *p;

	begin();
	add_call("c1", "f");
	add(SPEAKER_USER, PART_TEXT, "go on");
	p = add_result("c1", "f", "ok");
	p->failed = true;
	p->content->next = part_new(&arena, PART_IMAGE);
	p->content->next->data = STR("iVBO");
	CHECK_STR(written(0),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"assistant\","
		  "\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
		  "\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
		  "\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\","
		  "\"content\":\"ok\"},{\"role\":\"user\",\"content\":[{"
		  "\"type\":\"text\",\"text\":\"go on\"},{\"type\":"
		  "\"image_url\",\"image_url\":{\"url\":"
		  "\"data:image/png;base64,iVBO\"}}]}]}");
	CHECK(str_eq(out.dropped, STR("is_error")));
}

TEST(ids_are_made_short_where_they_must_be)
{
	const char *id, *again;

	begin();
	add_call("toolu_0123456789", "f");
	add_call("AbC012345", "f");
	add_result("toolu_0123456789", "f", "1");
	(void)written(QUIRK_SHORT_IDS);
	CHECK(strstr(out.body, "\"id\":\"AbC012345\"") != NULL);
	id = strstr(out.body, "\"id\":\"");
	again = strstr(out.body, "\"tool_call_id\":\"");
	CHECK(id && again && strncmp(id + 6, again + 16, 10) == 0);
	CHECK(id && id[15] == '"');
}

TEST(media_that_cannot_be_sent_are_refused)
{
	begin();
	add(SPEAKER_USER, PART_FILE, "")->url = STR("https://a/b.pdf");
	CHECK_STR(written(0), "E_FIELD_LOST: file.url");
	begin();
	add(SPEAKER_USER, PART_AUDIO, "")->url = STR("https://a/b.mp3");
	CHECK_STR(written(0), "E_FIELD_LOST: audio.url");
	begin();
	add(SPEAKER_USER, PART_IMAGE, "")->data = STR("a\"b");
	CHECK_STR(written(0), "E_FIELD_LOST: data");
	begin();
	add(SPEAKER_ASSISTANT, PART_IMAGE, "")->data = STR("ab");
	CHECK_STR(written(0), "E_FIELD_LOST: messages[].content[].type");
}

TEST(audio_has_a_format)
{
	struct part *p;

	begin();
	p = add(SPEAKER_USER, PART_AUDIO, "");
	p->data = STR("UklG");
	p->mime = STR("audio/x-wav");
	CHECK(strstr(written(0), "\"format\":\"wav\"") != NULL);
	p->mime = STR("audio/mpeg");
	CHECK(strstr(written(0), "\"format\":\"mp3\"") != NULL);
}

TEST(the_quirks_are_honoured)
{
	struct tool *t;

	begin();
	add(SPEAKER_USER, PART_TEXT, "hi");
	t = conversation_tool(&c);
	t->name = STR("f");
	c.choice = CHOICE_REQUIRED;
	say(TRAIT_TOOL_CHOICE, "{}");
	say(TRAIT_SEED, "7");
	say(TRAIT_MAX, "9");
	ask.max_output = 9;
	ask.stream = true;
	CHECK_STR(written(QUIRK_MAX_TOKENS | QUIRK_RANDOM_SEED |
			  QUIRK_CHOICE_ANY | QUIRK_USAGE_ALWAYS),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"user\","
		  "\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\","
		  "\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"any\","
		  "\"max_tokens\":9,\"random_seed\":7,\"stream\":true}");
	begin();
	add(SPEAKER_USER, PART_TEXT, "hi");
	say(TRAIT_TOP_K, "5");
	c.think = THINK_OFF;
	say(TRAIT_THINKING, "{}");
	CHECK_STR(written(QUIRK_TOP_K | QUIRK_THINK_SWITCH),
		  "{\"model\":\"up\",\"messages\":[{\"role\":\"user\","
		  "\"content\":\"hi\"}],\"top_k\":5,"
		  "\"enable_thinking\":false}");
	c.think = THINK_ON;
	c.budget = 100;
	CHECK(strstr(written(QUIRK_TOP_K | QUIRK_THINK_SWITCH),
		     ",\"enable_thinking\":true,\"thinking_budget\":100}"));
}

TEST(what_relatives_do_not_know_is_dropped_by_name)
{
	begin();
	add(SPEAKER_USER, PART_TEXT, "hi");
	conversation_say(&c, TRAIT_USER, "user", value_of("\"u\""));
	conversation_say(&c, TRAIT_STORE, "store", value_of("true"));
	CHECK(strstr(written(0), ",\"user\":\"u\",\"store\":true}") != NULL);
	CHECK(out.dropped.n == 0);
	(void)written(QUIRK_COMMON);
	CHECK(str_eq(out.dropped, STR("user, store")));
}

TEST(values_that_would_be_refused_are_dropped)
{
	begin();
	add(SPEAKER_USER, PART_TEXT, "hi");
	conversation_say(&c, TRAIT_TIER, "service_tier",
			 value_of("\"standard_only\""));
	conversation_say(&c, TRAIT_USER, "metadata.user_id",
			 value_of("\"user_01234567890123456789012345678901234"
				  "5678901234567890123456789012345678\""));
	CHECK_STR(written(0), "{\"model\":\"up\",\"messages\":[{\"role\":"
			      "\"user\",\"content\":\"hi\"}]}");
	CHECK(str_eq(out.dropped, STR("metadata.user_id, service_tier")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(results_come_first_and_their_images_after_them);
	RUN(ids_are_made_short_where_they_must_be);
	RUN(media_that_cannot_be_sent_are_refused);
	RUN(audio_has_a_format);
	RUN(the_quirks_are_honoured);
	RUN(what_relatives_do_not_know_is_dropped_by_name);
	RUN(values_that_would_be_refused_are_dropped);
	arena_free(&arena);
	return tap_done();
}
