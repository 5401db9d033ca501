/* adapters/names.c: legal names stay, others are mapped and found again. */
#include "adapters/names.h"
#include "tests/tap.h"

static struct arena arena;

static const struct name_rule plain = {.marks = "_-", .max = 64};
static const struct name_rule strict = {
	.marks = "_.:-", .first = "_", .max = 64};

TEST(a_legal_name_stays_as_it_is)
{
	CHECK(str_eq(name_legal(&arena, &plain, STR("get_weather-2")),
		     STR("get_weather-2")));
	CHECK(str_eq(name_legal(&arena, &plain, STR("g\\u0065t")), STR("get")));
	CHECK(str_eq(name_legal(&arena, &strict, STR("_a.b:c")),
		     STR("_a.b:c")));
}

TEST(an_illegal_name_gets_a_hash)
{
	struct str a = name_legal(&arena, &plain, STR("mcp.tool/1"));
	struct str b = name_legal(&arena, &plain, STR("mcp.tool:1"));

	CHECK(str_starts(a, STR("mcp_tool_1_")));
	CHECK(str_starts(b, STR("mcp_tool_1_")));
	CHECK_INT(a.n, 11 + 12);
	CHECK(!str_eq(a, b));
	CHECK(str_eq(a, name_legal(&arena, &plain, STR("mcp.tool\\/1"))));
	CHECK(str_eq(name_legal(&arena, &plain, a), a));
}

TEST(a_long_name_is_cut_and_stays_one_of_its_own)
{
	char text[200];
	struct str a, b;

	memset(text, 'x', sizeof(text));
	a = name_legal(&arena, &plain, str_make(text, 199));
	b = name_legal(&arena, &plain, str_make(text, 200));
	CHECK(a.n <= 64 && b.n <= 64 && !str_eq(a, b));
}

TEST(a_name_begins_as_the_rule_says)
{
	struct str s = name_legal(&arena, &strict, STR("1st"));

	CHECK(str_starts(s, STR("t1st_")));
	CHECK(name_legal(&arena, &strict, STR("")).p[0] == 't');
	CHECK(name_legal(&arena, &plain, STR("")).p[0] == 't');
}

TEST(a_call_is_given_its_own_name_back)
{
	struct conversation c;
	struct str legal;

	conversation_init(&c, &arena);
	conversation_tool(&c)->name = STR("get_time");
	conversation_tool(&c)->name = STR("w\\u00e4tter \\\"x\\\"");
	legal = name_legal(&arena, &plain, c.tools->next->name);
	CHECK(str_starts(legal, STR("w__tter__x__")));
	CHECK(str_eq(name_original(&arena, &plain, &c, legal),
		     c.tools->next->name));
	CHECK(str_eq(name_original(&arena, &plain, &c, STR("get_time")),
		     STR("get_time")));
	CHECK(str_eq(name_original(&arena, &plain, &c, STR("nobody")),
		     STR("nobody")));
	CHECK(str_eq(name_original(&arena, &plain, NULL, legal), legal));
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_legal_name_stays_as_it_is);
	RUN(an_illegal_name_gets_a_hash);
	RUN(a_long_name_is_cut_and_stays_one_of_its_own);
	RUN(a_name_begins_as_the_rule_says);
	RUN(a_call_is_given_its_own_name_back);
	arena_free(&arena);
	return tap_done();
}
