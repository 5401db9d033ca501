/*
 * Another program in the place of this process. The handover goes through a
 * sealed file in memory: it is too long for the environment, where everybody
 * may read it besides.
 */
#include "master/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_FREE 3u
#define TEXT_MAX   (4u << 20)
#define SEALS	   (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static void
keep(uint64_t fd)
{
	if (fd != HANDOVER_NONE)
		(void)fcntl((int)fd, F_SETFD, 0);
}

static void
keep_all(const struct numbers *fds)
{
	for (uint32_t i = 0; i < fds->n; i++)
		keep(fds->v[i]);
}

/* Only what the handover names outlives the exec. */
static void
keep_named(const struct handover *h)
{
	const uint64_t single[] = {
		h->pid_lock,  h->region,     h->tickets,      h->writer_bell,
		h->alive_0,   h->alive_1,    h->orders_0,     h->orders_1,
		h->control_0, h->control_1,  h->admin_listen, h->admin_socket,
		h->program,   h->master_bell};

	for (size_t i = 0; i < ARRAY_LEN(single); i++)
		keep(single[i]);
	keep_all(&h->bells);
	for (uint32_t i = 0; i < h->n_listens; i++)
		keep_all(&h->listens[i]);
}

static void
close_on_exec(void)
{
	(void)close_range(FIRST_FREE, ~0u, CLOSE_RANGE_CLOEXEC);
}

static bool
write_all(int fd, const struct buf *text)
{
	for (size_t at = 0; at < text->n;) {
		ssize_t n = write(fd, text->p + at, text->n - at);

		if (n < 0 && errno != EINTR)
			return false;
		at += n < 0 ? 0 : (size_t)n;
	}
	return true;
}

/* -1 with errno. */
static int
memory_file(const struct handover *h)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	int fd, saved;

	handover_write(h, &text);
	errno = ENOMEM;
	if (text.failed)
		return -1;
	fd = memfd_create("tollgate-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (write_all(fd, &text) && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

void
exec_program(const struct handover *h, char *const *argv, int program,
	     struct buf *why)
{
	char number[16];
	int saved, fd = memory_file(h);

	if (fd < 0) {
		buf_printf(why, "no memory for the handover: %s",
			   strerror(errno));
		return;
	}
	(void)snprintf(number, sizeof(number), "%d", fd);
	close_on_exec();
	keep_named(h);
	keep((uint64_t)fd);
	(void)setenv(HANDOVER_VARIABLE, number, 1);
	if (program >= 0)
		(void)fexecve(program, argv, environ);
	else
		(void)execvp(argv[0], argv);
	saved = errno;
	close_on_exec();
	(void)unsetenv(HANDOVER_VARIABLE);
	(void)close(fd);
	buf_printf(why, "cannot run %s: %s", argv[0], strerror(saved));
}

/* Nobody but a master of before makes a file with these seals. */
static void
read_given(int fd, struct buf *text)
{
	struct stat st;
	char part[4096];
	off_t at = 0;
	ssize_t n;

	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) != 0 ||
	    st.st_size > (off_t)TEXT_MAX)
		return;
	while ((n = pread(fd, part, sizeof(part), at)) > 0) {
		buf_add(text, part, (size_t)n);
		at += n;
	}
}

struct buf *
exec_given(struct buf *text)
{
	struct str number = str_of(getenv(HANDOVER_VARIABLE));
	uint64_t fd;

	if (!number.p)
		return NULL;
	buf_reset(text);
	if (str_to_u64(number, &fd) && fd >= FIRST_FREE && fd < (1u << 20)) {
		read_given((int)fd, text);
		(void)close((int)fd);
	}
	(void)unsetenv(HANDOVER_VARIABLE);
	close_on_exec();
	return text;
}
