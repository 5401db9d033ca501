/*
 * Channel rows: bound to names by the master, addresses under a sequence
 * lock. Workers read; what they write (load, faults) are single atomics.
 */
#include "shm/channels.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/tokens.h"

static struct channel_row *
row_at(const struct region *r, uint32_t row)
{
	must(row < SHM_CHANNELS);
	return &r->channels[row];
}

static void
row_reset(struct channel_row *c, struct str name)
{
	uint32_t seq = c->addr_seq;

	memset(c, 0, sizeof(*c));
	c->addr_seq = seq; /* goes on: readers compare it */
	(void)str_copy(c->name, sizeof(c->name), name);
	atomic_store_explicit(&c->state, CHANNEL_UP, memory_order_release);
}

uint32_t
channel_rows(const struct region *r)
{
	uint32_t n = 0;

	while (n < SHM_CHANNELS && r->channels[n].name[0])
		n++;
	return n;
}

/* The row of this name, or one that no generation uses. Rows get their names
 * in order, so the first without one ends them; it comes before those whose
 * generations are gone, which keep their health in case the channel returns. */
static uint32_t
row_for(const struct region *r, struct str name)
{
	uint32_t unused = SHM_NONE;

	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		const struct channel_row *c = &r->channels[i];

		if (!c->name[0] || str_eq(str_of(c->name), name))
			return i;
		if (c->generations == 0 && unused == SHM_NONE)
			unused = i;
	}
	return unused;
}

uint32_t
channel_bind(struct region *r, struct str name)
{
	uint32_t row;

	must(name.n > 0);
	row = row_for(r, name);
	if (row == SHM_NONE)
		return SHM_NONE;
	if (!str_eq(str_of(r->channels[row].name), name))
		row_reset(&r->channels[row], name);
	r->channels[row].generations++;
	return row;
}

void
channel_unbind(struct region *r, uint32_t row)
{
	struct channel_row *c = row_at(r, row);

	must(c->generations > 0);
	c->generations--;
}

/* The copies go word by word: a reader may look while they change, sees
 * that by the sequence number and looks again. */
