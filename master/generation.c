/*
 * Generations: a configuration, its price book, its channels' rows, and the
 * workers that live by it. An old one drains beside the new one.
 */
#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"
#include "conf/load.h"
#include "master/caps.h"
#include "master/children.h"
#include "master/handover.h"
#include "shm/books.h"
#include "shm/channels.h"
#include "shm/queue.h"
#include "shm/workers.h"

/* From SIGINT to SIGKILL. */
#define HURRY_NS (5 * NS_PER_SEC)

static void
generation_free(struct generation *g)
{
	if (g->book != SHM_NONE)
		book_release(&g->m->region, g->book);
	for (uint32_t i = 0; g->channel_rows && i < g->n_rows; i++)
		if (g->channel_rows[i] != SHM_NONE)
			channel_unbind(&g->m->region, g->channel_rows[i]);
	for (unsigned i = 0; g->workers && i < g->n_workers; i++)
		child_destroy(&g->workers[i]);
	free(g->channel_rows);
	free(g->workers);
	free(g);
}

static bool
generation_bind(struct generation *g, struct buf *error)
{
	const struct conf *c = g->conf;

	g->n_rows = c->n_channels;
	for (uint32_t i = 0; i < g->n_rows; i++)
		g->channel_rows[i] = SHM_NONE;
	for (uint32_t i = 0; i < c->n_channels; i++) {
		const struct conf_channel *ch = &c->channels[i];
		uint32_t row = channel_bind(&g->m->region, ch->name);

		g->channel_rows[i] = row;
		if (row == SHM_NONE) {
			buf_printf(error,
				   "%s:%u: channels: no room for \"%.*s\" "
				   "beside the channels of older generations; "
				   "wait until they have ended",
				   ch->where.file, ch->where.line,
				   STR_ARG(ch->name));
			return false;
		}
		if (conf_has_queue(ch) &&
		    queue_need(&g->m->region, row) != E_OK) {
			buf_add_cstr(error, "run_dir has no room for queues");
			return false;
		}
	}
	/* The writer sets caps up before it stores the generation's price
	 * book. */
	return caps_publish(&g->m->region, c, error);
}

static void
worker_adopt(struct child *c, struct generation *g,
	     const uint64_t field[WORKER_FIELDS])
{
	child_init(c, g->m, ROLE_WORKER);
	c->gen = g;
	c->number = (unsigned)field[WORKER_NUMBER];
	c->row = (uint32_t)field[WORKER_ROW];
	c->spawn_epoch = (uint32_t)field[WORKER_EPOCH];
	c->pid = (pid_t)field[WORKER_PID];
	c->started_ns = field[WORKER_SINCE];
	c->told = g->draining;
}

struct generation *
generation_adopt(struct master *m, const struct handover_generation *of)
{
	struct generation *g = calloc(1, sizeof(*g));
	struct generation **at = &m->generations;

	must(g);
	g->m = m;
	g->number = (uint32_t)of->field[GENERATION_NUMBER];
	g->book = (uint32_t)of->field[GENERATION_BOOK];
	g->draining = of->field[GENERATION_DRAINING] != 0;
	g->hurried = of->field[GENERATION_HURRIED] != 0;
	g->drain_until_ns = of->field[GENERATION_UNTIL];
	g->n_rows = of->rows.n;
	g->n_workers = of->n_workers;
	g->channel_rows = calloc(g->n_rows + 1, sizeof(*g->channel_rows));
	g->workers = calloc(g->n_workers + 1, sizeof(*g->workers));
	must(g->channel_rows && g->workers);
	for (uint32_t i = 0; i < g->n_rows; i++)
		g->channel_rows[i] = (uint32_t)of->rows.v[i];
	for (uint32_t i = 0; i < g->n_workers; i++)
		worker_adopt(&g->workers[i], g, of->worker[i]);
	while (*at)
		at = &(*at)->next;
	*at = g;
	return g;
}

