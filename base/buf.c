/* A growable buffer; the first failed allocation is remembered. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digits.h"

#define FIRST_CAP 256

/* After a failure there is no room whatever is asked for, so that the
 * inline appends need no look at `failed`. */
static bool
fails(struct buf *b)
{
	b->failed = true;
	b->cap = b->n;
	return false;
}

bool
buf_grow(struct buf *b, size_t n)
{
	size_t need, cap;
	char *p;

	if (b->failed || __builtin_add_overflow(b->n, n, &need))
		return fails(b);
	cap = b->cap ? b->cap : FIRST_CAP;
	while (cap < need && cap <= SIZE_MAX / 2)
		cap *= 2;
	cap = MAX_OF(cap, need);
	p = realloc(b->p, cap);
	if (p == NULL)
		return fails(b);
	b->p = p;
	b->cap = cap;
	return true;
}

/* Room for `n` more; true when there is. */
static bool
grow(struct buf *b, size_t n)
{
	return !b->failed && (b->cap - b->n >= n || buf_grow(b, n));
}

char *
buf_reserve(struct buf *b, size_t n)
{
	return grow(b, n ? n : 1) ? b->p + b->n : NULL;
}

void
buf_add_u64(struct buf *b, uint64_t v)
{
	if (LIKELY(grow(b, DIGITS_MAX)))
		b->n += digits_write(b->p + b->n, v);
}

void
buf_add_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_add_char(b, '-');
	buf_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void
buf_add_percent(struct buf *b, struct str s, const char *kept)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') ||
		    (c && (strchr("-._~", c) || strchr(kept, c)))) {
			buf_add_char(b, (char)c);
			continue;
		}
		buf_add_char(b, '%');
		buf_add_char(b, hex[c >> 4]);
		buf_add_char(b, hex[c & 15]);
	}
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	if (n >= 0 && grow(b, (size_t)n + 1)) {
		(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	if (n < 0)
		b->failed = true;
	va_end(again);
	va_end(args);
}

void
buf_consume(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT;
}
