#pragma once
/*
 * Metrics: families are rows of metrics.def; their cells are u64 in shared
 * memory. Each process has one block and is its only writer, so adding is a
 * plain load and store. A block belongs to the worker row, not to the
 * process: counters go on when a worker is replaced, and over reloads,
 * because series are keyed by label texts and not by indexes.
 *
 * Units: counts, nano-USD, microseconds.
 *
 *	metric_add(b, M_REJECTED + REJECT_BALANCE, 1);
 *	metric_observe(b, M_HIST(M_REQUEST_DURATION, ROUTE_CHAT), us);
 *	s = metrics_model(b, model, channel);  (keep s: it stays valid)
 *	series_add(s, M_TOKENS_OF(TOKENS_OUTPUT, SOURCE_UPSTREAM), n);
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/region.h"

/* The closed labels: V(id, text as printed). */
#define ROUTE_VALUES(V)                     \
	V(ROUTE_CHAT, "chat.completions")   \
	V(ROUTE_COMPLETIONS, "completions") \
	V(ROUTE_RESPONSES, "responses")     \
	V(ROUTE_EMBEDDINGS, "embeddings")   \
	V(ROUTE_MESSAGES, "messages")       \
	V(ROUTE_TOKENS, "count_tokens")     \
	V(ROUTE_MODELS, "models")           \
	V(ROUTE_BALANCE, "balance")         \
	V(ROUTE_OTHER, "other")             \
	V(ROUTE_IMAGES, "images")           \
	V(ROUTE_AUDIO, "audio")             \
	V(ROUTE_MODERATIONS, "moderations") \
	V(ROUTE_RERANK, "rerank")
#define PHASE_VALUES(V)       \
	V(PHASE_AUTH, "auth") \
	V(PHASE_BILL, "bill") \
	V(PHASE_TOTAL, "total")
#define REJECT_VALUES(V)                         \
	V(REJECT_AUTH, "auth")                   \
	V(REJECT_BALANCE, "balance")             \
	V(REJECT_BUDGET, "budget")               \
	V(REJECT_RATE_REQUESTS, "rate_requests") \
	V(REJECT_RATE_TOKENS, "rate_tokens")     \
	V(REJECT_CONCURRENCY, "concurrency")     \
	V(REJECT_MODEL, "model")                 \
	V(REJECT_OVERLOAD, "overload")           \
	V(REJECT_LEDGER, "ledger")
/* The first five as enum slot_kind. */
#define ENTRY_VALUES(V)                   \
	V(ENTRY_REQUEST, "request")       \
	V(ENTRY_TOPUP, "topup")           \
	V(ENTRY_REFUND, "refund")         \
	V(ENTRY_ROLLOVER, "rollover")     \
	V(ENTRY_LIMIT, "limit")           \
	V(ENTRY_REVERSAL, "reversal")     \
	V(ENTRY_CORRECTION, "correction") \
	V(ENTRY_CREDIT, "credit")         \
	V(ENTRY_FEE, "fee")
#define RELOAD_VALUES(V)   \
	V(RELOAD_OK, "ok") \
	V(RELOAD_REFUSED, "refused")
#define TOKENS_VALUES(V)                     \
	V(TOKENS_INPUT, "input")             \
	V(TOKENS_CACHED, "cached_input")     \
	V(TOKENS_CACHE_WRITE, "cache_write") \
	V(TOKENS_OUTPUT, "output")           \
	V(TOKENS_REASONING, "reasoning")
/* As enum usage_source, without its USAGE_NONE. */
#define SOURCE_VALUES(V)               \
	V(SOURCE_UPSTREAM, "upstream") \
	V(SOURCE_COUNTED, "counted")   \
	V(SOURCE_ESTIMATED, "estimated")
#define FAILOVER_VALUES(V)           \
	V(FAILOVER_OK, "ok")         \
	V(FAILOVER_FAILED, "failed") \
	V(FAILOVER_REFUSED, "no_budget")

#define OVERLOAD_VALUES(V)                           \
	V(OVERLOAD_DELAY, "delay")                   \
	V(OVERLOAD_REQUESTS, "requests")             \
	V(OVERLOAD_SLOTS, "max_requests")            \
	V(OVERLOAD_CONNECTIONS, "connections")       \
	V(OVERLOAD_SOURCE, "connections_per_source") \
	V(OVERLOAD_MEMORY, "memory")                 \
	V(OVERLOAD_DESCRIPTORS, "descriptors")

