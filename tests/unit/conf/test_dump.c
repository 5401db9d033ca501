#include "conf/dump.h"
#include "tests/unit/conf/help.h"

static const char whole[] = LISTEN
	"workers = 3; user = \"www \\\"quoted\\\" \\\\\";\n"
	"limits = { body_size = \"1500KiB\"; idle_timeout = \"1500ms\"; };\n"
	"cors = { origins = ( \"https://a\", \"*\" ); };\n"
	"admin = { address = \"[::1]:9180\"; token = \"0123456789abcdef\"; };\n"
	"models = ( { name = \"m\"; input = \"2.50\"; cache_read = \"0\"; "
	"per_request = \"0.001\"; bytes_per_token = \"3.5\"; },\n"
	"           { name = \"f\"; free = true; } );\n"
	"groups = ( { name = \"pool\"; multiplier = \"0.6\";\n"
	"  models = ( { match = \"gpt-*\"; multiplier = \"0.5\"; } ); } );\n"
	"channels = ( { name = \"c\"; provider = \"openai\";\n"
	"  base_url = \"http://127.0.0.1:81/v9/\";\n"
	"  auth = \"aws\"; region = \"eu-west-1\";\n"
	"  keys = ( \"env:TG_TEST_KEY\", \"sk-literal\",\n"
	"    { access_key_id = \"env:TG_TEST_KEY\";\n"
	"      secret_access_key = \"secret-literal\"; } );\n"
	"  models = ( { name = \"m\"; aliases = [ \"x\", \"y\" ]; } );\n"
	"  groups = ( \"pool\" ); cost = \"0.9\"; },\n"
	"  { name = \"d\"; provider = \"demo\"; fail_every = 3;\n"
	"    models = ( { name = \"f\"; } ); } );\n";

static void
dump_of(const char *text, struct buf *out)
{
	const struct conf *c = loaded(text);

	if (c)
		conf_dump(c, out);
	buf_add_char(out, '\0');
	conf_free(c);
}

TEST(a_dump_loads_again_as_the_same_configuration)
{
	CLEANUP(buf_free) struct buf once = BUF_INIT, twice = BUF_INIT;

	CHECK(setenv("TG_TEST_KEY", "sk-of-the-environment", 1) == 0);
	dump_of(whole, &once);
	dump_of(once.p, &twice);
	CHECK_STR(twice.p, once.p);
	CHECK(strstr(once.p, "body_size = \"1500KiB\";") != NULL);
	CHECK(strstr(once.p, "idle_timeout = \"1500ms\";") != NULL);
	CHECK(strstr(once.p, "groups = ( \"pool\" );") != NULL);
	CHECK(strstr(once.p, "user = \"www \\\"quoted\\\" \\\\\";") != NULL);
}

TEST(no_secret_is_in_a_dump)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	dump_of(whole, &out);
	CHECK(strstr(out.p, "env:TG_TEST_KEY") != NULL);
	CHECK(strstr(out.p, "sk-of-the-environment") == NULL);
	CHECK(strstr(out.p, "sk-literal") == NULL);
	CHECK(strstr(out.p, "secret-literal") == NULL);
	CHECK(strstr(out.p, "secret_access_key = \"****") != NULL);
	CHECK(strstr(out.p, "keys = ( \"env:TG_TEST_KEY\", \"****") != NULL);
	CHECK(strstr(out.p, "0123456789abcdef") == NULL);
	CHECK(strstr(out.p, "****") != NULL);
}

TEST(the_smallest_configuration_is_dumped_with_every_default)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	dump_of(LISTEN, &out);
	CHECK(strstr(out.p, "drain_timeout = \"10m\";") != NULL);
	CHECK(strstr(out.p, "durability = \"commit\";") != NULL);
	CHECK(strstr(out.p, "models = ( );") != NULL);
	CHECK(strstr(out.p, "name = \"default\";") != NULL);
}

int
main(void)
{
	RUN(a_dump_loads_again_as_the_same_configuration);
	RUN(no_secret_is_in_a_dump);
	RUN(the_smallest_configuration_is_dumped_with_every_default);
	return tap_done();
}
