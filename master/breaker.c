/* The circuit breaker of one channel: pure, so that a table tests it. */
#include "master/breaker.h"

#include <string.h>

/* Shares of faults, in percent. Between WELL and BAD the state stays. */
#define SHARE_OPEN 50u
#define SHARE_BAD  10u
#define SHARE_WELL 5u

static struct breaker_counts
window_sum(const struct breaker *b)
{
	struct breaker_counts s = {0, 0, 0, 0};

	for (unsigned i = 0; i < BREAKER_WINDOW; i++) {
		s.ok += b->window[i].ok;
		s.faults += b->window[i].faults;
		s.refused += b->window[i].refused;
		s.late += b->window[i].late;
	}
	return s;
}

static void
window_clear(struct breaker *b)
{
	memset(b->window, 0, sizeof(b->window));
}

static void
breaker_open(struct breaker *b, uint64_t now_ns)
{
	b->state = CHANNEL_OPEN;
	b->open_until_ns = now_ns + b->pause_ns;
	window_clear(b);
}

void
breaker_init(struct breaker *b, enum channel_state state, uint64_t pause_ns,
	     uint64_t now_ns)
{
	memset(b, 0, sizeof(*b));
	b->base_pause_ns = b->pause_ns = pause_ns;
	b->check_pause_ns = BREAKER_CHECK_NS;
	b->state = state == CHANNEL_DEGRADED ? CHANNEL_DEGRADED : CHANNEL_UP;
	if (state == CHANNEL_OPEN || state == CHANNEL_HALF) {
		/* Known to be bad: probed at once. */
		b->state = CHANNEL_OPEN;
		b->open_until_ns = now_ns;
	}
}

void
breaker_set_pause(struct breaker *b, uint64_t pause_ns)
{
	b->base_pause_ns = b->pause_ns = pause_ns;
}

/* Which one of them, of so much that something has to be done. */
static void
breaker_break(struct breaker *b, const struct breaker_counts *sum, bool last,
	      uint64_t now_ns)
{
	b->by_faults = sum->faults > sum->refused + 2 * sum->late;
	b->kept = last && b->by_faults;
	if (b->kept)
		b->state = CHANNEL_DEGRADED;
	else
		breaker_open(b, now_ns);
}

void
breaker_tick(struct breaker *b, const struct breaker_counts *counts, bool last,
	     uint64_t now_ns)
{
	struct breaker_counts s;
	uint64_t bad, all;

	b->at = (b->at + 1) % BREAKER_WINDOW;
	b->window[b->at] = *counts;
	if (b->state == CHANNEL_OPEN && b->by_faults && last)
		b->open_until_ns = MIN_OF(b->open_until_ns, now_ns);
	if (b->state != CHANNEL_UP && b->state != CHANNEL_DEGRADED)
		return;
	s = window_sum(b);
	bad = s.faults + s.refused;
	all = bad + s.ok;
	if ((all >= BREAKER_MIN && bad * 100 >= all * SHARE_OPEN) ||
	    (s.refused >= BREAKER_REFUSALS && s.ok == 0)) {
		breaker_break(b, &s, last, now_ns);
		return;
	}
	b->kept = false;
	if (all >= BREAKER_MIN && bad * 100 >= all * SHARE_BAD) {
		b->state = CHANNEL_DEGRADED;
	} else if (bad * 100 < all * SHARE_WELL || all == 0) {
		b->state = CHANNEL_UP;
		if (all >= BREAKER_MIN)
			b->pause_ns = b->base_pause_ns;
	}
}

bool
breaker_wants_probe(struct breaker *b, uint64_t now_ns)
{
	if (b->state != CHANNEL_OPEN || now_ns < b->open_until_ns)
		return false;
	b->state = CHANNEL_HALF;
	return true;
}

uint32_t
breaker_fault_ppm(const struct breaker *b)
{
	struct breaker_counts s = window_sum(b);
	uint64_t bad = s.faults + s.refused;

	return bad == 0 ? 0 : (uint32_t)(bad * 1000000 / (bad + s.ok));
}

bool
breaker_wants_check(struct breaker *b, uint64_t fault_until_ns, uint64_t now_ns)
{
	if (b->state != CHANNEL_UP && b->state != CHANNEL_DEGRADED)
		return false;
	if (fault_until_ns <= now_ns) {
		if (now_ns > b->check_due_ns + BREAKER_CALM_NS)
			b->check_pause_ns = BREAKER_CHECK_NS;
		return false;
	}
	if (now_ns < b->check_due_ns)
		return false;
	b->check_due_ns = now_ns + b->check_pause_ns;
	b->check_pause_ns = MIN_OF(2 * b->check_pause_ns, BREAKER_CHECK_MAX_NS);
	return true;
}

void
breaker_probed(struct breaker *b, bool well, uint64_t now_ns)
{
	if (b->state != CHANNEL_HALF)
		return;
	if (!well) {
		breaker_open(b, now_ns);
		return;
	}
	b->state = CHANNEL_DEGRADED;
	/* A channel that answers probes and fails requests comes back at
	 * longer and longer intervals, until traffic has proved it. */
	b->pause_ns = MAX_OF(b->base_pause_ns,
			     MIN_OF(b->pause_ns * 2, BREAKER_PAUSE_MAX_NS));
	window_clear(b);
}

void
breaker_again(struct breaker *b, uint64_t now_ns)
{
	if (b->state != CHANNEL_HALF)
		return;
	b->state = CHANNEL_OPEN;
	b->open_until_ns = now_ns;
}
