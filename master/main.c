/* tollgate: the server. Options, then -t, -T or the master. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/exits.h"
#include "conf/conf.h"
#include "conf/dump.h"
#include "conf/load.h"
#include "master/master.h"
#include "master/options.h"
#include "master/reload.h"

static int
say_invalid(const struct buf *error)
{
	(void)fprintf(stderr, "tollgate: %.*s\n", (int)error->n, error->p);
	return EXIT_CONFIG;
}

static int
say_valid(const struct options *o, const struct conf *c)
{
	if (o->quiet)
		return EXIT_FINE;
	for (uint32_t i = 0; i < c->n_warnings; i++)
		(void)fprintf(stderr, "tollgate: warning: %.*s\n",
			      STR_ARG(c->warnings[i]));
	(void)printf("%.*s: valid\n", STR_ARG(c->path));
	return EXIT_FINE;
}

static int
say_all(const struct conf *c)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	conf_dump(c, &out);
	if (out.failed || fwrite(out.p, 1, out.n, stdout) != out.n ||
	    fflush(stdout) != 0)
		return EXIT_RUNTIME;
	return EXIT_FINE;
}

int
main(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *conf = NULL;
	struct options o;
	int code;

	switch (options_parse(&o, argc, argv)) {
	case OPTIONS_WRONG: return EXIT_USAGE;
	case OPTIONS_DONE: return EXIT_FINE;
	case OPTIONS_RUN: break;
	}
	(void)prctl(PR_SET_NAME, "tollgate", 0, 0, 0);
	if (!conf_load(o.config, o.prefix, &conf, &error))
		return say_invalid(&error);
	if (!reload_check(conf, &error)) {
		conf_free(conf);
		return say_invalid(&error);
	}
	if (!o.test && !o.dump)
		return master_run(&o, conf);
	code = o.test ? say_valid(&o, conf) : say_all(conf);
	conf_free(conf);
	return code;
}
