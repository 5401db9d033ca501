/*
 * Metrics, the side that reads: sums the blocks of all processes, and looks
 * up what is in shared memory anyway. Called by the admin process; no locks,
 * so a sample may miss what is being counted this moment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/errors.h"
#include "base/must.h"
#include "shm/caps.h"
#include "shm/channels.h"
#include "shm/metrics.h"
#include "shm/queue.h"
#include "shm/slots.h"
#include "shm/workers.h"

enum storage { IN_BLOCK, IN_REQUEST, IN_MODEL, IN_CHANNEL, IS_SAMPLED };

enum set_id {
	SET_NONE,
	SET_ROUTE,
	SET_PHASE,
	SET_REJECT,
	SET_ENTRY,
	SET_RELOAD,
	SET_TOKENS,
	SET_SOURCE,
	SET_FAILOVER,
	SET_HEDGE,
	SET_AFFINITY,
	SET_QUEUED,
	SET_OVERLOAD,
	SET_ERROR_TYPE,
};

struct label_set {
	const char *label;
	uint32_t count;
	const char *const *text; /* NULL: error types */
};

#define TEXT(id, text) text,
static const char *const none_text[] = {""};
static const char *const route_text[] = {ROUTE_VALUES(TEXT)};
static const char *const phase_text[] = {PHASE_VALUES(TEXT)};
static const char *const reject_text[] = {REJECT_VALUES(TEXT)};
static const char *const entry_text[] = {ENTRY_VALUES(TEXT)};
static const char *const reload_text[] = {RELOAD_VALUES(TEXT)};
static const char *const tokens_text[] = {TOKENS_VALUES(TEXT)};
static const char *const source_text[] = {SOURCE_VALUES(TEXT)};
static const char *const failover_text[] = {FAILOVER_VALUES(TEXT)};
static const char *const overload_text[] = {OVERLOAD_VALUES(TEXT)};
static const char *const hedge_text[] = {HEDGE_VALUES(TEXT)};
static const char *const affinity_text[] = {AFFINITY_VALUES(TEXT)};
static const char *const queued_text[] = {QUEUED_VALUES(TEXT)};
#undef TEXT

static const struct label_set sets[] = {
	[SET_NONE] = {"", NONE_COUNT, none_text},
	[SET_ROUTE] = {"route", ROUTE_COUNT, route_text},
	[SET_PHASE] = {"phase", PHASE_COUNT, phase_text},
	[SET_REJECT] = {"reason", REJECT_COUNT, reject_text},
	[SET_ENTRY] = {"kind", ENTRY_COUNT, entry_text},
	[SET_RELOAD] = {"result", RELOAD_COUNT, reload_text},
	[SET_TOKENS] = {"type", TOKENS_COUNT, tokens_text},
	[SET_SOURCE] = {"source", SOURCE_COUNT, source_text},
	[SET_FAILOVER] = {"outcome", FAILOVER_COUNT, failover_text},
	[SET_OVERLOAD] = {"limit", OVERLOAD_COUNT, overload_text},
	[SET_HEDGE] = {"outcome", HEDGE_COUNT, hedge_text},
	[SET_AFFINITY] = {"outcome", AFFINITY_COUNT, affinity_text},
	[SET_QUEUED] = {"outcome", QUEUED_COUNT, queued_text},
	[SET_ERROR_TYPE] = {"error_type", ERROR_TYPE_COUNT, NULL},
};

/* What of shared memory the sampled families are. */
enum sampled {
#define SAMPLED(id, type, unit, name, help) id,
#include "shm/metrics.def"
	SAMPLED_COUNT
};

static const struct metric_family families[] = {
#define FAMILY(type, unit, name, help)	       {name, help, METRIC_##type, UNIT_##unit},
#define BLOCK(id, type, unit, set, name, help) FAMILY(type, unit, name, help)
#define REQUEST(id, type, unit, set, set2, name, help) \
	FAMILY(type, unit, name, help)
#define MODEL(id, type, unit, set, set2, name, help) \
	FAMILY(type, unit, name, help)
#define CHANNEL(id, type, unit, set, set2, name, help) \
	FAMILY(type, unit, name, help)
#define SAMPLED(id, type, unit, name, help) FAMILY(type, unit, name, help)
#include "shm/metrics.def"
#undef FAMILY
};

/* Where the cells of a family are; the same order as `families`. */
struct place {
	enum storage storage;
	uint32_t first; /* cell, or enum sampled */
	enum set_id set, set2;
};

