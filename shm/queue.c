/*
 * Queues of channels. Fields of a place are written before its bit is set;
 * who reads one that changes hands meanwhile misjudges an order once, which
 * costs a wake-up at most. No step leaves anything that the writer cannot put
 * right from the owner's mark alone.
 */
#include "shm/queue.h"

#include "base/clock.h"
#include "base/must.h"
#include "base/raise.h"
#include "shm/channels.h"

/* Those whose time is over get so long to leave by themselves. */
#define GRACE_MS 100

enum err
queue_need(struct region *r, uint32_t row)
{
	enum err e;

	must(row < SHM_CHANNELS);
	e = region_reserve(r, &r->queues[row], sizeof(r->queues[row]));
	if (e == E_OK)
		atomic_store(&r->channels[row].has_queue, 1);
	return e;
}

struct queue *
queue_of(const struct region *r, uint32_t row)
{
	must(row < SHM_CHANNELS);
	return atomic_load(&r->channels[row].has_queue) ? &r->queues[row]
							: NULL;
}

static uint32_t
to_ms(uint64_t ns)
{
	return (uint32_t)(ns / NS_PER_MS);
}

/* The next published place from `from` on; QUEUE_PLACES: none. */
static uint32_t
published(const struct queue *q, uint32_t from)
{
	while (from < QUEUE_PLACES) {
		uint64_t w = atomic_load(&q->waiting[from / 64]) >> from % 64;

		if (w != 0)
			return from + (uint32_t)__builtin_ctzll(w);
		from = (from / 64 + 1) * 64;
	}
	return QUEUE_PLACES;
}

uint32_t
queue_length(const struct queue *q)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < QUEUE_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(
			atomic_load(&q->waiting[i]));
	return n;
}

/* ---- the order ---- */

static struct queue_walk
at(const struct queue *q, uint32_t place)
{
	const struct queue_place *p = &q->place[place];

	return (struct queue_walk){
		.turn = atomic_load_explicit(&p->turn, memory_order_relaxed),
		.ticket =
			atomic_load_explicit(&p->ticket, memory_order_relaxed),
		.place = place};
}

static bool
before(const struct queue_walk *a, const struct queue_walk *b)
{
	return a->turn != b->turn ? a->turn < b->turn : a->ticket < b->ticket;
}

static bool
counts(const struct queue *q, uint32_t place, uint64_t now_ns)
{
	uint32_t until = atomic_load_explicit(&q->place[place].until_ms,
					      memory_order_relaxed);

	return (int32_t)(to_ms(now_ns) - until) <= GRACE_MS;
}

uint32_t
queue_rank(const struct queue *q, uint32_t place, uint64_t now_ns)
{
	struct queue_walk own = at(q, place);
	uint32_t n = 0;

	for (uint32_t i = published(q, 0); i < QUEUE_PLACES;
	     i = published(q, i + 1)) {
		struct queue_walk other = at(q, i);

		n += before(&other, &own) && counts(q, i, now_ns);
	}
	return n;
}

bool
queue_next(const struct queue *q, uint64_t now_ns, struct queue_walk *walk)
{
	struct queue_walk best = {0};
	bool any = false;

	for (uint32_t i = published(q, 0); i < QUEUE_PLACES;
	     i = published(q, i + 1)) {
		struct queue_walk one = at(q, i);

		if (!before(walk, &one) || !counts(q, i, now_ns) ||
		    (any && !before(&one, &best)))
			continue;
		best = one;
		any = true;
	}
	if (any)
		*walk = best;
	return any;
}

/* ---- coming and going ---- */

