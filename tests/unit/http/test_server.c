/* Clients' connections: accept, keep-alive, pipelining, limits, drain. */
#include <sys/resource.h>

#include "http/exchange.h"
#include "http/server.h"
#include "tests/unit/http/lab.h"

#define HOST "Host: a\r\n"

TEST(a_connection_serves_many_requests)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	for (int i = 0; i < 3; i++) {
		p.n = 0;
		peer_send(&p, STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
		PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nnow"));
		CHECK(peer_has(&p, "HTTP/1.1 200 OK\r\ndate: "));
		CHECK(peer_has(&p, "content-length: 3\r\n"));
		CHECK(peer_has(&p, "x-a: b\r\n\r\n"));
		CHECK(!peer_has(&p, "connection:"));
	}
	CHECK_STR(lab.log, "GET:/now end:E_OK GET:/now end:E_OK GET:/now "
			   "end:E_OK ");
	CHECK_INT(http_server_connections(lab.server), 1);
	(void)close(p.fd);
	p.fd = -1;
	LAB_UNTIL(http_server_connections(lab.server) == 0);
	peer_close(&p);
	lab_close();
}

TEST(a_request_may_come_at_any_split)
{
	const struct str text = STR("POST /echo HTTP/1.1\r\n" HOST
				    "Content-Length: 5\r\n\r\nhello"
				    "POST /echo HTTP/1.1\r\n" HOST
				    "Transfer-Encoding: chunked\r\n\r\n"
				    "3\r\nwor\r\n2\r\nld\r\n0\r\n\r\n");

	for (size_t step = 1; step <= text.n; step++) {
		struct peer_end p;

		lab_open();
		p = peer_connect(lab.port);
		peer_send(&p, text, step);
		PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhello") &&
				       peer_has(&p, "\r\n\r\nworld"));
		CHECK_STR(lab.log, "POST:/echo body:5 end:E_OK POST:/echo "
				   "body:5 end:E_OK ");
		peer_close(&p);
		lab_close();
	}
}

TEST(a_large_body_arrives_whole)
{
	struct buf text = BUF_INIT;
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	buf_add_cstr(&text, "POST /echo HTTP/1.1\r\n" HOST
			    "Content-Length: 1000000\r\n\r\n");
	for (int i = 0; i < 1000000; i++)
		buf_add_char(&text, (char)('a' + i % 23));
	buf_add_cstr(&text, "GET /now HTTP/1.1\r\n" HOST "\r\n");
	peer_send(&p, buf_str(&text), 100000);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nnow"));
	CHECK(memmem(p.in, p.n, text.p + 57, 1000000) != NULL);
	buf_free(&text);
	peer_close(&p);
	lab_close();
}

TEST(pipelined_requests_are_answered_in_order)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p,
		  STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"
		      "GET /now HTTP/1.1\r\n" HOST "\r\n"
		      "POST /echo HTTP/1.1\r\n" HOST
		      "Content-Length: 2\r\n\r\nhi"
		      "GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
		  1000);
	LAB_UNTIL(lab.x != NULL);
	for (int i = 0; i < 10; i++)
		lab_turn();
	CHECK_STR(lab.log, "GET:/wait ");
	exchange_reply(lab.x, 201, STR(""), STR("waited"), 0);
	PEER_UNTIL(&p, p.ended);
	CHECK(strstr(p.in, "waited") < strstr(p.in, "now"));
	CHECK(strstr(p.in, "now") < strstr(p.in, "\r\n\r\nhi"));
	CHECK(peer_has(&p, "connection: close\r\n"));
	CHECK_STR(lab.log,
		  "GET:/wait end:E_OK GET:/now end:E_OK POST:/echo body:2 "
		  "end:E_OK GET:/now end:E_OK ");
	peer_close(&p);
	lab_close();
}

/* While one request waits, a flood of further ones stays in the kernel. */
TEST(a_pipeliner_cannot_fill_the_memory)
{
	static const char one[] = "GET /now HTTP/1.1\r\n" HOST "\r\n";
	struct peer_end p;
	ssize_t n = 1;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 1000);
	LAB_UNTIL(lab.x != NULL);
	for (int i = 0; i < 200000 && n > 0; i++) {
		n = send(p.fd, one, sizeof(one) - 1, MSG_DONTWAIT);
		if (i % 100 == 0)
			lab_turn();
	}
	CHECK(n < 0 && errno == EAGAIN);
	CHECK(lab_used() <= 4 * POOL_BLOCK);
	CHECK_STR(lab.log, "GET:/wait ");
	peer_close(&p);
	lab_close();
}

