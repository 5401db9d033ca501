#pragma once
/*
 * The inside of a JSON string, skipped with SIMD: the hot part of the reader
 * (json.c). Checks escapes and control characters; tells whether bytes
 * beyond ASCII were seen, so that only such strings pay for UTF-8.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

struct json_skip {
	bool bad;  /* the returned place is what is wrong with the string */
	bool high; /* a byte beyond ASCII may be in it */
};

enum json_skip_kind { JSON_SKIP_PLAIN, JSON_SKIP_SSE2, JSON_SKIP_AVX2 };

/* What this machine can do best. */
enum json_skip_kind json_skip_best(void);
/* From behind the opening quote to the closing one; NULL when the text ends
 * before. One kind by name, for tests; it must be supported. */
const char *json_skip_by(enum json_skip_kind kind, const char *at,
			 const char *end, struct json_skip *r);
/* The same by the best kind. */
const char *json_skip_long(const char *at, const char *end,
			   struct json_skip *r);

/* The same; names and short values are done on the spot. */
static inline const char *
json_skip_string(const char *at, const char *end, struct json_skip *r)
{
#if defined(__x86_64__)
	if (LIKELY(end - at >= 16)) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i stop = _mm_or_si128(
			_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
			_mm_or_si128(
				_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')),
				_mm_cmpeq_epi8(
					_mm_min_epu8(v, _mm_set1_epi8(0x1f)),
					v)));
		unsigned mask = (unsigned)_mm_movemask_epi8(stop);
		unsigned first = (unsigned)__builtin_ctz(mask | 1u << 16);

		if (first < 16 && at[first] == '"') {
			r->bad = false;
			r->high = ((unsigned)_mm_movemask_epi8(v) &
				   ((1u << first) - 1)) != 0;
			return at + first;
		}
	}
#endif
	/* The end of the text is near. */
	for (const char *p = at; end - at < 16 && p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"') {
			*r = (struct json_skip){false, false};
			return p;
		}
		if (c < 0x20 || c >= 0x80 || c == '\\')
			break;
	}
	return json_skip_long(at, end, r);
}
