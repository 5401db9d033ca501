/* What the reports share: writing, and a ledger that cannot be read. */
#include <fcntl.h>

#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

TEST(a_full_disk_is_an_error_and_not_a_short_report)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct report_job job = {.format = SHEET_CSV};
	struct report_sum sum;
	struct sample s;

	sample_open(&s);
	sample_read(&s);
	job.ledger = s.ledger;
	job.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK_INT(report_requests(&job, &sum, &error), REPORT_NO_WRITE);
	CHECK(str_starts(buf_str(&error), STR("cannot write: ")));
	(void)close(job.fd);
	sample_close(&s);
}

TEST(a_missing_entry_ends_the_report_with_its_number)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	s.post.meta.next_seq += 5;
	must(post_commit(&s.post) == STORE_OK);
	sample_read(&s);
	paper_write(&p, &s, report_requests);
	CHECK_INT(p.result, REPORT_DAMAGED);
	CHECK_STR(p.error.p, "entry 10 cannot be read");
	paper_free(&p);
	sample_close(&s);
}

TEST(an_empty_ledger_gives_the_header_alone)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	memset(&s, 0, sizeof(s));
	fix_dir(&s.f);
	must(ledger_open(&s.ledger, s.f.dir, LEDGER_READ, 0, &why) == STORE_OK);
	paper_write(&p, &s, report_accounts);
	CHECK_INT(p.result, REPORT_DONE);
	CHECK(str_ends(str_of(p.text.p), STR("last_request_ts\r\n")));
	CHECK_INT(p.sum.rows, 0);
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_full_disk_is_an_error_and_not_a_short_report);
	RUN(a_missing_entry_ends_the_report_with_its_number);
	RUN(an_empty_ledger_gives_the_header_alone);
	return tap_done();
}
