/* The writer's image of the ledger stays equal to the disk. */
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

TEST(an_aborted_transaction_leaves_no_trace_in_memory)
{
	struct sample s;
	struct meta_record before;
	struct balance_record account;
	uint64_t seq;
	uint32_t name, names;
	struct entry e;

	sample_open(&s);
	before = s.post.meta;
	account = s.post.balance[1];
	names = s.post.names.next;
	e = sample_request(&s, 9, 1, 1);
	CHECK_INT(post_begin(&s.post), STORE_OK);
	CHECK_INT(post_name(&s.post, STR("fresh"), &name), STORE_OK);
	CHECK_INT(post_entry(&s.post, &e), STORE_OK);
	post_slot(&s.post, 9, 1, PHASE_POSTED, e.seq);
	CHECK_INT(post_phase(&s.post, 9, 1, &seq), PHASE_POSTED);
	post_abort(&s.post, STORE_FULL);
	CHECK_INT(s.post.trouble, STORE_FULL);
	CHECK_INT(s.post.meta.next_seq, before.next_seq);
	CHECK(memcmp(s.post.meta.chain, before.chain, ENTRY_CHAIN) == 0);
	CHECK_INT(s.post.meta.debits, before.debits);
	CHECK(memcmp(&s.post.balance[1], &account, sizeof(account)) == 0);
	CHECK_INT(post_phase(&s.post, 9, 1, &seq), PHASE_NONE);
	CHECK_INT(s.post.names.next, names);
	/* And the next one goes on from there. */
	sample_put(&s, &e, 5000);
	CHECK_INT(s.post.trouble, STORE_OK);
	CHECK_INT(e.seq, before.next_seq);
	sample_read(&s);
	CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

TEST(an_image_that_is_read_again_is_the_same)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct balance_record account;
	struct meta_record meta;
	struct sample s;
	uint64_t seq;

	sample_open(&s);
	meta = s.post.meta;
	account = s.post.balance[1];
	post_free(&s.post);
	CHECK_INT(post_load(&s.post, s.ledger, 1024, &why), STORE_OK);
	CHECK(memcmp(&meta, &s.post.meta, sizeof(meta)) == 0);
	CHECK(memcmp(&account, &s.post.balance[1], sizeof(account)) == 0);
	CHECK_INT(post_phase(&s.post, 6, 1, &seq), PHASE_REVERSED);
	CHECK_INT(seq, 6);
	CHECK_INT(post_phase(&s.post, 6, 2, &seq), PHASE_NONE);
	CHECK_STR(names_text(&s.post.names, 2), "openai-main");
	/* Another boot: the same numbers mean other requests. */
	s.post.meta.epoch++;
	CHECK_INT(post_phase(&s.post, 6, 1, &seq), PHASE_NONE);
	sample_close(&s);
}

TEST(what_would_overflow_is_not_posted)
{
	struct sample s;
	struct entry e;

	sample_open(&s);
	e = sample_money(KIND_TOPUP, 1, -INT64_MAX);
	CHECK(!post_fits(&s.post, &e));
	e.charge_nano = INT64_MIN;
	CHECK(!post_fits(&s.post, &e));
	e.charge_nano = INT64_MAX;
	CHECK(!post_fits(&s.post, &e));
	e.charge_nano = -1;
	CHECK(post_fits(&s.post, &e));
	sample_close(&s);
}

TEST(totals_that_do_not_match_the_balances_are_damage)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct sample s;

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	s.post.meta.credits++;
	must(post_commit(&s.post) == STORE_OK);
	post_free(&s.post);
	CHECK_INT(post_load(&s.post, s.ledger, 1024, &why), STORE_DAMAGED);
	CHECK(str_eq(buf_str(&why),
		     STR("the balances do not add up to the totals")));
	sample_close(&s);
}

/* Many counters and slots in an order that is not theirs. */
TEST(a_large_group_is_written_in_order)
{
	struct sample s;
	struct entry e;

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	for (uint32_t i = 2; i < 1000; i++)
		sample_account(&s, i, "x", SHM_NONE);
	must(post_commit(&s.post) == STORE_OK);
	must(post_begin(&s.post) == STORE_OK);
	for (uint32_t i = 0; i < POST_GROUP; i++) {
		e = sample_money(KIND_TOPUP, i * 7919 % 1000, -(int64_t)i - 1);
		e.epoch = 1;
		e.slot = i * 509 % 1024;
		e.gen = 5;
		must(post_entry(&s.post, &e) == STORE_OK);
		post_slot(&s.post, e.slot, 5, PHASE_POSTED, e.seq);
	}
	CHECK_INT(post_commit(&s.post), STORE_OK);
	sample_read(&s);
	CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

int
main(void)
{
	RUN(an_aborted_transaction_leaves_no_trace_in_memory);
	RUN(an_image_that_is_read_again_is_the_same);
	RUN(what_would_overflow_is_not_posted);
	RUN(totals_that_do_not_match_the_balances_are_damage);
	RUN(a_large_group_is_written_in_order);
	return tap_done();
}