static void
words_copy(void *to, const void *from, size_t bytes)
{
	uint32_t *t = to;
	const uint32_t *f = from;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		__atomic_store_n(&t[i],
				 __atomic_load_n(&f[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

void
channel_set_addresses(struct region *r, uint32_t row, uint64_t way,
		      const struct channel_address *addr, uint32_t n)
{
	struct channel_row *c = row_at(r, row);
	/* Odd while it changes, also after a master that died there. */
	uint32_t seq = c->addr_seq | 1;

	n = MIN_OF(n, (uint32_t)CHANNEL_ADDRESSES);
	atomic_store_explicit(&c->addr_seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	words_copy(c->addr, addr, n * sizeof(*addr));
	__atomic_store_n(&c->n_addr, n, __ATOMIC_RELAXED);
	__atomic_store_n(&c->way, way, __ATOMIC_RELAXED);
	atomic_store_explicit(&c->addr_seq, seq + 1, memory_order_release);
}

uint32_t
channel_addresses(const struct region *r, uint32_t row,
		  struct channel_address out[CHANNEL_ADDRESSES], uint64_t *way)
{
	const struct channel_row *c = row_at(r, row);

	/* Bounded: a master that dies in the middle must not hang a worker. */
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t n, seq = atomic_load_explicit(&c->addr_seq,
						       memory_order_acquire);

		if (seq & 1)
			continue;
		n = __atomic_load_n(&c->n_addr, __ATOMIC_RELAXED);
		n = MIN_OF(n, (uint32_t)CHANNEL_ADDRESSES);
		words_copy(out, c->addr, n * sizeof(*out));
		*way = __atomic_load_n(&c->way, __ATOMIC_RELAXED);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&c->addr_seq, memory_order_relaxed) ==
		    seq)
			return n;
	}
	*way = 0;
	return 0;
}

bool
channel_usable(const struct region *r, uint32_t row, uint64_t now_ns)
{
	const struct channel_row *c = row_at(r, row);
	uint32_t state = atomic_load_explicit(&c->state, memory_order_relaxed);

	if (state != CHANNEL_UP && state != CHANNEL_DEGRADED)
		return false;
	if (atomic_load_explicit(&c->operator_state, memory_order_relaxed) ||
	    !token_usable(r, row, now_ns))
		return false;
	return atomic_load_explicit(&c->fault_until_ns, memory_order_relaxed) <=
	       now_ns;
}

bool
channel_enter(struct channel_row *c, uint32_t most)
{
	int32_t was;

	if (most == 0) {
		atomic_fetch_add_explicit(&c->in_flight, 1,
					  memory_order_relaxed);
		return true;
	}
	was = atomic_load_explicit(&c->in_flight, memory_order_relaxed);
	do {
		if (was >= (int32_t)most)
			return false;
	} while (!atomic_compare_exchange_weak(&c->in_flight, &was, was + 1));
	return true;
}

bool
channel_leave(struct channel_row *c, uint32_t most)
{
	int32_t was = atomic_load_explicit(&c->in_flight, memory_order_relaxed);

	/* The writer may have put the count right meanwhile. */
	do {
		if (was <= 0)
			return false;
	} while (!atomic_compare_exchange_weak(&c->in_flight, &was, was - 1));
	return most != 0 && was >= (int32_t)most;
}

/* An eighth of each, so that it follows within some requests. */
#define CACHED_SHIFT 3

void
channel_note_cached(struct channel_row *c, uint32_t ppm)
{
	uint32_t was =
		atomic_load_explicit(&c->cached_ppm, memory_order_relaxed);

	atomic_store_explicit(&c->cached_ppm,
			      was - (was >> CACHED_SHIFT) +
				      (ppm >> CACHED_SHIFT),
			      memory_order_relaxed);
}

#define KEY_OUT_S     60u
#define KEY_OUT_MAX_S 3600u
/* A request that tries a key should be over by then. */
#define KEY_TRIAL_S 30u

bool
channel_key_refused(struct channel_row *c, uint32_t key, uint64_t now_ns)
{
	uint64_t until = atomic_load(&c->key_until_ns[key]);
	uint32_t was = atomic_load(&c->key_out_s[key]);
	uint32_t out_s = was ? MIN_OF(2 * was, KEY_OUT_MAX_S) : KEY_OUT_S;

	/* Of many requests that meet the same refusal one counts; a trial has
	 * left no more than its own time. */
	if (until > now_ns + KEY_TRIAL_S * NS_PER_SEC ||
	    !atomic_compare_exchange_strong(&c->key_until_ns[key], &until,
					    now_ns + out_s * NS_PER_SEC))
		return false;
	atomic_store(&c->key_out_s[key], out_s);
	return was == 0;
}

bool
channel_key_take(struct channel_row *c, uint32_t key, uint64_t now_ns)
{
	uint64_t until = atomic_load_explicit(&c->key_until_ns[key],
					      memory_order_relaxed);

	if (until > now_ns)
		return false;
	if (atomic_load_explicit(&c->key_out_s[key], memory_order_relaxed) == 0)
		return true;
	return atomic_compare_exchange_strong(&c->key_until_ns[key], &until,
					      now_ns +
						      KEY_TRIAL_S * NS_PER_SEC);
}

bool
channel_key_proved(struct channel_row *c, uint32_t key)
{
	if (atomic_load_explicit(&c->key_out_s[key], memory_order_relaxed) == 0)
		return false;
	if (atomic_exchange(&c->key_out_s[key], 0) == 0)
		return false;
	atomic_store(&c->key_until_ns[key], 0);
	return true;
}

void
channel_key_reset(struct channel_row *c, uint32_t key)
{
	atomic_store(&c->key_out_s[key], 0);
	atomic_store(&c->key_until_ns[key], 0);
}

uint32_t
channel_keys_out(const struct channel_row *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CHANNEL_KEYS; i++)
		n += atomic_load(&c->key_out_s[i]) != 0;
	return n;
}

const char *
channel_state_name(enum channel_state s)
{
	switch (s) {
	case CHANNEL_UNUSED: return "unused";
	case CHANNEL_UP: return "up";
	case CHANNEL_DEGRADED: return "degraded";
	case CHANNEL_OPEN: return "open";
	case CHANNEL_HALF: return "half";
	case CHANNEL_DRAIN: return "drain";
	case CHANNEL_OFF: return "off";
	}
	return "unknown";
}
