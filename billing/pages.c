/*
 * The file of LMDB 0.9, data version 1: two pages that name the state, of
 * which the one with the higher number counts; from there a tree of tables,
 * from its leaves the tables' trees; and the tree of free pages. Every page is
 * in one of them, once. The state before is looked at too, as far as its
 * number goes: the totals of the ledger name the number they were written
 * with, so a number that was changed shows.
 */
#include "billing/pages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "billing/ledger.h"
#include "billing/records.h"

#define PAGE	   4096u
#define MAGIC	   0xBEEFC0DEu
#define NO_PAGE	   UINT64_MAX
#define DEPTH_MAX  16u
#define INTEGERKEY 0x08u

enum page_flag { BRANCH = 1, LEAF = 2, OVERFLOW = 4, META = 8 };
enum node_flag { BIGDATA = 1, SUBDATA = 2 };

struct page_head {
	uint64_t number;
	uint16_t pad;
	uint16_t flags;
	union {
		struct {
			uint16_t lower, upper;
		} part;
		uint32_t pages; /* of a large value */
	};
};
_Static_assert(sizeof(struct page_head) == 16, "page_head");

struct tree {
	uint32_t pad;
	uint16_t flags;
	uint16_t depth;
	uint64_t branches, leaves, overflows, entries;
	uint64_t root;
};
_Static_assert(sizeof(struct tree) == 48, "tree");

struct state {
	uint32_t magic;
	uint32_t version;
	uint64_t address;
	uint64_t map_size;
	struct tree free, main;
	uint64_t last_page;
	uint64_t transaction;
};
_Static_assert(sizeof(struct state) == 136, "state");

struct node {
	uint16_t lo, hi, flags, key_size;
};

struct pages {
	const uint8_t *map;
	uint64_t n; /* pages of the state */
	uint64_t n_file;
	uint8_t *seen; /* a bit a page; NULL: not counted */
	struct tree count;
	uint64_t totals_number; /* of the totals that were found */
	bool has_totals;
	struct buf *why;
};

/* One tree on its way: what its leaves are for. */
struct walk {
	struct pages *p;
	bool integer_keys;
	unsigned depth; /* of the leaves */
	bool (*leaf)(struct pages *p, struct str key, const struct node *n,
		     struct str value);
	struct str last; /* the key before */
	struct str low;	 /* of the branch: the next key is not below */
};

static bool
damaged(struct pages *p, uint64_t page, const char *what)
{
	buf_printf(p->why, "page %" PRIu64 " of the file: %s", page, what);
	return false;
}

/* Once each, inside the state. */
static bool
take_pages(struct pages *p, uint64_t first, uint64_t n)
{
	if (first < 2 || n == 0 || first >= p->n || n > p->n - first)
		return damaged(p, first, "it does not exist");
	for (uint64_t i = first; p->seen && i < first + n; i++) {
		if (p->seen[i / 8] >> i % 8 & 1)
			return damaged(p, i, "it is used twice");
		p->seen[i / 8] |= (uint8_t)(1u << i % 8);
	}
	return true;
}

static struct page_head
head_of(const struct pages *p, uint64_t page)
{
	struct page_head h;

	memcpy(&h, p->map + page * PAGE, sizeof(h));
	return h;
}

static int
compare(const struct walk *w, struct str a, struct str b)
{
	uint64_t x, y;
	int c;

	if (!w->integer_keys) {
		c = memcmp(a.p, b.p, MIN_OF(a.n, b.n));
		return c ? c : (a.n > b.n) - (a.n < b.n);
	}
	memcpy(&x, a.p, sizeof(x));
	memcpy(&y, b.p, sizeof(y));
	return (x > y) - (x < y);
}

/* ---- nodes ---- */

/* The value of a leaf's node, on its page or on pages of its own. */
static bool
value_of(struct pages *p, uint64_t page, const struct node *n,
	 const uint8_t *at, struct str *value)
{
	uint64_t size = n->lo | (uint64_t)n->hi << 16, first, count;
	const uint8_t *data = at + sizeof(*n) + n->key_size;
	const uint8_t *end = p->map + (page + 1) * PAGE;
	struct page_head h;

	if (!(n->flags & BIGDATA)) {
		if (size > (uint64_t)(end - data))
			return damaged(p, page, "a value leaves it");
		*value = str_make((const char *)data, (size_t)size);
		return true;
	}
	if ((size_t)(end - data) < sizeof(first))
		return damaged(p, page, "a value leaves it");
	memcpy(&first, data, sizeof(first));
	count = (sizeof(h) + size + PAGE - 1) / PAGE;
	if (!take_pages(p, first, count))
		return false;
	h = head_of(p, first);
	if (h.number != first || h.flags != OVERFLOW || h.pages != count)
		return damaged(p, first, "it is not of a large value");
	p->count.overflows += count;
	*value = str_make((const char *)p->map + first * PAGE + sizeof(h),
			  (size_t)size);
	return true;
}

