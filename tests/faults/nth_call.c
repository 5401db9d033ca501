/*
 * The n-th call of the ledger writer fails, n = 1, 2, ... until a run has so
 * few that none does: memory, writes, syncs, maps; once, and from then on.
 * Whatever the writer makes of it, it does not crash, nothing is booked twice
 * or not at all, and the next writer goes on.
 *
 *	nth_call [--stride N] [--call NAME]
 */
#include <errno.h>
#include <getopt.h>

#include "tests/faults/calls.h"
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD	 1000000000ll
#define COST	 1000
#define REQUESTS 6u
/* Milliseconds; in a run without faults all is done long before. */
#define FULL 50

struct run {
	struct fixture f;
	struct slot_owner *worker;
	uint32_t row;
	struct hold hold[REQUESTS];
	bool over[REQUESTS];
	struct order topup;
	bool answered;
	int64_t balance; /* what it has to be */
	uint64_t n_topups, crashes, ends, refusals;
};
static struct run run;
static uint64_t stride = 1;
static const char *only;

/* What the writer makes of it. */
enum then {
	EITHER,
	ENDS,  /* nobody knows what is on the disk: never goes on */
	WAITS, /* for room */
};

struct kind {
	const char *name;
	enum call call;
	int error;
	enum then then;
};

/* ---- work ---- */

static void
order_send(void)
{
	run.topup.id = ++run.f.next_order;
	if (send(run.f.orders, &run.topup, sizeof(run.topup), MSG_DONTWAIT) < 0)
		printf("# an order was not sent\n");
}

static void
order_look(void)
{
	struct order_answer a;

	while (recv(run.f.orders, &a, sizeof(a), MSG_DONTWAIT) == sizeof(a))
		if (a.id == run.topup.id &&
		    (a.result == ORDER_DONE || a.result == ORDER_REPEATED))
			run.answered = true;
}

/* Streams, answers that are sent, answers that are not. */
static void
begin(void)
{
	for (uint32_t i = 0; i < REQUESTS; i++) {
		must(fix_hold(run.worker, &run.hold[i], 0, i & 1 ? 0 : SHM_NONE,
			      2 * COST));
		hold_settle(run.worker, &run.hold[i], money_nano(COST),
			    money_nano(0), REASON_NORMAL, i % 3 == 0);
		run.over[i] = i % 3 == 0;
		run.balance -= i % 3 == 2 ? 0 : COST;
	}
	run.topup = (struct order){.kind = ORDER_TOPUP, .amount = {USD}};
	(void)snprintf(run.topup.name, sizeof(run.topup.name), "alice");
	(void)snprintf(run.topup.idem, sizeof(run.topup.idem), "t%u",
		       (unsigned)++run.n_topups);
	run.answered = false;
	run.balance += USD;
}

/* True: everything is over and given back. */
static bool
look(void)
{
	bool all = run.answered;

	order_look();
	for (uint32_t i = 0; i < REQUESTS; i++) {
		if (run.over[i] || !hold_committed(run.worker, &run.hold[i]))
			continue;
		if (i % 3 == 1)
			hold_sent(run.worker, &run.hold[i]);
		else
			hold_not_sent(run.worker, &run.hold[i]);
		run.over[i] = true;
	}
	for (uint32_t i = 0; i < REQUESTS; i++)
		all = all && run.over[i];
	doorbell_ring(run.f.args.doorbell);
	return all && slot_owner_busy(run.worker) == 0;
}

static bool
ledger_is(enum ledger_state s)
{
	return run.f.region.head->ledger_state == (uint32_t)s;
}

/* ---- a writer with a fault ---- */

static bool
has_ended(int *status)
{
	return waitpid(run.f.writer, status, WNOHANG) == run.f.writer;
}

/* It has met the fault and goes on, or waits as it has to. */
static bool
has_met(const struct kind *k)
{
	return faults->hits > 0 &&
	       (k->then == EITHER ||
		(k->then == WAITS && ledger_is(LEDGER_READONLY)));
}

/* Until all is done, the writer has ended, or it has met the fault and waits
 * for better times. */
static bool
work(const struct kind *k, int *status)
{
	bool sent = false, met = false;
	int idle = 0;

	for (int i = 0; i < FIX_PATIENCE; i++) {
		if (has_ended(status))
			return true;
		if (!sent && ledger_is(LEDGER_OK)) {
			sent = true;
			order_send();
		}
		if (look())
			return false;
		/* A second later it tries again. */
		if (!met && has_met(k)) {
			met = true;
			run.refusals += ledger_is(LEDGER_READONLY);
		}
		idle += met;
		if (idle > FULL)
			return false;
		fix_pause();
	}
	printf("# nothing happens any more\n");
	return false;
}

static void
end_ended(int status)
{
	bool fine = WIFEXITED(status) &&
		    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 1);

	run.ends++;
	if (!fine)
		printf("# the writer ended with %#x\n", (unsigned)status);
	CHECK(fine);
	run.f.writer = 0;
	(void)close(run.f.orders);
	(void)close(run.f.alive[1]);
	(void)close(run.f.args.doorbell);
	(void)close(run.f.args.master_doorbell);
}

/* Another server each time: the second failed sync of one is an operator's. */
static void
start(void)
{
	run.f.region.head->master_pid++;
	run.f.region.head->ledger_state = LEDGER_RECOVERING;
	fix_start(&run.f);
}

