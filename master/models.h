#pragma once
/*
 * Which models nobody can answer: all their channels are open, out, without
 * a token or without a credential that works. Said once, and once when it is
 * over; tollgate_models_without_channel counts them.
 */
#include <stdint.h>

#include "shm/region.h"

struct conf;

/* Zeroed = before the first look. */
struct models {
	const struct conf *of; /* the marks are of its models */
	uint8_t *marks;
};

/* Looks once; `rows` are those of the channels. */
void models_look(struct models *m, const struct region *r,
		 const struct conf *conf, const uint32_t *rows);
void models_free(struct models *m);