static bool
node_at(struct pages *p, uint64_t page, unsigned i, struct node *n,
	const uint8_t **at)
{
	const uint8_t *base = p->map + page * PAGE;
	uint16_t offset;

	memcpy(&offset, base + sizeof(struct page_head) + 2 * i,
	       sizeof(offset));
	if (offset < head_of(p, page).part.upper ||
	    offset > PAGE - sizeof(*n) || offset % 2)
		return damaged(p, page, "a row is not on it");
	*at = base + offset;
	memcpy(n, *at, sizeof(*n));
	if (n->key_size > PAGE - offset - sizeof(*n))
		return damaged(p, page, "a key leaves it");
	return true;
}

static bool
take_leaf(struct walk *w, uint64_t page, unsigned i)
{
	struct pages *p = w->p;
	const uint8_t *at;
	struct str key, value;
	struct node n;

	if (!node_at(p, page, i, &n, &at))
		return false;
	key = str_make((const char *)at + sizeof(n), n.key_size);
	if (key.n == 0 || (w->integer_keys && key.n != sizeof(uint64_t)))
		return damaged(p, page, "a key has another size");
	if (w->last.p && compare(w, w->last, key) >= 0)
		return damaged(p, page, "its keys do not ascend");
	if (w->low.p && compare(w, w->low, key) > 0)
		return damaged(p, page, "its keys are not those of its branch");
	w->low = STR_NONE;
	w->last = key;
	p->count.entries++;
	return value_of(p, page, &n, at, &value) && w->leaf(p, key, &n, value);
}

static bool walk_page(struct walk *w, uint64_t page, unsigned level);

/* The keys below a child are at or behind its key in the branch, those
 * before are not; the first child has none. */
static bool
take_branch(struct walk *w, uint64_t page, unsigned i, unsigned level)
{
	struct pages *p = w->p;
	const uint8_t *at;
	struct str key;
	struct node n;

	if (!node_at(p, page, i, &n, &at))
		return false;
	if (i) {
		key = str_make((const char *)at + sizeof(n), n.key_size);
		if (key.n == 0 ||
		    (w->integer_keys && key.n != sizeof(uint64_t)))
			return damaged(p, page, "a key has another size");
		if (w->last.p && compare(w, w->last, key) >= 0)
			return damaged(p, page, "its keys do not ascend");
		w->low = key;
	}
	return walk_page(w,
			 n.lo | (uint64_t)n.hi << 16 | (uint64_t)n.flags << 32,
			 level + 1);
}

static bool
walk_page(struct walk *w, uint64_t page, unsigned level)
{
	struct pages *p = w->p;
	bool leaf = level == w->depth, fine = true;
	struct page_head h;
	unsigned n;

	if (level > w->depth || !take_pages(p, page, 1))
		return damaged(p, page, "the tree does not end there");
	h = head_of(p, page);
	n = (h.part.lower - (unsigned)sizeof(h)) / 2;
	if (h.number != page || h.flags != (leaf ? LEAF : BRANCH) ||
	    h.part.lower < sizeof(h) || h.part.lower > h.part.upper ||
	    h.part.upper > PAGE || h.part.lower % 2 || n < (leaf ? 1u : 2u))
		return damaged(p, page, "its head is wrong");
	p->count.leaves += leaf;
	p->count.branches += !leaf;
	for (unsigned i = 0; i < n && fine; i++)
		fine = leaf ? take_leaf(w, page, i)
			    : take_branch(w, page, i, level);
	return fine;
}

static bool
walk_tree(struct pages *p, const struct tree *t, struct walk *w)
{
	struct tree none = {.root = t->root};

	w->p = p;
	w->integer_keys = t->flags & INTEGERKEY;
	w->depth = t->depth;
	p->count = none;
	if (t->root == NO_PAGE ? t->depth != 0
			       : t->depth == 0 || t->depth > DEPTH_MAX)
		return damaged(p, t->root, "a tree has no such depth");
	if (t->root != NO_PAGE && !walk_page(w, t->root, 1))
		return false;
	if (p->count.branches == t->branches && p->count.leaves == t->leaves &&
	    p->count.overflows == t->overflows &&
	    p->count.entries == t->entries)
		return true;
	return damaged(p, t->root, "the tree has another size");
}

/* ---- what the leaves are for ---- */

static bool
any_row(struct pages *p, struct str key, const struct node *n, struct str value)
{
	(void)key;
	(void)value;
	return !(n->flags & ~BIGDATA) || damaged(p, 0, "a row of no kind");
}

/* The totals: their number of the transaction. */
static bool
totals_row(struct pages *p, struct str key, const struct node *n,
	   struct str value)
{
	struct meta_record m;

	if (record_read(value, &m, sizeof(m))) {
		p->totals_number = m.transaction;
		p->has_totals = true;
	}
	return any_row(p, key, n, value);
}

/* A row of the tree of tables is a tree of its own. */
static bool
table_row(struct pages *p, struct str key, const struct node *n,
	  struct str value)
{
	struct tree t, outer = p->count;
	struct walk w = {.leaf = any_row};
	bool fine;

