#pragma once
/* Reports into memory, for the tests of the reports. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "billing/report.h"
#include "tests/unit/billing/sample.h"

typedef enum report_result report_fn(const struct report_job *job,
				     struct report_sum *sum, struct buf *error);

struct paper {
	struct report_job job;
	struct report_sum sum;
	enum report_result result;
	struct buf error;
	struct buf text; /* terminated */
};

/* Sets job.format and the filter before. */
static inline void
paper_write(struct paper *p, struct sample *s, report_fn *report)
{
	struct stat st;

	p->job.ledger = s->ledger;
	p->job.fd = memfd_create("report", MFD_CLOEXEC);
	must(p->job.fd >= 0);
	buf_reset(&p->error);
	buf_reset(&p->text);
	p->result = report(&p->job, &p->sum, &p->error);
	must(fstat(p->job.fd, &st) == 0);
	if (st.st_size > 0) {
		char *at = buf_reserve(&p->text, (size_t)st.st_size);

		must(at &&
		     pread(p->job.fd, at, (size_t)st.st_size, 0) == st.st_size);
		p->text.n += (size_t)st.st_size;
	}
	buf_add_char(&p->text, '\0');
	buf_add_char(&p->error, '\0');
	(void)close(p->job.fd);
}

static inline void
paper_free(struct paper *p)
{
	buf_free(&p->text);
	buf_free(&p->error);
}
