/* TLS on both sides: the client of this project speaks to its server, through
 * a relay that splits the records, and openssl's own tool comes back. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

#include "http/tls.h"
#include "tests/unit/http/certs.h"
#include "tests/unit/http/upstream.h"

static struct tls_tickets tickets;
static struct tls_server *tls_server;
static struct tls_client *tls_client;
static char ca_path[64];

static void
write_file(char path[64], const char *text)
{
	int fd;

	(void)snprintf(path, 64, "/tmp/tollgate-tls-XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

/* The laboratory's server speaks TLS; calls go to it. */
static void
tls_open(const char *authority)
{
	char why[TLS_WHY];
	struct sockaddr_in in = {.sin_family = AF_INET};

	lab_open();
	memset(&note, 0, sizeof(note));
	http_server_destroy(lab.server);
	(void)close(lab.listening);
	tls_tickets_rotate(&tickets);
	tls_server = tls_server_new(str_of(leaf_pem), str_of(leaf_key),
				    &tickets, why);
	must(tls_server);
	lab_listen(tls_server);
	write_file(ca_path, authority);
	tls_client = tls_client_new(ca_path, why);
	must(tls_client);
	memset(&up_target, 0, sizeof(up_target));
	in.sin_port = htons(lab.port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(&up_target.addr, &in, sizeof(in));
	up_target.addr_len = sizeof(in);
	up_target.host = STR("gateway.test");
	up_target.tls = tls_client;
	up_target.fd = -1;
}

static void
tls_close(void)
{
	(void)unlink(ca_path);
	lab_close();
	tls_client_free(tls_client);
	tls_server_free(tls_server);
}

static struct call *
echo(const char *head, const char *body, size_t n)
{
	up_iov[0] = (struct iovec){(void *)(uintptr_t)head, strlen(head)};
	up_iov[1] = (struct iovec){(void *)(uintptr_t)body, n};
	return client_call(lab.client, &up_target, up_iov, 2, &up_timeouts,
			   &up_ops, &note);
}

#define ECHO2 "POST /echo HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n\r\n"

TEST(requests_pass_and_the_connection_is_kept)
{
	tls_open(ca_pem);
	for (int i = 1; i < 4; i++) {
		note.call = echo(ECHO2, "hi", 2);
		CHECK(note.call && call_reused(note.call) == (i > 1));
		LAB_UNTIL(note.ended + note.failed == i);
		CHECK_INT(note.ended, i);
		LAB_UNTIL(http_client_idle(lab.client) == 1);
	}
	CHECK_STR(note.data, "hihihi");
	tls_close();
}

static char large[200000];

TEST(large_bodies_pass_both_ways)
{
	char head[128];

	tls_open(ca_pem);
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)('a' + i % 21);
	(void)snprintf(head, sizeof(head),
		       "POST /echo HTTP/1.1\r\nhost: g\r\ncontent-length: "
		       "%zu\r\n\r\n",
		       sizeof(large));
	note.call = echo(head, large, sizeof(large));
	LAB_UNTIL(note.ended + note.failed == 1);
	CHECK_INT(note.ended, 1);
	CHECK_INT(note.n, sizeof(large));
	CHECK(memcmp(note.data, large, sizeof(large)) == 0);
	tls_close();
}

/* The reader sleeps, then reads all: a record is offered again and again. */
TEST(a_slow_reader_gets_every_byte)
{
	tls_open(ca_pem);
	note.pause_at_head = true;
	note.cycle = large;
	note.cycle_n = 1999;
	note.call = echo("GET /wait HTTP/1.1\r\nhost: g\r\n\r\n", "", 0);
	LAB_UNTIL(lab.x != NULL);
	exchange_stream_begin(lab.x, 200, STR(""));
	for (int i = 0; i < 4000; i++) {
		struct iovec piece[2] = {{large, 1000}, {large + 1000, 999}};

		exchange_stream_send(lab.x, piece, 2, (uint64_t)i + 1);
		if (i % 16 == 0)
			lab_turn();
	}
	CHECK(exchange_queued(lab.x) > 0);
	CHECK(exchange_mark(lab.x) > 0 && exchange_mark(lab.x) < 4000);
	for (int i = 0; i < 10; i++)
		lab_turn();
	CHECK(note.n == 0);
	call_resume(note.call);
	LAB_UNTIL(exchange_queued(lab.x) == 0);
	CHECK_INT(exchange_mark(lab.x), 4000);
	exchange_stream_end(lab.x);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(note.n, 4000 * 1999);
	tls_close();
}