#define HEDGE_VALUES(V)           \
	V(HEDGE_WON, "won")       \
	V(HEDGE_LOST, "lost")     \
	V(HEDGE_FAILED, "failed") \
	V(HEDGE_REFUSED, "no_budget")

#define AFFINITY_VALUES(V)     \
	V(AFFINITY_HIT, "hit") \
	V(AFFINITY_NEW, "new") \
	V(AFFINITY_MOVED, "moved")

#define QUEUED_VALUES(V)               \
	V(QUEUED_SERVED, "served")     \
	V(QUEUED_TIMEOUT, "timeout")   \
	V(QUEUED_CLOSED, "no_channel") \
	V(QUEUED_GONE, "client_gone")  \
	V(QUEUED_FULL, "full")         \
	V(QUEUED_LATE, "late")

#define METRIC_ID_(id, text) id,
enum metric_route { ROUTE_VALUES(METRIC_ID_) ROUTE_COUNT };
enum metric_phase { PHASE_VALUES(METRIC_ID_) PHASE_COUNT };
enum metric_reject { REJECT_VALUES(METRIC_ID_) REJECT_COUNT };
enum metric_entry { ENTRY_VALUES(METRIC_ID_) ENTRY_COUNT };
enum metric_reload { RELOAD_VALUES(METRIC_ID_) RELOAD_COUNT };
enum metric_tokens { TOKENS_VALUES(METRIC_ID_) TOKENS_COUNT };
enum metric_source { SOURCE_VALUES(METRIC_ID_) SOURCE_COUNT };
enum metric_failover { FAILOVER_VALUES(METRIC_ID_) FAILOVER_COUNT };
enum metric_queued { QUEUED_VALUES(METRIC_ID_) QUEUED_COUNT };
enum metric_overload { OVERLOAD_VALUES(METRIC_ID_) OVERLOAD_COUNT };
enum metric_hedge { HEDGE_VALUES(METRIC_ID_) HEDGE_COUNT };
enum metric_affinity { AFFINITY_VALUES(METRIC_ID_) AFFINITY_COUNT };
#undef METRIC_ID_
/* ERROR_TYPE: 0 = ok, then the ids of err_vocab_id(). */
enum { NONE_COUNT = 1, ERROR_TYPE_COUNT = 40 };

/* Upper bounds of all histograms; families print the part that suits them.
 * Cells: one count a bucket, the last one for what is larger; then the sum. */
#define HIST_BOUNDS 22
#define HIST_CELLS  (HIST_BOUNDS + 2)
extern const uint32_t hist_bounds_us[HIST_BOUNDS];

#define METRIC_WIDTH_COUNTER   1
#define METRIC_WIDTH_GAUGE     1
#define METRIC_WIDTH_HISTOGRAM HIST_CELLS

/* Cells: M_X is the first cell of family X in its kind of storage. */
enum metric_cell {
#define BLOCK(id, type, unit, set, name, help) \
	id, id##_END = id + METRIC_WIDTH_##type * set##_COUNT - 1,
#include "shm/metrics.def"
	BLOCK_CELLS
};
#define ROW_(id, type, set, set2)                                             \
	id,                                                                   \
		id##_END = id +                                               \
			   METRIC_WIDTH_##type * set##_COUNT * set2##_COUNT - \
			   1,
enum request_cell {
#define REQUEST(id, type, unit, set, set2, name, help) ROW_(id, type, set, set2)
#include "shm/metrics.def"
	REQUEST_CELLS
};
enum model_cell {
#define MODEL(id, type, unit, set, set2, name, help) ROW_(id, type, set, set2)
#include "shm/metrics.def"
	MODEL_CELLS
};
enum channel_cell {
#define CHANNEL(id, type, unit, set, set2, name, help) ROW_(id, type, set, set2)
#include "shm/metrics.def"
	CHANNEL_CELLS
};
#undef ROW_

/* Histogram of one value of a closed label. */
#define M_HIST(id, value)	  ((id) + HIST_CELLS * (value))
#define M_TOKENS_OF(type, source) (M_TOKENS + SOURCE_COUNT * (type) + (source))

#define SERIES_CELLS 112
_Static_assert(REQUEST_CELLS <= SERIES_CELLS && MODEL_CELLS <= SERIES_CELLS &&
		       CHANNEL_CELLS <= SERIES_CELLS,
	       "cells of a series");

