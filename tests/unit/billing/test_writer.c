/* The writer as a process: settlements, orders, deaths, restarts. */
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD 1000000000ll

TEST(a_settled_request_is_committed_and_the_rest_given_back)
{
	struct fixture f;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	fix_open(&f);
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_account(&f, "alice", 10 * USD).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 10 * USD);
	row = worker_row_take(&f.region, 1, 0);
	f.region.workers[row].pid = (uint32_t)getpid();
	w = slot_owner_new(&f.region, row, f.region.workers[row].spawn_epoch);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 2 * USD));
	CHECK_INT(fix_available(&f, 0), 8 * USD);
	hold_settle(w, &h, money_nano(USD), money_nano(0), REASON_NORMAL, true);
	CHECK_INT(fix_checkpoint(&f).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 9 * USD);
	CHECK_INT(slot_owner_busy(w), 0);
	f.region.workers[row].state = WORKER_DEAD;
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	CHECK_INT(f.region.workers[row].state, WORKER_UNUSED);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	slot_owner_free(w);
	fix_close(&f);
}

int
main(void)
{
	RUN(a_settled_request_is_committed_and_the_rest_given_back);
	return tap_done();
}
