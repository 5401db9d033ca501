/* Walking over the entries, transaction after transaction. */
#include "billing/scan.h"

#include <string.h>

static enum store
renew(struct scan *s)
{
	enum store st;

	if (s->open && s->left > 0) {
		s->left--;
		return STORE_OK;
	}
	scan_end(s);
	st = ledger_begin(s->ledger);
	s->open = st == STORE_OK;
	s->left = SCAN_PART;
	return st;
}

enum store
scan_begin(struct scan *s, struct ledger *l, struct meta_record *meta)
{
	enum store st;

	*s = (struct scan){.ledger = l, .next = 1};
	st = renew(s);
	if (st == STORE_OK)
		st = record_get(l, TABLE_META, 1, meta, sizeof(*meta));
	s->end = meta->next_seq;
	s->next = MAX_OF(meta->first_seq, 1);
	s->astray = true;
	return st == STORE_NONE ? STORE_DAMAGED : st;
}

static enum store
copy(struct str value, struct entry *e)
{
	if (value.n != sizeof(*e))
		return STORE_DAMAGED;
	memcpy(e, value.p, sizeof(*e));
	return STORE_OK;
}

enum store
scan_next(struct scan *s, struct entry *e)
{
	uint64_t seq = s->next;
	bool fresh = !s->open || s->left == 0 || s->astray;
	struct str value;
	enum store st;

	if (seq >= s->end)
		return STORE_NONE;
	st = renew(s);
	if (st != STORE_OK)
		return st;
	st = fresh ? ledger_seek(s->ledger, TABLE_ENTRY, &seq, &value)
		   : ledger_next(s->ledger, TABLE_ENTRY, &seq, &value);
	s->astray = false;
	if (st == STORE_NONE || (st == STORE_OK && seq != s->next))
		return STORE_DAMAGED;
	if (st == STORE_OK)
		st = copy(value, e);
	if (st == STORE_OK)
		s->next++;
	return st;
}

enum store
scan_get(struct scan *s, uint64_t seq, struct entry *e)
{
	struct str value;
	enum store st = renew(s);

	s->astray = true;
	if (st == STORE_OK)
		st = ledger_get(s->ledger, TABLE_ENTRY, seq, &value);
	if (st == STORE_NONE)
		return STORE_DAMAGED;
	return st == STORE_OK ? copy(value, e) : st;
}

void
scan_move(struct scan *s, uint64_t seq)
{
	s->next = seq;
	s->astray = true;
}

void
scan_end(struct scan *s)
{
	if (s->open)
		ledger_end(s->ledger);
	s->open = false;
}
