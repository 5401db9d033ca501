/* The start of the writer: the store and whose the segment is. */
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"
#include "tests/unit/billing/sample.h"

static void
expect_tail(struct sample *s, enum store want, const char *text)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	CHECK_INT(recover_check_tail(&s->post, &why), want);
	buf_add_char(&why, '\0');
	CHECK_STR(why.p, text);
}

/* Stores bytes as entry `seq`. */
static void
overwrite(struct sample *s, uint64_t seq, struct str value)
{
	must(ledger_begin(s->ledger) == STORE_OK);
	must(ledger_put(s->ledger, TABLE_ENTRY, seq, value, PUT_ANY) ==
	     STORE_OK);
	must(ledger_commit(s->ledger) == STORE_OK);
}

TEST(the_last_entries_are_checked)
{
	struct sample s;
	struct str value;
	struct entry e;

	sample_open(&s);
	expect_tail(&s, STORE_OK, "");
	must(ledger_begin(s.ledger) == STORE_OK);
	must(ledger_get(s.ledger, TABLE_ENTRY, 5, &value) == STORE_OK);
	memcpy(&e, value.p, sizeof(e));
	ledger_end(s.ledger);
	e.charge_nano ^= 1;
	overwrite(&s, 5, str_make((const char *)&e, sizeof(e)));
	expect_tail(&s, STORE_DAMAGED,
		    "entry 5: its checksum does not match its bytes");
	e.crc = crc32c(0, &e, offsetof(struct entry, crc));
	overwrite(&s, 5, str_make((const char *)&e, sizeof(e)));
	expect_tail(&s, STORE_DAMAGED,
		    "entry 5: its chain does not follow from the entry "
		    "before");
	overwrite(&s, 5, STR("short"));
	expect_tail(&s, STORE_DAMAGED, "entry 5: a field is out of range");
	sample_close(&s);
}

TEST(a_tail_that_is_cut_or_too_long_is_damage)
{
	struct sample s;

	sample_open(&s);
	s.post.meta.next_seq++;
	expect_tail(&s, STORE_DAMAGED, "entry 10 is missing");
	s.post.meta.next_seq -= 2;
	expect_tail(&s, STORE_DAMAGED, "the last entry is not the one noted");
	s.post.meta.next_seq++;
	overwrite(&s, 12, STR("x"));
	expect_tail(&s, STORE_DAMAGED, "there are entries beyond the last one");
	sample_close(&s);
}

TEST(only_as_much_as_needed_is_checked)
{
	struct sample s;
	struct entry e;

	sample_open(&s);
	for (uint32_t i = 0; i < RECOVER_CHECK; i += 500) {
		must(post_begin(&s.post) == STORE_OK);
		for (uint32_t j = 0; j < 500; j++) {
			e = sample_money(KIND_TOPUP, 1, -1);
			must(post_entry(&s.post, &e) == STORE_OK);
		}
		must(post_commit(&s.post) == STORE_OK);
	}
	expect_tail(&s, STORE_OK, "");
	/* Entry 9 is the last one before those. */
	overwrite(&s, 5, STR("short"));
	expect_tail(&s, STORE_OK, "");
	sample_close(&s);
}

TEST(a_segment_is_new_ours_or_foreign)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct desk d;
	bool cold;

	desk_open(&d);
	CHECK_INT(recover_is_cold(d.r, &d.post, &cold, &why), STORE_OK);
	CHECK(!cold);
	d.r->head->boot_epoch++;
	CHECK_INT(recover_is_cold(d.r, &d.post, &cold, &why), STORE_DAMAGED);
	d.r->head->boot_epoch = 0; /* a start that was not finished */
	CHECK_INT(recover_is_cold(d.r, &d.post, &cold, &why), STORE_OK);
	CHECK(cold);
	d.r->head->boot_epoch = d.post.meta.epoch;
	d.r->head->ledger_uuid[0] ^= 1;
	CHECK_INT(recover_is_cold(d.r, &d.post, &cold, &why), STORE_DAMAGED);
	desk_close(&d);
}

TEST(the_epoch_is_raised_on_the_disk)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct desk d;
	uint32_t before;

	desk_open(&d);
	before = d.post.meta.epoch;
	CHECK_INT(recover_raise_epoch(&d.post, &why), STORE_OK);
	desk_stop(&d);
	d.r->head->boot_epoch = before + 1;
	desk_start(&d);
	CHECK_INT(d.post.meta.epoch, before + 1);
	desk_close(&d);
}

int
main(void)
{
	RUN(the_last_entries_are_checked);
	RUN(a_tail_that_is_cut_or_too_long_is_damage);
	RUN(only_as_much_as_needed_is_checked);
	RUN(a_segment_is_new_ours_or_foreign);
	RUN(the_epoch_is_raised_on_the_disk);
	return tap_done();
}