TEST(a_client_that_leaves_is_noticed_while_its_exchange_waits)
{
	for (int how = 0; how < 3; how++) {
		const struct linger hard = {1, 0};
		struct peer_end p;

		lab_open();
		p = peer_connect(lab.port);
		peer_send(&p, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 1000);
		LAB_UNTIL(lab.x != NULL);
		if (how == 0)
			(void)shutdown(p.fd, SHUT_WR);
		if (how == 1)
			(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard,
					 sizeof(hard));
		if (how > 0) {
			(void)close(p.fd);
			p.fd = -1;
		}
		LAB_UNTIL(lab.ends == 1);
		CHECK_INT(lab.why, E_CLIENT_GONE);
		CHECK_INT(http_server_connections(lab.server), 0);
		peer_close(&p);
		lab_close();
	}
}

TEST(a_request_with_its_end_or_reset_is_not_missed)
{
	for (int how = 0; how < 2; how++) {
		const struct linger hard = {1, 0};
		const struct str text =
			STR("GET /wait HTTP/1.1\r\n" HOST "\r\n");
		struct peer_end p;

		lab_open();
		p = peer_connect(lab.port);
		CHECK(send(p.fd, text.p, text.n, 0) == (ssize_t)text.n);
		if (how == 1)
			(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard,
					 sizeof(hard));
		(void)close(p.fd);
		p.fd = -1;
		/* A reset may swallow the request or not. */
		LAB_UNTIL(lab.ends == 1 ||
			  (how == 1 && lab.log[0] == '\0' &&
			   http_server_connections(lab.server) == 0));
		peer_close(&p);
		lab_close();
	}
}

TEST(expect_continue_is_answered_when_the_body_is_wanted)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p,
		  STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"
		      "Expect: 100-continue\r\n\r\n"),
		  1000);
	PEER_UNTIL(&p, peer_has(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
	peer_send(&p, STR("hi"), 1000);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhi"));
	p.n = 0;
	/* refused at the head: no 100, the answer, the end */
	peer_send(&p,
		  STR("POST /now HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"
		      "Expect: 100-continue\r\n\r\n"),
		  1000);
	PEER_UNTIL(&p, p.ended);
	CHECK(!peer_has(&p, "100 Continue"));
	CHECK(peer_has(&p, "200 OK"));
	CHECK(peer_has(&p, "connection: close\r\n"));
	peer_close(&p);
	lab_close();
}

TEST(a_refusal_before_the_body_reaches_the_client)
{
	struct buf text = BUF_INIT;
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	buf_add_cstr(&text, "POST /now HTTP/1.1\r\n" HOST
			    "Content-Length: 40000\r\n\r\n");
	for (int i = 0; i < 40000; i++)
		buf_add_char(&text, 'x');
	peer_send(&p, buf_str(&text), 10000);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK(p.ended && !p.reset);
	CHECK(peer_has(&p, "\r\n\r\nnow"));
	(void)close(p.fd);
	p.fd = -1;
	LAB_UNTIL(http_server_connections(lab.server) == 0);
	buf_free(&text);
	peer_close(&p);
	lab_close();
}

TEST(lingering_is_bounded_in_time)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(
		&p,
		STR("POST /now HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\n"),
		1000);
	PEER_UNTIL(&p, p.ended);
	CHECK_INT(http_server_connections(lab.server), 1);
	lab_skip(1100);
	CHECK_INT(http_server_connections(lab.server), 0);
	peer_close(&p);
	lab_close();
}