static const struct place places[] = {
#define BLOCK(id, type, unit, set, name, help) \
	{IN_BLOCK, id, SET_##set, SET_NONE},
#define REQUEST(id, type, unit, set, set2, name, help) \
	{IN_REQUEST, id, SET_##set, SET_##set2},
#define MODEL(id, type, unit, set, set2, name, help) \
	{IN_MODEL, id, SET_##set, SET_##set2},
#define CHANNEL(id, type, unit, set, set2, name, help) \
	{IN_CHANNEL, id, SET_##set, SET_##set2},
#define SAMPLED(id, type, unit, name, help) \
	{IS_SAMPLED, id, SET_NONE, SET_NONE},
#include "shm/metrics.def"
};

/* One walk over one family. */
struct walk {
	const struct region *r;
	const struct metric_family *family;
	const struct place *place;
	metric_emit *emit;
	void *ctx;
	struct metric_sample sample;
};

static void
label_add(struct metric_sample *s, const char *name, const char *value)
{
	must(s->n_labels < METRIC_LABELS);
	s->label[s->n_labels++] = (struct metric_label){name, value};
}

static void
label_add_set(struct metric_sample *s, enum set_id id, uint32_t value)
{
	const struct label_set *set = &sets[id];

	if (id == SET_NONE)
		return;
	if (set->text) {
		label_add(s, set->label, set->text[value]);
		return;
	}
	label_add(s, "result", value == 0 ? "ok" : "error");
	label_add(s, set->label,
		  value == 0 ? "" : err_vocab_name((uint8_t)value));
}

/* A value that is not in cells: labels are set, sends it off. */
static void
emit_value(struct walk *w, int64_t value)
{
	w->sample.value = value;
	w->emit(w->ctx, &w->sample);
	w->sample.n_labels = 0;
}

static void
hist_read(struct walk *w, const uint64_t *cell)
{
	struct metric_sample *s = &w->sample;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < HIST_BOUNDS; i++) {
		sum += cell[i];
		s->cumulative[i] = sum;
	}
	s->count = sum + cell[HIST_BOUNDS];
	s->sum_us = cell[HIST_CELLS - 1];
	s->first_bound = 0;
	s->last_bound = HIST_BOUNDS - 1;
	while (w->family->unit == UNIT_COARSE &&
	       hist_bounds_us[s->first_bound] < 1000)
		s->first_bound++;
	while (w->family->unit == UNIT_FINE &&
	       hist_bounds_us[s->last_bound] > 10000)
		s->last_bound--;
}

static uint32_t
family_width(const struct metric_family *f)
{
	return f->type == METRIC_HISTOGRAM ? HIST_CELLS : 1;
}

static uint32_t
family_cells(const struct metric_family *f, const struct place *p)
{
	return family_width(f) * sets[p->set].count * sets[p->set2].count;
}

/* The sum of a family over all blocks, value of the labels by value. Labels
 * that are there already (of a series) stay in front. */
static void
emit_cells(struct walk *w, const uint64_t *sum, bool zeros)
{
	uint32_t width = family_width(w->family);
	uint32_t count2 = sets[w->place->set2].count;
	uint32_t n = sets[w->place->set].count * count2;
	uint32_t before = w->sample.n_labels;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *cell = sum + (size_t)i * width;

		if (w->family->type == METRIC_HISTOGRAM)
			hist_read(w, cell);
		w->sample.value = (int64_t)cell[0];
		if (w->family->type == METRIC_HISTOGRAM ? !w->sample.count
							: !zeros && !cell[0])
			continue;
		label_add_set(&w->sample, w->place->set, i / count2);
		label_add_set(&w->sample, w->place->set2, i % count2);
		w->emit(w->ctx, &w->sample);
		w->sample.n_labels = before;
	}
}

static void
cells_add(uint64_t *sum, const _Atomic uint64_t *cell, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sum[i] += atomic_load_explicit(&cell[i], memory_order_relaxed);
}

/* The blocks that were ever used: the others have no memory behind them. */
static const struct metrics_block *
block_at(const struct region *r, uint32_t i)
{
	if (i < r->head->n_workers && r->workers[i].spawn_epoch == 0)
		return NULL;
	return &r->metrics[i];
}

/* What a dead process left in its gauges means nothing. */
static bool
gauges_count(const struct region *r, uint32_t i)
{
	uint32_t state;

	if (i >= r->head->n_workers)
		return true;
	state = r->workers[i].state;
	return state != WORKER_UNUSED && state != WORKER_DEAD;
}

static void
walk_block(struct walk *w)
{
	uint64_t sum[BLOCK_CELLS] = {0};
	uint32_t n = family_cells(w->family, w->place);

	must(w->place->first + n <= BLOCK_CELLS);
	for (uint32_t i = 0; i < w->r->head->n_workers + 2; i++) {
		const struct metrics_block *b = block_at(w->r, i);

		if (b &&
		    (w->family->type != METRIC_GAUGE || gauges_count(w->r, i)))
			cells_add(sum, &b->cell[w->place->first], n);
	}
	emit_cells(w, sum, true);
}

static const struct series *
series_at(const struct metrics_block *b, uint32_t i)
{
	const struct series *s =
		i < SERIES_ROWS ? &b->rows[i] : &b->other[i - SERIES_ROWS];

	return atomic_load_explicit(&s->hash, memory_order_acquire) ? s : NULL;
}

/* The series of another block with the same labels. */
static const struct series *
series_twin(const struct metrics_block *b, const struct series *s)
{
	uint32_t at = s->hash % SERIES_ROWS;

	if (s->hash == 1 && strcmp(s->a, "_other") == 0)
		return series_at(b, SERIES_ROWS + s->kind);
	for (uint32_t n = 0; n < SERIES_ROWS; n++) {
		const struct series *t = series_at(b, at);

		if (!t)
			return NULL;
		if (t->hash == s->hash && t->kind == s->kind &&
		    strcmp(t->a, s->a) == 0 && strcmp(t->b, s->b) == 0)
			return t;
		at = (at + 1) % SERIES_ROWS;
	}
	return NULL;
}

static bool
series_seen(const struct region *r, uint32_t before, const struct series *s)
{
	for (uint32_t i = 0; i < before; i++) {
		const struct metrics_block *b = block_at(r, i);

		if (b && series_twin(b, s))
			return true;
	}
	return false;
}

static void
series_labels(struct metric_sample *sample, const struct series *s)
{
	static const char *const first[SERIES_KINDS] = {
		[SERIES_REQUEST] = "route",
		[SERIES_MODEL] = "model",
		[SERIES_CHANNEL] = "channel"};
	static const char *const second[SERIES_KINDS] = {
		[SERIES_REQUEST] = "model", [SERIES_MODEL] = "channel"};

	sample->n_labels = 0;
	label_add(sample, first[s->kind], s->a);
	if (second[s->kind])
		label_add(sample, second[s->kind], s->b);
}

/* A series that block `from` has and no block before it. */
static void
walk_one_series(struct walk *w, uint32_t from, const struct series *s)
{
	uint64_t sum[SERIES_CELLS] = {0};
	uint32_t n = family_cells(w->family, w->place);

	must(w->place->first + n <= SERIES_CELLS);
	for (uint32_t i = from; i < w->r->head->n_workers + 2; i++) {
		const struct metrics_block *b = block_at(w->r, i);
		const struct series *t = b ? series_twin(b, s) : NULL;

		if (t)
			cells_add(sum, &t->cell[w->place->first], n);
	}
	series_labels(&w->sample, s);
	emit_cells(w, sum, false);
	w->sample.n_labels = 0;
}

static void
walk_series(struct walk *w, enum series_kind kind)
{
	for (uint32_t i = 0; i < w->r->head->n_workers + 2; i++) {
		const struct metrics_block *b = block_at(w->r, i);

		for (uint32_t k = 0; b && k < SERIES_ROWS + SERIES_KINDS; k++) {
			const struct series *s = series_at(b, k);

			if (s && s->kind == (uint32_t)kind &&
			    !series_seen(w->r, i, s))
				walk_one_series(w, i, s);
		}
	}
}

struct slot_sums {
	int64_t held_nano;
	uint32_t busy;
	uint32_t settled;
};

static void
slot_sum(const struct slot *s, struct slot_sums *sums)
{
	uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
	enum slot_state st = word_state(w);
	bool upstream = s->ctr[0] >= SHM_ACCOUNTS + SHM_KEYS;

	if (st == SLOT_FREE)
		return;
	sums->busy++;
	if (st == SLOT_SETTLED)
		sums->settled++;
	if (st >= SLOT_HELD && st <= SLOT_SETTLED && word_k(w) && !upstream)
		sums->held_nano += s->held[word_cur(w)];
}

static struct slot_sums
slots_sum(const struct region *r)
{
	struct slot_sums sums = {0};

	for (uint32_t p = 0; p < r->head->n_slots / SLOT_PAGE; p++) {
		if (r->pages[p].owner == 0)
			continue;
		for (uint32_t i = 0; i < SLOT_PAGE; i++)
			slot_sum(&r->slots[p * SLOT_PAGE + i], &sums);
	}
	return sums;
}

static void
sample_hold(struct walk *w)
{
	emit_value(w, slots_sum(w->r).held_nano);
}

static void
sample_lag(struct walk *w)
{
	emit_value(w, slots_sum(w->r).settled);
}

static enum channel_state
channel_state_of(const struct channel_row *c)
{
	uint32_t by_operator = c->operator_state;

	return (enum channel_state)(by_operator ? by_operator : c->state);
}

static bool
channel_live(const struct channel_row *c)
{
	return c->name[0] && c->generations > 0;
}

static void
sample_channel_state(struct walk *w)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		const struct channel_row *c = &w->r->channels[i];

		for (uint32_t s = CHANNEL_UP;
		     channel_live(c) && s <= CHANNEL_OFF; s++) {
			label_add(&w->sample, "channel", c->name);
			label_add(&w->sample, "state",
				  channel_state_name((enum channel_state)s));
			emit_value(w, channel_state_of(c) ==
					      (enum channel_state)s);
		}
	}
}

