/* Holds as their owner sees them. */
#include "shm/steps.h"
#include "tests/unit/shm/bench.h"

TEST(a_hold_takes_from_all_its_counters)
{
	for (uint32_t k = 0; k <= SLOT_COUNTERS; k++) {
		struct bench b;
		struct hold h;

		bench_open(&b, 1);
		h = hold_of(&b, 300, k);
		CHECK_INT(available(&b, BUDGET), k > 0 ? 700 : 1000);
		CHECK_INT(available(&b, ACCOUNT), k > 1 ? 700 : 1000);
		CHECK_INT(available(&b, PARENT), k > 2 ? 700 : 1000);
		CHECK_INT(available(&b, CAP), k > 3 ? 700 : 1000);
		CHECK_INT(word_state(word_of(&b, &h)), SLOT_HELD);
		CHECK_INT(hold_total(b.o, &h).nano, 300);
		CHECK_INT(slot_owner_busy(b.o), 1);
		bench_close(&b);
	}
}

TEST(a_hold_that_is_too_large_says_which_counter_refused)
{
	const uint32_t counters[] = {BUDGET, ACCOUNT, PARENT, CAP};

	for (uint32_t i = 0; i < SLOT_COUNTERS; i++) {
		struct hold_spec spec = spec_of(300, 4);
		struct bench b;
		struct hold h;

		bench_open(&b, 1);
		b.r.counters[counters[i]].available = 299;
		CHECK_INT(hold_claim(b.o, &h), E_OK);
		CHECK_INT(hold_take(b.o, &h, &spec), E_BALANCE);
		CHECK_INT(h.refused, i);
		CHECK_INT(h.slot, SHM_NONE);
		for (uint32_t j = 0; j < SLOT_COUNTERS; j++)
			CHECK_INT(available(&b, counters[j]),
				  j == i ? 299 : 1000);
		CHECK_INT(slot_owner_busy(b.o), 0);
		bench_close(&b);
	}
}

TEST(a_balance_can_be_held_to_the_last_unit)
{
	struct bench b;
	struct hold h;
	struct hold_spec spec = spec_of(1, 3);

	bench_open(&b, 1);
	h = hold_of(&b, 1000, 3);
	CHECK_INT(available(&b, ACCOUNT), 0);
	CHECK_INT(hold_claim(b.o, &h), E_OK);
	CHECK_INT(hold_take(b.o, &h, &spec), E_BALANCE);
	h = hold_of(&b, 0, 3);
	CHECK_INT(available(&b, ACCOUNT), 0);
	bench_close(&b);
}

TEST(an_extension_raises_the_total_on_every_counter)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 4);
	CHECK(hold_extend(b.o, &h, money_nano(500)));
	CHECK(hold_extend(b.o, &h, money_nano(900)));
	CHECK(hold_extend(b.o, &h, money_nano(200)));
	CHECK_INT(hold_total(b.o, &h).nano, 900);
	CHECK_INT(available(&b, BUDGET), 100);
	CHECK_INT(available(&b, CAP), 100);
	bench_close(&b);
}

TEST(a_refused_extension_leaves_the_old_total)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	b.r.counters[PARENT].available = 400;
	h = hold_of(&b, 300, 4);
	CHECK(!hold_extend(b.o, &h, money_nano(500)));
	CHECK_INT(hold_total(b.o, &h).nano, 300);
	CHECK_INT(available(&b, BUDGET), 700);
	CHECK_INT(available(&b, PARENT), 100);
	CHECK_INT(available(&b, CAP), 700);
	CHECK(hold_extend(b.o, &h, money_nano(400)));
	CHECK_INT(available(&b, PARENT), 0);
	bench_close(&b);
}

TEST(extensions_end_before_the_steps_do)
{
	struct bench b;
	struct hold h;
	int64_t total = 1;

	bench_open(&b, 1);
	b.r.counters[BUDGET].available = 1000000;
	h = hold_of(&b, total, 1);
	while (hold_extend(b.o, &h, money_nano(total + 1)))
		total++;
	CHECK_INT(word_step(word_of(&b, &h)), SLOT_STEP_MAX);
	CHECK_INT(hold_total(b.o, &h).nano, total);
	hold_settle(b.o, &h, money_nano(total), money_nano(0), REASON_AT_HOLD,
		    true);
	commit_one(&b, h.slot, false);
	CHECK_INT(available(&b, BUDGET), 1000000 - total);
	bench_close(&b);
}

