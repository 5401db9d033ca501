/* The slots of workers that died, state by state; the writer's own slots. */
#include "shm/steps.h"
#include "tests/crash/mini_writer.h"
#include "tests/unit/shm/bench.h"

static void
die(struct bench *b)
{
	b->r.workers[b->row].state = WORKER_DEAD;
}

/* Everything the writer does until the row is empty. */
static void
reap_all(struct bench *b)
{
	for (int n = 0; n < 10 && mini_reap_worker(&b->r, b->row) > 0; n++) {
		for (uint32_t i = 0; i < b->r.head->n_slots; i++)
			commit_one(b, i, slot_orphaned(&b->r, i));
	}
	CHECK_INT(mini_reap_worker(&b->r, b->row), 0);
}

static void
check_whole(const struct bench *b, int64_t nano)
{
	CHECK_INT(available(b, BUDGET), nano);
	CHECK_INT(available(b, ACCOUNT), nano);
	CHECK_INT(available(b, PARENT), nano);
	CHECK_INT(available(b, CAP), nano);
	for (uint32_t p = 0; p < b->r.head->n_slots / SLOT_PAGE; p++)
		CHECK_INT(b->r.pages[p].owner, 0);
}

TEST(a_claim_that_took_nothing_is_freed)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	CHECK_INT(hold_claim(b.o, &h), E_OK);
	b.r.slots[h.slot].word = word_make(h.gen, 4, SLOT_ACQ);
	memcpy(b.r.slots[h.slot].ctr, spec_of(1, 4).ctr, 16);
	die(&b);
	CHECK(slot_reap(&b.r, h.slot));
	CHECK_INT(word_state(word_of(&b, &h)), SLOT_FREE);
	CHECK_INT(word_gen(word_of(&b, &h)), h.gen + 1);
	reap_all(&b);
	check_whole(&b, 1000);
	bench_close(&b);
}

/* The word as it was after `n` of 4 steps of a hold; the step after it is
 * applied or not. */
static void
reap_half_taken(uint32_t n, bool applied)
{
	struct bench b;
	struct hold h;
	struct slot *s;
	const uint32_t counters[] = {BUDGET, ACCOUNT, PARENT, CAP};

	bench_open(&b, 1);
	h = hold_of(&b, 100, 4);
	s = &b.r.slots[h.slot];
	s->word = word_make(h.gen, 4, SLOT_ACQ) | (uint64_t)n << 20 |
		  ((1ull << n) - 1) << 12;
	for (uint32_t i = n + applied; i < 4; i++) {
		b.r.counters[counters[i]].available = 1000;
		b.r.counters[counters[i]].last_op = 0;
	}
	die(&b);
	reap_all(&b);
	check_whole(&b, 1000);
	CHECK_INT(word_gen(word_of(&b, &h)), h.gen + 1);
	bench_close(&b);
}

TEST(a_half_taken_hold_is_given_back)
{
	for (uint32_t n = 0; n < 4; n++) {
		reap_half_taken(n, false);
		reap_half_taken(n, true);
	}
}

TEST(a_hold_is_settled_at_what_was_delivered)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 4);
	hold_meter(b.o, &h, money_nano(200), money_nano(120));
	die(&b);
	CHECK(slot_reap(&b.r, h.slot));
	CHECK_INT(word_state(word_of(&b, &h)), SLOT_SETTLED);
	CHECK_INT(word_sent(word_of(&b, &h)), 1);
	CHECK_INT(b.r.slots[h.slot].reason, REASON_REAPED);
	CHECK(!slot_reap(&b.r, h.slot));
	reap_all(&b);
	check_whole(&b, 880);
	bench_close(&b);
}

TEST(what_was_delivered_is_never_paid_above_the_hold)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 4);
	hold_meter(b.o, &h, money_nano(400), money_nano(400));
	die(&b);
	reap_all(&b);
	check_whole(&b, 700);
	bench_close(&b);
}

/* Died in an extension from 300 to 500 that had reached `n` counters, with
 * the step after it applied or not; then given back or taken (XBK, EXT). */
static void
reap_half_extended(uint32_t n, bool applied, enum slot_state state)
{
	struct bench b;
	struct hold h;
	struct slot *s;
	const uint32_t counters[] = {BUDGET, ACCOUNT, PARENT, CAP};

	bench_open(&b, 1);
	h = hold_of(&b, 300, 4);
	s = &b.r.slots[h.slot];
	hold_meter(b.o, &h, money_nano(120), money_nano(120));
	s->held[1] = 500;
	s->held_up[1] = 500;
	s->word = word_with_state(s->word, state) | ((1ull << n) - 1) << 16;
	s->word += n * WORD_STEP;
	for (uint32_t i = 0; i < n; i++)
		b.r.counters[counters[i]].available -= 200;
	if (applied) {
		int i = word_pending(s->word);

		b.r.counters[counters[i]].available -=
			state == SLOT_EXT ? 200 : -200;
		b.r.counters[counters[i]].last_op = (uint64_t)h.gen << 32 |
						    (uint64_t)h.slot << 12 |
						    (word_step(s->word) + 1);
	}
	die(&b);
	reap_all(&b);
	check_whole(&b, 880);
	bench_close(&b);
}

