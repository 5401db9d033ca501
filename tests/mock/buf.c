/* Growing byte buffers; see buf.h. */
#include "tests/mock/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP = 64 * 1024 };

static void
compact(struct buf *b)
{
	size_t n = buf_len(b);

	if (b->off == 0)
		return;
	memmove(b->p, b->p + b->off, n);
	b->off = 0;
	b->n = n;
}

void
buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 512;
	char *p;

	if (b->cap - b->n >= more)
		return;
	compact(b);
	while (cap - b->n < more)
		cap *= 2;
	if (cap == b->cap)
		return;
	p = realloc(b->p, cap);
	if (!p) {
		perror("mock-upstream: memory");
		abort();
	}
	b->p = p;
	b->cap = cap;
}

void
buf_clear(struct buf *b)
{
	if (b->cap > KEEP) {
		buf_free(b);
		return;
	}
	b->off = b->n = 0;
}

void
buf_eat(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off == b->n)
		buf_clear(b);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

void
buf_fill(struct buf *b, char c, size_t n)
{
	if (n == 0)
		return;
	buf_reserve(b, n);
	memset(b->p + b->n, c, n);
	b->n += n;
}

void
buf_int(struct buf *b, int64_t v)
{
	char text[24];
	size_t i = sizeof(text);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		text[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		text[--i] = '-';
	buf_add(b, text + i, sizeof(text) - i);
}

void
buf_hex(struct buf *b, uint64_t v)
{
	char text[16];
	size_t i = sizeof(text);

	do {
		text[--i] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v || i > 8);
	buf_add(b, text + i, sizeof(text) - i);
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text))
		n = (int)sizeof(text) - 1;
	buf_add(b, text, (size_t)n);
}

void
buf_json(struct buf *b, const char *s)
{
	buf_add(b, "\"", 1);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_add(b, "\\", 1);
		if (c < 0x20)
			buf_fmt(b, "\\u%04x", c);
		else
			buf_add(b, s, 1);
	}
	buf_add(b, "\"", 1);
}
