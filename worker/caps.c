/*
 * The caps that the configuration of this worker names. One for which there
 * is no row, or no money yet, is a cap that is spent: nobody is asked on
 * credit.
 */
#include "worker/caps.h"

#include <stdlib.h>

#include "shm/caps.h"
#include "worker/request.h"

static const struct cap_row unknown;

static const struct cap_row *
row_of(const struct worker *w, struct cap_of of, struct money limit)
{
	const struct cap_row *row;

	if (limit.nano <= 0)
		return NULL;
	row = cap_find(w->region, &of);
	return row ? row : &unknown;
}

bool
caps_of_lane(const struct worker *w, struct lane *l)
{
	const struct conf_channel *c = l->conf;
	bool any = false;

	l->cap = row_of(w, (struct cap_of){CAP_CHANNEL, c->name, STR_NONE},
			c->daily_budget);
	for (uint32_t i = 0; i < c->n_keys; i++)
		any = any || c->keys[i].daily_budget.nano > 0;
	if (!any)
		return true;
	l->key_caps = calloc(c->n_keys, sizeof(const struct cap_row *));
	for (uint32_t i = 0; l->key_caps && i < c->n_keys; i++)
		l->key_caps[i] = row_of(w,
					(struct cap_of){CAP_CREDENTIAL, c->name,
							c->keys[i].label},
					c->keys[i].daily_budget);
	return l->key_caps != NULL;
}

void
caps_of_product(const struct worker *w, struct product *p)
{
	p->cap = row_of(w, (struct cap_of){CAP_MODEL, STR_NONE, p->conf->name},
			p->conf->daily_budget);
}

void
caps_free(struct lane *l)
{
	free(l->key_caps);
	l->key_caps = NULL;
}

bool
cap_open(const struct worker *w, const struct cap_row *cap)
{
	return !cap || cap_left(w->region, cap) > 0;
}

const struct cap_row *
cap_of_key(const struct lane *l, unsigned key)
{
	return l->key_caps && key < l->conf->n_keys ? l->key_caps[key] : NULL;
}

bool
cap_open_model(const struct request *req)
{
	return is_free(req) || cap_open(req->w, req->product->cap);
}

/* That the asked one is spent is what the client should know, not that
 * another one would not have done either. */
void
cap_model_refused(struct request *req)
{
	if (req->product == req->asked &&
	    cap_counter(req->product->cap) != SHM_NONE)
		req->asked_spent = true;
}
