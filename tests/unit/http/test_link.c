/* Answers: framing, splits, pauses, cuts, large requests. */
#include "http/link.h"
#include "tests/unit/http/upstream.h"

struct answer_case {
	struct str text;
	const char *body;
	bool kept; /* the connection may be used again */
	bool close;
};

#define TEXT(t)                     \
	{                           \
		"" t, sizeof(t) - 1 \
	}

static const struct answer_case good[] = {
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "hello",
	 true, false},
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "", true, false},
	{TEXT("HTTP/1.1 204 No\r\n\r\n"), "", true, false},
	{TEXT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
	      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
	 "hi", true, false},
	{TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	      "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n"),
	 "hello", true, false},
	{TEXT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
	      "2\r\n\r\nhi"),
	 "hi", false, false},
	{TEXT("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"), "hi", false,
	 false},
	{TEXT("HTTP/1.1 200 OK\r\n\r\nto the end"), "to the end", false, true},
};

TEST(answers_are_read_at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (size_t step = 1; step <= good[i].text.n; step++) {
			struct peer_end p;

			up_open();
			note.call = up_call();
			p = up_accept();
			peer_send(&p, good[i].text, step);
			if (good[i].close)
				(void)shutdown(p.fd, SHUT_RDWR);
			LAB_UNTIL(note.ended == 1);
			CHECK_INT(note.heads, 1);
			CHECK_STR(note.data, good[i].body);
			CHECK_INT(http_client_idle(lab.client), good[i].kept);
			peer_close(&p);
			up_close();
		}
	}
}

static const struct {
	struct str text;
	enum call_fault fault;
} faults[] = {
	{TEXT(""), CALL_RESET},
	{TEXT("HTTP/1.1 200 OK\r\nContent-"), CALL_RESET},
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), CALL_CUT},
	{TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
	 CALL_CUT},
	{TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	      "chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
	 CALL_CUT},
	{TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	      "chunked\r\n\r\n5\r\nhelloX"),
	 CALL_BAD_ANSWER},
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: "
	      "5\r\n\r\nhello"),
	 CALL_BAD_ANSWER},
	{TEXT("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"), CALL_BAD_ANSWER},
	{TEXT("HTTP/1.1 101 Switching\r\n\r\n"), CALL_BAD_ANSWER},
	{TEXT("HTTP/2.0 200 OK\r\n\r\n"), CALL_BAD_ANSWER},
	{TEXT("\x15\x03\x01\x00\x02\x02\x46"), CALL_BAD_ANSWER},
};

TEST(broken_answers_fail_at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		for (size_t step = 1; step <= faults[i].text.n + 1; step++) {
			up_open();
			up_play(faults[i].text, step, true);
			CHECK_INT(note.failed, 1);
			CHECK_INT(note.fault, faults[i].fault);
			CHECK_INT(http_client_idle(lab.client), 0);
			up_close();
		}
	}
}

TEST(heads_and_interim_answers_without_end_are_refused)
{
	struct buf text = BUF_INIT;

	up_open();
	for (int i = 0; i < 20; i++)
		buf_add_cstr(&text, "HTTP/1.1 100 Continue\r\n\r\n");
	up_play(buf_str(&text), 100, false);
	CHECK_INT(note.fault, CALL_BAD_ANSWER);
	up_close();

	up_open();
	buf_reset(&text);
	buf_add_cstr(&text, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 70000; i++)
		buf_add_char(&text, i % 70 == 0 ? ':' : 'x');
	up_play(buf_str(&text), 10000, false);
	CHECK_INT(note.fault, CALL_BAD_ANSWER);
	up_close();
	buf_free(&text);
}

