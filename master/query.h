#pragma once
/*
 * The request of a probe: a GET or HEAD for which nobody is billed, with the
 * channel's credential and on its way out. Only the head of the answer is
 * read; the connection is closed.
 */
#include "base/attrs.h"
#include "master/trial.h"

struct event_base;
struct queries;
struct query;
struct region;

struct queries *queries_new(struct event_base *base, struct region *region);
/* No query may run. */
void queries_free(struct queries *q);
/* A few times a second. */
void queries_tick(struct queries *q, uint64_t now_ns);

/* NULL: it did not begin, `why` says the reason; no callback then. */
NODISCARD struct query *query_begin(struct queries *all,
				    const struct trial_plan *plan,
				    trial_done *done, void *user,
				    char why[CHANNEL_REASON]);
/* No callback any more. */
void query_cancel(struct query *q);
