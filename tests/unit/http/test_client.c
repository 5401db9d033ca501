/* Calls and pools: how a call can end, and which connections are kept. */
#include "http/client.h"
#include "tests/unit/http/upstream.h"

#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"

TEST(a_connection_is_kept_and_used_again)
{
	struct peer_end p;

	up_open();
	note.call = up_call();
	CHECK(note.call && note.heads == 0);
	p = up_accept();
	CHECK(!call_reused(note.call));
	CHECK(call_connect_ns(note.call) > 0);
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(http_client_idle(lab.client), 1);
	for (int i = 2; i < 5; i++) {
		p.n = 0;
		note.call = up_call();
		CHECK(call_reused(note.call));
		CHECK_INT(call_connect_ns(note.call), 0);
		PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhi"));
		peer_send(&p, STR(OK2), 99);
		LAB_UNTIL(note.ended == i);
	}
	CHECK(accept(up_listening, NULL, NULL) < 0);
	peer_close(&p);
	LAB_UNTIL(http_client_idle(lab.client) == 0);
	up_close();
}

TEST(the_connection_used_last_is_used_first)
{
	struct peer_end p[2];
	struct call *c[2];

	up_open();
	c[0] = up_call();
	p[0] = up_accept();
	c[1] = up_call();
	p[1] = up_accept();
	CHECK(c[0] && c[1]);
	peer_send(&p[1], STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	peer_send(&p[0], STR(OK2), 99);
	LAB_UNTIL(note.ended == 2);
	CHECK_INT(http_client_idle(lab.client), 2);
	p[0].n = 0;
	note.call = up_call();
	PEER_UNTIL(&p[0], peer_has(&p[0], "\r\n\r\nhi"));
	call_cancel(note.call);
	PEER_UNTIL(&p[0], p[0].ended || p[0].reset);
	CHECK_INT(http_client_idle(lab.client), 1);
	peer_close(&p[0]);
	peer_close(&p[1]);
	up_close();
}

TEST(a_kept_connection_that_is_dead_is_replaced_once)
{
	struct peer_end p;

	up_open();
	up_play(STR(OK2), 99, false);
	up_close();

	up_open();
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	/* closed while the next request is on its way: not yet seen */
	(void)close(p.fd);
	p.fd = -1;
	note.call = up_call();
	CHECK(call_reused(note.call));
	peer_close(&p);
	p = up_accept();
	CHECK(!call_reused(note.call));
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 2);
	CHECK_INT(note.failed, 0);
	/* again, and now the fresh one dies as well */
	(void)close(p.fd);
	p.fd = -1;
	peer_close(&p);
	note.call = up_call();
	p = up_accept();
	(void)close(p.fd);
	p.fd = -1;
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_RESET);
	peer_close(&p);
	up_close();
}

TEST(idle_connections_close_when_the_peer_does_or_time_is_up)
{
	up_open();
	up_play(STR(OK2), 99, false);
	LAB_UNTIL(http_client_idle(lab.client) == 0);
	up_close();
	struct peer_end p;

	up_open();
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	lab_skip(44000);
	CHECK_INT(http_client_idle(lab.client), 1);
	lab_skip(2000);
	CHECK_INT(http_client_idle(lab.client), 0);
	PEER_UNTIL(&p, p.ended);
	peer_close(&p);
	up_close();
}

TEST(bytes_that_nobody_asked_for_close_an_idle_connection)
{
	struct peer_end p;

	up_open();
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	peer_send(&p, STR("HTTP/1.1 408 Late\r\n\r\n"), 99);
	LAB_UNTIL(http_client_idle(lab.client) == 0);
	peer_close(&p);
	up_close();
	/* the same, glued to the answer */
	up_open();
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR(OK2 "HTTP/1.1 200 OK\r\n\r\n"), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(http_client_idle(lab.client), 0);
	peer_close(&p);
	up_close();
}

TEST(targets_that_differ_share_nothing)
{
	struct call_target first;
	struct peer_end p;

	up_open();
	first = up_target;
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	up_target.host = STR("v");
	note.call = up_call();
	CHECK(!call_reused(note.call));
	call_cancel(note.call);
	up_target = first;
	up_target.pool_key = 7 + 64; /* the same bucket */
	note.call = up_call();
	CHECK(!call_reused(note.call));
	call_cancel(note.call);
	up_target = first;
	http_client_forget(lab.client, 7 + 64);
	CHECK_INT(http_client_idle(lab.client), 1);
	http_client_forget(lab.client, 7);
	CHECK_INT(http_client_idle(lab.client), 0);
	peer_close(&p);
	up_close();
}

TEST(a_forgotten_target_takes_no_connection_back)
{
	struct peer_end p;

	up_open();
	note.call = up_call();
	p = up_accept();
	http_client_forget(lab.client, 7);
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(http_client_idle(lab.client), 0);
	PEER_UNTIL(&p, p.ended);
	peer_close(&p);
	up_close();
}

