#include "conf/load.h"
#include "tests/unit/conf/help.h"

#define WHOLE                                                                 \
	LISTEN                                                                \
	"workers = 3; drain_timeout = \"90s\"; log_level = \"debug\";\n"      \
	"limits = { body_size = \"1MiB\"; connections = 7; };\n"              \
	"models = ( { name = \"m\"; input = \"2.50\"; output = \"10\"; },\n"  \
	"           { name = \"f\"; free = true; } );\n"                      \
	"groups = ( { name = \"pool\"; multiplier = \"0.6\";\n"               \
	"  models = ( { match = \"gpt-*\"; multiplier = \"0.5\"; } ); } );\n" \
	"channels = ( { name = \"c\"; provider = \"openai\";\n"               \
	"  base_url = \"http://127.0.0.1:81/v9/\";\n"                         \
	"  keys = ( \"literal-1\", \"literal-2\" );\n"                        \
	"  models = ( { name = \"m\"; upstream = \"u\";\n"                    \
	"               aliases = [ \"x\", \"y\" ]; } );\n"                   \
	"  groups = ( \"default\", \"pool\" ); weight = 10; } );\n"

TEST(a_whole_file_becomes_fields)
{
	const struct conf *c = loaded(WHOLE);
	const struct conf_channel *ch = &c->channels[0];

	CHECK_INT(c->workers, 3);
	CHECK_INT(c->drain_timeout_ms, 90000);
	CHECK_INT(c->log_level, CONF_LOG_DEBUG);
	CHECK_INT(c->limits.body_size, 1048576);
	CHECK_INT(c->limits.connections, 7);
	CHECK_INT(c->n_listen, 1);
	CHECK_INT(c->listen[0].address.port, 8080);
	CHECK_INT(c->models[0].input.pico, 2500000);
	CHECK_INT(c->models[0].cache_read.pico, 2500000);
	CHECK_INT(c->models[0].reasoning.pico, 10000000);
	CHECK(c->models[1].free && c->models[1].input.pico == 0);
	CHECK_INT(c->n_groups, 2);
	CHECK_STR(c->groups[1].name.p, "default");
	CHECK_INT(c->groups[0].models[0].multiplier_ppm, 500000);
	CHECK_STR(ch->base_url.host.p, "127.0.0.1");
	CHECK_STR(ch->base_url.path.p, "/v9");
	CHECK_INT(ch->base_url.port, 81);
	CHECK_INT(ch->n_keys, 2);
	CHECK(str_eq(secret_bytes(ch->keys[1].key), STR("literal-2")));
	CHECK_STR(ch->models[0].upstream.p, "u");
	CHECK_INT(ch->models[0].n_aliases, 2);
	CHECK_STR(ch->models[0].aliases[1].p, "y");
	CHECK_INT(ch->n_groups, 2);
	CHECK_INT(ch->groups[0], 1);
	CHECK_INT(ch->groups[1], 0);
	CHECK_INT(ch->weight, 10);
	CHECK_INT(ch->where.line, 8);
	conf_free(c);
}

TEST(what_is_left_out_has_its_default)
{
	const struct conf *c = loaded(LISTEN);

	CHECK_STR(c->state_dir.p, "/var/lib/tollgate");
	CHECK_STR(c->run_dir.p, "/run/tollgate");
	CHECK_INT(c->drain_timeout_ms, 600000);
	CHECK_INT(c->ledger.durability, DURABILITY_COMMIT);
	CHECK_INT(c->ledger.map_size, 64ull << 30);
	CHECK_INT(c->limits.worker_memory, 512 << 20);
	CHECK_INT(c->routing.strategy, STRATEGY_BALANCED);
	CHECK_INT(c->cors.n_headers, 3);
	CHECK_STR(c->cors.headers[2].p, "x-api-key");
	CHECK_INT(c->cors.n_origins, 0);
	CHECK(!secret_is_set(c->admin.token));
	CHECK_INT(c->n_models, 0);
	conf_free(c);
}

