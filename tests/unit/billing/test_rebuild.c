/* Tables that went wrong are made anew; entries that did are not touched. */
#include "billing/rebuild.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

/* Spoils, closes, rebuilds; `text` is part of what it says. */
static void
expect(void (*spoil)(struct sample *s), enum verify_result result,
       const char *text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sample s;

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	spoil(&s);
	must(post_commit(&s.post) == STORE_OK);
	post_free(&s.post);
	ledger_close(s.ledger);
	s.ledger = NULL;
	CHECK_INT(rebuild_ledger(s.f.dir, &out), result);
	buf_add_char(&out, '\0');
	if (!strstr(out.p, text))
		printf("# says: %s\n", out.p);
	CHECK(strstr(out.p, text));
	if (result == VERIFY_BALANCED)
		CHECK_INT(fix_verify(&s.f, true), VERIFY_BALANCED);
	sample_close(&s);
}

static void
put_balance(struct sample *s, uint64_t key, struct balance_record b)
{
	must(ledger_put(s->ledger, TABLE_BALANCE, key,
			str_make((const char *)&b, sizeof(b)),
			PUT_ANY) == STORE_OK);
}

static void
nothing(struct sample *s)
{
	(void)s;
}

static void
change_a_balance(struct sample *s)
{
	struct balance_record b = s->post.balance[1];

	b.balance += 7000000000;
	put_balance(s, 1, b);
}

static void
change_a_window(struct sample *s)
{
	struct balance_record b = s->post.balance[counter_of_key(0)];

	b.window = 20000;
	put_balance(s, balance_key(counter_of_key(0)), b);
}

static void
lose_a_balance(struct sample *s)
{
	must(ledger_delete(s->ledger, TABLE_BALANCE, 0) == STORE_OK);
}

static void
invent_a_balance(struct sample *s)
{
	put_balance(s, 77, (struct balance_record){.balance = 5});
	put_balance(s, 9ull << 32, (struct balance_record){.balance = 5});
}

static void
spoil_slots(struct sample *s)
{
	struct slotgen_record g = s->post.slotgen[5];

	g.gen = 99;
	must(ledger_put(s->ledger, TABLE_SLOTGEN, 5,
			str_make((const char *)&g, sizeof(g)),
			PUT_ANY) == STORE_OK);
	must(ledger_put(s->ledger, TABLE_SLOTGEN, 900,
			str_make((const char *)&g, sizeof(g)),
			PUT_ANY) == STORE_OK);
	must(ledger_delete(s->ledger, TABLE_SLOTGEN, 6) == STORE_OK);
}

static void
change_a_total(struct sample *s)
{
	s->post.meta.debits += 1000000000;
}

static void
change_an_entry(struct sample *s)
{
	struct str value;
	struct entry e;

	must(ledger_get(s->ledger, TABLE_ENTRY, 2, &value) == STORE_OK);
	memcpy(&e, value.p, sizeof(e));
	e.charge_nano -= 1000;
	entry_seal(&e, e.chain);
	must(ledger_put(s->ledger, TABLE_ENTRY, 2,
			str_make((const char *)&e, sizeof(e)),
			PUT_ANY) == STORE_OK);
}

TEST(each_table_is_made_anew_and_what_changes_is_said)
{
	const char *fine = "balanced: 9 entries, sum 0, chain ok";

	expect(nothing, VERIFY_BALANCED, fine);
	expect(change_a_balance, VERIFY_BALANCED, "account 1: 2");
	expect(change_a_balance, VERIFY_BALANCED, fine);
	expect(change_a_window, VERIFY_BALANCED, " in window 20000 becomes ");
	expect(lose_a_balance, VERIFY_BALANCED, "account 0: none becomes ");
	expect(invent_a_balance, VERIFY_BALANCED,
	       "after entry 0 becomes none\nbalance 38654705664: is removed");
	expect(spoil_slots, VERIFY_BALANCED,
	       "slot 5: its generation differs\n"
	       "slot 6: its generation is missing\n"
	       "slot 900: its generation differs\n");
	expect(change_a_total, VERIFY_BALANCED, "total debits: ");
}

TEST(entries_that_are_wrong_are_named_and_nothing_is_written)
{
	expect(change_an_entry, VERIFY_DIFFERS, "entry 2: ");
}

int
main(void)
{
	RUN(each_table_is_made_anew_and_what_changes_is_said);
	RUN(entries_that_are_wrong_are_named_and_nothing_is_written);
	return tap_done();
}
