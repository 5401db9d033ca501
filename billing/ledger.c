/*
 * The door to LMDB. Default sync, no WRITEMAP, no NOSYNC, no NOMETASYNC: each
 * of them lost or damaged acknowledged entries in trials. An environment must
 * not be used across a fork and LMDB does not notice, so every transaction
 * asserts the pid. Cursors are kept for the length of a transaction: appending
 * through one is several times cheaper than a plain put.
 */
#include "billing/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/buf.h"
#include "base/must.h"

/* Commits stop short of what is allocated: room for the largest one. */
#define AHEAD_MIN (32ull << 20)

struct table {
	const char *name;
	unsigned flags;
};

static const struct table tables[TABLES] = {
	[TABLE_META] = {"meta", MDB_INTEGERKEY},
	[TABLE_ENTRY] = {"entry", MDB_INTEGERKEY},
	[TABLE_BALANCE] = {"balance", MDB_INTEGERKEY},
	[TABLE_SLOTGEN] = {"slotgen", MDB_INTEGERKEY},
	[TABLE_ACCOUNT] = {"account", MDB_INTEGERKEY},
	[TABLE_KEY] = {"key", MDB_INTEGERKEY},
	[TABLE_PRICE] = {"price", MDB_INTEGERKEY},
	[TABLE_NAME] = {"name", MDB_INTEGERKEY},
	[TABLE_CAP] = {"cap", MDB_INTEGERKEY},
	[TABLE_SEAL] = {"seal", MDB_INTEGERKEY},
	[TABLE_BASE] = {"base", MDB_INTEGERKEY},
	[TABLE_REFUNDED] = {"refunded", MDB_INTEGERKEY},
	[TABLE_CODE] = {"code", MDB_INTEGERKEY},
	[TABLE_CODE_USE] = {"code_use", MDB_INTEGERKEY},
	[TABLE_IDEM] = {"idem", 0},
};

struct ledger {
	MDB_env *env;
	MDB_txn *txn;
	MDB_cursor *cursor[TABLES];
	MDB_dbi dbi[TABLES];
	enum ledger_mode mode;
	pid_t pid;
	uint64_t allocated;
	char trouble[160];
};

bool
ledger_has_table(struct str name, bool numbers)
{
	for (unsigned t = 0; t < TABLES; t++)
		if (str_eq(name, str_of(tables[t].name)))
			return numbers == (tables[t].flags == MDB_INTEGERKEY);
	return false;
}

static enum store
store_of(int rc)
{
	switch (rc) {
	case MDB_SUCCESS: return STORE_OK;
	case MDB_NOTFOUND: return STORE_NONE;
	case MDB_KEYEXIST: return STORE_EXISTS;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return STORE_FULL;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_CURSOR_FULL:
	case MDB_BAD_VALSIZE: return STORE_DAMAGED;
	default: return STORE_FAILED;
	}
}

static enum store
outcome(struct ledger *l, const char *what, int rc)
{
	if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND && rc != MDB_KEYEXIST)
		(void)snprintf(l->trouble, sizeof(l->trouble), "%s: %s", what,
			       mdb_strerror(rc));
	return store_of(rc);
}

const char *
ledger_trouble(const struct ledger *l)
{
	return l->trouble;
}

/* ---- opening ---- */

static int
open_tables(struct ledger *l, unsigned extra)
{
	int rc = mdb_txn_begin(
		l->env, NULL, l->mode == LEDGER_READ ? MDB_RDONLY : 0, &l->txn);

	if (rc)
		return rc;
	for (unsigned t = 0; t < TABLES; t++) {
		rc = mdb_dbi_open(l->txn, tables[t].name,
				  tables[t].flags | extra, &l->dbi[t]);
		if (rc)
			break;
	}
	/* A table that is not there: no ledger of ours. */
	if (rc == MDB_NOTFOUND)
		rc = MDB_INVALID;
	if (rc)
		mdb_txn_abort(l->txn);
	else
		rc = mdb_txn_commit(l->txn);
	l->txn = NULL;
	return rc;
}

static int
open_env(struct ledger *l, const char *dir, uint64_t map_size)
{
	unsigned flags = MDB_NOTLS;
	int rc = mdb_env_create(&l->env);

	if (rc)
		return rc;
	rc = mdb_env_set_maxdbs(l->env, TABLES);
	if (!rc && l->mode == LEDGER_WRITE && map_size)
		rc = mdb_env_set_mapsize(l->env, map_size);
	if (rc)
		return rc;
	if (l->mode == LEDGER_READ)
		flags |= MDB_RDONLY;
	rc = mdb_env_open(l->env, dir, flags, 0600);
	/* A copy on a medium that takes no lock file: nobody writes there. */
	if (l->mode == LEDGER_READ && (rc == EROFS || rc == EACCES)) {
		mdb_env_close(l->env);
		rc = mdb_env_create(&l->env);
		if (!rc)
			rc = mdb_env_set_maxdbs(l->env, TABLES);
		if (!rc)
			rc = mdb_env_open(l->env, dir, flags | MDB_NOLOCK,
					  0600);
	}
	return rc;
}

