/* Requests that have waited too long are left unread, and come in turn. */
#include "tests/unit/http/lab.h"

#define LATE (5 * NS_PER_MS)

/* It has sent its request long ago, and nobody has looked. */
static struct peer_end
late_peer(const char *path)
{
	struct peer_end p = peer_connect(lab.port);
	char text[64];
	int n = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

	must(send(p.fd, text, (size_t)n, MSG_NOSIGNAL) == n);
	(void)usleep(30000);
	return p;
}

static void
turns(void)
{
	for (int i = 0; i < 20; i++)
		lab_turn();
}

TEST(late_requests_wait_and_the_oldest_comes_first)
{
	struct peer_end a, b;

	lab_open();
	http_server_ration(lab.server, LATE, 0, 9);
	a = late_peer("/now");
	LAB_UNTIL(http_server_deferred(lab.server) == 1);
	b = late_peer("/now");
	LAB_UNTIL(http_server_deferred(lab.server) == 2);
	turns();
	CHECK_STR(lab.log, "");
	http_server_ration(lab.server, LATE, 1, 9);
	PEER_UNTIL(&a, peer_has(&a, "now"));
	turns();
	CHECK_INT(lab.ends, 1);
	http_server_ration(lab.server, 0, 0, 0);
	PEER_UNTIL(&b, peer_has(&b, "now"));
	CHECK_INT(http_server_deferred(lab.server), 0);
	peer_close(&a);
	peer_close(&b);
	lab_close();
}

TEST(what_comes_in_time_is_read_and_a_ration_is_used_up)
{
	struct peer_end a, b;

	lab_open();
	http_server_ration(lab.server, 3600 * NS_PER_SEC, 0, 9);
	a = late_peer("/now");
	PEER_UNTIL(&a, peer_has(&a, "now"));
	http_server_ration(lab.server, LATE, 1, 9);
	b = late_peer("/now");
	PEER_UNTIL(&b, peer_has(&b, "now"));
	peer_send(&a, STR("GET /no"), 99);
	(void)usleep(30000);
	/* a head that has begun is read on */
	peer_send(&a, STR("w HTTP/1.1\r\nHost: a\r\n\r\n"), 99);
	PEER_UNTIL(&a, lab.ends == 3 || http_server_deferred(lab.server) == 1);
	http_server_ration(lab.server, 0, 0, 0);
	PEER_UNTIL(&a, lab.ends == 3);
	peer_close(&a);
	peer_close(&b);
	lab_close();
}

TEST(what_is_left_of_a_ration_is_kept_up_to_its_most)
{
	struct peer_end p[4];

	lab_open();
	for (int i = 0; i < 5; i++)
		http_server_ration(lab.server, LATE, 1, 3);
	for (int i = 0; i < 4; i++)
		p[i] = late_peer("/now");
	LAB_UNTIL(http_server_deferred(lab.server) == 1 && lab.ends == 3);
	http_server_ration(lab.server, LATE, 0, 3);
	turns();
	CHECK_INT(lab.ends, 3);
	http_server_ration(lab.server, LATE, 1, 3);
	LAB_UNTIL(lab.ends == 4);
	for (int i = 0; i < 4; i++)
		peer_close(&p[i]);
	lab_close();
}

TEST(a_connection_that_ends_meanwhile_is_forgotten)
{
	struct peer_end a, b;

	lab_open();
	http_server_ration(lab.server, LATE, 0, 9);
	a = late_peer("/now");
	b = late_peer("/now");
	LAB_UNTIL(http_server_deferred(lab.server) == 2);
	lab_skip(lab.limits.header_timeout_ms + 1000);
	LAB_UNTIL(http_server_connections(lab.server) == 0);
	CHECK_INT(http_server_deferred(lab.server), 0);
	peer_close(&a);
	peer_close(&b);
	lab_close();
	lab_open();
	http_server_ration(lab.server, LATE, 0, 9);
	a = late_peer("/now");
	LAB_UNTIL(http_server_deferred(lab.server) == 1);
	lab_close(); /* with one that waits */
	peer_close(&a);
}

TEST(requests_sent_ahead_have_not_waited)
{
	struct peer_end a;

	lab_open();
	a = late_peer("/now");
	PEER_UNTIL(&a, peer_has(&a, "now"));
	peer_send(&a,
		  STR("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
		      "GET /now HTTP/1.1\r\nHost: a\r\n\r\n"),
		  999);
	LAB_UNTIL(lab.x != NULL);
	(void)usleep(30000);
	http_server_ration(lab.server, LATE, 0, 9);
	exchange_reply(lab.x, 200, STR(""), STR("waited"), 0);
	PEER_UNTIL(&a, lab.ends == 3);
	peer_close(&a);
	lab_close();
}

int
main(void)
{
	RUN(late_requests_wait_and_the_oldest_comes_first);
	RUN(what_comes_in_time_is_read_and_a_ration_is_used_up);
	RUN(what_is_left_of_a_ration_is_kept_up_to_its_most);
	RUN(a_connection_that_ends_meanwhile_is_forgotten);
	RUN(requests_sent_ahead_have_not_waited);
	return tap_done();
}
