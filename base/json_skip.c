/*
 * String skipping. A block of 64 (AVX2) or 16 (SSE2) bytes becomes three bit
 * masks; all decisions are then made on bits. What is hard: after a
 * backslash two bits are cleared in the masks at hand instead of loading the
 * block again, which is what makes text full of escapes fast.
 */
#include "base/json_skip.h"

#include "base/digits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* One bit a byte of the block. */
struct marks {
	uint64_t quote;
	uint64_t slash;
	uint64_t control;
};

/* What may follow a backslash: the length of the whole escape. */
static const unsigned char escape_length[256] = {
	['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2,
	['n'] = 2, ['r'] = 2,  ['t'] = 2, ['u'] = 6,
};

/* The bytes of a correct escape beginning at `slash`, 0 when it is wrong,
 * -1 when the text ends before. */
INLINE int
escape(const char *slash, const char *end)
{
	int bits = 0, n;

	if (UNLIKELY(end - slash < 2))
		return -1;
	n = escape_length[(unsigned char)slash[1]];
	if (LIKELY(n != 6))
		return n;
	for (int i = 2; i < 6; i++) {
		if (end - slash <= i)
			return bits < 0 ? 0 : -1;
		bits |= hex_digit(slash[i]);
	}
	return bits < 0 ? 0 : 6;
}

enum verdict { GO_ON, FOUND, WRONG, ENDED };

/* Looks at one block; *at moves behind it, or to the place that matters. */
INLINE enum verdict
decide(struct marks m, unsigned width, const char **at, const char *end)
{
	const char *p = *at;
	uint64_t stop = m.quote | m.control;

	*at = p + width;
	/* Backslashes before the first stop; all of them if there is none. */
	while (UNLIKELY((m.slash & ((stop & (0 - stop)) - 1)) != 0)) {
		unsigned i = (unsigned)__builtin_ctzll(m.slash);
		int n = escape(p + i, end);

		if (UNLIKELY(n <= 0)) {
			*at = p + i;
			return n < 0 ? ENDED : WRONG;
		}
		m.slash &= ~(3ull << i);
		stop &= ~(3ull << i);
		if (i == width - 1)
			*at = p + width + 1;
	}
	if (stop == 0)
		return GO_ON;
	*at = p + __builtin_ctzll(stop);
	return **at == '"' ? FOUND : WRONG;
}

static const char *
skip_plain(const char *at, const char *end, struct json_skip *r)
{
	for (; at < end; at++) {
		unsigned char c = (unsigned char)*at;
		int n;

		if (c == '"')
			return at;
		r->high |= c >= 0x80;
		if (c >= 0x20 && c != '\\')
			continue;
		n = c == '\\' ? escape(at, end) : 0;
		if (n < 0)
			return NULL;
		if (n == 0) {
			r->bad = true;
			return at;
		}
		at += n - 1;
	}
	return NULL;
}

#if defined(__x86_64__)
INLINE const char *
finish(enum verdict v, const char *at, struct json_skip *r)
{
	r->bad = v == WRONG;
	return v == ENDED ? NULL : at;
}

static const char *
skip_sse2(const char *at, const char *end, struct json_skip *r)
{
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i slash = _mm_set1_epi8('\\');
	const __m128i last = _mm_set1_epi8(0x1f);

	while (end - at >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
		struct marks m;
		enum verdict verdict;

		m.quote = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote));
		m.slash = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash));
		m.control = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(_mm_min_epu8(v, last), v));
		r->high |= _mm_movemask_epi8(v) != 0;
		verdict = decide(m, 16, &at, end);
		if (verdict != GO_ON)
			return finish(verdict, at, r);
	}
	return skip_plain(at, end, r);
}

#define AVX2	 __attribute__((target("avx2,bmi")))
#define ODD_BITS 0xaaaaaaaaaaaaaaaaull

/* The bytes that stand behind a backslash that counts, without a branch:
 * in a row of backslashes every second one is itself escaped, and a
 * subtraction runs through the whole row at once. `carry`: the first byte
 * of this block, then of the next one, is escaped. */
