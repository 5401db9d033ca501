/* adapters/gemini_read.c: tools, choices and settings of a client. */
#include "tests/unit/adapters/gemini_case.h"

#define HI "\"contents\":[{\"parts\":[{\"text\":\"hi\"}],\"role\":\"user\"}]"

static const struct target target = {.model = {"gemini-2.0-flash", 16}};

/* What is refused of a request, by name; NULL: nothing. */
static const char *
refused(const char *body)
{
	static char name[128];
	struct gemini_case g;

	gemini_case_read(&g, body);
	CHECK_INT(g.err, E_OK);
	name[0] = '\0';
	if (g.talk.refused)
		(void)str_copy(name, sizeof(name), str_of(g.talk.refused));
	gemini_case_end(&g);
	return name;
}

static const char *
bad(const char *body, enum err want)
{
	static char name[128];
	struct gemini_case g;

	gemini_case_read(&g, body);
	CHECK_INT(g.err, want);
	(void)str_copy(name, sizeof(name), str_of(g.detail ? g.detail : ""));
	gemini_case_end(&g);
	return name;
}

TEST(settings_are_read_in_both_spellings)
{
	static const char *const bodies[] = {
		"{" HI
		",\"generationConfig\":{\"temperature\":0.5,\"topP\":0.9,"
		"\"topK\":40,\"maxOutputTokens\":64,\"stopSequences\":"
		"[\"END\"],\"seed\":7,\"candidateCount\":2,"
		"\"responseLogprobs\":true,\"logprobs\":3,"
		"\"presencePenalty\":0.1,\"frequencyPenalty\":0.2}}",
		"{" HI ",\"generation_config\":{\"temperature\":0.5,"
		"\"top_p\":0.9,\"top_k\":40,\"max_output_tokens\":64,"
		"\"stop_sequences\":[\"END\"],\"seed\":7,"
		"\"candidate_count\":2,\"response_logprobs\":true,"
		"\"logprobs\":3,\"presence_penalty\":0.1,"
		"\"frequency_penalty\":0.2}}",
	};
	struct gemini_case g;

	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++) {
		gemini_case_read(&g, bodies[i]);
		CHECK_INT(g.err, E_OK);
		CHECK_INT(g.ask.max_output, 64);
		CHECK_INT(g.ask.choices, 2);
		CHECK_STR(gemini_case_write(&g, &target),
			  "{\"contents\":[{\"role\":\"user\",\"parts\":"
			  "[{\"text\":\"hi\"}]}],\"generationConfig\":"
			  "{\"temperature\":0.5,\"topP\":0.9,\"topK\":40,"
			  "\"maxOutputTokens\":64,\"stopSequences\":[\"END\"],"
			  "\"seed\":7,\"candidateCount\":2,"
			  "\"responseLogprobs\":true,\"logprobs\":3,"
			  "\"presencePenalty\":0.1,\"frequencyPenalty\":0.2}}");
		gemini_case_end(&g);
	}
}

TEST(tools_and_choices_are_read)
{
	struct gemini_case g;

	gemini_case_read(
		&g, "{" HI ",\"tools\":[{\"functionDeclarations\":[{\"name\":"
		    "\"a\",\"description\":\"An \\u0041\",\"parameters\":"
		    "{\"type\":\"OBJECT\"}}]},{\"function_declarations\":"
		    "{\"name\":\"b\",\"parametersJsonSchema\":{\"type\":"
		    "\"object\",\"x\":1}}}],\"toolConfig\":"
		    "{\"functionCallingConfig\":{\"mode\":\"ANY\","
		    "\"allowedFunctionNames\":[\"b\"]}}}");
	CHECK_INT(g.err, E_OK);
	CHECK_INT(g.talk.choice, CHOICE_NAMED);
	CHECK(str_eq(g.talk.choice_name, STR("b")));
	CHECK_STR(gemini_case_write(&g, &target),
		  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
		  "\"hi\"}]}],\"tools\":[{\"functionDeclarations\":[{\"name\":"
		  "\"b\",\"parametersJsonSchema\":{\"type\":\"object\","
		  "\"x\":1}}]}],\"toolConfig\":{\"functionCallingConfig\":"
		  "{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"b\"]}},"
		  "\"generationConfig\":{}}");
	gemini_case_end(&g);
	gemini_case_read(
		&g, "{" HI ",\"tools\":[{\"functionDeclarations\":[{\"name\":"
		    "\"a\",\"parameters\":{\"type\":\"OBJECT\"}},{\"name\":"
		    "\"b\"},{\"name\":\"c\"}]}],\"toolConfig\":"
		    "{\"functionCallingConfig\":{\"mode\":\"ANY\","
		    "\"allowedFunctionNames\":[\"a\",\"c\"]}}}");
	CHECK_INT(g.talk.choice, CHOICE_REQUIRED);
	CHECK(str_eq(g.talk.tools->name, STR("a")));
	CHECK(str_eq(g.talk.tools->schema.raw, STR("{\"type\":\"object\"}")));
	CHECK(str_eq(g.talk.tools->next->name, STR("c")));
	CHECK(!g.talk.tools->next->next);
	gemini_case_end(&g);
}

