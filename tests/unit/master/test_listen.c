/* Listening sockets and their distribution over workers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"
#include "master/listen.h"
#include "tests/tap.h"

TEST(every_socket_has_a_worker_and_every_worker_a_socket)
{
	for (unsigned workers = 1; workers <= 9; workers++) {
		for (unsigned sockets = 1; sockets <= 9; sockets++) {
			unsigned pairs = 0;

			for (unsigned s = 0; s < sockets; s++) {
				unsigned n = 0;

				for (unsigned w = 0; w < workers; w++)
					n += listen_is_for(s, sockets, w,
							   workers);
				CHECK(n >= 1);
				pairs += n;
			}
			for (unsigned w = 0; w < workers; w++) {
				unsigned n = 0;

				for (unsigned s = 0; s < sockets; s++)
					n += listen_is_for(s, sockets, w,
							   workers);
				CHECK(n >= 1);
			}
			CHECK_INT(pairs, workers > sockets ? workers : sockets);
		}
	}
}

TEST(worker_k_of_every_generation_gets_socket_k)
{
	for (unsigned s = 0; s < 4; s++)
		for (unsigned w = 0; w < 4; w++)
			CHECK_INT(listen_is_for(s, 4, w, 4), s == w);
}

/* A configuration with one TCP address and one Unix socket, in `dir`. */
struct setup {
	char dir[64];
	char path[128];
	struct conf conf;
	struct conf_listen listen[2];
};

static uint16_t
free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	void *any = &sa;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(bind(fd, any, len) == 0 && getsockname(fd, any, &len) == 0);
	(void)close(fd);
	return ntohs(sa.sin_port);
}

static void
setup_make(struct setup *s)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(free_port()),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};

	memset(s, 0, sizeof(*s));
	(void)strcpy(s->dir, "/tmp/tollgate-listen-XXXXXX");
	CHECK(mkdtemp(s->dir) != NULL);
	(void)snprintf(s->path, sizeof(s->path), "%s/client.sock", s->dir);
	s->listen[0].address.text = STR("tcp");
	memcpy(&s->listen[0].address.sa, &sa, sizeof(sa));
	s->listen[0].address.sa_len = sizeof(sa);
	s->listen[1].address.text = STR("unix");
	s->listen[1].address.unix_path = str_of(s->path);
	s->conf.run_dir = str_of(s->dir);
	s->conf.n_listen = 2;
	s->conf.listen = s->listen;
}

static void
setup_drop(struct setup *s, struct listeners *l)
{
	char path[128];

	listen_close(l);
	if (l->socket >= 0)
		(void)close(l->socket);
	(void)snprintf(path, sizeof(path), "%s/admin.sock", s->dir);
	(void)unlink(path);
	(void)unlink(s->path);
	(void)rmdir(s->dir);
}

TEST(an_address_gets_a_socket_for_each_worker_and_all_accept)
{
	struct worker_listen share[8];
	struct listeners l;
	struct setup s;
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	unsigned tcp = 0, any_unix = 0;

	setup_make(&s);
	CHECK(listen_open(&l, &s.conf, 3, &error));
	for (unsigned w = 0; w < 3; w++) {
		unsigned n = listen_share(&l, w, share, 8);

		CHECK(n <= listen_most(&l));
		CHECK_INT(n, 2);
		for (unsigned i = 0; i < n; i++) {
			tcp += share[i].index == 0;
			any_unix += share[i].index == 1;
		}
	}
	CHECK_INT(tcp, 3);
	CHECK_INT(any_unix, 3);
	for (int i = 0; i < 20; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		const void *sa = &s.listen[0].address.sa;

		CHECK(connect(fd, sa, s.listen[0].address.sa_len) == 0);
		(void)close(fd);
	}
	setup_drop(&s, &l);
}

TEST(a_second_server_on_the_same_port_is_refused)
{
	struct listeners first, second;
	struct setup s;
	CLEANUP(buf_free) struct buf error = BUF_INIT;

	setup_make(&s);
	CHECK(listen_open(&first, &s.conf, 2, &error));
	CHECK(!listen_open(&second, &s.conf, 2, &error));
	CHECK(str_search(buf_str(&error), STR("cannot bind tcp")) >= 0);
	listen_close(&second);
	setup_drop(&s, &first);
}

TEST(a_socket_file_nobody_listens_on_is_replaced_and_a_living_one_is_not)
{
	struct listeners l, second;
	struct setup s;
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const void *any = &sa;
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);

	setup_make(&s);
	(void)strcpy(sa.sun_path, s.path);
	CHECK(bind(stale, any, sizeof(sa)) == 0);
	(void)close(stale); /* the file stays */
	CHECK(listen_open(&l, &s.conf, 1, &error));
	s.conf.n_listen = 1;
	s.conf.listen = &s.listen[1];
	CHECK(!listen_open(&second, &s.conf, 1, &error));
	CHECK(str_search(buf_str(&error), STR("cannot bind unix")) >= 0);
	listen_close(&second);
	setup_drop(&s, &l);
}

/* In a process of its own: descriptor 3 must be ours to give. */
static int
passed_in_child(void)
{
	char pid[16];
	struct worker_listen share[8];
	struct listeners l;
	struct setup s;
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const void *sa;
	int fd;

	setup_make(&s);
	s.conf.n_listen = 1;
	sa = &s.listen[0].address.sa;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, sa, s.listen[0].address.sa_len) != 0 ||
	    listen(fd, 8) != 0 || (fd != 3 && dup2(fd, 3) != 3))
		return 1;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "1", 1);
	if (!listen_open(&l, &s.conf, 2, &error))
		return 2;
	for (unsigned w = 0; w < 2; w++)
		if (listen_share(&l, w, share, 8) != 1 || share[0].fd != 3)
			return 3;
	if (getenv("LISTEN_FDS"))
		return 4;
	setup_drop(&s, &l);
	return 0;
}

TEST(a_passed_socket_is_shared_by_all_workers)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		for (int fd = 3; fd < 10; fd++)
			(void)close(fd);
		_exit(passed_in_child());
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

int
main(void)
{
	RUN(every_socket_has_a_worker_and_every_worker_a_socket);
	RUN(worker_k_of_every_generation_gets_socket_k);
	RUN(an_address_gets_a_socket_for_each_worker_and_all_accept);
	RUN(a_second_server_on_the_same_port_is_refused);
	RUN(a_socket_file_nobody_listens_on_is_replaced_and_a_living_one_is_not);
	RUN(a_passed_socket_is_shared_by_all_workers);
	return tap_done();
}
