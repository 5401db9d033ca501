/* A copy is a ledger of its own, whole before it has its name. */
#include <sys/stat.h>

#include "billing/backup.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

static bool
there(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0;
}

static int
mode_of(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0 ? (int)(st.st_mode & 0777) : -1;
}

TEST(a_copy_of_a_ledger_that_is_written_balances_and_can_be_written)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sample s;
	struct fixture copy;
	char to[sizeof(copy.dir)];

	sample_open(&s);
	must(snprintf(to, sizeof(to), "%s/copy/", s.f.dir) < (int)sizeof(to));
	/* One process opens a ledger once, so the writer's goes first. */
	sample_read(&s);
	CHECK_INT(backup_ledger(s.ledger, s.f.dir, to, &out), BACKUP_DONE);
	CHECK(str_eq(buf_str(&out),
		     STR("balanced: 9 entries, sum 0, chain ok")));
	CHECK(there(to, "backup.json"));
	CHECK(!there(to, "ledger/lock.mdb"));
	CHECK_INT(mode_of(to, "pepper"), 0600);
	CHECK_INT(mode_of(to, "receipt.key"), 0600);
	CHECK_INT(mode_of(to, "ledger/data.mdb"), 0600);
	CHECK_INT(mode_of(s.f.dir, "copy.part"), -1);
	buf_reset(&out);
	CHECK_INT(backup_ledger(s.ledger, s.f.dir, to, &out), BACKUP_FAILED);
	/* Restored: a writer goes on from there. */
	memset(&copy, 0, sizeof(copy));
	copy.conf = s.f.conf;
	memcpy(copy.dir, to, sizeof(to));
	copy.conf.state_dir = str_of(copy.dir);
	fix_region(&copy);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		copy.doorbells[i] = -1;
	fix_start(&copy);
	CHECK(fix_wait_state(&copy, LEDGER_OK));
	CHECK_INT(fix_topup(&copy, "=cmd()", 5, "k1").result, ORDER_DONE);
	CHECK_INT(fix_stop(&copy, SIGTERM), 0);
	CHECK_INT(fix_verify(&copy, true), VERIFY_BALANCED);
	region_close(&copy.region);
	sample_close(&s);
}

TEST(what_cannot_be_copied_leaves_nothing)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sample s;
	char to[128], pepper[128];

	sample_open(&s);
	sample_read(&s);
	(void)snprintf(to, sizeof(to), "%s/copy", s.f.dir);
	(void)snprintf(pepper, sizeof(pepper), "%s/pepper", s.f.dir);
	CHECK_INT(backup_ledger(s.ledger, s.f.dir, "/nonexistent/copy", &out),
		  BACKUP_FAILED);
	CHECK_INT(backup_ledger(s.ledger, s.f.dir, "", &out), BACKUP_FAILED);
	CHECK_INT(unlink(pepper), 0);
	CHECK_INT(backup_ledger(s.ledger, s.f.dir, to, &out), BACKUP_FAILED);
	CHECK(!there(s.f.dir, "copy.part"));
	CHECK(!there(s.f.dir, "copy"));
	sample_close(&s);
}

TEST(a_ledger_that_does_not_balance_is_not_copied)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sample s;
	char to[128];

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	s.post.meta.debits++;
	must(post_commit(&s.post) == STORE_OK);
	sample_read(&s);
	(void)snprintf(to, sizeof(to), "%s/copy", s.f.dir);
	CHECK_INT(backup_ledger(s.ledger, s.f.dir, to, &out), BACKUP_DIFFERS);
	CHECK(!there(s.f.dir, "copy.part"));
	CHECK(!there(s.f.dir, "copy"));
	sample_close(&s);
}

int
main(void)
{
	RUN(a_copy_of_a_ledger_that_is_written_balances_and_can_be_written);
	RUN(what_cannot_be_copied_leaves_nothing);
	RUN(a_ledger_that_does_not_balance_is_not_copied);
	return tap_done();
}
