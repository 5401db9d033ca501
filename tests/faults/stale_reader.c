/*
 * A reader of the ledger that is killed in the middle keeps the pages that it
 * saw from being used again, until the writer throws it out: the file grows
 * in that time only, and not by more than what is written in it.
 */
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD 1000000000ll
/* Pages that a commit of one top-up changes, at most. */
#define PAGES 16u
#define PAGE  4096u

static void
top_up(struct fixture *f, uint32_t n)
{
	static uint32_t number;
	char idem[32];

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(idem, sizeof(idem), "t%u", (unsigned)++number);
		CHECK_INT(fix_topup(f, "alice", USD, idem).result, ORDER_DONE);
	}
}

static uint64_t
used(struct fixture *f)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l;
	uint64_t bytes;

	must(ledger_open(&l, f->dir, LEDGER_READ, 0, &why) == STORE_OK);
	bytes = ledger_room(l).used;
	ledger_close(l);
	return bytes;
}

/* A tool that reads, and is killed with its snapshot open. */
static void
kill_reader(struct fixture *f)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l;
	int ready[2];
	pid_t child;
	char c;

	must(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		must(ledger_open(&l, f->dir, LEDGER_READ, 0, &why) == STORE_OK);
		must(ledger_begin(l) == STORE_OK);
		must(write(ready[1], "r", 1) == 1);
		for (;;)
			(void)pause();
	}
	must(read(ready[0], &c, 1) == 1);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

TEST(a_killed_reader_costs_ten_seconds_of_pages_and_no_more)
{
	struct fixture f;
	uint64_t before, stale, grown, until;

	fix_open(&f);
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	top_up(&f, 100);
	before = used(&f);
	kill_reader(&f);
	top_up(&f, 100);
	stale = used(&f);
	CHECK(stale > before && stale - before <= 100ull * PAGES * PAGE);
	/* The broom comes every ten seconds. */
	until = clock_mono_ns() + 12 * NS_PER_SEC;
	while (clock_mono_ns() < until)
		fix_pause();
	/* The first ones take up what has become free. */
	top_up(&f, 100);
	grown = used(&f) - stale;
	CHECK(grown <= 16ull * PAGE);
	printf("# 100 commits: %" PRIu64 " KiB with a dead reader, %" PRIu64
	       " KiB after it was thrown out\n",
	       (stale - before) >> 10, grown >> 10);
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	fix_close(&f);
}

int
main(void)
{
	RUN(a_killed_reader_costs_ten_seconds_of_pages_and_no_more);
	return tap_done();
}
