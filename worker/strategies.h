#pragma once
/*
 * Strategies: which of the candidates a request goes to. A new one is a word
 * of routing.strategy, a function and a row. Private to worker/.
 */
#include "conf/conf.h"

struct offer;
struct request;

/* More of one priority are not looked at. */
#define CANDIDATES_MAX 64u

/* One of `n` (at least 1) candidates of one priority; `affine` is the one
 * whose cache knows the request, or NULL. */
struct offer *strategy_pick(struct request *req, enum conf_strategy strategy,
			    struct offer **c, unsigned n, struct offer *affine);
/* Requests that run there, and its weight, at least 1. */
uint64_t strategy_load(const struct offer *o);
uint64_t strategy_weight(const struct offer *o);
