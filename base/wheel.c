/*
 * A hierarchical timing wheel: four levels of 256 slots; a slot of level 0
 * is one tick, a slot of level n is a whole turn of level n - 1. A timer
 * moves down a level when its slot comes up, and fires from level 0.
 */
#include "base/wheel.h"

#include <stdlib.h>

#include "base/clock.h"

#define TICK_NS	   (10 * NS_PER_MS)
#define LEVELS	   4u
#define LEVEL_BITS 8u
#define SLOTS	   (1u << LEVEL_BITS)
#define SLOT_MASK  (SLOTS - 1)
#define MAX_TICKS  ((1ull << (LEVELS * LEVEL_BITS)) - 1)

struct wheel {
	uint64_t now; /* the last tick that was turned */
	uint64_t clock_ns;
	struct wheel_timer *slot[LEVELS][SLOTS];
};

struct wheel *
wheel_new(uint64_t now_ns)
{
	struct wheel *w = calloc(1, sizeof(*w));

	if (w) {
		w->now = now_ns / TICK_NS;
		w->clock_ns = now_ns;
	}
	return w;
}

void
wheel_destroy(struct wheel *w)
{
	free(w);
}

/* The first tick that is not before `due_ns`. */
static uint64_t
tick_of(uint64_t due_ns)
{
	return due_ns / TICK_NS + (due_ns % TICK_NS != 0);
}

static void
link_at(struct wheel_timer **slot, struct wheel_timer *t)
{
	t->next = *slot;
	t->prev = slot;
	if (t->next)
		t->next->prev = &t->next;
	*slot = t;
}

/* `tick` is w->now at the earliest. */
static void
place(struct wheel *w, struct wheel_timer *t, uint64_t tick)
{
	uint64_t ahead = tick - w->now;
	unsigned level = 0;

	if (ahead > MAX_TICKS) { /* over a year: looked at again then */
		ahead = MAX_TICKS;
		tick = w->now + ahead;
	}
	while (ahead >> ((level + 1) * LEVEL_BITS))
		level++;
	link_at(&w->slot[level][tick >> (level * LEVEL_BITS) & SLOT_MASK], t);
}

void
wheel_disarm(struct wheel_timer *t)
{
	if (t->prev == NULL)
		return;
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = NULL;
	t->prev = NULL;
}

void
wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t due_ns,
	  wheel_fn *fire)
{
	uint64_t tick = tick_of(due_ns);

	wheel_disarm(t);
	t->due_ns = due_ns;
	t->fire = fire;
	/* Never the tick that is being turned: a callback that arms for
	 * "now" must not keep the turn from ending. */
	place(w, t, MAX_OF(tick, w->now + 1));
}

/* The slot of `level` that begins now moves down. */
static void
cascade(struct wheel *w, unsigned level)
{
	struct wheel_timer **slot =
		&w->slot[level][w->now >> (level * LEVEL_BITS) & SLOT_MASK];
	struct wheel_timer *t = *slot;

	*slot = NULL;
	while (t) {
		struct wheel_timer *next = t->next;

		place(w, t, MAX_OF(tick_of(t->due_ns), w->now));
		t = next;
	}
}

uint64_t
wheel_clock(const struct wheel *w)
{
	return w->clock_ns;
}

void
wheel_touch(struct wheel *w)
{
	w->clock_ns = clock_mono_ns();
}

void
wheel_turn(struct wheel *w, uint64_t now_ns)
{
	uint64_t until = now_ns / TICK_NS;

	w->clock_ns = now_ns;
	while (w->now < until) {
		struct wheel_timer **slot;

		w->now++;
		for (unsigned level = LEVELS - 1; level > 0; level--)
			if ((w->now & ((1ull << (level * LEVEL_BITS)) - 1)) ==
			    0)
				cascade(w, level);
		slot = &w->slot[0][w->now & SLOT_MASK];
		while (*slot) {
			struct wheel_timer *t = *slot;

			wheel_disarm(t);
			t->fire(t);
		}
	}
}
