/*
 * How long channels take: an average, and a histogram for the share of slow
 * ones. Workers add without a lock, every process reads (channels.h).
 *
 * What is hard: old measurements must go although nobody is in charge of it.
 * The histogram has two halves by turns of time; the first worker that counts
 * in a new turn takes the half over and empties it. What others add at that
 * very moment may be lost, and a worker that dies there leaves old counts for
 * one turn more: it is an estimate, and no index or sum can go wrong by it.
 */
#include "base/clock.h"
#include "base/must.h"
#include "shm/channels.h"

/* A new measurement counts an eighth; the old ones nothing after so long. */
#define PACE_SHIFT   3
#define PACE_STALE_S 60u
/* Seconds in which an unconfirmed average halves. */
#define PACE_HALF_S 15u

static uint32_t
seconds(uint64_t now_ns)
{
	return (uint32_t)(now_ns / NS_PER_SEC);
}

static void
average_add(_Atomic uint64_t *cell, uint64_t us, uint64_t now_ns)
{
	uint64_t was = atomic_load_explicit(cell, memory_order_relaxed), to;
	uint64_t sample = MAX_OF(1u, MIN_OF(us, (uint64_t)UINT32_MAX));

	do {
		uint64_t mean = was & UINT32_MAX;
		uint32_t age = seconds(now_ns) - (uint32_t)(was >> 32);

		if (mean == 0 || age > PACE_STALE_S)
			mean = sample;
		else
			mean += (sample >> PACE_SHIFT) - (mean >> PACE_SHIFT);
		to = (uint64_t)seconds(now_ns) << 32 | MAX_OF(1u, mean);
	} while (!atomic_compare_exchange_weak_explicit(
		cell, &was, to, memory_order_relaxed, memory_order_relaxed));
}

uint64_t
channel_pace_us(const struct channel_row *c, enum channel_pace kind,
		uint64_t now_ns)
{
	uint64_t v = atomic_load_explicit(&c->pace[kind], memory_order_relaxed);
	uint32_t age = seconds(now_ns) - (uint32_t)(v >> 32);

	/* another process may be a second ahead */
	if (age > UINT32_MAX / 2)
		age = 0;
	return (v & UINT32_MAX) >> MIN_OF(age / PACE_HALF_S, 32u);
}

/* A turn of a half. */
#define TURN_NS (30 * NS_PER_SEC)
/* Below the first octave, and steps of an octave. */
#define UNIT_SHIFT 4
#define STEP_SHIFT 2
#define STEPS	   (1u << STEP_SHIFT)
#define PERCENT	   95u

static unsigned
bucket_of(uint64_t us)
{
	uint64_t v = us >> UNIT_SHIFT;
	unsigned top, i;

	if (v < STEPS)
		return (unsigned)v;
	top = 63u - (unsigned)__builtin_clzll(v);
	i = (top - STEP_SHIFT + 1) * STEPS +
	    (unsigned)(v >> (top - STEP_SHIFT)) % STEPS;
	return MIN_OF(i, PACE_BUCKETS - 1);
}

static uint64_t
bucket_begin(unsigned i)
{
	uint64_t step = i % STEPS;

	if (i < STEPS)
		return step << UNIT_SHIFT;
	return (STEPS + step) << (i / STEPS - 1 + UNIT_SHIFT);
}

/* As far from its begin as from its end, by their ratio. */
static uint64_t
bucket_middle(unsigned i)
{
	uint64_t from = bucket_begin(i), to = bucket_begin(i + 1);

	return i < STEPS ? (from + to) / 2 : 2 * from * to / (from + to);
}

/* Counts from 1 on. */
static uint32_t
turn_of(uint64_t now_ns)
{
	return (uint32_t)(now_ns / TURN_NS) + 1;
}

static void
half_count(struct pace_half *h, uint64_t us, uint32_t turn)
{
	uint32_t was = atomic_load_explicit(&h->turn, memory_order_relaxed);

	/* A worker whose time is behind adds to the later turn. */
	if ((int32_t)(turn - was) > 0 &&
	    atomic_compare_exchange_strong(&h->turn, &was, turn))
		for (unsigned i = 0; i < PACE_BUCKETS; i++)
			atomic_store_explicit(&h->n[i], 0,
					      memory_order_relaxed);
	atomic_fetch_add_explicit(&h->n[bucket_of(us)], 1,
				  memory_order_relaxed);
}

void
channel_note_pace(struct channel_row *c, enum channel_pace kind, uint64_t us,
		  uint64_t now_ns)
{
	uint32_t turn = turn_of(now_ns);

	average_add(&c->pace[kind], us, now_ns);
	half_count(&c->halves[kind][turn % 2], us, turn);
}

/* Adds what the half has of this turn, the one before, or, of a worker whose
 * time is ahead, the next. */
static uint64_t
half_add(const struct pace_half *h, uint32_t turn, uint64_t n[PACE_BUCKETS])
{
	uint32_t of = atomic_load_explicit(&h->turn, memory_order_relaxed);
	uint64_t sum = 0;

	if (of == 0 || of + 1 < turn || of > turn + 1)
		return 0;
	for (unsigned i = 0; i < PACE_BUCKETS; i++) {
		uint64_t v =
			atomic_load_explicit(&h->n[i], memory_order_relaxed);

		n[i] += v;
		sum += v;
	}
	return sum;
}

uint64_t
channel_p95_us(const struct channel_row *c, enum channel_pace kind,
	       uint64_t now_ns)
{
	uint64_t n[PACE_BUCKETS] = {0}, sum = 0, below = 0;
	uint32_t turn = turn_of(now_ns);
	unsigned i = 0;

	for (unsigned k = 0; k < 2; k++)
		sum += half_add(&c->halves[kind][k], turn, n);
	if (sum < PACE_ENOUGH)
		return 0;
	while (i < PACE_BUCKETS - 1) {
		below += n[i];
		if (below * 100 >= sum * PERCENT)
			break;
		i++;
	}
	return MAX_OF(1u, bucket_middle(i));
}
