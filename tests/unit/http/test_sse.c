/* Server-sent events: what is an event, and that the split does not matter. */
#include "http/sse.h"
#include "tests/tap.h"

struct log {
	char text[4096];
	size_t n;
	int stop_after;
};

/* "name|data;" for each event. */
static bool
note(void *user, const struct sse_event *e)
{
	struct log *l = user;
	int n = snprintf(l->text + l->n, sizeof(l->text) - l->n, "%.*s|%.*s;",
			 STR_ARG(e->name), STR_ARG(e->data));

	l->n += (size_t)n;
	return l->stop_after == 0 || --l->stop_after > 0;
}

static enum err
feed(struct sse *s, struct str text, size_t step, struct log *l)
{
	enum err e = E_OK;

	for (size_t at = 0; at < text.n && e == E_OK; at += step)
		e = sse_feed(s,
			     str_make(text.p + at, MIN_OF(step, text.n - at)),
			     note, l);
	return e;
}

static void
check(struct str text, const char *want, bool unfinished)
{
	for (size_t step = 1; step <= text.n; step++) {
		struct sse s;
		struct log l = {{0}, 0, 0};

		sse_init(&s, 1024);
		CHECK_INT(feed(&s, text, step, &l), E_OK);
		CHECK_STR(l.text, want);
		CHECK_INT(sse_unfinished(&s), unfinished);
		sse_free(&s);
	}
}

TEST(events_end_with_lf_crlf_or_cr)
{
	check(STR("data: a\n\ndata: b\n\n"), "|a;|b;", false);
	check(STR("data: a\r\n\r\ndata: b\r\n\r\n"), "|a;|b;", false);
	check(STR("data: a\r\rdata: b\r\r"), "|a;|b;", false);
	check(STR("data: a\n\r\ndata: b\r\n\ndata: c\r\n\rdata: d\n\n"),
	      "|a;|b;|c;|d;", false);
}

TEST(names_and_lines_are_read)
{
	check(STR("event: ping\ndata: {\"a\": 1}\n\n"), "ping|{\"a\": 1};",
	      false);
	check(STR("data:a\ndata:  b\r\ndata\ndata: c\n\n"), "|a\n b\n\nc;",
	      false);
	check(STR("data: x\nevent: one\nevent: two\nid: 7\nretry: 1\n\n"),
	      "two|x;", false);
	check(STR("data:\n\ndata\n\n"), "|;|;", false);
	check(STR("database: x\ndat: y\nevents: z\n\n"), "", false);
	check(STR("data: a:b: c\n\n"), "|a:b: c;", false);
}

TEST(comments_and_blank_lines_are_no_events)
{
	check(STR(": hello\n\n:\n\n\n\r\n\rdata: a\n\n: bye\n\n"), "|a;",
	      false);
	check(STR("data: a\n: in between\ndata: b\n\n"), "|a\nb;", false);
	check(STR("event: only a name\n\ndata: a\n\n"), "|a;", false);
	check(STR(": one\r\n: two\r\ndata: a\r\n\r\n"), "|a;", false);
}

TEST(a_byte_order_mark_is_dropped_once)
{
	check(STR("\xef\xbb\xbf"
		  "data: a\n\ndata: b\n\n"),
	      "|a;|b;", false);
	check(STR("data: a\n\n\xef\xbb\xbf"
		  "data: b\n\n"),
	      "|a;", false);
}

TEST(an_unfinished_event_is_held_and_told)
{
	check(STR("data: a\n\ndata: b\n"), "|a;", true);
	check(STR("data: a\n\nd"), "|a;", true);
	check(STR("data: a"), "", true);
}

TEST(the_user_may_stop)
{
	struct sse s;
	struct log l = {{0}, 0, 2};

	sse_init(&s, 1024);
	CHECK_INT(sse_feed(&s, STR("data: a\n\ndata: b\n\ndata: c\n\n"), note,
			   &l),
		  E_OK);
	CHECK_STR(l.text, "|a;|b;");
	sse_free(&s);
}

TEST(an_event_over_the_limit_is_an_error)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	memcpy(text, "data:", 5);
	for (size_t step = 1; step <= sizeof(text); step += 97) {
		struct sse s;
		struct log l = {{0}, 0, 0};

		sse_init(&s, 1024);
		CHECK_INT(feed(&s, str_make(text, sizeof(text)), step, &l),
			  E_UP_BAD_RESPONSE);
		CHECK_INT(l.n, 0);
		CHECK(s.line.n <= 1024 + step);
		sse_free(&s);
	}
}

/* A stream of keep-alive comments is no event that grows. */
TEST(comments_do_not_count_against_the_limit)
{
	struct sse s;
	struct log l = {{0}, 0, 0};

	sse_init(&s, 64);
	for (int i = 0; i < 1000; i++)
		CHECK_INT(feed(&s, STR(": still working\n"), 5, &l), E_OK);
	CHECK(!sse_unfinished(&s));
	sse_free(&s);
}

TEST(an_idle_stream_holds_no_memory)
{
	struct sse s;
	struct log l = {{0}, 0, 0};

	sse_init(&s, 1024);
	CHECK_INT(feed(&s, STR("data: a\n\n"), 3, &l), E_OK);
	CHECK(!s.line.p && !s.data.p);
	sse_free(&s);
}

int
main(void)
{
	RUN(events_end_with_lf_crlf_or_cr);
	RUN(names_and_lines_are_read);
	RUN(comments_and_blank_lines_are_no_events);
	RUN(a_byte_order_mark_is_dropped_once);
	RUN(an_unfinished_event_is_held_and_told);
	RUN(the_user_may_stop);
	RUN(an_event_over_the_limit_is_an_error);
	RUN(comments_do_not_count_against_the_limit);
	RUN(an_idle_stream_holds_no_memory);
	return tap_done();
}
