/* The door to LMDB. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "billing/ledger.h"
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

/* Small enough to be full soon. */
#define SMALL_MAP (1u << 20)

static struct str
text(const char *c)
{
	return str_of(c);
}

static struct ledger *
open_for(struct fixture *f, enum ledger_mode mode, uint64_t map)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l;

	if (ledger_open(&l, f->dir, mode, map, &why) != STORE_OK)
		printf("# %.*s\n", STR_ARG(buf_str(&why)));
	return l;
}

TEST(what_was_committed_is_read_again)
{
	struct fixture f;
	struct ledger *l;
	struct str v;

	fix_open(&f);
	l = open_for(&f, LEDGER_WRITE, FIX_MAP);
	CHECK_INT(ledger_begin(l), STORE_OK);
	CHECK_INT(ledger_put(l, TABLE_ENTRY, 1, text("one"), PUT_APPEND),
		  STORE_OK);
	CHECK_INT(ledger_put(l, TABLE_ENTRY, 2, text("two"), PUT_APPEND),
		  STORE_OK);
	CHECK_INT(ledger_put(l, TABLE_ENTRY, 2, text("no"), PUT_APPEND),
		  STORE_EXISTS);
	CHECK_INT(ledger_commit(l), STORE_OK);
	CHECK_INT(ledger_begin(l), STORE_OK);
	CHECK_INT(ledger_put(l, TABLE_ENTRY, 3, text("lost"), PUT_APPEND),
		  STORE_OK);
	ledger_end(l);
	ledger_close(l);
	l = open_for(&f, LEDGER_READ, 0);
	CHECK_INT(ledger_begin(l), STORE_OK);
	CHECK_INT(ledger_get(l, TABLE_ENTRY, 2, &v), STORE_OK);
	CHECK(str_eq(v, STR("two")));
	CHECK_INT(ledger_get(l, TABLE_ENTRY, 3, &v), STORE_NONE);
	ledger_close(l);
	fix_close(&f);
}

TEST(rows_are_walked_in_the_order_of_their_numbers)
{
	struct fixture f;
	struct ledger *l;
	struct str v;
	uint64_t key = 100;

	fix_open(&f);
	l = open_for(&f, LEDGER_WRITE, FIX_MAP);
	CHECK_INT(ledger_begin(l), STORE_OK);
	for (uint64_t k = 1000; k > 0; k -= 100)
		CHECK_INT(ledger_put(l, TABLE_NAME, k, text("x"), PUT_NEW),
			  STORE_OK);
	CHECK_INT(ledger_put(l, TABLE_NAME, 500, text("y"), PUT_NEW),
		  STORE_EXISTS);
	key = 150;
	CHECK_INT(ledger_seek(l, TABLE_NAME, &key, &v), STORE_OK);
	CHECK_INT(key, 200);
	CHECK_INT(ledger_next(l, TABLE_NAME, &key, &v), STORE_OK);
	CHECK_INT(key, 300);
	CHECK_INT(ledger_last(l, TABLE_NAME, &key, &v), STORE_OK);
	CHECK_INT(key, 1000);
	CHECK_INT(ledger_next(l, TABLE_NAME, &key, &v), STORE_NONE);
	ledger_end(l);
	ledger_close(l);
	fix_close(&f);
}

TEST(idempotency_rows_have_32_byte_keys)
{
	struct fixture f;
	struct ledger *l;
	uint8_t key[LEDGER_IDEM_KEY] = {7};
	struct str v;

	fix_open(&f);
	l = open_for(&f, LEDGER_WRITE, FIX_MAP);
	CHECK_INT(ledger_begin(l), STORE_OK);
	CHECK_INT(ledger_idem_get(l, key, &v), STORE_NONE);
	CHECK_INT(ledger_idem_put(l, key, text("done")), STORE_OK);
	CHECK_INT(ledger_idem_get(l, key, &v), STORE_OK);
	CHECK(str_eq(v, STR("done")));
	CHECK_INT(ledger_idem_each(l, true, key, &v), STORE_OK);
	CHECK_INT(ledger_idem_each(l, false, key, &v), STORE_NONE);
	ledger_end(l);
	ledger_close(l);
	fix_close(&f);
}

