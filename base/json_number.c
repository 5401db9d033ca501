/* Whole numbers out of JSON numbers, exactly: no floating point. */
#include "base/json.h"

/* 10^19 is the largest power in a uint64_t. */
#define POWER_MAX 19
/* Exponents beyond do not matter: no text is that long. */
#define EXPONENT_MAX 1000000000000000ll

struct decimal {
	uint64_t v;	/* without the zeros at its end */
	int64_t power;	/* x 10^power */
	int64_t zeros;	/* read, but not yet part of v */
	bool too_large; /* v did not fit */
};

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
scale(struct decimal *d, int64_t power)
{
	for (; power > 0 && !d->too_large; power--)
		d->too_large = __builtin_mul_overflow(d->v, 10u, &d->v);
}

static void
add_digit(struct decimal *d, char c)
{
	if (c == '0') {
		d->zeros += d->v != 0;
		return;
	}
	scale(d, d->zeros < POWER_MAX ? d->zeros + 1 : POWER_MAX + 1);
	d->zeros = 0;
	d->too_large |=
		__builtin_add_overflow(d->v, (uint64_t)(c - '0'), &d->v);
}

static int64_t
exponent(struct str s)
{
	bool negative = s.n && s.p[0] == '-';
	int64_t e = 0;

	if (s.n && !digit(s.p[0]))
		s = str_from(s, 1);
	for (size_t i = 0; i < s.n && e < EXPONENT_MAX; i++)
		e = e * 10 + (s.p[i] - '0');
	return negative ? -e : e;
}

/* The number without its sign as a whole number, if it is one. */
static bool
whole(struct str s, uint64_t *out)
{
	struct decimal d = {0};
	bool point = false;
	size_t i;

	for (i = 0; i < s.n && (digit(s.p[i]) || s.p[i] == '.'); i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		d.power -= point;
		add_digit(&d, s.p[i]);
	}
	if (i < s.n)
		d.power += exponent(str_from(s, i + 1));
	d.power += d.zeros;
	if (d.v == 0 && !d.too_large) {
		*out = 0;
		return true;
	}
	if (d.power < 0 || d.power > POWER_MAX)
		return false;
	scale(&d, d.power);
	*out = d.v;
	return !d.too_large;
}

bool
json_u64(struct json_value v, uint64_t *out)
{
	uint64_t n;
	bool negative;

	if (v.type != JSON_NUMBER || v.raw.n == 0)
		return false;
	negative = v.raw.p[0] == '-';
	if (!whole(str_from(v.raw, negative), &n) || (negative && n != 0))
		return false;
	*out = n;
	return true;
}

bool
json_i64(struct json_value v, int64_t *out)
{
	uint64_t n;
	bool negative;

	if (v.type != JSON_NUMBER || v.raw.n == 0)
		return false;
	negative = v.raw.p[0] == '-';
	if (!whole(str_from(v.raw, negative), &n) ||
	    n > (uint64_t)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* ---- decimals ---- */

/* Digits that always fit; those behind them are dropped. */
#define DIGITS_MAX 18

struct rounded {
	uint64_t v;
	int64_t power; /* x 10^power */
	unsigned digits;
	bool exact;
};

static void
round_digit(struct rounded *r, char c, bool behind_point)
{
	if (r->digits == DIGITS_MAX) {
		r->exact &= c == '0';
		r->power += !behind_point;
		return;
	}
	r->v = r->v * 10 + (uint64_t)(c - '0');
	r->digits += r->v != 0;
	r->power -= behind_point;
}

static struct rounded
read_rounded(struct str s)
{
	struct rounded r = {.exact = true};
	bool point = false;
	size_t i;

	for (i = 0; i < s.n && (digit(s.p[i]) || s.p[i] == '.'); i++) {
		if (s.p[i] == '.')
			point = true;
		else
			round_digit(&r, s.p[i], point);
	}
	if (i < s.n)
		r.power += exponent(str_from(s, i + 1));
	return r;
}

/* To the nearest, halves up. */
static void
drop_digits(struct rounded *r)
{
	uint64_t last = 0;

	for (; r->power < 0 && (r->v > 0 || last > 0); r->power++) {
		r->exact &= last == 0;
		last = r->v % 10;
		r->v /= 10;
	}
	r->exact &= last == 0;
	r->v += last >= 5 && r->power == 0;
}

bool
json_scaled(struct json_value v, unsigned scale, int64_t *out, bool *exact)
{
	struct rounded r;
	bool negative;

	if (v.type != JSON_NUMBER || v.raw.n == 0)
		return false;
	negative = v.raw.p[0] == '-';
	r = read_rounded(str_from(v.raw, negative));
	r.power += scale;
	drop_digits(&r);
	for (; r.power > 0 && r.v > 0; r.power--)
		if (__builtin_mul_overflow(r.v, 10u, &r.v))
			return false;
	if (r.v > INT64_MAX)
		return false;
	*out = negative ? -(int64_t)r.v : (int64_t)r.v;
	*exact = r.exact;
	return true;
}
