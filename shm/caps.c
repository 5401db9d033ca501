/*
 * Rows of caps: made by the master one after the other, read by all. A row
 * is whole before the count says that it is there.
 */
#include "shm/caps.h"

#include <string.h>

#include "base/hash.h"
#include "shm/counters.h"

uint64_t
cap_hash(const struct cap_of *of)
{
	static const struct sip_key zero;
	uint64_t h = siphash(&zero, of->channel);

	return (h * 31 + siphash(&zero, of->name)) * 31 + (uint64_t)of->kind;
}

struct cap_of
cap_row_of(const struct cap_row *c)
{
	return (struct cap_of){
		.kind = (enum cap_kind)MIN_OF(c->kind, (uint32_t)CAP_MODEL),
		.channel = str_make(c->channel,
				    strnlen(c->channel, sizeof(c->channel))),
		.name = str_make(c->name, strnlen(c->name, sizeof(c->name))),
	};
}

bool
cap_same(const struct cap_of *a, const struct cap_of *b)
{
	return a->kind == b->kind && str_eq(a->channel, b->channel) &&
	       str_eq(a->name, b->name);
}

uint32_t
cap_rows(const struct region *r)
{
	uint32_t n = atomic_load_explicit(&r->head->n_cap_rows,
					  memory_order_acquire);

	return MIN_OF(n, (uint32_t)SHM_CAPS);
}

static struct cap_row *
find(const struct region *r, const struct cap_of *of)
{
	uint64_t hash = cap_hash(of);
	uint32_t n = cap_rows(r);

	for (uint32_t i = 0; i < n; i++) {
		struct cap_row *c = &r->caps[i];
		struct cap_of there;

		if (c->hash != hash)
			continue;
		there = cap_row_of(c);
		if (cap_same(&there, of))
			return c;
	}
	return NULL;
}

const struct cap_row *
cap_find(const struct region *r, const struct cap_of *of)
{
	return find(r, of);
}

static struct cap_row *
row_add(struct region *r, const struct cap_of *of)
{
	uint32_t n = cap_rows(r);
	struct cap_row *c = &r->caps[n];

	if (n == SHM_CAPS || of->channel.n >= sizeof(c->channel) ||
	    of->name.n >= sizeof(c->name) ||
	    region_reserve(r, c, sizeof(*c)) != E_OK)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->kind = of->kind;
	c->hash = cap_hash(of);
	(void)str_copy(c->channel, sizeof(c->channel), of->channel);
	(void)str_copy(c->name, sizeof(c->name), of->name);
	atomic_store_explicit(&r->head->n_cap_rows, n + 1,
			      memory_order_release);
	return c;
}

uint32_t
cap_want(struct region *r, const struct cap_of *of, int64_t limit_nano)
{
	struct cap_row *c = find(r, of);

	if (!c)
		c = row_add(r, of);
	if (!c)
		return SHM_NONE;
	atomic_store(&c->limit_nano, limit_nano);
	return (uint32_t)(c - r->caps);
}

uint32_t
cap_counter(const struct cap_row *c)
{
	uint32_t number =
		atomic_load_explicit(&c->number, memory_order_acquire);

	return number == 0 || number > SHM_CAPS ? SHM_NONE
						: counter_of_cap(number - 1);
}

int64_t
cap_left(const struct region *r, const struct cap_row *c)
{
	uint32_t counter = cap_counter(c);

	return counter == SHM_NONE
		       ? 0
		       : atomic_load_explicit(&r->counters[counter].available,
					      memory_order_relaxed);
}

const char *
cap_kind_name(uint32_t kind)
{
	switch (kind) {
	case CAP_CHANNEL: return "channel";
	case CAP_CREDENTIAL: return "key";
	case CAP_MODEL: return "model";
	default: return "unknown";
	}
}
