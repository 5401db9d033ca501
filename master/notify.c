/* sd_notify(3) by hand: one datagram a message. */
#include "master/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

void
notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(sa.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@') /* the abstract name space */
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* Nobody to tell when this fails: the manager's time-out does. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		      (const struct sockaddr *)&sa,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	(void)close(fd);
}

void
notify_reloading(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		       (unsigned long long)(clock_mono_ns() / 1000));
	notify_send(text);
}

void
notify_main_pid(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "READY=1\nMAINPID=%d",
		       (int)getpid());
	notify_send(text);
}

uint64_t
notify_watchdog_ns(void)
{
	uint64_t usec, pid;

	if (!str_to_u64(str_of(getenv("WATCHDOG_USEC")), &usec) || usec == 0)
		return 0;
	/* The variables may be somebody else's, inherited by us. */
	if (getenv("WATCHDOG_PID") &&
	    (!str_to_u64(str_of(getenv("WATCHDOG_PID")), &pid) ||
	     pid != (uint64_t)getpid()))
		return 0;
	return usec * 1000 / 2;
}
