/* The command line of the server. */
#include <stdlib.h>

#include "master/options.h"
#include "tests/tap.h"

static enum options_verdict
parse(struct options *o, const char *a, const char *b, const char *c)
{
	char name[] = "tollgate";
	char text[3][64];
	const char *given[] = {a, b, c};
	char *argv[5] = {name, NULL, NULL, NULL, NULL};
	int argc = 1;

	for (int i = 0; i < 3; i++)
		if (given[i]) {
			(void)snprintf(text[i], sizeof(text[i]), "%s",
				       given[i]);
			argv[argc++] = text[i];
		}
	return options_parse(o, argc, argv);
}

TEST(without_options_the_environment_counts_then_the_default)
{
	struct options o;

	(void)unsetenv("TOLLGATE_CONFIG");
	(void)unsetenv("TOLLGATE_PREFIX");
	CHECK_INT(parse(&o, NULL, NULL, NULL), OPTIONS_RUN);
	CHECK_STR(o.config, "/etc/tollgate/tollgate.conf");
	CHECK(o.prefix == NULL && !o.test && !o.dump && !o.quiet);
	(void)setenv("TOLLGATE_CONFIG", "/a", 1);
	(void)setenv("TOLLGATE_PREFIX", "/b", 1);
	CHECK_INT(parse(&o, NULL, NULL, NULL), OPTIONS_RUN);
	CHECK_STR(o.config, "/a");
	CHECK_STR(o.prefix, "/b");
	(void)setenv("TOLLGATE_PREFIX", "", 1);
	CHECK_INT(parse(&o, "-q", "-t", NULL), OPTIONS_RUN);
	CHECK(o.prefix == NULL && o.test && o.quiet);
	(void)unsetenv("TOLLGATE_CONFIG");
	(void)unsetenv("TOLLGATE_PREFIX");
}

TEST(options_win_over_the_environment)
{
	struct options o;

	(void)setenv("TOLLGATE_PREFIX", "/b", 1);
	CHECK_INT(parse(&o, "-p/x", "-T", NULL), OPTIONS_RUN);
	CHECK_STR(o.prefix, "/x");
	CHECK(o.dump);
	CHECK_INT(parse(&o, "--prefix", "/y", "--test"), OPTIONS_RUN);
	CHECK(o.test);
	(void)unsetenv("TOLLGATE_PREFIX");
}

TEST(what_makes_no_sense_is_a_usage_error)
{
	struct options o;

	CHECK_INT(parse(&o, "-t", "-T", NULL), OPTIONS_WRONG);
	CHECK_INT(parse(&o, "-x", NULL, NULL), OPTIONS_WRONG);
	CHECK_INT(parse(&o, "--nothing", NULL, NULL), OPTIONS_WRONG);
	CHECK_INT(parse(&o, "-c", NULL, NULL), OPTIONS_WRONG);
	CHECK_INT(parse(&o, "-c", "", NULL), OPTIONS_WRONG);
	CHECK_INT(parse(&o, "word", NULL, NULL), OPTIONS_WRONG);
}

TEST(help_and_version_are_answered)
{
	struct options o;

	printf("# ");
	CHECK_INT(parse(&o, "-V", NULL, NULL), OPTIONS_DONE);
}

int
main(void)
{
	RUN(without_options_the_environment_counts_then_the_default);
	RUN(options_win_over_the_environment);
	RUN(what_makes_no_sense_is_a_usage_error);
	RUN(help_and_version_are_answered);
	return tap_done();
}