/* A relay between client and server passes `step` bytes a turn. */
static int
relay_accept(int listening, int *to)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(lab.port)};
	int from = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	const int on = 1;

	if (from < 0)
		return -1;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*to = socket(AF_INET, SOCK_STREAM, 0);
	must(*to >= 0 && connect(*to, (struct sockaddr *)&in, sizeof(in)) == 0);
	(void)setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(*to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return from;
}

static void
relay_pass(int from, int to, size_t step)
{
	char bytes[65536];
	ssize_t n = recv(from, bytes, step, MSG_DONTWAIT);

	if (n > 0)
		must(send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n);
}

TEST(records_may_be_split_anywhere)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 64, 1000, 20000};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct sockaddr_in in = {.sin_family = AF_INET};
		socklen_t n = sizeof(in);
		int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		int from = -1, to = -1;

		tls_open(ca_pem);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		must(bind(listening, (struct sockaddr *)&in, n) == 0);
		must(listen(listening, 8) == 0);
		must(getsockname(listening, (struct sockaddr *)&in, &n) == 0);
		memcpy(&up_target.addr, &in, sizeof(in));
		for (int round = 1; round < 3; round++) {
			note.call = echo(ECHO2, "hi", 2);
			if (round == 1)
				LAB_UNTIL((from = relay_accept(listening,
							       &to)) >= 0);
			LAB_UNTIL((relay_pass(from, to, steps[i]),
				   relay_pass(to, from, steps[i]),
				   note.ended == round));
		}
		CHECK_STR(note.data, "hihi");
		(void)close(from);
		(void)close(to);
		(void)close(listening);
		tls_close();
	}
}

TEST(a_certificate_must_be_trusted_and_of_the_right_name)
{
	static const char *const hosts[] = {"gateway.test", "127.0.0.1",
					    "other.test", "127.0.0.2"};

	for (int i = 0; i < 4; i++) {
		tls_open(ca_pem);
		up_target.host = str_of(hosts[i]);
		note.call = echo(ECHO2, "hi", 2);
		LAB_UNTIL(note.ended + note.failed == 1);
		CHECK_INT(note.ended, i < 2);
		CHECK(i < 2 || note.fault == CALL_TLS);
		tls_close();
	}
	tls_open(stranger_pem);
	note.call = echo(ECHO2, "hi", 2);
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_TLS);
	tls_close();
}

TEST(plain_bytes_on_a_tls_port_and_the_reverse_fail_cleanly)
{
	struct peer_end p;

	tls_open(ca_pem);
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 99);
	PEER_UNTIL(&p, p.ended || p.reset);
	LAB_UNTIL(http_server_connections(lab.server) == 0);
	CHECK_STR(lab.log, "");
	peer_close(&p);
	tls_close();

	up_open();
	up_target.tls = tls_client = tls_client_new(NULL, lab.log);
	must(tls_client);
	note.call = up_call();
	LAB_UNTIL((p.fd = accept(up_listening, NULL, NULL)) >= 0);
	p = peer_of(p.fd);
	PEER_UNTIL(&p, p.n > 0);
	peer_send(&p, STR("HTTP/1.1 400 Bad Request\r\n\r\n"), 99);
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_TLS);
	peer_close(&p);
	up_close();
	tls_client_free(tls_client);
}

TEST(a_silent_handshake_times_out)
{
	struct peer_end p;

	tls_open(ca_pem);
	p = peer_connect(lab.port);
	LAB_UNTIL(http_server_connections(lab.server) == 1);
	lab_skip(11000);
	CHECK_INT(http_server_connections(lab.server), 0);
	peer_close(&p);
	tls_close();

	up_open();
	up_target.tls = tls_client = tls_client_new(NULL, lab.log);
	note.call = up_call();
	for (int i = 0; i < 5; i++)
		lab_turn();
	lab_skip(1100);
	CHECK_INT(note.failed, 1);
	CHECK_INT(note.fault, CALL_CONNECT_TIMEOUT);
	up_close();
	tls_client_free(tls_client);
}

TEST(what_does_not_fit_together_is_refused_with_a_reason)
{
	char why[TLS_WHY] = "";

	CHECK(!tls_server_new(str_of(leaf_pem), str_of(other_key), &tickets,
			      why));
	CHECK(why[0] != '\0');
	why[0] = '\0';
	CHECK(!tls_server_new(STR("nonsense"), str_of(leaf_key), &tickets,
			      why));
	CHECK(strstr(why, "certificate") != NULL);
	CHECK(!tls_server_new(str_of(leaf_pem), STR(""), &tickets, why));
	CHECK(strstr(why, "private key") != NULL);
	CHECK(!tls_client_new("/nonexistent/ca.pem", why));
	CHECK(strstr(why, "trusted") != NULL);
}

