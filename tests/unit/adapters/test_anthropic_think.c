/* adapters/anthropic_think.c: effort, budgets, and when neither is legal. */
#include "tests/unit/adapters/talks.h"

#define OLD "claude-sonnet-4-20250514"
#define NEW "claude-opus-4-6"

struct wish {
	const char *model;
	enum think_mode think;
	const char *effort;
	uint64_t budget;
	uint64_t max;	    /* the client's; 0 = none */
	uint32_t most;	    /* the model's */
	const char *out[2]; /* both must be in the body */
};

static const char *
written(struct talks *t, const struct wish *w)
{
	static const struct json_value said = {JSON_TRUE, {"true", 4}};

	talks_read(t, &dialect_anthropic,
		   "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":"
		   "\"user\",\"content\":\"hey\"}]}");
	t->ask.has_max = w->max > 0;
	t->ask.max_output = w->max;
	t->target.max_output = w->most;
	t->talk.think = w->think;
	t->talk.effort = str_of(w->effort);
	t->talk.budget = w->budget;
	conversation_say(&t->talk, TRAIT_THINKING, "reasoning_effort", said);
	talks_write(t, &wire_anthropic, w->model);
	CHECK_INT(t->err, E_OK);
	return t->body.p;
}

static const struct wish legal[] = {
	{OLD,
	 0,
	 "low",
	 0,
	 9000,
	 0,
	 {"\"max_tokens\":9000,",
	  "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"}},
	{OLD,
	 0,
	 "high",
	 0,
	 0,
	 0,
	 {"\"max_tokens\":20480,", "\"budget_tokens\":16384}"}},
	{OLD,
	 0,
	 "high",
	 0,
	 0,
	 8192,
	 {"\"max_tokens\":8192,", "\"budget_tokens\":6144}"}},
	{OLD,
	 0,
	 "high",
	 0,
	 0,
	 64000,
	 {"\"max_tokens\":64000,", "\"budget_tokens\":16384}"}},
	{OLD,
	 0,
	 "medium",
	 0,
	 2000,
	 0,
	 {"\"max_tokens\":2000,", "\"budget_tokens\":1500}"}},
	{OLD,
	 THINK_ON,
	 "",
	 3000,
	 9000,
	 0,
	 {"\"max_tokens\":9000,", "\"budget_tokens\":3000}"}},
	{OLD,
	 THINK_ON,
	 "",
	 10,
	 9000,
	 0,
	 {"\"max_tokens\":9000,", "\"budget_tokens\":1024}"}},
	{OLD,
	 THINK_AUTO,
	 "",
	 0,
	 9000,
	 0,
	 {"\"max_tokens\":9000,", "\"budget_tokens\":4096}"}},
	{OLD,
	 THINK_OFF,
	 "",
	 0,
	 9000,
	 0,
	 {"\"max_tokens\":9000,", "\"thinking\":{\"type\":\"disabled\"}"}},
	{OLD,
	 0,
	 "none",
	 0,
	 9000,
	 0,
	 {"\"max_tokens\":9000,", "\"thinking\":{\"type\":\"disabled\"}"}},
	{NEW,
	 0,
	 "xhigh",
	 0,
	 9000,
	 0,
	 {"\"thinking\":{\"type\":\"adaptive\"}",
	  "\"output_config\":{\"effort\":\"max\"}"}},
	{NEW,
	 THINK_ON,
	 "",
	 3000,
	 9000,
	 0,
	 {"\"thinking\":{\"type\":\"adaptive\"}",
	  "\"output_config\":{\"effort\":\"medium\"}"}},
	{NEW,
	 THINK_AUTO,
	 "",
	 0,
	 9000,
	 0,
	 {"\"thinking\":{\"type\":\"adaptive\"}", "\"max_tokens\":9000"}},
};

TEST(effort_becomes_what_the_model_knows)
{
	struct talks t;

	for (unsigned i = 0; i < ARRAY_LEN(legal); i++) {
		const char *body = written(&t, &legal[i]);

		for (unsigned j = 0; j < 2; j++) {
			bool there = strstr(body, legal[i].out[j]) != NULL;

			if (!there)
				printf("# wish %u: %s in %s\n", i,
				       legal[i].out[j], body);
			CHECK(there);
		}
		CHECK(t.dropped.n == 0);
		talks_free(&t);
	}
}

