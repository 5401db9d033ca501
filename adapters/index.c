/* An ordered map in an arena, for what a client names. Called by readers;
 * pure. */
#include "adapters/index.h"

static int
order(struct str a, struct str b)
{
	int d;

	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	d = a.n > 0 ? memcmp(a.p, b.p, a.n) : 0;
	return d;
}

void *
index_get(const struct index *x, struct str name)
{
	const struct index_node *n = x->root;

	while (n) {
		int d = order(name, n->name);

		if (d == 0)
			return n->value;
		n = d < 0 ? n->left : n->right;
	}
	return NULL;
}

/* A left child of the same level becomes the parent. */
static struct index_node *
skew(struct index_node *n)
{
	struct index_node *l = n->left;

	if (!l || l->level != n->level)
		return n;
	n->left = l->right;
	l->right = n;
	return l;
}

/* Of three on one level to the right the middle one rises. */
static struct index_node *
split(struct index_node *n)
{
	struct index_node *r = n->right;

	if (!r || !r->right || r->right->level != n->level)
		return n;
	n->right = r->left;
	r->left = n;
	r->level++;
	return r;
}

/* As deep as the tree, which is at most 64. */
static struct index_node *
insert(struct index_node *n, struct index_node *one)
{
	int d;

	if (!n)
		return one;
	d = order(one->name, n->name);
	if (d == 0)
		n->value = one->value;
	else if (d < 0)
		n->left = insert(n->left, one);
	else
		n->right = insert(n->right, one);
	return split(skew(n));
}

bool
index_set(struct arena *a, struct index *x, struct str name, void *value)
{
	struct index_node *one = arena_alloc(a, sizeof(*one));

	if (!one)
		return false;
	*one = (struct index_node){.name = name, .value = value, .level = 1};
	x->root = insert(x->root, one);
	return true;
}
