/* The way out: a source address, and the talk with a proxy, whole and byte
 * by byte, and what a request sees of its faults. */
#include "http/egress.h"
#include "tests/unit/http/upstream.h"

#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
#define YES "HTTP/1.1 200 Connection established\r\n\r\n"
#define ALONG                                      \
	"CONNECT api.example.com:443 HTTP/1.1\r\n" \
	"host: api.example.com:443\r\n"            \
	"proxy-authorization: Basic dTpwdw==\r\n\r\n"

static const struct egress way = {.host = {"api.example.com", 15},
				  .port = 443,
				  .credential = {"u:pw", 4}};

/* The verdict on an answer that comes in pieces of `step` bytes. */
static enum tunnel_state
hear(struct str text, size_t step, char why[TUNNEL_WHY])
{
	struct tunnel *t = tunnel_new(&way);
	enum tunnel_state state = TUNNEL_READS;

	must(t);
	why[0] = '\0';
	for (size_t at = 0; at < text.n && state == TUNNEL_READS; at += step)
		state = tunnel_hear(
			t, str_make(text.p + at, MIN_OF(step, text.n - at)),
			why);
	tunnel_free(t);
	return state;
}

static void
both(const char *text, enum tunnel_state wanted, const char *reason)
{
	char why[TUNNEL_WHY];

	CHECK_INT(hear(str_of(text), 1, why), wanted);
	CHECK_STR(why, reason);
	CHECK_INT(hear(str_of(text), 100000, why), wanted);
	CHECK_STR(why, reason);
}

TEST(an_answer_opens_the_tunnel_or_says_why_not)
{
	both(YES, TUNNEL_OPEN, "");
	both("HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", TUNNEL_OPEN, "");
	both("HTTP/1.1 100 Continue\r\n\r\n" YES, TUNNEL_OPEN, "");
	both("HTTP/1.1 200 OK\r\n", TUNNEL_READS, "");
	both("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n",
	     TUNNEL_FAILED, "the proxy refuses its credentials (407)");
	both("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", TUNNEL_FAILED,
	     "the proxy makes no tunnel: it answers 502");
	both("HTTP/1.1 101 Up\r\n\r\n", TUNNEL_FAILED,
	     "the proxy makes no tunnel: it answers 101");
	both("SSH-2.0-OpenSSH_9.2\r\n\r\n", TUNNEL_FAILED,
	     "the proxy's answer is malformed or too large");
}

TEST(what_follows_the_answer_at_once_is_refused)
{
	char why[TUNNEL_WHY];

	CHECK_INT(hear(STR(YES "x"), 1000, why), TUNNEL_FAILED);
	CHECK_STR(why, "the proxy sends more than its answer");
}

TEST(a_head_without_end_is_refused)
{
	static char text[20000];
	char why[TUNNEL_WHY];

	(void)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nX: ");
	memset(text + strlen(text), 'a', sizeof(text) - 1 - strlen(text));
	CHECK_INT(hear(str_of(text), 1, why), TUNNEL_FAILED);
	CHECK_INT(hear(str_of(text), 999, why), TUNNEL_FAILED);
	CHECK_INT(hear(str_of(text), sizeof(text), why), TUNNEL_FAILED);
	memset(text, 0, sizeof(text));
	for (int i = 0; i < 6; i++)
		(void)strncat(text, "HTTP/1.1 103 Hm\r\n\r\n",
			      sizeof(text) - strlen(text) - 1);
	CHECK_INT(hear(str_of(text), 7, why), TUNNEL_FAILED);
}

/* The next connection, once it has asked for the tunnel. */
static struct peer_end
proxy_accept(void)
{
	struct peer_end p = {.fd = -1};

	LAB_UNTIL((p.fd = accept(up_listening, NULL, NULL)) >= 0);
	p = peer_of(p.fd);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\n"));
	return p;
}

TEST(a_request_goes_through_the_tunnel_and_the_connection_is_kept)
{
	struct peer_end p;

	up_open();
	up_target.egress = &way;
	note.call = up_call();
	p = proxy_accept();
	CHECK_STR(p.in, ALONG);
	CHECK(!call_sent(note.call));
	peer_send(&p, STR(YES), 1);
	PEER_UNTIL(&p, peer_has(&p, CALL_HEAD "hi"));
	CHECK(!strstr(p.in + sizeof(ALONG) - 1, "roxy"));
	peer_send(&p, STR(OK2), 1);
	LAB_UNTIL(note.ended == 1);
	CHECK_INT(http_client_idle(lab.client), 1);
	p.n = 0;
	note.call = up_call();
	CHECK(call_reused(note.call));
	PEER_UNTIL(&p, peer_has(&p, CALL_HEAD "hi"));
	peer_send(&p, STR(OK2), 99);
	LAB_UNTIL(note.ended == 2);
	/* another way is another connection */
	up_target.egress = NULL;
	note.call = up_call();
	CHECK(!call_reused(note.call));
	call_cancel(note.call);
	peer_close(&p);
	up_close();
}