TEST(a_streamed_answer_is_settled_committed_and_freed)
{
	struct bench b;
	struct hold h;
	uint32_t hint;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 3);
	hold_meter(b.o, &h, money_nano(120), money_nano(110));
	CHECK_INT(b.r.slots[h.slot].delivered, 110);
	hold_settle(b.o, &h, money_nano(120), money_nano(90), REASON_NORMAL,
		    true);
	CHECK(!hold_committed(b.o, &h));
	CHECK(ring_pop(&b.r.rings[b.row], &hint));
	CHECK_INT(hint, h.slot);
	CHECK_INT(slot_owner_busy(b.o), 1);
	slot_durable(&b.r, h.slot);
	CHECK(hold_committed(b.o, &h));
	commit_one(&b, h.slot, false);
	CHECK(hold_committed(b.o, &h));
	CHECK_INT(available(&b, BUDGET), 880);
	CHECK_INT(available(&b, PARENT), 880);
	CHECK_INT(slot_owner_busy(b.o), 0);
	bench_close(&b);
}

TEST(a_cap_is_charged_in_upstream_units)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 4);
	hold_settle(b.o, &h, money_nano(120), money_nano(90), REASON_NORMAL,
		    true);
	commit_one(&b, h.slot, false);
	CHECK_INT(available(&b, PARENT), 880);
	CHECK_INT(available(&b, CAP), 910);
	bench_close(&b);
}

TEST(an_answer_in_one_piece_waits_for_its_owner)
{
	struct bench b;
	struct hold h;
	uint32_t slot;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 2);
	slot = h.slot;
	hold_settle(b.o, &h, money_nano(100), money_nano(0), REASON_NORMAL,
		    false);
	commit_one(&b, slot, false);
	CHECK_INT(word_state(b.r.slots[slot].word), SLOT_DURABLE);
	CHECK(hold_committed(b.o, &h));
	hold_sent(b.o, &h);
	CHECK_INT(word_state(b.r.slots[slot].word), SLOT_FREE);
	CHECK_INT(h.slot, SHM_NONE);
	CHECK_INT(available(&b, BUDGET), 900);
	CHECK_INT(slot_owner_busy(b.o), 0);
	bench_close(&b);
}

TEST(an_answer_sent_before_all_is_given_back_is_freed_by_the_writer)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 2);
	hold_settle(b.o, &h, money_nano(100), money_nano(0), REASON_NORMAL,
		    false);
	slot_durable(&b.r, h.slot);
	hold_sent(b.o, &h);
	CHECK_INT(word_sent(word_of(&b, &h)), 1);
	CHECK_INT(word_state(word_of(&b, &h)), SLOT_DURABLE);
	commit_one(&b, h.slot, false);
	CHECK_INT(word_state(word_of(&b, &h)), SLOT_FREE);
	CHECK_INT(available(&b, BUDGET), 900);
	bench_close(&b);
}

TEST(an_answer_that_nobody_took_costs_nothing)
{
	for (int committed = 0; committed < 2; committed++) {
		struct bench b;
		struct hold h;

		bench_open(&b, 1);
		h = hold_of(&b, 300, 4);
		hold_settle(b.o, &h, money_nano(100), money_nano(80),
			    REASON_NORMAL, false);
		if (committed)
			commit_one(&b, h.slot, false);
		hold_not_sent(b.o, &h);
		commit_one(&b, h.slot, false);
		CHECK_INT(word_state(word_of(&b, &h)), SLOT_FREE);
		CHECK_INT(available(&b, BUDGET), 1000);
		CHECK_INT(available(&b, PARENT), 1000);
		CHECK_INT(available(&b, CAP), 1000);
		bench_close(&b);
	}
}

TEST(an_unsent_answer_without_a_cost_needs_no_reversal)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 2);
	hold_settle(b.o, &h, money_nano(0), money_nano(0), REASON_NORMAL,
		    false);
	slot_durable(&b.r, h.slot);
	slot_give_all(&b.r, h.slot);
	CHECK_INT(slot_todo(&b.r, h.slot, false), TODO_NOTHING);
	hold_not_sent(b.o, &h);
	CHECK_INT(slot_todo(&b.r, h.slot, false), TODO_FREE);
	bench_close(&b);
}

TEST(a_claim_can_be_given_back_unused)
{
	struct bench b;
	struct hold h, again;

	bench_open(&b, 1);
	CHECK_INT(hold_claim(b.o, &h), E_OK);
	hold_note(b.o, &h)->account = 3;
	again = h;
	hold_unclaim(b.o, &h);
	CHECK_INT(h.slot, SHM_NONE);
	CHECK_INT(hold_claim(b.o, &h), E_OK);
	CHECK_INT(h.slot, again.slot);
	bench_close(&b);
}

