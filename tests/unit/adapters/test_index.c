/* adapters/index.c, and what it is for: bodies with very many calls. */
#include "adapters/index.h"
#include "base/hash.h"
#include "tests/unit/adapters/talks.h"

#define MANY 100000u

static struct arena arena;

static struct str
number(unsigned i)
{
	return arena_printf(&arena, "n%u", i);
}

/* How deep; at most twice the logarithm if the tree is what it should be. */
static unsigned
depth(const struct index_node *n)
{
	unsigned l = n ? depth(n->left) : 0, r = n ? depth(n->right) : 0;

	return n ? 1 + MAX_OF(l, r) : 0;
}

static void
fill(struct index *x, unsigned n, unsigned step)
{
	static char value;

	*x = (struct index){NULL};
	for (unsigned i = 0, k = 0; i < n; i++, k = (k + step) % n)
		CHECK(index_set(&arena, x, number(k), &value));
}

TEST(whatever_the_order_the_way_to_a_name_is_short)
{
	static const unsigned steps[] = {1, MANY - 1, 7919};
	struct index x;

	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		arena_init(&arena);
		fill(&x, MANY, steps[i]);
		CHECK(depth(x.root) <= 34);
		for (unsigned k = 0; k < MANY; k += 97)
			CHECK(index_get(&x, number(k)) != NULL);
		CHECK(!index_get(&x, STR("n100000")));
		CHECK(!index_get(&x, STR("")));
		arena_free(&arena);
	}
}

TEST(the_last_value_of_a_name_counts)
{
	static char a, b;
	struct index x = {NULL};

	arena_init(&arena);
	CHECK(index_set(&arena, &x, STR(""), &a));
	CHECK(index_set(&arena, &x, STR("x"), &a));
	CHECK(index_set(&arena, &x, STR("x"), &b));
	CHECK(index_get(&x, STR("x")) == &b && index_get(&x, STR("")) == &a);
	CHECK_INT(depth(x.root), 2);
	arena_free(&arena);
}

/* ---- bodies ---- */

/* A request of one dialect; %u stands for a number each time. */
struct shape {
	const struct dialect *dialect;
	const char *begin, *call, *between, *result, *end;
};

#define CHAT_CALL                                                       \
	"{\"id\":\"c%u\",\"type\":\"function\",\"function\":{\"name\":" \
	"\"f\",\"arguments\":\"{}\"}}"
#define CHAT_RESULT \
	"{\"role\":\"tool\",\"tool_call_id\":\"c%u\",\"content\":\"1\"}"

static const struct shape shapes[] = {
	{&dialect_openai,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\","
	 "\"tool_calls\":[",
	 CHAT_CALL, "]},", CHAT_RESULT, "]}"},
	{&dialect_openai,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\","
	 "\"tool_calls\":[",
	 "{\"type\":\"function\",\"function\":{\"name\":\"f%u\"}}", "]},",
	 "{\"role\":\"user\",\"content\":\"%u\"}", "]}"},
	{&dialect_anthropic,
	 "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":"
	 "\"assistant\",\"content\":[",
	 "{\"type\":\"tool_use\",\"id\":\"c%u\",\"name\":\"f\",\"input\":{}}",
	 "]},{\"role\":\"user\",\"content\":[",
	 "{\"type\":\"tool_result\",\"tool_use_id\":\"c%u\"}", "]}]}"},
	{&dialect_responses, "{\"model\":\"m\",\"input\":[",
	 "{\"type\":\"function_call\",\"call_id\":\"c%u\",\"name\":\"f\","
	 "\"arguments\":\"{}\"}",
	 ",",
	 "{\"type\":\"function_call_output\",\"call_id\":\"c%u\","
	 "\"output\":\"1\"}",
	 "]}"},
	{&dialect_gemini, "{\"contents\":[{\"role\":\"model\",\"parts\":[",
	 "{\"functionCall\":{\"id\":\"c%u\",\"name\":\"f\"}}",
	 "]},{\"role\":\"user\",\"parts\":[",
	 "{\"functionResponse\":{\"id\":\"c%u\",\"name\":\"f\"}}", "]}]}"},
	{&dialect_gemini, "{\"contents\":[{\"role\":\"model\",\"parts\":[",
	 "{\"functionCall\":{\"name\":\"f%u\"}}",
	 "]},{\"role\":\"user\",\"parts\":[",
	 "{\"functionResponse\":{\"name\":\"f%u\"}}", "]}]}"},
};

/* Its first %u becomes the number, the last one first if `back`. */
static void
put_many(struct buf *out, const char *form, bool back)
{
	const char *at = strstr(form, "%u");

	for (unsigned i = 0; i < MANY; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add(out, form, (size_t)(at - form));
		buf_printf(out, "%u", back ? MANY - 1 - i : i);
		buf_add_cstr(out, at + 2);
	}
}

static void
read_many(struct talks *t, const struct shape *shape)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;

	buf_add_cstr(&body, shape->begin);
	put_many(&body, shape->call, false);
	buf_add_cstr(&body, shape->between);
	put_many(&body, shape->result, true);
	buf_add_cstr(&body, shape->end);
	*t = (struct talks){.body = BUF_INIT};
	t->ask.path = STR("m:generateContent");
	arena_init(&t->arena);
	t->ask.body = arena_dup(&t->arena, buf_str(&body));
	conversation_init(&t->talk, &t->arena);
	t->err = shape->dialect->parse(&t->arena, &t->ask, &t->detail);
	if (t->err == E_OK)
		t->err = shape->dialect->read(&t->talk, &t->ask, &t->detail);
	CHECK_INT(t->err, E_OK);
	t->ask.talk = &t->talk;
}

TEST(a_hundred_thousand_results_are_no_more_work_than_their_bytes)
{
	static const struct wire *const wires[] = {
		&wire_openai,  &wire_responses, &wire_anthropic, &wire_gemini,
		&wire_bedrock, &wire_ollama,	&wire_cohere};
	struct talks t;

	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		read_many(&t, &shapes[i]);
		for (unsigned k = i % 3; k < ARRAY_LEN(wires); k += 3) {
			buf_free(&t.body);
			talks_write(&t, wires[k], "m");
			CHECK(t.body.n > (size_t)MANY * 16);
			t.err = E_OK;
		}
		talks_free(&t);
	}
}

int
main(void)
{
	RUN(whatever_the_order_the_way_to_a_name_is_short);
	RUN(the_last_value_of_a_name_counts);
	RUN(a_hundred_thousand_results_are_no_more_work_than_their_bytes);
	return tap_done();
}
