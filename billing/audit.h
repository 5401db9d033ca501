#pragma once
/*
 * The online audit: for each counter, available + what open slots hold ==
 * balance + credit, tolerance 0, while workers go on. A counter is right if
 * no operation hit it between the first and the last look; others are tried
 * again. A difference freezes the account and raises an alarm; nothing is
 * ever "fixed". Writer only, between transactions: then balances stand still.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/post.h"
#include "shm/region.h"

struct audit {
	struct region *r;
	const struct post *post;
	int64_t *sum;	    /* by counter: what open slots hold */
	uint64_t *op;	    /* by counter: last_op at the first look */
	uint32_t next;	    /* counter where the next part begins */
	uint32_t differing; /* of this round */
	uint32_t unsettled; /* of this round: always in motion */
};

NODISCARD bool audit_init(struct audit *a, struct region *r,
			  const struct post *p);
void audit_free(struct audit *a);
/* Begins a round. */
void audit_start(struct audit *a);
/* A part of the round, a few milliseconds; true: the round is over. */
bool audit_step(struct audit *a);
/* A whole round and the totals; false: there are differences. */
bool audit_run(struct audit *a);
