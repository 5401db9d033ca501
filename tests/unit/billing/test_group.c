/* The commit loop, step by step, and what a crash leaves of it. */
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

static void
settle(struct slot_owner *w, struct hold *h, int64_t cost, bool sent)
{
	hold_settle(w, h, money_nano(cost), money_nano(0), REASON_NORMAL, sent);
}

static enum slot_state
state_of(struct desk *d, const struct hold *h)
{
	return word_state(d->r->slots[h->slot].word);
}

TEST(a_group_is_at_most_1024_entries)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	for (uint32_t i = 0; i < FIX_SLOTS; i++) {
		CHECK(fix_hold(w, &h, i % 2, SHM_NONE, 10));
		settle(w, &h, 5, true);
		group_note(&d.group, h.slot);
		group_note(&d.group, h.slot);
	}
	CHECK_INT(group_gather(&d.group), POST_GROUP);
	CHECK_INT(group_commit(&d.group), STORE_OK);
	CHECK_INT(group_gather(&d.group), 0);
	CHECK(group_idle(&d.group));
	CHECK_INT(slot_owner_busy(w), 0);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD - 5 * FIX_SLOTS / 2);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(a_slot_is_staged_once_however_often_it_is_noted)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 10));
	settle(w, &h, 5, false);
	group_note(&d.group, h.slot);
	CHECK_INT(group_gather(&d.group), 1);
	/* The client leaves while the commit is on its way. */
	hold_not_sent(w, &h);
	group_scan(&d.group);
	CHECK_INT(group_gather(&d.group), 1);
	CHECK_INT(group_commit(&d.group), STORE_OK);
	CHECK_INT(group_gather(&d.group), 1); /* the reversal */
	CHECK_INT(group_commit(&d.group), STORE_OK);
	CHECK_INT(group_gather(&d.group), 0);
	CHECK_INT(state_of(&d, &h), SLOT_FREE);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD);
	CHECK_INT(d.post.meta.next_seq, 6);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(a_group_that_found_no_room_stays_as_it_is)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h[2];
	uint32_t row;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h[0], 0, SHM_NONE, 10));
	settle(w, &h[0], 5, true);
	group_note(&d.group, h[0].slot);
	CHECK_INT(group_gather(&d.group), 1);
	/* As if the transaction had not come through. */
	CHECK_INT(post_begin(&d.post), STORE_OK);
	post_abort(&d.post, STORE_FULL);
	CHECK(fix_hold(w, &h[1], 0, SHM_NONE, 10));
	settle(w, &h[1], 6, true);
	group_note(&d.group, h[1].slot);
	CHECK_INT(state_of(&d, &h[0]), SLOT_SETTLED);
	CHECK_INT(group_gather(&d.group), 2);
	CHECK_INT(group_commit(&d.group), STORE_OK);
	CHECK_INT(group_gather(&d.group), 0);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD - 11);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(a_settlement_that_was_posted_before_a_crash_is_not_posted_again)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	struct note note;
	uint64_t word;
	uint32_t row;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h, 0, 0, 10));
	settle(w, &h, 5, true);
	word = d.r->slots[h.slot].word;
	note = d.r->notes[h.slot];
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD - 5);
	/* Back to the moment after the commit: the money is still held. */
	d.r->counters[0].available -= 5;
	d.r->counters[counter_of_key(0)].available -= 5;
	d.r->counters[0].last_op = 0;
	d.r->counters[counter_of_key(0)].last_op = 0;
	d.r->slots[h.slot].word = word;
	d.r->notes[h.slot] = note;
	desk_stop(&d);
	desk_start(&d);
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(state_of(&d, &h), SLOT_FREE);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD - 5);
	CHECK_INT(fix_available(&d.f, counter_of_key(0)), 3 * USD - 5);
	CHECK_INT(d.post.meta.next_seq, 5);
	CHECK(audit_run(&d.audit));
	slot_owner_free(w);
	desk_close(&d);
}

TEST(an_own_slot_that_was_not_posted_is_void)
{
	struct desk d;
	uint32_t counter = 0, slot;
	bool is_short;

	desk_open(&d);
	slot = own_claim(d.r, SLOT_TOPUP, 1, &counter, 1, money_nano(USD));
	CHECK(slot != SHM_NONE);
	slot = own_take(d.r, SLOT_REFUND, 2, &counter, 1, money_nano(USD),
			&is_short);
	CHECK(slot != SHM_NONE);
	CHECK_INT(fix_available(&d.f, 0), 9 * USD);
	desk_stop(&d);
	desk_start(&d);
	reap_own(&d.reaper);
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD);
	CHECK_INT(word_state(d.r->slots[slot].word), SLOT_FREE);
	CHECK(audit_run(&d.audit));
	desk_close(&d);
}

TEST(a_bad_number_is_not_noted)
{
	struct desk d;

	desk_open(&d);
	group_note(&d.group, FIX_SLOTS + SHM_OWN_SLOTS);
	group_note(&d.group, UINT32_MAX);
	CHECK(group_idle(&d.group));
	desk_close(&d);
}

TEST(only_workers_that_wait_are_rung)
{
	struct desk d;
	struct slot_owner *w[2];
	uint32_t row[2];
	uint64_t rung;
	struct hold h;

	desk_open(&d);
	for (int i = 0; i < 2; i++) {
		w[i] = fix_worker(&d.f, &row[i]);
		CHECK(fix_hold(w[i], &h, 0, SHM_NONE, 10));
		settle(w[i], &h, 5, false);
	}
	d.r->workers[row[1]].waiting = 1;
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK(read(d.f.doorbells[row[0]], &rung, sizeof(rung)) < 0);
	CHECK(read(d.f.doorbells[row[1]], &rung, sizeof(rung)) > 0);
	slot_owner_free(w[0]);
	slot_owner_free(w[1]);
	desk_close(&d);
}

int
main(void)
{
	RUN(a_group_is_at_most_1024_entries);
	RUN(a_slot_is_staged_once_however_often_it_is_noted);
	RUN(a_group_that_found_no_room_stays_as_it_is);
	RUN(a_settlement_that_was_posted_before_a_crash_is_not_posted_again);
	RUN(an_own_slot_that_was_not_posted_is_void);
	RUN(a_bad_number_is_not_noted);
	RUN(only_workers_that_wait_are_rung);
	return tap_done();
}
