/* The commands of tollgate-ledger that write rows. */
#include <stdio.h>

#include "shm/region.h"
#include "tools/ledger_tool.h"

int
tool_report_job(const struct options *o, struct report_job *job,
		report_function *report)
{
	CLEANUP(buf_free) struct buf said = BUF_INIT;
	enum report_result r;
	struct report_sum sum;
	struct output out;

	if (!output_open(&out, o->value[OPTION_OUTPUT]))
		return EXIT_RUNTIME;
	job->fd = out.fd;
	r = report(job, &sum, &said);
	if (said.n)
		(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
			      STR_ARG(buf_str(&said)));
	if (!output_close(&out, o, &sum, r == REPORT_DONE))
		return r == REPORT_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
	return sum.differences ? EXIT_DIFFERS : EXIT_FINE;
}

struct report_job
tool_job(const struct options *o, struct ledger *l)
{
	return (struct report_job){
		.ledger = l,
		.filter = o->filter,
		.format = o->format,
		.raw = options_has(o, OPTION_RAW),
		.fd = -1,
	};
}

int
tool_report(const struct options *o, struct ledger *l, report_function *report)
{
	struct report_job job = tool_job(o, l);

	return tool_report_job(o, &job, report);
}

int
run_report_requests(const struct options *o, struct ledger *l)
{
	return tool_report(o, l, report_requests);
}

int
run_report_accounts(const struct options *o, struct ledger *l)
{
	struct report_job job = tool_job(o, l);
	struct region live = {0};
	int code;

	if (o->run_dir[0] && region_view(&live, o->run_dir) == E_OK)
		job.live = &live;
	code = tool_report_job(o, &job, report_accounts);
	if (job.live)
		region_close(&live);
	return code;
}

int
run_seals(const struct options *o, struct ledger *l)
{
	return tool_report(o, l, report_seals);
}

int
run_dump(const struct options *o, struct ledger *l)
{
	struct report_job job = tool_job(o, l);

	if (options_has(o, OPTION_FORMAT) && o->format == SHEET_CSV) {
		(void)options_complain("dump writes JSON only", NULL);
		return EXIT_USAGE;
	}
	job.format = SHEET_JSON;
	return tool_report_job(o, &job, report_dump);
}