TEST(every_mode_of_choice_is_known)
{
	static const struct {
		const char *mode;
		enum choice_mode choice;
	} cases[] = {{"AUTO", CHOICE_AUTO},
		     {"ANY", CHOICE_REQUIRED},
		     {"NONE", CHOICE_NONE},
		     {"VALIDATED", CHOICE_AUTO}};
	struct gemini_case g;
	char body[256];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(body, sizeof(body),
			       "{" HI ",\"tool_config\":"
			       "{\"function_calling_config\":{\"mode\":"
			       "\"%s\"}}}",
			       cases[i].mode);
		gemini_case_read(&g, body);
		CHECK_INT(g.err, E_OK);
		CHECK(g.talk.traits[TRAIT_TOOL_CHOICE].field != NULL);
		CHECK_INT(g.talk.choice, cases[i].choice);
		gemini_case_end(&g);
	}
	CHECK_STR(bad("{" HI ",\"toolConfig\":{\"functionCallingConfig\":"
		      "{\"mode\":\"any\"}}}",
		      E_BAD_FIELD),
		  "toolConfig.functionCallingConfig.mode");
}

TEST(thinking_is_asked_for_by_budget_or_level)
{
	static const struct {
		const char *config;
		enum think_mode think;
		uint64_t budget;
		const char *effort;
		bool shown;
	} cases[] = {
		{"{\"thinkingBudget\":1024,\"includeThoughts\":true}", THINK_ON,
		 1024, "", true},
		{"{\"thinkingBudget\":0}", THINK_OFF, 0, "", false},
		{"{\"thinking_budget\":-1}", THINK_AUTO, 0, "", false},
		{"{\"includeThoughts\":true}", THINK_AUTO, 0, "", true},
		{"{\"thinkingLevel\":\"LOW\"}", THINK_ON, 0, "low", false},
		{"{\"thinkingLevel\":\"high\"}", THINK_ON, 0, "high", false},
	};
	struct gemini_case g;
	char body[256];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(body, sizeof(body),
			       "{" HI
			       ",\"generationConfig\":{\"thinkingConfig\":%s}}",
			       cases[i].config);
		gemini_case_read(&g, body);
		CHECK_INT(g.err, E_OK);
		CHECK_INT(g.talk.think, cases[i].think);
		CHECK_INT(g.talk.budget, cases[i].budget);
		CHECK(str_eq(g.talk.effort, str_of(cases[i].effort)));
		CHECK_INT(g.talk.show_thoughts, cases[i].shown);
		gemini_case_end(&g);
	}
	CHECK_STR(bad("{" HI ",\"generationConfig\":{\"thinkingConfig\":"
		      "{\"thinkingBudget\":-2}}}",
		      E_BAD_FIELD),
		  "generationConfig.thinkingConfig.thinkingBudget");
}

