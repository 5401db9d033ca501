/* The writer as a process: settlements, reversals, deaths, restarts. */
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD 1000000000ll

/* A writer with one account of 10 USD and one worker. */
struct scene {
	struct fixture f;
	struct slot_owner *w;
	uint32_t row;
};

static void
scene_open(struct scene *s)
{
	fix_open(&s->f);
	fix_start(&s->f);
	CHECK(fix_wait_state(&s->f, LEDGER_OK));
	CHECK_INT(fix_account(&s->f, "alice", 10 * USD).result, ORDER_DONE);
	s->w = fix_worker(&s->f, &s->row);
}

/* Ends in order; the ledger must balance. */
static void
scene_close(struct scene *s)
{
	if (s->f.region.workers[s->row].state != WORKER_UNUSED)
		s->f.region.workers[s->row].state = WORKER_DEAD;
	CHECK_INT(fix_stop(&s->f, SIGTERM), 0);
	CHECK_INT(s->f.region.workers[s->row].state, WORKER_UNUSED);
	CHECK_INT(fix_verify(&s->f, false), VERIFY_BALANCED);
	CHECK_INT(s->f.region.head->audit_frozen, 0);
	slot_owner_free(s->w);
	fix_close(&s->f);
}

TEST(a_settled_request_is_committed_and_the_rest_given_back)
{
	struct scene s;
	struct hold h;

	scene_open(&s);
	CHECK_INT(fix_available(&s.f, 0), 10 * USD);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, 2 * USD));
	CHECK_INT(fix_available(&s.f, 0), 8 * USD);
	hold_settle(s.w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK_INT(fix_available(&s.f, 0), 9 * USD);
	CHECK_INT(s.f.region.counters[0].balance, 9 * USD);
	CHECK_INT(slot_owner_busy(s.w), 0);
	CHECK_INT(s.f.region.head->committed_seq, 2);
	scene_close(&s);
}

TEST(a_charge_moves_account_parent_and_key_budget_alike)
{
	struct scene s;
	struct hold h;
	struct hold_spec spec = {.k = 3, .amount = {2 * USD}};
	struct note *n;

	scene_open(&s);
	CHECK_INT(fix_account(&s.f, "org", 50 * USD).index, 1);
	CHECK_INT(fix_key(&s.f, "alice", 7, 3 * USD).result, ORDER_DONE);
	CHECK_INT(fix_available(&s.f, counter_of_key(0)), 3 * USD);
	spec.ctr[0] = counter_of_key(0);
	spec.ctr[1] = counter_of_account(0);
	spec.ctr[2] = counter_of_account(1);
	CHECK_INT(hold_claim(s.w, &h), E_OK);
	n = hold_note(s.w, &h);
	memset(n, 0, sizeof(*n));
	n->parent = 1;
	n->channel = UINT16_MAX;
	CHECK_INT(hold_take(s.w, &h, &spec), E_OK);
	hold_settle(s.w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK_INT(fix_available(&s.f, 0), 9 * USD);
	CHECK_INT(fix_available(&s.f, 1), 49 * USD);
	CHECK_INT(fix_available(&s.f, counter_of_key(0)), 2 * USD);
	scene_close(&s);
}

TEST(an_answer_that_was_not_sent_is_reversed)
{
	struct scene s;
	struct hold h;

	scene_open(&s);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, 2 * USD));
	hold_settle(s.w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    false);
	CHECK(fix_committed(&s.f, s.w, &h));
	hold_not_sent(s.w, &h);
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK_INT(fix_available(&s.f, 0), 10 * USD);
	CHECK_INT(s.f.region.head->committed_seq, 3);
	scene_close(&s);
}

TEST(an_answer_that_was_sent_is_charged_once)
{
	struct scene s;
	struct hold h;

	scene_open(&s);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, 2 * USD));
	hold_settle(s.w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    false);
	CHECK(fix_committed(&s.f, s.w, &h));
	hold_sent(s.w, &h);
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK_INT(fix_available(&s.f, 0), 9 * USD);
	CHECK(fix_worker_dies(&s.f, s.row));
	CHECK_INT(fix_available(&s.f, 0), 9 * USD);
	scene_close(&s);
}

TEST(a_dead_worker_pays_nothing_for_what_it_never_sent)
{
	struct scene s;
	struct hold held, settled, refused;

	scene_open(&s);
	CHECK(fix_hold(s.w, &held, 0, SHM_NONE, 2 * USD));
	hold_meter(s.w, &held, money_nano(USD), money_nano(USD / 4));
	CHECK(fix_hold(s.w, &settled, 0, SHM_NONE, USD));
	hold_settle(s.w, &settled, money_nano(USD), money_nano(0),
		    REASON_NORMAL, false);
	CHECK_INT(hold_claim(s.w, &refused), E_OK);
	CHECK(fix_worker_dies(&s.f, s.row));
	/* What was delivered of the first is paid, the second reversed. */
	CHECK_INT(fix_available(&s.f, 0), 10 * USD - USD / 4);
	scene_close(&s);
}