struct generation *
generation_new(struct master *m, const struct conf *conf, struct buf *error)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g) {
		buf_add_cstr(error, "out of memory");
		return NULL;
	}
	g->m = m;
	g->conf = conf;
	g->book = SHM_NONE;
	g->number = atomic_load(&m->region.head->generation) + 1;
	if (m->generations && m->generations->number >= g->number)
		g->number = m->generations->number + 1;
	g->n_workers = m->n_workers;
	g->workers = calloc(g->n_workers, sizeof(*g->workers));
	g->channel_rows =
		calloc(conf->n_channels + 1, sizeof(*g->channel_rows));
	if (!g->workers || !g->channel_rows)
		buf_add_cstr(error, "out of memory");
	if (!g->workers || !g->channel_rows || !generation_bind(g, error)) {
		generation_free(g);
		return NULL;
	}
	for (unsigned i = 0; i < g->n_workers; i++) {
		child_init(&g->workers[i], m, ROLE_WORKER);
		g->workers[i].gen = g;
		g->workers[i].number = i;
	}
	g->next = m->generations;
	m->generations = g;
	return g;
}

void
generation_start(struct generation *g)
{
	for (unsigned i = 0; i < g->n_workers; i++) {
		g->workers[i].wanted = true;
		child_start(&g->workers[i]);
	}
}

bool
generation_ready(const struct generation *g)
{
	for (unsigned i = 0; i < g->n_workers; i++) {
		const struct child *c = &g->workers[i];

		if (c->pid == 0 ||
		    atomic_load(&g->m->region.workers[c->row].state) !=
			    WORKER_READY)
			return false;
	}
	return true;
}

void
generation_signal(const struct generation *g, int sig)
{
	for (unsigned i = 0; i < g->n_workers; i++)
		child_signal(&g->workers[i], sig);
}

void
generation_drain(struct generation *g, uint64_t drain_until_ns)
{
	g->drain_until_ns = drain_until_ns;
	if (g->draining)
		return;
	g->draining = true;
	for (unsigned i = 0; i < g->n_workers; i++) {
		child_unwant(&g->workers[i]);
		g->workers[i].told = true;
		child_signal(&g->workers[i], SIGTERM);
	}
}

bool
generation_ended(const struct generation *g)
{
	for (unsigned i = 0; i < g->n_workers; i++)
		if (g->workers[i].pid != 0)
			return false;
	return true;
}

/* The writer has given back what its workers held. */
static bool
generation_reaped(const struct generation *g)
{
	for (unsigned i = 0; i < g->n_workers; i++) {
		const struct child *c = &g->workers[i];
		const struct worker_row *row;

		if (c->row == SHM_NONE)
			continue;
		row = &g->m->region.workers[c->row];
		if (atomic_load(&row->spawn_epoch) == c->spawn_epoch &&
		    atomic_load(&row->state) != WORKER_UNUSED)
			return false;
	}
	return true;
}

static void
generation_hurry(struct generation *g, uint64_t now_ns)
{
	if (g->drain_until_ns == 0 || now_ns < g->drain_until_ns)
		return;
	if (!g->hurried)
		LOG_WARN("workers have not finished in time: ended",
			 F_U64("generation", g->number));
	generation_signal(g, g->hurried ? SIGKILL : SIGINT);
	g->hurried = true;
	g->drain_until_ns = now_ns + HURRY_NS;
}

void
generations_sweep(struct master *m, uint64_t now_ns)
{
	struct generation **at = &m->generations;

	while (*at) {
		struct generation *g = *at;
		const struct conf *conf;

		if (!g->draining || !generation_ended(g)) {
			if (g->draining)
				generation_hurry(g, now_ns);
			at = &g->next;
		} else if (!generation_reaped(g)) {
			at = &g->next;
		} else {
			*at = g->next;
			LOG_INFO("generation ended",
				 F_U64("generation", g->number));
			conf = g->conf;
			if (g == m->serving) /* the server stops */
				m->serving = NULL;
			generation_free(g);
			if (conf != m->conf)
				conf_free(conf);
		}
	}
}

static bool
accepts(const struct child *c)
{
	return c->pid != 0 && c->row != SHM_NONE &&
	       atomic_load(&c->m->region.workers[c->row].state) == WORKER_READY;
}

bool
generations_accept(const struct master *m)
{
	for (const struct generation *g = m->generations; g; g = g->next)
		for (unsigned i = 0; g->draining && i < g->n_workers; i++)
			if (accepts(&g->workers[i]))
				return true;
	return false;
}

unsigned
generations_alive(const struct master *m)
{
	unsigned n = 0;

	for (const struct generation *g = m->generations; g; g = g->next)
		n++;
	return n;
}

bool
generations_full(struct master *m)
{
	bool full = generations_alive(m) >= GENERATIONS_MAX;

	if (full && !m->full_said)
		LOG_WARN("old generations have not ended: the next one waits",
			 F_U64("generations", generations_alive(m)));
	m->full_said = full;
	return full;
}
