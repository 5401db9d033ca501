/*
 * The base. Its rows have no checksums of their own: one digest in the head
 * covers them all.
 */
#include "billing/base.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "shm/counters.h"

static uint64_t
key_of(enum base_kind kind, uint64_t id)
{
	return (uint64_t)kind << 56 | id;
}

static enum base_kind
kind_of(uint64_t key)
{
	return (enum base_kind)(key >> 56);
}

static uint64_t
id_of(uint64_t key)
{
	return key & ((1ull << 56) - 1);
}

/* A digest of digests, since rows come one by one. */
static void
add_row(uint8_t digest[SHA256_BYTES], uint64_t key, struct str value)
{
	uint8_t text[SHA256_BYTES + sizeof(key) + sizeof(struct entry)];
	size_t n = MIN_OF(value.n, sizeof(struct entry));

	memcpy(text, digest, SHA256_BYTES);
	memcpy(text + SHA256_BYTES, &key, sizeof(key));
	memcpy(text + SHA256_BYTES + sizeof(key), value.p, n);
	sha256(text, SHA256_BYTES + sizeof(key) + n, digest);
}

/* ---- reading ---- */

static bool
take_row(struct replay *r, uint64_t key, struct str value)
{
	uint64_t id = id_of(key);
	uint32_t counter;

	switch (kind_of(key)) {
	case BASE_BALANCE:
		counter = balance_counter(id);
		if (counter == SHM_NONE || value.n != sizeof(*r->balance))
			return false;
		memcpy(&r->balance[counter], value.p, value.n);
		return true;
	case BASE_SLOT:
		if (id >= REPLAY_SLOTS || value.n != sizeof(*r->slotgen))
			return false;
		memcpy(&r->slotgen[id], value.p, value.n);
		r->n_slots++;
		return true;
	case BASE_ENTRY: return value.n == sizeof(struct entry);
	case BASE_HEAD: break;
	}
	return false;
}

static enum store
load_head(struct ledger *l, const struct meta_record *m,
	  struct base_record *head)
{
	enum store s = record_get(l, TABLE_BASE, key_of(BASE_HEAD, 0), head,
				  sizeof(*head));

	if (s == STORE_NONE ||
	    (s == STORE_OK && head->first_seq != m->first_seq))
		return STORE_DAMAGED;
	return s;
}

enum store
base_load(struct ledger *l, const struct meta_record *m, struct replay *r,
	  struct base_record *head)
{
	uint8_t digest[SHA256_BYTES] = {0};
	uint64_t key = key_of(BASE_BALANCE, 0), n = 0;
	struct str value;
	enum store s;

	*head = (struct base_record){.first_seq = 1};
	if (m->first_seq <= 1)
		return STORE_OK;
	s = load_head(l, m, head);
	if (s != STORE_OK)
		return s;
	s = ledger_seek(l, TABLE_BASE, &key, &value);
	for (; s == STORE_OK; s = ledger_next(l, TABLE_BASE, &key, &value)) {
		if (!take_row(r, key, value))
			return STORE_DAMAGED;
		add_row(digest, key, value);
		n++;
	}
	if (s != STORE_NONE)
		return s;
	if (n != head->n_rows ||
	    memcmp(digest, head->digest, sizeof(digest)) != 0)
		return STORE_DAMAGED;
	r->debits = head->debits;
	r->credits = head->credits;
	memcpy(r->chain, head->chain, ENTRY_CHAIN);
	return STORE_OK;
}

enum store
base_chain(struct ledger *l, const struct meta_record *m,
	   uint8_t chain[ENTRY_CHAIN])
{
	struct base_record head;
	enum store s;

	memset(chain, 0, ENTRY_CHAIN);
	if (m->first_seq <= 1)
		return STORE_OK;
	s = load_head(l, m, &head);
	if (s == STORE_OK)
		memcpy(chain, head.chain, ENTRY_CHAIN);
	return s;
}

