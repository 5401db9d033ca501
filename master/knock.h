#pragma once
/*
 * The connection of a probe: a TCP connect, a tunnel where there is a proxy,
 * and where there is TLS a handshake with all its verification. It goes the
 * way that requests go, and nothing is asked.
 */
#include "base/attrs.h"
#include "master/trial.h"

struct event_base;
struct knock;

/* NULL: it did not begin, `why` says the reason; no callback then. */
NODISCARD struct knock *knock_begin(struct event_base *base,
				    const struct trial_plan *plan,
				    trial_done *done, void *user,
				    char why[CHANNEL_REASON]);
/* No callback any more. */
void knock_cancel(struct knock *k);