/* The channel of the row, named in the sample; NULL: there is none. */
static const struct channel_row *
label_channel(struct walk *w, uint32_t row)
{
	const struct channel_row *c = &w->r->channels[row];

	if (!channel_live(c))
		return NULL;
	label_add(&w->sample, "channel", c->name);
	return c;
}

static void
sample_channel_in_flight(struct walk *w)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		const struct channel_row *c = label_channel(w, i);

		if (c)
			emit_value(w, c->in_flight);
	}
}

static void
sample_channel_p95(struct walk *w)
{
	static const char *const text[CHANNEL_PACES] = {
		[PACE_STREAM] = "yes", [PACE_WHOLE] = "no"};
	uint64_t now = clock_mono_ns();

	for (uint32_t i = 0; i < SHM_CHANNELS * CHANNEL_PACES; i++) {
		const struct channel_row *c =
			&w->r->channels[i / CHANNEL_PACES];
		enum channel_pace kind = i % CHANNEL_PACES;
		uint64_t us =
			channel_live(c) ? channel_p95_us(c, kind, now) : 0;

		if (us == 0)
			continue;
		label_add(&w->sample, "channel", c->name);
		label_add(&w->sample, "stream", text[kind]);
		emit_value(w, (int64_t)us);
	}
}

static void
sample_channel_waiting(struct walk *w)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		const struct queue *q = queue_of(w->r, i);

		if (q && label_channel(w, i))
			emit_value(w, queue_length(q));
	}
}

