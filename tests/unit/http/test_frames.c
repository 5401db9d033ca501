/* Framings of streams: what is an event, and that the split does not matter. */
#include <ctype.h>
#include <stdlib.h>

#include "base/hash.h"
#include "http/frames.h"
#include "tests/tap.h"

#define LIMIT 1024

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

/* Pieces are copies, so that a read past their end is seen. */
static enum err
feed_piece(struct frames *f, struct str piece, struct log *l)
{
	char *copy = malloc(piece.n + 1);
	enum err e;

	if (!copy)
		abort();
	memcpy(copy, piece.p, piece.n);
	e = frames_feed(f, str_make(copy, piece.n), note, l);
	free(copy);
	return e;
}

static enum err
feed(struct frames *f, struct str text, size_t step, struct log *l)
{
	enum err e = E_OK;

	for (size_t at = 0; at < text.n && e == E_OK; at += step)
		e = feed_piece(
			f, str_make(text.p + at, MIN_OF(step, text.n - at)), l);
	return e;
}

struct want {
	enum err err;
	const char *text;
	bool unfinished;
};

static void
check_fed(struct frames *f, enum err e, const struct log *l,
	  const struct want *w)
{
	CHECK_INT(e, w->err);
	CHECK_STR(l->text, w->text);
	if (e == E_OK)
		CHECK_INT(frames_unfinished(f), w->unfinished);
	frames_free(f);
}

/* In steps of every length, and cut in two at every place. */
static void
check(enum frames_kind kind, struct str text, struct want w)
{
	for (size_t step = 1; step <= text.n; step++) {
		struct frames f;
		struct log l = {{0}, 0, 0};
		enum err e;

		frames_init(&f, kind, LIMIT);
		e = feed(&f, text, step, &l);
		check_fed(&f, e, &l, &w);
	}
	for (size_t cut = 0; cut <= text.n; cut++) {
		struct frames f;
		struct log l = {{0}, 0, 0};
		enum err e;

		frames_init(&f, kind, LIMIT);
		e = feed_piece(&f, str_make(text.p, cut), &l);
		if (e == E_OK)
			e = feed_piece(&f, str_from(text, cut), &l);
		check_fed(&f, e, &l, &w);
	}
}

/* ---- server-sent events ---- */

TEST(server_sent_events_are_read_as_ever)
{
	check(FRAMES_SSE, STR("event: a\r\ndata: 1\r\n\r\ndata: 2\n\n"),
	      (struct want){E_OK, "a|1;|2;", false});
	check(FRAMES_SSE, STR("data: 1\n\ndata: 2"),
	      (struct want){E_OK, "|1;", true});
}

/* ---- lines ---- */

TEST(lines_end_with_lf_or_crlf)
{
	check(FRAMES_LINES, STR("{\"a\":1}\n{\"b\":2}\r\n{\"c\":3}\n"),
	      (struct want){E_OK, "|{\"a\":1};|{\"b\":2};|{\"c\":3};", false});
	check(FRAMES_LINES, STR("\n\r\n1\n\n\n2\n\r\n"),
	      (struct want){E_OK, "|1;|2;", false});
}

TEST(a_last_line_may_lack_its_end)
{
	static const char *const lasts[] = {"{}", "{}\r"};
	struct log l = {{0}, 0, 0};
	struct frames f;

	check(FRAMES_LINES, STR("1\n{}"), (struct want){E_OK, "|1;", true});
	for (unsigned i = 0; i < ARRAY_LEN(lasts); i++) {
		frames_init(&f, FRAMES_LINES, LIMIT);
		CHECK_INT(feed(&f, str_of(lasts[i]), 1, &l), E_OK);
		CHECK(str_eq(frames_last(&f), STR("{}")));
		frames_free(&f);
	}
	frames_init(&f, FRAMES_LINES, LIMIT);
	CHECK_INT(feed(&f, STR("{}\n"), 1, &l), E_OK);
	CHECK_INT(frames_last(&f).n, 0);
	frames_free(&f);
}

TEST(a_line_over_the_limit_is_an_error)
{
	char text[LIMIT + 2];

	memset(text, 'x', sizeof(text));
	for (size_t step = 1; step <= sizeof(text); step += 41) {
		struct log l = {{0}, 0, 0};
		struct frames f;

		frames_init(&f, FRAMES_LINES, LIMIT);
		CHECK_INT(feed(&f, str_make(text, sizeof(text)), step, &l),
			  E_UP_BAD_RESPONSE);
		frames_free(&f);
	}
}

/* ---- AWS event stream ---- */

