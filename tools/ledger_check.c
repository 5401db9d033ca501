/* The commands of tollgate-ledger that check, rebuild and copy. */
#include <stdio.h>
#include <unistd.h>

#include "billing/backup.h"
#include "billing/offline.h"
#include "billing/pages.h"
#include "billing/rebuild.h"
#include "billing/verify.h"
#include "tools/ledger_tool.h"

static void
say_error(const struct buf *text)
{
	(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
		      STR_ARG(buf_str(text)));
}

int
tool_on_ledger(const struct options *o,
	       int (*run)(const struct options *o, struct ledger *l))
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l = NULL;
	enum store s = ledger_open(&l, o->dir, LEDGER_READ, 0, &why);
	int code;

	if (s != STORE_OK) {
		say_error(&why);
		return s == STORE_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
	}
	code = run(o, l);
	ledger_close(l);
	return code;
}

static int
say_result(enum verify_result r, const struct buf *line)
{
	if (r == VERIFY_BALANCED)
		return printf("%.*s\n", STR_ARG(buf_str(line))) > 0 &&
				       fflush(stdout) == 0
			       ? EXIT_FINE
			       : EXIT_RUNTIME;
	say_error(line);
	return r == VERIFY_DIFFERS ? EXIT_DIFFERS : EXIT_DAMAGED;
}

bool
tool_pages_fine(const struct options *o)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	if (pages_check(o->dir, &why))
		return true;
	buf_add_cstr(&why, ": the ledger is damaged");
	say_error(&why);
	return false;
}

static int
verify(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	enum verify_result r =
		verify_history(l, o->value[OPTION_SEGMENTS],
			       options_has(o, OPTION_RECOMPUTE), &line);

	return say_result(r, &line);
}

int
run_verify(const struct options *o, struct ledger *l)
{
	if (!options_has(o, OPTION_REBUILD))
		return tool_pages_fine(o) ? tool_on_ledger(o, verify)
					  : EXIT_DAMAGED;
	if (!options_has(o, OPTION_RECOMPUTE) &&
	    !options_has(o, OPTION_SEGMENTS))
		return run_rebuild(o, l);
	(void)options_complain("--rebuild stands alone", NULL);
	return EXIT_USAGE;
}

int
run_rebuild(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	int lock, code;

	(void)l;
	if (!tool_pages_fine(o))
		return EXIT_DAMAGED;
	lock = offline_lock(o->dir, &out);
	if (lock < 0) {
		say_error(&out);
		return EXIT_RUNTIME;
	}
	code = say_result(rebuild_ledger(o->dir, &out), &out);
	(void)close(lock);
	return code;
}

int
run_backup(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	switch (backup_ledger(l, o->dir, o->operands[0], &out)) {
	case BACKUP_DONE:
		(void)printf("%s: %.*s; it holds the pepper: keep it secret\n",
			     o->operands[0], STR_ARG(buf_str(&out)));
		return fflush(stdout) == 0 ? EXIT_FINE : EXIT_RUNTIME;
	case BACKUP_FAILED: say_error(&out); return EXIT_RUNTIME;
	case BACKUP_DIFFERS: say_error(&out); return EXIT_DIFFERS;
	case BACKUP_DAMAGED: break;
	}
	say_error(&out);
	return EXIT_DAMAGED;
}