TEST(concurrency_counts_of_a_dead_worker_are_healed)
{
	struct scene s;
	struct limit_cells *cells;
	struct hold h;
	struct slot_owner *other;
	uint32_t row;

	scene_open(&s);
	other = fix_worker(&s.f, &row);
	cells = &s.f.region.accounts[0].limits;
	/* One of a living worker, two of the dead one, one without a slot. */
	cells->running = 4;
	CHECK(fix_hold(other, &h, 0, SHM_NONE, USD));
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, USD));
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, USD));
	CHECK(fix_worker_dies(&s.f, s.row));
	for (int i = 0; i < 8000 && cells->running != 1; i++) {
		s.f.region.workers[row].heartbeat_ns++;
		fix_pause();
	}
	CHECK_INT(cells->running, 1);
	CHECK(fix_worker_dies(&s.f, row));
	slot_owner_free(other);
	scene_close(&s);
}

TEST(a_killed_writer_is_followed_by_one_that_goes_on)
{
	struct scene s;
	struct hold h;

	scene_open(&s);
	for (int i = 0; i < 20; i++) {
		CHECK(fix_hold(s.w, &h, 0, SHM_NONE, USD / 10));
		hold_settle(s.w, &h, money_nano(USD / 100), money_nano(0),
			    REASON_NORMAL, true);
		doorbell_ring(s.f.args.doorbell);
		CHECK_INT(fix_stop(&s.f, SIGKILL), 128 + SIGKILL);
		fix_start(&s.f);
	}
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK_INT(fix_available(&s.f, 0), 10 * USD - 20 * USD / 100);
	CHECK_INT(s.f.region.head->committed_seq, 21);
	CHECK_INT(s.f.region.head->boot_epoch, 1);
	scene_close(&s);
}

TEST(a_new_segment_starts_from_the_balances)
{
	struct scene s;
	struct hold h;

	scene_open(&s);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, 2 * USD));
	hold_settle(s.w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, 3 * USD));
	CHECK_INT(fix_stop(&s.f, SIGKILL), 128 + SIGKILL);
	/* The power fails: what was in memory is gone. */
	region_close(&s.f.region);
	slot_owner_free(s.w);
	fix_region(&s.f);
	fix_start(&s.f);
	CHECK(fix_wait_state(&s.f, LEDGER_OK));
	CHECK_INT(s.f.region.head->boot_epoch, 2);
	CHECK_INT(s.f.region.head->n_accounts, 1);
	CHECK_INT(fix_available(&s.f, 0), 9 * USD);
	s.w = fix_worker(&s.f, &s.row);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, 9 * USD));
	scene_close(&s);
}

TEST(a_segment_of_another_ledger_is_refused)
{
	struct fixture a, b;

	fix_open(&a);
	fix_start(&a);
	CHECK(fix_wait_state(&a, LEDGER_OK));
	CHECK_INT(fix_stop(&a, SIGTERM), 0);
	fix_open(&b);
	region_close(&b.region);
	b.region = a.region;
	a.region.head = NULL;
	fix_start(&b);
	CHECK_INT(fix_reap_writer(&b), 5);
	fix_close(&b);
	fix_close(&a);
}

TEST(a_slot_that_makes_no_sense_is_left_alone)
{
	struct scene s;
	struct hold bad, good;

	scene_open(&s);
	CHECK(fix_hold(s.w, &bad, 0, SHM_NONE, USD));
	CHECK(fix_hold(s.w, &good, 0, SHM_NONE, USD));
	hold_note(s.w, &bad)->account = 77;
	hold_settle(s.w, &bad, money_nano(USD), money_nano(0), REASON_NORMAL,
		    true);
	hold_settle(s.w, &good, money_nano(USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(fix_checkpoint(&s.f).result, ORDER_DONE);
	CHECK_INT(s.f.region.head->committed_seq, 2);
	/* Its money stays held. */
	CHECK_INT(fix_available(&s.f, 0), 8 * USD);
	CHECK(fix_worker_dies(&s.f, s.row));
	scene_close(&s);
}

TEST(the_end_of_the_master_ends_the_writer_after_the_workers)
{
	struct scene s;
	struct hold h;

	scene_open(&s);
	CHECK(fix_hold(s.w, &h, 0, SHM_NONE, USD));
	(void)close(s.f.alive[1]);
	s.f.alive[1] = -1;
	hold_settle(s.w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    true);
	s.f.region.workers[s.row].state = WORKER_DEAD;
	CHECK_INT(fix_reap_writer(&s.f), 0);
	CHECK_INT(fix_available(&s.f, 0), 9 * USD);
	CHECK_INT(fix_verify(&s.f, false), VERIFY_BALANCED);
	slot_owner_free(s.w);
	fix_close(&s.f);
}

int
main(void)
{
	RUN(a_settled_request_is_committed_and_the_rest_given_back);
	RUN(a_charge_moves_account_parent_and_key_budget_alike);
	RUN(an_answer_that_was_not_sent_is_reversed);
	RUN(an_answer_that_was_sent_is_charged_once);
	RUN(a_dead_worker_pays_nothing_for_what_it_never_sent);
	RUN(concurrency_counts_of_a_dead_worker_are_healed);
	RUN(a_killed_writer_is_followed_by_one_that_goes_on);
	RUN(a_new_segment_starts_from_the_balances);
	RUN(a_segment_of_another_ledger_is_refused);
	RUN(a_slot_that_makes_no_sense_is_left_alone);
	RUN(the_end_of_the_master_ends_the_writer_after_the_workers);
	return tap_done();
}