struct bytes {
	char p[8192];
	size_t n;
};

static void
add(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
add32(struct bytes *b, uint32_t v)
{
	const char text[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8),
			      (char)v};

	add(b, text, 4);
}

static void
add_hex(struct bytes *b, const char *hex)
{
	unsigned v;

	for (; isxdigit((unsigned char)hex[0]); hex += 2) {
		CHECK(sscanf(hex, "%2x", &v) == 1);
		b->p[b->n++] = (char)v;
	}
}

static void
add_field(struct bytes *b, const char *name, const char *value)
{
	const char head = (char)strlen(name);
	const char type[3] = {7, (char)(strlen(value) >> 8),
			      (char)strlen(value)};

	add(b, &head, 1);
	add(b, name, strlen(name));
	add(b, type, 3);
	add(b, value, strlen(value));
}

static void
add_frame(struct bytes *b, const struct bytes *fields, const char *payload)
{
	size_t start = b->n;

	add32(b, (uint32_t)(12 + fields->n + strlen(payload) + 4));
	add32(b, (uint32_t)fields->n);
	add32(b, crc32_ieee(0, b->p + start, 8));
	add(b, fields->p, fields->n);
	add(b, payload, strlen(payload));
	add32(b, crc32_ieee(0, b->p + start, b->n - start));
}

/* A frame with one typed field more than its message type. */
static void
add_event(struct bytes *b, const char *type, const char *name,
	  const char *payload)
{
	static struct bytes fields;

	fields.n = 0;
	add_field(&fields, ":message-type", type);
	add_field(&fields,
		  strcmp(type, "event") == 0 ? ":event-type"
					     : ":exception-type",
		  name);
	add_frame(b, &fields, payload);
}

static struct str
bytes_str(const struct bytes *b)
{
	return str_make(b->p, b->n);
}

/* As Bedrock's own server sent them. */
static const char served[] =
	"000000760000005296d5fade0d3a636f6e74656e742d74797065070010617070"
	"6c69636174696f6e2f6a736f6e0b3a6576656e742d7479706507000c6d657373"
	"61676553746172740d3a6d6573736167652d747970650700056576656e747b22"
	"726f6c65223a22617373697374616e74227dd8c5dff7"
	"0000007a00000051ca2c46650d3a636f6e74656e742d74797065070010617070"
	"6c69636174696f6e2f6a736f6e0b3a6576656e742d7479706507000b6d657373"
	"61676553746f700d3a6d6573736167652d747970650700056576656e747b2273"
	"746f70526561736f6e223a22656e645f7475726e227decfd858e";

TEST(frames_are_named_by_their_type)
{
	static struct bytes b;

	b.n = 0;
	add_hex(&b, served);
	check(FRAMES_AWS, bytes_str(&b),
	      (struct want){E_OK,
			    "messageStart|{\"role\":\"assistant\"};"
			    "messageStop|{\"stopReason\":\"end_turn\"};",
			    false});
	b.n -= 3;
	check(FRAMES_AWS, bytes_str(&b),
	      (struct want){E_OK, "messageStart|{\"role\":\"assistant\"};",
			    true});
}

TEST(exceptions_and_errors_are_told_from_events)
{
	static struct bytes b, fields;

	b.n = fields.n = 0;
	add_event(&b, "exception", "throttlingException",
		  "{\"message\":\"slow\"}");
	add_event(&b, "exception", "x", "");
	add_field(&fields, ":error-message", "a \"b\"");
	add_field(&fields, ":error-code", "Code");
	add_field(&fields, ":message-type", "error");
	add_frame(&b, &fields, "");
	check(FRAMES_AWS, bytes_str(&b),
	      (struct want){E_OK,
			    "exception:throttlingException|"
			    "{\"message\":\"slow\"};exception:x|{};"
			    "error:Code|{\"message\":\"a \\\"b\\\"\"};",
			    false});
}

TEST(fields_of_every_type_are_skipped)
{
	static const char others[] = "0174"	      /* t: true */
				     "00"	      /* true */
				     "016601"	      /* false */
				     "01620205"	      /* byte */
				     "0173030506"     /* short */
				     "01690401020304" /* integer */
				     "016c050102030405060708"
				     "01790600020a0d" /* bytes */
				     "01740801020304050607aa"
				     "017509000102030405060708090a0b0c0d0e0f";
	static struct bytes b, fields;

	b.n = fields.n = 0;
	add_hex(&fields, others);
	add_field(&fields, ":event-type", "e");
	add_hex(&fields, others);
	add_field(&fields, ":message-type", "event");
	add_hex(&fields, others);
	add_frame(&b, &fields, "{}");
	check(FRAMES_AWS, bytes_str(&b), (struct want){E_OK, "e|{};", false});
}

