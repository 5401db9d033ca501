/* A provider's bill, whatever its shape. */
#include "billing/bill.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/zone.h"
#include "billing/bill_parts.h"

__extension__ typedef unsigned __int128 u128;

/* Digits of a number that count; the rest only says how large it is. */
#define DIGITS 30
#define NANO   9

/* ---- lines ---- */

struct bill_line *
bill_add(struct bill *b)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 256;
		struct bill_line *lines =
			realloc(b->lines, cap * sizeof(*lines));

		if (!lines)
			return NULL;
		b->lines = lines;
		b->cap = cap;
	}
	b->lines[b->n] = (struct bill_line){0};
	return &b->lines[b->n++];
}

bool
bill_room(struct bill *b, size_t n)
{
	b->texts = malloc(n + 1);
	b->texts_n = 0;
	return b->texts != NULL;
}

void
bill_done(struct bill *b, const struct bill_line *line)
{
	b->has_ids |= line->id.n > 0;
	b->has_models |= line->model.n > 0;
}

void
bill_free(struct bill *b)
{
	free(b->lines);
	free(b->texts);
	*b = (struct bill){0};
}

/* ---- values ---- */

bool
bill_time(struct str text, uint64_t *ms)
{
	uint32_t day;
	uint64_t v;

	if (str_to_u64(text, &v)) {
		*ms = v * 1000;
		return v > 0 && v <= UINT32_MAX;
	}
	if (zone_parse_day(text, &day)) {
		*ms = zone_start_of_day(day);
		return *ms > 0;
	}
	if (!time_parse(text, &v))
		return false;
	*ms = v / NS_PER_MS;
	return *ms > 0;
}

struct decimal {
	u128 digits;
	int exponent;
	unsigned n; /* digits that count so far */
};

static bool
is_digit(struct str s, size_t i)
{
	return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

/* From s.p[*i]; false: no digit. */
static bool
take_digits(struct str s, size_t *i, bool after_point, struct decimal *d)
{
	if (!is_digit(s, *i))
		return false;
	for (; is_digit(s, *i); ++*i) {
		if (d->n < DIGITS) {
			d->digits = d->digits * 10 + (unsigned)(s.p[*i] - '0');
			d->n += d->digits > 0;
			d->exponent -= after_point;
		} else {
			d->exponent += !after_point;
		}
	}
	return true;
}

static bool
take_exponent(struct str s, size_t *i, struct decimal *d)
{
	bool negative;
	int v = 0;

	if (*i >= s.n || (s.p[*i] != 'e' && s.p[*i] != 'E'))
		return true;
	++*i;
	negative = *i < s.n && s.p[*i] == '-';
	*i += *i < s.n && (s.p[*i] == '-' || s.p[*i] == '+');
	if (!is_digit(s, *i))
		return false;
	for (; is_digit(s, *i); ++*i)
		if (v < 100000)
			v = v * 10 + (s.p[*i] - '0');
	/* No text of ours is so long that this could overflow. */
	d->exponent += negative ? -v : v;
	return true;
}

/* Half away from zero. */
static bool
to_nano(struct decimal d, int64_t *nano)
{
	u128 half = 0;

	d.exponent += NANO;
	for (; d.exponent < 0 && (d.digits || half); d.exponent++) {
		half = d.digits % 10 >= 5;
		d.digits /= 10;
	}
	d.digits += half;
	for (; d.exponent > 0 && d.digits; d.exponent--) {
		if (d.digits > INT64_MAX)
			return false;
		d.digits *= 10;
	}
	*nano = (int64_t)d.digits;
	return d.digits <= INT64_MAX;
}

bool
bill_money(struct str text, int64_t *nano)
{
	bool negative = text.n && text.p[0] == '-';
	struct decimal d = {0};
	size_t i = negative;

	if (text.n > 1000 || !take_digits(text, &i, false, &d))
		return false;
	if (i < text.n && text.p[i] == '.') {
		i++;
		if (!take_digits(text, &i, true, &d))
			return false;
	}
	if (!take_exponent(text, &i, &d) || i != text.n || !to_nano(d, nano))
		return false;
	if (negative)
		*nano = -*nano;
	return true;
}

/* ---- shapes ---- */

static struct str
skip_mark(struct str text)
{
	return str_starts(text, STR("\xef\xbb\xbf")) ? str_from(text, 3) : text;
}

bool
bill_read(struct bill *b, struct str text, struct buf *error)
{
	struct str s = skip_mark(text);
	size_t i = 0;
	bool ok;

	*b = (struct bill){0};
	while (i < s.n && memchr(" \t\r\n", s.p[i], 4))
		i++;
	if (i == s.n) {
		buf_add_cstr(error, "it is empty");
		return false;
	}
	ok = s.p[i] == '{' || s.p[i] == '[' ? bill_read_json(b, s, error)
					    : bill_read_csv(b, s, error);
	if (!ok && error->n == 0)
		buf_add_cstr(error, "out of memory");
	if (!ok)
		bill_free(b);
	return ok;
}