/* One visit of openssl's tool; true if its session was resumed. */
static bool
visit(const char *version, const char *session, const char *file)
{
	char command[512];
	int status = 0;
	pid_t pid;

	(void)snprintf(
		command, sizeof(command),
		"exec 2>/dev/null; (printf 'GET /now HTTP/1.1\\r\\n"
		"Host: a\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.5) |"
		" timeout 20 openssl s_client -ign_eof %s "
		"-connect 127.0.0.1:%u -sess_%s %s >%s.out; "
		"grep -q '^Reused' %s.out",
		version, lab.port, session, file, file, file);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		lab_turn();
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Another worker: the same keys, another context. */
static void
other_worker(void)
{
	char why[TLS_WHY];

	http_server_destroy(lab.server);
	(void)close(lab.listening);
	tls_server_free(tls_server);
	tls_server = tls_server_new(str_of(leaf_pem), str_of(leaf_key),
				    &tickets, why);
	must(tls_server);
	lab_listen(tls_server);
}

TEST(a_session_is_resumed_at_another_worker_until_its_key_is_gone)
{
	static const char *const versions[] = {"-tls1_2", "-tls1_3"};
	char file[64], out[80];

	if (system("openssl version >/dev/null 2>&1") != 0)
		SKIP("no openssl tool");
	for (int i = 0; i < 2; i++) {
		tls_open(ca_pem);
		write_file(file, "");
		CHECK(!visit(versions[i], "out", file));
		other_worker();
		tls_tickets_rotate(&tickets);
		CHECK(visit(versions[i], "in", file));
		for (int j = 0; j < TLS_TICKET_KEYS; j++)
			tls_tickets_rotate(&tickets);
		CHECK(!visit(versions[i], "in", file));
		(void)snprintf(out, sizeof(out), "%s.out", file);
		(void)unlink(file);
		(void)unlink(out);
		tls_close();
	}
}

/* Host, and what the probe says; the lab's server turns meanwhile. */
static enum tls_probed
probe(const char *host, char why[TLS_WHY])
{
	const void *addr = &up_target.addr;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	enum tls_probed s;
	struct tls_probe *p;

	must(connect(fd, addr, up_target.addr_len) == 0);
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	p = tls_probe_new(tls_client, fd, str_of(host));
	must(p);
	while ((s = tls_probe_step(p, why)) < TLS_PROBE_WELL)
		lab_turn();
	tls_probe_free(p);
	(void)close(fd);
	return s;
}

TEST(a_probe_verifies_chain_and_name)
{
	char why[TLS_WHY] = "";

	tls_open(ca_pem);
	CHECK_INT(probe("gateway.test", why), TLS_PROBE_WELL);
	CHECK_INT(probe("127.0.0.1", why), TLS_PROBE_WELL);
	CHECK_STR(why, "");
	CHECK_INT(probe("other.test", why), TLS_PROBE_FAILED);
	CHECK_STR(why, "the certificate: hostname mismatch");
	CHECK(!tls_probe_new(tls_client, 0, STR_NONE));
	tls_close();
	tls_open(stranger_pem);
	CHECK_INT(probe("gateway.test", why), TLS_PROBE_FAILED);
	CHECK(strstr(why, "the certificate: "));
	tls_close();
}

TEST(a_probe_of_what_is_not_tls_fails)
{
	char why[TLS_WHY] = "";
	int pair[2];
	struct tls_probe *p;

	tls_open(ca_pem);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	p = tls_probe_new(tls_client, pair[0], STR("gateway.test"));
	CHECK_INT(tls_probe_step(p, why), TLS_PROBE_READS);
	must(write(pair[1], "HTTP/1.1 400 No\r\n\r\n", 19) == 19);
	CHECK_INT(tls_probe_step(p, why), TLS_PROBE_FAILED);
	CHECK(str_starts(str_of(why), STR("the TLS handshake failed")));
	tls_probe_free(p);
	(void)close(pair[0]);
	(void)close(pair[1]);
	tls_close();
}

int
main(void)
{
	RUN(requests_pass_and_the_connection_is_kept);
	RUN(large_bodies_pass_both_ways);
	RUN(a_slow_reader_gets_every_byte);
	RUN(records_may_be_split_anywhere);
	RUN(a_certificate_must_be_trusted_and_of_the_right_name);
	RUN(plain_bytes_on_a_tls_port_and_the_reverse_fail_cleanly);
	RUN(a_silent_handshake_times_out);
	RUN(what_does_not_fit_together_is_refused_with_a_reason);
	RUN(a_session_is_resumed_at_another_worker_until_its_key_is_gone);
	RUN(a_probe_verifies_chain_and_name);
	RUN(a_probe_of_what_is_not_tls_fails);
	return tap_done();
}