TEST(a_half_done_extension_is_released_counter_by_counter)
{
	for (uint32_t n = 0; n <= 4; n++) {
		reap_half_extended(n, false, SLOT_EXT);
		if (n < 4)
			reap_half_extended(n, true, SLOT_EXT);
		reap_half_extended(n, false, SLOT_XBK);
		if (n > 0)
			reap_half_extended(n, true, SLOT_XBK);
	}
}

TEST(a_settled_answer_that_was_not_sent_is_reversed)
{
	for (int committed = 0; committed < 2; committed++) {
		struct bench b;
		struct hold h;

		bench_open(&b, 1);
		h = hold_of(&b, 300, 4);
		hold_settle(b.o, &h, money_nano(120), money_nano(100),
			    REASON_NORMAL, false);
		if (committed)
			commit_one(&b, h.slot, false);
		die(&b);
		reap_all(&b);
		check_whole(&b, 1000);
		bench_close(&b);
	}
}

TEST(a_streamed_answer_is_charged_though_its_worker_died)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 4);
	hold_settle(b.o, &h, money_nano(120), money_nano(120), REASON_NORMAL,
		    true);
	die(&b);
	reap_all(&b);
	check_whole(&b, 880);
	bench_close(&b);
}

TEST(a_live_owner_is_left_alone)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 2);
	hold_settle(b.o, &h, money_nano(120), money_nano(0), REASON_NORMAL,
		    false);
	CHECK_INT(slot_todo(&b.r, h.slot, false), TODO_COMMIT);
	slot_durable(&b.r, h.slot);
	CHECK_INT(slot_todo(&b.r, h.slot, false), TODO_GIVE);
	slot_give_all(&b.r, h.slot);
	CHECK_INT(slot_todo(&b.r, h.slot, false), TODO_NOTHING);
	CHECK(!slot_orphaned(&b.r, h.slot));
	die(&b);
	CHECK(slot_orphaned(&b.r, h.slot));
	CHECK_INT(slot_todo(&b.r, h.slot, true), TODO_REVERSE);
	bench_close(&b);
}

TEST(a_row_taken_anew_does_not_own_what_its_forerunner_left)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 2);
	b.r.workers[b.row].spawn_epoch++;
	die(&b);
	CHECK(!slot_orphaned(&b.r, h.slot));
	CHECK_INT(mini_reap_worker(&b.r, b.row), 0);
	CHECK_INT(word_state(word_of(&b, &h)), SLOT_HELD);
	bench_close(&b);
}

TEST(a_topup_is_there_after_its_commit)
{
	struct bench b;
	uint32_t ctr[] = {ACCOUNT, PARENT}, slot;

	bench_open(&b, 1);
	slot = own_claim(&b.r, SLOT_TOPUP, 77, ctr, 2, money_nano(500));
	CHECK(slot >= b.r.head->n_slots);
	CHECK_INT(b.r.slots[slot].ref, 77);
	CHECK_INT(available(&b, ACCOUNT), 1000);
	CHECK(!slot_orphaned(&b.r, slot));
	commit_one(&b, slot, false);
	CHECK_INT(available(&b, ACCOUNT), 1500);
	CHECK_INT(available(&b, PARENT), 1500);
	CHECK_INT(available(&b, BUDGET), 1000);
	CHECK_INT(word_state(b.r.slots[slot].word), SLOT_FREE);
	bench_close(&b);
}

TEST(a_refund_may_take_more_than_is_there)
{
	struct bench b;
	uint32_t ctr[] = {ACCOUNT}, slot;

	bench_open(&b, 1);
	slot = own_claim(&b.r, SLOT_REFUND, 1, ctr, 1, money_nano(-1500));
	commit_one(&b, slot, false);
	CHECK_INT(available(&b, ACCOUNT), -500);
	bench_close(&b);
}

TEST(own_slots_run_out)
{
	struct bench b;
	uint32_t ctr[] = {ACCOUNT}, slot = 0;

	bench_open(&b, 1);
	for (uint32_t i = 0; i < SHM_OWN_SLOTS; i++) {
		slot = own_claim(&b.r, SLOT_TOPUP, i, ctr, 1, money_nano(1));
		CHECK(slot != SHM_NONE);
	}
	CHECK_INT(own_claim(&b.r, SLOT_TOPUP, 99, ctr, 1, money_nano(1)),
		  SHM_NONE);
	commit_one(&b, slot, false);
	CHECK_INT(own_claim(&b.r, SLOT_TOPUP, 99, ctr, 1, money_nano(1)), slot);
	bench_close(&b);
}

int
main(void)
{
	RUN(a_claim_that_took_nothing_is_freed);
	RUN(a_half_taken_hold_is_given_back);
	RUN(a_hold_is_settled_at_what_was_delivered);
	RUN(what_was_delivered_is_never_paid_above_the_hold);
	RUN(a_half_done_extension_is_released_counter_by_counter);
	RUN(a_settled_answer_that_was_not_sent_is_reversed);
	RUN(a_streamed_answer_is_charged_though_its_worker_died);
	RUN(a_live_owner_is_left_alone);
	RUN(a_row_taken_anew_does_not_own_what_its_forerunner_left);
	RUN(a_topup_is_there_after_its_commit);
	RUN(a_refund_may_take_more_than_is_there);
	RUN(own_slots_run_out);
	return tap_done();
}