enum series_kind {
	SERIES_REQUEST = 1, /* route, model */
	SERIES_MODEL,	    /* model, channel */
	SERIES_CHANNEL,	    /* channel */
	SERIES_KINDS
};

#define LABEL_TEXT 128

/* One series: label texts and their cells. */
struct series {
	_Alignas(CACHE_LINE) _Atomic uint32_t hash; /* 0 = unused */
	uint32_t kind;
	char a[LABEL_TEXT];
	char b[LABEL_TEXT];
	_Alignas(CACHE_LINE) _Atomic uint64_t cell[SERIES_CELLS];
};

/* Open addressing; at most SERIES_FULL are used, what comes later goes into
 * the `other` series of its kind (labels "_other"). */
#define SERIES_ROWS 1024u
#define SERIES_FULL 896u
struct metrics_block {
	_Alignas(CACHE_LINE) _Atomic uint64_t cell[BLOCK_CELLS];
	_Alignas(CACHE_LINE) _Atomic uint32_t used;
	struct series other[SERIES_KINDS];
	struct series rows[SERIES_ROWS];
};

/* The block of a worker row, of the writer, of the master. */
struct metrics_block *metrics_of_worker(const struct region *r, uint32_t row);
struct metrics_block *metrics_of_writer(const struct region *r);
struct metrics_block *metrics_of_master(const struct region *r);
/* Zeroes the gauges that a dead process left; before a new one starts. */
void metrics_adopt(struct metrics_block *b);

/* The block's only writer. Never NULL; labels are cut at 127 bytes. Look a
 * series up once and keep it. Give only names from the configuration, never
 * what a client sent. */
struct series *metrics_request(struct metrics_block *b, enum metric_route route,
			       struct str model);
struct series *metrics_model(struct metrics_block *b, struct str model,
			     struct str channel);
struct series *metrics_channel(struct metrics_block *b, struct str channel);

static inline void
metric_cell_add(_Atomic uint64_t *cell, uint64_t n)
{
	uint64_t v = atomic_load_explicit(cell, memory_order_relaxed);

	atomic_store_explicit(cell, v + n, memory_order_relaxed);
}

/* Adds; gauges may go down by a negative n. */
static inline void
metric_add(struct metrics_block *b, uint32_t cell, int64_t n)
{
	metric_cell_add(&b->cell[cell], (uint64_t)n);
}

static inline void
metric_set(struct metrics_block *b, uint32_t cell, int64_t value)
{
	atomic_store_explicit(&b->cell[cell], (uint64_t)value,
			      memory_order_relaxed);
}

static inline void
series_add(struct series *s, uint32_t cell, int64_t n)
{
	metric_cell_add(&s->cell[cell], (uint64_t)n);
}

/* One observation; `cell` is the first of a histogram. */
void metric_observe(struct metrics_block *b, uint32_t cell, uint64_t us);
void series_observe(struct series *s, uint32_t cell, uint64_t us);

/* ---- reading: any process, at any time ---- */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* How a value is printed. */
enum metric_unit {
	UNIT_ONE,
	UNIT_NANO_USD,
	UNIT_MICRO,  /* value / 1e6 */
	UNIT_COARSE, /* histogram, bounds from 1 ms */
	UNIT_FINE    /* histogram, bounds up to 10 ms */
};

struct metric_family {
	const char *name;
	const char *help;
	enum metric_type type;
	enum metric_unit unit;
};

struct metric_label {
	const char *name;
	const char *value; /* to be escaped by who prints it */
};

#define METRIC_LABELS 5
struct metric_sample {
	const struct metric_family *family;
	uint32_t n_labels;
	struct metric_label label[METRIC_LABELS];
	int64_t value; /* counter, gauge: in the family's unit */
	/* Histogram: cumulative counts for the bounds first .. last of
	 * hist_bounds_us (then +Inf = count), and the sum. */
	uint32_t first_bound, last_bound;
	uint64_t cumulative[HIST_BOUNDS];
	uint64_t count;
	uint64_t sum_us;
};

typedef void metric_emit(void *ctx, const struct metric_sample *sample);
/* All families in the order of the table, each with all its samples in a
 * row, summed over all blocks. Samples point into stack and shared memory:
 * valid during the call. Counters that never moved are left out. */
void metrics_walk(const struct region *r, metric_emit *emit, void *ctx);
/* All rows of the table (documentation, tests). */
const struct metric_family *metrics_families(uint32_t *n);