static uint32_t
claim(struct queue *q, uint64_t owner, uint32_t places)
{
	for (uint32_t i = 0; i < MIN_OF(places, QUEUE_PLACES); i++) {
		uint64_t was = 0;

		if (atomic_load_explicit(&q->place[i].owner,
					 memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong(&q->place[i].owner, &was,
						   owner))
			return i;
	}
	return SHM_NONE;
}

/* Behind all that wait for this account, and behind the turn that is now. */
static uint64_t
next_turn(const struct queue *q, uint32_t account)
{
	uint64_t turn = atomic_load(&q->turn);

	for (uint32_t i = published(q, 0); i < QUEUE_PLACES;
	     i = published(q, i + 1)) {
		const struct queue_place *p = &q->place[i];

		if (atomic_load_explicit(&p->account, memory_order_relaxed) ==
		    account)
			turn = MAX_OF(turn, at(q, i).turn);
	}
	return turn + 1;
}

uint32_t
queue_join(struct queue *q, const struct queue_spec *spec)
{
	uint32_t i = claim(q, spec->owner, spec->places);
	struct queue_place *p;

	if (i == SHM_NONE)
		return SHM_NONE;
	p = &q->place[i];
	atomic_store(&p->account, spec->account);
	atomic_store(&p->until_ms, to_ms(spec->until_ns));
	atomic_store(&p->turn, next_turn(q, spec->account));
	atomic_store(&p->ticket, atomic_fetch_add(&q->tickets, 1) + 1);
	/* Then the caller looks at the channel's load; who releases a place
	 * does it the other way round: one of the two sees the other. */
	(void)atomic_fetch_or(&q->waiting[i / 64], 1ull << i % 64);
	return i;
}

/* The account's later requests come a turn earlier. */
static void
move_up(struct queue *q, uint32_t account, uint64_t turn)
{
	for (uint32_t i = published(q, 0); i < QUEUE_PLACES;
	     i = published(q, i + 1)) {
		struct queue_place *p = &q->place[i];
		uint64_t was = atomic_load(&p->turn);

		if (atomic_load(&p->account) == account && was > turn)
			(void)atomic_compare_exchange_strong(&p->turn, &was,
							     was - 1);
	}
}

void
queue_leave(struct queue *q, uint32_t place, bool served)
{
	struct queue_place *p = &q->place[place];
	uint64_t turn;

	must(place < QUEUE_PLACES);
	(void)atomic_fetch_and(&q->waiting[place / 64], ~(1ull << place % 64));
	turn = atomic_load(&p->turn);
	if (served)
		atomic_raise(&q->turn, turn);
	else
		move_up(q, atomic_load(&p->account), turn);
	atomic_store(&p->owner, 0);
}

void
queue_reap(struct region *r, uint64_t owner)
{
	for (uint32_t row = 0; row < SHM_CHANNELS; row++) {
		struct queue *q = queue_of(r, row);

		for (uint32_t i = 0; q && i < QUEUE_PLACES; i++)
			if (atomic_load(&q->place[i].owner) == owner)
				queue_leave(q, i, false);
	}
}

/* ---- how long it takes ---- */

/* when (s) << 32 | us; an eighth of each, forgotten after a minute. */
#define HELD_SHIFT   3
#define HELD_STALE_S 60u

static uint64_t
held_us(uint64_t v, uint64_t now_ns)
{
	uint32_t age = (uint32_t)(now_ns / NS_PER_SEC) - (uint32_t)(v >> 32);

	/* another process may be a second ahead */
	return age > HELD_STALE_S && age < UINT32_MAX / 2 ? 0 : v & UINT32_MAX;
}

void
queue_note_held(struct queue *q, uint64_t us, uint64_t now_ns)
{
	uint64_t sample = MAX_OF(1u, MIN_OF(us, (uint64_t)UINT32_MAX));
	uint64_t was = atomic_load_explicit(&q->held, memory_order_relaxed);
	uint64_t to;

	do {
		uint64_t mean = held_us(was, now_ns);

		if (mean == 0)
			mean = sample;
		else
			mean += (sample >> HELD_SHIFT) - (mean >> HELD_SHIFT);
		to = now_ns / NS_PER_SEC << 32 | MAX_OF(1u, mean);
	} while (!atomic_compare_exchange_weak_explicit(&q->held, &was, to,
							memory_order_relaxed,
							memory_order_relaxed));
}

uint64_t
queue_wait_ns(const struct queue *q, uint32_t rank, uint32_t most,
	      uint64_t now_ns)
{
	uint64_t us = held_us(
		atomic_load_explicit(&q->held, memory_order_relaxed), now_ns);

	must(most > 0);
	return us * 1000 * ((uint64_t)rank + 1) / most;
}
