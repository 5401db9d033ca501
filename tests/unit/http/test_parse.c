/* Heads: what is refused, what is read, and that the split does not matter. */
#include <stdlib.h>

#include "http/parse.h"
#include "tests/tap.h"

#define OK_LINES "Host: a\r\n\r\n"

static const struct head_rules request_rules = {
	.kind = HEAD_REQUEST, .size = 32 * 1024, .fields = 64};
static const struct head_rules answer_rules = {
	.kind = HEAD_ANSWER, .size = 32 * 1024, .fields = 64};

struct outcome {
	enum head_state state;
	enum err err;
	uint32_t size;
};

/* Gives `text` in pieces of `step` bytes, each time from a fresh copy of
 * exactly that size, so that a read beyond the end is seen by ASan. */
static struct outcome
parse_by(const struct head_rules *rules, struct str text, size_t step,
	 struct http_head *head)
{
	struct head_scan scan = {0};
	struct head_fault fault = {E_OK, NULL};
	struct outcome o = {HEAD_MORE, E_OK, 0};
	size_t n = 0;

	while (o.state == HEAD_MORE && n < text.n) {
		char *copy;

		n = MIN_OF(n + step, text.n);
		copy = malloc(n);
		if (!copy)
			abort();
		memcpy(copy, text.p, n);
		o.state = head_parse(&scan, rules, str_make(copy, n), head,
				     &fault);
		free(copy);
	}
	o.err = fault.err;
	o.size = scan.size;
	return o;
}

static struct outcome
parse(const struct head_rules *rules, struct str text, struct http_head *head)
{
	struct head_scan scan = {0};
	struct head_fault fault = {E_OK, NULL};
	struct outcome o;

	o.state = head_parse(&scan, rules, text, head, &fault);
	o.err = fault.err;
	o.size = scan.size;
	return o;
}

struct bad_case {
	struct str text;
	enum err err;
};

#define BAD(text)                                    \
	{                                            \
		{text, sizeof(text) - 1}, E_BAD_HTTP \
	}
#define BADE(text, e)                       \
	{                                   \
		{text, sizeof(text) - 1}, e \
	}
#define LINE1 "POST /v1 HTTP/1.1\r\n"