TEST(a_refused_connect_is_told_in_a_later_turn)
{
	up_open();
	(void)close(up_listening);
	up_listening = -1;
	note.call = up_call();
	CHECK(note.call && note.failed == 0);
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_REFUSED);
	CHECK_STR(call_fault_name(note.fault), "refused");
	up_close();
}

TEST(timeouts_are_told_apart)
{
	struct peer_end p;

	up_open();
	note.call = up_call();
	p = up_accept();
	lab_skip(29000);
	CHECK_INT(note.failed, 0);
	lab_skip(2000);
	CHECK_INT(note.failed, 1);
	CHECK_INT(note.fault, CALL_HEAD_TIMEOUT);
	peer_close(&p);
	up_close();

	up_open();
	note.call = up_call();
	p = up_accept();
	peer_send(&p, STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
		  99);
	LAB_UNTIL(note.n == 2);
	lab_skip(59000);
	peer_send(&p, STR("c"), 99);
	LAB_UNTIL(note.n == 3);
	CHECK_INT(note.failed, 0);
	lab_skip(61000);
	CHECK_INT(note.failed, 1);
	CHECK_INT(note.fault, CALL_IDLE_TIMEOUT);
	peer_close(&p);
	up_close();
}

/* Bytes and a reset behind them, both there before the loop looks. */
static void
reset_behind(struct str text)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};
	struct peer_end p;

	up_open();
	note.call = up_call();
	p = up_accept();
	must(send(p.fd, text.p, text.n, 0) == (ssize_t)text.n);
	must(setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
	(void)close(p.fd);
	p.fd = -1;
	lab_turn();
	lab_skip(1100);
	LAB_UNTIL(note.failed == 1);
	peer_close(&p);
}

TEST(a_reset_that_comes_with_the_last_bytes_is_noticed_soon)
{
	reset_behind(STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"));
	CHECK_INT(note.n, 2);
	CHECK_INT(note.fault, CALL_CUT);
	up_close();

	reset_behind(STR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab"));
	CHECK_INT(note.ended, 0);
	CHECK_INT(note.fault, CALL_CUT);
	up_close();

	reset_behind(STR("HTTP/1.1 200 OK\r\nContent-Le"));
	CHECK_INT(note.heads, 0);
	CHECK_INT(note.fault, CALL_RESET);
	up_close();
}

TEST(a_connected_socket_of_the_caller_is_used_once)
{
	struct peer_end p;
	int pair[2];

	up_open();
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	up_target.fd = pair[0];
	up_target.addr_len = 0;
	note.call = up_call();
	p = peer_of(pair[1]);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhi"));
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(http_client_idle(lab.client), 0);
	PEER_UNTIL(&p, p.ended);
	peer_close(&p);
	up_close();
}

TEST(the_user_may_call_again_or_destroy_all_at_the_end)
{
	struct peer_end p;

	up_open();
	note.again_at_end = true;
	note.call = up_call();
	p = up_accept();
	p.n = 0;
	peer_send(&p, STR(OK2), 99);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhi"));
	CHECK(note.second && call_reused(note.second));
	note.destroy_at_end = true;
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 2);
	CHECK(lab.client == NULL);
	peer_close(&p);
	up_close();

	up_open();
	note.destroy_at_end = true;
	up_play(STR("nonsense\r\n\r\n"), 99, false);
	CHECK(note.failed == 1 && lab.client == NULL);
	up_close();
}

TEST(the_end_of_the_client_ends_calls_without_a_word)
{
	struct peer_end p;

	up_open();
	note.call = up_call();
	p = up_accept();
	http_client_destroy(lab.client);
	lab.client = NULL;
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK_INT(note.ended + note.failed, 0);
	peer_close(&p);
	up_close();
}

int
main(void)
{
	RUN(a_connection_is_kept_and_used_again);
	RUN(the_connection_used_last_is_used_first);
	RUN(a_kept_connection_that_is_dead_is_replaced_once);
	RUN(idle_connections_close_when_the_peer_does_or_time_is_up);
	RUN(bytes_that_nobody_asked_for_close_an_idle_connection);
	RUN(targets_that_differ_share_nothing);
	RUN(a_forgotten_target_takes_no_connection_back);
	RUN(a_refused_connect_is_told_in_a_later_turn);
	RUN(timeouts_are_told_apart);
	RUN(a_reset_that_comes_with_the_last_bytes_is_noticed_soon);
	RUN(a_connected_socket_of_the_caller_is_used_once);
	RUN(the_user_may_call_again_or_destroy_all_at_the_end);
	RUN(the_end_of_the_client_ends_calls_without_a_word);
	return tap_done();
}
