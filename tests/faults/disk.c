/*
 * The recorder; see disk.h. Compiled without the fortified headers, which
 * would define some of these functions themselves, and without large files,
 * which would give them other names: both names are wanted.
 */
#include "tests/faults/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"

struct disk *disk;

/* ---- the log ---- */

void
disk_open(const char *root)
{
	struct stat st;

	disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(disk != MAP_FAILED && stat(root, &st) == 0);
	must(strlen(root) < sizeof(disk->root));
	(void)strcpy(disk->root, root);
	disk->node[0] = (struct disk_node){st.st_ino, true};
	disk->n_nodes = 1;
}

void
disk_reset(void)
{
	disk->n_nodes = 1;
	disk->n_ops = 0;
	disk->n_data = 0;
	disk->die_at = 0;
}

static bool
listening(void)
{
	return disk && disk->recording;
}

/* The path below the root, or NULL. */
static const char *
below(const char *path)
{
	size_t n = strlen(disk->root);

	if (strncmp(path, disk->root, n) != 0)
		return NULL;
	return path[n] == '/' ? path + n + 1 : path[n] ? NULL : path + n;
}

static void
die(void)
{
	if (disk->die_at && --disk->die_at == 0)
		_exit(99);
}

static uint32_t
add(struct disk_op op)
{
	uint32_t i;
	struct timespec ts;

	i = disk->n_ops++;
	must(i < DISK_OPS);
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	op.time_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	op.committed = disk->committed ? *disk->committed : 0;
	disk->op[i] = op;
	/* A name is changed before it kills. */
	if (op.kind != DISK_RENAME)
		die();
	return i;
}

void
disk_mark(uint64_t what, uint64_t value)
{
	if (listening())
		(void)add((struct disk_op){
			.kind = DISK_MARK, .off = what, .len = value});
}

/* The newest of that number: they are used again. */
static uint32_t
node_of(uint64_t inode)
{
	uint32_t i = disk->n_nodes;

	while (i > 0)
		if (disk->node[--i].inode == inode)
			return i;
	return DISK_NONE;
}

static uint32_t
node_at(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? node_of(st.st_ino) : DISK_NONE;
}

static uint32_t
node_new(const char *path)
{
	struct stat st;

	must(stat(path, &st) == 0 && disk->n_nodes < DISK_NODES);
	disk->node[disk->n_nodes] =
		(struct disk_node){st.st_ino, S_ISDIR(st.st_mode)};
	return disk->n_nodes++;
}

/* What is recorded of a descriptor: files below the root, but no locks. */
static uint32_t
node_of_fd(int fd)
{
	char link[32], path[256];
	struct stat st;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return DISK_NONE;
	path[n] = '\0';
	if (!below(path) || strstr(path, "lock") || fstat(fd, &st) < 0)
		return DISK_NONE;
	return node_of(st.st_ino);
}

/* The folder that `path` is in, and its name there. */
static uint32_t
parent_of(const char *path, char name[DISK_NAME])
{
	const char *slash = strrchr(path, '/');
	char dir[256];

	if (!slash || !below(path) || strlen(slash + 1) >= DISK_NAME)
		return DISK_NONE;
	(void)strcpy(name, slash + 1);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return node_at(dir);
}

/* ---- contents ---- */

static uint32_t
note_write(uint32_t node, const void *p, size_t n, off_t off)
{
	uint64_t at = atomic_fetch_add(&disk->n_data, n);

	must(at + n <= DISK_DATA);
	memcpy(disk->data + at, p, n);
	return add((struct disk_op){.kind = DISK_WRITE,
				    .node = node,
				    .off = (uint64_t)off,
				    .len = n,
				    .at = at});
}

static void
note_end(int fd, uint32_t node, uint32_t op)
{
	if (fcntl(fd, F_GETFL) & O_DSYNC)
		(void)add((struct disk_op){
			.kind = DISK_SYNCED, .node = node, .other = op});
}

static uint32_t
interesting(int fd)
{
	return listening() ? node_of_fd(fd) : DISK_NONE;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t off)
{
	uint32_t node = interesting(fd), op = DISK_NONE;
	ssize_t done;

	if (node != DISK_NONE)
		op = note_write(node, p, n, off);
	done = syscall(SYS_pwrite64, fd, p, n, off);
	if (node != DISK_NONE)
		note_end(fd, node, op);
	return done;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	uint32_t node = interesting(fd), op = DISK_NONE;
	ssize_t done;

	if (node != DISK_NONE)
		op = note_write(node, p, n, lseek(fd, 0, SEEK_CUR));
	done = syscall(SYS_write, fd, p, n);
	if (node != DISK_NONE)
		note_end(fd, node, op);
	return done;
}

