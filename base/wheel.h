#pragma once
/*
 * A timing wheel: thousands of timeouts that nearly never fire, armed and
 * disarmed in a few instructions. Resolution 10 ms (never early). One a
 * worker; driven by one libevent timer that calls wheel_turn().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"

struct wheel;
struct wheel_timer;
typedef void wheel_fn(struct wheel_timer *t);

/* Embedded in its owner; zeroed = not armed. */
struct wheel_timer {
	struct wheel_timer *next;
	struct wheel_timer **prev; /* NULL = not armed */
	uint64_t due_ns;
	wheel_fn *fire;
};

struct wheel *wheel_new(uint64_t now_ns);
void wheel_destroy(struct wheel *w);
/* (Re)arms `t` to fire at or after due_ns (monotonic). */
void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t due_ns,
	       wheel_fn *fire);
void wheel_disarm(struct wheel_timer *t);
static inline bool
wheel_armed(const struct wheel_timer *t)
{
	return t->prev != NULL;
}
/* The time at which the event began that is being handled: what is done in
 * it happens at that time, and reads no clock. wheel_touch() at the begin of
 * every event of the loop; wheel_turn() does it, too. */
uint64_t wheel_clock(const struct wheel *w);
void wheel_touch(struct wheel *w);
/* Fires what is due; a callback may arm, disarm and free any timer. */
void wheel_turn(struct wheel *w, uint64_t now_ns);
