/* Hostile requests over real sockets: refused, told why, closed; and none of
 * it reaches the user. Then bodies and their memory. */
#include "http/exchange.h"
#include "tests/unit/http/lab.h"

#define TEXT(t)                     \
	{                           \
		"" t, sizeof(t) - 1 \
	}
#define POST "POST /echo HTTP/1.1\r\nHost: a\r\n"

struct hostile {
	struct str text;
	int status;
	bool body_begun; /* the head is fine: the user has seen it */
};

static const struct hostile battery[] = {
	/* where does the body end? */
	{TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0"
		   "\r\n\r\n"),
	 400, false},
	{TEXT(POST "Transfer-Encoding: gzip, chunked\r\nContent-Length: "
		   "5\r\n\r\nhello"),
	 400, false},
	{TEXT(POST "Transfer-Encoding: xchunked\r\nContent-Length: "
		   "5\r\n\r\nhello"),
	 400, false},
	{TEXT(POST "Content-Length: 0x5\r\n\r\nhello"), 400, false},
	{TEXT(POST "Content-Length: 5,5\r\n\r\nhello"), 400, false},
	{TEXT(POST "Content-Length: -1\r\n\r\nhello"), 400, false},
	{TEXT(POST "Content-Length: +5\r\n\r\nhello"), 400, false},
	{TEXT(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), 400,
	 false},
	{TEXT(POST "Content-Length: 0\r\nContent-Length: 36\r\n\r\n"
		   "GET /smug HTTP/1.1\r\nHost: a\r\n\r\n"),
	 400, false},
	{TEXT(POST "Content-Length : 4\r\n\r\nABCD"), 400, false},
	{TEXT(POST "Transfer-Encoding: identity\r\n\r\nGET /smug HTTP/1.1\r\n"
		   "Host: a\r\n\r\n"),
	 400, false},
	{TEXT("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
	      "\r\n"),
	 400, false},
	{TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
		   "0\r\n\r\n"),
	 400, false},
	{TEXT(POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"), 400,
	 false},
	{TEXT(POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
	 false},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n"
		   "\r\n"),
	 400, true},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n"
		   "\r\n"),
	 400, true},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n"
		   "\r\n"),
	 400, true},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n"), 400,
	 true},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n"),
	 400, true},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
	 400, true},
	/* lines and bytes */
	{TEXT("GET / HTTP/1.1\nHost: a\n\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"), 400, false},
	{TEXT("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, false},
	{TEXT("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, false},
	{TEXT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400, false},
	{TEXT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400, false},
	{TEXT("GET /\r\n\r\n"), 400, false},
	/* hosts */
	{TEXT("GET / HTTP/1.1\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400, false},
	{TEXT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400, false},
	{TEXT("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, false},
	{TEXT("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"), 400, false},
	/* versions and what we do not do */
	{TEXT("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 505, false},
	{TEXT("GET / HTTP/9.9\r\nHost: a\r\n\r\n"), 505, false},
	{TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, false},
	{TEXT("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"), 417,
	 false},
};

static void
attack(const struct hostile *h, size_t step)
{
	char start[32];
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, h->text, step);
	PEER_UNTIL(&p, p.ended || p.reset);
	(void)snprintf(start, sizeof(start), "HTTP/1.1 %d ", h->status);
	if (!p.ended || strncmp(p.in, start, strlen(start)) != 0)
		printf("# by %zu: %.*s\n# %s\n", step, STR_ARG(h->text), p.in);
	CHECK(p.ended && strncmp(p.in, start, strlen(start)) == 0);
	CHECK(peer_has(&p, "connection: close\r\n"));
	CHECK(strstr(p.in + 5, "HTTP/1.1") == NULL);
	CHECK_STR(lab.log, h->body_begun ? "POST:/echo end:E_BAD_HTTP " : "");
	peer_close(&p);
	lab_close();
}

TEST(a_hostile_request_is_refused_at_any_split)
{
	static const size_t steps[] = {1, 2, 3, 5, 16, 10000};

	for (size_t i = 0; i < ARRAY_LEN(battery); i++)
		for (size_t j = 0; j < ARRAY_LEN(steps); j++)
			attack(&battery[i], steps[j]);
}

TEST(a_hostile_request_behind_a_good_one_harms_only_itself)
{
	for (size_t i = 0; i < ARRAY_LEN(battery); i++) {
		struct buf text = BUF_INIT;
		struct peer_end p;

		lab_open();
		p = peer_connect(lab.port);
		buf_add_cstr(&text, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
		buf_add_str(&text, battery[i].text);
		peer_send(&p, buf_str(&text), 10000);
		PEER_UNTIL(&p, p.ended || p.reset);
		CHECK(strncmp(p.in, "HTTP/1.1 200 ", 13) == 0);
		CHECK(peer_has(&p, "\r\n\r\nnowHTTP/1.1 "));
		CHECK(strncmp(lab.log, "GET:/now end:E_OK ", 18) == 0);
		buf_free(&text);
		peer_close(&p);
		lab_close();
	}
}

TEST(a_head_over_the_limit_is_431)
{
	struct buf text = BUF_INIT;
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	buf_add_cstr(&text, "GET /now HTTP/1.1\r\nHost: a\r\nX: ");
	for (int i = 0; i < 33 * 1024; i++)
		buf_add_char(&text, 'x');
	peer_send(&p, buf_str(&text), 1000);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK(peer_has(&p, "HTTP/1.1 431 "));
	peer_close(&p);
	p = peer_connect(lab.port);
	buf_reset(&text);
	buf_add_cstr(&text, "GET /now HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 64; i++)
		buf_printf(&text, "X%d: y\r\n", i);
	buf_add_cstr(&text, "\r\n");
	peer_send(&p, buf_str(&text), 1000);
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK(peer_has(&p, "HTTP/1.1 431 "));
	buf_free(&text);
	peer_close(&p);
	lab_close();
}

/* A head that is nearly as large as it may be, byte by byte. */
TEST(a_large_head_may_trickle_in)
{
	struct buf text = BUF_INIT;
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	buf_add_cstr(&text, "GET /now HTTP/1.1\r\nHost: a\r\nX: ");
	for (int i = 0; i < 32000; i++)
		buf_add_char(&text, 'x');
	buf_add_cstr(&text, "\r\n\r\n");
	peer_send(&p, buf_str(&text), 37);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nnow"));
	CHECK_INT(lab_used(), 0);
	buf_free(&text);
	peer_close(&p);
	lab_close();
}

/* What a head promises costs nothing; what arrives is paid for. */
TEST(a_promised_body_takes_no_memory)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR(POST "Content-Length: 1000000\r\n\r\nx"), 1000);
	for (int i = 0; i < 10; i++)
		lab_turn();
	CHECK(lab_used() <= 64 * 1024);
	peer_close(&p);
	LAB_UNTIL(lab.ends == 1);
	CHECK_INT(lab.why, E_CLIENT_GONE);
	lab_close();
}

/* A body that came whole with its head is given without a copy. */
TEST(bodies_of_all_sizes_are_the_ones_that_were_sent)
{
	static char body[70000];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 17);
	for (size_t n = 1; n < sizeof(body); n = n * 3 / 2 + 1) {
		struct buf text = BUF_INIT;
		struct peer_end p;

		lab_open();
		p = peer_connect(lab.port);
		buf_printf(&text, POST "Content-Length: %zu\r\n\r\n", n);
		buf_add(&text, body, n);
		for (int i = 0; i < 2; i++) {
			p.n = 0;
			peer_send(&p, buf_str(&text), 100000);
			PEER_UNTIL(&p, lab.ends == i + 1 && p.n > n);
			CHECK(memcmp(p.in + p.n - n, body, n) == 0);
		}
		CHECK_INT(lab_used(), 0);
		buf_free(&text);
		peer_close(&p);
		lab_close();
	}
}

TEST(a_body_beyond_the_memory_is_503)
{
	struct peer_end p;
	void *hog;
	static char part[100000];

	lab_open();
	hog = pool_alloc(lab.pool, 64 * 1024 * 1024 - 220 * 1024);
	must(hog);
	p = peer_connect(lab.port);
	peer_send(&p, STR(POST "Content-Length: 400000\r\n\r\n"), 1000);
	peer_send(&p, str_make(part, sizeof(part)), sizeof(part));
	PEER_UNTIL(&p, p.ended || p.reset);
	CHECK(peer_has(&p, "HTTP/1.1 503 "));
	CHECK_STR(lab.log, "POST:/echo end:E_OVERLOAD ");
	peer_close(&p);
	pool_free(lab.pool, hog, 64 * 1024 * 1024 - 220 * 1024);
	lab_close();
}

TEST(an_idle_connection_holds_no_memory)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR(POST "Content-Length: 2\r\n\r\nhi"), 3);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhi"));
	CHECK_INT(lab_used(), 0);
	peer_send(&p, STR("POST /wait HTTP/1.1\r\nHost: a\r\n\r\n"), 3);
	LAB_UNTIL(lab.x != NULL);
	CHECK_INT(lab_used(), 0);
	CHECK(sizeof(struct exchange) <= 704);
	peer_close(&p);
	lab_close();
}

TEST(a_dropped_body_gives_its_memory_back)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p,
		  STR("POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: "
		      "2\r\n\r\nhi"),
		  99);
	LAB_UNTIL(strstr(lab.log, "body:2"));
	CHECK(lab_used() > 0);
	exchange_drop_body(lab.x);
	CHECK_INT(lab_used(), 0);
	exchange_drop_body(lab.x);
	exchange_reply(lab.x, 200, STR(""), STR("ok"), 0);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nok"));
	peer_close(&p);
	lab_close();
}

TEST(an_answer_before_the_body_is_whole_closes)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR(POST "Content-Length: 20\r\n\r\nhi"), 99);
	LAB_UNTIL(lab.x != NULL);
	exchange_reply(lab.x, 200, STR(""), STR("early"), 0);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "connection: close\r\n"));
	CHECK(peer_has(&p, "early"));
	CHECK_STR(lab.log, "POST:/echo end:E_OK ");
	peer_close(&p);
	lab_close();
}

