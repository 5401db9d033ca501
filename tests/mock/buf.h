#pragma once
/*
 * Bytes that grow at the end and are eaten at the front. Running out of
 * memory ends the program: this is a test tool.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *p;
	size_t off; /* eaten bytes */
	size_t n;   /* end of the bytes */
	size_t cap;
};

static inline size_t
buf_len(const struct buf *b)
{
	return b->n - b->off;
}

static inline char *
buf_at(const struct buf *b)
{
	return b->p + b->off;
}

/* Room for `more` bytes at b->p + b->n. */
void buf_reserve(struct buf *b, size_t more);

/* Eat; an empty large buffer is given back. */
void buf_eat(struct buf *b, size_t n);

void buf_clear(struct buf *b);
void buf_free(struct buf *b);

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (b->cap - b->n < n)
		buf_reserve(b, n);
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_int(struct buf *b, int64_t v);
void buf_hex(struct buf *b, uint64_t v); /* at least eight digits */
void buf_fill(struct buf *b, char c, size_t n);

/* A short formatted piece (up to 1,023 bytes). */
void buf_fmt(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes. */
void buf_json(struct buf *b, const char *s);