static const struct {
	const char *text;
	const char *error;
} wrong[] = {
	{"wrokers = 1;", "t:1: wrokers: unknown key; did you mean 'workers'?"},
	{"\n\nabcdefgh = 1;", "t:3: abcdefgh: unknown key"},
	{LISTEN "limits = {\n idle_timout = \"3s\"; };",
	 "t:3: limits.idle_timout: unknown key; did you mean "
	 "'idle_timeout'?"},
	{"workers = 1;", "t:1: listen: is required"},
	{"listen = ( );", "t:1: listen: is required"},
	{"listen = ( { } );", "t:1: listen.address: is required"},
	{"listen = { };",
	 "t:1: listen: must be a list of groups: ( { ... }, { ... } )"},
	{"listen = ( \"a\" );",
	 "t:1: listen: must be a list of groups: ( { ... }, { ... } )"},
	{LISTEN "limits = ( );", "t:2: limits: must be a group: { ... }"},
	/* numbers are not taken for text, nor text for numbers */
	{LISTEN "workers = \"2\";",
	 "t:2: workers: must be a whole number without quotes: 16"},
	{LISTEN "workers = 2.0;",
	 "t:2: workers: must be a whole number without quotes: 16"},
	{LISTEN "workers = true;",
	 "t:2: workers: must be a whole number without quotes: 16"},
	{LISTEN "workers = 65;", "t:2: workers: must be 0 to 64"},
	{LISTEN "workers = -1;",
	 "t:2: workers: must be a whole number without quotes: 16"},
	{LISTEN "drain_timeout = 30;",
	 "t:2: drain_timeout: must be a duration in quotes, with its unit: "
	 "\"500ms\", \"30s\", \"10m\", \"1h\""},
	{LISTEN "models = ( { name = \"a\"; input = 2.5; } );",
	 "t:2: models.input: must be USD per million tokens in quotes: "
	 "\"2.50\""},
	{LISTEN "models = ( { name = \"a\"; free = \"yes\"; } );",
	 "t:2: models.free: must be true or false, without quotes"},
	{LISTEN "cors = { origins = \"*\"; };",
	 "t:2: cors.origins: must be a list of texts: ( \"a\", \"b\" )"},
	{LISTEN "cors = { origins = ( 1 ); };",
	 "t:2: cors.origins: must be a list of texts: ( \"a\", \"b\" )"},
	{LISTEN "admin = { token = 5; };",
	 "t:2: admin.token: must be \"env:NAME\", \"file:PATH\", "
	 "\"cred:NAME\" or \"exec:COMMAND\""},
	/* libconfig's own */
	{"workers 1;", "t:1: syntax error"},
	{"workers = 1;\nworkers = 2;", "t:2: duplicate setting name"},
};

TEST(each_mistake_has_its_place_and_its_advice)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK_STR(error_of(wrong[i].text), wrong[i].error);
}

TEST(a_literal_secret_is_a_warning_and_is_not_in_it)
{
	const struct conf *c = loaded(WHOLE);

	CHECK(c->n_warnings >= 2);
	CHECK(str_starts(c->warnings[0], STR("t:10: keys: a secret stands")));
	for (uint32_t i = 0; i < c->n_warnings; i++)
		CHECK(str_search(c->warnings[i], STR("literal-1")) < 0);
	conf_free(c);
}

static bool
load_file(const char *name, const char *prefix, const struct conf **c,
	  const char **error)
{
	static char line[1024];
	CLEANUP(buf_free) struct buf e = BUF_INIT;
	bool fine = conf_load(in_folder(name), prefix, c, &e);

	(void)str_copy(line, sizeof(line), buf_str(&e));
	*error = line;
	return fine;
}

