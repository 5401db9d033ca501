#pragma once
/*
 * Which models nobody can answer: all their channels are open, out, without
 * a token or without a credential that works. Said once, and once when it is
 * over; tollgate_models_without_channel counts them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "shm/region.h"

struct conf;

struct conf_channel;
struct model_mark {
	uint8_t bits;
	uint16_t able; /* channels that can answer */
};

/* Zeroed = before the first look. */
struct models {
	const struct conf *of; /* the marks are of its models */
	struct model_mark *marks;
};

/* Looks once; `rows` are those of the channels. */
void models_look(struct models *m, const struct region *r,
		 const struct conf *conf, const uint32_t *rows);
/* As of the last look: a model that nobody but `c` can answer, of those it has;
 * NULL = there is none. `able`: `c` was one of those that can. */
const struct conf_model *models_only(const struct models *m,
				     const struct conf_channel *c, bool able);
/* `c` can no more: so from now on, until the next look. */
void models_lose(struct models *m, const struct conf_channel *c);
/* At the latest when its configuration goes. */
void models_free(struct models *m);
