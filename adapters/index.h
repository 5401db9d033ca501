#pragma once
/*
 * Names to values, ordered: a balanced tree (Arne Andersson's) in an arena.
 * The names come from clients and there is no secret here to hash them with;
 * whatever they are, finding one takes at most 2 log2 n comparisons.
 */
#include <stdbool.h>

#include "base/arena.h"
#include "base/attrs.h"
#include "base/str.h"

struct index_node {
	struct str name; /* not copied */
	void *value;
	struct index_node *left, *right;
	unsigned level; /* 1 at the leaves, at most log2 n + 1 */
};

/* Zeroed = empty. */
struct index {
	struct index_node *root;
};

/* NULL: there is none. */
void *index_get(const struct index *x, struct str name);
/* In the place of what was there. False when out of memory. */
NODISCARD bool index_set(struct arena *a, struct index *x, struct str name,
			 void *value);
