/* Exact money: 128-bit products, one rounding, decimal texts. */
#include "base/money.h"

#include "base/digits.h"
#include "base/must.h"

/* The compiler's own type; its name is not ISO C. */
__extension__ typedef unsigned __int128 u128;

#define PICO_PPM_PER_NANO 1000000000u /* 1e3 pico x 1e6 parts */

static uint64_t
divide(uint64_t sum)
{
	return sum / PICO_PPM_PER_NANO + (sum % PICO_PPM_PER_NANO != 0);
}

bool
money_cost(const struct priced_tokens *classes, unsigned n, uint32_t ppm,
	   struct money *cost)
{
	u128 sum = 0, nano;

	for (unsigned i = 0; i < n; i++) {
		u128 part;

		if (classes[i].price.pico < 0)
			return false;
		part = (u128)classes[i].tokens * (u128)classes[i].price.pico;
		if (__builtin_add_overflow(sum, part, &sum))
			return false;
	}
	if (__builtin_mul_overflow(sum, (u128)ppm, &sum))
		return false;
	if (LIKELY(sum <= UINT64_MAX)) /* spares the long division */
		nano = divide((uint64_t)sum);
	else
		nano = sum / PICO_PPM_PER_NANO + (sum % PICO_PPM_PER_NANO != 0);
	if (nano > INT64_MAX)
		return false;
	cost->nano = (int64_t)nano;
	return true;
}

bool
money_add(struct money a, struct money b, struct money *sum)
{
	int64_t nano;

	if (__builtin_add_overflow(a.nano, b.nano, &nano))
		return false;
	sum->nano = nano;
	return true;
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* digits [ "." digits{1,scale} ], scaled by 10^scale; no sign. */
static bool
parse_decimal(struct str s, unsigned scale, uint64_t *out)
{
	uint64_t v = 0;
	unsigned after = 0;
	bool point = false;

	if (s.n == 0 || !digit(s.p[0]) || !digit(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (!digit(s.p[i]) || (point && ++after > scale))
			return false;
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	for (; after < scale; after++)
		if (__builtin_mul_overflow(v, 10u, &v))
			return false;
	*out = v;
	return true;
}

bool
money_parse(struct str text, struct money *out)
{
	bool negative = text.n && text.p[0] == '-';
	uint64_t v;

	if (!parse_decimal(negative ? str_from(text, 1) : text, 9, &v))
		return false;
	if (v > (uint64_t)INT64_MAX + negative)
		return false;
	out->nano = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool
price_parse(struct str text, struct price *out)
{
	uint64_t v;

	if (!parse_decimal(text, 6, &v) || v > INT64_MAX)
		return false;
	out->pico = (int64_t)v;
	return true;
}

bool
ppm_parse(struct str text, uint32_t *out)
{
	uint64_t v;

	if (!parse_decimal(text, 6, &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* `v` / 10^scale with at least `keep` digits after the point. */
static size_t
decimal_text(uint64_t v, bool negative, unsigned scale, unsigned keep,
	     char out[MONEY_TEXT])
{
	static const uint64_t power[] = {
		1,	10,	 100,	   1000,      10000,
		100000, 1000000, 10000000, 100000000, 1000000000,
	};
	unsigned after = scale, zeros;
	uint64_t whole, part;
	size_t at = 0;

	must(scale < ARRAY_LEN(power));
	while (after > keep && v % 10 == 0) {
		v /= 10;
		after--;
	}
	whole = v / power[after];
	part = v % power[after];
	if (negative)
		out[at++] = '-';
	at += digits_write(out + at, whole);
	out[at++] = '.';
	for (zeros = after - digits_count(part); zeros; zeros--)
		out[at++] = '0';
	at += digits_write(out + at, part);
	out[at] = '\0';
	return at;
}

size_t
money_text(struct money m, char out[MONEY_TEXT])
{
	bool negative = m.nano < 0;
	uint64_t v = negative ? 0 - (uint64_t)m.nano : (uint64_t)m.nano;

	return decimal_text(v, negative, 9, 2, out);
}

size_t
price_text(struct price p, char out[MONEY_TEXT])
{
	bool negative = p.pico < 0;
	uint64_t v = negative ? 0 - (uint64_t)p.pico : (uint64_t)p.pico;

	return decimal_text(v, negative, 6, 2, out);
}

size_t
ppm_text(uint32_t ppm, char out[MONEY_TEXT])
{
	return decimal_text(ppm, false, 6, 1, out);
}
