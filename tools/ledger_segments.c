/* The commands of tollgate-ledger that keep history in files. */
#include <stdio.h>
#include <unistd.h>

#include "billing/drop.h"
#include "billing/offline.h"
#include "billing/segment.h"
#include "tools/ledger_tool.h"

static void
say_error(const struct buf *text)
{
	(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
		      STR_ARG(buf_str(text)));
}

/* --month; the period that it also is does not matter here. */
static bool
month_of(const struct options *o, uint32_t *month)
{
	const char *text = o->value[OPTION_MONTH];

	if (!text)
		return options_complain("which --month?", NULL);
	return segment_month_parse(str_of(text), month) ||
	       options_complain("--month is not like 2026-10", text);
}

static enum report_result export(const struct report_job *job,
				 struct report_sum *sum, struct buf *error) {
	return segment_export(job, segment_month(job->filter.from_ms), sum,
			      error);
}

int
run_segment_export(const struct options *o, struct ledger *l)
{
	uint32_t month;

	if (!month_of(o, &month))
		return EXIT_USAGE;
	return tool_report(o, l, export);
}

static bool
check(struct segment *s, const struct segment *before, const char *path,
      struct buf *why)
{
	char month[MONTH_TEXT];

	if (!segment_open(s, path, why) || !segment_check(s, why) ||
	    (before->head && !segment_follows(before, s, why)))
		return false;
	segment_month_text(s->head->month, month);
	(void)printf("%s: %s, entries %llu to %llu, chain ok\n", path, month,
		     (unsigned long long)s->head->first_seq,
		     (unsigned long long)s->head->last_seq);
	return true;
}

/* Each by itself, and each behind the one before. */
int
run_segment_verify(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct segment before = {0}, s;

	(void)l;
	for (unsigned i = 0; i < o->n_operands && why.n == 0; i++) {
		if (!check(&s, &before, o->operands[i], &why) && why.n == 0)
			buf_add_cstr(&why, "it is wrong");
		if (why.n)
			(void)fprintf(stderr, "%s: ", o->operands[i]);
		segment_close(&before);
		before = s;
	}
	segment_close(&before);
	if (why.n == 0)
		return fflush(stdout) == 0 ? EXIT_FINE : EXIT_RUNTIME;
	say_error(&why);
	return EXIT_DIFFERS;
}

static int
drop(const struct options *o, uint32_t month)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	switch (drop_month(o->dir, month, o->operands[0], &out)) {
	case DROP_DONE:
		(void)printf("%.*s\n", STR_ARG(buf_str(&out)));
		return fflush(stdout) == 0 ? EXIT_FINE : EXIT_RUNTIME;
	case DROP_DAMAGED: say_error(&out); return EXIT_DIFFERS;
	case DROP_REFUSED:
	case DROP_FAILED: break;
	}
	say_error(&out);
	return EXIT_RUNTIME;
}

int
run_segment_drop(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	uint32_t month = 0;
	int lock, code;

	(void)l;
	if (!month_of(o, &month))
		return EXIT_USAGE;
	if (!tool_pages_fine(o))
		return EXIT_DAMAGED;
	lock = offline_lock(o->dir, &why);
	if (lock < 0) {
		say_error(&why);
		return EXIT_RUNTIME;
	}
	code = drop(o, month);
	(void)close(lock);
	return code;
}
