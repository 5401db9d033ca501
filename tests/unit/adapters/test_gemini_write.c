/* adapters/gemini_write.c: conversations as requests for Gemini. */
#include "tests/unit/adapters/gemini_case.h"

static const struct target gemini2 = {.model = {"gemini-2.0-flash", 16}};
static const struct target gemini3 = {.model = {"gemini-3-pro", 12}};
static const struct target vertex2 = {.model = {"gemini-2.0-flash", 16},
				      .quirks = QUIRK_NO_CALL_IDS};

static void
begin(struct gemini_case *g)
{
	*g = (struct gemini_case){.out = BUF_INIT};
	g->ask = (struct ask){.kind = ASK_CHAT};
	arena_init(&g->arena);
	conversation_init(&g->talk, &g->arena);
}

static struct part *
add(struct gemini_case *g, enum speaker speaker, enum part_kind kind,
    const char *text)
{
	struct part *p =
		turn_add(&g->talk, conversation_turn(&g->talk, speaker), kind);

	p->text = str_of(text);
	return p;
}

static void
add_call(struct gemini_case *g, const char *id, const char *name,
	 const char *args)
{
	struct part *p = add(g, SPEAKER_ASSISTANT, PART_CALL, "");

	p->id = str_of(id);
	p->name = str_of(name);
	p->args = str_of(args);
}

static struct part *
add_result(struct gemini_case *g, const char *id, const char *raw)
{
	struct part *p = add(g, SPEAKER_USER, PART_RESULT, "");
	struct json_value v;

	p->id = str_of(id);
	p->content = part_new(&g->arena, PART_TEXT);
	CHECK(json_valid(str_of(raw), &v, NULL));
	p->content->text = json_inside(v);
	return p;
}

static struct json_value
value_of(const char *text)
{
	struct json_value v = {JSON_ABSENT, STR_NONE};

	CHECK(json_valid(str_of(text), &v, NULL));
	return v;
}

TEST(the_system_goes_up_front_and_neighbours_are_merged)
{
	struct gemini_case g;

	begin(&g);
	add(&g, SPEAKER_SYSTEM, PART_TEXT, "Be terse.");
	add(&g, SPEAKER_USER, PART_TEXT, "a\\n");
	add(&g, SPEAKER_SYSTEM, PART_TEXT, "And kind.");
	add(&g, SPEAKER_USER, PART_TEXT, "b");
	add(&g, SPEAKER_ASSISTANT, PART_TEXT, "");
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
		  "\"a\\n\"},{\"text\":\"b\"}]},{\"role\":\"model\",\"parts\":"
		  "[{\"text\":\"\"}]}],\"systemInstruction\":{\"parts\":"
		  "[{\"text\":\"Be terse.\"},{\"text\":\"And kind.\"}]},"
		  "\"generationConfig\":{}}");
	gemini_case_end(&g);
	begin(&g);
	add(&g, SPEAKER_SYSTEM, PART_TEXT, "Say hi.");
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
		  "\"Say hi.\"}]}],\"generationConfig\":{}}");
	gemini_case_end(&g);
}

#define LOOP(id1, id2, signature, id3)                                          \
	"{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{" id1 \
	"\"name\":\"a.b\",\"args\":{\"n\":1}}" signature                        \
	"},{\"functionCall\":{" id2 "\"name\":\"a.b\",\"args\":{}}}]},"         \
	"{\"role\":\"user\",\"parts\":[{\"functionResponse\":{" id2             \
	"\"name\":\"a.b\",\"response\":{\"x\": 1}}},"                           \
	"{\"functionResponse\":{" id1                                           \
	"\"name\":\"a.b\",\"response\":{\"error\":\"no\\n\"}}},"                \
	"{\"functionResponse\":{" id1                                           \
	"\"name\":\"a.b\",\"response\":{\"result\":\"[1]\"}}}]}],"              \
	"\"generationConfig\":{}}"

TEST(results_are_objects_named_by_their_function)
{
	struct gemini_case g;

	begin(&g);
	add_call(&g, "c1", "a.b", "{\"n\":1}");
	add_call(&g, "c2", "a.b", "");
	add_result(&g, "c2", "\"{\\\"x\\\": 1}\"");
	add_result(&g, "c1", "\"no\\n\"")->failed = true;
	add_result(&g, "c1", "\"[1]\"");
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  LOOP("\"id\":\"c1\",", "\"id\":\"c2\",", "", ""));
	CHECK_STR(gemini_case_write(&g, &vertex2), LOOP("", "", "", ""));
	/* the third generation insists on a signature, on the first call */
	CHECK_STR(gemini_case_write(&g, &gemini3),
		  LOOP("\"id\":\"c1\",", "\"id\":\"c2\",",
		       ",\"thoughtSignature\":"
		       "\"skip_thought_signature_validator\"",
		       ""));
	g.talk.turns->parts->signature = STR("c2ln");
	CHECK_STR(gemini_case_write(&g, &gemini3),
		  LOOP("\"id\":\"c1\",", "\"id\":\"c2\",",
		       ",\"thoughtSignature\":\"c2ln\"", ""));
	gemini_case_end(&g);
}

TEST(a_result_without_its_call_is_refused)
{
	struct gemini_case g;

	begin(&g);
	add_result(&g, "c9", "\"x\"");
	CHECK_STR(gemini_case_write(&g, &gemini2), "");
	CHECK_INT(g.err, E_FIELD_LOST);
	CHECK_STR(g.w.refused, "messages[].tool_call_id");
	gemini_case_end(&g);
	begin(&g);
	add(&g, SPEAKER_ASSISTANT, PART_CALL, "{oops")->name = STR("a");
	CHECK_STR(gemini_case_write(&g, &gemini2), "");
	CHECK_STR(g.w.refused, "messages[].tool_calls[].function.arguments");
	gemini_case_end(&g);
}

