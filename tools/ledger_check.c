/* The commands of tollgate-ledger that check. */
#include <stdio.h>

#include "billing/verify.h"
#include "tools/ledger_tool.h"

int
run_verify(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	enum verify_result r =
		verify_ledger(l, options_has(o, OPTION_RECOMPUTE), &line);

	if (r == VERIFY_BALANCED)
		return printf("%.*s\n", STR_ARG(buf_str(&line))) > 0 &&
				       fflush(stdout) == 0
			       ? EXIT_FINE
			       : EXIT_RUNTIME;
	(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
		      STR_ARG(buf_str(&line)));
	return r == VERIFY_DIFFERS ? EXIT_DIFFERS : EXIT_DAMAGED;
}
