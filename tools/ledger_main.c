/*
 * tollgate-ledger: reads the files of the ledger, with or without a running
 * server. Only `rebuild` and `segment drop` write to them, without a server.
 *
 * Exit codes: 0 fine, 1 it could not be done, 2 usage, 5 the ledger is
 * damaged, 7 the verification found a difference.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "tools/ledger_tool.h"

static const struct command commands[] = {
	{
		.word = {"verify"},
		.needs = NEEDS_NOTHING,
		.takes = TAKES(RECOMPUTE) | TAKES(REBUILD) | TAKES(SEGMENTS),
		.help = "recompute everything from the entries",
		.run = run_verify,
	},
	{
		.word = {"rebuild"},
		.needs = NEEDS_NOTHING,
		.help = "balances anew from the entries; server stopped",
		.run = run_rebuild,
	},
	{
		.word = {"backup"},
		.operands = "DIR",
		.least = 1,
		.most = 1,
		.help = "a verified copy, also of a running server",
		.run = run_backup,
	},
	{
		.word = {"segment", "export"},
		.takes = TAKES(MONTH) | TAKES(OUTPUT),
		.help = "a month's entries as a file (--month, -o)",
		.run = run_segment_export,
	},
	{
		.word = {"segment", "verify"},
		.operands = "FILE...",
		.least = 1,
		.most = 10000,
		.needs = NEEDS_NOTHING,
		.help = "such files, and that they follow each other",
		.run = run_segment_verify,
	},
	{
		.word = {"segment", "drop"},
		.operands = "FILE",
		.least = 1,
		.most = 1,
		.needs = NEEDS_NOTHING,
		.takes = TAKES(MONTH),
		.help = "remove that month; server stopped",
		.run = run_segment_drop,
	},
	{
		.word = {"report", "requests"},
		.takes = TAKES_REPORT | TAKES(ACCOUNT) | TAKES(KEY) |
			 TAKES(CHANNEL),
		.help = "one row a request",
		.run = run_report_requests,
	},
	{
		.word = {"report", "accounts"},
		.takes = TAKES_REPORT | TAKES(ACCOUNT),
		.help = "one row an account",
		.run = run_report_accounts,
	},
	{
		.word = {"report", "channels"},
		.takes = TAKES_REPORT | TAKES(CHANNEL) | TAKES(INVOICE) |
			 TAKES(TOLERANCE),
		.help = "one row a day, channel and model",
		.run = run_report_channels,
	},
	{
		.word = {"reconcile"},
		.takes = TAKES_REPORT | TAKES(CHANNEL) | TAKES(INVOICE) |
			 TAKES(TOLERANCE),
		.help = "where --invoice and the ledger differ",
		.run = run_reconcile,
	},
	{
		.word = {"export", "focus"},
		.takes = TAKES_REPORT | TAKES(ACCOUNT) | TAKES(KEY) |
			 TAKES(CHANNEL) | TAKES(ISSUER) | TAKES(HOURLY) |
			 TAKES(DAILY),
		.help = "FOCUS 1.2 rows, for tools that watch costs",
		.run = run_export_focus,
	},
	{
		.word = {"export", "journal"},
		.takes = TAKES_PERIOD | TAKES(OUTPUT),
		.help = "a journal of hledger, with assertions",
		.run = run_export_journal,
	},
	{
		.word = {"invoice"},
		.takes = TAKES(ACCOUNT) | TAKES(MONTH) | TAKES(ZONE) |
			 TAKES(ISSUER) | TAKES(FORMAT) | TAKES(OUTPUT) |
			 TAKES_HTML,
		.help = "of --account for --month",
		.run = run_invoice,
	},
	{
		.word = {"dump"},
		.takes = TAKES_REPORT | TAKES(ACCOUNT) | TAKES(KEY),
		.help = "every entry, one JSON object a line",
		.run = run_dump,
	},
	{
		.word = {"seals"},
		.takes = TAKES_REPORT,
		.help = "the sealed root of each day",
		.run = run_seals,
	},
	{
		.word = {"receipt"},
		.operands = "FILE|-",
		.least = 1,
		.most = 1,
		.needs = NEEDS_NOTHING,
		.takes = TAKES(PUBLIC_KEY),
		.help = "check a signed receipt; with -d its entry too",
		.run = run_receipt,
	},
};

/* A damaged tree can lead LMDB anywhere. */
static void
damaged(int sig)
{
	static const char text[] =
		"tollgate-ledger: the ledger is damaged: its pages lead "
		"nowhere\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_DAMAGED);
	_exit(EXIT_DAMAGED);
}

int
main(int argc, char **argv)
{
	struct options o;

	log_open("ledger", NULL, LOG_LEVEL_ERROR);
	if (!options_parse(&o, argc, argv, commands, ARRAY_LEN(commands)))
		return EXIT_USAGE;
	(void)signal(SIGSEGV, damaged);
	(void)signal(SIGBUS, damaged);
	(void)signal(SIGABRT, damaged);
	if (o.command->needs == NEEDS_NOTHING)
		return o.command->run(&o, NULL);
	return tool_on_ledger(&o, o.command->run);
}
