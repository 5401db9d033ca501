/* Which route a request takes, and where it goes then. */
#include <stdlib.h>

#include "base/zone.h"
#include "conf/load.h"
#include "tests/unit/worker/fixture.h"

static const struct conf *loaded;

/* Of the fixture's house: its models, groups and channels in their order. */
#define HOUSE                                                                  \
	"listen = ( { address = \"127.0.0.1:1\"; } ); models = ( "             \
	"{ name = \"gpt\"; free = true; }, { name = \"cheap\"; free = true; }" \
	" ); groups = ( { name = \"default\"; }, { name = \"pool\"; } ); "     \
	"channels = ( { name = \"a\"; provider = \"demo\"; models = ( "        \
	"{ name = \"gpt\"; } ); }, { name = \"b\"; provider = \"demo\"; "      \
	"models = ( { name = \"gpt\"; } ); } ); routing = { strategy = "       \
	"\"failover\"; }; "

/* The fixture with these routes; it has not started. */
static struct fixture *
with(const char *routes)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT, error = BUF_INIT;
	struct fixture *f = fix_new();

	conf_free(loaded);
	buf_printf(&text, HOUSE "routes = ( %s );", routes);
	if (!conf_load_text(buf_str(&text), "routes", NULL, &loaded, &error)) {
		printf("Bail out! %.*s\n", STR_ARG(buf_str(&error)));
		exit(1);
	}
	f->conf.routes = loaded->routes;
	f->conf.n_routes = loaded->n_routes;
	f->conf.n_route_headers = loaded->n_route_headers;
	memcpy(f->conf.route_headers, loaded->route_headers,
	       sizeof(f->conf.route_headers));
	f->conf.n_route_metadata = loaded->n_route_metadata;
	memcpy(f->conf.route_metadata, loaded->route_metadata,
	       sizeof(f->conf.route_metadata));
	return f;
}

static char
where(struct fixture *f, unsigned before)
{
	char to = '-';

	if (f->n_calls > before)
		to = f->calls->target.pool_key == f->rows[LANE_A] ? 'a' : 'b';
	if (to != '-')
		fix_answer(f, 400, "{}");
	fix_settle(f);
	f->n_entries = 0;
	return to;
}

/* The channel a request goes to; '-': none. */
static char
goes_to(struct fixture *f, const char *fields, const char *body)
{
	unsigned before = f->n_calls;

	fix_body(fix_open(f, "POST", FIX_CHATS, FIX_KEY, fields), body);
	return where(f, before);
}

/* Channel b takes what matches, a the rest. */
static struct fixture *
b_takes(const char *match)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct fixture *f;

	buf_printf(&text,
		   "{ name = \"r\"; channels = ( \"b\" ); match = { %s }; }%c",
		   match, 0);
	f = with(text.p);
	fix_start(f);
	return f;
}

#define TOOLS ",\"tools\":[{\"type\":\"function\"}]"
#define IMAGE                                                               \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":[" \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x\"}}]}]}"
#define SCHEMA ",\"response_format\":{\"type\":\"json_schema\"}"

