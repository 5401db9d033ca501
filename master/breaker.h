#pragma once
/*
 * The circuit breaker of one channel: a pure state machine over outcomes and
 * time. The master feeds it once a second with what the workers counted, and
 * with the result of its probe.
 *
 *	UP        <-> DEGRADED  by the share of faults in the last 10 s
 *	UP, DEGRADED -> OPEN    half of enough requests failed, or the
 *	                        channel refuses connections
 *	OPEN         -> HALF    the pause is over: one probe runs
 *	HALF         -> DEGRADED  it went well: traffic may prove it; if that
 *	                        fails again, the next pause is longer
 *	HALF         -> OPEN    it failed: the same pause again
 *
 * The last channel of a model is not opened because it answers with faults:
 * some requests may go well, and nobody else can answer them. It is kept
 * (DEGRADED, and `kept`) while no other one is there. If it refuses
 * connections or does not answer at all, it opens.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "shm/channels.h"

#define BREAKER_WINDOW	     10u /* seconds */
#define BREAKER_MIN	     10u /* requests a verdict needs */
#define BREAKER_REFUSALS     3u	 /* refused, and nothing went well beside it */
#define BREAKER_PAUSE_MAX_NS (60 * 1000000000ull)
/* Between two checks of a channel that is up: the shortest, the longest. */
#define BREAKER_CHECK_NS     1000000000ull
#define BREAKER_CHECK_MAX_NS (8 * 1000000000ull)
/* So long without a refused connection, and the pause is short again. */
#define BREAKER_CALM_NS (10 * 1000000000ull)

/* What happened since the last tick. */
struct breaker_counts {
	uint64_t ok;
	uint64_t faults;
	uint64_t refused;
	uint64_t late; /* of the faults: no answer in time */
};

struct breaker {
	enum channel_state state; /* UP, DEGRADED, OPEN or HALF */
	struct breaker_counts window[BREAKER_WINDOW];
	unsigned at;
	bool kept;	/* it would be open, but for its being the last */
	bool by_faults; /* OPEN: it did answer, with faults */
	uint64_t base_pause_ns;
	uint64_t pause_ns; /* of the present OPEN */
	uint64_t open_until_ns;
	uint64_t check_due_ns; /* not before */
	uint64_t check_pause_ns;
};

/* `state` is what the channel had before (warm start), or CHANNEL_UP. */
void breaker_init(struct breaker *b, enum channel_state state,
		  uint64_t pause_ns, uint64_t now_ns);
/* A reload changed the first pause. */
void breaker_set_pause(struct breaker *b, uint64_t pause_ns);
/* Once a second. `last`: without this channel some model has none. One that is
 * open already is probed at once then. */
void breaker_tick(struct breaker *b, const struct breaker_counts *counts,
		  bool last, uint64_t now_ns);
/* True once per pause: the caller starts the probe (state HALF). */
bool breaker_wants_probe(struct breaker *b, uint64_t now_ns);
/* Of what was answered in the window, the part that failed. */
uint32_t breaker_fault_ppm(const struct breaker *b);
/* A channel that is up, left alone until `fault_until_ns` because a worker met
 * a refused or reset connection: true when a probe may now find out whether
 * it was a stray one. Those that come again and again get fewer checks. */
bool breaker_wants_check(struct breaker *b, uint64_t fault_until_ns,
			 uint64_t now_ns);
void breaker_probed(struct breaker *b, bool well, uint64_t now_ns);
/* The probe was given up; the next one is due now. */
void breaker_again(struct breaker *b, uint64_t now_ns);