TEST(broken_fields_break_the_stream)
{
	static const char *const bad[] = {
		"00",	    /* no name */
		"0174",	    /* no type */
		"01740a00", /* no such type */
		"017407",   "01740700",	  "017407000561", "01740201020304",
		"ff",	    "0174040102", "01740900",
	};
	static struct bytes b, fields;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		b.n = fields.n = 0;
		add_field(&fields, ":message-type", "event");
		add_hex(&fields, bad[i]);
		add_frame(&b, &fields, "{}");
		check(FRAMES_AWS, bytes_str(&b),
		      (struct want){E_UP_BAD_RESPONSE, "", false});
	}
	b.n = 0;
	add_event(&b, "strange", "e", "{}");
	check(FRAMES_AWS, bytes_str(&b),
	      (struct want){E_UP_BAD_RESPONSE, "", false});
}

TEST(any_wrong_byte_breaks_the_stream)
{
	static struct bytes b;
	size_t one;

	b.n = 0;
	add_event(&b, "event", "first", "{}");
	one = b.n;
	add_event(&b, "event", "second", "{\"a\":1}");
	for (size_t i = 0; i < b.n; i++) {
		struct log l = {{0}, 0, 0};
		struct frames f;

		b.p[i] ^= 0x10;
		frames_init(&f, FRAMES_AWS, LIMIT);
		CHECK_INT(feed(&f, bytes_str(&b), b.n, &l), E_UP_BAD_RESPONSE);
		CHECK_STR(l.text, i < one ? "" : "first|{};");
		frames_free(&f);
		b.p[i] ^= 0x10;
	}
}

TEST(lengths_that_cannot_be_break_the_stream)
{
	static const uint32_t bad[][2] = {
		{0, 0},	       {15, 0},		  {16, 1},
		{17, 2},       {LIMIT + 1, 0},	  {0xffffffff, 0},
		{100, 0xffff}, {100, 0xfffffff0}, {0x80000000, 0x7fffffff},
	};
	struct bytes b;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		b.n = 0;
		add32(&b, bad[i][0]);
		add32(&b, bad[i][1]);
		add32(&b, crc32_ieee(0, b.p, 8));
		check(FRAMES_AWS, bytes_str(&b),
		      (struct want){E_UP_BAD_RESPONSE, "", false});
	}
}

TEST(a_frame_without_anything_is_no_event)
{
	static struct bytes b, fields;

	b.n = fields.n = 0;
	add_frame(&b, &fields, "");
	check(FRAMES_AWS, bytes_str(&b),
	      (struct want){E_UP_BAD_RESPONSE, "", false});
}

TEST(the_user_may_stop)
{
	static struct bytes b;
	struct log l = {{0}, 0, 1}, m = {{0}, 0, 2};
	struct frames f;

	b.n = 0;
	add_event(&b, "event", "a", "1");
	add_event(&b, "event", "b", "2");
	frames_init(&f, FRAMES_AWS, LIMIT);
	CHECK_INT(frames_feed(&f, bytes_str(&b), note, &l), E_OK);
	CHECK_STR(l.text, "a|1;");
	frames_free(&f);
	frames_init(&f, FRAMES_LINES, LIMIT);
	CHECK_INT(frames_feed(&f, STR("1\n2\n3\n"), note, &m), E_OK);
	CHECK_STR(m.text, "|1;|2;");
	frames_free(&f);
}

TEST(a_zeroed_one_may_be_freed)
{
	struct frames f = {.kind = FRAMES_SSE};

	frames_free(&f);
	frames_free(&f);
	CHECK(!frames_unfinished(&f));
}

int
main(void)
{
	RUN(server_sent_events_are_read_as_ever);
	RUN(lines_end_with_lf_or_crlf);
	RUN(a_last_line_may_lack_its_end);
	RUN(a_line_over_the_limit_is_an_error);
	RUN(frames_are_named_by_their_type);
	RUN(exceptions_and_errors_are_told_from_events);
	RUN(fields_of_every_type_are_skipped);
	RUN(broken_fields_break_the_stream);
	RUN(any_wrong_byte_breaks_the_stream);
	RUN(lengths_that_cannot_be_break_the_stream);
	RUN(a_frame_without_anything_is_no_event);
	RUN(the_user_may_stop);
	RUN(a_zeroed_one_may_be_freed);
	return tap_done();
}
