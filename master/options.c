/*
 * The command line of the server. What it does not say comes from the
 * environment (TOLLGATE_CONFIG, TOLLGATE_PREFIX).
 */
#include "master/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/load.h"

static const char usage_text[] =
	"usage: tollgate [-c FILE] [-p PREFIX] [-t | -T] [-q]\n"
	"\n"
	"  -c, --config FILE    the configuration; else $TOLLGATE_CONFIG,\n"
	"                       else /etc/tollgate/tollgate.conf\n"
	"  -p, --prefix PREFIX  relative state_dir and run_dir lie under it;\n"
	"                       else $TOLLGATE_PREFIX\n"
	"  -t, --test           check the configuration and exit\n"
	"  -T, --dump           print the effective configuration, secrets\n"
	"                       masked, and exit\n"
	"  -q, --quiet          no messages when all is well\n"
	"  -V, --version        print the version and exit\n"
	"  -h, --help           print this and exit\n"
	"\n"
	"The server stays in the foreground. Signals: HUP reload, TERM stop\n"
	"gracefully, INT stop fast, QUIT stop without a time limit, USR1\n"
	"reopen the logs, USR2 run the program that is installed now.\n";

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"prefix", required_argument, NULL, 'p'},
	{"test", no_argument, NULL, 't'},
	{"dump", no_argument, NULL, 'T'},
	{"quiet", no_argument, NULL, 'q'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static enum options_verdict
wrong(const char *text, const char *what)
{
	(void)fprintf(stderr,
		      "tollgate: %s%s\n"
		      "Try 'tollgate --help'.\n",
		      text, what);
	return OPTIONS_WRONG;
}

static const char *
env_text(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* One option; OPTIONS_RUN = go on. */
static enum options_verdict
option_take(struct options *o, int c)
{
	switch (c) {
	case 'c': o->config = optarg; return OPTIONS_RUN;
	case 'p': o->prefix = optarg; return OPTIONS_RUN;
	case 't': o->test = true; return OPTIONS_RUN;
	case 'T': o->dump = true; return OPTIONS_RUN;
	case 'q': o->quiet = true; return OPTIONS_RUN;
	case 'V': (void)puts("tollgate " TOLLGATE_VERSION); return OPTIONS_DONE;
	case 'h': (void)fputs(usage_text, stdout); return OPTIONS_DONE;
	default:
		/* getopt_long has said what is wrong. */
		(void)fputs("Try 'tollgate --help'.\n", stderr);
		return OPTIONS_WRONG;
	}
}

enum options_verdict
options_parse(struct options *o, int argc, char **argv)
{
	enum options_verdict v = OPTIONS_RUN;
	int c;

	memset(o, 0, sizeof(*o));
	o->argv = argv;
	optind = 0;
	while (v == OPTIONS_RUN && (c = getopt_long(argc, argv, "+c:p:tTqVh",
						    long_options, NULL)) != -1)
		v = option_take(o, c);
	if (v != OPTIONS_RUN)
		return v;
	if (optind < argc)
		return wrong("unexpected argument: ", argv[optind]);
	if (o->test && o->dump)
		return wrong("-t and -T exclude each other", "");
	if ((o->config && !*o->config) || (o->prefix && !*o->prefix))
		return wrong("-c and -p need a name that is not empty", "");
	if (!o->config)
		o->config = conf_default_path();
	if (!o->prefix)
		o->prefix = env_text("TOLLGATE_PREFIX");
	return OPTIONS_RUN;
}