TEST(media_go_inline_or_by_an_address_google_reaches)
{
	struct gemini_case g;
	struct part *p;

	begin(&g);
	p = add(&g, SPEAKER_USER, PART_IMAGE, "");
	p->mime = STR("image/png");
	p->data = STR("AAAA");
	p->detail = STR("low");
	add(&g, SPEAKER_USER, PART_FILE, "")->url = STR("gs://b/a.pdf");
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\""
		  ":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}},"
		  "{\"fileData\":{\"fileUri\":\"gs://b/a.pdf\"}}]}],"
		  "\"generationConfig\":{}}");
	CHECK(str_eq(g.w.dropped,
		     STR("messages[].content[].image_url.detail")));
	p->data = STR_NONE;
	p->url = STR("https://example.com/a.png");
	CHECK_STR(gemini_case_write(&g, &gemini2), "");
	CHECK_STR(g.w.refused, "messages[].content[].image_url.url");
	gemini_case_end(&g);
}

TEST(thoughts_go_back_without_a_signature)
{
	struct gemini_case g;

	begin(&g);
	add(&g, SPEAKER_ASSISTANT, PART_THINKING, "hm")->signature =
		STR("foreign");
	add(&g, SPEAKER_ASSISTANT, PART_REDACTED, "");
	add(&g, SPEAKER_ASSISTANT, PART_REFUSAL, "no");
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":"
		  "\"hm\",\"thought\":true},{\"text\":\"no\"}]}],"
		  "\"generationConfig\":{}}");
	CHECK(str_eq(g.w.dropped,
		     STR("messages[].content[].redacted_thinking")));
	gemini_case_end(&g);
}

TEST(tools_get_legal_names)
{
	struct gemini_case g;
	struct tool *t;

	begin(&g);
	t = conversation_tool(&g.talk);
	t->name = STR("look up");
	t->description = STR("d");
	t->schema = value_of("{\"type\":\"object\"}");
	t->strict = value_of("true");
	conversation_say(&g.talk, TRAIT_TOOL_CHOICE, "tool_choice",
			 value_of("\"x\""));
	g.talk.choice = CHOICE_NAMED;
	g.talk.choice_name = STR("look up");
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  "{\"contents\":[],\"tools\":[{\"functionDeclarations\":["
		  "{\"name\":\"look_up_1789da7a1402\",\"description\":\"d\","
		  "\"parametersJsonSchema\":{\"type\":\"object\"}}]}],"
		  "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
		  "\"allowedFunctionNames\":[\"look_up_1789da7a1402\"]}},"
		  "\"generationConfig\":{}}");
	CHECK(str_eq(g.w.dropped, STR("tools[].function.strict")));
	gemini_case_end(&g);
}

static const char *
thinking(struct gemini_case *g, const struct target *t)
{
	static char text[128];
	const char *body = gemini_case_write(g, t);
	const char *at = strstr(body, "\"thinkingConfig\":");

	(void)snprintf(text, sizeof(text), "%s", at ? at + 17 : "");
	if (at)
		*strchr(text, '}') = '\0';
	return text;
}

TEST(thinking_is_a_budget_or_a_level)
{
	struct gemini_case g;

	begin(&g);
	conversation_say(&g.talk, TRAIT_THINKING, "x", value_of("1"));
	g.talk.think = THINK_ON;
	g.talk.effort = STR("medium");
	g.talk.show_thoughts = true;
	CHECK_STR(thinking(&g, &gemini2),
		  "{\"thinkingBudget\":8192,\"includeThoughts\":true");
	CHECK_STR(thinking(&g, &gemini3),
		  "{\"thinkingLevel\":\"MEDIUM\",\"includeThoughts\":true");
	g.talk.effort = STR_NONE;
	g.talk.budget = 1024;
	g.talk.show_thoughts = false;
	CHECK_STR(thinking(&g, &gemini3), "{\"thinkingBudget\":1024");
	g.talk.budget = 0;
	g.talk.think = THINK_AUTO;
	CHECK_STR(thinking(&g, &gemini2), "{\"thinkingBudget\":-1");
	CHECK_STR(thinking(&g, &gemini3), "{");
	g.talk.think = THINK_OFF;
	CHECK_STR(thinking(&g, &gemini2), "{\"thinkingBudget\":0");
	gemini_case_end(&g);
}

TEST(what_gemini_does_not_have_is_named)
{
	struct gemini_case g;

	begin(&g);
	add(&g, SPEAKER_USER, PART_TEXT, "a")->cached = true;
	conversation_say(&g.talk, TRAIT_USER, "user", value_of("\"u\""));
	CHECK_STR(gemini_case_write(&g, &gemini2),
		  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
		  "\"a\"}]}],\"generationConfig\":{}}");
	CHECK(str_eq(g.w.dropped, STR("cache_control, user")));
	conversation_say(&g.talk, TRAIT_BIAS, "logit_bias", value_of("{}"));
	CHECK_STR(gemini_case_write(&g, &gemini2), "");
	CHECK_STR(g.w.refused, "logit_bias");
	gemini_case_end(&g);
}

int
main(void)
{
	RUN(the_system_goes_up_front_and_neighbours_are_merged);
	RUN(results_are_objects_named_by_their_function);
	RUN(a_result_without_its_call_is_refused);
	RUN(media_go_inline_or_by_an_address_google_reaches);
	RUN(thoughts_go_back_without_a_signature);
	RUN(tools_get_legal_names);
	RUN(thinking_is_a_budget_or_a_level);
	RUN(what_gemini_does_not_have_is_named);
	return tap_done();
}
