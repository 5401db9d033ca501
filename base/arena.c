/*
 * The memory of one request. Chunks grow from 384 bytes to 24 KiB; those sizes
 * are kept in free lists, so a request in the steady state calls no malloc.
 * Larger pieces get a chunk of their own that goes back to malloc.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/poison.h"
#include "base/pool.h"

#define ALIGN_TO    16u
#define CLASSES	    4u
#define FIRST_CHUNK 384u
/* Bytes of one class that are kept; more goes back to malloc. */
#define KEEP_BYTES (1024u * 1024u)
/* Larger pieces do not end the chunk that is in use. */
#define OWN_CHUNK (16u * 1024u)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;	/* with this head */
	unsigned class; /* CLASSES = not kept */
} __attribute__((aligned(ALIGN_TO)));

/* Kept per process, as arena.h says; per thread, because the tests of
 * shared memory run processes as threads. */
static _Thread_local struct {
	struct arena_chunk *first;
	size_t bytes;
} kept[CLASSES];

static size_t
class_size(unsigned class)
{
	return (size_t)FIRST_CHUNK << (2 * class);
}

static struct arena_chunk *
chunk_take(unsigned class, size_t size)
{
	struct arena_chunk *c;

	if (class < CLASSES && kept[class].first) {
		c = kept[class].first;
		kept[class].first = c->next;
		kept[class].bytes -= c->size;
		return c;
	}
	c = malloc(size);
	if (c == NULL)
		return NULL;
	c->size = size;
	c->class = class;
	poison(c + 1, size - sizeof(*c));
	return c;
}

static void
chunk_give(struct arena_chunk *c)
{
	poison(c + 1, c->size - sizeof(*c));
	if (c->class < CLASSES &&
	    kept[c->class].bytes + c->size <= KEEP_BYTES) {
		c->next = kept[c->class].first;
		kept[c->class].first = c;
		kept[c->class].bytes += c->size;
		return;
	}
	unpoison(c + 1, c->size - sizeof(*c));
	free(c);
}

void
arena_init(struct arena *a)
{
	*a = (struct arena){NULL, NULL, NULL, NULL};
}

void
arena_init_capped(struct arena *a, struct pool *pool)
{
	*a = (struct arena){.pool = pool};
}

/* As chunk_take(), within the cap. */
static struct arena_chunk *
chunk_of(struct arena *a, unsigned class, size_t size)
{
	struct arena_chunk *c;

	if (!a->pool)
		return chunk_take(class, size);
	if (!pool_charge(a->pool, size))
		return NULL;
	c = chunk_take(class, size);
	if (!c)
		pool_credit(a->pool, size);
	return c;
}

/* A chunk for one large piece; the chunk in use stays the last one. */
static void *
alloc_own(struct arena *a, size_t n)
{
	struct arena_chunk *c = chunk_of(a, CLASSES, sizeof(*c) + n);

	if (c == NULL)
		return NULL;
	if (a->last) {
		c->next = a->last->next;
		a->last->next = c;
	} else {
		c->next = NULL;
		a->last = c;
	}
	return c + 1;
}

/* Makes the next, larger chunk the one in use. */
static bool
add_chunk(struct arena *a, size_t n)
{
	unsigned class = a->last && a->last->class < CLASSES
				 ? MIN_OF(a->last->class + 1, CLASSES - 1)
				 : 0;
	struct arena_chunk *c;

	while (class_size(class) - sizeof(*c) < n)
		class ++;
	c = chunk_of(a, class, class_size(class));
	if (c == NULL)
		return false;
	c->next = a->last;
	a->last = c;
	a->at = (char *)(c + 1);
	a->end = (char *)c + c->size;
	return true;
}

/* `n` is what the caller may touch; the piece is that, rounded up. */
static void *
take(struct arena *a, size_t n)
{
	size_t piece;
	char *p;

	if (__builtin_add_overflow(n, ALIGN_TO - 1 + POISON_GAP, &piece))
		return NULL;
	piece &= ~(size_t)(ALIGN_TO - 1);
	if (piece >= OWN_CHUNK) {
		p = piece > SIZE_MAX / 2 ? NULL : alloc_own(a, piece);
	} else if ((size_t)(a->end - a->at) >= piece || add_chunk(a, piece)) {
		p = a->at;
		a->at += piece;
	} else {
		p = NULL;
	}
	if (p)
		unpoison(p, n);
	return p;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	return take(a, n ? n : 1);
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	return p ? memset(p, 0, n) : NULL;
}

struct str
arena_join(struct arena *a, struct str first, struct str second)
{
	size_t n = first.n + second.n;
	char *p = n < SIZE_MAX ? arena_alloc(a, n + 1) : NULL;

	if (p == NULL)
		return STR_NONE;
	if (first.n)
		memcpy(p, first.p, first.n);
	if (second.n)
		memcpy(p + first.n, second.p, second.n);
	p[n] = '\0';
	return str_make(p, n);
}

struct str
arena_dup(struct arena *a, struct str s)
{
	return arena_join(a, s, STR_NONE);
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;
	struct str out = STR_NONE;
	char *p;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (p) {
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
		out = str_make(p, (size_t)n);
	}
	va_end(again);
	va_end(args);
	return out;
}

void
arena_free(struct arena *a)
{
	struct arena_chunk *c = a->last;

	while (c) {
		struct arena_chunk *next = c->next;

		if (a->pool)
			pool_credit(a->pool, c->size);
		chunk_give(c);
		c = next;
	}
	arena_init_capped(a, a->pool);
}

struct str
arena_percent(struct arena *a, struct str s)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_add_percent(&text, s, "");
	return text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
}
