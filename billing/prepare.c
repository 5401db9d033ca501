/*
 * Before any fork, by the master: the state directory, the pepper of key
 * hashes and, the first time, an empty ledger. The environment is closed
 * again before this returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "billing/ledger.h"
#include "billing/records.h"
#include "billing/writer.h"
#include "conf/conf.h"

/* Set to anything: take the risk, for tests and trials. */
#define ANY_FS "TOLLGATE_LEDGER_ANY_FS"

/* File systems that lose what was synced, or whose locks and maps are not to
 * be relied on. */
static const struct {
	uint64_t magic;
	const char *name;
} unsafe[] = {
	{0x01021994, "tmpfs"},	   {0x858458f6, "ramfs"}, {0x6969, "NFS"},
	{0xff534d42, "CIFS"},	   {0xfe534d42, "SMB2"},  {0x517b, "SMB"},
	{0x794c7630, "overlayfs"}, {0x65735546, "FUSE"},  {0x01021997, "9p"},
	{0x00c36400, "Ceph"},	   {0x5346414f, "AFS"},	  {0x47504653, "GPFS"},
	{0x0bd00bd0, "Lustre"},	   {0x01161970, "GFS2"},
};

static bool
safe_file_system(const char *dir, struct buf *error)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0) {
		buf_printf(error, "%s: %s", dir, strerror(errno));
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(unsafe); i++) {
		if ((uint64_t)fs.f_type != unsafe[i].magic || getenv(ANY_FS))
			continue;
		buf_printf(
			error,
			"state_dir %s is on %s, where a ledger is not safe; "
			"use a local disk (to try it all the same, set " ANY_FS
			"=1)",
			dir, unsafe[i].name);
		return false;
	}
	return true;
}

static bool
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

/* The name of what is at path[0 .. n) is safe in its folder. */
static bool
sync_parent(const char *path, size_t n)
{
	char parent[PATH_MAX] = ".";

	while (n > 0 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		memcpy(parent, path, n);
		parent[n] = '\0';
	}
	return sync_dir(parent);
}

/* Each new folder's name is synced before anything is put in it: what is
 * below it cannot be lost with it. Of one that was there before, whose maker
 * may have been killed, as far as its parent may be opened. */
static bool
make_dir(const char *path, size_t n, struct buf *error)
{
	char part[PATH_MAX];
	bool whole = path[n] == '\0';

	memcpy(part, path, n);
	part[n] = '\0';
	if (mkdir(part, 0700) == 0) {
		if (sync_parent(part, n))
			return true;
	} else if (errno == EEXIST) {
		if (whole)
			(void)sync_parent(part, n);
		return true;
	}
	buf_printf(error, "cannot make %s: %s", part, strerror(errno));
	return false;
}

static bool
make_dirs(const char *path, struct buf *error)
{
	size_t n = strlen(path);

	if (n >= PATH_MAX) {
		buf_add_cstr(error, "the path of state_dir is too long");
		return false;
	}
	for (size_t i = 1; i <= n; i++)
		if ((path[i] == '/' || path[i] == '\0') &&
		    !make_dir(path, i, error))
			return false;
	return true;
}

/* ---- the pepper ---- */

/* Exactly PEPPER_BYTES. */
static bool
secret_load(const char *state_dir, const char *name, uint8_t *out)
{
	char path[PATH_MAX];
	uint8_t more;
	ssize_t n = -1;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", state_dir, name) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, out, PEPPER_BYTES);
	if (n == PEPPER_BYTES && read(fd, &more, 1) != 0)
		n = -1;
	(void)close(fd);
	return n == PEPPER_BYTES;
}

bool
pepper_load(const char *state_dir, uint8_t out[PEPPER_BYTES])
{
	return secret_load(state_dir, PEPPER_FILE, out);
}

bool
receipt_key_load(const char *state_dir, uint8_t out[32])
{
	return secret_load(state_dir, RECEIPT_FILE, out);
}

static bool
write_synced(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, p, n) == (ssize_t)n && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

