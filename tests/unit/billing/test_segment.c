/* A segment is checked without its ledger. */
#include "tests/tap.h"
#include "tests/unit/billing/history.h"

static bool
check_file(const char *path, struct buf *why)
{
	struct segment s;
	bool fine;

	buf_reset(why);
	fine = segment_open(&s, path, why) && segment_check(&s, why);
	segment_close(&s);
	return fine;
}

TEST(months_are_read_and_written)
{
	char text[MONTH_TEXT];
	uint32_t month;

	CHECK(segment_month_parse(STR("2025-11"), &month));
	CHECK_INT(month, NOV);
	CHECK_INT(segment_month(SAMPLE_T0), NOV);
	segment_month_text(NOV, text);
	CHECK_STR(text, "2025-11");
	CHECK(!segment_month_parse(STR("2025-13"), &month));
	CHECK(!segment_month_parse(STR("2025-00"), &month));
	CHECK(!segment_month_parse(STR("2025-1"), &month));
	CHECK(!segment_month_parse(STR("1969-12"), &month));
	CHECK(!segment_month_parse(STR("2025/12"), &month));
}

TEST(segments_follow_each_other_and_name_what_they_refer_to)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct history h;
	struct segment a, b;
	char path[128];

	history_open(&h);
	CHECK_INT(history_export(&h, NOV), REPORT_DONE);
	CHECK_INT(history_export(&h, DEC), REPORT_DONE);
	history_path(&h, NOV, path);
	CHECK(segment_open(&a, path, &why) && segment_check(&a, &why));
	history_path(&h, DEC, path);
	CHECK(segment_open(&b, path, &why) && segment_check(&b, &why));
	CHECK_INT(a.head->first_seq, 1);
	CHECK_INT(a.head->last_seq, 11);
	CHECK_INT(b.head->last_seq, 13);
	CHECK(segment_follows(&a, &b, &why));
	CHECK(!segment_follows(&b, &a, &why));
	CHECK(!segment_follows(&a, &a, &why));
	CHECK(memmem(a.rows.p, a.rows.n, "\"text\":\"gpt-4o-2024-11-20\"}",
		     27));
	CHECK(str_starts(a.rows, STR("{\"table\":\"account\",\"id\":0,\"name\":"
				     "\"org, \\\"main\\\"\"}\n")));
	segment_close(&a);
	segment_close(&b);
	history_close(&h);
}

TEST(every_flipped_byte_and_every_cut_is_found)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	unsigned missed = 0;
	struct history h;
	struct stat st;
	char path[128];
	int fd;

	history_open(&h);
	CHECK_INT(history_export(&h, DEC), REPORT_DONE);
	history_path(&h, DEC, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t i = 0; i < st.st_size; i++) {
		unsigned char c;

		must(pread(fd, &c, 1, i) == 1);
		c ^= 0x10;
		must(pwrite(fd, &c, 1, i) == 1);
		missed += check_file(path, &why);
		c ^= 0x10;
		must(pwrite(fd, &c, 1, i) == 1);
	}
	CHECK_INT(missed, 0);
	CHECK(check_file(path, &why));
	for (off_t n = 0; n < st.st_size; n += 100) {
		must(ftruncate(fd, st.st_size - n - 1) == 0);
		missed += check_file(path, &why);
	}
	CHECK_INT(missed, 0);
	(void)close(fd);
	history_close(&h);
}

int
main(void)
{
	RUN(months_are_read_and_written);
	RUN(segments_follow_each_other_and_name_what_they_refer_to);
	RUN(every_flipped_byte_and_every_cut_is_found);
	return tap_done();
}