TEST(what_is_not_legal_is_left_out_and_named)
{
	static const struct wish wishes[] = {
		{OLD, 0, "low", 0, 1024, 0, {NULL, NULL}},
		{OLD, 0, "somehow", 0, 9000, 0, {NULL, NULL}},
		{NEW, 0, "somehow", 0, 9000, 0, {NULL, NULL}},
	};
	struct talks t;

	for (unsigned i = 0; i < ARRAY_LEN(wishes); i++) {
		const char *body = written(&t, &wishes[i]);

		CHECK(strstr(body, "thinking") == NULL);
		CHECK(strstr(body, "effort") == NULL);
		CHECK(str_eq(t.dropped, STR("reasoning_effort")));
		talks_free(&t);
	}
}

#define LOOP(first, choice)                                                   \
	"{\"model\":\"m\",\"max_tokens\":9000,\"thinking\":{\"type\":"        \
	"\"enabled\",\"budget_tokens\":2000},\"messages\":[{\"role\":"        \
	"\"assistant\",\"content\":[" first                                   \
	"{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"n\",\"input\":{}}]}," \
	"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","          \
	"\"tool_use_id\":\"c\"}]}],\"tools\":[{\"name\":\"n\","               \
	"\"input_schema\":{}}],\"tool_choice\":{\"type\":\"" choice "\"}}"

static bool
thinks(const char *body, const char *model)
{
	struct talks t;
	bool yes;

	talks_read(&t, &dialect_anthropic, body);
	talks_write(&t, &wire_anthropic, model);
	CHECK_INT(t.err, E_OK);
	yes = t.err == E_OK && strstr(t.body.p, "\"thinking\":{") != NULL;
	CHECK(yes == (t.dropped.n == 0));
	talks_free(&t);
	return yes;
}

TEST(a_tool_loop_goes_on_thinking_only_with_its_thoughts)
{
	CHECK(!thinks(LOOP("", "auto"), OLD));
	CHECK(thinks(LOOP("{\"type\":\"thinking\",\"thinking\":\"\","
			  "\"signature\":\"s\"},",
			  "auto"),
		     OLD));
	CHECK(thinks(LOOP("{\"type\":\"redacted_thinking\",\"data\":\"s\"},",
			  "auto"),
		     OLD));
	CHECK(thinks(LOOP("", "auto"), NEW));
}

TEST(a_forced_call_excludes_thinking)
{
	CHECK(!thinks(
		LOOP("{\"type\":\"redacted_thinking\",\"data\":\"s\"},", "any"),
		OLD));
	CHECK(!thinks(LOOP("", "any"), NEW));
}

TEST(a_version_is_found_in_any_name)
{
	static const char *const effort[] = {
		"claude-opus-4-6",
		"claude-sonnet-4-7-20260101",
		"anthropic.claude-opus-5-v1:0",
		"claude-opus-4-6@20260101",
	};
	static const char *const budget[] = {
		"claude-3-7-sonnet-latest", "claude-opus-4-5-20251101",
		"claude-sonnet-4-20250514", "claude-haiku",
		"some-model-9-9",	    "vendor/claude-sonnet-4.5",
	};
	const char *body = LOOP("", "auto");

	for (unsigned i = 0; i < ARRAY_LEN(effort); i++)
		CHECK(thinks(body, effort[i]));
	for (unsigned i = 0; i < ARRAY_LEN(budget); i++)
		CHECK(!thinks(body, budget[i]));
}

int
main(void)
{
	RUN(effort_becomes_what_the_model_knows);
	RUN(what_is_not_legal_is_left_out_and_named);
	RUN(a_tool_loop_goes_on_thinking_only_with_its_thoughts);
	RUN(a_forced_call_excludes_thinking);
	RUN(a_version_is_found_in_any_name);
	return tap_done();
}