INLINE uint64_t
escaped_bytes(uint64_t slash, uint64_t *carry)
{
	uint64_t starts = slash & ~*carry;
	uint64_t codes = (((starts << 1) | ODD_BITS) - starts) ^ ODD_BITS;
	uint64_t escaped = codes ^ (slash | *carry);

	*carry = (codes & slash) >> 63;
	return escaped;
}

AVX2 static inline uint64_t
bits(__m256i a, __m256i b)
{
	return (uint32_t)_mm256_movemask_epi8(a) |
	       (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

/* The backslash of the first wrong escape among those whose second byte is
 * in `escaped`. Text has one or two in a block: looked at one by one. */
static inline const char *
wrong_escape(const char *at, uint64_t escaped, const char *end)
{
	for (; escaped; escaped &= escaped - 1) {
		const char *c = at + __builtin_ctzll(escaped);

		if (LIKELY(escape_length[(unsigned char)*c] == 2))
			continue;
		if (escape(c - 1, end) != 6)
			return c - 1;
	}
	return NULL;
}

/* Where the string ends or errs in the block at `at`; NULL: further on. */
AVX2 static inline const char *
look_avx2(const char *at, const char *end, uint64_t *carry, __m256i *seen)
{
	const __m256i *block = (const __m256i *)(const void *)at;
	const __m256i quote = _mm256_set1_epi8('"');
	const __m256i slash = _mm256_set1_epi8('\\');
	const __m256i last = _mm256_set1_epi8(0x1f);
	__m256i a = _mm256_loadu_si256(block);
	__m256i b = _mm256_loadu_si256(block + 1);
	uint64_t slashes =
		bits(_mm256_cmpeq_epi8(a, slash), _mm256_cmpeq_epi8(b, slash));
	uint64_t stop =
		bits(_mm256_cmpeq_epi8(a, quote), _mm256_cmpeq_epi8(b, quote));
	uint64_t wrong = bits(_mm256_cmpeq_epi8(_mm256_min_epu8(a, last), a),
			      _mm256_cmpeq_epi8(_mm256_min_epu8(b, last), b));

	*seen = _mm256_or_si256(*seen, _mm256_or_si256(a, b));
	if (slashes | *carry) {
		uint64_t escaped = escaped_bytes(slashes, carry);
		const char *bad;

		stop = (stop & ~escaped) | wrong;
		bad = wrong_escape(at, escaped & ((stop & (0 - stop)) - 1),
				   end);
		if (UNLIKELY(bad != NULL))
			return bad;
		/* A control byte behind a backslash: shown at that. */
		if (UNLIKELY((escaped & (0 - stop) & stop) != 0))
			return at + __builtin_ctzll(stop) - 1;
	}
	stop |= wrong;
	return stop ? at + __builtin_ctzll(stop) : NULL;
}

AVX2 static const char *
skip_avx2(const char *at, const char *end, struct json_skip *r)
{
	__m256i seen = _mm256_setzero_si256();
	const char *found = NULL;
	uint64_t carry = 0;

	for (; end - at >= 64 && found == NULL; at += 64)
		found = look_avx2(at, end, &carry, &seen);
	r->high |= _mm256_movemask_epi8(seen) != 0;
	if (found == NULL) /* the rest begins with its escape, if any */
		return skip_sse2(at - carry, end, r);
	r->bad = *found != '"';
	return r->bad && escape(found, end) < 0 ? NULL : found;
}
#endif

enum json_skip_kind
json_skip_best(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("avx2") ? JSON_SKIP_AVX2 : JSON_SKIP_SSE2;
#else
	return JSON_SKIP_PLAIN;
#endif
}

const char *
json_skip_by(enum json_skip_kind kind, const char *at, const char *end,
	     struct json_skip *r)
{
	*r = (struct json_skip){false, false};
#if defined(__x86_64__)
	if (kind == JSON_SKIP_AVX2)
		return skip_avx2(at, end, r);
	if (kind == JSON_SKIP_SSE2)
		return skip_sse2(at, end, r);
#endif
	return skip_plain(at, end, r);
}

const char *
json_skip_long(const char *at, const char *end, struct json_skip *r)
{
	*r = (struct json_skip){false, false};
#if defined(__x86_64__)
	if (LIKELY(__builtin_cpu_supports("avx2")))
		return skip_avx2(at, end, r);
	return skip_sse2(at, end, r);
#else
	return skip_plain(at, end, r);
#endif
}
