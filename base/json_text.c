/* Strings of a validated JSON text: their characters, one by one. */
#include "base/digits.h"
#include "base/json.h"
#include "base/utf8.h"

enum piece { END, RUN, LONE };

/* The number of \uXXXX at the start of `s`; -1 when there is none. */
static int32_t
unit(struct str s)
{
	int32_t v = 0;

	if (s.n < 6 || s.p[0] != '\\' || s.p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int hex = hex_digit(s.p[i]);

		if (hex < 0)
			return -1;
		v = v << 4 | hex;
	}
	return v;
}

/* \u with what follows it; a pair of surrogates is one character. */
static enum piece
take_unit(struct str *in, struct str *piece, char room[4])
{
	int32_t high = unit(*in), low;
	uint32_t code = (uint32_t)high;

	if (high < 0) { /* not validated before: the rest as it is */
		*piece = *in;
		*in = STR_NONE;
		return RUN;
	}
	*in = str_from(*in, 6);
	if (high >= 0xd800 && high <= 0xdfff) {
		low = high < 0xdc00 ? unit(*in) : -1;
		if (low < 0xdc00 || low > 0xdfff) {
			*piece = STR("\xef\xbf\xbd");
			return LONE;
		}
		*in = str_from(*in, 6);
		code = 0x10000 + (((uint32_t)high & 0x3ff) << 10) +
		       ((uint32_t)low & 0x3ff);
	}
	*piece = str_make(room, utf8_put(code, room));
	return RUN;
}

/* The next bytes of the unescaped string. A lone surrogate is U+FFFD. */
static enum piece
next_piece(struct str *in, struct str *piece, char room[4])
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *known;
	ptrdiff_t slash;

	if (in->n == 0)
		return END;
	slash = str_find(*in, '\\');
	if (slash != 0) {
		*piece = str_make(in->p, slash < 0 ? in->n : (size_t)slash);
		*in = str_from(*in, piece->n);
		return RUN;
	}
	known = in->n > 1 ? memchr(from, in->p[1], sizeof(from) - 1) : NULL;
	if (known == NULL)
		return take_unit(in, piece, room);
	room[0] = to[known - from];
	*piece = str_make(room, 1);
	*in = str_from(*in, 2);
	return RUN;
}

/* Without its quotes. */
static struct str
inside(struct str raw)
{
	return raw.n < 2 ? STR_NONE : str_make(raw.p + 1, raw.n - 2);
}

bool
json_str_eq(struct str raw, struct str text)
{
	struct str in = inside(raw), piece;
	enum piece kind;
	char room[4];

	/* An escape is longer than what it stands for. */
	if (in.n <= text.n)
		return str_eq(in, text) && str_find(in, '\\') < 0;
	if (str_find(in, '\\') < 0)
		return false;
	while ((kind = next_piece(&in, &piece, room)) == RUN) {
		if (!str_starts(text, piece))
			return false;
		text = str_from(text, piece.n);
	}
	return kind == END && text.n == 0;
}

bool
json_unescape(struct json_value v, struct buf *out)
{
	struct str in = inside(v.raw), piece;
	enum piece kind;
	char room[4];

	if (v.type != JSON_STRING)
		return false;
	while ((kind = next_piece(&in, &piece, room)) == RUN)
		buf_add_str(out, piece);
	return kind == END;
}

size_t
json_str_bytes(struct json_value v)
{
	struct str in = inside(v.raw), piece;
	char room[4];
	size_t n = 0;

	if (v.type != JSON_STRING)
		return 0;
	while (next_piece(&in, &piece, room) != END)
		n += piece.n;
	return n;
}
