#pragma once
/* The command line of the server. */
#include <stdbool.h>

#include "base/attrs.h"

struct options {
	const char *config; /* never NULL */
	const char *prefix; /* NULL = none */
	bool test;	    /* -t */
	bool dump;	    /* -T */
	bool quiet;	    /* -q */
	char *const *argv;  /* all of it, to run once more */
};

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* -h, -V: answered */
	OPTIONS_WRONG, /* said why on stderr */
};

NODISCARD enum options_verdict options_parse(struct options *o, int argc,
					     char **argv);