TEST(a_full_map_says_so_and_loses_nothing)
{
	static char block[4000];
	struct fixture f;
	struct ledger *l;
	enum store s = STORE_OK;
	uint64_t n = 0;
	struct str v;

	fix_open(&f);
	l = open_for(&f, LEDGER_WRITE, SMALL_MAP);
	CHECK_INT(ledger_begin(l), STORE_OK);
	CHECK_INT(ledger_put(l, TABLE_ENTRY, 1, text("first"), PUT_APPEND),
		  STORE_OK);
	CHECK_INT(ledger_commit(l), STORE_OK);
	CHECK_INT(ledger_begin(l), STORE_OK);
	while (s == STORE_OK && n < 10000)
		s = ledger_put(l, TABLE_ENTRY, 2 + n++,
			       str_make(block, sizeof(block)), PUT_APPEND);
	CHECK_INT(s, STORE_FULL);
	CHECK(ledger_trouble(l)[0] != '\0');
	ledger_end(l);
	CHECK_INT(ledger_begin(l), STORE_OK);
	CHECK_INT(ledger_get(l, TABLE_ENTRY, 1, &v), STORE_OK);
	CHECK_INT(ledger_get(l, TABLE_ENTRY, 2, &v), STORE_NONE);
	ledger_end(l);
	ledger_close(l);
	fix_close(&f);
}

TEST(room_is_allocated_ahead)
{
	struct fixture f;
	struct ledger *l;
	struct stat st;
	char path[128];

	fix_open(&f);
	l = open_for(&f, LEDGER_WRITE, FIX_MAP);
	CHECK_INT(ledger_allocate(l), STORE_OK);
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", f.dir);
	CHECK_INT(stat(path, &st), 0);
	CHECK(st.st_size >= (off_t)LEDGER_AHEAD);
	CHECK_INT(ledger_room(l).map, FIX_MAP);
	CHECK(ledger_room(l).used < LEDGER_AHEAD);
	ledger_close(l);
	fix_close(&f);
}

TEST(an_interrupted_creation_leaves_nothing_behind)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	char side[128], file[160];
	struct fixture f;
	struct stat st;

	fix_open(&f);
	(void)snprintf(side, sizeof(side), "%s/ledger", f.dir);
	fix_remove(side);
	/* What a power cut may leave. */
	(void)snprintf(side, sizeof(side), "%s/ledger.new", f.dir);
	CHECK_INT(mkdir(side, 0700), 0);
	(void)snprintf(file, sizeof(file), "%s/data.mdb", side);
	CHECK_INT(truncate(file, 0) == 0 || creat(file, 0600) >= 0, 1);
	CHECK(writer_prepare(&f.conf, &why));
	CHECK(stat(side, &st) < 0);
	CHECK_INT(ledger_create(f.dir, FIX_MAP, STR("x"), &why), STORE_EXISTS);
	CHECK_INT(fix_verify(&f, false), VERIFY_BALANCED);
	fix_close(&f);
}

TEST(what_is_no_ledger_is_not_opened)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct fixture f;
	struct ledger *l;
	char path[128];

	fix_open(&f);
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", f.dir);
	CHECK_INT(truncate(path, 8191), 0);
	CHECK_INT(ledger_open(&l, f.dir, LEDGER_READ, 0, &why), STORE_DAMAGED);
	CHECK(l == NULL);
	CHECK_INT(truncate(path, 65536), 0);
	CHECK(ledger_open(&l, f.dir, LEDGER_READ, 0, &why) != STORE_OK);
	CHECK_INT(unlink(path), 0);
	CHECK(ledger_open(&l, f.dir, LEDGER_READ, 0, &why) != STORE_OK);
	CHECK(ledger_open(&l, "/nonexistent", LEDGER_READ, 0, &why) !=
	      STORE_OK);
	fix_close(&f);
}

TEST(a_ledger_is_never_used_across_a_fork)
{
	struct fixture f;
	struct ledger *l;
	int status = 0;
	pid_t pid;

	fix_open(&f);
	l = open_for(&f, LEDGER_WRITE, FIX_MAP);
	pid = fork();
	if (pid == 0) {
		(void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		_exit(ledger_begin(l) == STORE_OK);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	ledger_close(l);
	fix_close(&f);
}

int
main(void)
{
	RUN(what_was_committed_is_read_again);
	RUN(rows_are_walked_in_the_order_of_their_numbers);
	RUN(idempotency_rows_have_32_byte_keys);
	RUN(a_full_map_says_so_and_loses_nothing);
	RUN(room_is_allocated_ahead);
	RUN(an_interrupted_creation_leaves_nothing_behind);
	RUN(what_is_no_ledger_is_not_opened);
	RUN(a_ledger_is_never_used_across_a_fork);
	return tap_done();
}
