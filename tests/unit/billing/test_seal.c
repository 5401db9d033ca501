/* Days are sealed by what comes after them, and each seal by the next. */
#include "billing/seal.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

#define DAY_MS (24ull * 3600 * 1000)

static void
topup_at(struct sample *s, uint64_t ms)
{
	struct entry e = sample_money(KIND_TOPUP, 1, -1000);

	sample_put(s, &e, ms);
}

static struct seal_record
seal_of(struct sample *s, uint32_t number)
{
	struct seal_record r = {0};

	must(ledger_begin(s->ledger) == STORE_OK);
	(void)!record_get(s->ledger, TABLE_SEAL, number, &r, sizeof(r));
	ledger_end(s->ledger);
	return r;
}

TEST(the_first_entry_of_a_day_seals_the_day_before)
{
	struct sample s;
	struct seal_record one, two;
	uint8_t root[SHA256_BYTES];

	sample_open(&s);
	CHECK_INT(s.post.meta.n_seals, 0);
	CHECK_INT(s.post.meta.open_day, seal_day(SAMPLE_T0));
	topup_at(&s, DAY_MS / 2 - 1); /* the sample begins at noon */
	CHECK_INT(s.post.meta.n_seals, 0);
	topup_at(&s, DAY_MS / 2);
	CHECK_INT(s.post.meta.n_seals, 1);
	topup_at(&s, 5 * DAY_MS);
	topup_at(&s, 5 * DAY_MS + 1);
	CHECK_INT(s.post.meta.n_seals, 2);
	one = seal_of(&s, 1);
	two = seal_of(&s, 2);
	CHECK_INT(one.day, seal_day(SAMPLE_T0));
	CHECK_INT(one.first_seq, 1);
	CHECK_INT(one.last_seq, SAMPLE_ENTRIES + 1);
	CHECK_INT(two.day, one.day + 1);
	CHECK_INT(two.first_seq, one.last_seq + 1);
	CHECK_INT(two.last_seq, two.first_seq);
	CHECK_INT(two.credits, one.credits + 1000);
	CHECK(memcmp(two.previous, one.root, sizeof(one.root)) == 0);
	CHECK(memcmp(s.post.meta.seal_root, two.root, sizeof(two.root)) == 0);
	seal_root(&two, s.post.meta.uuid, root);
	CHECK(memcmp(root, two.root, sizeof(root)) == 0);
	sample_read(&s);
	CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

TEST(a_clock_that_is_put_back_begins_no_day_unless_by_more_than_one)
{
	struct sample s;

	sample_open(&s);
	topup_at(&s, DAY_MS);
	CHECK_INT(s.post.meta.n_seals, 1);
	topup_at(&s, 0);
	CHECK_INT(s.post.meta.n_seals, 1);
	topup_at(&s, 10 * DAY_MS); /* a wrong clock ... */
	CHECK_INT(s.post.meta.n_seals, 2);
	topup_at(&s, 2 * DAY_MS); /* ... is set right */
	CHECK_INT(s.post.meta.n_seals, 3);
	topup_at(&s, 3 * DAY_MS);
	CHECK_INT(s.post.meta.n_seals, 4);
	sample_read(&s);
	CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

TEST(a_day_is_sealed_after_midnight_when_nothing_comes)
{
	struct sample s;
	struct entry e = sample_money(KIND_TOPUP, 1, -1000);

	sample_open(&s);
	CHECK_INT(post_seal(&s.post), STORE_OK);
	CHECK_INT(s.post.meta.n_seals, 1);
	CHECK_INT(s.post.meta.sealed_seq, SAMPLE_ENTRIES);
	CHECK_INT(post_seal(&s.post), STORE_OK);
	CHECK_INT(s.post.meta.n_seals, 1);
	/* The clock goes back into the day that is sealed. */
	sample_put(&s, &e, 95000);
	CHECK_INT(s.post.meta.n_seals, 1);
	sample_read(&s);
	CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

TEST(a_seal_that_was_not_committed_was_not_made)
{
	struct sample s;
	struct entry e = sample_money(KIND_TOPUP, 1, -1000);

	sample_open(&s);
	CHECK_INT(post_begin(&s.post), STORE_OK);
	s.post.now_ms = SAMPLE_T0 + DAY_MS;
	CHECK_INT(post_entry(&s.post, &e), STORE_OK);
	CHECK_INT(s.post.meta.n_seals, 1);
	post_abort(&s.post, STORE_FULL);
	CHECK_INT(s.post.meta.n_seals, 0);
	topup_at(&s, 2 * DAY_MS);
	CHECK_INT(s.post.meta.n_seals, 1);
	sample_read(&s);
	CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

int
main(void)
{
	RUN(the_first_entry_of_a_day_seals_the_day_before);
	RUN(a_clock_that_is_put_back_begins_no_day_unless_by_more_than_one);
	RUN(a_day_is_sealed_after_midnight_when_nothing_comes);
	RUN(a_seal_that_was_not_committed_was_not_made);
	return tap_done();
}
