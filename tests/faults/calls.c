/*
 * Failing calls; see calls.h. Compiled as disk.c is: both names of a call,
 * and no fortified headers.
 */
#include "tests/faults/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What a failed sync loses. */
#define LOSS_MAX  1024u
#define LOSS_DATA (16u << 20)

struct loss {
	int fd;
	off_t off;
	size_t n, at;
};

struct losses {
	uint32_t n;
	size_t used;
	struct loss loss[LOSS_MAX];
	char data[LOSS_DATA];
};

struct faults *faults;
static struct losses *losses;

/* Of the C library; those below stand before them. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static void *
map(size_t n, int flags, int fd)
{
	long p = syscall(SYS_mmap, NULL, n, PROT_READ | PROT_WRITE, flags, fd,
			 0);

	return p == -1 ? NULL : (void *)p;
}

void
faults_open(void)
{
	faults = map(sizeof(*faults), MAP_SHARED | MAP_ANONYMOUS, -1);
	if (!faults)
		abort();
	faults->spared = (uint32_t)getpid();
}

/* Preloaded. */
__attribute__((constructor)) static void
faults_attach(void)
{
	const char *path = getenv("TOLLGATE_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	faults = map(sizeof(*faults), MAP_SHARED, fd);
	(void)close(fd);
}

void
faults_order(enum call call, int error, uint64_t at, uint32_t for_ever)
{
	faults->call = CALL_NONE;
	faults->error = (uint32_t)error;
	faults->at = at;
	faults->for_ever = for_ever;
	faults->seen = 0;
	faults->hits = 0;
	faults->call = call;
}

static bool
ordered(enum call call)
{
	uint32_t me;

	if (!faults || faults->call != (uint32_t)call)
		return false;
	me = (uint32_t)getpid();
	return faults->pid ? faults->pid == me : faults->spared != me;
}

static bool
fails(enum call call)
{
	uint64_t n;

	if (!ordered(call))
		return false;
	n = ++faults->seen;
	if (n < faults->at || (n > faults->at && !faults->for_ever))
		return false;
	faults->hits++;
	errno = (int)faults->error;
	return true;
}

/* ---- memory ---- */

void *
malloc(size_t n)
{
	return fails(CALL_MALLOC) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails(CALL_MALLOC) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails(CALL_MALLOC) ? NULL : __libc_realloc(p, n);
}

void *
mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	if (fails(CALL_MMAP))
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

/* ---- files ---- */

static bool
may_lose(void)
{
	if (!ordered(CALL_SYNC))
		return false;
	if (!losses)
		losses = map(sizeof(*losses), MAP_PRIVATE | MAP_ANONYMOUS, -1);
	return losses != NULL;
}

/* What is there now comes back when the next sync fails. */
static void
remember(int fd, size_t n, off_t off)
{
	struct loss *l;
	ssize_t had;

	if (!may_lose() || losses->n == LOSS_MAX ||
	    losses->used + n > LOSS_DATA)
		return;
	l = &losses->loss[losses->n];
	had = pread(fd, losses->data + losses->used, n, off);
	if (had <= 0)
		return;
	*l = (struct loss){fd, off, (size_t)had, losses->used};
	losses->used += (size_t)had;
	losses->n++;
}

static void
lose(void)
{
	while (losses && losses->n > 0) {
		const struct loss *l = &losses->loss[--losses->n];

		(void)syscall(SYS_pwrite64, l->fd, losses->data + l->at, l->n,
			      l->off);
	}
}

static void
forget(void)
{
	if (!losses)
		return;
	losses->n = 0;
	losses->used = 0;
}

/* A full disk still takes what it has room for: the pages at the beginning,
 * which are written and synced in one. */
static bool
write_fails(int fd)
{
	if (!ordered(CALL_PWRITE) ||
	    (faults->error == ENOSPC && (fcntl(fd, F_GETFL) & O_DSYNC)))
		return false;
	return fails(CALL_PWRITE);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t off)
{
	if (write_fails(fd))
		return -1;
	if (n > 1 && fails(CALL_SHORT))
		n /= 2;
	remember(fd, n, off);
	return syscall(SYS_pwrite64, fd, p, n, off);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t off)
{
	off_t at = off;

	if (write_fails(fd))
		return -1;
	for (int i = 0; i < n; i++) {
		remember(fd, v[i].iov_len, at);
		at += (off_t)v[i].iov_len;
	}
	return syscall(SYS_pwritev, fd, v, n, off, 0);
}

/* Also of sockets and pipes, which have no place to write to. */
ssize_t
writev(int fd, const struct iovec *v, int n)
{
	off_t at = ordered(CALL_PWRITE) || ordered(CALL_SYNC)
			   ? lseek(fd, 0, SEEK_CUR)
			   : -1;

	if (at >= 0 && write_fails(fd))
		return -1;
	for (int i = 0; at >= 0 && i < n; i++) {
		remember(fd, v[i].iov_len, at);
		at += (off_t)v[i].iov_len;
	}
	return syscall(SYS_writev, fd, v, n);
}

static int
sync_of(int fd, long call)
{
	if (fails(CALL_SYNC)) {
		lose();
		return -1;
	}
	forget();
	return (int)syscall(call, fd);
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

int
fallocate(int fd, int mode, off_t off, off_t len)
{
	if (fails(CALL_ALLOCATE))
		return -1;
	return (int)syscall(SYS_fallocate, fd, mode, off, len);
}

/* ---- the other names ---- */

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
	__attribute__((alias("mmap")));
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
	__attribute__((alias("pwrite")));
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t off)
	__attribute__((alias("pwritev")));
int fallocate64(int fd, int mode, off64_t off, off64_t len)
	__attribute__((alias("fallocate")));
