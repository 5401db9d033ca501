#pragma once
/*
 * The insides of tollgate-ledger. The command line is parsed once, by two
 * tables: options (ledger_options.c) and commands (ledger_main.c). A new
 * command is a row in the second, with the options it takes.
 */
#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/exits.h"
#include "billing/ledger.h"
#include "billing/report.h"

enum option_id {
	OPTION_DIR,
	OPTION_PREFIX,
	OPTION_FROM,
	OPTION_TO,
	OPTION_MONTH,
	OPTION_ZONE,
	OPTION_ACCOUNT,
	OPTION_KEY,
	OPTION_CHANNEL,
	OPTION_INVOICE,
	OPTION_TOLERANCE,
	OPTION_ISSUER,
	OPTION_HOURLY,
	OPTION_DAILY,
	OPTION_FORMAT,
	OPTION_OUTPUT,
	OPTION_RAW,
	OPTION_RECOMPUTE,
	OPTION_REBUILD,
	OPTION_SEGMENTS,
	OPTION_PUBLIC_KEY,
	OPTION_VERSION,
	OPTION_HELP,
	OPTIONS
};

#define TAKES(option) (1ull << OPTION_##option)
#define TAKES_PERIOD  (TAKES(FROM) | TAKES(TO) | TAKES(MONTH) | TAKES(ZONE))
#define TAKES_REPORT  (TAKES_PERIOD | TAKES(FORMAT) | TAKES(OUTPUT) | TAKES(RAW))
/* Not an option: a format. */
#define TAKES_HTML (1ull << 63)
#define TAKES_EVERYWHERE \
	(TAKES(DIR) | TAKES(PREFIX) | TAKES(VERSION) | TAKES(HELP))

/* How the ledger is opened before run(). */
enum command_needs { NEEDS_LEDGER, NEEDS_NOTHING };

struct options;

struct command {
	const char *word[2]; /* "report", "requests" */
	const char
		*operands; /* what may follow, for the help; NULL = nothing */
	unsigned least, most; /* operands */
	enum command_needs needs;
	uint64_t takes; /* TAKES(); those of everywhere besides */
	const char *help;
	/* The exit code. */
	int (*run)(const struct options *o, struct ledger *l);
};

struct options {
	const struct command *command;
	char *const *operands;
	unsigned n_operands;
	/* As it was given; NULL = not given, "" for one without a value. */
	const char *value[OPTIONS];
	char dir[PATH_MAX];
	char run_dir[PATH_MAX]; /* of a server that may be running; "" */
	struct report_filter filter;
	enum sheet_format format;
	bool html;
};

/* ---- ledger_options.c ---- */

/* False: said on stderr. Ends the program after --help and --version. */
NODISCARD bool options_parse(struct options *o, int argc, char **argv,
			     const struct command *commands, size_t n);
/* Says it on stderr with a hint at --help; false. */
bool options_complain(const char *what, const char *value);
static inline bool
options_has(const struct options *o, enum option_id id)
{
	return o->value[id] != NULL;
}

/* ---- ledger_period.c ---- */

/* --zone, --from, --to and --month, whatever their order was: the period of
 * the filter. False: said on stderr. */
NODISCARD bool options_period(struct options *o);

/* ---- ledger_output.c ---- */

/* A file is written beside its place and renamed when it is whole. */
struct output {
	char side[PATH_MAX];
	const char *path; /* NULL = standard output */
	int fd;
};

NODISCARD bool output_open(struct output *out, const char *path);
/* With `whole`: puts it in its place, with .sha256 and .meta.json beside it;
 * without: removes it. */
NODISCARD bool output_close(struct output *out, const struct options *o,
			    const struct report_sum *sum, bool whole);

/* ---- ledger_reports.c ---- */

typedef enum report_result report_function(const struct report_job *job,
					   struct report_sum *sum,
					   struct buf *error);
struct report_job tool_job(const struct options *o, struct ledger *l);
/* Runs `report` into the output of the options: the exit code. */
int tool_report(const struct options *o, struct ledger *l,
		report_function *report);
int tool_report_job(const struct options *o, struct report_job *job,
		    report_function *report);
int run_report_requests(const struct options *o, struct ledger *l);
int run_report_accounts(const struct options *o, struct ledger *l);
int run_seals(const struct options *o, struct ledger *l);
int run_dump(const struct options *o, struct ledger *l);

/* ---- ledger_receipt.c ---- */

int run_receipt(const struct options *o, struct ledger *none);

/* ---- ledger_bill.c ---- */

int run_report_channels(const struct options *o, struct ledger *l);
int run_reconcile(const struct options *o, struct ledger *l);

/* ---- ledger_export.c ---- */

int run_export_focus(const struct options *o, struct ledger *l);
int run_export_journal(const struct options *o, struct ledger *l);
int run_invoice(const struct options *o, struct ledger *l);

/* ---- ledger_check.c ---- */

/* Opens the ledger for reading around `run`. */
int tool_on_ledger(const struct options *o,
		   int (*run)(const struct options *o, struct ledger *l));

/* The file's structure, before LMDB walks over it; false: said on stderr. */
NODISCARD bool tool_pages_fine(const struct options *o);
int run_verify(const struct options *o, struct ledger *l);
int run_rebuild(const struct options *o, struct ledger *l);
int run_backup(const struct options *o, struct ledger *l);

/* ---- ledger_segments.c ---- */

int run_segment_export(const struct options *o, struct ledger *l);
int run_segment_verify(const struct options *o, struct ledger *l);
int run_segment_drop(const struct options *o, struct ledger *l);
