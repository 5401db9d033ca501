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
/* `part` in `scale` digits behind the point, without the last zeros beyond
 * `keep`. Inlined: reports spend much of their time here, and the divisions
 * are by constants only where the scale is known. */
INLINE size_t
decimal_text(uint64_t whole, uint32_t part, unsigned scale, unsigned keep,
	     char *out)
{
	size_t at = digits_write(out, whole);
	unsigned after = scale;

	out[at++] = '.';
	for (unsigned i = scale; i > 1; i -= 2, part /= 100)
		memcpy(out + at + i - 2, digit_pairs + 2 * (part % 100), 2);
	if (scale % 2)
		out[at] = (char)('0' + part % 10);
	while (after > keep && out[at + after - 1] == '0')
		after--;
	out[at + after] = '\0';
	return at + after;
}

INLINE size_t
signed_text(int64_t v, uint64_t unit, unsigned scale, unsigned keep, char *out)
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	size_t minus = v < 0;

	*out = '-';
	return minus + decimal_text(u / unit, (uint32_t)(u % unit), scale, keep,
				    out + minus);
}

size_t
money_text(struct money m, char out[MONEY_TEXT])
{
	return signed_text(m.nano, 1000000000, 9, 2, out);
}

size_t
price_text(struct price p, char out[MONEY_TEXT])
{
	return signed_text(p.pico, 1000000, 6, 2, out);
}

size_t
ppm_text(uint32_t ppm, char out[MONEY_TEXT])
{
	return signed_text(ppm, 1000000, 6, 1, out);
}