/* LMDB would make an empty file of it, or read one that is cut. */
static int
look_at_file(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/data.mdb", dir) >= PATH_MAX)
		return ENAMETOOLONG;
	if (stat(path, &st) < 0)
		return errno;
	return st.st_size >= 8192 ? 0 : MDB_INVALID;
}

static enum store
open_dir(struct ledger **out, const char *dir, enum ledger_mode mode,
	 uint64_t map_size, unsigned extra)
{
	struct ledger *l = calloc(1, sizeof(*l));
	const char *what = "open";
	int rc;

	*out = l;
	if (!l)
		return STORE_FAILED;
	l->mode = mode;
	l->pid = getpid();
	rc = extra & MDB_CREATE ? 0 : look_at_file(dir);
	if (!rc)
		rc = open_env(l, dir, map_size);
	if (!rc) {
		what = "open tables";
		rc = open_tables(l, extra);
	}
	return outcome(l, what, rc);
}

/* The file is larger than what its last page says, or it was cut. */
static enum store
check_size(struct ledger *l)
{
	struct stat st;
	int fd = -1;
	struct ledger_room room = ledger_room(l);

	if (mdb_env_get_fd(l->env, &fd) || fstat(fd, &st) < 0)
		return outcome(l, "stat", errno);
	if ((uint64_t)st.st_size < room.used)
		return outcome(l, "file is cut", MDB_CORRUPTED);
	return STORE_OK;
}

enum store
ledger_open(struct ledger **out, const char *state_dir, enum ledger_mode mode,
	    uint64_t map_size, struct buf *why)
{
	char dir[PATH_MAX];
	enum store s = STORE_FAILED;

	*out = NULL;
	if (snprintf(dir, sizeof(dir), "%s/" LEDGER_DIR, state_dir) <
	    (int)sizeof(dir))
		s = open_dir(out, dir, mode, map_size, 0);
	if (s == STORE_OK)
		s = check_size(*out);
	if (s == STORE_OK)
		return s;
	buf_printf(why, "the ledger in %s cannot be opened: %s", state_dir,
		   *out ? (*out)->trouble : "out of memory");
	ledger_close(*out);
	*out = NULL;
	return s;
}

void
ledger_close(struct ledger *l)
{
	if (!l)
		return;
	must(l->pid == getpid());
	ledger_end(l);
	if (l->env)
		mdb_env_close(l->env);
	free(l);
}

/* ---- creation ---- */

static bool
sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

/* What a power cut left of an earlier attempt. */
static void
discard(const char *dir)
{
	static const char *const file[] = {"data.mdb", "lock.mdb"};
	char path[PATH_MAX];

	for (unsigned i = 0; i < ARRAY_LEN(file); i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, file[i]) <
		    (int)sizeof(path))
			(void)unlink(path);
	(void)rmdir(dir);
}

static enum store
fill_new(const char *dir, uint64_t map_size, struct str meta, struct buf *why)
{
	struct ledger *l;
	enum store s = open_dir(&l, dir, LEDGER_WRITE, map_size, MDB_CREATE);

	if (s == STORE_OK)
		s = ledger_begin(l);
	if (s == STORE_OK)
		s = ledger_put(l, TABLE_META, 1, meta, PUT_NEW);
	if (s == STORE_OK)
		s = ledger_commit(l);
	if (s != STORE_OK)
		buf_printf(why, "cannot make a ledger in %s: %s", dir,
			   l ? l->trouble : "out of memory");
	ledger_close(l);
	return s;
}

enum store
ledger_create(const char *state_dir, uint64_t map_size, struct str meta,
	      struct buf *why)
{
	char dir[PATH_MAX - 16], side[PATH_MAX - 16], file[PATH_MAX];
	struct stat st;
	enum store s;

	if (snprintf(dir, sizeof(dir), "%s/" LEDGER_DIR, state_dir) >=
		    (int)sizeof(dir) ||
	    snprintf(side, sizeof(side), "%s/" LEDGER_NEW_DIR, state_dir) >=
		    (int)sizeof(side)) {
		buf_add_cstr(why, "the path of state_dir is too long");
		return STORE_FAILED;
	}
	if (stat(dir, &st) == 0) {
		/* Who renamed it may have died before the sync below. */
		if (sync_path(state_dir))
			return STORE_EXISTS;
		buf_printf(why, "cannot sync %s: %s", state_dir,
			   strerror(errno));
		return STORE_FAILED;
	}
	discard(side);
	if (mkdir(side, 0700) < 0) {
		s = store_of(errno);
		buf_printf(why, "cannot make %s: %s", side, strerror(errno));
		return s;
	}
	s = fill_new(side, map_size, meta, why);
	if (s != STORE_OK)
		return s;
	(void)snprintf(file, sizeof(file), "%s/data.mdb", side);
	if (!sync_path(file) || !sync_path(side) || rename(side, dir) < 0 ||
	    !sync_path(state_dir)) {
		buf_printf(why, "cannot put the new ledger in place: %s",
			   strerror(errno));
		return STORE_FAILED;
	}
	return STORE_OK;
}