TEST(a_paused_call_gets_nothing_until_it_resumes)
{
	static const char *const tails[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab"
		"\r\n"};
	static const char *const ends[] = {"cdef", "4\r\ncdef\r\n0\r\n\r\n"};

	for (int i = 0; i < 4; i++) {
		struct peer_end p;

		up_open();
		note.pause_at_head = i < 2;
		note.pause_at_data = i >= 2;
		note.call = up_call();
		p = up_accept();
		peer_send(&p, str_of(tails[i % 2]), 999);
		LAB_UNTIL(note.heads == 1);
		peer_send(&p, str_of(ends[i % 2]), 1);
		lab_skip(3600 * 1000); /* no timeout while it rests */
		CHECK_INT(note.n, i < 2 ? 0 : 2);
		CHECK_INT(note.ended + note.failed, 0);
		note.pause_at_data = false;
		call_resume(note.call);
		LAB_UNTIL(note.ended == 1);
		CHECK_STR(note.data, "abcdef");
		CHECK_INT(http_client_idle(lab.client), 1);
		peer_close(&p);
		up_close();
	}
}

TEST(a_pause_at_the_last_piece_holds_the_end_back)
{
	struct peer_end p;

	up_open();
	note.pause_at_data = true;
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
		  99);
	LAB_UNTIL(note.n == 2);
	for (int i = 0; i < 5; i++)
		lab_turn();
	CHECK_INT(note.ended, 0);
	call_resume(note.call);
	LAB_UNTIL(note.ended == 1);
	peer_close(&p);
	up_close();
}

/* A paused call leaves the flood in the kernel. */
TEST(a_paused_call_holds_little_memory)
{
	static char part[65536];
	struct peer_end p;

	up_open();
	note.pause_at_data = true;
	note.call = up_call();
	p = up_accept();
	peer_send(&p,
		  STR("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nab"),
		  99);
	LAB_UNTIL(note.n == 2);
	for (int i = 0; i < 100; i++) {
		(void)send(p.fd, part, sizeof(part), MSG_DONTWAIT);
		lab_turn();
	}
	CHECK_INT(note.n, 2);
	CHECK_INT(lab_used(), 0);
	call_cancel(note.call);
	peer_close(&p);
	up_close();
}

TEST(a_call_may_be_cancelled_in_any_callback)
{
	for (int i = 0; i < 2; i++) {
		struct peer_end p;

		up_open();
		note.cancel_at_head = i == 0;
		note.cancel_at_data = i == 1;
		note.call = up_call();
		p = up_accept();
		peer_send(&p,
			  STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
			      "ab"),
			  99);
		PEER_UNTIL(&p, p.ended || p.reset);
		CHECK_INT(note.heads, 1);
		CHECK_INT(note.n, i == 0 ? 0 : 2);
		CHECK_INT(note.ended + note.failed, 0);
		CHECK_INT(http_client_idle(lab.client), 0);
		peer_close(&p);
		up_close();
	}
}

#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

TEST(a_released_call_reads_the_end_and_keeps_the_connection)
{
	for (int i = 0; i < 2; i++) {
		struct peer_end p;

		up_open();
		note.release_at_data = true;
		note.pause_at_data = i == 1;
		note.call = up_call();
		p = up_accept();
		peer_send(&p, STR(CHUNKED_HEAD "2\r\nab\r\n"), 99);
		LAB_UNTIL(note.n == 2);
		peer_send(&p, STR("1\r\nc\r\n0\r\n\r\n"), 99);
		LAB_UNTIL(http_client_idle(lab.client) == 1);
		CHECK_INT(note.n, 2);
		CHECK_INT(note.ended + note.failed, 0);
		note.call = up_call();
		CHECK(call_reused(note.call));
		call_release(note.call); /* no answer yet: it is cancelled */
		CHECK_INT(http_client_idle(lab.client), 0);
		peer_close(&p);
		up_close();
	}
}

