#pragma once
/*
 * struct buf: a growable byte buffer on the heap. For heads, pages, reports
 * and tools; not for stream I/O (see http/). A failed allocation latches
 * `failed`; further appends do nothing: check once, at the end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

struct buf {
	char *p;
	size_t n;
	size_t cap;
	bool failed;
};

#define BUF_INIT ((struct buf){NULL, 0, 0, false})

/* What the inline ones below call when there is no room; false: failed. */
COLD bool buf_grow(struct buf *b, size_t n);

/* Appends are inline: heads and log lines are made of many short pieces,
 * most of them of a size the compiler knows. */
static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (UNLIKELY(b->cap - b->n < n) && !buf_grow(b, n))
		return;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void
buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

static inline void
buf_add_cstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void
buf_add_char(struct buf *b, char c)
{
	if (UNLIKELY(b->cap == b->n) && !buf_grow(b, 1))
		return;
	b->p[b->n++] = c;
}

void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_i64(struct buf *b, int64_t v);
/* Percent-encoded (RFC 3986), but for what is unreserved or in `kept`. */
void buf_add_percent(struct buf *b, struct str s, const char *kept);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Room for `n` more bytes; NULL when out of memory. Then add to b->n. */
char *buf_reserve(struct buf *b, size_t n);
/* Drops the first `n` bytes. */
void buf_consume(struct buf *b, size_t n);
/* Keeps the memory. */
void buf_reset(struct buf *b);
void buf_free(struct buf *b);

static inline struct str
buf_str(const struct buf *b)
{
	return str_make(b->p, b->n);
}
