/* Which models nobody can answer. Called by the prober, once a second. */
#include "master/models.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "shm/channels.h"
#include "shm/tokens.h"

enum { OFFERED = 1, OUT = 2 /* and it was said */ };

/* A short pause after a fault is not counted: when all have one, the workers
 * try them all the same. */
static bool
can_answer(const struct region *r, uint32_t row, const struct conf_channel *c)
{
	const struct channel_row *at = &r->channels[row];
	uint32_t state = atomic_load(&at->state);

	return (state == CHANNEL_UP || state == CHANNEL_DEGRADED) &&
	       atomic_load(&at->operator_state) == 0 &&
	       token_usable(r, row, clock_mono_ns()) &&
	       (c->n_keys == 0 || channel_keys_out(at) < c->n_keys);
}

static bool
begin(struct models *m, const struct conf *conf)
{
	if (m->of != conf) {
		models_free(m);
		m->marks = calloc(conf->n_models + 1, sizeof(*m->marks));
		m->of = m->marks ? conf : NULL;
	}
	for (uint32_t i = 0; m->marks && i < conf->n_models; i++) {
		m->marks[i].bits &= OUT;
		m->marks[i].able = 0;
	}
	return m->marks != NULL;
}

static void
mark(const struct models *m, const struct region *r, const uint32_t *rows)
{
	for (uint32_t i = 0; i < m->of->n_channels; i++) {
		const struct conf_channel *c = &m->of->channels[i];
		bool able;

		if (rows[i] >= SHM_CHANNELS)
			continue;
		able = can_answer(r, rows[i], c);
		for (uint32_t k = 0; k < c->n_models; k++) {
			struct model_mark *at = &m->marks[c->models[k].model];

			at->bits |= OFFERED;
			at->able = (uint16_t)(at->able + able);
		}
	}
}

/* True: it is out. */
static bool
judge(struct model_mark *mark, struct str name)
{
	bool out = (mark->bits & OFFERED) && mark->able == 0;

	if (out && !(mark->bits & OUT))
		LOG_WARN("no channel is left for the model",
			 F_STR("model", name));
	else if (!out && (mark->bits & OUT))
		LOG_INFO("the model has a channel again", F_STR("model", name));
	mark->bits = out ? OUT : 0;
	return out;
}

void
models_look(struct models *m, const struct region *r, const struct conf *conf,
	    const uint32_t *rows)
{
	uint32_t out = 0;

	if (!begin(m, conf))
		return;
	mark(m, r, rows);
	for (uint32_t i = 0; i < conf->n_models; i++)
		out += judge(&m->marks[i], conf->models[i].name);
	atomic_store(&r->head->models_out, out);
}

const struct conf_model *
models_only(const struct models *m, const struct conf_channel *c, bool able)
{
	for (uint32_t k = 0; m->marks && k < c->n_models; k++)
		if (m->marks[c->models[k].model].able <= able)
			return &m->of->models[c->models[k].model];
	return NULL;
}

void
models_lose(struct models *m, const struct conf_channel *c)
{
	for (uint32_t k = 0; m->marks && k < c->n_models; k++) {
		struct model_mark *at = &m->marks[c->models[k].model];

		if (at->able > 0)
			at->able--;
	}
}

void
models_free(struct models *m)
{
	free(m->marks);
	*m = (struct models){NULL, NULL};
}