static bool
make_secret(const char *dir, const char *name, struct buf *error)
{
	char path[PATH_MAX], side[PATH_MAX];
	uint8_t pepper[PEPPER_BYTES];
	bool ok;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
		    (int)sizeof(path) ||
	    snprintf(side, sizeof(side), "%s/%s.new", dir, name) >=
		    (int)sizeof(side))
		return false;
	random_bytes(pepper, sizeof(pepper));
	ok = write_synced(side, pepper, sizeof(pepper)) &&
	     rename(side, path) == 0 && sync_dir(dir);
	bytes_wipe(pepper, sizeof(pepper));
	if (!ok)
		buf_printf(error, "cannot make %s: %s", path, strerror(errno));
	return ok;
}

static bool
exists(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", dir, name) <
		       (int)sizeof(path) &&
	       lstat(path, &st) == 0;
}

static bool
prepare_pepper(const char *dir, struct buf *error)
{
	uint8_t pepper[PEPPER_BYTES];
	bool ok;

	if (!exists(dir, PEPPER_FILE)) {
		/* A new one would make every key unknown. */
		if (exists(dir, LEDGER_DIR)) {
			buf_printf(error,
				   "%s has a ledger but no file " PEPPER_FILE
				   ": restore it from a copy",
				   dir);
			return false;
		}
		return make_secret(dir, PEPPER_FILE, error);
	}
	ok = pepper_load(dir, pepper);
	bytes_wipe(pepper, sizeof(pepper));
	if (!ok)
		buf_printf(error,
			   "%s/" PEPPER_FILE
			   " cannot be read or is not %d bytes long",
			   dir, PEPPER_BYTES);
	return ok;
}

/* ---- the key of receipts ---- */

/* A new one beside an old ledger is no harm: receipts that were given before
 * are checked with the public key of then. */
static bool
prepare_receipt_key(const char *dir, struct buf *error)
{
	uint8_t key[PEPPER_BYTES];
	bool ok;

	if (!exists(dir, RECEIPT_FILE))
		return make_secret(dir, RECEIPT_FILE, error);
	ok = receipt_key_load(dir, key);
	bytes_wipe(key, sizeof(key));
	if (!ok)
		buf_printf(error,
			   "%s/" RECEIPT_FILE
			   " cannot be read or is not %d bytes long",
			   dir, PEPPER_BYTES);
	return ok;
}

/* ---- the ledger ---- */

static bool
prepare_ledger(const char *dir, uint64_t map_size, struct buf *error)
{
	struct meta_record m;
	enum store s;

	memset(&m, 0, sizeof(m));
	m.schema = LEDGER_SCHEMA;
	m.next_seq = 1;
	m.first_seq = 1;
	m.n_names = 2;
	m.clean = 1;
	m.changed_ms = clock_wall_ns() / NS_PER_MS;
	random_bytes(m.uuid, sizeof(m.uuid));
	record_seal(&m, sizeof(m));
	s = ledger_create(dir, map_size, str_make((const char *)&m, sizeof(m)),
			  error);
	return s == STORE_OK || s == STORE_EXISTS;
}

/* Made by root for a user that the processes drop to. */
static bool
give_away(const struct conf *conf, const char *dir, struct buf *error)
{
	static const char *const file[] = {"",
					   PEPPER_FILE,
					   RECEIPT_FILE,
					   LEDGER_DIR,
					   LEDGER_DIR "/data.mdb",
					   LEDGER_DIR "/lock.mdb"};
	const struct passwd *pw;
	char path[PATH_MAX];

	if (geteuid() != 0 || conf->user.n == 0)
		return true;
	pw = getpwnam(conf->user.p);
	if (!pw) {
		buf_printf(error, "there is no user %s", conf->user.p);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(file); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", dir, file[i]) >=
			    (int)sizeof(path) ||
		    lchown(path, pw->pw_uid, pw->pw_gid) < 0) {
			buf_printf(error, "cannot give %s to %s: %s", path,
				   conf->user.p, strerror(errno));
			return false;
		}
	}
	return true;
}

bool
writer_prepare(const struct conf *conf, struct buf *error)
{
	const char *dir = conf->state_dir.p;

	return make_dirs(dir, error) && safe_file_system(dir, error) &&
	       prepare_pepper(dir, error) && prepare_receipt_key(dir, error) &&
	       prepare_ledger(dir, conf->ledger.map_size, error) &&
	       give_away(conf, dir, error);
}
