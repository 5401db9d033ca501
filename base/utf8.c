/*
 * UTF-8 by RFC 3629. Long texts are checked 32 bytes at a time with the
 * table method of Keiser and Lemire ("Validating UTF-8 In Less Than One
 * Instruction Per Byte", 2020): three 16-entry tables tell, from two
 * neighbouring bytes, which rules they break.
 */
#include "base/utf8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Below this the tables do not pay. */
#define WIDE_MIN 64

static bool
tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
utf8_char(struct str s)
{
	const unsigned char *c = (const unsigned char *)s.p;
	size_t n = s.n;

	if (n == 0)
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2)
		return 0;
	if (c[0] < 0xe0)
		return n >= 2 && tail(c[1]) ? 2 : 0;
	if (c[0] < 0xf0) {
		if (n < 3 || !tail(c[1]) || !tail(c[2]))
			return 0;
		if ((c[0] == 0xe0 && c[1] < 0xa0) ||
		    (c[0] == 0xed && c[1] > 0x9f))
			return 0; /* overlong, surrogate */
		return 3;
	}
	if (c[0] > 0xf4 || n < 4 || !tail(c[1]) || !tail(c[2]) || !tail(c[3]))
		return 0;
	if ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0; /* overlong, beyond U+10FFFF */
	return 4;
}

static bool
ascii8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (v & 0x8080808080808080ull) == 0;
}

size_t
utf8_valid_to(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		size_t n;

		if (s.n - i >= 8 && ascii8(s.p + i)) {
			i += 8;
			continue;
		}
		n = utf8_char(str_from(s, i));
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

#if defined(__x86_64__)
/* One bit a broken rule. */
#define SHORT_	(1 << 0) /* a lead without enough tails */
#define LONG_	(1 << 1) /* a tail without a lead */
#define OVER_3	(1 << 2)
#define LARGE	(1 << 3) /* beyond U+10FFFF */
#define SURR	(1 << 4)
#define OVER_2	(1 << 5)
#define LARGE_4 (1 << 6)
#define OVER_4	(1 << 6)
#define TAILS	(1 << 7) /* two tails: right only in longer characters */
#define CARRY	(SHORT_ | LONG_ | TAILS)
#define TWICE(...)                       \
	{                                \
		__VA_ARGS__, __VA_ARGS__ \
	}

static const unsigned char lead_high[32] __attribute__((aligned(32))) =
	TWICE(LONG_, LONG_, LONG_, LONG_, LONG_, LONG_, LONG_, LONG_, TAILS,
	      TAILS, TAILS, TAILS, SHORT_ | OVER_2, SHORT_,
	      SHORT_ | OVER_3 | SURR, SHORT_ | LARGE | LARGE_4 | OVER_4);
static const unsigned char lead_low[32] __attribute__((aligned(32))) =
	TWICE(CARRY | OVER_3 | OVER_2 | OVER_4, CARRY | OVER_2, CARRY, CARRY,
	      CARRY | LARGE, CARRY | LARGE | LARGE_4, CARRY | LARGE | LARGE_4,
	      CARRY | LARGE | LARGE_4, CARRY | LARGE | LARGE_4,
	      CARRY | LARGE | LARGE_4, CARRY | LARGE | LARGE_4,
	      CARRY | LARGE | LARGE_4, CARRY | LARGE | LARGE_4,
	      CARRY | LARGE | LARGE_4 | SURR, CARRY | LARGE | LARGE_4,
	      CARRY | LARGE | LARGE_4);
static const unsigned char next_high[32] __attribute__((aligned(32))) = TWICE(
	SHORT_, SHORT_, SHORT_, SHORT_, SHORT_, SHORT_, SHORT_, SHORT_,
	LONG_ | OVER_2 | TAILS | OVER_3 | LARGE_4 | OVER_4,
	LONG_ | OVER_2 | TAILS | OVER_3 | LARGE,
	LONG_ | OVER_2 | TAILS | SURR | LARGE,
	LONG_ | OVER_2 | TAILS | SURR | LARGE, SHORT_, SHORT_, SHORT_, SHORT_);

#define AVX2	 __attribute__((target("avx2")))
#define TABLE(t) _mm256_load_si256((const __m256i *)(const void *)(t))

/* Rules broken in `now`, whose predecessor is `before`. */
AVX2 static inline __m256i
faults(__m256i now, __m256i before)
{
	const __m256i low = _mm256_set1_epi8(0x0f);
	const __m256i top = _mm256_set1_epi8((char)0x80);
	__m256i join = _mm256_permute2x128_si256(before, now, 0x21);
	__m256i one = _mm256_alignr_epi8(now, join, 15);
	__m256i two = _mm256_alignr_epi8(now, join, 14);
	__m256i three = _mm256_alignr_epi8(now, join, 13);
	__m256i pair = _mm256_and_si256(
		_mm256_and_si256(
			_mm256_shuffle_epi8(
				TABLE(lead_high),
				_mm256_and_si256(_mm256_srli_epi16(one, 4),
						 low)),
			_mm256_shuffle_epi8(TABLE(lead_low),
					    _mm256_and_si256(one, low))),
		_mm256_shuffle_epi8(
			TABLE(next_high),
			_mm256_and_si256(_mm256_srli_epi16(now, 4), low)));
	__m256i must_be_tail = _mm256_or_si256(
		_mm256_subs_epu8(two, _mm256_set1_epi8(0xe0 - 0x80)),
		_mm256_subs_epu8(three, _mm256_set1_epi8(0xf0 - 0x80)));

	return _mm256_xor_si256(_mm256_and_si256(must_be_tail, top), pair);
}

AVX2 static bool
valid_avx2(struct str s)
{
	__m256i before = _mm256_setzero_si256();
	__m256i bad = _mm256_setzero_si256();
	char rest[32] = {0};
	size_t i = 0;

	for (; s.n - i >= 32; i += 32) {
		__m256i now = _mm256_loadu_si256(
			(const __m256i *)(const void *)(s.p + i));

		bad = _mm256_or_si256(bad, faults(now, before));
		before = now;
	}
	/* The rest, with zeros behind: a cut character shows. */
	memcpy(rest, s.p + i, s.n - i);
	bad = _mm256_or_si256(
		bad,
		faults(_mm256_loadu_si256((const __m256i *)(const void *)rest),
		       before));
	return _mm256_testz_si256(bad, bad);
}
#endif

bool
utf8_valid(struct str s)
{
#if defined(__x86_64__)
	if (s.n >= WIDE_MIN && __builtin_cpu_supports("avx2"))
		return valid_avx2(s);
#endif
	return utf8_valid_to(s) == s.n;
}

size_t
utf8_put(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}
