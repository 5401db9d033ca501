/* The commands of tollgate-ledger that write for other programs, and for
 * customers. */
#include <stdio.h>

#include "base/clock.h"
#include "tools/ledger_tool.h"

static struct report_job
job_of(const struct options *o, struct ledger *l)
{
	struct report_job job = tool_job(o, l);
	const char *issuer = o->value[OPTION_ISSUER];
	const char *zone = o->value[OPTION_ZONE];

	job.now_ms = clock_wall_ns() / NS_PER_MS;
	job.issuer = issuer && *issuer ? str_of(issuer) : STR("Tollgate");
	job.zone = zone ? str_of(zone) : STR("UTC");
	return job;
}

int
run_export_focus(const struct options *o, struct ledger *l)
{
	struct report_job job = job_of(o, l);

	job.hourly = options_has(o, OPTION_HOURLY);
	if (job.hourly && options_has(o, OPTION_DAILY)) {
		(void)options_complain("--hourly or --daily, not both", NULL);
		return EXIT_USAGE;
	}
	return tool_report_job(o, &job, report_focus);
}

int
run_export_journal(const struct options *o, struct ledger *l)
{
	struct report_job job = job_of(o, l);

	return tool_report_job(o, &job, report_journal);
}

int
run_invoice(const struct options *o, struct ledger *l)
{
	struct report_job job = job_of(o, l);
	const char *format = o->value[OPTION_FORMAT];

	if (!options_has(o, OPTION_ACCOUNT) || !options_has(o, OPTION_MONTH)) {
		(void)options_complain("invoice needs --account and --month",
				       NULL);
		return EXIT_USAGE;
	}
	if (format && o->format == SHEET_CSV && !o->html) {
		(void)options_complain("an invoice is json or html", format);
		return EXIT_USAGE;
	}
	job.html = o->html;
	return tool_report_job(o, &job, report_invoice);
}
