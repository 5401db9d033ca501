/*
 * Floats as vectors have them, thousands in a row. What is hard: the nearest
 * float by way of a double is not always the nearest one.
 */
#include "base/float32.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A number as digits and a power of ten. */
struct decimal {
	bool negative;
	bool exact; /* all digits are in `digits` */
	uint64_t digits;
	int power;
};

/* All whole numbers up to this are doubles. */
#define WHOLE_MAX (UINT64_C(1) << 53)
/* 10^22 is the last power of ten that is a double. */
#define POWER_MAX 22

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t
read_digits(struct str s, size_t at, struct decimal *d, bool fraction)
{
	for (; at < s.n && is_digit(s.p[at]); at++) {
		if (d->digits >= WHOLE_MAX) {
			d->exact = false;
			continue;
		}
		d->digits = d->digits * 10 + (uint64_t)(s.p[at] - '0');
		d->power -= fraction;
	}
	return at;
}

static size_t
read_power(struct str s, size_t at, struct decimal *d)
{
	bool negative = at < s.n && s.p[at] == '-';
	int n = 0;

	at += at < s.n && (s.p[at] == '-' || s.p[at] == '+');
	for (; at < s.n && is_digit(s.p[at]); at++)
		if (n < 10000)
			n = n * 10 + (s.p[at] - '0');
	d->power += negative ? -n : n;
	return at;
}

static bool
read_decimal(struct str s, struct decimal *d)
{
	size_t at = 0;

	*d = (struct decimal){.exact = true};
	if (s.n > 0 && s.p[0] == '-') {
		d->negative = true;
		at = 1;
	}
	if (at == s.n || !is_digit(s.p[at]))
		return false;
	at = read_digits(s, at, d, false);
	if (at < s.n && s.p[at] == '.')
		at = read_digits(s, at + 1, d, true);
	if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E'))
		at = read_power(s, at + 1, d);
	return at == s.n;
}

/*
 * Digits and power of ten are doubles, so that their product or quotient is
 * the nearest double. Of two floats the nearest one to that is the nearest to
 * the number too, unless the double lies in the middle between them.
 */
static bool
read_fast(const struct decimal *d, float *out)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,	1e4,  1e5,
					1e6,  1e7,  1e8,  1e9,	1e10, 1e11,
					1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
					1e18, 1e19, 1e20, 1e21, 1e22};
	double v = (double)d->digits;
	uint64_t bits;

	if (!d->exact || d->digits > WHOLE_MAX || d->power > POWER_MAX ||
	    d->power < -POWER_MAX)
		return false;
	v = d->power < 0 ? v / powers[-d->power] : v * powers[d->power];
	memcpy(&bits, &v, sizeof(bits));
	if ((bits & 0x1fffffff) == 0x10000000 || v > (double)FLT_MAX ||
	    (v != 0 && v < (double)FLT_MIN))
		return false;
	*out = d->negative ? -(float)v : (float)v;
	return true;
}

bool
float32_read(struct str number, float *out)
{
	struct decimal d;

	if (!read_decimal(number, &d))
		return false;
	if (read_fast(&d, out))
		return true;
	*out = strtof(number.p, NULL);
	return isfinite(*out) != 0;
}

size_t
float32_write(char out[FLOAT32_TEXT], float v)
{
	int n = 0;

	/* with six digits shorter texts are found, with nine all floats */
	for (int digits = FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
		n = snprintf(out, FLOAT32_TEXT, "%.*g", digits, (double)v);
		if (strtof(out, NULL) == v)
			break;
	}
	return n > 0 ? (size_t)n : 0;
}