enum store
base_entry(struct ledger *l, uint64_t seq, struct entry *e)
{
	struct str value;
	enum store s = ledger_get(l, TABLE_ENTRY, seq, &value);

	if (s == STORE_NONE)
		s = ledger_get(l, TABLE_BASE, key_of(BASE_ENTRY, seq), &value);
	if (s == STORE_OK && value.n != sizeof(*e))
		return STORE_DAMAGED;
	if (s == STORE_OK)
		memcpy(e, value.p, sizeof(*e));
	return s;
}

enum store
base_balance(struct ledger *l, const struct meta_record *m, uint32_t counter,
	     int64_t *nano)
{
	struct balance_record b;
	struct str value;
	enum store s;

	*nano = 0;
	if (m->first_seq <= 1)
		return STORE_OK;
	s = ledger_get(l, TABLE_BASE,
		       key_of(BASE_BALANCE, balance_key(counter)), &value);
	if (s != STORE_OK)
		return s == STORE_NONE ? STORE_OK : s;
	if (value.n != sizeof(b))
		return STORE_DAMAGED;
	memcpy(&b, value.p, sizeof(b));
	*nano = b.balance;
	return STORE_OK;
}

/* ---- writing ---- */

struct rows {
	struct ledger *ledger;
	struct base_record *head;
	enum store s;
};

static void
put_row(struct rows *rows, uint64_t key, const void *p, size_t n)
{
	struct str value = str_make(p, n);

	if (rows->s != STORE_OK)
		return;
	add_row(rows->head->digest, key, value);
	rows->head->n_rows++;
	rows->s = ledger_put(rows->ledger, TABLE_BASE, key, value, PUT_ANY);
}

/* The entries of the base before; balances and slots are never fewer. */
static enum store
forget_entries(struct ledger *l)
{
	struct str value;
	enum store s;

	for (;;) {
		uint64_t key = key_of(BASE_ENTRY, 0);

		s = ledger_seek(l, TABLE_BASE, &key, &value);
		if (s != STORE_OK)
			return s == STORE_NONE ? STORE_OK : s;
		s = ledger_delete(l, TABLE_BASE, key);
		if (s != STORE_OK)
			return s;
	}
}

static int
by_number(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* What a slot posted last may still be reversed. The rows of the base before
 * are read before they go. */
static void
put_entries(struct rows *rows, const struct replay *r)
{
	struct entry *e = calloc(r->n_slots + 1ull, sizeof(*e));
	size_t n = 0;

	if (!e)
		rows->s = STORE_FAILED;
	for (uint32_t i = 0; i < REPLAY_SLOTS && rows->s == STORE_OK; i++)
		if (r->slotgen[i].phase == PHASE_POSTED)
			rows->s = base_entry(rows->ledger, r->slotgen[i].seq,
					     &e[n++]);
	if (rows->s == STORE_OK)
		rows->s = forget_entries(rows->ledger);
	if (rows->s == STORE_OK && n)
		qsort(e, n, sizeof(*e), by_number);
	for (size_t i = 0; i < n; i++)
		put_row(rows, key_of(BASE_ENTRY, e[i].seq), &e[i], sizeof(*e));
	free(e);
}

enum store
base_store(struct ledger *l, const struct replay *r, struct base_record *head)
{
	struct rows rows = {l, head, STORE_OK};

	head->n_rows = 0;
	memset(head->digest, 0, sizeof(head->digest));
	head->debits = r->debits;
	head->credits = r->credits;
	memcpy(head->chain, r->chain, ENTRY_CHAIN);
	for (uint32_t i = 0; i < SHM_COUNTERS; i++)
		if (r->balance[i].last_seq)
			put_row(&rows, key_of(BASE_BALANCE, balance_key(i)),
				&r->balance[i], sizeof(r->balance[i]));
	for (uint32_t i = 0; i < REPLAY_SLOTS; i++)
		if (r->slotgen[i].phase)
			put_row(&rows, key_of(BASE_SLOT, i), &r->slotgen[i],
				sizeof(r->slotgen[i]));
	put_entries(&rows, r);
	if (rows.s == STORE_OK)
		rows.s = record_put(l, TABLE_BASE, key_of(BASE_HEAD, 0), head,
				    sizeof(*head));
	return rows.s;
}
