/* One server a run_dir, see lonely.h. */
#include "master/lonely.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/proc.h"
#include "shm/region.h"
#include "shm/workers.h"

#define WAIT_NS	  (20 * NS_PER_SEC)
#define PATIENCE  (15 * NS_PER_SEC) /* then the writer is killed */
#define PAUSE_US  20000
#define PID_CHARS 16

static bool
pid_path(char out[PATH_MAX], struct str run_dir)
{
	int n = snprintf(out, PATH_MAX, "%.*s/tollgate.pid", STR_ARG(run_dir));

	return n > 0 && n < PATH_MAX;
}

/* The file may be replaced between open and lock: then it is not this one. */
static bool
still_there(const char *path, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static pid_t
pid_read(int fd)
{
	char text[PID_CHARS];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	uint64_t pid;

	if (n <= 0 || text[n - 1] != '\n' ||
	    !str_to_u64(str_make(text, (size_t)n - 1), &pid) || pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

static void
pid_write(int fd)
{
	char text[PID_CHARS];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	/* For people and scripts; the lock is what counts. */
	(void)!ftruncate(fd, 0);
	(void)!pwrite(fd, text, (size_t)n, 0);
}

/* Workers at once, the writer if `writer_too`: it ends by itself once they
 * are gone, and commits before. */
static void
kill_leftovers(const char *run_dir, bool writer_too)
{
	struct region r;
	pid_t pid;

	if (region_view(&r, run_dir) != E_OK)
		return;
	for (uint32_t i = 0; i < r.head->n_workers && i < SHM_WORKERS; i++) {
		const struct worker_row *row = &r.workers[i];

		pid = (pid_t)atomic_load(&row->pid);
		if (atomic_load(&row->state) != WORKER_UNUSED && pid > 1 &&
		    proc_is_ours(pid, atomic_load(&row->started_ms)))
			(void)kill(pid, SIGKILL);
	}
	pid = (pid_t)atomic_load(&r.head->writer_pid);
	if (writer_too && pid > 1 && proc_is_tollgate(pid))
		(void)kill(pid, SIGKILL);
	region_close(&r);
}

/* The lock is held: by a living master, or by what a dead one has left. */
static bool
wait_for_leftovers(int fd, const char *run_dir, struct buf *error)
{
	uint64_t start = clock_mono_ns(), now = start;
	pid_t pid = pid_read(fd);

	if (proc_lives(pid)) {
		buf_printf(error, "another tollgate runs in %s, pid %d",
			   run_dir, (int)pid);
		return false;
	}
	LOG_WARN("the last master is gone, its children are not: ending them",
		 F_I64("master", pid));
	for (; now < start + WAIT_NS; now = clock_mono_ns()) {
		kill_leftovers(run_dir, now > start + PATIENCE);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		(void)usleep(PAUSE_US);
	}
	buf_printf(error, "processes of an earlier tollgate do not end in %s",
		   run_dir);
	return false;
}

int
lonely_take(struct str run_dir, struct buf *error)
{
	char path[PATH_MAX], dir[PATH_MAX];
	int fd;

	if (!pid_path(path, run_dir) || !str_copy(dir, sizeof(dir), run_dir)) {
		buf_add_cstr(error, "run_dir: the path is too long");
		return -1;
	}
	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			  0644);
		if (fd < 0) {
			buf_printf(error, "cannot open %s: %s", path,
				   strerror(errno));
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0 &&
		    !wait_for_leftovers(fd, dir, error)) {
			(void)close(fd);
			return -1;
		}
		if (still_there(path, fd))
			break;
		(void)close(fd);
	}
	pid_write(fd);
	return fd;
}

void
lonely_give(struct str run_dir, int fd)
{
	char path[PATH_MAX];

	if (fd < 0)
		return;
	if (pid_path(path, run_dir))
		(void)unlink(path);
	(void)close(fd);
}
