#pragma once
/*
 * I/O memory of one process: blocks borrowed only while bytes are pending,
 * and larger bodies, all under one cap (decisions: the body of a request is
 * held whole until its answer begins; beyond the cap the answer is 503).
 * One pool a worker; not shared, not thread-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"

#define POOL_BLOCK (16 * 1024)
/* What is not larger takes no whole block. */
#define POOL_SMALL 1024

struct pool;

/* `cap` bytes at most at any time. NULL when out of memory. */
struct pool *pool_new(uint64_t cap);
void pool_destroy(struct pool *p);
/* A block of POOL_BLOCK bytes; NULL when the cap or the memory is reached. */
NODISCARD void *pool_block(struct pool *p);
void pool_give(struct pool *p, void *block);
/* Any size, counted against the cap; between POOL_SMALL and POOL_BLOCK it is
 * a block. */
NODISCARD void *pool_alloc(struct pool *p, size_t n);
/* `n` as given to pool_alloc or pool_realloc. */
void pool_free(struct pool *p, void *mem, size_t n);
NODISCARD void *pool_realloc(struct pool *p, void *mem, size_t old, size_t n);
/* Memory that comes from elsewhere, counted against the cap as well. */
NODISCARD bool pool_charge(struct pool *p, size_t n);
void pool_credit(struct pool *p, size_t n);
uint64_t pool_used(const struct pool *p);
