/* The word and its steps; helping and giving when somebody died between. */
#include "shm/steps.h"
#include "tests/unit/shm/bench.h"

TEST(a_word_keeps_its_fields_apart)
{
	uint64_t w = word_make(0xfffffffeu, 4, SLOT_ACQ);

	CHECK_INT(word_gen(w), 0xfffffffeu);
	CHECK_INT(word_k(w), 4);
	CHECK_INT(word_refused(w), REFUSED_NONE);
	CHECK_INT(word_state(w), SLOT_ACQ);
	CHECK_INT(word_step(w) + word_ext(w) + word_mask(w) + word_cur(w) +
			  word_sent(w),
		  0);
	w = word_with_refused(w | WORD_SENT | WORD_CUR, REFUSED_UNSENT);
	CHECK_INT(word_refused(w), REFUSED_UNSENT);
	CHECK_INT(word_sent(w), 1);
	CHECK_INT(word_cur(w), 1);
	CHECK_INT(word_k(w), 4);
	CHECK_INT(word_gen(word_freed(w)), 0xffffffffu);
	CHECK_INT(word_state(word_freed(w)), SLOT_FREE);
}

TEST(taking_goes_up_the_counters_and_giving_comes_down)
{
	uint64_t w = word_make(1, 3, SLOT_ACQ);

	for (int i = 0; i < 3; i++) {
		CHECK_INT(word_pending(w), i);
		w = word_next(w);
	}
	CHECK_INT(word_pending(w), -1);
	CHECK_INT(word_mask(w), 7);
	CHECK_INT(word_step(w), 3);
	w = word_with_state(w, SLOT_DURABLE);
	for (int i = 2; i >= 0; i--) {
		CHECK_INT(word_pending(w), i);
		w = word_next(w);
	}
	CHECK_INT(word_pending(w), -1);
	CHECK_INT(word_step(w), 6);
}

TEST(an_extension_has_bits_of_its_own)
{
	uint64_t w = word_make(1, 2, SLOT_EXT) | 3ull << 12;

	CHECK_INT(word_pending(w), 0);
	w = word_next(w);
	CHECK_INT(word_ext(w), 1);
	CHECK_INT(word_mask(w), 3);
	CHECK_INT(word_pending(w), 1);
	w = word_with_state(w, SLOT_XBK);
	CHECK_INT(word_pending(w), 0);
	CHECK_INT(word_ext(word_next(w)), 0);
}

TEST(states_without_a_step_have_nothing_pending)
{
	static const enum slot_state states[] = {SLOT_FREE, SLOT_HELD,
						 SLOT_SETTLED};

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		CHECK_INT(word_pending(word_make(1, 4, states[i]) | 5u << 12),
			  -1);
}

TEST(an_applied_step_is_confirmed_by_whoever_comes_next)
{
	struct bench b;
	struct hold h, other;
	struct slot *s;
	uint64_t applied;

	bench_open(&b, 1);
	h = hold_of(&b, 100, 2);
	s = &b.r.slots[h.slot];
	/* As if the owner had died between the two halves of its last step:
	 * the counter knows it, the word does not. */
	applied = s->word;
	s->word =
		word_with_state(applied & ~WORD_MASK(1), SLOT_ACQ) - WORD_STEP;
	CHECK_INT(word_pending(s->word), 1);
	other = hold_of(&b, 10, 2);
	CHECK_INT(word_mask(s->word), 3);
	CHECK_INT(word_step(s->word), 2);
	CHECK_INT(available(&b, ACCOUNT), 890);
	(void)other;
	bench_close(&b);
}

TEST(help_leaves_other_generations_and_steps_alone)
{
	struct bench b;
	struct hold h;
	uint64_t before, tag;

	bench_open(&b, 1);
	h = hold_of(&b, 100, 2);
	before = word_of(&b, &h);
	tag = b.r.counters[ACCOUNT].last_op;
	slot_help(&b.r, 0);
	slot_help(&b.r, tag);
	slot_help(&b.r, tag + 5);
	slot_help(&b.r, tag + (1ull << 32));
	CHECK(word_of(&b, &h) == before);
	bench_close(&b);
}

TEST(a_give_back_that_was_applied_is_not_applied_again)
{
	struct bench b;
	struct hold h;
	struct slot *s;

	bench_open(&b, 1);
	h = hold_of(&b, 100, 2);
	s = &b.r.slots[h.slot];
	hold_settle(b.o, &h, money_nano(40), money_nano(0), REASON_NORMAL,
		    true);
	slot_durable(&b.r, h.slot);
	slot_give(&b.r, h.slot);
	CHECK_INT(available(&b, ACCOUNT), 960);
	/* The writer died before it confirmed. */
	s->word = (s->word - WORD_STEP) | WORD_MASK(1);
	slot_give(&b.r, h.slot);
	CHECK_INT(available(&b, ACCOUNT), 960);
	slot_give_all(&b.r, h.slot);
	CHECK_INT(available(&b, ACCOUNT), 960);
	CHECK_INT(available(&b, BUDGET), 960);
	slot_give_all(&b.r, h.slot);
	CHECK_INT(available(&b, BUDGET), 960);
	bench_close(&b);
}

TEST(giving_in_a_state_that_gives_nothing_does_nothing)
{
	struct bench b;
	struct hold h;

	bench_open(&b, 1);
	h = hold_of(&b, 100, 2);
	slot_give(&b.r, h.slot);
	slot_give_all(&b.r, h.slot);
	CHECK_INT(available(&b, ACCOUNT), 900);
	CHECK_INT(word_state(word_of(&b, &h)), SLOT_HELD);
	bench_close(&b);
}

int
main(void)
{
	RUN(a_word_keeps_its_fields_apart);
	RUN(taking_goes_up_the_counters_and_giving_comes_down);
	RUN(an_extension_has_bits_of_its_own);
	RUN(states_without_a_step_have_nothing_pending);
	RUN(an_applied_step_is_confirmed_by_whoever_comes_next);
	RUN(help_leaves_other_generations_and_steps_alone);
	RUN(a_give_back_that_was_applied_is_not_applied_again);
	RUN(giving_in_a_state_that_gives_nothing_does_nothing);
	return tap_done();
}
