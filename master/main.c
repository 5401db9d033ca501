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
#include "master/takeover.h"

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

static bool
load(const struct options *o, const struct conf **conf, struct buf *error)
{
	if (!conf_load(o->config, o->prefix, conf, error))
		return false;
	if (reload_check(*conf, error))
		return true;
	conf_free(*conf);
	*conf = NULL;
	return false;
}

static int
say_nonsense(const char *why)
{
	(void)fprintf(stderr, "tollgate: cannot take over: the handover: %s\n",
		      why);
	return EXIT_RUNTIME;
}

/* Without `h` a start like any other. */
static int
run(const struct options *o, const struct handover *h)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *conf = NULL;
	int code;

	while (!load(o, &conf, &error)) {
		if (!h || o->test || o->dump)
			return say_invalid(&error);
		if (!takeover_patience(&error))
			return EXIT_RUNTIME;
		buf_reset(&error);
	}
	if (!o->test && !o->dump)
		return master_run(o, conf, h);
	if (o->test && h)
		code = takeover_check(h, conf);
	else
		code = o->test ? say_valid(o, conf) : say_all(conf);
	conf_free(conf);
	return code;
}

int
main(int argc, char **argv)
{
	CLEANUP(arena_free) struct arena arena;
	struct handover h;
	const char *why = "";
	struct options o;

	arena_init(&arena);
	switch (options_parse(&o, argc, argv)) {
	case OPTIONS_WRONG: return EXIT_USAGE;
	case OPTIONS_DONE: return EXIT_FINE;
	case OPTIONS_RUN: break;
	}
	(void)prctl(PR_SET_NAME, "tollgate", 0, 0, 0);
	switch (takeover_given(&arena, &h, &why)) {
	case GIVEN_NOTHING: return run(&o, NULL);
	case GIVEN_HANDOVER: return run(&o, &h);
	case GIVEN_NONSENSE: break;
	}
	return say_nonsense(why);
}