TEST(a_body_over_the_limit_is_413)
{
	static const char *const heads[] = {
		"Content-Length: 1048577\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n100001\r\n"};

	for (int i = 0; i < 2; i++) {
		struct buf text = BUF_INIT;
		struct peer_end p;

		lab_open();
		p = peer_connect(lab.port);
		buf_printf(&text, "POST /echo HTTP/1.1\r\n" HOST "%s",
			   heads[i]);
		for (int j = 0; i == 1 && j < 0x100001; j++)
			buf_add_char(&text, 'x');
		peer_send(&p, buf_str(&text), 100000);
		PEER_UNTIL(&p, p.ended || p.reset);
		CHECK(peer_has(&p, "HTTP/1.1 413 Content Too Large\r\n"));
		CHECK(peer_has(&p, "E_TOO_LARGE: 1048576\n"));
		CHECK_STR(lab.log, "POST:/echo end:E_TOO_LARGE ");
		buf_free(&text);
		peer_close(&p);
		lab_close();
	}
}

TEST(head_answers_have_no_body)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p,
		  STR("HEAD /now HTTP/1.1\r\n" HOST "\r\n"
		      "OPTIONS /now HTTP/1.1\r\n" HOST
		      "Connection: close\r\n\r\n"),
		  1000);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "content-length: 3\r\nx-a: b\r\n\r\nHTTP/1.1"));
	CHECK_STR(lab.log, "HEAD:/now end:E_OK OPTIONS:/now end:E_OK ");
	peer_close(&p);
	lab_close();
}

TEST(http_1_0_closes_unless_asked)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p,
		  STR("GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
		  1000);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nnow"));
	CHECK(peer_has(&p, "connection: keep-alive\r\n"));
	p.n = 0;
	peer_send(&p, STR("GET /now HTTP/1.0\r\n\r\n"), 1000);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "connection: close\r\n"));
	peer_close(&p);
	lab_close();
}

/* What the head, body, idle and write timeouts do. */

TEST(a_slow_head_is_408_and_a_silent_connection_closes)
{
	struct peer_end p, q;

	lab_open();
	p = peer_connect(lab.port);
	q = peer_connect(lab.port);
	peer_send(&p, STR("GET /now HT"), 1000);
	LAB_UNTIL(http_server_connections(lab.server) == 2);
	for (int i = 0; i < 5; i++)
		lab_turn();
	lab_skip(10100);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "HTTP/1.1 408 "));
	PEER_UNTIL(&q, q.ended);
	CHECK_INT(q.n, 0);
	CHECK_STR(lab.log, "");
	peer_close(&p);
	peer_close(&q);
	lab_close();
}

/* The write timeout is that of no byte at all, not of the whole answer. */
TEST(a_slow_reader_is_given_time_as_long_as_it_reads)
{
	struct peer_end p;
	struct str part;
	size_t n = 4 * 1024 * 1024;
	const int small = 65536;
	char *text = malloc(n);

	must(text);
	memset(text, 'x', n);
	lab_open();
	must(setsockopt(lab.listening, SOL_SOCKET, SO_SNDBUF, &small,
			sizeof(small)) == 0);
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 1000);
	LAB_UNTIL(lab.x != NULL);
	(void)setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	part = str_make(text, n);
	exchange_reply(lab.x, 200, STR(""), part, 1);
	for (int i = 0; i < 4; i++) {
		uint64_t due = lab.x->conn.due_ns;
		uint64_t until = clock_mono_ns() + LAB_SPIN_NS;

		CHECK(lab.x->stalls && due > 0);
		while (lab.x->conn.due_ns == due && clock_mono_ns() < until) {
			ssize_t got = recv(p.fd, p.in, 4096, MSG_DONTWAIT);

			p.n += got > 0 ? (size_t)got : 0;
			lab_turn();
		}
		CHECK(lab.x->conn.due_ns > due);
	}
	CHECK(p.n < n && exchange_queued(lab.x) > 0);
	lab_skip(31000);
	LAB_UNTIL(lab.ends == 1);
	CHECK_INT(lab.why, E_CLIENT_SLOW);
	peer_close(&p);
	lab_close();
	free(text);
}

TEST(an_idle_connection_closes_late)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nnow"));
	lab_skip(70000);
	CHECK_INT(http_server_connections(lab.server), 1);
	lab_skip(6000);
	CHECK_INT(http_server_connections(lab.server), 0);
	peer_close(&p);
	lab_close();
}