TEST(drop_ins_add_to_lists_and_set_what_is_not_set)
{
	const struct conf *c;
	const char *error;

	(void)write_file("main.conf",
			 LISTEN "models = ( { name = \"a\"; free = true; } );");
	(void)mkdir(in_folder("conf.d"), 0700);
	(void)write_file("conf.d/20.conf",
			 "models = ( { name = \"c\"; free = true; } );");
	(void)write_file("conf.d/10.conf",
			 "workers = 5;\n"
			 "models = ( { name = \"b\"; free = true; } );");
	(void)write_file("conf.d/ignored", "nonsense");
	if (!load_file("main.conf", NULL, &c, &error)) {
		printf("# %s\n", error);
		CHECK(false);
		return;
	}
	CHECK_INT(c->workers, 5);
	CHECK_INT(c->n_models, 3);
	CHECK_STR(c->models[0].name.p, "a");
	CHECK_STR(c->models[1].name.p, "b");
	CHECK_STR(c->models[2].name.p, "c");
	CHECK_STR(c->models[1].where.file, in_folder("conf.d/10.conf"));
	CHECK_INT(c->models[1].where.line, 2);
	conf_free(c);
}

TEST(a_key_that_is_no_list_stands_in_one_file_only)
{
	const struct conf *c;
	const char *error;

	(void)write_file("conf.d/30.conf", "\nworkers = 6;");
	CHECK(!load_file("main.conf", NULL, &c, &error));
	CHECK(strstr(error, "conf.d/30.conf:2: workers: stands in another "
			    "file already"));
	(void)write_file("conf.d/30.conf", "\n\nworker = 6;");
	CHECK(!load_file("main.conf", NULL, &c, &error));
	CHECK(strstr(error, "conf.d/30.conf:3: worker: unknown key"));
	(void)write_file("conf.d/30.conf", "\n\n\nworkers = ;");
	CHECK(!load_file("main.conf", NULL, &c, &error));
	CHECK(strstr(error, "conf.d/30.conf:4: syntax error"));
	CHECK(unlink(in_folder("conf.d/30.conf")) == 0);
}

TEST(a_prefix_holds_the_directories)
{
	const struct conf *c;
	const char *error;

	CHECK(load_file("main.conf", "/tmp/some", &c, &error));
	CHECK_STR(c->state_dir.p, "/tmp/some/state");
	CHECK_STR(c->run_dir.p, "/tmp/some/run");
	CHECK_STR(c->prefix.p, "/tmp/some");
	conf_free(c);
	CHECK(load_file("main.conf", "relative", &c, &error));
	CHECK(c->state_dir.p[0] == '/' &&
	      str_ends(c->state_dir, STR("/relative/state")));
	conf_free(c);
}

TEST(a_file_that_cannot_be_read_says_why)
{
	const struct conf *c;
	const char *error;

	CHECK(!load_file("none.conf", NULL, &c, &error));
	CHECK(strstr(error, "none.conf:0: cannot be read: No such file"));
	CHECK(!load_file("conf.d", NULL, &c, &error));
	CHECK(strstr(error, "conf.d:0: cannot be read: Is a directory"));
}

TEST(the_default_path_follows_the_environment)
{
	CHECK(unsetenv("TOLLGATE_CONFIG") == 0);
	CHECK_STR(conf_default_path(), "/etc/tollgate/tollgate.conf");
	CHECK(setenv("TOLLGATE_CONFIG", "/x/y.conf", 1) == 0);
	CHECK_STR(conf_default_path(), "/x/y.conf");
	conf_free(NULL);
}

int
main(void)
{
	RUN(a_whole_file_becomes_fields);
	RUN(what_is_left_out_has_its_default);
	RUN(each_mistake_has_its_place_and_its_advice);
	RUN(a_literal_secret_is_a_warning_and_is_not_in_it);
	RUN(drop_ins_add_to_lists_and_set_what_is_not_set);
	RUN(a_key_that_is_no_list_stands_in_one_file_only);
	RUN(a_prefix_holds_the_directories);
	RUN(a_file_that_cannot_be_read_says_why);
	RUN(the_default_path_follows_the_environment);
	remove_folder();
	return tap_done();
}