enum store
ledger_copy(struct ledger *l, int fd)
{
	must(l->pid == getpid() && !l->txn);
	return outcome(l, "copy", mdb_env_copyfd2(l->env, fd, MDB_CP_COMPACT));
}

/* ---- transactions ---- */

enum store
ledger_begin(struct ledger *l)
{
	must(l->pid == getpid() && !l->txn);
	return outcome(l, "begin",
		       mdb_txn_begin(l->env, NULL,
				     l->mode == LEDGER_READ ? MDB_RDONLY : 0,
				     &l->txn));
}

/* Of a write transaction LMDB closes the cursors itself. */
static void
forget_cursors(struct ledger *l)
{
	for (unsigned t = 0; t < TABLES; t++) {
		if (l->mode == LEDGER_READ && l->cursor[t])
			mdb_cursor_close(l->cursor[t]);
		l->cursor[t] = NULL;
	}
}

enum store
ledger_commit(struct ledger *l)
{
	MDB_txn *txn = l->txn;

	must(l->pid == getpid() && txn);
	forget_cursors(l);
	l->txn = NULL;
	return outcome(l, "commit", mdb_txn_commit(txn));
}

void
ledger_end(struct ledger *l)
{
	must(l->pid == getpid());
	if (!l->txn)
		return;
	forget_cursors(l);
	mdb_txn_abort(l->txn);
	l->txn = NULL;
}

uint64_t
ledger_transaction(const struct ledger *l)
{
	return l->txn ? mdb_txn_id(l->txn) : 0;
}

/* ---- rows ---- */

static int
cursor_of(struct ledger *l, enum ledger_table t, MDB_cursor **c)
{
	int rc = 0;

	must(l->txn && t < TABLES);
	if (!l->cursor[t])
		rc = mdb_cursor_open(l->txn, l->dbi[t], &l->cursor[t]);
	*c = l->cursor[t];
	return rc;
}

static MDB_val
val_of(struct str s)
{
	return (MDB_val){s.n, (void *)(uintptr_t)s.p};
}

static enum store
find(struct ledger *l, enum ledger_table t, MDB_val key, struct str *value)
{
	MDB_cursor *c;
	MDB_val v = {0, NULL};
	int rc = cursor_of(l, t, &c);

	if (!rc)
		rc = mdb_cursor_get(c, &key, &v, MDB_SET);
	*value = str_make(v.mv_data, rc ? 0 : v.mv_size);
	return outcome(l, tables[t].name, rc);
}

static enum store
store(struct ledger *l, enum ledger_table t, MDB_val key, struct str value,
      enum ledger_put how)
{
	static const unsigned flags[] = {
		[PUT_ANY] = 0,
		[PUT_NEW] = MDB_NOOVERWRITE,
		[PUT_APPEND] = MDB_APPEND,
	};
	MDB_val v = val_of(value);
	MDB_cursor *c;
	int rc = cursor_of(l, t, &c);

	if (!rc)
		rc = mdb_cursor_put(c, &key, &v, flags[how]);
	return outcome(l, tables[t].name, rc);
}

enum store
ledger_get(struct ledger *l, enum ledger_table t, uint64_t key,
	   struct str *value)
{
	return find(l, t, (MDB_val){sizeof(key), &key}, value);
}

enum store
ledger_put(struct ledger *l, enum ledger_table t, uint64_t key,
	   struct str value, enum ledger_put how)
{
	return store(l, t, (MDB_val){sizeof(key), &key}, value, how);
}

enum store
ledger_delete(struct ledger *l, enum ledger_table t, uint64_t key)
{
	MDB_val k = {sizeof(key), &key}, v = {0, NULL};
	MDB_cursor *c;
	int rc = cursor_of(l, t, &c);

	if (!rc)
		rc = mdb_cursor_get(c, &k, &v, MDB_SET);
	if (!rc)
		rc = mdb_cursor_del(c, 0);
	return outcome(l, tables[t].name, rc);
}

enum store
ledger_idem_get(struct ledger *l, const uint8_t key[LEDGER_IDEM_KEY],
		struct str *value)
{
	struct str k = {(const char *)key, LEDGER_IDEM_KEY};

	return find(l, TABLE_IDEM, val_of(k), value);
}

