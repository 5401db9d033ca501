/* Cells of every kind, in both formats. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "billing/sheet.h"
#include "tests/tap.h"

static const char *const columns[] = {"a", "b"};

/* One row of two text cells. */
static void
check_texts(enum sheet_format format, bool raw, const char *text,
	    const char *want)
{
	struct sheet s;

	sheet_begin(&s, format, raw, columns, 2);
	buf_reset(&s.out);
	sheet_text(&s, str_of(text));
	sheet_text(&s, STR("x"));
	sheet_end_row(&s);
	buf_add_char(&s.out, '\0');
	CHECK_STR(s.out.p, want);
	sheet_free(&s);
}

TEST(csv_quotes_only_what_needs_it)
{
	check_texts(SHEET_CSV, false, "plain", "plain,x\r\n");
	check_texts(SHEET_CSV, false, "", ",x\r\n");
	check_texts(SHEET_CSV, false, "a,b", "\"a,b\",x\r\n");
	check_texts(SHEET_CSV, false, "a\"b", "\"a\"\"b\",x\r\n");
	check_texts(SHEET_CSV, false, "a\r\nb", "\"a\r\nb\",x\r\n");
	check_texts(SHEET_CSV, false, " a", "\" a\",x\r\n");
	check_texts(SHEET_CSV, false, "a ", "\"a \",x\r\n");
}

TEST(what_a_spreadsheet_would_run_gets_an_apostrophe)
{
	check_texts(SHEET_CSV, false, "=1+1", "\"'=1+1\",x\r\n");
	check_texts(SHEET_CSV, false, "+1", "\"'+1\",x\r\n");
	check_texts(SHEET_CSV, false, "-1", "\"'-1\",x\r\n");
	check_texts(SHEET_CSV, false, "@a", "\"'@a\",x\r\n");
	check_texts(SHEET_CSV, false, "\ta", "\"'\ta\",x\r\n");
	check_texts(SHEET_CSV, true, "=1+1", "=1+1,x\r\n");
	check_texts(SHEET_CSV, false, "a=1", "a=1,x\r\n");
}

TEST(json_escapes_and_does_not_guard)
{
	check_texts(SHEET_JSON, false, "=\"1\"",
		    "{\"a\":\"=\\\"1\\\"\",\"b\":\"x\"}\n");
}

/* One cell each of money, time and microseconds. */
static void
check_values(enum sheet_format format, const char *want)
{
	static const char *const names[] = {"m", "t", "u", "n", "b", "e"};
	struct sheet s;

	sheet_begin(&s, format, false, names, 6);
	buf_reset(&s.out);
	sheet_money(&s, -1);
	sheet_time(&s, 1763640000123ull);
	sheet_us_as_ms(&s, 1234567);
	sheet_u64(&s, UINT64_MAX);
	sheet_bool(&s, true);
	sheet_empty(&s);
	sheet_end_row(&s);
	buf_add_char(&s.out, '\0');
	CHECK_STR(s.out.p, want);
	CHECK_INT(s.rows, 1);
	sheet_free(&s);
}

TEST(values_are_exact)
{
	check_values(SHEET_CSV, "-0.000000001,2025-11-20T12:00:00.123Z,"
				"1234.567,18446744073709551615,true,\r\n");
	check_values(SHEET_JSON,
		     "{\"m\":\"-0.000000001\",\"t\":\"2025-11-20T12:00:00.123Z"
		     "\",\"u\":1234.567,\"n\":18446744073709551615,\"b\":true,"
		     "\"e\":null}\n");
}

TEST(a_flush_keeps_what_is_small_and_tells_what_fails)
{
	struct sheet s;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	sheet_begin(&s, SHEET_CSV, false, columns, 2);
	CHECK(sheet_flush(&s, full, 100));
	CHECK_INT(s.out.n, 5);
	CHECK(!sheet_flush(&s, full, 0));
	CHECK_INT(errno, ENOSPC);
	(void)close(full);
	sheet_free(&s);
}

int
main(void)
{
	RUN(csv_quotes_only_what_needs_it);
	RUN(what_a_spreadsheet_would_run_gets_an_apostrophe);
	RUN(json_escapes_and_does_not_guard);
	RUN(values_are_exact);
	RUN(a_flush_keeps_what_is_small_and_tells_what_fails);
	return tap_done();
}
