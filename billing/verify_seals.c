/*
 * The offline check of the seals. Where a day ends follows from the times of
 * the entries, but for a day that was sealed while nothing came: so the ends
 * of the seals are read first, the sums are noted there, and the seals are
 * compared with them last.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/seal.h"
#include "billing/verify_base.h"

/* Sums as of before `next` have been seen: what a seal there says. */
static bool
note_end(struct verify *v, uint64_t next)
{
	struct meta_record *m = &v->unsealed;

	if (v->n_seals == v->room_for_seals) {
		uint32_t room = v->room_for_seals ? v->room_for_seals * 2 : 64;
		void *p = realloc(v->seals, room * sizeof(*v->seals));

		if (!p) {
			buf_add_cstr(v->out, "out of memory");
			return false;
		}
		v->seals = p;
		v->room_for_seals = room;
	}
	m->next_seq = next;
	m->debits = v->books.debits;
	m->credits = v->books.credits;
	memcpy(m->chain, v->books.chain, sizeof(m->chain));
	seal_make(&v->seals[v->n_seals++], m, 0);
	m->sealed_seq = next - 1;
	m->n_seals++;
	return true;
}

bool
verify_seals_begin(struct verify *v)
{
	struct seal_record row;
	struct str value;
	uint64_t key = v->seals_before + 1ull;
	enum store s;

	v->unsealed = v->meta;
	v->unsealed.n_seals = v->seals_before;
	v->unsealed.sealed_seq = v->scan.next - 1;
	v->ends = calloc(v->meta.n_seals + 1ull, sizeof(*v->ends));
	if (!v->ends) {
		buf_add_cstr(v->out, "out of memory");
		return false;
	}
	s = ledger_seek(v->scan.ledger, TABLE_SEAL, &key, &value);
	for (; s == STORE_OK && v->n_ends < v->meta.n_seals;
	     s = ledger_next(v->scan.ledger, TABLE_SEAL, &key, &value)) {
		if (!record_read(value, &row, sizeof(row)))
			return verify_wrong_row(v, "seal", key, "is damaged");
		v->ends[v->n_ends++] = row.last_seq;
	}
	return true;
}

bool
verify_seals_entry(struct verify *v, const struct entry *e)
{
	struct meta_record *m = &v->unsealed;
	bool known = v->n_seals < v->n_ends, due;

	m->next_seq = e->seq;
	due = seal_is_due(m, e->commit_ms);
	if (known ? v->ends[v->n_seals] == e->seq - 1 : due) {
		if (!note_end(v, e->seq))
			return false;
	} else if (due) {
		return verify_wrong(v, e->seq, "the day before is not sealed");
	}
	seal_open_day(m, e->commit_ms);
	return true;
}

static bool
check_seal(struct verify *v, const struct seal_record *row,
	   struct seal_record *want)
{
	want->sealed_ms = row->sealed_ms;
	seal_root(want, v->meta.uuid, want->root);
	record_seal(want, sizeof(*want));
	return memcmp(row, want, sizeof(*row)) == 0 ||
	       verify_wrong_row(v, "seal", want->number,
				"differs from the entries");
}

/* Of entries that were dropped: its form only, and what it follows. */
static bool
check_old_seal(struct verify *v, const struct seal_record *row, uint32_t number,
	       const struct seal_record *before)
{
	struct seal_record want = *row;

	want.number = number;
	want.first_seq = before->last_seq + 1;
	memcpy(want.previous, before->root, sizeof(want.previous));
	if (!check_seal(v, row, &want))
		return false;
	if (number < v->seals_before)
		return true;
	return (row->last_seq + 1 == v->base.first_seq &&
		row->debits == v->base.debits &&
		row->credits == v->base.credits &&
		memcmp(row->chain, v->base.chain, ENTRY_CHAIN) == 0) ||
	       verify_wrong_row(v, "seal", number, "differs from the base");
}

static bool
check_new_seal(struct verify *v, const struct seal_record *row, uint32_t number,
	       const struct seal_record *before)
{
	uint32_t i = number - v->seals_before - 1;

	if (i >= v->n_seals)
		return verify_wrong_row(v, "seal", number,
					"is of no day that is over");
	memcpy(v->seals[i].previous, before->root, sizeof(before->root));
	return check_seal(v, row, &v->seals[i]);
}

static bool
check_totals(struct verify *v, const struct seal_record *last)
{
	const struct meta_record *m = &v->meta;

	if (last->number != m->n_seals || last->last_seq != m->sealed_seq ||
	    memcmp(last->root, m->seal_root, sizeof(last->root)) != 0)
		return verify_wrong_row(v, "seal", m->n_seals,
					"is not the last one of the totals");
	if (m->n_seals != v->seals_before + v->n_seals)
		return verify_wrong_row(v, "seal", m->n_seals + 1ull,
					"is missing");
	if (m->sealed_seq + 1 < m->next_seq &&
	    m->open_day != v->unsealed.open_day)
		return verify_wrong_row(v, "totals", 1,
					"name another open day");
	return true;
}

bool
verify_seals(struct verify *v)
{
	struct seal_record row, before = {0};
	struct str value;
	uint64_t key = 0;
	uint32_t number = 0;
	enum store s;
	bool fine = true;

	/* One that was made at midnight, before anything came. */
	if (v->meta.n_seals == v->seals_before + v->n_seals + 1 &&
	    !note_end(v, v->meta.next_seq))
		return false;
	s = ledger_seek(v->scan.ledger, TABLE_SEAL, &key, &value);
	for (; fine && s == STORE_OK;
	     s = ledger_next(v->scan.ledger, TABLE_SEAL, &key, &value)) {
		if (key != ++number || !record_read(value, &row, sizeof(row)))
			return verify_wrong_row(v, "seal", number,
						"is damaged or missing");
		fine = number <= v->seals_before
			       ? check_old_seal(v, &row, number, &before)
			       : check_new_seal(v, &row, number, &before);
		before = row;
	}
	if (s != STORE_NONE && fine)
		return verify_wrong_row(v, "seal", number, "cannot be read");
	return fine && check_totals(v, &before);
}