TEST(a_released_call_does_not_read_for_ever)
{
	for (int i = 0; i < 2; i++) {
		struct peer_end p;

		up_open();
		note.release_at_data = true;
		note.call = up_call();
		p = up_accept();
		peer_send(&p, STR(CHUNKED_HEAD "2\r\nab\r\n"), 99);
		LAB_UNTIL(note.n == 2);
		for (int k = 0; i == 0 && k < 100; k++) {
			(void)send(p.fd, "1\r\nx\r\n", 6,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
			lab_turn();
		}
		PEER_UNTIL(&p, p.ended || p.reset); /* or a second of silence */
		CHECK_INT(note.n, 2);
		CHECK_INT(note.ended + note.failed, 0);
		CHECK_INT(http_client_idle(lab.client), 0);
		peer_close(&p);
		up_close();
	}
}

TEST(the_answer_to_head_has_no_body)
{
	static const char head[] = "HEAD /up HTTP/1.1\r\nhost: u\r\n\r\nhi";
	struct iovec iov = {(void *)(uintptr_t)head, sizeof(head) - 1};
	struct peer_end p;

	up_open();
	note.call = client_call(lab.client, &up_target, &iov, 1, &up_timeouts,
				&up_ops, &note);
	p = up_accept();
	peer_send(&p, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(note.n, 0);
	peer_close(&p);
	up_close();
}

/* Far beyond the socket's buffers, in many pieces, to a slow reader. */
TEST(a_large_request_is_sent_as_the_socket_takes_it)
{
	static char body[3000000];
	static const char head[] = CALL_HEAD "hi";
	struct iovec iov[24];
	struct peer_end p;
	size_t size = sizeof(head) - 1;

	up_open();
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 19);
	iov[0] = (struct iovec){(void *)(uintptr_t)head, size};
	for (size_t i = 1; i < 24; i++)
		iov[i] = (struct iovec){body + i * 100000, i == 7 ? 0 : 100000};
	size += 22 * 100000;
	note.call = client_call(lab.client, &up_target, iov, 24, &up_timeouts,
				&up_ops, &note);
	for (int i = 0; i < 10; i++)
		lab_turn();
	p = up_accept();
	PEER_UNTIL(&p, p.n == size);
	CHECK(memcmp(p.in + sizeof(head) - 1, body + 100000, 600000) == 0);
	CHECK(memcmp(p.in + sizeof(head) - 1 + 600000, body + 800000,
		     1600000) == 0);
	peer_send(&p, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(http_client_idle(lab.client), 1);
	peer_close(&p);
	up_close();
}

/* 413 before the end of the request: heard, and the connection not kept. */
TEST(an_early_answer_is_heard)
{
	static char body[30000000];
	struct iovec iov[2] = {
		{(void *)(uintptr_t)CALL_HEAD "hi", sizeof(CALL_HEAD "hi") - 1},
		{body, sizeof(body)}};
	struct peer_end p;

	up_open();
	note.call = client_call(lab.client, &up_target, iov, 2, &up_timeouts,
				&up_ops, &note);
	LAB_UNTIL((p.fd = accept(up_listening, NULL, NULL)) >= 0);
	p = peer_of(p.fd);
	peer_send(&p, STR("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_STR(note.log, "413 ");
	CHECK_INT(http_client_idle(lab.client), 0);
	peer_close(&p);
	up_close();
}

int
main(void)
{
	RUN(answers_are_read_at_every_split);
	RUN(broken_answers_fail_at_every_split);
	RUN(heads_and_interim_answers_without_end_are_refused);
	RUN(a_paused_call_gets_nothing_until_it_resumes);
	RUN(a_pause_at_the_last_piece_holds_the_end_back);
	RUN(a_paused_call_holds_little_memory);
	RUN(a_call_may_be_cancelled_in_any_callback);
	RUN(a_released_call_reads_the_end_and_keeps_the_connection);
	RUN(a_released_call_does_not_read_for_ever);
	RUN(the_answer_to_head_has_no_body);
	RUN(a_large_request_is_sent_as_the_socket_takes_it);
	RUN(an_early_answer_is_heard);
	return tap_done();
}
