/* Listening sockets, see listen.h. */
#include "master/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"

#define BACKLOG	     4096
#define PASSED_FIRST 3 /* sd_listen_fds(3) */
#define PASSED_MAX   256u

/* Sockets passed by the service manager that nobody has taken yet. */
struct passed {
	unsigned n;
	int fds[PASSED_MAX];
};

static void
set_flags(int fd)
{
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void
passed_init(struct passed *p)
{
	uint64_t pid, n;

	p->n = 0;
	if (str_to_u64(str_of(getenv("LISTEN_PID")), &pid) &&
	    pid == (uint64_t)getpid() &&
	    str_to_u64(str_of(getenv("LISTEN_FDS")), &n)) {
		for (int i = 0; i < (int)MIN_OF(n, PASSED_MAX); i++) {
			set_flags(PASSED_FIRST + i);
			p->fds[p->n++] = PASSED_FIRST + i;
		}
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

static bool
same_address(const struct sockaddr_storage *a, const struct conf_address *b)
{
	const void *pa = a, *pb = &b->sa;
	const struct sockaddr_in *a4 = pa, *b4 = pb;
	const struct sockaddr_in6 *a6 = pa, *b6 = pb;
	const struct sockaddr_un *au = pa;

	if (b->unix_path.n > 0)
		return a->ss_family == AF_UNIX &&
		       str_eq(str_of(au->sun_path), b->unix_path);
	if (a->ss_family != b->sa.ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->ss_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) ==
		       0;
}

/* Takes the passed sockets of `address`; returns how many there were. */
static unsigned
passed_take(struct passed *p, const struct conf_address *address, int *out)
{
	unsigned kept = 0, n = 0;

	for (unsigned i = 0; i < p->n; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		void *any = &sa;

		memset(&sa, 0, sizeof(sa));
		if (getsockname(p->fds[i], any, &len) == 0 &&
		    same_address(&sa, address))
			out[n++] = p->fds[i];
		else
			p->fds[kept++] = p->fds[i];
	}
	p->n = kept;
	return n;
}

static void
passed_close(struct passed *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		LOG_WARN("a passed socket fits no address of the "
			 "configuration: closed",
			 F_I64("fd", p->fds[i]));
		(void)close(p->fds[i]);
	}
	p->n = 0;
}

/* -1 with errno. Without `share` the address must be all ours. */
static int
tcp_bind(const struct conf_address *a, bool share)
{
	const void *sa = &a->sa;
	int one = 1, saved;
	int fd = socket(a->sa.ss_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->sa.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
				 sizeof(one));
	if ((!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
				  sizeof(one)) == 0) &&
	    bind(fd, sa, a->sa_len) == 0 &&
	    (!share || listen(fd, BACKLOG) == 0))
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

/* SO_REUSEPORT would let two servers of one user share a port without a
 * word: so a socket without it has to bind first. */
static bool
tcp_open(const struct conf_address *a, int *fds, unsigned n)
{
	int probe = tcp_bind(a, false);

	if (probe < 0)
		return false;
	(void)close(probe);
	for (unsigned i = 0; i < n; i++) {
		fds[i] = tcp_bind(a, true);
		if (fds[i] < 0)
			return false;
	}
	return true;
}

/* A socket file that nobody listens on any more may go. */
static bool
unix_is_stale(const struct sockaddr_un *sa)
{
	struct stat st;
	const void *any = sa;
	bool stale;
	int fd;

	if (lstat(sa->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, any, sizeof(*sa)) != 0 && errno == ECONNREFUSED;
	(void)close(fd);
	return stale;
}

static int
unix_open(struct str path, mode_t mode)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const void *any = &sa;
	mode_t mask;
	int fd, bound;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (unix_is_stale(&sa))
		(void)unlink(sa.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	mask = umask(0777 & ~mode);
	bound = bind(fd, any, sizeof(sa));
	(void)umask(mask);
	if (bound == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	bound = errno;
	(void)close(fd);
	errno = bound;
	return -1;
}

static bool
address_open(struct listen_address *out, const struct conf_address *a,
	     struct passed *passed, unsigned workers)
{
	bool is_unix = a->unix_path.n > 0;

	out->fds = calloc(MAX_OF(PASSED_MAX, workers), sizeof(*out->fds));
	if (!out->fds) {
		errno = ENOMEM;
		return false;
	}
	out->n = passed_take(passed, a, out->fds);
	if (out->n > 0)
		return true;
	if (is_unix) {
		out->fds[0] = unix_open(a->unix_path, 0666);
		out->n = out->fds[0] >= 0;
		return out->n > 0;
	}
	out->n = workers;
	for (unsigned i = 0; i < workers; i++)
		out->fds[i] = -1;
	return tcp_open(a, out->fds, workers);
}

static bool
admin_open(struct listeners *l, const struct conf *c, struct passed *passed,
	   struct buf *error)
{
	struct str path;
	char text[4096];
	struct listen_address one = {0, NULL};

	if (c->admin.address.text.n > 0) {
		if (!address_open(&one, &c->admin.address, passed, 1)) {
			buf_printf(error, "cannot bind admin.address %.*s: %s",
				   STR_ARG(c->admin.address.text),
				   strerror(errno));
			free(one.fds);
			return false;
		}
		l->admin = one.fds[0];
		free(one.fds);
	}
	(void)snprintf(text, sizeof(text), "%.*s/admin.sock",
		       STR_ARG(c->run_dir));
	path = str_of(text);
	l->socket = unix_open(path, 0660);
	if (l->socket < 0)
		buf_printf(error, "cannot bind %s: %s", text, strerror(errno));
	return l->socket >= 0;
}

bool
listen_open(struct listeners *l, const struct conf *c, unsigned workers,
	    struct buf *error)
{
	struct passed passed;

	*l = (struct listeners){.workers = workers, .admin = -1, .socket = -1};
	passed_init(&passed);
	l->addresses = calloc(c->n_listen, sizeof(*l->addresses));
	if (!l->addresses) {
		buf_add_cstr(error, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < c->n_listen; i++) {
		l->n++;
		if (address_open(&l->addresses[i], &c->listen[i].address,
				 &passed, workers))
			continue;
		buf_printf(error, "cannot bind %.*s: %s",
			   STR_ARG(c->listen[i].address.text), strerror(errno));
		return false;
	}
	if (!admin_open(l, c, &passed, error))
		return false;
	passed_close(&passed);
	return true;
}

bool
listen_is_for(unsigned s, unsigned sockets, unsigned w, unsigned workers)
{
	must(workers > 0 && sockets > 0);
	return sockets < workers ? s == w % sockets : w == s % workers;
}

unsigned
listen_most(const struct listeners *l)
{
	unsigned most = 0;

	for (unsigned i = 0; i < l->n; i++)
		most += l->addresses[i].n / l->workers + 1;
	return most;
}

unsigned
listen_share(const struct listeners *l, unsigned number,
	     struct worker_listen *out, unsigned cap)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++) {
		const struct listen_address *a = &l->addresses[i];

		for (unsigned s = 0; s < a->n && n < cap; s++)
			if (listen_is_for(s, a->n, number, l->workers))
				out[n++] = (struct worker_listen){a->fds[s], i};
	}
	return n;
}

void
listen_close(struct listeners *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		for (unsigned s = 0; s < l->addresses[i].n; s++)
			if (l->addresses[i].fds[s] >= 0)
				(void)close(l->addresses[i].fds[s]);
		free(l->addresses[i].fds);
	}
	free(l->addresses);
	l->addresses = NULL;
	l->n = 0;
}
