/* Answers: streams, what counts as delivered, back-pressure, cuts. */
#include "http/exchange.h"
#include "tests/unit/http/lab.h"

#define GET "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"

static char filler[100000];

/* A client that waits for the answer of lab.x. */
static struct peer_end
ask(struct str text)
{
	struct peer_end p;

	lab_open();
	memset(filler, 'f', sizeof(filler));
	p = peer_connect(lab.port);
	peer_send(&p, text, 1000);
	LAB_UNTIL(lab.x != NULL);
	return p;
}

static void
send_text(const char *text, uint64_t mark)
{
	struct iovec piece = {(void *)(uintptr_t)text, strlen(text)};

	exchange_stream_send(lab.x, &piece, 1, mark);
}

/* Content without its chunk framing. */
static size_t
unchunk(struct peer_end *p, bool *whole)
{
	char *at = strstr(p->in, "\r\n\r\n");
	size_t total = 0;

	*whole = false;
	at = at ? at + 4 : p->in + p->n;
	while (at < p->in + p->n) {
		char *end;
		unsigned long n = strtoul(at, &end, 16);

		if (strncmp(end, "\r\n", 2) != 0)
			break;
		if (n == 0) {
			*whole = strcmp(end, "\r\n\r\n") == 0;
			break;
		}
		total += n;
		at = end + 2 + n + 2;
	}
	return total;
}

TEST(a_stream_is_sent_piece_by_piece)
{
	struct peer_end p = ask(STR(GET));
	struct iovec two[2] = {{(void *)(uintptr_t) "two", 3},
			       {(void *)(uintptr_t) "pieces", 6}};

	exchange_stream_begin(lab.x, 200, STR("content-type: a/b\r\n"));
	CHECK_INT(exchange_mark(lab.x), 0);
	for (int i = 0; i < 5; i++)
		lab_turn();
	peer_read(&p);
	CHECK_INT(p.n, 0); /* the head waits for the first piece */
	send_text("one", 1);
	CHECK_INT(exchange_mark(lab.x), 1);
	CHECK_INT(exchange_queued(lab.x), 0);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\n3\r\none\r\n"));
	CHECK(peer_has(&p, "transfer-encoding: chunked\r\n"));
	CHECK(peer_has(&p, "content-type: a/b\r\n"));
	CHECK(!peer_has(&p, "content-length"));
	exchange_stream_send(lab.x, two, 2, 9);
	CHECK_INT(exchange_mark(lab.x), 9);
	PEER_UNTIL(&p, peer_has(&p, "9\r\ntwopieces\r\n"));
	CHECK_INT(lab.ends, 0);
	exchange_stream_end(lab.x);
	CHECK_INT(lab.ends, 0); /* never from inside a call */
	PEER_UNTIL(&p, lab.ends == 1 && peer_has(&p, "\r\n0\r\n\r\n"));
	CHECK_INT(lab.why, E_OK);
	CHECK_INT(http_server_connections(lab.server), 1);
	peer_close(&p);
	lab_close();
}

TEST(an_empty_piece_sends_the_head)
{
	struct peer_end p = ask(STR(GET));

	exchange_stream_begin(lab.x, 200, STR(""));
	exchange_stream_send(lab.x, NULL, 0, 0);
	PEER_UNTIL(&p, peer_has(&p, "chunked\r\n\r\n"));
	exchange_stream_send(lab.x, NULL, 0, 4);
	CHECK_INT(exchange_mark(lab.x), 4);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\n0\r\n\r\n"));
	peer_close(&p);
	lab_close();
}

TEST(a_stream_without_a_piece_is_head_and_end)
{
	struct peer_end p = ask(STR(GET));

	exchange_stream_begin(lab.x, 200, STR(""));
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, lab.ends == 1 && peer_has(&p, "\r\n\r\n0\r\n\r\n"));
	peer_close(&p);
	lab_close();
}

TEST(http_1_0_gets_a_stream_that_ends_with_the_connection)
{
	struct peer_end p = ask(STR("GET /wait HTTP/1.0\r\nConnection: "
				    "keep-alive\r\n\r\n"));

	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("one", 1);
	send_text("two", 2);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "\r\n\r\nonetwo"));
	CHECK(peer_has(&p, "connection: close\r\n"));
	CHECK(!peer_has(&p, "chunked"));
	peer_close(&p);
	lab_close();
}

TEST(head_gets_the_head_of_a_stream)
{
	struct peer_end p = ask(STR("HEAD /wait HTTP/1.1\r\nHost: a\r\n\r\n"));

	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("one", 3);
	CHECK_INT(exchange_mark(lab.x), 3);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, lab.ends == 1 && peer_has(&p, "\r\n\r\n"));
	CHECK(strcmp(strstr(p.in, "\r\n\r\n"), "\r\n\r\n") == 0);
	peer_close(&p);
	lab_close();
}