static void
sample_channel_kept(struct walk *w)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		const struct channel_row *c = label_channel(w, i);

		if (c)
			emit_value(w, c->kept);
	}
}

static void
sample_keys_out(struct walk *w)
{
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		const struct channel_row *c = label_channel(w, i);

		if (c)
			emit_value(w, channel_keys_out(c));
	}
}

/* Those that the configuration has and the writer has set up. */
static bool
label_cap(struct walk *w, const struct cap_row *c)
{
	if (c->limit_nano <= 0 || cap_counter(c) == SHM_NONE)
		return false;
	label_add(&w->sample, "of", cap_kind_name(c->kind));
	label_add(&w->sample, "channel", c->channel);
	label_add(&w->sample, "name", c->name);
	return true;
}

static void
sample_budget(struct walk *w)
{
	uint32_t n = cap_rows(w->r);

	for (uint32_t i = 0; i < n; i++)
		if (label_cap(w, &w->r->caps[i]))
			emit_value(w, w->r->caps[i].limit_nano);
}

static void
sample_budget_left(struct walk *w)
{
	uint32_t n = cap_rows(w->r);

	for (uint32_t i = 0; i < n; i++)
		if (label_cap(w, &w->r->caps[i]))
			emit_value(w, cap_left(w->r, &w->r->caps[i]));
}

static void
sample_models_out(struct walk *w)
{
	emit_value(w, w->r->head->models_out);
}

static int64_t
ratio_micro(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (int64_t)(part * 1000000 / whole);
}

