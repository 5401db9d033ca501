/* The dump shows every entry. */
#include "base/json.h"
#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

TEST(every_line_is_an_object_and_the_numbers_have_no_gap)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_JSON};
	struct str rest;
	uint64_t want = 1, seq;

	sample_open(&s);
	sample_read(&s);
	paper_write(&p, &s, report_dump);
	CHECK_INT(p.result, REPORT_DONE);
	rest = str_of(p.text.p);
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');
		struct json_value root;
		struct json_error e;

		CHECK(json_valid(line, &root, &e));
		CHECK(json_u64(json_get(root, "seq"), &seq));
		CHECK_INT(seq, want++);
	}
	CHECK_INT(want, SAMPLE_ENTRIES + 1);
	CHECK(strstr(p.text.p, "\"seq\":7,\"kind\":\"reversal\",\"txn\":"
			       "\"1.6.1\","));
	CHECK(strstr(p.text.p, "\"reason\":\"not_sent\""));
	paper_free(&p);
	sample_close(&s);
}

TEST(the_period_is_that_of_the_commit)
{
	struct sample s;
	struct paper p = {.job.format = SHEET_JSON};

	sample_open(&s);
	sample_read(&s);
	p.job.filter.from_ms = SAMPLE_T0 + 3002;
	p.job.filter.to_ms = SAMPLE_T0 + 3003;
	paper_write(&p, &s, report_dump);
	CHECK_INT(p.sum.rows, 1);
	CHECK(strstr(p.text.p, "{\"seq\":6,"));
	p.job.filter = (struct report_filter){.account = STR("0")};
	paper_write(&p, &s, report_dump);
	CHECK_INT(p.sum.rows, 2);
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(every_line_is_an_object_and_the_numbers_have_no_gap);
	RUN(the_period_is_that_of_the_commit);
	return tap_done();
}
