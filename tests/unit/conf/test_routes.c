/* Routes as they are loaded. */
#include "tests/unit/conf/help.h"

#define HOUSE                                                                 \
	LISTEN "models = ( { name = \"m\"; free = true; } ); "                \
	       "groups = ( { name = \"gold\"; } ); "                          \
	       "channels = ( { name = \"a\"; provider = \"demo\"; models = "  \
	       "( { name = \"m\"; lacks = ( \"audio\", \"tools\" ); } ); }, " \
	       "{ name = \"b\"; provider = \"demo\"; models = ( { name = "    \
	       "\"m\"; } ); } );\n"
#define ROUTE(rest) HOUSE "routes = ( { name = \"r\"; " rest " } );"
#define MATCH(rest) ROUTE("match = { " rest " };")

static const struct {
	const char *text;
	const char *error;
} faults[] = {
	{ROUTE("channels = ( \"a\", \"c\" );"),
	 "t:3: routes.channels: there is no channel 'c'"},
	{ROUTE("channels = ( \"a\", \"a\" );"),
	 "t:3: routes.channels: the channel 'a' is there twice"},
	{ROUTE("strategy = \"best\";"),
	 "t:3: routes.strategy: there is no strategy 'best'; see "
	 "routing.strategy"},
	{ROUTE("strategi = \"best\";"),
	 "t:3: routes.strategi: unknown key; did you mean 'strategy'?"},
	{HOUSE "routes = ( { name = \"r\"; },\n{ name = \"r\"; } );",
	 "t:4: routes.name: the route 'r' is there twice"},
	{HOUSE "routes = ( { name = \"r r\"; } );",
	 "t:3: routes.name: may not hold spaces or control characters"},
	{ROUTE("fallbacks = ( \"m\", \"n\" );"),
	 "t:3: routes.fallbacks: the model 'n' is not in the price book"},
	{MATCH("models = ( \"n\" );"),
	 "t:3: routes.match.models: the model 'n' is not in the price book"},
	{MATCH("groups = ( \"n\" );"),
	 "t:3: routes.match.groups: there is no group 'n'"},
	{MATCH("needs = ( \"video\" );"),
	 "t:3: routes.match.needs: 'video' is none of tools, vision, "
	 "json_schema, audio, file"},
	{MATCH("days = ( \"Monday\" );"),
	 "t:3: routes.match.days: 'Monday' is none of mon, tue, wed, thu, fri, "
	 "sat, sun"},
	{MATCH("hours = \"8-18\";"),
	 "t:3: routes.match.hours: '8-18' is no span like 08:00-18:00"},
	{MATCH("hours = \"08:00-25:00\";"),
	 "t:3: routes.match.hours: '08:00-25:00' is no span like 08:00-18:00"},
	{MATCH("hours = \"08:00-08:00\";"),
	 "t:3: routes.match.hours: '08:00-08:00' is no time"},
	{MATCH("prompt_min = 9; prompt_max = 8;"),
	 "t:3: routes.match.prompt_min: is more than the most, 8"},
	{MATCH("output_min = 9; output_max = 8;"),
	 "t:3: routes.match.output_min: is more than the most, 8"},
	{MATCH("headers = ( { name = \"x y\"; } );"),
	 "t:3: routes.match.headers.name: 'x y' is no name of a header"},
	{MATCH("headers = ( { value = \"y\"; } );"),
	 "t:3: routes.match.headers.name: is required"},
	{MATCH("metadata = ( { value = \"y\"; } );"),
	 "t:3: routes.match.metadata.name: is required"},
};

TEST(each_fault_says_where_it_stands)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		CHECK_STR(error_of(faults[i].text), faults[i].error);
}

TEST(words_become_numbers)
{
	const struct conf *c = loaded(MATCH(
		"groups = ( \"gold\" ); models = ( \"m*\", \"m\" ); "
		"needs = ( \"vision\", \"tools\" ); days = ( \"sat\", "
		"\"sun\" ); hours = \"22:30-06:00\"; headers = "
		"( { name = \"x-a\"; }, { name = \"x-b\"; value = \"1*\"; } ); "
		"metadata = ( { name = \"team\"; } );"));
	const struct conf_match *m = &c->routes[0].match;

	CHECK_INT(m->groups[0], 0);
	CHECK_INT(m->needs_bits, CONF_NEED_VISION | CONF_NEED_TOOLS);
	CHECK_INT(m->days_bits, 1 | 64);
	CHECK_INT(m->from_minute, 22 * 60 + 30);
	CHECK_INT(m->to_minute, 360);
	CHECK_INT(m->headers_bits, 3);
	CHECK_INT(c->n_route_headers, 2);
	CHECK_INT(m->metadata_bits, 1);
	CHECK_INT(c->n_route_metadata, 1);
	CHECK(str_eq(c->route_metadata[0]->name, STR("team")));
	CHECK(str_eq(c->route_headers[0]->value, STR("*")));
	CHECK(str_eq(c->route_headers[1]->name, STR("x-b")));
	CHECK_INT(c->channels[0].models[0].lacks_bits,
		  CONF_NEED_TOOLS | CONF_NEED_AUDIO);
	CHECK_STR(conf_need_name(CONF_NEED_JSON_SCHEMA), "json_schema");
	conf_free(c);
}

TEST(a_route_has_its_strategy_or_that_of_all)
{
	const struct conf *c = loaded(
		HOUSE "routing = { strategy = \"weighted\"; }; routes = ( "
		      "{ name = \"r\"; channels = ( \"b\", \"a\" ); }, "
		      "{ name = \"s\"; strategy = \"failover\"; } );");

	CHECK_INT(c->routes[0].chosen, STRATEGY_WEIGHTED);
	CHECK_INT(c->routes[0].lanes[0], 1);
	CHECK_INT(c->routes[0].lanes[1], 0);
	CHECK_INT(c->routes[1].chosen, STRATEGY_FAILOVER);
	CHECK_INT(c->routes[1].n_channels, 0);
	conf_free(c);
}

/* What is wrong with 65 routes that have one condition `key` each. */
static const char *
too_many(const char *key)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_add_cstr(&text, HOUSE "routes = ( ");
	for (int i = 0; i < 65; i++)
		buf_printf(&text,
			   "%s{ name = \"r%d\"; match = { %s = ( { name = "
			   "\"h\"; } ); }; }",
			   i ? ", " : "", i, key);
	buf_add_cstr(&text, " );");
	buf_add_char(&text, '\0');
	return error_of(text.p);
}

TEST(conditions_with_a_bit_are_bounded)
{
	CHECK_STR(too_many("headers"), "t:3: routes.match.headers: there are "
				       "more than 64 over all routes");
	CHECK_STR(too_many("metadata"), "t:3: routes.match.metadata: there are "
					"more than 64 over all routes");
}

TEST(a_route_that_nothing_reaches_is_warned_of)
{
	const struct conf *c = loaded(
		LISTEN "routes = ( { name = \"a\"; match = { prompt_min = 1; };"
		       " }, { name = \"b\"; },\n{ name = \"c\"; } );");

	CHECK_INT(c->n_warnings, 1);
	CHECK_STR(c->warnings[0].p,
		  "t:3: routes: no request comes so far: a route before this "
		  "one matches all");
	conf_free(c);
}

int
main(void)
{
	RUN(each_fault_says_where_it_stands);
	RUN(words_become_numbers);
	RUN(a_route_has_its_strategy_or_that_of_all);
	RUN(conditions_with_a_bit_are_bounded);
	RUN(a_route_that_nothing_reaches_is_warned_of);
	return tap_done();
}