TEST(each_condition_decides)
{
	static const struct {
		const char *match;
		const char *fields;
		const char *model, *more;
		char to;
	} c[] = {
		{"", "", "gpt", "", 'b'},
		{"models = ( \"gpt\" );", "", "gpt", "", 'b'},
		{"models = ( \"g*\" );", "", "gpt", "", 'b'},
		{"models = ( \"g*\" );", "", "cheap", "", 'a'},
		{"groups = ( \"default\" );", "", "gpt", "", 'b'},
		{"keys = ( \"ci-*\", \"test-*\" );", "", "gpt", "", 'b'},
		{"keys = ( \"ci-*\" );", "", "gpt", "", 'a'},
		{"groups = ( \"pool\" );", "", "gpt", "", 'a'},
		{"headers = ( { name = \"X-Team\"; } );", "", "gpt", "", 'a'},
		{"headers = ( { name = \"X-Team\"; } );", "x-team: 1\r\n",
		 "gpt", "", 'b'},
		{"headers = ( { name = \"x-team\"; value = \"batch-*\"; } );",
		 "X-TEAM: batch-7\r\n", "gpt", "", 'b'},
		{"headers = ( { name = \"x-team\"; value = \"batch-*\"; } );",
		 "x-team: live\r\n", "gpt", "", 'a'},
		{"headers = ( { name = \"x-team\"; }, { name = \"x-b\"; } );",
		 "x-team: 1\r\n", "gpt", "", 'a'},
		{"headers = ( { name = \"x-team\"; }, { name = \"x-b\"; } );",
		 "x-team: 1\r\nx-b: 2\r\n", "gpt", "", 'b'},
		{"needs = ( \"tools\" );", "", "gpt", TOOLS, 'b'},
		{"needs = ( \"tools\" );", "", "gpt", "", 'a'},
		{"needs = ( \"tools\", \"json_schema\" );", "", "gpt", TOOLS,
		 'a'},
		{"needs = ( \"tools\", \"json_schema\" );", "", "gpt",
		 TOOLS SCHEMA, 'b'},
		{"prompt_min = 100;", "", "gpt", "", 'a'},
		{"prompt_max = 100;", "", "gpt", "", 'b'},
		{"prompt_min = 1; prompt_max = 2;", "", "gpt", "", 'a'},
		{"output_max = 50;", "", "gpt", ",\"max_tokens\":50", 'b'},
		{"output_max = 50;", "", "gpt", ",\"max_tokens\":51", 'a'},
		{"output_max = 50;", "", "gpt", "", 'a'},
		{"output_min = 4096;", "", "gpt", "", 'b'},
		{"models = ( \"gpt\" ); prompt_min = 100;", "", "gpt", "", 'a'},
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct fixture *f = b_takes(c[i].match);

		(void)str_copy(f->client_key->name, KEY_NAME, STR("test-7"));
		CHECK_INT(goes_to(f, c[i].fields,
				  fix_chat(c[i].model, c[i].more)),
			  c[i].to);
		CHECK(fix_done(f));
	}
}

#define TEAM	      "metadata = ( { name = \"team\"; value = \"batch-*\"; } );"
#define SAYS(members) ",\"metadata\":{" members "}"

TEST(metadata_decides)
{
	static const struct {
		const char *match;
		const char *more;
		char to;
	} c[] = {
		{TEAM, "", 'a'},
		{TEAM, SAYS(""), 'a'},
		{TEAM, SAYS("\"team\":\"batch-7\""), 'b'},
		{TEAM, SAYS("\"x\":{\"team\":1},\"team\":\"batch-7\""), 'b'},
		{TEAM, SAYS("\"t\\u0065am\":\"b\\u0061tch-7\""), 'b'},
		{TEAM, SAYS("\"team\":\"live\""), 'a'},
		{TEAM, SAYS("\"team\":\"batch-\\ud800\""), 'a'},
		{TEAM, SAYS("\"team\":[\"batch-7\"]"), 'a'},
		{TEAM, ",\"metadata\":\"batch-7\"", 'a'},
		{TEAM, ",\"metadata\":[\"team\",\"batch-7\"]", 'a'},
		{TEAM, ",\"labels\":{\"team\":\"batch-7\"}", 'a'},
		{TEAM, SAYS("\"team\":\"batch-1\",\"team\":\"live\""), 'b'},
		{TEAM, SAYS("\"team\":\"live\",\"team\":\"batch-1\""), 'a'},
		{"metadata = ( { name = \"a\"; } );", SAYS("\"a\":\"\""), 'b'},
		{"metadata = ( { name = \"a\"; } );", SAYS("\"a\":false"), 'b'},
		{"metadata = ( { name = \"a\"; } );", SAYS("\"a\":null"), 'a'},
		{"metadata = ( { name = \"a\"; } );", SAYS("\"a\":{}"), 'a'},
		{"metadata = ( { name = \"a\"; value = \"7\"; } );",
		 SAYS("\"a\":7"), 'b'},
		{"metadata = ( { name = \"a\"; value = \"7\"; } );",
		 SAYS("\"a\":7.0"), 'a'},
		{"metadata = ( { name = \"a\"; value = \"true\"; } );",
		 SAYS("\"a\":true"), 'b'},
		{"metadata = ( { name = \"a\"; }, { name = \"b\"; } );",
		 SAYS("\"a\":1"), 'a'},
		{"metadata = ( { name = \"a\"; }, { name = \"b\"; } );",
		 SAYS("\"b\":1,\"a\":1"), 'b'},
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct fixture *f = b_takes(c[i].match);

		CHECK_INT(goes_to(f, "", fix_chat("gpt", c[i].more)), c[i].to);
		CHECK(fix_done(f));
	}
}

