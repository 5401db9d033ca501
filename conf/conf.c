/* Look-ups in the loaded configuration. */
#include "conf/conf.h"

const struct conf_model *
conf_model_find(const struct conf *c, struct str name)
{
	for (uint32_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].name, name))
			return &c->models[i];
	return NULL;
}

const struct conf_channel *
conf_channel_find(const struct conf *c, struct str name)
{
	for (uint32_t i = 0; i < c->n_channels; i++)
		if (str_eq(c->channels[i].name, name))
			return &c->channels[i];
	return NULL;
}

const struct conf_group *
conf_group_find(const struct conf *c, struct str name)
{
	for (uint32_t i = 0; i < c->n_groups; i++)
		if (str_eq(c->groups[i].name, name))
			return &c->groups[i];
	return NULL;
}

uint32_t
conf_multiplier(const struct conf_group *g, struct str model)
{
	for (uint32_t i = 0; i < g->n_models; i++)
		if (str_glob(g->models[i].match, model))
			return g->models[i].multiplier_ppm;
	return g->multiplier_ppm;
}

const struct conf_plan *
conf_plan_find(const struct conf *c, struct str name)
{
	for (uint32_t i = 0; i < c->n_plans; i++)
		if (str_eq(c->plans[i].name, name))
			return &c->plans[i];
	return NULL;
}
