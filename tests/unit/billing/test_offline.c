/* Who has the writer's lock is the only one. */
#include "billing/offline.h"
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

TEST(the_lock_of_a_running_writer_is_not_given)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct fixture f;
	int fd;

	fix_open(&f);
	fd = offline_lock(f.dir, &why);
	CHECK(fd >= 0);
	CHECK_INT(offline_lock(f.dir, &why), -1);
	(void)close(fd);
	buf_reset(&why);
	fix_start(&f);
	CHECK(fix_wait_state(&f, LEDGER_OK));
	CHECK_INT(offline_lock(f.dir, &why), -1);
	buf_add_char(&why, '\0');
	CHECK(strstr(why.p, "is running; stop it first"));
	CHECK_INT(fix_stop(&f, SIGTERM), 0);
	fd = offline_lock(f.dir, &why);
	CHECK(fd >= 0);
	(void)close(fd);
	CHECK_INT(offline_lock("/nonexistent", &why), -1);
	fix_close(&f);
}

int
main(void)
{
	RUN(the_lock_of_a_running_writer_is_not_given);
	return tap_done();
}