/* Pieces of 1,000 bytes until the socket is full; the marks tell exactly how
 * many of them the socket has touched. */
TEST(marks_say_what_the_socket_has_taken)
{
	struct peer_end p = ask(STR(GET));
	uint64_t sent = 0;
	uint64_t mark;
	bool whole;

	exchange_stream_begin(lab.x, 200, STR(""));
	while (exchange_queued(lab.x) < 40000 && sent < 100000) {
		struct iovec piece = {filler, 1000};

		exchange_stream_send(lab.x, &piece, 1, ++sent);
		if (exchange_queued(lab.x) == 0)
			CHECK_INT(exchange_mark(lab.x), sent);
	}
	mark = exchange_mark(lab.x);
	/* 1,007 bytes a chunk, of which the last 1,002 begin with content */
	CHECK_INT(mark, sent - (exchange_queued(lab.x) + 5) / 1007);
	for (int i = 0; i < 10; i++)
		lab_turn();
	CHECK_INT(exchange_mark(lab.x), mark);
	while (exchange_queued(lab.x) > 0) {
		size_t before = p.n;

		peer_read(&p);
		lab_turn();
		CHECK(exchange_mark(lab.x) >= mark);
		mark = exchange_mark(lab.x);
		must(before < 400 * 1000 * 1000);
	}
	CHECK_INT(exchange_mark(lab.x), sent);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p,
		   lab.ends == 1 && p.n > 0 && (unchunk(&p, &whole), whole));
	CHECK_INT(unchunk(&p, &whole), sent * 1000);
	CHECK_INT(lab_used(), 0);
	peer_close(&p);
	lab_close();
}

/* More tiny pieces than marks can be kept: they grow, late but never early. */
TEST(many_tiny_pieces_keep_their_marks_in_bounds)
{
	struct peer_end p = ask(STR(GET));
	uint64_t sent = 0;
	bool whole;

	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("x", ++sent);
	while (exchange_queued(lab.x) == 0) {
		struct iovec piece = {filler, sizeof(filler)};

		exchange_stream_send(lab.x, &piece, 1, ++sent);
	}
	for (int i = 0; i < 5000; i++)
		send_text("x", ++sent);
	CHECK_INT(exchange_mark(lab.x), sent - 5000);
	PEER_UNTIL(&p, exchange_queued(lab.x) == 0);
	CHECK_INT(exchange_mark(lab.x), sent);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, lab.ends == 1 && (unchunk(&p, &whole), whole));
	CHECK_INT(lab_used(), 0);
	peer_close(&p);
	lab_close();
}

TEST(the_mark_of_a_reply_counts_from_its_first_content_byte)
{
	struct peer_end p = ask(STR(GET));

	exchange_reply(lab.x, 200, STR(""), STR("body"), 42);
	CHECK_INT(exchange_mark(lab.x), 42);
	PEER_UNTIL(&p, lab.ends == 1);
	peer_close(&p);
	lab_close();

	p = ask(STR(GET));
	exchange_reply(lab.x, 204, STR(""), STR_NONE, 43);
	CHECK_INT(exchange_mark(lab.x), 43);
	PEER_UNTIL(&p, lab.ends == 1 && p.n > 0);
	CHECK(!peer_has(&p, "content-length"));
	CHECK_INT(http_server_connections(lab.server), 1);
	peer_close(&p);
	lab_close();
}

TEST(a_client_that_does_not_read_is_given_up)
{
	struct peer_end p = ask(STR(GET));

	exchange_stream_begin(lab.x, 200, STR(""));
	while (exchange_queued(lab.x) < 8000000) {
		struct iovec piece = {filler, sizeof(filler)};

		exchange_stream_send(lab.x, &piece, 1, 1);
	}
	lab_skip(29000);
	CHECK_INT(lab.ends, 0);
	lab_skip(1100);
	CHECK_INT(lab.ends, 1);
	CHECK_INT(lab.why, E_CLIENT_SLOW);
	CHECK_INT(http_server_connections(lab.server), 0);
	CHECK_INT(lab_used(), 0);
	peer_close(&p);
	lab_close();
}

TEST(a_slow_client_still_gets_its_large_reply)
{
	static char body[8000000];
	struct peer_end p = ask(STR(GET));
	char part[1000];
	size_t n = 0;
	ssize_t got = 1;

	exchange_reply(lab.x, 200, STR(""), str_make(body, sizeof(body)), 5);
	CHECK(exchange_queued(lab.x) > 0);
	CHECK_INT(exchange_mark(lab.x), 5);
	CHECK_INT(lab.ends, 0);
	while (n < sizeof(body) && got != 0) {
		got = recv(p.fd, part, sizeof(part), MSG_DONTWAIT);
		if (got > 0)
			n += (size_t)got;
		else
			lab_turn();
	}
	LAB_UNTIL(lab.ends == 1);
	CHECK_INT(lab.why, E_OK);
	peer_close(&p);
	lab_close();
}

