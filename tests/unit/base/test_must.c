#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "tests/tap.h"

TEST(what_holds_passes)
{
	must(1 + 1 == 2);
	CHECK(true);
}

TEST(what_does_not_hold_aborts_with_one_line)
{
	char line[512] = "";
	int pipe_fd[2], status = 0;
	ssize_t n;
	pid_t pid;

	CHECK(pipe(pipe_fd) == 0);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(pipe_fd[1], STDERR_FILENO);
		must(getppid() == -1);
		_exit(0);
	}
	(void)close(pipe_fd[1]);
	n = read(pipe_fd[0], line, sizeof(line) - 1);
	(void)close(pipe_fd[0]);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK(n > 0 && strstr(line, "must failed: getppid() == -1 at ") &&
	      strstr(line, "test_must.c:"));
}

int
main(void)
{
	RUN(what_holds_passes);
	RUN(what_does_not_hold_aborts_with_one_line);
	return tap_done();
}
