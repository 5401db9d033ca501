/*
 * Copies. Everything is made in a folder beside the one that is wanted and
 * renamed last, so a copy with its name is a whole one. The pepper comes
 * first: without it the ledger is worth little, and it never changes.
 */
#include "billing/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "billing/pages.h"
#include "billing/records.h"
#include "billing/writer.h"

#define SIDE	 ".part"
#define MANIFEST "backup.json"

struct backup {
	struct ledger *ledger;
	const char *state_dir;
	const char *to;
	char side[PATH_MAX];
	struct meta_record meta; /* of the copy */
	struct buf *out;
};

static enum backup_result
failed(struct backup *b, const char *what, const char *why)
{
	buf_printf(b->out, "%s: %s", what, why);
	return BACKUP_FAILED;
}

static bool
path_of(struct backup *b, const char *name, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s", b->side, name) < PATH_MAX;
}

/* Of an attempt that was broken off; nothing else is removed. */
static void
discard(struct backup *b)
{
	static const char *const file[] = {
		LEDGER_DIR "/data.mdb",
		LEDGER_DIR "/lock.mdb",
		PEPPER_FILE,
		RECEIPT_FILE,
		MANIFEST,
	};
	char path[PATH_MAX];

	for (unsigned i = 0; i < ARRAY_LEN(file); i++)
		if (path_of(b, file[i], path))
			(void)unlink(path);
	if (path_of(b, LEDGER_DIR, path))
		(void)rmdir(path);
	(void)rmdir(b->side);
}

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

/* ---- the parts ---- */

static enum backup_result
make_folders(struct backup *b)
{
	char path[PATH_MAX];
	struct stat st;

	if (lstat(b->to, &st) == 0)
		return failed(b, b->to, "exists");
	discard(b);
	if (mkdir(b->side, 0700) < 0 || !path_of(b, LEDGER_DIR, path) ||
	    mkdir(path, 0700) < 0)
		return failed(b, b->side, strerror(errno));
	return BACKUP_DONE;
}

static enum backup_result
write_file(struct backup *b, const char *name, const void *p, size_t n)
{
	char path[PATH_MAX];
	bool ok;
	int fd = -1;

	if (path_of(b, name, path))
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(b, name, strerror(errno));
	ok = write(fd, p, n) == (ssize_t)n && fsync(fd) == 0;
	if (close(fd) < 0 || !ok)
		return failed(b, path, strerror(errno));
	return BACKUP_DONE;
}

static enum backup_result
copy_pepper(struct backup *b)
{
	uint8_t pepper[PEPPER_BYTES];
	enum backup_result r;

	if (!pepper_load(b->state_dir, pepper))
		return failed(b, PEPPER_FILE, "cannot be read");
	r = write_file(b, PEPPER_FILE, pepper, sizeof(pepper));
	bytes_wipe(pepper, sizeof(pepper));
	return r;
}

/* A ledger from before receipts, or one that no server had, has none. */
static enum backup_result
copy_receipt_key(struct backup *b)
{
	uint8_t key[32];
	enum backup_result r;

	if (!receipt_key_load(b->state_dir, key))
		return BACKUP_DONE;
	r = write_file(b, RECEIPT_FILE, key, sizeof(key));
	bytes_wipe(key, sizeof(key));
	return r;
}

static enum backup_result
copy_ledger(struct backup *b)
{
	char path[PATH_MAX];
	enum store s;
	int fd = -1;

	if (path_of(b, LEDGER_DIR "/data.mdb", path))
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(b, b->side, strerror(errno));
	s = ledger_copy(b->ledger, fd);
	(void)close(fd);
	if (s == STORE_OK)
		return BACKUP_DONE;
	(void)failed(b, "the ledger cannot be copied",
		     ledger_trouble(b->ledger));
	return s == STORE_DAMAGED ? BACKUP_DAMAGED : BACKUP_FAILED;
}

/* The copy counts its transactions anew; its totals must name the last one,
 * on both of the pages that LMDB keeps them on. */
static enum store
number_anew(struct backup *b, struct ledger *copy)
{
	enum store s = STORE_OK;

	for (int i = 0; i < 2 && s == STORE_OK; i++) {
		s = ledger_begin(copy);
		if (s == STORE_OK)
			s = record_get(copy, TABLE_META, 1, &b->meta,
				       sizeof(b->meta));
		b->meta.transaction = ledger_transaction(copy);
		if (s == STORE_OK)
			s = record_put(copy, TABLE_META, 1, &b->meta,
				       sizeof(b->meta));
		if (s == STORE_OK)
			s = ledger_commit(copy);
		ledger_end(copy);
	}
	return s;
}