TEST(a_body_below_the_least_rate_is_408)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p,
		  STR("POST /echo HTTP/1.1\r\n" HOST
		      "Content-Length: 50000\r\n\r\n"),
		  1000);
	for (int i = 0; i < 5; i++)
		lab_turn();
	for (int i = 0; i < 4; i++) {
		static char part[4096];

		memset(part, 'x', sizeof(part));
		peer_send(&p, str_make(part, sizeof(part)), sizeof(part));
		lab_skip(3000); /* above 1 KiB/s: lives on */
	}
	CHECK_STR(lab.log, "POST:/echo ");
	lab_skip(20000);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "HTTP/1.1 408 "));
	CHECK_STR(lab.log, "POST:/echo end:E_CLIENT_SLOW ");
	peer_close(&p);
	lab_close();
}

/* Connections. */

TEST(connections_over_a_limit_are_told_so)
{
	struct peer_end p[6];

	lab_open();
	http_server_destroy(lab.server);
	(void)close(lab.listening);
	lab.limits.connections = 4;
	lab.limits.connections_per_source = 3;
	lab_listen(NULL);
	for (int i = 0; i < 6; i++) {
		p[i] = peer_connect(lab.port);
		LAB_UNTIL(http_server_connections(lab.server) ==
			  (unsigned)i + 1);
	}
	for (int i = 3; i < 6; i++)
		PEER_UNTIL(&p[i], p[i].ended);
	CHECK(peer_has(&p[3], "HTTP/1.1 429 "));
	CHECK(peer_has(&p[4], "HTTP/1.1 503 "));
	CHECK(peer_has(&p[5], "HTTP/1.1 503 "));
	peer_send(&p[0], STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&p[0], peer_has(&p[0], "\r\n\r\nnow"));
	for (int i = 0; i < 6; i++)
		peer_close(&p[i]);
	LAB_UNTIL(http_server_connections(lab.server) == 0);
	p[0] = peer_connect(lab.port);
	peer_send(&p[0], STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&p[0], peer_has(&p[0], "\r\n\r\nnow"));
	peer_close(&p[0]);
	lab_close();
}

/* Out of descriptors: clients are turned away, the loop does not spin, and
 * it goes on once there are some again. */
TEST(without_descriptors_clients_are_turned_away)
{
	struct rlimit was, few;
	struct peer_end p[4];
	int highest;

	lab_open();
	for (int i = 0; i < 4; i++)
		p[i] = peer_connect(lab.port);
	highest = dup(0);
	must(highest >= 0 && getrlimit(RLIMIT_NOFILE, &was) == 0);
	few = was;
	few.rlim_cur = (rlim_t)highest + 2; /* two more */
	(void)close(highest);
	must(setrlimit(RLIMIT_NOFILE, &few) == 0);
	PEER_UNTIL(&p[2], p[2].ended || p[2].reset);
	PEER_UNTIL(&p[3], p[3].ended || p[3].reset);
	CHECK_INT(http_server_connections(lab.server), 2);
	peer_send(&p[0], STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&p[0], peer_has(&p[0], "\r\n\r\nnow"));
	must(setrlimit(RLIMIT_NOFILE, &was) == 0);
	peer_close(&p[3]);
	p[3] = peer_connect(lab.port);
	peer_send(&p[3], STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&p[3], peer_has(&p[3], "\r\n\r\nnow"));
	for (int i = 0; i < 4; i++)
		peer_close(&p[i]);
	lab_close();
}

TEST(a_drained_server_ends_what_it_has_begun)
{
	struct peer_end fresh, kept, busy;

	lab_open();
	fresh = peer_connect(lab.port);
	kept = peer_connect(lab.port);
	peer_send(&kept, STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&kept, peer_has(&kept, "\r\n\r\nnow"));
	busy = peer_connect(lab.port);
	peer_send(&busy, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 1000);
	LAB_UNTIL(lab.x && http_server_connections(lab.server) == 3);
	http_server_drain(lab.server);
	exchange_reply(lab.x, 200, STR(""), STR("late"), 0);
	PEER_UNTIL(&busy, busy.ended);
	CHECK(peer_has(&busy, "connection: close\r\n"));
	CHECK(peer_has(&busy, "late"));
	/* It was accepted, so it may still ask, once. */
	peer_send(&fresh, STR("GET /now HTTP/1.1\r\n" HOST "\r\n"), 1000);
	PEER_UNTIL(&fresh, fresh.ended);
	CHECK(peer_has(&fresh, "connection: close\r\n"));
	CHECK(peer_has(&fresh, "\r\n\r\nnow"));
	/* Idle for a moment. */
	PEER_UNTIL(&kept, kept.ended);
	CHECK_INT(http_server_connections(lab.server), 0);
	peer_close(&fresh);
	peer_close(&kept);
	peer_close(&busy);
	lab_close();
}

