/*
 * The writer when its disk fails: no room, and a sync that says so. The sync
 * of this program stands before the C library's, so LMDB calls it.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD 1000000000ll

static struct faults {
	_Atomic int syncs_to_fail;
} * faults;

int fdatasync(int fd);

int
fdatasync(int fd)
{
	if (faults && atomic_load(&faults->syncs_to_fail) > 0) {
		atomic_fetch_sub(&faults->syncs_to_fail, 1);
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void
set_file_limit(struct fixture *f, rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	CHECK_INT(prlimit(f->writer, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* Settles one request of 1/100 USD. */
static bool
settle_one(struct slot_owner *w)
{
	struct hold h;

	if (!fix_hold(w, &h, 0, SHM_NONE, USD / 100))
		return false;
	hold_settle(w, &h, money_nano(USD / 100), money_nano(0), REASON_NORMAL,
		    true);
	return true;
}

TEST(a_full_disk_stops_new_holds_and_heals_by_itself)
{
	struct fixture f;
	struct slot_owner *w;
	uint32_t row;

	fix_open(&f);
	/* A ledger that has not even its first room ahead. */
	fix_start(&f);
	set_file_limit(&f, 64 << 10);
	CHECK(fix_wait_state(&f, LEDGER_READONLY) ||
	      f.region.head->ledger_state == LEDGER_READONLY);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_NO_LEDGER);
	set_file_limit(&f, RLIM_INFINITY);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	w = fix_worker(&f, &row);
	CHECK(settle_one(w));
	CHECK(fix_worker_dies(&f, row));
	CHECK_INT(fix_available(&f, 0), USD - USD / 100);
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	slot_owner_free(w);
	fix_close(&f);
}

TEST(a_full_map_keeps_what_is_settled_until_there_is_room)
{
	struct fixture f;
	struct slot_owner *w;
	uint32_t row;
	int n = 0;

	fix_open(&f);
	f.conf.ledger.map_size = 1 << 20;
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_account(&f, "alice", 1000 * USD).result, ORDER_DONE);
	w = fix_worker(&f, &row);
	while (f.region.head->ledger_state == LEDGER_OK && n < 100000) {
		if (settle_one(w))
			n++;
		else
			fix_pause();
	}
	CHECK(fix_wait_state(&f, LEDGER_READONLY));
	/* What had been admitted by then may fill the rest. */
	while (slot_owner_busy(w) < 64 && n < 100000 && settle_one(w))
		n++;
	CHECK_INT(fix_stop(&f, SIGKILL), 128 + SIGKILL);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	f.conf.ledger.map_size = FIX_MAP;
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK(fix_worker_dies(&f, row));
	CHECK_INT(fix_available(&f, 0), 1000 * USD - n * (USD / 100));
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	slot_owner_free(w);
	fix_close(&f);
}

TEST(a_failed_sync_ends_the_writer_and_the_next_one_reads_anew)
{
	struct fixture f;
	struct slot_owner *w;
	uint32_t row;

	fix_open(&f);
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	w = fix_worker(&f, &row);
	faults->syncs_to_fail = 1;
	CHECK(settle_one(w));
	doorbell_ring(f.args.doorbell);
	CHECK_INT(fix_reap_writer(&f), 1);
	CHECK_INT(f.region.head->ledger_state, LEDGER_FAILED);
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_checkpoint(&f).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), USD - USD / 100);
	/* The second time it stays so until an operator comes. */
	faults->syncs_to_fail = 1;
	CHECK(settle_one(w));
	doorbell_ring(f.args.doorbell);
	CHECK_INT(fix_reap_writer(&f), 1);
	fix_start(&f);
	CHECK_INT(fix_account(&f, "bob", 0).result, ORDER_NO_LEDGER);
	CHECK_INT(f.region.head->ledger_state, LEDGER_FAILED);
	CHECK_INT(fix_stop(&f, SIGTERM), 1);
	/* He restarts the server: another master. */
	f.region.head->master_pid = 4711;
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK(fix_worker_dies(&f, row));
	CHECK_INT(fix_available(&f, 0), USD - 2 * (USD / 100));
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	slot_owner_free(w);
	fix_close(&f);
}

TEST(a_damaged_ledger_is_not_opened)
{
	struct fixture f;
	char path[128];

	fix_open(&f);
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", f.dir);
	CHECK_INT(truncate(path, 4096), 0);
	fix_start(&f);
	CHECK_INT(fix_reap_writer(&f), 5);
	fix_close(&f);
}

int
main(void)
{
	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	RUN(a_full_disk_stops_new_holds_and_heals_by_itself);
	RUN(a_full_map_keeps_what_is_settled_until_there_is_room);
	RUN(a_failed_sync_ends_the_writer_and_the_next_one_reads_anew);
	RUN(a_damaged_ledger_is_not_opened);
	return tap_done();
}
