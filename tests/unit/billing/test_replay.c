/* Entries add up to what the tables say, or the one that does not is named. */
#include "billing/replay.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

static struct entry
entry_of(struct sample *s, uint64_t seq)
{
	struct str value;
	struct entry e;

	must(ledger_begin(s->ledger) == STORE_OK);
	must(ledger_get(s->ledger, TABLE_ENTRY, seq, &value) == STORE_OK);
	memcpy(&e, value.p, sizeof(e));
	ledger_end(s->ledger);
	return e;
}

TEST(all_entries_give_the_writers_image)
{
	const char *fault = "";
	struct sample s;
	struct replay r;

	sample_open(&s);
	CHECK(replay_init(&r));
	for (uint64_t seq = 1; seq <= SAMPLE_ENTRIES; seq++) {
		struct entry e = entry_of(&s, seq);

		CHECK(replay_entry(&r, &e, &fault));
	}
	CHECK(memcmp(r.balance, s.post.balance, 2 * sizeof(*r.balance)) == 0);
	CHECK(memcmp(&r.balance[counter_of_key(0)],
		     &s.post.balance[counter_of_key(0)],
		     sizeof(*r.balance)) == 0);
	CHECK(memcmp(r.slotgen, s.post.slotgen, 8 * sizeof(*r.slotgen)) == 0);
	CHECK_INT(r.n_slots, 3);
	CHECK_INT(r.debits, s.post.meta.debits);
	CHECK_INT(r.credits, s.post.meta.credits);
	replay_free(&r);
	sample_close(&s);
}

static void
expect(struct sample *s, uint64_t twice, const char *text)
{
	const char *fault = "";
	struct replay r;
	struct entry e;

	CHECK(replay_init(&r));
	for (uint64_t seq = 1; seq <= SAMPLE_ENTRIES; seq++) {
		e = entry_of(s, seq);
		CHECK(replay_entry(&r, &e, &fault));
	}
	e = entry_of(s, twice);
	CHECK(!replay_entry(&r, &e, &fault));
	CHECK_STR(fault, text);
	replay_free(&r);
}

TEST(what_cannot_follow_is_named)
{
	struct sample s;

	sample_open(&s);
	expect(&s, 1, "its balance is not the sum of the entries");
	expect(&s, 4, "it is posted twice");
	expect(&s, 7, "it is reversed twice");
	sample_close(&s);
}

int
main(void)
{
	RUN(all_entries_give_the_writers_image);
	RUN(what_cannot_follow_is_named);
	return tap_done();
}