TEST(slots_run_out_and_come_back)
{
	struct bench b;
	struct hold h[2 * SLOT_PAGE], more;
	struct hold_spec spec = spec_of(1, 1);

	bench_open(&b, 2);
	for (size_t i = 0; i < ARRAY_LEN(h); i++) {
		CHECK_INT(hold_claim(b.o, &h[i]), E_OK);
		CHECK_INT(hold_take(b.o, &h[i], &spec), E_OK);
	}
	CHECK_INT(hold_claim(b.o, &more), E_OVERLOAD);
	CHECK_INT(more.slot, SHM_NONE);
	CHECK_INT(slot_owner_busy(b.o), 2 * SLOT_PAGE);
	for (size_t i = 0; i < ARRAY_LEN(h); i++)
		hold_settle(b.o, &h[i], money_nano(1), money_nano(0),
			    REASON_NORMAL, true);
	CHECK_INT(hold_claim(b.o, &more), E_OVERLOAD);
	commit_one(&b, h[77].slot, false);
	CHECK_INT(hold_claim(b.o, &more), E_OK);
	CHECK_INT(more.slot, h[77].slot);
	CHECK_INT(more.gen, h[77].gen + 1);
	bench_close(&b);
}

TEST(pages_that_are_not_needed_go_back_to_the_others)
{
	struct bench b;
	struct hold h[5 * SLOT_PAGE];
	uint32_t owned = 0;

	bench_open(&b, 8);
	for (size_t i = 0; i < ARRAY_LEN(h); i++)
		CHECK_INT(hold_claim(b.o, &h[i]), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(h); i++)
		hold_unclaim(b.o, &h[i]);
	for (uint32_t p = 0; p < 8; p++)
		owned += b.r.pages[p].owner != 0;
	CHECK_INT(owned, 2);
	CHECK_INT(hold_claim(b.o, &h[0]), E_OK);
	bench_close(&b);
}

TEST(two_workers_never_share_a_page)
{
	struct bench b;
	struct slot_owner *o;
	struct hold h, g;
	uint32_t row;

	bench_open(&b, 2);
	row = worker_row_take(&b.r, 1, 1);
	o = slot_owner_new(&b.r, row, b.r.workers[row].spawn_epoch);
	CHECK_INT(hold_claim(b.o, &h), E_OK);
	CHECK_INT(hold_claim(o, &g), E_OK);
	CHECK(h.slot / SLOT_PAGE != g.slot / SLOT_PAGE);
	slot_owner_free(o);
	bench_close(&b);
}

TEST(a_slot_rests_when_its_generations_are_used_up)
{
	struct bench b;
	struct hold h;
	uint32_t slot;

	bench_open(&b, 1);
	CHECK_INT(hold_claim(b.o, &h), E_OK);
	slot = h.slot;
	b.r.slots[slot].word = word_make(WORD_GEN_MAX, 0, SLOT_FREE);
	hold_unclaim(b.o, &h);
	for (uint32_t i = 0; i < SLOT_PAGE - 1; i++) {
		CHECK_INT(hold_claim(b.o, &h), E_OK);
		CHECK(h.slot != slot);
	}
	CHECK_INT(hold_claim(b.o, &h), E_OVERLOAD);
	bench_close(&b);
}

int
main(void)
{
	RUN(a_hold_takes_from_all_its_counters);
	RUN(a_hold_that_is_too_large_says_which_counter_refused);
	RUN(a_balance_can_be_held_to_the_last_unit);
	RUN(an_extension_raises_the_total_on_every_counter);
	RUN(a_refused_extension_leaves_the_old_total);
	RUN(extensions_end_before_the_steps_do);
	RUN(a_streamed_answer_is_settled_committed_and_freed);
	RUN(a_cap_is_charged_in_upstream_units);
	RUN(an_answer_in_one_piece_waits_for_its_owner);
	RUN(an_answer_sent_before_all_is_given_back_is_freed_by_the_writer);
	RUN(an_answer_that_nobody_took_costs_nothing);
	RUN(an_unsent_answer_without_a_cost_needs_no_reversal);
	RUN(a_claim_can_be_given_back_unused);
	RUN(slots_run_out_and_come_back);
	RUN(pages_that_are_not_needed_go_back_to_the_others);
	RUN(two_workers_never_share_a_page);
	RUN(a_slot_rests_when_its_generations_are_used_up);
	return tap_done();
}