enum store
ledger_idem_put(struct ledger *l, const uint8_t key[LEDGER_IDEM_KEY],
		struct str value)
{
	struct str k = {(const char *)key, LEDGER_IDEM_KEY};

	return store(l, TABLE_IDEM, val_of(k), value, PUT_ANY);
}

static enum store
walk(struct ledger *l, enum ledger_table t, uint64_t *key, struct str *value,
     MDB_cursor_op op)
{
	MDB_val k = {sizeof(*key), key}, v = {0, NULL};
	MDB_cursor *c;
	int rc = cursor_of(l, t, &c);

	if (!rc)
		rc = mdb_cursor_get(c, &k, &v, op);
	*value = str_make(v.mv_data, rc ? 0 : v.mv_size);
	if (!rc && k.mv_size != sizeof(*key))
		rc = MDB_CORRUPTED;
	if (!rc)
		memcpy(key, k.mv_data, sizeof(*key));
	return outcome(l, tables[t].name, rc);
}

enum store
ledger_seek(struct ledger *l, enum ledger_table t, uint64_t *key,
	    struct str *value)
{
	return walk(l, t, key, value, MDB_SET_RANGE);
}

enum store
ledger_next(struct ledger *l, enum ledger_table t, uint64_t *key,
	    struct str *value)
{
	return walk(l, t, key, value, MDB_NEXT);
}

enum store
ledger_last(struct ledger *l, enum ledger_table t, uint64_t *key,
	    struct str *value)
{
	return walk(l, t, key, value, MDB_LAST);
}

enum store
ledger_idem_seek(struct ledger *l, uint8_t key[LEDGER_IDEM_KEY],
		 struct str *value)
{
	MDB_val k = {LEDGER_IDEM_KEY, key}, v = {0, NULL};
	MDB_cursor *c;
	int rc = cursor_of(l, TABLE_IDEM, &c);

	if (!rc)
		rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	if (!rc && k.mv_size != LEDGER_IDEM_KEY)
		rc = MDB_CORRUPTED;
	if (!rc)
		memmove(key, k.mv_data, LEDGER_IDEM_KEY);
	*value = str_make(v.mv_data, rc ? 0 : v.mv_size);
	return outcome(l, "idem", rc);
}

enum store
ledger_idem_drop(struct ledger *l, const uint8_t key[LEDGER_IDEM_KEY])
{
	struct str k = {(const char *)key, LEDGER_IDEM_KEY}, value;
	enum store s = find(l, TABLE_IDEM, val_of(k), &value);

	if (s != STORE_OK)
		return s;
	return outcome(l, "idem", mdb_cursor_del(l->cursor[TABLE_IDEM], 0));
}

enum store
ledger_idem_each(struct ledger *l, bool first, uint8_t key[LEDGER_IDEM_KEY],
		 struct str *value)
{
	MDB_val k = {0, NULL}, v = {0, NULL};
	MDB_cursor *c;
	int rc = cursor_of(l, TABLE_IDEM, &c);

	if (!rc)
		rc = mdb_cursor_get(c, &k, &v, first ? MDB_FIRST : MDB_NEXT);
	if (!rc && k.mv_size != LEDGER_IDEM_KEY)
		rc = MDB_CORRUPTED;
	if (!rc)
		memcpy(key, k.mv_data, LEDGER_IDEM_KEY);
	*value = str_make(v.mv_data, rc ? 0 : v.mv_size);
	return outcome(l, "idem", rc);
}

/* ---- the file ---- */

struct ledger_room
ledger_room(struct ledger *l)
{
	MDB_envinfo info;
	MDB_stat stat;

	must(l->pid == getpid());
	if (mdb_env_info(l->env, &info) || mdb_env_stat(l->env, &stat))
		return (struct ledger_room){0, 0, 0};
	return (struct ledger_room){
		.used = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize,
		.allocated = l->allocated,
		.map = info.me_mapsize,
	};
}

enum store
ledger_allocate(struct ledger *l)
{
	struct ledger_room room = ledger_room(l);
	uint64_t want = MIN_OF(room.used + LEDGER_AHEAD, room.map);
	int fd = -1;

	if (l->allocated >= MIN_OF(room.used + AHEAD_MIN, room.map))
		return STORE_OK;
	if (mdb_env_get_fd(l->env, &fd))
		return STORE_FAILED;
	if (fallocate(fd, 0, 0, (off_t)want) < 0) {
		/* A file system that cannot: its commits will say. */
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return outcome(l, "allocate", errno) == STORE_FULL
				       ? STORE_FULL
				       : STORE_FAILED;
	}
	l->allocated = want;
	return STORE_OK;
}

void
ledger_sweep_readers(struct ledger *l)
{
	int dead = 0;

	must(l->pid == getpid());
	(void)outcome(l, "readers", mdb_reader_check(l->env, &dead));
}
