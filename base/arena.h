#pragma once
/*
 * struct arena: the memory of one request; freed as a whole. The first chunk
 * is small (an idle stream must stay cheap), later ones are larger. Chunks
 * come from and go back to a free list per process, so that a request in
 * the steady state calls no malloc. Poisoned under ASan when free.
 */
#include <stddef.h>

#include "base/attrs.h"
#include "base/str.h"

struct arena_chunk;
struct pool;

struct arena {
	struct arena_chunk *last;
	char *at;
	char *end;
	struct pool *pool; /* whose cap counts; NULL = none */
};

void arena_init(struct arena *a);
/* Its chunks are counted against the pool's cap; beyond it there is no more. */
void arena_init_capped(struct arena *a, struct pool *pool);
/* 16-byte aligned, not zeroed; NULL when out of memory. */
NODISCARD void *arena_alloc(struct arena *a, size_t n);
NODISCARD void *arena_zalloc(struct arena *a, size_t n);
/* A copy that lives as long as the arena, NUL-terminated beyond its end;
 * {NULL, 0} when out of memory. */
NODISCARD struct str arena_dup(struct arena *a, struct str s);
/* Both, one behind the other; {NULL, 0} when out of memory. */
NODISCARD struct str arena_join(struct arena *a, struct str first,
				struct str second);
NODISCARD struct str arena_printf(struct arena *a, const char *fmt, ...)
	PRINTF(2, 3);
/* Percent-encoded (RFC 3986), but for what is unreserved. */
NODISCARD struct str arena_percent(struct arena *a, struct str s);
/* Gives everything back. May be called twice. */
void arena_free(struct arena *a);