TEST(the_pool_cap_ends_a_stream_that_nobody_pauses)
{
	struct peer_end p = ask(STR(GET));

	exchange_stream_begin(lab.x, 200, STR(""));
	for (int i = 0; i < 2000 && lab.x; i++) {
		struct iovec piece = {filler, sizeof(filler)};

		exchange_stream_send(lab.x, &piece, 1, 1);
		if (i % 100 == 0)
			lab_turn();
	}
	LAB_UNTIL(lab.ends == 1);
	CHECK_INT(lab.why, E_OVERLOAD);
	CHECK_INT(lab_used(), 0);
	peer_close(&p);
	lab_close();
}

TEST(a_client_that_leaves_in_a_stream_is_gone_at_once)
{
	struct peer_end p = ask(STR(GET));

	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("one", 1);
	(void)close(p.fd);
	p.fd = -1;
	LAB_UNTIL(lab.ends == 1);
	CHECK_INT(lab.why, E_CLIENT_GONE);
	peer_close(&p);
	lab_close();
}

/* The socket breaks inside of a call: later calls are swallowed. */
TEST(calls_after_a_failure_do_nothing_until_on_end)
{
	const struct linger hard = {1, 0};
	struct peer_end p = ask(STR(GET));

	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("one", 1);
	(void)setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)close(p.fd);
	p.fd = -1;
	for (int i = 0; i < 20; i++)
		send_text("more", 2);
	exchange_stream_end(lab.x);
	exchange_abort(lab.x);
	CHECK_INT(lab.ends, 0);
	LAB_UNTIL(lab.ends == 1);
	CHECK_INT(lab.why, E_CLIENT_GONE);
	peer_close(&p);
	lab_close();
}

TEST(an_aborted_stream_does_not_look_complete)
{
	struct peer_end p = ask(STR(GET));
	bool whole;

	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("one", 1);
	exchange_abort(lab.x);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK_INT(unchunk(&p, &whole), 3);
	CHECK(!whole);
	CHECK_INT(lab.ends, 1);
	CHECK_INT(lab.why, E_UP_CUT);
	peer_close(&p);
	lab_close();

	p = ask(STR("GET /wait HTTP/1.0\r\n\r\n"));
	exchange_stream_begin(lab.x, 200, STR(""));
	send_text("one", 1);
	exchange_abort(lab.x);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK(p.reset);
	peer_close(&p);
	lab_close();
}

TEST(an_exchange_may_be_aborted_in_its_first_callback)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR("GET /abort HTTP/1.1\r\nHost: a\r\n\r\n"), 1000);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK_STR(lab.log, "GET:/abort end:E_UP_CUT ");
	CHECK_INT(http_server_connections(lab.server), 0);
	peer_close(&p);
	lab_close();
}

TEST(fields_of_any_length_are_sent)
{
	struct peer_end p = ask(STR(GET));
	struct buf fields = BUF_INIT;

	for (int i = 0; i < 3000; i++)
		buf_printf(&fields, "x-%d: %d\r\n", i, i);
	exchange_stream_begin(lab.x, 200, buf_str(&fields));
	send_text("one", 1);
	exchange_stream_end(lab.x);
	PEER_UNTIL(&p, peer_has(&p, "\r\n0\r\n\r\n"));
	CHECK(peer_has(&p, "x-2999: 2999\r\n\r\n3\r\none"));
	buf_free(&fields);
	peer_close(&p);
	lab_close();
}

int
main(void)
{
	RUN(a_stream_is_sent_piece_by_piece);
	RUN(an_empty_piece_sends_the_head);
	RUN(a_stream_without_a_piece_is_head_and_end);
	RUN(http_1_0_gets_a_stream_that_ends_with_the_connection);
	RUN(head_gets_the_head_of_a_stream);
	RUN(marks_say_what_the_socket_has_taken);
	RUN(many_tiny_pieces_keep_their_marks_in_bounds);
	RUN(the_mark_of_a_reply_counts_from_its_first_content_byte);
	RUN(a_client_that_does_not_read_is_given_up);
	RUN(a_slow_client_still_gets_its_large_reply);
	RUN(the_pool_cap_ends_a_stream_that_nobody_pauses);
	RUN(a_client_that_leaves_in_a_stream_is_gone_at_once);
	RUN(calls_after_a_failure_do_nothing_until_on_end);
	RUN(an_aborted_stream_does_not_look_complete);
	RUN(an_exchange_may_be_aborted_in_its_first_callback);
	RUN(fields_of_any_length_are_sent);
	return tap_done();
}
