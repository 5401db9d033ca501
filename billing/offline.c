/* The writer's lock, for tools. */
#include "billing/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

int
offline_lock(const char *state_dir, struct buf *why)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int fd = -1;

	if (snprintf(path, sizeof(path), "%s/writer.lock", state_dir) <
	    (int)sizeof(path))
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		buf_printf(why, "%s/writer.lock cannot be opened: %s",
			   state_dir, strerror(errno));
		return -1;
	}
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return fd;
	if (errno == EAGAIN || errno == EACCES)
		buf_printf(why,
			   "the server that uses %s is running; stop it first",
			   state_dir);
	else
		buf_printf(why, "%s: %s", path, strerror(errno));
	(void)close(fd);
	return -1;
}