TEST(an_address_of_version_6_is_asked_for_in_brackets)
{
	static const struct egress six = {.host = {"::1", 3}, .port = 8443};
	struct peer_end p;

	up_open();
	up_target.egress = &six;
	note.call = up_call();
	p = proxy_accept();
	CHECK_STR(p.in, "CONNECT [::1]:8443 HTTP/1.1\r\n"
			"host: [::1]:8443\r\n\r\n");
	peer_close(&p);
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_PROXY);
	up_close();
}

static void
proxy_says(struct str text, size_t step)
{
	struct peer_end p;

	up_open();
	up_target.egress = &way;
	note.call = up_call();
	p = proxy_accept();
	peer_send(&p, text, step);
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_PROXY);
	CHECK_STR(call_fault_name(note.fault), "proxy");
	peer_close(&p);
	up_close();
}

TEST(a_proxy_that_fails_fails_the_call_before_it_is_sent)
{
	proxy_says(STR("HTTP/1.1 407 No\r\n\r\n"), 1);
	proxy_says(STR("HTTP/1.1 502 Bad Gateway\r\n\r\nsorry"), 99);
	proxy_says(STR("\x16\x03\x01 what"), 99);
	proxy_says(STR(YES "HTTP/1.1 200 OK\r\n\r\n"), 999);
}

TEST(a_proxy_that_says_nothing_is_left_in_time)
{
	struct peer_end p;

	up_open();
	up_target.egress = &way;
	note.call = up_call();
	p = proxy_accept();
	lab_skip(500);
	CHECK_INT(note.failed, 0);
	lab_skip(1000);
	CHECK_INT(note.failed, 1);
	CHECK_INT(note.fault, CALL_CONNECT_TIMEOUT);
	peer_close(&p);
	up_close();
}

TEST(a_call_is_cancelled_inside_the_talk)
{
	struct peer_end p;

	up_open();
	up_target.egress = &way;
	note.call = up_call();
	p = proxy_accept();
	peer_send(&p, STR("HTTP/1.1 2"), 99);
	call_cancel(note.call);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK_INT(note.failed + note.ended, 0);
	peer_close(&p);
	up_close();
}

static struct sockaddr_storage
source_of(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};

	must(inet_pton(AF_INET, text, &in.sin_addr) == 1);
	memcpy(&ss, &in, sizeof(in));
	return ss;
}

TEST(connections_come_from_the_source_address)
{
	struct sockaddr_storage source = source_of("127.0.0.2");
	struct egress e = {.source = &source};
	struct sockaddr_in from;
	socklen_t n = sizeof(from);
	struct peer_end p;

	up_open();
	up_target.egress = &e;
	note.call = up_call();
	p = up_accept();
	CHECK_INT(getpeername(p.fd, (struct sockaddr *)&from, &n), 0);
	CHECK_INT(ntohl(from.sin_addr.s_addr), 0x7f000002);
	peer_close(&p);
	LAB_UNTIL(note.failed == 1);
	up_close();
}

TEST(a_source_that_this_machine_has_not_is_a_refused_connect)
{
	struct sockaddr_storage source = source_of("192.0.2.77");
	struct egress e = {.source = &source};

	up_open();
	up_target.egress = &e;
	note.call = up_call();
	CHECK(note.call && note.failed == 0);
	LAB_UNTIL(note.failed == 1);
	CHECK_INT(note.fault, CALL_REFUSED);
	up_close();
}

int
main(void)
{
	RUN(an_answer_opens_the_tunnel_or_says_why_not);
	RUN(what_follows_the_answer_at_once_is_refused);
	RUN(a_head_without_end_is_refused);
	RUN(a_request_goes_through_the_tunnel_and_the_connection_is_kept);
	RUN(an_address_of_version_6_is_asked_for_in_brackets);
	RUN(a_proxy_that_fails_fails_the_call_before_it_is_sent);
	RUN(a_proxy_that_says_nothing_is_left_in_time);
	RUN(a_call_is_cancelled_inside_the_talk);
	RUN(connections_come_from_the_source_address);
	RUN(a_source_that_this_machine_has_not_is_a_refused_connect);
	return tap_done();
}
