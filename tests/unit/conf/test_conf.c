#include "conf/conf.h"
#include "tests/unit/conf/help.h"

static const char text[] = LISTEN
	"models = ( { name = \"a\"; free = true; }, { name = \"b\"; free = "
	"true; } );"
	"groups = ( { name = \"pool\"; multiplier = \"0.9\"; models = ( "
	"{ match = \"gpt-4*\"; multiplier = \"0.6\"; }, "
	"{ match = \"gpt-*\"; multiplier = \"1.7\"; } ); } );";

TEST(models_and_groups_are_found_by_name)
{
	const struct conf *c = loaded(text);

	CHECK(conf_model_find(c, STR("b")) == &c->models[1]);
	CHECK(conf_model_find(c, STR("c")) == NULL);
	CHECK(conf_model_find(c, STR("")) == NULL);
	CHECK(conf_group_find(c, STR("pool")) == &c->groups[0]);
	CHECK(conf_group_find(c, STR("default")) == &c->groups[1]);
	CHECK(conf_group_find(c, STR("other")) == NULL);
	conf_free(c);
}

TEST(the_first_match_gives_the_multiplier)
{
	const struct conf *c = loaded(text);
	const struct conf_group *g = &c->groups[0];

	CHECK_INT(conf_multiplier(g, STR("gpt-4o")), 600000);
	CHECK_INT(conf_multiplier(g, STR("gpt-3")), 1700000);
	CHECK_INT(conf_multiplier(g, STR("claude")), 900000);
	CHECK_INT(conf_multiplier(&c->groups[1], STR("gpt-4o")), 1000000);
	conf_free(c);
}

int
main(void)
{
	RUN(models_and_groups_are_found_by_name);
	RUN(the_first_match_gives_the_multiplier);
	return tap_done();
}
