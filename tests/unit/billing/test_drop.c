/* Months are dropped; what is left is as checkable as it was. */
#include "tests/tap.h"
#include "tests/unit/billing/history.h"
#include "tests/unit/billing/paper.h"

static void
balanced(struct history *h, const char *text)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;

	CHECK_INT(history_verify(h, &line), VERIFY_BALANCED);
	CHECK(str_eq(buf_str(&line), str_of(text)));
	CHECK_INT(fix_verify(&h->s.f, true), VERIFY_BALANCED);
}

TEST(what_is_left_balances_by_itself_and_with_the_files)
{
	struct history h;

	history_open(&h);
	for (uint32_t month = NOV; month <= JAN; month++)
		CHECK_INT(history_export(&h, month), REPORT_DONE);
	balanced(&h, "balanced: 15 entries, sum 0, chain ok");
	CHECK_INT(history_drop(&h, NOV, NOV), DROP_DONE);
	balanced(&h, "balanced: 15 entries, sum 0, chain ok, with 1 segments");
	CHECK_INT(history_drop(&h, DEC, DEC), DROP_DONE);
	CHECK_INT(history_drop(&h, JAN, JAN), DROP_DONE);
	balanced(&h, "balanced: 15 entries, sum 0, chain ok, with 3 segments");
	/* Once more changes nothing. */
	CHECK_INT(history_drop(&h, DEC, DEC), DROP_DONE);
	history_close(&h);
}

TEST(what_is_not_over_or_not_in_the_file_is_not_dropped)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct history h;

	history_open(&h);
	CHECK_INT(history_export(&h, NOV), REPORT_DONE);
	CHECK_INT(history_export(&h, DEC), REPORT_DONE);
	CHECK_INT(history_export(&h, JAN + 1), REPORT_NO_SUCH); /* open */
	CHECK_INT(history_export(&h, NOV - 1), REPORT_NO_SUCH); /* empty */
	CHECK_INT(history_drop(&h, DEC, DEC), DROP_REFUSED);
	CHECK_INT(history_drop(&h, NOV, DEC), DROP_REFUSED);
	CHECK_INT(history_drop(&h, NOV, JAN), DROP_REFUSED); /* no file */
	must(ledger_open(&h.s.ledger, h.s.f.dir, LEDGER_WRITE, FIX_MAP, &why) ==
	     STORE_OK);
	must(post_load(&h.s.post, h.s.ledger, 1024, &why) == STORE_OK);
	must(post_begin(&h.s.post) == STORE_OK);
	h.s.post.meta.clean = 0;
	must(post_commit(&h.s.post) == STORE_OK);
	post_free(&h.s.post);
	ledger_close(h.s.ledger);
	h.s.ledger = NULL;
	CHECK_INT(history_drop(&h, NOV, NOV), DROP_REFUSED); /* not clean */
	balanced(&h, "balanced: 15 entries, sum 0, chain ok");
	history_close(&h);
}

TEST(a_dropped_charge_can_still_be_reversed)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT, line = BUF_INIT;
	struct history h;
	struct entry e;

	history_open(&h);
	for (uint32_t month = NOV; month <= DEC; month++) {
		CHECK_INT(history_export(&h, month), REPORT_DONE);
		CHECK_INT(history_drop(&h, month, month), DROP_DONE);
	}
	must(ledger_open(&h.s.ledger, h.s.f.dir, LEDGER_WRITE, FIX_MAP, &why) ==
	     STORE_OK);
	must(post_load(&h.s.post, h.s.ledger, 1024, &why) == STORE_OK);
	must(ledger_begin(h.s.ledger) == STORE_OK);
	CHECK_INT(base_entry(h.s.ledger, h.later.seq, &e), STORE_OK);
	CHECK(memcmp(&e, &h.later, sizeof(e)) == 0);
	CHECK_INT(base_entry(h.s.ledger, 4, &e), STORE_NONE);
	ledger_end(h.s.ledger);
	history_reverse(&h, &h.later, 81 * DAY_MS);
	post_free(&h.s.post);
	ledger_close(h.s.ledger);
	h.s.ledger = NULL;
	CHECK_INT(history_verify(&h, &line), VERIFY_BALANCED);
	CHECK_INT(fix_verify(&h.s.f, true), VERIFY_BALANCED);
	history_close(&h);
}

TEST(a_writer_and_the_reports_go_on_from_the_base)
{
	struct history h;
	struct paper p = {.job.format = SHEET_CSV};

	history_open(&h);
	CHECK_INT(history_export(&h, NOV), REPORT_DONE);
	CHECK_INT(history_drop(&h, NOV, NOV), DROP_DONE);
	fix_region(&h.s.f);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		h.s.f.doorbells[i] = -1;
	fix_start(&h.s.f);
	CHECK(fix_wait_state(&h.s.f, LEDGER_OK));
	CHECK_INT(fix_topup(&h.s.f, "=cmd()", 5, "k1").result, ORDER_DONE);
	CHECK_INT(fix_stop(&h.s.f, SIGTERM), 0);
	region_close(&h.s.f.region);
	CHECK_INT(fix_verify(&h.s.f, true), VERIFY_BALANCED);
	must(ledger_open(&h.s.ledger, h.s.f.dir, LEDGER_READ, 0, &p.error) ==
	     STORE_OK);
	paper_write(&p, &h.s, report_accounts);
	CHECK_INT(p.result, REPORT_DONE);
	/* Opening balance and check of the account. */
	CHECK(strstr(p.text.p, ",=cmd()") || strstr(p.text.p, "'=cmd()"));
	CHECK_INT(p.sum.first_seq, 12);
	CHECK_INT(p.sum.rows, 2);
	paper_free(&p);
	history_close(&h);
}

/* The base without its row, and one that was changed. */
TEST(a_base_that_differs_is_found)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT, line = BUF_INIT;
	struct history h;
	struct str value;
	uint64_t key = 1ull << 56;
	char row[64];

	history_open(&h);
	CHECK_INT(history_export(&h, NOV), REPORT_DONE);
	CHECK_INT(history_drop(&h, NOV, NOV), DROP_DONE);
	must(ledger_open(&h.s.ledger, h.s.f.dir, LEDGER_WRITE, FIX_MAP, &why) ==
	     STORE_OK);
	must(ledger_begin(h.s.ledger) == STORE_OK);
	must(ledger_seek(h.s.ledger, TABLE_BASE, &key, &value) == STORE_OK);
	must(value.n <= sizeof(row));
	memcpy(row, value.p, value.n);
	row[0] ^= 1;
	must(ledger_put(h.s.ledger, TABLE_BASE, key, str_make(row, value.n),
			PUT_ANY) == STORE_OK);
	must(ledger_commit(h.s.ledger) == STORE_OK);
	ledger_close(h.s.ledger);
	h.s.ledger = NULL;
	CHECK_INT(fix_verify(&h.s.f, true), VERIFY_DAMAGED);
	CHECK_INT(history_verify(&h, &line), VERIFY_DIFFERS);
	history_close(&h);
}

int
main(void)
{
	RUN(what_is_left_balances_by_itself_and_with_the_files);
	RUN(what_is_not_over_or_not_in_the_file_is_not_dropped);
	RUN(a_dropped_charge_can_still_be_reversed);
	RUN(a_writer_and_the_reports_go_on_from_the_base);
	RUN(a_base_that_differs_is_found);
	return tap_done();
}
