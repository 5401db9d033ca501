/*
 * Metrics, the side that counts: blocks, series, histograms. Called by every
 * process for its own block only.
 */
#include "shm/metrics.h"

#include <string.h>

#include "base/must.h"

const uint32_t hist_bounds_us[HIST_BOUNDS] = {
	10,	  20,	    50,	      100,	200,	 500,
	1000,	  2500,	    5000,     10000,	25000,	 50000,
	100000,	  250000,   500000,   1000000,	2500000, 5000000,
	10000000, 15000000, 30000000, 60000000,
};

struct metrics_block *
metrics_of_worker(const struct region *r, uint32_t row)
{
	must(row < r->head->n_workers);
	return &r->metrics[row];
}

struct metrics_block *
metrics_of_writer(const struct region *r)
{
	return &r->metrics[r->head->n_workers];
}

struct metrics_block *
metrics_of_master(const struct region *r)
{
	return &r->metrics[r->head->n_workers + 1];
}

static void
gauges_zero(_Atomic uint64_t *cell, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++)
		atomic_store_explicit(&cell[i], 0, memory_order_relaxed);
}

void
metrics_adopt(struct metrics_block *b)
{
#define ZERO_COUNTER(id)
#define ZERO_HISTOGRAM(id)
#define ZERO_GAUGE(id)			       gauges_zero(b->cell, id, id##_END);
#define BLOCK(id, type, unit, set, name, help) ZERO_##type(id)
#include "shm/metrics.def"
}

static uint32_t
label_hash(enum series_kind kind, struct str a, struct str b)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind;

	for (size_t i = 0; i < a.n; i++)
		h = (h ^ (uint8_t)a.p[i]) * 16777619u;
	h = (h ^ 0xffu) * 16777619u;
	for (size_t i = 0; i < b.n; i++)
		h = (h ^ (uint8_t)b.p[i]) * 16777619u;
	return h ? h : 1;
}

static struct str
label_cut(struct str s)
{
	return str_make(s.p, MIN_OF(s.n, (size_t)LABEL_TEXT - 1));
}

static bool
series_is(const struct series *s, enum series_kind kind, struct str a,
	  struct str b)
{
	return s->kind == (uint32_t)kind && str_eq(str_of(s->a), a) &&
	       str_eq(str_of(s->b), b);
}

static void
series_name(struct series *s, enum series_kind kind, struct str a, struct str b)
{
	s->kind = (uint32_t)kind;
	(void)str_copy(s->a, sizeof(s->a), a);
	(void)str_copy(s->b, sizeof(s->b), b);
}

/* Everything beyond the table's room; the first label of a request, its
 * route, is dropped as well. */
static struct series *
series_other(struct metrics_block *b, enum series_kind kind)
{
	struct series *s = &b->other[kind];

	if (s->hash == 0) {
		series_name(s, kind, STR("_other"), STR("_other"));
		atomic_store_explicit(&s->hash, 1, memory_order_release);
	}
	return s;
}

static struct series *
series_find(struct metrics_block *b, enum series_kind kind, struct str x,
	    struct str y)
{
	uint32_t hash, at;

	x = label_cut(x);
	y = label_cut(y);
	hash = label_hash(kind, x, y);
	at = hash % SERIES_ROWS;
	while (b->rows[at].hash != 0) {
		if (b->rows[at].hash == hash &&
		    series_is(&b->rows[at], kind, x, y))
			return &b->rows[at];
		at = (at + 1) % SERIES_ROWS;
	}
	if (b->used >= SERIES_FULL)
		return series_other(b, kind);
	b->used++;
	series_name(&b->rows[at], kind, x, y);
	/* Readers see the texts with the hash. */
	atomic_store_explicit(&b->rows[at].hash, hash, memory_order_release);
	return &b->rows[at];
}

#define ROUTE_TEXT(id, text) [id] = (text),
static const char *const route_text[] = {ROUTE_VALUES(ROUTE_TEXT)};
#undef ROUTE_TEXT

struct series *
metrics_request(struct metrics_block *b, enum metric_route route,
		struct str model)
{
	return series_find(b, SERIES_REQUEST, str_of(route_text[route]), model);
}

struct series *
metrics_model(struct metrics_block *b, struct str model, struct str channel)
{
	return series_find(b, SERIES_MODEL, model, channel);
}

struct series *
metrics_channel(struct metrics_block *b, struct str channel)
{
	return series_find(b, SERIES_CHANNEL, channel, STR(""));
}

static void
hist_observe(_Atomic uint64_t *cell, uint64_t us)
{
	uint32_t low = 0, high = HIST_BOUNDS;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (us <= hist_bounds_us[middle])
			high = middle;
		else
			low = middle + 1;
	}
	metric_cell_add(&cell[low], 1);
	metric_cell_add(&cell[HIST_CELLS - 1], us);
}

void
metric_observe(struct metrics_block *b, uint32_t cell, uint64_t us)
{
	hist_observe(&b->cell[cell], us);
}

void
series_observe(struct series *s, uint32_t cell, uint64_t us)
{
	hist_observe(&s->cell[cell], us);
}
