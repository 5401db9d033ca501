/*
 * Token rows. A reader copies under the sequence number and looks whether it
 * was the same before and after; the words are single atomics.
 */
#include "shm/tokens.h"

#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "shm/channels.h"

_Static_assert(sizeof(struct token_row) == 4096, "a page");
_Static_assert(TOKEN_MAX % sizeof(uint32_t) == 0, "whole words");

static struct token_row *
row_at(const struct region *r, uint32_t row)
{
	must(row < SHM_CHANNELS);
	return &r->tokens[row];
}

static void
words_copy(void *to, const void *from, size_t bytes)
{
	uint32_t *t = to;
	const uint32_t *f = from;

	for (size_t i = 0; i < (bytes + 3) / sizeof(*t); i++)
		__atomic_store_n(&t[i],
				 __atomic_load_n(&f[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static void
put(struct token_row *t, struct str token)
{
	/* Odd while it changes, also after a master that died there. */
	uint32_t seq = t->seq | 1;
	uint32_t room[TOKEN_MAX / sizeof(uint32_t)] = {0};

	must(token.n <= TOKEN_MAX);
	if (token.n > 0)
		memcpy(room, token.p, token.n);
	atomic_store_explicit(&t->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	words_copy(t->text, room, sizeof(room));
	__atomic_store_n(&t->n, (uint32_t)token.n, __ATOMIC_RELAXED);
	atomic_store_explicit(&t->seq, seq + 1, memory_order_release);
	bytes_wipe(room, sizeof(room));
}

enum err
token_need(struct region *r, uint32_t row, const uint8_t owner[TOKEN_OWNER])
{
	struct token_row *t = row_at(r, row);
	struct channel_row *c = &r->channels[row];
	enum err e;

	if (atomic_load(&c->token_until_ns) == TOKEN_NOT_NEEDED)
		atomic_store(&c->token_until_ns, TOKEN_MISSING);
	e = region_reserve(r, t, sizeof(*t));
	if (e != E_OK)
		return e;
	if (atomic_load(&c->token_until_ns) > TOKEN_MISSING &&
	    memcmp(t->owner, owner, TOKEN_OWNER) == 0)
		return E_OK;
	atomic_store(&c->token_until_ns, TOKEN_MISSING);
	put(t, STR_NONE);
	memcpy(t->owner, owner, TOKEN_OWNER);
	return E_OK;
}

void
token_no_need(struct region *r, uint32_t row)
{
	struct channel_row *c = &r->channels[row];

	if (atomic_load(&c->token_until_ns) > TOKEN_MISSING)
		put(row_at(r, row), STR_NONE);
	atomic_store(&c->token_until_ns, TOKEN_NOT_NEEDED);
}

void
token_set(struct region *r, uint32_t row, struct str token,
	  const struct token_times *times)
{
	struct token_row *t = row_at(r, row);

	put(t, token);
	atomic_store(&t->since_ns, times->since_ns);
	atomic_store(&t->renew_ns, times->renew_ns);
	atomic_store(&r->channels[row].token_until_ns,
		     MAX_OF(times->until_ns, (uint64_t)TOKEN_MISSING));
}

bool
token_usable(const struct region *r, uint32_t row, uint64_t now_ns)
{
	uint64_t until;

	must(row < SHM_CHANNELS);
	until = atomic_load_explicit(&r->channels[row].token_until_ns,
				     memory_order_relaxed);
	if (until == TOKEN_NOT_NEEDED)
		return true;
	return until > now_ns && !token_refused(r, row);
}

size_t
token_get(const struct region *r, uint32_t row, char out[TOKEN_MAX],
	  uint32_t *version)
{
	const struct token_row *t = row_at(r, row);
	uint32_t room[TOKEN_MAX / sizeof(uint32_t)];

	/* Bounded: a master that dies in the middle must not hang a worker. */
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t n, seq = atomic_load_explicit(&t->seq,
						       memory_order_acquire);

		if (seq & 1)
			continue;
		n = __atomic_load_n(&t->n, __ATOMIC_RELAXED);
		n = MIN_OF(n, TOKEN_MAX);
		words_copy(room, t->text, n);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&t->seq, memory_order_relaxed) != seq)
			continue;
		memcpy(out, room, n);
		bytes_wipe(room, n);
		*version = seq;
		return n;
	}
	*version = 0;
	return 0;
}

void
token_refuse(struct region *r, uint32_t row, uint32_t version)
{
	struct token_row *t = row_at(r, row);

	if (atomic_load(&t->seq) == version)
		atomic_store(&t->refused, version);
}

bool
token_refused(const struct region *r, uint32_t row)
{
	const struct token_row *t = row_at(r, row);

	return atomic_load_explicit(&t->refused, memory_order_relaxed) ==
	       atomic_load_explicit(&t->seq, memory_order_relaxed);
}
