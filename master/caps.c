/* From the configuration to the table of caps. */
#include "master/caps.h"

#include "base/buf.h"
#include "conf/conf.h"
#include "shm/caps.h"

struct wanted {
	struct region *r;
	struct buf *error;
	bool wants[SHM_CAPS]; /* by row */
};

static bool
want(struct wanted *w, struct cap_of of, struct money limit,
     struct conf_where at)
{
	uint32_t row;

	if (limit.nano <= 0)
		return true;
	row = cap_want(w->r, &of, limit.nano);
	if (row < SHM_CAPS) {
		w->wants[row] = true;
		return true;
	}
	buf_printf(w->error,
		   "%s:%u: daily_budget: no room for another one beside %u "
		   "that there are or were",
		   at.file, at.line, cap_rows(w->r));
	return false;
}

static bool
want_channel(struct wanted *w, const struct conf_channel *c)
{
	if (!want(w, (struct cap_of){CAP_CHANNEL, c->name, STR_NONE},
		  c->daily_budget, c->where))
		return false;
	for (uint32_t i = 0; i < c->n_keys; i++) {
		const struct conf_credential *k = &c->keys[i];

		if (!want(w, (struct cap_of){CAP_CREDENTIAL, c->name, k->label},
			  k->daily_budget, k->where))
			return false;
	}
	return true;
}

/* Of several prices of a name the first counts. */
static bool
want_model(struct wanted *w, const struct conf *c, const struct conf_model *m)
{
	return conf_model_find(c, m->name) != m ||
	       want(w, (struct cap_of){CAP_MODEL, STR_NONE, m->name},
		    m->daily_budget, m->where);
}

bool
caps_publish(struct region *r, const struct conf *c, struct buf *error)
{
	struct wanted w = {.r = r, .error = error};
	uint32_t n;

	for (uint32_t i = 0; i < c->n_channels; i++)
		if (!want_channel(&w, &c->channels[i]))
			return false;
	for (uint32_t i = 0; i < c->n_models; i++)
		if (!want_model(&w, c, &c->models[i]))
			return false;
	n = cap_rows(r);
	for (uint32_t i = 0; i < n; i++)
		if (!w.wants[i])
			atomic_store(&r->caps[i].limit_nano, 0);
	return true;
}
