/* What /proc says about other processes. */
#include "master/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define NAME_START    "tollgate"
#define CLOCK_JITTER  3000u /* ms */
#define STATE_FIELD   0u    /* counted from the state, behind the name */
#define STARTED_FIELD 19u

struct proc_stat {
	char name[32];
	char state;
	uint64_t started_ticks; /* after boot */
};

/* "pid (name) S ppid ..."; the name may hold anything, so its end is the
 * last parenthesis. */
static bool
stat_parse(struct str text, struct proc_stat *out)
{
	ptrdiff_t open = str_find(text, '(');
	size_t close = text.n;
	struct str rest, part = STR_NONE;

	while (close > 0 && text.p[close - 1] != ')')
		close--;
	if (open < 0 || close < (size_t)open + 2)
		return false;
	(void)str_copy(out->name, sizeof(out->name),
		       str_make(text.p + open + 1, close - (size_t)open - 2));
	rest = str_trim(str_from(text, close));
	for (unsigned i = 0; i <= STARTED_FIELD && rest.p; i++) {
		part = str_cut(&rest, ' ');
		if (i == STATE_FIELD)
			out->state = part.n ? part.p[0] : '\0';
	}
	return str_to_u64(part, &out->started_ticks);
}

static bool
stat_read(pid_t pid, struct proc_stat *out)
{
	char path[64], text[1024];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text));
	(void)close(fd);
	memset(out, 0, sizeof(*out));
	return n > 0 && stat_parse(str_make(text, (size_t)n), out);
}

bool
proc_waits_for_disk(pid_t pid)
{
	struct proc_stat s;

	return stat_read(pid, &s) && s.state == 'D';
}

bool
proc_is_stopped(pid_t pid)
{
	struct proc_stat s;

	return stat_read(pid, &s) && (s.state == 'T' || s.state == 't');
}

static bool
is_tollgate(const struct proc_stat *s)
{
	return s->state != 'Z' && str_starts(str_of(s->name), STR(NAME_START));
}

bool
proc_lives(pid_t pid)
{
	struct proc_stat s;

	if (pid <= 1)
		return false;
	/* /proc may be mounted so that it hides the process. */
	return stat_read(pid, &s) ? is_tollgate(&s) : kill(pid, 0) == 0;
}

bool
proc_is_tollgate(pid_t pid)
{
	struct proc_stat s;

	return pid > 1 && stat_read(pid, &s) && is_tollgate(&s);
}

static uint64_t
boot_wall_ms(void)
{
	struct timespec up;

	if (clock_gettime(CLOCK_BOOTTIME, &up) != 0)
		return 0;
	return clock_wall_ns() / NS_PER_MS - (uint64_t)up.tv_sec * 1000 -
	       (uint64_t)up.tv_nsec / NS_PER_MS;
}

bool
proc_is_ours(pid_t pid, uint64_t started_ms)
{
	long hz = sysconf(_SC_CLK_TCK);
	struct proc_stat s;
	uint64_t at;

	if (hz <= 0 || pid <= 1 || !stat_read(pid, &s) || !is_tollgate(&s))
		return false;
	at = boot_wall_ms() + s.started_ticks * 1000 / (uint64_t)hz;
	return at + CLOCK_JITTER >= started_ms &&
	       at <= started_ms + CLOCK_JITTER;
}