TEST(a_stream_that_began_before_the_drain_is_the_last_of_its_connection)
{
	static char text[] = "late";
	struct iovec piece = {text, 4};
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 1000);
	LAB_UNTIL(lab.x != NULL);
	exchange_stream_begin(lab.x, 200, STR(""));
	exchange_stream_send(lab.x, &piece, 1, 0);
	PEER_UNTIL(&p, peer_has(&p, "late"));
	http_server_drain(lab.server);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, p.ended);
	CHECK(!peer_has(&p, "connection: close"));
	CHECK(peer_has(&p, "0\r\n\r\n"));
	CHECK_INT(http_server_connections(lab.server), 0);
	peer_close(&p);
	lab_close();
}

TEST(the_server_may_be_destroyed_in_a_callback)
{
	static const char *const requests[] = {
		"GET /destroy HTTP/1.1\r\n" HOST "\r\n",
		"GET /gone HTTP/1.1\r\n" HOST "\r\n"};

	for (int i = 0; i < 2; i++) {
		struct peer_end p, q;

		lab_open();
		q = peer_connect(lab.port);
		peer_send(&q, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 99);
		LAB_UNTIL(lab.x != NULL);
		p = peer_connect(lab.port);
		peer_send(&p, str_of(requests[i]), 1000);
		LAB_UNTIL(lab.ends == 2);
		CHECK_INT(lab.why, E_DRAINING);
		PEER_UNTIL(&p, p.ended || p.reset);
		PEER_UNTIL(&q, q.ended || q.reset);
		lab.server = NULL;
		peer_close(&p);
		peer_close(&q);
		lab_close();
	}
}

TEST(peers_are_named)
{
	struct peer_end p;
	uint32_t uid;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET /wait HTTP/1.1\r\n" HOST "\r\n"), 1000);
	LAB_UNTIL(lab.x != NULL);
	CHECK(str_eq(exchange_peer(lab.x), STR("127.0.0.1")));
	CHECK_INT(exchange_peer_addr(lab.x)->sa_family, AF_INET);
	CHECK(!exchange_peer_uid(lab.x, &uid));
	CHECK_INT(exchange_bytes_in(lab.x), 31);
	CHECK_INT(exchange_bytes_out(lab.x), 0);
	CHECK(exchange_start_ns(lab.x) <= clock_mono_ns());
	CHECK(exchange_server_user(lab.x) == &lab);
	peer_close(&p);
	lab_close();
}

int
main(void)
{
	RUN(a_connection_serves_many_requests);
	RUN(a_request_may_come_at_any_split);
	RUN(a_large_body_arrives_whole);
	RUN(pipelined_requests_are_answered_in_order);
	RUN(a_pipeliner_cannot_fill_the_memory);
	RUN(a_client_that_leaves_is_noticed_while_its_exchange_waits);
	RUN(a_request_with_its_end_or_reset_is_not_missed);
	RUN(expect_continue_is_answered_when_the_body_is_wanted);
	RUN(a_refusal_before_the_body_reaches_the_client);
	RUN(lingering_is_bounded_in_time);
	RUN(a_body_over_the_limit_is_413);
	RUN(head_answers_have_no_body);
	RUN(http_1_0_closes_unless_asked);
	RUN(a_slow_head_is_408_and_a_silent_connection_closes);
	RUN(a_slow_reader_is_given_time_as_long_as_it_reads);
	RUN(an_idle_connection_closes_late);
	RUN(a_body_below_the_least_rate_is_408);
	RUN(connections_over_a_limit_are_told_so);
	RUN(without_descriptors_clients_are_turned_away);
	RUN(a_drained_server_ends_what_it_has_begun);
	RUN(a_stream_that_began_before_the_drain_is_the_last_of_its_connection);
	RUN(the_server_may_be_destroyed_in_a_callback);
	RUN(peers_are_named);
	return tap_done();
}