static uint32_t
note_parts(uint32_t node, const struct iovec *v, int n, off_t off)
{
	uint32_t op = DISK_NONE;

	for (int i = 0; i < n; i++) {
		op = note_write(node, v[i].iov_base, v[i].iov_len, off);
		off += (off_t)v[i].iov_len;
	}
	return op;
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	uint32_t node = interesting(fd);

	if (node != DISK_NONE)
		(void)note_parts(node, v, n, lseek(fd, 0, SEEK_CUR));
	return syscall(SYS_writev, fd, v, n);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t off)
{
	uint32_t node = interesting(fd);

	if (node != DISK_NONE)
		(void)note_parts(node, v, n, off);
	return syscall(SYS_pwritev, fd, v, n, off, 0);
}

int
ftruncate(int fd, off_t size)
{
	uint32_t node = interesting(fd);

	if (node != DISK_NONE)
		(void)add((struct disk_op){.kind = DISK_SIZE,
					   .node = node,
					   .off = (uint64_t)size});
	return (int)syscall(SYS_ftruncate, fd, size);
}

int
fallocate(int fd, int mode, off_t off, off_t len)
{
	uint32_t node = interesting(fd);

	if (disk && disk->careless)
		return 0;
	if (node != DISK_NONE)
		(void)add((struct disk_op){.kind = DISK_GROW,
					   .node = node,
					   .off = (uint64_t)(off + len)});
	return (int)syscall(SYS_fallocate, fd, mode, off, len);
}

static int
sync_of(int fd, long call)
{
	uint32_t node = interesting(fd);
	int rc;

	if (disk && disk->careless)
		return 0;
	rc = (int)syscall(call, fd);
	if (rc == 0 && node != DISK_NONE)
		(void)add((struct disk_op){.kind = DISK_SYNC, .node = node});
	return rc;
}

int
fsync(int fd)
{
	return sync_of(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return sync_of(fd, SYS_fdatasync);
}

/* Nothing of the ledger is written through a map: one that were, would have
 * to be recorded. */
int
msync(void *p, size_t n, int flags)
{
	must(!listening());
	return (int)syscall(SYS_msync, p, n, flags);
}

/* ---- names ---- */

static void
note_link(const char *path)
{
	struct disk_op op = {.kind = DISK_LINK};

	op.node = parent_of(path, op.name);
	if (op.node == DISK_NONE || strstr(op.name, "lock"))
		return;
	op.other = node_new(path);
	(void)add(op);
}

static void
note_unlink(const char *path)
{
	struct disk_op op = {.kind = DISK_UNLINK};

	op.node = parent_of(path, op.name);
	if (op.node != DISK_NONE && !strstr(op.name, "lock"))
		(void)add(op);
}

int
open(const char *path, int flags, ...)
{
	bool look = listening() && (flags & O_CREAT) && below(path);
	bool there = look && faccessat(AT_FDCWD, path, F_OK, 0) == 0;
	mode_t mode = 0;
	va_list ap;
	int fd;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (disk && disk->careless)
		flags &= ~O_DSYNC;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && look && !there)
		note_link(path);
	else if (fd >= 0 && look && (flags & O_TRUNC))
		(void)add((struct disk_op){.kind = DISK_SIZE,
					   .node = node_of_fd(fd)});
	return fd;
}

int
mkdir(const char *path, mode_t mode)
{
	int rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

	if (rc == 0 && listening())
		note_link(path);
	return rc;
}

int
rename(const char *from, const char *to)
{
	struct disk_op op = {.kind = DISK_RENAME};
	int rc;

	if (listening()) {
		op.node = parent_of(from, op.name);
		must(op.node == parent_of(to, op.name2));
		if (op.node != DISK_NONE)
			(void)add(op);
	}
	rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (listening()) {
		must(rc == 0);
		die();
	}
	return rc;
}

int
unlink(const char *path)
{
	int rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);

	if (rc == 0 && listening())
		note_unlink(path);
	return rc;
}

int
rmdir(const char *path)
{
	int rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);

	if (rc == 0 && listening())
		note_unlink(path);
	return rc;
}

/* ---- the other names ---- */

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
	__attribute__((alias("pwrite")));
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t off)
	__attribute__((alias("pwritev")));
int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));
int fallocate64(int fd, int mode, off64_t off, off64_t len)
	__attribute__((alias("fallocate")));
