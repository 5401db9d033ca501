/* Tables as CSV or JSON lines. */
#include "billing/sheet.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digits.h"
#include "base/json.h"
#include "base/must.h"

#define MINUTE_MS 60000u

void
sheet_begin(struct sheet *s, enum sheet_format format, bool raw,
	    const char *const *columns, uint32_t n_columns)
{
	*s = (struct sheet){
		.out = BUF_INIT,
		.format = format,
		.raw = raw,
		.columns = columns,
		.n_columns = n_columns,
	};
	if (format != SHEET_CSV)
		return;
	for (uint32_t i = 0; i < n_columns; i++) {
		if (i)
			buf_add_char(&s->out, ',');
		buf_add_cstr(&s->out, columns[i]);
	}
	buf_add(&s->out, "\r\n", 2);
}

void
sheet_free(struct sheet *s)
{
	buf_free(&s->out);
}

static void
name(struct sheet *s)
{
	must(s->at < s->n_columns);
	buf_add(&s->out, s->at ? ",\"" : "{\"", 2);
	buf_add_cstr(&s->out, s->columns[s->at]);
	buf_add(&s->out, "\":", 2);
}

/* The comma, and in JSON the name; then room for `n` bytes. */
INLINE char *
cell(struct sheet *s, size_t n)
{
	if (s->format == SHEET_JSON)
		name(s);
	if (UNLIKELY(s->out.cap - s->out.n < n + 1) &&
	    !buf_grow(&s->out, n + 1))
		return NULL;
	if (s->format == SHEET_CSV && s->at)
		s->out.p[s->out.n++] = ',';
	must(s->at++ < s->n_columns);
	return s->out.p + s->out.n;
}

/* What a character asks for: quotes anywhere, quotes at either end, a guard
 * against spreadsheets that run what begins so. */
enum { QUOTES = 1, EDGE = 2, RUNS = 4 };
static const uint8_t kinds[256] = {
	[','] = QUOTES, ['"'] = QUOTES, ['\n'] = QUOTES, ['\r'] = QUOTES | RUNS,
	[' '] = EDGE,	['='] = RUNS,	['+'] = RUNS,	 ['-'] = RUNS,
	['@'] = RUNS,	['\t'] = RUNS,
};

static unsigned
kind_at(struct str t, size_t i)
{
	return kinds[(unsigned char)t.p[i]];
}

static bool
runs_in_spreadsheets(struct str t)
{
	return t.n && kind_at(t, 0) & RUNS;
}

static bool
needs_quotes(struct str t)
{
	unsigned any = 0;

	for (size_t i = 0; i < t.n; i++)
		any |= kind_at(t, i);
	return any & QUOTES ||
	       (t.n && (kind_at(t, 0) | kind_at(t, t.n - 1)) & EDGE);
}

static void
csv_text(struct sheet *s, struct str t)
{
	bool guard = !s->raw && runs_in_spreadsheets(t);

	if (!guard && !needs_quotes(t)) {
		buf_add_str(&s->out, t);
		return;
	}
	buf_add_char(&s->out, '"');
	if (guard)
		buf_add_char(&s->out, '\'');
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '"')
			buf_add_char(&s->out, '"');
		buf_add_char(&s->out, t.p[i]);
	}
	buf_add_char(&s->out, '"');
}

void
sheet_text(struct sheet *s, struct str text)
{
	struct json_out json;

	(void)cell(s, 0);
	if (s->format == SHEET_CSV) {
		csv_text(s, text);
		return;
	}
	json_out_init(&json, &s->out);
	json_put_str(&json, text);
}

void
sheet_u64(struct sheet *s, uint64_t v)
{
	char *p = cell(s, DIGITS_MAX);

	if (p)
		s->out.n += digits_write(p, v);
}

void
sheet_bool(struct sheet *s, bool v)
{
	(void)cell(s, 0);
	buf_add_cstr(&s->out, v ? "true" : "false");
}

void
sheet_exact(struct sheet *s, struct str text)
{
	char *p = cell(s, text.n + 2);

	if (!p)
		return;
	if (s->format == SHEET_JSON)
		*p++ = '"';
	if (text.n)
		memcpy(p, text.p, text.n);
	p += text.n;
	if (s->format == SHEET_JSON)
		*p++ = '"';
	s->out.n = (size_t)(p - s->out.p);
}

void
sheet_money(struct sheet *s, int64_t nano)
{
	char text[MONEY_TEXT];
	size_t n = money_text(money_nano(nano), text);

	sheet_exact(s, str_make(text, n));
}

void
sheet_us_as_ms(struct sheet *s, uint64_t us)
{
	char *p = cell(s, DIGITS_MAX + 4);
	size_t n;

	if (!p)
		return;
	n = digits_write(p, us / 1000);
	p[n] = '.';
	p[n + 1] = (char)('0' + us / 100 % 10);
	memcpy(p + n + 2, digit_pairs + 2 * (us % 100), 2);
	s->out.n += n + 4;
}

void
sheet_time(struct sheet *s, uint64_t wall_ms)
{
	uint64_t minute = wall_ms / MINUTE_MS;
	unsigned ms = (unsigned)(wall_ms % MINUTE_MS);
	struct sheet_minute *m = &s->minutes[minute % 2];
	char text[sizeof("2026-11-20T12:34:56.123Z")];

	if (m->minute1 != minute + 1) {
		(void)time_text(minute * MINUTE_MS * NS_PER_MS, 3, m->text);
		m->minute1 = minute + 1;
	}
	memcpy(text, m->text, sizeof(text));
	memcpy(text + 17, digit_pairs + 2 * (ms / 1000), 2);
	memcpy(text + 20, digit_pairs + 2 * (ms / 10 % 100), 2);
	text[22] = (char)('0' + ms % 10);
	sheet_exact(s, str_make(text, sizeof(text) - 1));
}

void
sheet_second(struct sheet *s, uint64_t wall_ms)
{
	char text[TIME_TEXT];
	size_t n = time_text(wall_ms * NS_PER_MS, 0, text);

	sheet_exact(s, str_make(text, n));
}

void
sheet_empty(struct sheet *s)
{
	(void)cell(s, 0);
	if (s->format == SHEET_JSON)
		buf_add_cstr(&s->out, "null");
}

void
sheet_end_row(struct sheet *s)
{
	must(s->at == s->n_columns);
	if (s->format == SHEET_CSV)
		buf_add(&s->out, "\r\n", 2);
	else
		buf_add(&s->out, "}\n", 2);
	s->at = 0;
	s->rows++;
}

bool
sheet_flush(struct sheet *s, int fd, size_t keep)
{
	size_t done = 0;

	if (s->out.failed) {
		errno = ENOMEM;
		return false;
	}
	if (s->out.n <= keep)
		return true;
	while (done < s->out.n) {
		ssize_t n = write(fd, s->out.p + done, s->out.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	buf_reset(&s->out);
	return true;
}