TEST(answers_in_json_are_asked_for_in_three_ways)
{
	struct gemini_case g;

	gemini_case_read(&g, "{" HI ",\"generationConfig\":"
			     "{\"responseMimeType\":\"application/json\"}}");
	CHECK_INT(g.talk.format, FORMAT_JSON);
	gemini_case_end(&g);
	gemini_case_read(&g,
			 "{" HI ",\"generationConfig\":{\"responseMimeType\":"
			 "\"application/json\",\"responseSchema\":{\"type\":"
			 "\"STRING\"}}}");
	CHECK_INT(g.talk.format, FORMAT_SCHEMA);
	CHECK(str_eq(g.talk.format_schema.raw, STR("{\"type\":\"string\"}")));
	gemini_case_end(&g);
	gemini_case_read(
		&g, "{" HI ",\"generationConfig\":{\"responseMimeType\":"
		    "\"application/json\",\"responseJsonSchema\":{\"type\":"
		    "\"object\"}}}");
	CHECK_STR(gemini_case_write(&g, &target),
		  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
		  "\"hi\"}]}],\"generationConfig\":{\"responseMimeType\":"
		  "\"application/json\",\"responseJsonSchema\":{\"type\":"
		  "\"object\"}}}");
	gemini_case_end(&g);
	CHECK_STR(refused("{" HI ",\"generationConfig\":{\"responseMimeType\":"
			  "\"text/x.enum\"}}"),
		  "generationConfig.responseMimeType");
	CHECK_STR(refused("{" HI ",\"generationConfig\":{\"responseMimeType\":"
			  "\"text/plain\"}}"),
		  "");
}

TEST(what_only_google_has_is_refused_by_name)
{
	static const char *const cases[][2] = {
		{"\"tools\":[{\"googleSearch\":{}}]", "tools[].googleSearch"},
		{"\"tools\":[{\"code_execution\":{}}]",
		 "tools[].code_execution"},
		{"\"cachedContent\":\"cachedContents/x\"", "cachedContent"},
		{"\"generationConfig\":{\"speechConfig\":{}}",
		 "generationConfig.speechConfig"},
		{"\"toolConfig\":{\"retrievalConfig\":{}}",
		 "toolConfig.retrievalConfig"},
		{"\"tools\":[{\"functionDeclarations\":[{\"name\":\"a\","
		 "\"behavior\":\"NON_BLOCKING\"}]}]",
		 "tools[].functionDeclarations[].behavior"},
		{"\"what\":1", "what"},
		{"\"safetySettings\":[],\"labels\":{},\"store\":true,"
		 "\"model\":\"x\"",
		 ""},
	};
	char body[512];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(body, sizeof(body), "{" HI ",%s}", cases[i][0]);
		CHECK_STR(refused(body), cases[i][1]);
	}
}

TEST(wrong_types_are_named)
{
	static const char *const cases[][2] = {
		{"{" HI ",\"tools\":[3]}", "tools[]"},
		{"{" HI ",\"tools\":[{\"functionDeclarations\":[{}]}]}",
		 "tools[].functionDeclarations[].name"},
		{"{" HI ",\"tools\":[{\"functionDeclarations\":[{\"name\":"
		 "\"a\",\"parameters\":[]}]}]}",
		 "tools[].functionDeclarations[].parameters"},
		{"{" HI ",\"generationConfig\":{\"stopSequences\":\"x\"}}",
		 "generationConfig.stopSequences"},
		{"{" HI ",\"generationConfig\":{\"thinkingConfig\":1}}",
		 "generationConfig.thinkingConfig"},
		{"{" HI ",\"systemInstruction\":\"x\"}", "systemInstruction"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_STR(bad(cases[i][0], E_BAD_FIELD), cases[i][1]);
	CHECK_STR(bad("{" HI ",\"generationConfig\":{\"topK\":1,\"top_k\":2}}",
		      E_DUPLICATE_FIELD),
		  "generationConfig.top_k");
}

int
main(void)
{
	RUN(settings_are_read_in_both_spellings);
	RUN(tools_and_choices_are_read);
	RUN(every_mode_of_choice_is_known);
	RUN(thinking_is_asked_for_by_budget_or_level);
	RUN(answers_in_json_are_asked_for_in_three_ways);
	RUN(what_only_google_has_is_refused_by_name);
	RUN(wrong_types_are_named);
	return tap_done();
}
