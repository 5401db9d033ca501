/* The JSON writer: commas and quotes are its business. */
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

void
json_out_init(struct json_out *o, struct buf *buf)
{
	*o = (struct json_out){buf, false};
}

static void
before_value(struct json_out *o)
{
	if (o->comma)
		buf_add_char(o->buf, ',');
	o->comma = true;
}

void
json_open(struct json_out *o, char bracket)
{
	before_value(o);
	buf_add_char(o->buf, bracket);
	o->comma = false;
}

void
json_close(struct json_out *o, char bracket)
{
	buf_add_char(o->buf, bracket);
	o->comma = true;
}

static void
put_escape(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"': buf_add(b, "\\\"", 2); break;
	case '\\': buf_add(b, "\\\\", 2); break;
	case '\n': buf_add(b, "\\n", 2); break;
	case '\r': buf_add(b, "\\r", 2); break;
	case '\t': buf_add(b, "\\t", 2); break;
	default: buf_add(b, text, sizeof(text)); break;
	}
}

#define ONES (~(uint64_t)0 / 255)

/* Some byte of `v` is 0 (or, as a false alarm, follows such a byte). */
static inline uint64_t
zeros(uint64_t v)
{
	return (v - ONES) & ~v;
}

/* Eight bytes that need no look: ASCII, no control, quote or backslash. */
static inline bool
plain8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return ((v | ((v - ONES * 0x20) & ~v) | zeros(v ^ ONES * '"') |
		 zeros(v ^ ONES * '\\')) &
		ONES * 0x80) == 0;
}

/* How many bytes may go out as they are. */
static size_t
clean(struct str s)
{
	size_t i = 0;

	while (s.n - i >= 8 && plain8(s.p + i))
		i += 8;
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n = 1;

		if (c < 0x20 || c == '"' || c == '\\')
			break;
		if (c >= 0x80)
			n = utf8_char(str_from(s, i));
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

static void
put_quoted(struct buf *b, struct str s)
{
	buf_add_char(b, '"');
	while (s.n) {
		size_t n = clean(s);

		buf_add(b, s.p, n);
		s = str_from(s, n);
		if (s.n == 0)
			break;
		if ((unsigned char)s.p[0] >= 0x80)
			buf_add(b, "\xef\xbf\xbd", 3);
		else
			put_escape(b, (unsigned char)s.p[0]);
		s = str_from(s, 1);
	}
	buf_add_char(b, '"');
}

void
json_name(struct json_out *o, const char *name)
{
	struct str plain = str_of(name);

	before_value(o);
	buf_add_char(o->buf, '"');
	buf_add_str(o->buf, plain);
	buf_add(o->buf, "\":", 2);
	o->comma = false;
}

void
json_put_str(struct json_out *o, struct str s)
{
	before_value(o);
	put_quoted(o->buf, s);
}

void
json_put_i64(struct json_out *o, int64_t v)
{
	before_value(o);
	buf_add_i64(o->buf, v);
}

void
json_put_u64(struct json_out *o, uint64_t v)
{
	before_value(o);
	buf_add_u64(o->buf, v);
}

void
json_put_bool(struct json_out *o, bool v)
{
	before_value(o);
	buf_add_cstr(o->buf, v ? "true" : "false");
}

void
json_put_null(struct json_out *o)
{
	before_value(o);
	buf_add_cstr(o->buf, "null");
}

void
json_put_raw(struct json_out *o, struct str raw)
{
	before_value(o);
	buf_add_str(o->buf, raw);
}
