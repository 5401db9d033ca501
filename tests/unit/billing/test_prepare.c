/* The state directory before the first fork. */
#include <sys/stat.h>

#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

static bool
prepare(struct fixture *f, const char *text)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	bool ok = writer_prepare(&f->conf, &why);

	buf_add_char(&why, '\0');
	if (text && !strstr(why.p, text))
		printf("# says: %s\n", why.p);
	CHECK(!text || strstr(why.p, text));
	return ok;
}

static void
path_of(struct fixture *f, const char *name, char out[160])
{
	(void)snprintf(out, 160, "%s/%s", f->dir, name);
}

TEST(a_second_start_changes_nothing)
{
	uint8_t first[PEPPER_BYTES], second[PEPPER_BYTES];
	struct fixture f;
	struct stat st;
	char path[160];

	fix_open(&f);
	CHECK(pepper_load(f.dir, first));
	CHECK(prepare(&f, NULL));
	CHECK(pepper_load(f.dir, second));
	CHECK(memcmp(first, second, sizeof(first)) == 0);
	path_of(&f, "pepper", path);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	path_of(&f, "ledger", path);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
	fix_close(&f);
}

TEST(missing_directories_are_made)
{
	struct fixture f;
	char path[160];

	fix_open(&f);
	path_of(&f, "a/b/c", path);
	f.conf.state_dir = str_of(path);
	CHECK(prepare(&f, NULL));
	CHECK(prepare(&f, NULL));
	fix_close(&f);
}

TEST(a_lost_pepper_is_not_replaced)
{
	struct fixture f;
	char path[160];

	fix_open(&f);
	path_of(&f, "pepper", path);
	CHECK_INT(truncate(path, 31), 0);
	CHECK(!prepare(&f, "is not 32 bytes long"));
	CHECK_INT(truncate(path, 33), 0);
	CHECK(!prepare(&f, "is not 32 bytes long"));
	CHECK_INT(unlink(path), 0);
	CHECK(!prepare(&f, "restore it from a copy"));
	fix_close(&f);
}

TEST(a_file_system_that_loses_data_is_refused)
{
	struct fixture f;
	char dir[] = "/dev/shm/tollgate-test-XXXXXX";

	fix_open(&f);
	if (!mkdtemp(dir))
		SKIP("no /dev/shm");
	f.conf.state_dir = str_of(dir);
	(void)unsetenv("TOLLGATE_LEDGER_ANY_FS");
	CHECK(!prepare(&f, "is on tmpfs, where a ledger is not safe"));
	(void)setenv("TOLLGATE_LEDGER_ANY_FS", "1", 1);
	CHECK(prepare(&f, NULL));
	fix_remove(dir);
	fix_close(&f);
}

TEST(a_place_that_cannot_be_written_is_an_error)
{
	struct fixture f;

	fix_open(&f);
	f.conf.state_dir = STR("/proc/nothing");
	CHECK(!prepare(&f, "cannot make /proc/nothing"));
	fix_close(&f);
}

int
main(void)
{
	RUN(a_second_start_changes_nothing);
	RUN(missing_directories_are_made);
	RUN(a_lost_pepper_is_not_replaced);
	RUN(a_file_system_that_loses_data_is_refused);
	RUN(a_place_that_cannot_be_written_is_an_error);
	return tap_done();
}