/* Behind `before` members, with a value of `bytes` bytes. */
static char
goes_with_metadata(unsigned before, int bytes)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct fixture *f = b_takes("metadata = ( { name = \"team\"; } );");
	char to;

	buf_add_cstr(&body, "{\"model\":\"gpt\",\"messages\":[],"
			    "\"metadata\":{");
	for (unsigned i = 0; i < before; i++)
		buf_printf(&body, "\"m%u\":1,", i);
	buf_printf(&body, "\"team\":\"%0*d\"}}%c", bytes, 0, 0);
	to = goes_to(f, "", body.p);
	CHECK(fix_done(f));
	return to;
}

TEST(metadata_beyond_all_measure_matches_nothing)
{
	CHECK_INT(goes_with_metadata(63, 1), 'b');
	CHECK_INT(goes_with_metadata(64, 1), 'a');
	CHECK_INT(goes_with_metadata(0, 4094), 'b');
	CHECK_INT(goes_with_metadata(0, 4095), 'a');
}

TEST(a_tag_of_the_key_decides)
{
	static const struct {
		const char *match;
		const char *tags;
		char to;
	} c[] = {
		{"tags = ( \"prod\" );", "", 'a'},
		{"tags = ( \"*\" );", "", 'a'},
		{"tags = ( \"*\" );", "x", 'b'},
		{"tags = ( \"prod\" );", "prod", 'b'},
		{"tags = ( \"prod\" );", "prod-2", 'a'},
		{"tags = ( \"prod\", \"ci-*\" );", "team-a,ci-7", 'b'},
		{"tags = ( \"prod\", \"ci-*\" );", "team-a,xci-7", 'a'},
		{"tags = ( \"a,b\" );", "a,b", 'a'},
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct fixture *f = b_takes(c[i].match);

		(void)str_copy(f->client_key->texts[0].tags, KEY_TAGS,
			       str_of(c[i].tags));
		CHECK_INT(goes_to(f, "", fix_chat("gpt", "")), c[i].to);
		CHECK(fix_done(f));
	}
}

TEST(the_first_route_that_matches_counts)
{
	struct fixture *f =
		with("{ name = \"one\"; match = { needs = ( \"vision\" ); }; "
		     "channels = ( \"b\" ); }, "
		     "{ name = \"two\"; match = { models = ( \"gpt\" ); }; "
		     "channels = ( \"a\" ); }, "
		     "{ name = \"three\"; channels = ( \"b\" ); }");

	fix_start(f);
	CHECK_INT(goes_to(f, "", IMAGE), 'b');
	CHECK_INT(goes_to(f, "", fix_chat("gpt", "")), 'a');
	CHECK_INT(goes_to(f, "", fix_chat("cheap", "")), 'b');
	CHECK(fix_done(f));
}

