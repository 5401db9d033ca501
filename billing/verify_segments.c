/*
 * The offline check through the files of months that were dropped: their
 * entries are followed like those of the ledger, from the first one on, and
 * what they add up to must be the base.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/base.h"
#include "billing/verify_base.h"
#include "shm/counters.h"

/* ---- the files ---- */

static bool
add_file(struct verify *v, const char *path)
{
	CLEANUP(buf_free) struct buf ignored = BUF_INIT;
	struct segment s;
	void *p;

	/* Digests, notes, and what else people keep there. */
	if (!segment_open(&s, path, &ignored))
		return true;
	if (s.head->first_seq >= v->meta.first_seq) {
		segment_close(&s);
		return true;
	}
	p = realloc(v->segments, (v->n_segments + 1) * sizeof(s));
	if (!p) {
		segment_close(&s);
		buf_add_cstr(v->out, "out of memory");
		return false;
	}
	v->segments = p;
	v->segments[v->n_segments++] = s;
	return true;
}

static int
by_first(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return (x->head->first_seq > y->head->first_seq) -
	       (x->head->first_seq < y->head->first_seq);
}

static bool
read_folder(struct verify *v, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *f;
	bool fine = true;

	if (!d) {
		buf_printf(v->out, "%s: %s", dir, strerror(errno));
		return false;
	}
	while (fine && (f = readdir(d))) {
		char path[PATH_MAX];

		if (f->d_name[0] != '.' && snprintf(path, sizeof(path), "%s/%s",
						    dir, f->d_name) < PATH_MAX)
			fine = add_file(v, path);
	}
	(void)closedir(d);
	if (v->n_segments)
		qsort(v->segments, v->n_segments, sizeof(*v->segments),
		      by_first);
	return fine;
}

/* ---- their entries ---- */

static bool
complete(struct verify *v)
{
	static const uint8_t zero[ENTRY_CHAIN];
	const struct segment *s = v->segments;
	uint64_t next = 1;

	for (unsigned i = 0; i < v->n_segments; i++) {
		const struct segment_head *h = s[i].head;

		if (memcmp(h->uuid, v->meta.uuid, LEDGER_UUID) != 0) {
			buf_add_cstr(v->out, "a segment is of another ledger");
			return false;
		}
		if (h->first_seq != next)
			break;
		if (i ? !segment_follows(&s[i - 1], &s[i], v->out)
		      : memcmp(h->chain_before, zero, ENTRY_CHAIN) != 0)
			return verify_wrong(v, next, "it does not follow");
		next = h->last_seq + 1;
	}
	return next == v->meta.first_seq ||
	       verify_wrong(v, next, "it is in no segment");
}

static bool
follow(struct verify *v, const struct segment *s)
{
	const struct segment_head *h = s->head;

	if (!segment_check(s, v->out))
		return false;
	for (uint64_t seq = h->first_seq; seq <= h->last_seq;) {
		unsigned n = (unsigned)MIN_OF(h->last_seq + 1 - seq,
					      (uint64_t)VERIFY_BATCH);

		if (!verify_batch(v, s->entries + (seq - h->first_seq), n, seq))
			return false;
		seq += n;
	}
	return true;
}

static bool
same_as_base(struct verify *v)
{
	const struct replay *r = &v->books;
	struct base_record head;
	struct replay base;
	bool same = false;

	if (replay_init(&base) &&
	    base_load(v->scan.ledger, &v->meta, &base, &head) == STORE_OK)
		same = r->debits == base.debits && r->credits == base.credits &&
		       r->n_slots == base.n_slots &&
		       memcmp(r->chain, base.chain, ENTRY_CHAIN) == 0 &&
		       memcmp(r->balance, base.balance,
			      sizeof(*r->balance) * SHM_COUNTERS) == 0 &&
		       memcmp(r->slotgen, base.slotgen,
			      sizeof(*r->slotgen) * REPLAY_SLOTS) == 0;
	replay_free(&base);
	return same ||
	       verify_wrong_row(v, "base", 0, "differs from the segments");
}

bool
verify_segments(struct verify *v, const char *dir)
{
	if (!read_folder(v, dir) || !complete(v))
		return false;
	v->scan.next = 1;
	v->unsealed.sealed_seq = 0;
	if (!verify_seals_begin(v))
		return false;
	for (unsigned i = 0; i < v->n_segments; i++)
		if (!follow(v, &v->segments[i]))
			return false;
	v->scan.next = MAX_OF(v->meta.first_seq, 1);
	return v->meta.first_seq <= 1 || same_as_base(v);
}

enum store
verify_original(struct verify *v, uint64_t seq, struct entry *e)
{
	for (unsigned i = 0; i < v->n_segments; i++) {
		const struct segment *s = &v->segments[i];

		if (seq < s->head->first_seq || seq > s->head->last_seq)
			continue;
		*e = s->entries[seq - s->head->first_seq];
		return STORE_OK;
	}
	/* The cursor of the pass is moved. */
	v->scan.astray = true;
	return base_entry(v->scan.ledger, seq, e);
}
