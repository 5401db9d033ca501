/* Crash points: who is killed, at which pass. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "shm/crash.h"
#include "tests/tap.h"

static struct crash_word *
word_new(void)
{
	void *p = mmap(NULL, sizeof(struct crash_word), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

/* A child that passes the place that often; how many passes it survived, or
 * -1: all. */
static int
passes_survived(struct crash_word *w, const char *role, int passes)
{
	int *n = mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, survived;
	pid_t pid;

	must(n != MAP_FAILED);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		if (w)
			crash_share(w);
		crash_role(role);
		for (; *n < passes; ++*n)
			crash_point(CP_HELD);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	survived = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? *n : -1;
	(void)munmap(n, sizeof(*n));
	return survived;
}

TEST(nobody_dies_without_being_asked)
{
	struct crash_word *w = word_new();

	CHECK_INT(passes_survived(w, "worker", 5), -1);
	w->armed = CP_ACQ;
	CHECK_INT(passes_survived(w, "worker", 5), -1);
	CHECK_INT(w->armed, CP_ACQ);
}

TEST(the_first_who_comes_by_dies_once)
{
	struct crash_word *w = word_new();

	w->armed = CP_HELD;
	CHECK_INT(passes_survived(w, "worker", 5), 0);
	CHECK_INT(w->armed, 0);
	CHECK_INT(w->kills[CP_HELD], 1);
	CHECK_INT(passes_survived(w, "worker", 5), -1);
}

TEST(passes_may_be_let_go_and_roles_spared)
{
	struct crash_word *w = word_new();

	w->armed = CP_HELD;
	w->skip = 3;
	w->role = crash_role_id("writer");
	CHECK_INT(passes_survived(w, "worker", 5), -1);
	CHECK_INT(passes_survived(w, "writer", 5), 3);
}

TEST(the_environment_may_ask_too)
{
	must(setenv("TOLLGATE_CRASH_POINT", "8:3:worker", 1) == 0);
	CHECK_INT(passes_survived(NULL, "writer", 5), -1);
	CHECK_INT(passes_survived(NULL, "worker", 5), 2);
	must(setenv("TOLLGATE_CRASH_POINT", "8", 1) == 0);
	CHECK_INT(passes_survived(NULL, "any", 5), 0);
	must(setenv("TOLLGATE_CRASH_POINT", "nonsense", 1) == 0);
	CHECK_INT(passes_survived(NULL, "any", 5), -1);
	must(unsetenv("TOLLGATE_CRASH_POINT") == 0);
}

TEST(a_file_may_ask_from_outside)
{
	char path[] = "/tmp/test_crash.XXXXXX";
	struct crash_word w = {.armed = CP_HELD, .skip = 1};
	int fd = mkstemp(path);

	must(fd >= 0 && write(fd, &w, sizeof(w)) == (ssize_t)sizeof(w));
	must(setenv("TOLLGATE_CRASH_FILE", path, 1) == 0);
	CHECK_INT(passes_survived(NULL, "worker", 5), 1);
	CHECK_INT(passes_survived(NULL, "worker", 5), -1);
	must(pread(fd, &w, sizeof(w), 0) == (ssize_t)sizeof(w));
	CHECK_INT(w.kills[CP_HELD], 1);
	must(unsetenv("TOLLGATE_CRASH_FILE") == 0);
	(void)close(fd);
	(void)unlink(path);
}

TEST(places_have_names)
{
	CHECK_STR(crash_name(CP_HELD), "CP_HELD");
	CHECK(!crash_name(0));
	CHECK(!crash_name(CRASH_PLACES));
}

int
main(void)
{
	RUN(nobody_dies_without_being_asked);
	RUN(the_first_who_comes_by_dies_once);
	RUN(passes_may_be_let_go_and_roles_spared);
	RUN(the_environment_may_ask_too);
	RUN(a_file_may_ask_from_outside);
	RUN(places_have_names);
	return tap_done();
}