static void
sample_map_used(struct walk *w)
{
	/* MiB: a map may be as large as 2^48 bytes. */
	emit_value(w, ratio_micro(w->r->head->map_used_bytes >> 20,
				  w->r->head->map_size_bytes >> 20));
}

static void
sample_ledger_state(struct walk *w)
{
	static const char *const text[] = {
		[LEDGER_RECOVERING] = "recovering",
		[LEDGER_OK] = "ok",
		[LEDGER_READONLY] = "readonly",
		[LEDGER_FAILED] = "failed",
	};

	for (uint32_t i = 0; i < ARRAY_LEN(text); i++) {
		label_add(&w->sample, "state", text[i]);
		emit_value(w, w->r->head->ledger_state == i);
	}
}

static void
sample_table(struct walk *w, const char *name, uint64_t used, uint64_t all)
{
	label_add(&w->sample, "table", name);
	emit_value(w, ratio_micro(used, all));
}

static void
sample_shm_used(struct walk *w)
{
	const struct shm_head *h = w->r->head;
	uint32_t channels = 0, workers = 0;

	for (uint32_t i = 0; i < SHM_CHANNELS; i++)
		channels += channel_live(&w->r->channels[i]);
	for (uint32_t i = 0; i < h->n_workers; i++)
		workers += w->r->workers[i].state != WORKER_UNUSED;
	sample_table(w, "accounts", h->n_accounts, SHM_ACCOUNTS);
	sample_table(w, "keys", h->n_keys, SHM_KEYS);
	sample_table(w, "channels", channels, SHM_CHANNELS);
	sample_table(w, "caps", cap_rows(w->r), SHM_CAPS);
	sample_table(w, "workers", workers, h->n_workers);
	sample_table(w, "slots", slots_sum(w->r).busy, h->n_slots);
}

static void
sample_worker_up(struct walk *w)
{
	for (uint32_t i = 0; i < w->r->head->n_workers; i++) {
		uint32_t state = w->r->workers[i].state;
		char text[16];

		if (state == WORKER_UNUSED)
			continue;
		(void)snprintf(text, sizeof(text), "%" PRIu32, i);
		label_add(&w->sample, "worker", text);
		emit_value(w, state == WORKER_READY);
	}
}

static void
sample_build_info(struct walk *w)
{
	label_add(&w->sample, "version", TOLLGATE_VERSION);
	emit_value(w, 1);
}

static void
walk_sampled(struct walk *w)
{
	static void (*const samplers[SAMPLED_COUNT])(struct walk *) = {
		[M_HOLD] = sample_hold,
		[M_CHANNEL_STATE] = sample_channel_state,
		[M_CHANNEL_IN_FLIGHT] = sample_channel_in_flight,
		[M_CHANNEL_P95] = sample_channel_p95,
		[M_CHANNEL_WAITING] = sample_channel_waiting,
		[M_CHANNEL_KEPT] = sample_channel_kept,
		[M_CHANNEL_KEYS_OUT] = sample_keys_out,
		[M_BUDGET] = sample_budget,
		[M_BUDGET_LEFT] = sample_budget_left,
		[M_MODELS_OUT] = sample_models_out,
		[M_LEDGER_LAG] = sample_lag,
		[M_LEDGER_MAP_USED] = sample_map_used,
		[M_LEDGER_STATE] = sample_ledger_state,
		[M_SHM_USED] = sample_shm_used,
		[M_WORKER_UP] = sample_worker_up,
		[M_BUILD_INFO] = sample_build_info,
	};

	must(samplers[w->place->first]);
	samplers[w->place->first](w);
}

void
metrics_walk(const struct region *r, metric_emit *emit, void *ctx)
{
	_Static_assert(ARRAY_LEN(families) == ARRAY_LEN(places), "families");

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct walk w = {.r = r,
				 .family = &families[i],
				 .place = &places[i],
				 .emit = emit,
				 .ctx = ctx,
				 .sample = {.family = &families[i]}};

		switch (places[i].storage) {
		case IN_BLOCK: walk_block(&w); break;
		case IN_REQUEST: walk_series(&w, SERIES_REQUEST); break;
		case IN_MODEL: walk_series(&w, SERIES_MODEL); break;
		case IN_CHANNEL: walk_series(&w, SERIES_CHANNEL); break;
		case IS_SAMPLED: walk_sampled(&w); break;
		}
	}
}

const struct metric_family *
metrics_families(uint32_t *n)
{
	*n = ARRAY_LEN(families);
	return families;
}
