/* I/O memory under one cap. A few blocks are kept, the rest goes back. */
#include "base/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/poison.h"

#define KEEP_BLOCKS 64u

struct free_block {
	struct free_block *next;
};

struct pool {
	uint64_t cap;
	uint64_t used;
	struct free_block *first;
	unsigned n_free;
};

struct pool *
pool_new(uint64_t cap)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p)
		p->cap = cap;
	return p;
}

void
pool_destroy(struct pool *p)
{
	if (p == NULL)
		return;
	while (p->first) {
		struct free_block *b = p->first;

		unpoison(b, POOL_BLOCK);
		p->first = b->next;
		free(b);
	}
	free(p);
}

static bool
charge(struct pool *p, uint64_t n)
{
	if (n > p->cap || p->used > p->cap - n)
		return false;
	p->used += n;
	return true;
}

void *
pool_block(struct pool *p)
{
	struct free_block *b = p->first;

	if (!charge(p, POOL_BLOCK))
		return NULL;
	if (b) {
		unpoison(b, POOL_BLOCK);
		p->first = b->next;
		p->n_free--;
		return b;
	}
	b = malloc(POOL_BLOCK);
	if (b == NULL)
		p->used -= POOL_BLOCK;
	return b;
}

void
pool_give(struct pool *p, void *block)
{
	struct free_block *b = block;

	if (b == NULL)
		return;
	must(p->used >= POOL_BLOCK);
	p->used -= POOL_BLOCK;
	if (p->n_free >= KEEP_BLOCKS) {
		free(b);
		return;
	}
	b->next = p->first;
	p->first = b;
	p->n_free++;
	poison(b, POOL_BLOCK);
}

static bool
is_block(size_t n)
{
	return n > POOL_SMALL && n <= POOL_BLOCK;
}

void *
pool_alloc(struct pool *p, size_t n)
{
	void *mem;

	if (is_block(n))
		return pool_block(p);
	if (!charge(p, n))
		return NULL;
	mem = malloc(n);
	if (mem == NULL)
		p->used -= n;
	return mem;
}

void
pool_free(struct pool *p, void *mem, size_t n)
{
	if (mem == NULL)
		return;
	if (is_block(n)) {
		pool_give(p, mem);
		return;
	}
	must(p->used >= n);
	p->used -= n;
	free(mem);
}

/* Both sizes are beyond a block: the system may move pages, not bytes. */
static void *
resize(struct pool *p, void *mem, size_t old, size_t n)
{
	void *moved;

	if (n > old && !charge(p, n - old))
		return NULL;
	moved = realloc(mem, n);
	if (moved == NULL) {
		if (n > old)
			p->used -= n - old;
		return NULL;
	}
	if (n < old)
		p->used -= old - n;
	return moved;
}

void *
pool_realloc(struct pool *p, void *mem, size_t old, size_t n)
{
	void *moved;

	if (mem == NULL)
		return pool_alloc(p, n);
	if (is_block(old) && is_block(n))
		return mem;
	if (!is_block(old) && !is_block(n))
		return resize(p, mem, old, n);
	moved = pool_alloc(p, n);
	if (moved == NULL)
		return NULL;
	memcpy(moved, mem, MIN_OF(old, n));
	pool_free(p, mem, old);
	return moved;
}

bool
pool_charge(struct pool *p, size_t n)
{
	return charge(p, n);
}

void
pool_credit(struct pool *p, size_t n)
{
	must(p->used >= n);
	p->used -= n;
}

uint64_t
pool_used(const struct pool *p)
{
	return p->used;
}