TEST(a_route_has_its_strategy_and_its_order)
{
	struct fixture *f = with("{ name = \"r\"; channels = ( \"b\", \"a\" ); "
				 "match = { models = ( \"gpt\" ); }; }, "
				 "{ name = \"s\"; strategy = \"weighted\"; }");
	int a = 0;

	/* by priority a comes first */
	fix_start(f);
	CHECK_INT(goes_to(f, "", fix_chat("gpt", "")), 'b');
	atomic_store(&f->region.channels[f->rows[LANE_B]].state, CHANNEL_OPEN);
	CHECK_INT(goes_to(f, "", fix_chat("gpt", "")), 'a');
	atomic_store(&f->region.channels[f->rows[LANE_B]].state, CHANNEL_UP);
	CHECK(fix_done(f));
	f = with("{ name = \"s\"; strategy = \"weighted\"; }");
	f->channel[LANE_B].priority = f->channel[LANE_A].priority;
	fix_start(f);
	for (int i = 0; i < 200; i++)
		a += goes_to(f, "", fix_chat("gpt", "")) == 'a';
	CHECK(a > 60 && a < 140);
	CHECK(fix_done(f));
}

TEST(nobody_else_is_asked_than_the_route_says)
{
	struct fixture *f = b_takes("models = ( \"gpt\" );");

	atomic_store(&f->region.channels[f->rows[LANE_B]].state, CHANNEL_OPEN);
	CHECK_INT(goes_to(f, "", fix_chat("gpt", "")), '-');
	CHECK_INT(f->exchanges->status, 503);
	CHECK(fix_done(f));
}

TEST(what_a_model_lacks_is_asked_of_others)
{
	struct fixture *f = fix_new();

	f->offer[LANE_A][MODEL_GPT].lacks_bits =
		CONF_NEED_VISION | CONF_NEED_TOOLS;
	fix_start(f);
	CHECK_INT(goes_to(f, "", fix_chat("gpt", "")), 'a');
	CHECK_INT(goes_to(f, "", fix_chat("gpt", TOOLS)), 'b');
	CHECK_INT(goes_to(f, "", IMAGE), 'b');
	CHECK(fix_done(f));
	f = fix_new();
	f->offer[LANE_A][MODEL_GPT].lacks_bits =
		CONF_NEED_VISION | CONF_NEED_TOOLS;
	f->offer[LANE_B][MODEL_GPT].lacks_bits = CONF_NEED_VISION;
	fix_start(f);
	CHECK_INT(goes_to(f, "", IMAGE), '-');
	CHECK_INT(f->exchanges->status, 400);
	CHECK(fix_says(f->exchanges, "vision"));
	CHECK_STR(fix_json(f->exchanges, "code"), "\"unsupported_capability\"");
	CHECK(fix_done(f));
}

TEST(a_span_over_midnight_belongs_to_the_day_it_begins_on)
{
	struct conf_match night = {.from_minute = 22 * 60,
				   .to_minute = 6 * 60,
				   .days_bits = 1u << 5};
	struct conf_match office = {.from_minute = 8 * 60,
				    .to_minute = 18 * 60};
	struct conf_match weekend = {.days_bits = 1u << 6 | 1u};

	CHECK(rules_in_time(&night, 5, 22 * 60));
	CHECK(rules_in_time(&night, 6, 5 * 60 + 59));
	CHECK(!rules_in_time(&night, 6, 6 * 60));
	CHECK(!rules_in_time(&night, 5, 5 * 60));
	CHECK(!rules_in_time(&night, 6, 23 * 60));
	CHECK(rules_in_time(&office, 0, 8 * 60));
	CHECK(!rules_in_time(&office, 0, 18 * 60));
	CHECK(rules_in_time(&weekend, 0, 0));
	CHECK(rules_in_time(&weekend, 6, 1439));
	CHECK(!rules_in_time(&weekend, 1, 0));
}

int
main(void)
{
	CHECK(zone_set(STR("UTC")));
	RUN(each_condition_decides);
	RUN(metadata_decides);
	RUN(metadata_beyond_all_measure_matches_nothing);
	RUN(a_tag_of_the_key_decides);
	RUN(the_first_route_that_matches_counts);
	RUN(a_route_has_its_strategy_and_its_order);
	RUN(nobody_else_is_asked_than_the_route_says);
	RUN(what_a_model_lacks_is_asked_of_others);
	RUN(a_span_over_midnight_belongs_to_the_day_it_begins_on);
	conf_free(loaded);
	return tap_done();
}
