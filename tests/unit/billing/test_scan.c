/* Walking over the entries. */
#include "billing/scan.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

TEST(all_entries_come_in_order_and_then_the_end)
{
	struct sample s;
	struct scan scan;
	struct meta_record meta;
	struct entry e;
	uint64_t n = 0;

	sample_open(&s);
	sample_read(&s);
	CHECK_INT(scan_begin(&scan, s.ledger, &meta), STORE_OK);
	CHECK_INT(meta.next_seq, SAMPLE_ENTRIES + 1);
	while (scan_next(&scan, &e) == STORE_OK)
		CHECK_INT(e.seq, ++n);
	CHECK_INT(n, SAMPLE_ENTRIES);
	CHECK_INT(scan_next(&scan, &e), STORE_NONE);
	scan_end(&scan);
	sample_close(&s);
}

TEST(a_look_at_another_entry_does_not_lose_the_place)
{
	struct sample s;
	struct scan scan;
	struct meta_record meta;
	struct entry e;

	sample_open(&s);
	sample_read(&s);
	CHECK_INT(scan_begin(&scan, s.ledger, &meta), STORE_OK);
	CHECK_INT(scan_next(&scan, &e), STORE_OK);
	CHECK_INT(scan_get(&scan, 7, &e), STORE_OK);
	CHECK_INT(e.seq, 7);
	CHECK_INT(scan_get(&scan, 77, &e), STORE_DAMAGED);
	CHECK_INT(scan_next(&scan, &e), STORE_OK);
	CHECK_INT(e.seq, 2);
	scan_end(&scan);
	sample_close(&s);
}

TEST(a_transaction_ends_after_its_part_and_the_walk_goes_on)
{
	struct sample s;
	struct scan scan;
	struct meta_record meta;
	struct entry e;

	sample_open(&s);
	sample_read(&s);
	CHECK_INT(scan_begin(&scan, s.ledger, &meta), STORE_OK);
	for (uint64_t n = 1; n <= SAMPLE_ENTRIES; n++) {
		scan.left = MIN_OF(scan.left, 2u);
		CHECK_INT(scan_next(&scan, &e), STORE_OK);
		CHECK_INT(e.seq, n);
	}
	scan_end(&scan);
	sample_close(&s);
}

TEST(a_gap_is_damage)
{
	struct sample s;
	struct scan scan;
	struct meta_record meta;
	struct entry e;
	enum store st;

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	s.post.meta.next_seq++; /* number 10 is never used */
	must(post_commit(&s.post) == STORE_OK);
	e = sample_money(KIND_TOPUP, 1, -1);
	sample_put(&s, &e, 100000);
	sample_read(&s);
	CHECK_INT(scan_begin(&scan, s.ledger, &meta), STORE_OK);
	do
		st = scan_next(&scan, &e);
	while (st == STORE_OK);
	CHECK_INT(st, STORE_DAMAGED);
	CHECK_INT(scan.next, 10);
	scan_end(&scan);
	sample_close(&s);
}

int
main(void)
{
	RUN(all_entries_come_in_order_and_then_the_end);
	RUN(a_look_at_another_entry_does_not_lose_the_place);
	RUN(a_transaction_ends_after_its_part_and_the_walk_goes_on);
	RUN(a_gap_is_damage);
	return tap_done();
}