static enum backup_result
finish_ledger(struct backup *b)
{
	struct ledger *copy = NULL;
	enum store s = ledger_open(&copy, b->side, LEDGER_WRITE, 0, b->out);

	if (s == STORE_OK) {
		s = number_anew(b, copy);
		if (s != STORE_OK)
			buf_printf(b->out, "the copy cannot be finished: %s",
				   ledger_trouble(copy));
	}
	ledger_close(copy);
	if (s == STORE_OK)
		return BACKUP_DONE;
	return s == STORE_DAMAGED || s == STORE_NONE ? BACKUP_DAMAGED
						     : BACKUP_FAILED;
}

static enum backup_result
verify_copy(struct backup *b)
{
	enum verify_result r = VERIFY_DAMAGED;
	struct ledger *copy = NULL;
	char path[PATH_MAX];

	if (!pages_check(b->side, b->out))
		return BACKUP_DAMAGED;
	if (ledger_open(&copy, b->side, LEDGER_READ, 0, b->out) == STORE_OK)
		r = verify_ledger(copy, false, b->out);
	ledger_close(copy);
	if (path_of(b, LEDGER_DIR "/lock.mdb", path))
		(void)unlink(path);
	switch (r) {
	case VERIFY_BALANCED: return BACKUP_DONE;
	case VERIFY_DIFFERS: return BACKUP_DIFFERS;
	case VERIFY_DAMAGED: break;
	}
	return BACKUP_DAMAGED;
}

static enum backup_result
write_manifest(struct backup *b)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT, hex = BUF_INIT;
	char when[TIME_TEXT];
	struct json_out j;

	for (unsigned i = 0; i < sizeof(b->meta.uuid); i++)
		buf_printf(&hex, "%02x", b->meta.uuid[i]);
	json_out_init(&j, &text);
	json_open(&j, '{');
	json_name(&j, "taken_at");
	json_put_str(&j, str_make(when, time_text(clock_wall_ns(), 0, when)));
	json_name(&j, "ledger");
	json_put_str(&j, buf_str(&hex));
	json_name(&j, "first_entry");
	json_put_u64(&j, b->meta.first_seq);
	json_name(&j, "last_entry");
	json_put_u64(&j, b->meta.next_seq - 1);
	json_name(&j, "verified");
	json_put_str(&j, buf_str(b->out));
	json_close(&j, '}');
	buf_add_char(&text, '\n');
	if (text.failed || hex.failed)
		return failed(b, MANIFEST, "out of memory");
	return write_file(b, MANIFEST, text.p, text.n);
}

static enum backup_result
put_in_place(struct backup *b)
{
	char path[PATH_MAX], *slash;

	if (!path_of(b, LEDGER_DIR, path) || !sync_path(path) ||
	    !sync_path(b->side) || rename(b->side, b->to) < 0)
		return failed(b, b->to, strerror(errno));
	(void)str_copy(path, sizeof(path), str_of(b->to));
	slash = strrchr(path, '/');
	if (slash == path)
		slash++;
	if (slash)
		*slash = '\0';
	if (!sync_path(slash ? path : "."))
		return failed(b, b->to, strerror(errno));
	return BACKUP_DONE;
}

enum backup_result
backup_ledger(struct ledger *l, const char *state_dir, const char *to,
	      struct buf *out)
{
	static enum backup_result (*const part[])(struct backup *) = {
		make_folders,  copy_pepper, copy_receipt_key, copy_ledger,
		finish_ledger, verify_copy, write_manifest,   put_in_place,
	};
	struct backup b = {
		.ledger = l, .state_dir = state_dir, .to = to, .out = out};
	size_t n = strlen(to);
	enum backup_result r = BACKUP_DONE;

	while (n > 1 && to[n - 1] == '/')
		n--;
	if (n == 0 || snprintf(b.side, sizeof(b.side), "%.*s" SIDE, (int)n,
			       to) >= (int)sizeof(b.side) - 32)
		return failed(&b, to, "is no path for a copy");
	for (unsigned i = 0; i < ARRAY_LEN(part) && r == BACKUP_DONE; i++)
		r = part[i](&b);
	if (r != BACKUP_DONE)
		discard(&b);
	return r;
}