static const struct bad_case bad_requests[] = {
	/* two ways to say where the body ends */
	BAD(LINE1
	    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" OK_LINES),
	BAD(LINE1
	    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n" OK_LINES),
	BAD(LINE1
	    "Transfer-Encoding: gzip, chunked\r\nContent-Length: 4\r\n" OK_LINES),
	BAD(LINE1
	    "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: xchunked\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: chunked, chunked\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
		  "chunked\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: identity\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding:\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: \"chunked\"\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: chunked;q=1\r\n" OK_LINES),
	BAD(LINE1 "Transfer-Encoding: \x0b"
		  "chunked\r\n" OK_LINES),
	BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" OK_LINES),
	/* lengths */
	BAD(LINE1 "Content-Length: 4\r\nContent-Length: 5\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: 4\r\nContent-Length: 4\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: 4,4\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: 4 4\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: +4\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: -1\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: 0x4\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: 4.0\r\n" OK_LINES),
	BAD(LINE1 "Content-Length:\r\n" OK_LINES),
	BAD(LINE1 "Content-Length: 18446744073709551620\r\n" OK_LINES),
	BAD(LINE1 "Content-Length : 4\r\n" OK_LINES),
	BAD(LINE1 "Content-Length\t: 4\r\n" OK_LINES),
	/* line ends and bytes */
	BAD("GET / HTTP/1.1\nHost: a\n\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\n\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
	BAD("GET / HTTP/1.1\rHost: a\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01"
	    "b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nX\0Y: a\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\tfolded\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	BAD("\r\n\r\nGET / HTTP/1.1\r\n" OK_LINES),
	BAD(" GET / HTTP/1.1\r\n" OK_LINES),
	/* names */
	BAD("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nA\xc3\xa4: c\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
	/* host */
	BAD("GET / HTTP/1.1\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
	BAD("GET http://b/ HTTP/1.1\r\n" OK_LINES),
	BAD("GET http://u@a/ HTTP/1.1\r\n" OK_LINES),
	BAD("GET http:///x HTTP/1.1\r\n" OK_LINES),
	BAD("GET http:// HTTP/1.1\r\n" OK_LINES),
	BAD("GET ftp://a/ HTTP/1.1\r\n" OK_LINES),
	BAD("GET a HTTP/1.1\r\n" OK_LINES),
	BAD("GET * HTTP/1.1\r\n" OK_LINES),
	BAD("CONNECT a:443 HTTP/1.1\r\n" OK_LINES),
	/* request line */
	BAD("GET /\r\n" OK_LINES),
	BAD("GET\r\n" OK_LINES),
	BAD("GET  / HTTP/1.1\r\n" OK_LINES),
	BAD("GET /  HTTP/1.1\r\n" OK_LINES),
	BAD("GET / HTTP/1.1 \r\n" OK_LINES),
	BAD("GET\t/ HTTP/1.1\r\n" OK_LINES),
	BAD("G@T / HTTP/1.1\r\n" OK_LINES),
	BAD("GETGETGETGETGETGETGETGETGET / HTTP/1.1\r\n" OK_LINES),
	BAD(" / HTTP/1.1\r\n" OK_LINES),
	BAD("GET /a\x01 HTTP/1.1\r\n" OK_LINES),
	BAD("GET /a\x7f HTTP/1.1\r\n" OK_LINES),
	BAD("GET /\xff HTTP/1.1\r\n" OK_LINES),
	BAD("GET /a#b HTTP/1.1\r\n" OK_LINES),
	BAD("GET / http/1.1\r\n" OK_LINES),
	BAD("GET / HTTP/\r\n" OK_LINES),
	BAD("GET / HTTP/1.x\r\n" OK_LINES),
	BAD("GET / FTP/1.1\r\n" OK_LINES),
	BAD("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	BADE("GET / HTTP/1.10\r\n" OK_LINES, E_HTTP_VERSION),
	BADE("GET / HTTP/9.9\r\n" OK_LINES, E_HTTP_VERSION),
	BADE("GET / HTTP/0.9\r\n" OK_LINES, E_HTTP_VERSION),
	BADE("GET / HTTP/1.2\r\n" OK_LINES, E_HTTP_VERSION),
	BADE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", E_HTTP_VERSION),
	BADE("GET / HTTP/1.1\r\nExpect: tea\r\n" OK_LINES, E_EXPECT),
};

static const struct bad_case bad_answers[] = {
	BAD("HTTP/1.1 200 OK\nX: a\n\n"),
	BAD("HTTP/1.1 200 OK\r\nX: a\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
	BAD("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
	BAD("HTTP/1.1 200 OK\r\nX : a\r\n\r\n"),
	BAD("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n"),
	BAD("HTTP/1.1 100 No\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("HTTP/1.1 20\r\n\r\n"),
	BAD("HTTP/1.1 2000\r\n\r\n"),
	BAD("HTTP/1.1 2 0 OK\r\n\r\n"),
	BAD("HTTP/1.1 099 OK\r\n\r\n"),
	BAD("HTTP/1.1 600 OK\r\n\r\n"),
	BAD("HTTP/1.1  200 OK\r\n\r\n"),
	BAD("HTTP/1.1 200 O\0K\r\n\r\n"),
	BAD("ICY 200 OK\r\n\r\n"),
	BAD("\r\nHTTP/1.1 200 OK\r\n\r\n"),
	BAD("<html>\r\n\r\n"),
	BADE("HTTP/2.0 200 OK\r\n\r\n", E_HTTP_VERSION),
	BADE("HTTP/1.5 200 OK\r\n\r\n", E_HTTP_VERSION),
};

static void
check_bad(const struct head_rules *rules, const struct bad_case *c)
{
	static struct http_head head;
	struct outcome o = parse(rules, c->text, &head);

	if (o.state != HEAD_BAD || o.err != c->err)
		printf("# state %d, error %d: %.*s\n", (int)o.state, (int)o.err,
		       STR_ARG(c->text));
	CHECK(o.state == HEAD_BAD && o.err == c->err);
	for (size_t step = 1; step <= c->text.n; step++) {
		o = parse_by(rules, c->text, step, &head);
		CHECK(o.state == HEAD_BAD && o.err == c->err);
	}
}

TEST(every_malformed_request_is_refused_at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_requests); i++)
		check_bad(&request_rules, &bad_requests[i]);
}

TEST(every_malformed_answer_is_refused_at_every_split)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_answers); i++)
		check_bad(&answer_rules, &bad_answers[i]);
}

TEST(a_request_is_read_whole)
{
	static struct http_head h;
	const struct str text =
		STR("\r\nPOST /v1/chat?key=a%20b&x HTTP/1.1\r\nHost: h:80\r\n"
		    "X-Api-Key:\t k \r\ncontent-LENGTH: 0012\r\n"
		    "Expect: 100-Continue\r\nEmpty:\r\nUtf: \xc3\xa4\t.\r\n"
		    "\r\nBODY");
	struct outcome o = parse(&request_rules, text, &h);

	CHECK_INT(o.state, HEAD_DONE);
	CHECK_INT(o.size, text.n - 4);
	CHECK_INT(h.method, HTTP_POST);
	CHECK(str_eq(h.method_text, STR("POST")));
	CHECK(str_eq(h.target, STR("/v1/chat?key=a%20b&x")));
	CHECK(str_eq(h.path, STR("/v1/chat")));
	CHECK(str_eq(h.query, STR("key=a%20b&x")));
	CHECK_INT(h.minor, 1);
	CHECK_INT(h.body, HTTP_BODY_LENGTH);
	CHECK_INT(h.length, 12);
	CHECK(h.keep_alive && h.expect_continue);
	CHECK_INT(h.n_fields, 6);
	CHECK(str_eq(http_get(&h, "x-api-key"), STR("k")));
	CHECK(http_get(&h, "empty").p && http_get(&h, "empty").n == 0);
	CHECK(!http_get(&h, "absent").p);
}

TEST(an_answer_is_read_whole)
{
	static struct http_head h;
	struct outcome o = parse(
		&answer_rules,
		STR("HTTP/1.1 429 Too Many\r\nTransfer-Encoding: Chunked\r\n"
		    "Connection: foo, CLOSE\r\n\r\n"),
		&h);

	CHECK_INT(o.state, HEAD_DONE);
	CHECK_INT(h.status, 429);
	CHECK_INT(h.body, HTTP_BODY_CHUNKED);
	CHECK(!h.keep_alive);
	o = parse(&answer_rules, STR("HTTP/1.1 200\r\n\r\n"), &h);
	CHECK_INT(o.state, HEAD_DONE);
	CHECK_INT(h.body, HTTP_BODY_CLOSE);
	CHECK(!h.keep_alive);
	o = parse(&answer_rules,
		  STR("HTTP/1.0 200 \r\nConnection: keep-alive\r\n"
		      "Content-Length: 3\r\n\r\n"),
		  &h);
	CHECK_INT(o.state, HEAD_DONE);
	CHECK_INT(h.body, HTTP_BODY_LENGTH);
	CHECK(h.keep_alive);
}

TEST(bodiless_answers_have_no_body)
{
	static struct http_head h;
	struct head_rules rules = answer_rules;

	CHECK_INT(parse(&rules, STR("HTTP/1.1 204 No\r\n\r\n"), &h).state,
		  HEAD_DONE);
	CHECK_INT(h.body, HTTP_BODY_NONE);
	CHECK(h.keep_alive);
	CHECK_INT(parse(&rules,
			STR("HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n"), &h)
			  .state,
		  HEAD_DONE);
	CHECK_INT(h.body, HTTP_BODY_NONE);
	rules.no_body = true;
	CHECK_INT(parse(&rules,
			STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), &h)
			  .state,
		  HEAD_DONE);
	CHECK_INT(h.body, HTTP_BODY_NONE);
}

TEST(absolute_targets_of_the_same_host_are_paths)
{
	static struct http_head h;

	CHECK_INT(parse(&request_rules,
			STR("GET HTTP://A/b?c HTTP/1.1\r\n" OK_LINES), &h)
			  .state,
		  HEAD_DONE);
	CHECK(str_eq(h.path, STR("/b")));
	CHECK(str_eq(h.query, STR("c")));
	CHECK_INT(parse(&request_rules,
			STR("GET https://a HTTP/1.1\r\n" OK_LINES), &h)
			  .state,
		  HEAD_DONE);
	CHECK(str_eq(h.path, STR("/")));
	CHECK(!h.query.p);
	CHECK_INT(parse(&request_rules,
			STR("GET http://a?b HTTP/1.1\r\n" OK_LINES), &h)
			  .state,
		  HEAD_DONE);
	CHECK(str_eq(h.path, STR("/")));
	CHECK(str_eq(h.query, STR("b")));
	CHECK_INT(parse(&request_rules, STR("OPTIONS * HTTP/1.1\r\n" OK_LINES),
			&h)
			  .state,
		  HEAD_DONE);
	CHECK(str_eq(h.path, STR("*")));
}

TEST(http_1_0_keeps_alive_only_if_asked)
{
	static struct http_head h;

	CHECK_INT(
		parse(&request_rules, STR("GET / HTTP/1.0\r\n\r\n"), &h).state,
		HEAD_DONE);
	CHECK(!h.keep_alive);
	CHECK_INT(parse(&request_rules,
			STR("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n"
			    "Expect: 100-continue\r\n\r\n"),
			&h)
			  .state,
		  HEAD_DONE);
	CHECK(h.keep_alive && !h.expect_continue);
	CHECK_INT(parse(&request_rules,
			STR("GET / HTTP/1.1\r\nConnection: close, "
			    "keep-alive\r\n" OK_LINES),
			&h)
			  .state,
		  HEAD_DONE);
	CHECK(!h.keep_alive);
}

TEST(a_head_is_the_same_at_every_split)
{
	static struct http_head h;
	const struct str text =
		STR("\r\nPOST /v1/chat?q HTTP/1.1\r\nHost: a\r\nX: yy\r\n"
		    "Content-Length: 3\r\n\r\nabc");

	for (size_t step = 1; step <= text.n; step++) {
		struct outcome o = parse_by(&request_rules, text, step, &h);

		CHECK_INT(o.state, HEAD_DONE);
		CHECK_INT(o.size, text.n - 3);
		CHECK_INT(h.length, 3);
		CHECK_INT(h.n_fields, 3);
	}
}

TEST(heads_beyond_a_limit_are_told_so)
{
	static struct http_head h;
	struct head_rules rules = {
		.kind = HEAD_REQUEST, .size = 64, .fields = 2};
	const struct str many = STR("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n"
				    "C: d\r\n\r\n");
	const struct str long_one =
		STR("GET / HTTP/1.1\r\nHost: a\r\nA: aaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n");

	for (size_t step = 1; step <= long_one.n; step++) {
		struct outcome o = parse_by(&rules, long_one, step, &h);

		CHECK(o.state == HEAD_BAD && o.err == E_HEAD_TOO_LARGE);
		o = parse_by(&rules, many, step, &h);
		CHECK(o.state == HEAD_BAD && o.err == E_HEAD_TOO_LARGE);
	}
	CHECK_INT(parse(&rules, STR("GET / HTTP/1.1\r\n" OK_LINES), &h).state,
		  HEAD_DONE);
}

int
main(void)
{
	RUN(every_malformed_request_is_refused_at_every_split);
	RUN(every_malformed_answer_is_refused_at_every_split);
	RUN(a_request_is_read_whole);
	RUN(an_answer_is_read_whole);
	RUN(bodiless_answers_have_no_body);
	RUN(absolute_targets_of_the_same_host_are_paths);
	RUN(http_1_0_keeps_alive_only_if_asked);
	RUN(a_head_is_the_same_at_every_split);
	RUN(heads_beyond_a_limit_are_told_so);
	return tap_done();
}
