/* The commands of tollgate-ledger that read a provider's bill. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "billing/bill.h"
#include "tools/ledger_tool.h"

static bool
complain(const char *path, const char *what)
{
	(void)fprintf(stderr, "tollgate-ledger: %s: %s\n", path, what);
	return false;
}

static bool
read_all(int fd, struct buf *text)
{
	for (;;) {
		char *at = buf_reserve(text, 1u << 16);
		ssize_t n;

		if (!at) {
			errno = ENOMEM;
			return false;
		}
		n = read(fd, at, 1u << 16);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		text->n += (size_t)n;
		if (text->n > BILL_MAX) {
			errno = EFBIG;
			return false;
		}
	}
}

static bool
read_bill(const char *path, struct buf *text, struct bill *bill)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return complain(path, strerror(errno));
	ok = read_all(fd, text);
	(void)close(fd);
	if (!ok)
		return complain(path, strerror(errno));
	if (bill_read(bill, buf_str(text), &why))
		return true;
	buf_add_char(&why, '\0');
	return complain(path, why.failed ? "out of memory" : why.p);
}

/* With the bill of --invoice, if there is one. */
static int
report_with_bill(const struct options *o, struct ledger *l,
		 report_function *write)
{
	const char *path = o->value[OPTION_INVOICE];
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct report_job job = tool_job(o, l);
	struct bill bill = {0};
	struct money tolerance = {0};
	const char *allowed = o->value[OPTION_TOLERANCE];
	int code;

	if (allowed &&
	    (!money_parse(str_of(allowed), &tolerance) || tolerance.nano < 0)) {
		(void)options_complain("--tolerance is not an amount", allowed);
		return EXIT_USAGE;
	}
	if (path && !read_bill(path, &text, &bill))
		return EXIT_RUNTIME;
	job.bill = path ? &bill : NULL;
	job.tolerance_nano = tolerance.nano;
	code = tool_report_job(o, &job, write);
	bill_free(&bill);
	return code;
}

int
run_report_channels(const struct options *o, struct ledger *l)
{
	return report_with_bill(o, l, report_channels);
}

int
run_reconcile(const struct options *o, struct ledger *l)
{
	if (!options_has(o, OPTION_INVOICE)) {
		(void)options_complain("reconcile needs --invoice FILE", NULL);
		return EXIT_USAGE;
	}
	return report_with_bill(o, l, report_reconcile);
}