TEST(a_small_body_that_nobody_wants_is_skipped)
{
	struct str request = STR("POST /now HTTP/1.1\r\nHost: a\r\n"
				 "Content-Length: 2\r\n\r\nhi");
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, request, request.n);
	PEER_UNTIL(&p, lab.ends == 1);
	CHECK(!peer_has(&p, "connection: close"));
	peer_send(&p, request, request.n);
	PEER_UNTIL(&p, lab.ends == 2);
	/* what has not come yet is not waited for */
	peer_send(&p, request, request.n - 1);
	PEER_UNTIL(&p, p.ended);
	CHECK(peer_has(&p, "connection: close"));
	CHECK_INT(lab.ends, 3);
	peer_close(&p);
	lab_close();
}

TEST(an_empty_body_is_given_as_one)
{
	struct peer_end p;

	lab_open();
	p = peer_connect(lab.port);
	peer_send(&p, STR(POST "Content-Length: 0\r\n\r\n" POST "\r\n"), 99);
	PEER_UNTIL(&p, lab.ends == 2);
	CHECK_STR(lab.log, "POST:/echo body:0 end:E_OK POST:/echo body:0 "
			   "end:E_OK ");
	peer_close(&p);
	lab_close();
}

int
main(void)
{
	RUN(a_hostile_request_is_refused_at_any_split);
	RUN(a_hostile_request_behind_a_good_one_harms_only_itself);
	RUN(a_head_over_the_limit_is_431);
	RUN(a_large_head_may_trickle_in);
	RUN(a_promised_body_takes_no_memory);
	RUN(bodies_of_all_sizes_are_the_ones_that_were_sent);
	RUN(a_body_beyond_the_memory_is_503);
	RUN(an_idle_connection_holds_no_memory);
	RUN(a_dropped_body_gives_its_memory_back);
	RUN(an_answer_before_the_body_is_whole_closes);
	RUN(a_small_body_that_nobody_wants_is_skipped);
	RUN(an_empty_body_is_given_as_one);
	return tap_done();
}
