/*
 * Bill and books joined by the upstream's request id. We know its hash and its
 * first bytes. Several of our legs may have one id (an answer that was read on
 * after its client had left), and so may several lines of the bill.
 *
 * The two clocks differ, so what is joined counts whatever its times are; only
 * what stands alone must be of the period.
 */
#include <stdlib.h>
#include <string.h>

#include "billing/names.h"
#include "billing/reconcile.h"

/* Our legs are looked at so far around the period. */
#define AROUND_MS (48ull * 3600 * 1000)

struct known {
	uint64_t hash; /* of the id; 0 = it has none */
	uint64_t seq;
	bool joined;
};

struct line_ref {
	uint64_t hash;
	const struct bill_line *line;
};

struct join {
	struct reconcile *c;
	struct known *known; /* by hash, then number */
	size_t n, cap;
	struct line_ref *lines; /* by hash, then id */
	size_t n_lines;
};

/* ---- ours ---- */

static bool
is_near(const struct report_filter *f, uint64_t ms)
{
	return ms + AROUND_MS >= f->from_ms &&
	       (f->to_ms == 0 || ms < f->to_ms + AROUND_MS);
}

static bool
collect_one(struct join *j, const struct entry *e)
{
	if (!report_is_leg(e) || !report_wants(j->c->r, e) ||
	    !is_near(&j->c->job.filter, e->start_ms) ||
	    (e->upstream_id_hash == 0 && e->upstream_nano == 0))
		return true;
	if (j->n == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 1024;
		struct known *more = realloc(j->known, cap * sizeof(*more));

		if (!more)
			return false;
		j->known = more;
		j->cap = cap;
	}
	j->known[j->n++] = (struct known){e->upstream_id_hash, e->seq, false};
	return true;
}

static int
by_hash(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static enum store
collect(struct join *j)
{
	struct entry e;
	enum store s;

	while ((s = scan_next(&j->c->r->scan, &e)) == STORE_OK)
		if (!collect_one(j, &e))
			return STORE_FAILED;
	if (j->n)
		qsort(j->known, j->n, sizeof(*j->known), by_hash);
	return s == STORE_NONE ? STORE_OK : s;
}

/* The first that has this hash or a greater one. */
static size_t
first_known(const struct join *j, uint64_t hash)
{
	size_t low = 0, high = j->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (j->known[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- theirs ---- */

static int
by_id(const void *a, const void *b)
{
	const struct line_ref *x = a, *y = b;
	struct str p = x->line->id, q = y->line->id;
	int c;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (p.n != q.n)
		return p.n < q.n ? -1 : 1;
	c = p.n ? memcmp(p.p, q.p, p.n) : 0;
	/* In the order of the file. */
	return c ? c : (x->line > y->line) - (x->line < y->line);
}

static bool
collect_lines(struct join *j)
{
	static const struct sip_key plain;
	const struct bill *b = j->c->job.bill;

	j->lines = malloc((b->n + 1) * sizeof(*j->lines));
	if (!j->lines)
		return false;
	for (size_t i = 0; i < b->n; i++) {
		struct str id = b->lines[i].id;

		j->lines[i] = (struct line_ref){id.n ? siphash(&plain, id) : 0,
						&b->lines[i]};
	}
	j->n_lines = b->n;
	qsort(j->lines, j->n_lines, sizeof(*j->lines), by_id);
	return true;
}

/* ---- both ---- */

static bool
has_id(const struct entry *e, struct str id)
{
	size_t n = MIN_OF(id.n, sizeof(e->upstream_id));

	return memcmp(e->upstream_id, id.p, n) == 0 &&
	       (n == sizeof(e->upstream_id) || e->upstream_id[n] == '\0');
}

/* A lost attempt and the request it belongs to may both be there: the row
 * names the one that answered. */
static void
describe(struct reconcile *c, struct finding *f, const struct entry *e)
{
	if (f->ours.present == 0 || e->kind == KIND_REQUEST) {
		f->ms = e->start_ms;
		f->channel = e->channel;
		(void)str_copy(f->model, sizeof(f->model),
			       report_model(c->r, e));
		memcpy(f->our_id, e->upstream_id, sizeof(e->upstream_id));
		memcpy(f->request_id, e->request_id, sizeof(f->request_id));
		f->has_request = true;
	}
	side_add_entry(&f->ours, e);
}

/* Our legs of the id of `f`. */
static enum store
add_known(struct join *j, struct finding *f, uint64_t hash)
{
	struct entry e;
	enum store s;

	for (size_t i = first_known(j, hash);
	     hash && i < j->n && j->known[i].hash == hash; i++) {
		s = scan_get(&j->c->r->scan, j->known[i].seq, &e);
		if (s != STORE_OK)
			return s;
		if (!has_id(&e, f->id))
			continue;
		j->known[i].joined = true;
		describe(j->c, f, &e);
	}
	return STORE_OK;
}

/* Lines i .. end - 1, of one id. */
static enum store
join_lines(struct join *j, size_t i, size_t end)
{
	const struct bill_line *first = j->lines[i].line;
	struct finding f = {.by_id = true, .id = first->id, .ms = first->ms};
	enum store s;

	for (size_t k = i; k < end; k++)
		side_add_line(&f.theirs, j->lines[k].line);
	(void)str_copy(f.model, sizeof(f.model), first->model);
	s = add_known(j, &f, j->lines[i].hash);
	if (s != STORE_OK)
		return s;
	if (!f.ours.present && first->ms &&
	    !report_in_period(j->c->r, first->ms))
		return STORE_OK;
	return reconcile_judge(j->c, &f) ? STORE_OK : STORE_FAILED;
}

static bool
same_id(const struct line_ref *a, const struct line_ref *b)
{
	return a->line->id.n && str_eq(a->line->id, b->line->id);
}

static enum store
join_all(struct join *j)
{
	enum store s = STORE_OK;

	for (size_t i = 0, end; i < j->n_lines && s == STORE_OK; i = end) {
		end = i + 1;
		while (end < j->n_lines &&
		       same_id(&j->lines[i], &j->lines[end]))
			end++;
		s = join_lines(j, i, end);
	}
	return s;
}

/* What no line was about: one row an id. */
static enum store
report_missing(struct join *j)
{
	struct entry e;
	enum store s;

	for (size_t i = 0, end; i < j->n; i = end) {
		struct finding f = {.by_id = true};
		uint64_t hash = j->known[i].hash;

		for (end = i; end < j->n && j->known[end].hash == hash &&
			      (hash || end == i);
		     end++) {
			if (j->known[end].joined)
				continue;
			s = scan_get(&j->c->r->scan, j->known[end].seq, &e);
			if (s != STORE_OK)
				return s;
			describe(j->c, &f, &e);
		}
		if (f.ours.present && report_in_period(j->c->r, f.ms) &&
		    !reconcile_judge(j->c, &f))
			return STORE_FAILED;
	}
	return STORE_OK;
}

enum store
reconcile_by_id(struct reconcile *c)
{
	struct join j = {.c = c};
	enum store s = collect(&j);

	if (s == STORE_OK && !collect_lines(&j))
		s = STORE_FAILED;
	if (s == STORE_OK)
		s = join_all(&j);
	if (s == STORE_OK)
		s = report_missing(&j);
	if (s == STORE_FAILED && c->r->error->n == 0)
		buf_add_cstr(c->r->error, "out of memory");
	free(j.known);
	free(j.lines);
	return s;
}