/* False: so many calls are not made. */
static bool
with_fault(const struct kind *k, uint64_t at, uint32_t for_ever)
{
	int status = 0;
	bool hit;

	faults_order(k->call, k->error, at, for_ever);
	begin();
	start();
	if (work(k, &status)) {
		end_ended(status);
	} else {
		(void)fix_stop(&run.f, SIGKILL);
	}
	hit = faults->hits > 0;
	faults_order(CALL_NONE, 0, 0, 0);
	return hit;
}

/* ---- and one without ---- */

static void
check_after(void)
{
	bool done = false;

	start();
	CHECK(fix_wait_state(&run.f, LEDGER_OK));
	if (!run.answered)
		order_send();
	for (int i = 0; i < FIX_PATIENCE && !done; i++) {
		done = look();
		if (!done)
			fix_pause();
	}
	CHECK(done);
	CHECK_INT(fix_available(&run.f, counter_of_account(0)), run.balance);
	/* It need not wait for our worker. */
	CHECK_INT(fix_stop(&run.f, SIGINT), 0);
	CHECK_INT(fix_verify(&run.f, false), VERIFY_BALANCED);
}

static uint64_t
loop(const struct kind *k, uint32_t for_ever)
{
	uint64_t n = 1, tried = 0;

	while (!tap_case_bad && with_fault(k, n, for_ever)) {
		tried++;
		check_after();
		if (tap_case_bad)
			printf("# at call %" PRIu64 " of %s%s\n", n, k->name,
			       for_ever ? " and all after it" : "");
		n += stride;
	}
	check_after();
	CHECK(k->then != ENDS || run.ends == tried);
	CHECK(k->then != WAITS || run.refusals == tried);
	printf("# %s %s: %" PRIu64 " calls failed, up to n = %" PRIu64
	       ", the writer ended %" PRIu64 " times, waited %" PRIu64 "\n",
	       k->name, for_ever ? "for ever" : "once", tried, n - stride,
	       run.ends, run.refusals);
	run.ends = 0;
	run.refusals = 0;
	return tried;
}

static void
both(const char *name, enum call call, int error, enum then then)
{
	struct kind k = {name, call, error, then};

	if (only && strcmp(only, name) != 0)
		SKIP("not asked for");
	CHECK(loop(&k, 0) > 0);
	CHECK(loop(&k, 1) > 0);
}

TEST(memory_runs_out)
{
	both("malloc", CALL_MALLOC, ENOMEM, EITHER);
}

TEST(maps_run_out)
{
	both("mmap", CALL_MMAP, ENOMEM, ENDS);
}

TEST(the_disk_is_full)
{
	both("full", CALL_PWRITE, ENOSPC, WAITS);
}

TEST(the_disk_takes_no_write)
{
	both("write", CALL_PWRITE, EIO, ENDS);
}

TEST(the_disk_takes_half_a_write)
{
	both("short", CALL_SHORT, 0, ENDS);
}

/* And what was not synced is gone. */
TEST(the_disk_loses_what_it_took)
{
	both("sync", CALL_SYNC, EIO, ENDS);
}

TEST(no_space_can_be_set_aside)
{
	both("allocate", CALL_ALLOCATE, ENOSPC, WAITS);
}

/* ---- the ledger ---- */

static void
open_ledger(void)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct fixture *f = &run.f;

	log_open("test", "/dev/null", LOG_LEVEL_ERROR);
	(void)setenv("TOLLGATE_LEDGER_ANY_FS", "1", 1);
	(void)strcpy(f->dir, "/dev/shm/tollgate-nth-XXXXXX");
	if (!mkdtemp(f->dir)) {
		(void)strcpy(f->dir, "/tmp/tollgate-nth-XXXXXX");
		must(mkdtemp(f->dir));
	}
	f->conf.state_dir = str_of(f->dir);
	f->conf.time_zone = STR("UTC");
	f->conf.ledger.map_size = FIX_MAP;
	f->conf.ledger.durability = DURABILITY_COMMIT;
	must(writer_prepare(&f->conf, &why));
	fix_region(f);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		f->doorbells[i] = -1;
	start();
	must(fix_wait_state(f, LEDGER_OK));
	must(fix_account(f, "alice", USD).result == ORDER_DONE);
	must(fix_key(f, "alice", 1, 1000 * USD).result == ORDER_DONE);
	must(fix_stop(f, SIGTERM) == 0);
	run.balance = USD;
	run.worker = fix_worker(f, &run.row);
}

int
main(int argc, char **argv)
{
	static const struct option list[] = {
		{"stride", required_argument, NULL, 's'},
		{"call", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (c == '?')
			return 2;
		if (c == 's')
			stride = strtoull(optarg, NULL, 10);
		else
			only = optarg;
	}
	faults_open();
	open_ledger();
	RUN(memory_runs_out);
	RUN(maps_run_out);
	RUN(the_disk_is_full);
	RUN(the_disk_takes_no_write);
	RUN(the_disk_takes_half_a_write);
	RUN(the_disk_loses_what_it_took);
	RUN(no_space_can_be_set_aside);
	slot_owner_free(run.worker);
	fix_close(&run.f);
	return tap_done();
}