	if (n->flags != SUBDATA || value.n != sizeof(t))
		return damaged(p, 0, "a table is none");
	memcpy(&t, value.p, sizeof(t));
	if (t.pad != 0 || !ledger_has_table(key, t.flags == INTEGERKEY) ||
	    t.flags & ~INTEGERKEY)
		return damaged(p, t.root, "a table of no kind");
	if (str_eq(key, STR("meta")))
		w.leaf = totals_row;
	fine = walk_tree(p, &t, &w);
	p->count = outer;
	return fine;
}

/* A list of pages that may be used again: their count first. */
static bool
free_row(struct pages *p, struct str key, const struct node *n,
	 struct str value)
{
	uint64_t count, page;

	if (!any_row(p, key, n, value))
		return false;
	if (value.n < sizeof(count))
		return damaged(p, 0, "a list of free pages has no count");
	memcpy(&count, value.p, sizeof(count));
	if (count > value.n / sizeof(count) - 1)
		return damaged(p, 0, "a list of free pages is too short");
	for (uint64_t i = 1; i <= count; i++) {
		memcpy(&page, value.p + i * sizeof(page), sizeof(page));
		if (!take_pages(p, page, 1))
			return false;
	}
	return true;
}

/* ---- states ---- */

static bool
read_state(struct pages *p, uint64_t page, struct state *s)
{
	struct page_head h = head_of(p, page);

	memcpy(s, p->map + page * PAGE + sizeof(h), sizeof(*s));
	if (h.number != page || h.flags != META || s->magic != MAGIC ||
	    s->version != 1 || s->address != 0 || s->free.pad != PAGE ||
	    s->free.flags != INTEGERKEY || s->main.pad != 0 ||
	    s->main.flags != 0 || s->last_page < 1 ||
	    s->last_page >= p->n_file || s->map_size / PAGE <= s->last_page)
		return damaged(p, page, "it names no state");
	return true;
}

/* Of a new file before its first row. */
static bool
totals_fit(struct pages *p, const struct state *s, uint64_t page)
{
	if (s->transaction % 2 != page)
		return damaged(p, page, "its number is of the other page");
	if (p->has_totals
		    ? p->totals_number == s->transaction ||
			      (p->totals_number == 0 && s->transaction <= 2)
		    : s->transaction <= 2)
		return true;
	return damaged(p, page, "its number is not that of its totals");
}

static bool
check_newer(struct pages *p, const struct state *s, uint64_t page)
{
	struct walk tables = {.leaf = table_row}, lists = {.leaf = free_row};
	bool fine;

	p->n = s->last_page + 1;
	p->seen = calloc(p->n / 8 + 1, 1);
	fine = p->seen && walk_tree(p, &s->main, &tables) &&
	       walk_tree(p, &s->free, &lists);
	for (uint64_t i = 2; i < p->n && fine; i++)
		if (!(p->seen[i / 8] >> i % 8 & 1))
			fine = damaged(p, i, "it is neither used nor free");
	free(p->seen);
	p->seen = NULL;
	return fine && totals_fit(p, s, page);
}

/* No page of the state before was used again yet, but what it says does not
 * count any more: only its number does, which must not be a newer one's. */
static bool
check_older(struct pages *p, const struct state *s, uint64_t page)
{
	struct walk tables = {.leaf = table_row};

	p->n = s->last_page + 1;
	p->has_totals = false;
	return walk_tree(p, &s->main, &tables) && totals_fit(p, s, page);
}

static bool
check_states(struct pages *p)
{
	struct state s[2];
	unsigned newer;

	if (!read_state(p, 0, &s[0]) || !read_state(p, 1, &s[1]))
		return false;
	newer = s[1].transaction > s[0].transaction;
	if (s[newer].transaction - s[!newer].transaction != 1)
		return damaged(p, newer, "the states do not follow each other");
	return check_newer(p, &s[newer], newer) &&
	       check_older(p, &s[!newer], !newer);
}

/* ---- the file ---- */

static bool
writer_runs(const char *state_dir)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int fd = -1, r;

	if (snprintf(path, sizeof(path), "%s/writer.lock", state_dir) <
	    (int)sizeof(path))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	r = fcntl(fd, F_OFD_GETLK, &lock);
	(void)close(fd);
	return r == 0 && lock.l_type != F_UNLCK;
}

static bool
check_file(int fd, struct buf *why)
{
	struct pages p = {.why = why};
	struct stat st;
	bool fine;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)(2 * PAGE))
		return true;
	p.n_file = (uint64_t)st.st_size / PAGE;
	p.map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p.map == MAP_FAILED)
		return true;
	fine = check_states(&p);
	(void)munmap((void *)(uintptr_t)p.map, (size_t)st.st_size);
	return fine;
}

bool
pages_check(const char *state_dir, struct buf *why)
{
	char path[PATH_MAX];
	int fd = -1;
	bool fine;

	if (writer_runs(state_dir))
		return true;
	if (snprintf(path, sizeof(path), "%s/" LEDGER_DIR "/data.mdb",
		     state_dir) < (int)sizeof(path))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	fine = check_file(fd, why);
	(void)close(fd);
	/* One that began meanwhile has changed them. */
	if (fine || writer_runs(state_dir))
		return true;
	return false;
}
