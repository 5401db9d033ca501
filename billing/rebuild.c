/*
 * Rebuilding. The entries are checked as verify does; what the tables should
 * say is compared with what they say, and the rows that differ are written in
 * one transaction.
 */
#include "billing/rebuild.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/verify_base.h"
#include "shm/counters.h"

/* A row to write, or to remove. */
struct fix {
	enum ledger_table table;
	uint64_t key;
	const void *value; /* NULL: remove */
	size_t size;
};

struct rebuild {
	struct verify v;
	struct buf *out;
	struct fix *fixes;
	size_t n, room;
	struct meta_record meta;
	bool failed; /* out of memory */
};

/* ---- what differs ---- */

static void
fix(struct rebuild *b, struct fix f)
{
	if (b->n == b->room) {
		size_t room = b->room ? b->room * 2 : 64;
		void *p = realloc(b->fixes, room * sizeof(*b->fixes));

		b->failed = b->failed || !p;
		if (!p)
			return;
		b->fixes = p;
		b->room = room;
	}
	b->fixes[b->n++] = f;
}

static void
say_counter(struct rebuild *b, uint32_t counter)
{
	if (counter < SHM_ACCOUNTS)
		buf_printf(b->out, "account %u", counter);
	else if (counter < counter_of_cap(0))
		buf_printf(b->out, "budget of key %u", counter - SHM_ACCOUNTS);
	else
		buf_printf(b->out, "cap %u", counter - counter_of_cap(0));
}

static void
say_balance(struct rebuild *b, const struct balance_record *r)
{
	char text[MONEY_TEXT];

	if (!r) {
		buf_add_cstr(b->out, "none");
		return;
	}
	buf_add(b->out, text, money_text(money_nano(r->balance), text));
	buf_printf(b->out, " after entry %" PRIu64, r->last_seq);
	if (r->window)
		buf_printf(b->out, " in window %u", r->window);
}

static void
balance_differs(struct rebuild *b, uint32_t counter,
		const struct balance_record *was)
{
	const struct balance_record *is = &b->v.books.balance[counter];

	say_counter(b, counter);
	buf_add_cstr(b->out, ": ");
	say_balance(b, was);
	buf_add_cstr(b->out, " becomes ");
	say_balance(b, is->last_seq ? is : NULL);
	buf_add_char(b->out, '\n');
	fix(b, (struct fix){TABLE_BALANCE, balance_key(counter),
			    is->last_seq ? is : NULL, sizeof(*is)});
}

static void
balance_row(struct rebuild *b, uint64_t key, struct str value, uint8_t *seen)
{
	uint32_t counter = balance_counter(key);
	struct balance_record was;

	if (counter == SHM_NONE) {
		buf_printf(b->out, "balance %" PRIu64 ": is removed\n", key);
		fix(b, (struct fix){.table = TABLE_BALANCE, .key = key});
		return;
	}
	seen[counter / 8] |= (uint8_t)(1u << counter % 8);
	if (value.n != sizeof(was)) {
		balance_differs(b, counter, NULL);
		return;
	}
	memcpy(&was, value.p, sizeof(was));
	if (memcmp(&was, &b->v.books.balance[counter], sizeof(was)) != 0)
		balance_differs(b, counter, &was);
}

static enum store
compare_balances(struct rebuild *b)
{
	struct ledger *l = b->v.scan.ledger;
	uint8_t *seen = calloc(SHM_COUNTERS / 8 + 1, 1);
	uint64_t key = 0;
	struct str value;
	enum store s = STORE_FAILED;

	if (seen)
		s = ledger_seek(l, TABLE_BALANCE, &key, &value);
	for (; s == STORE_OK; s = ledger_next(l, TABLE_BALANCE, &key, &value))
		balance_row(b, key, value, seen);
	for (uint32_t i = 0; i < SHM_COUNTERS && s == STORE_NONE; i++)
		if (b->v.books.balance[i].last_seq &&
		    !(seen[i / 8] >> i % 8 & 1))
			balance_differs(b, i, NULL);
	free(seen);
	return s;
}

static void
slot_differs(struct rebuild *b, uint32_t slot, const char *what)
{
	const struct slotgen_record *is = &b->v.books.slotgen[slot];

	buf_printf(b->out, "slot %u: its generation %s\n", slot, what);
	fix(b, (struct fix){TABLE_SLOTGEN, slot, is->phase ? is : NULL,
			    sizeof(*is)});
}

static enum store
compare_slotgens(struct rebuild *b)
{
	const struct slotgen_record *of = b->v.books.slotgen;
	struct ledger *l = b->v.scan.ledger;
	uint64_t key = 0;
	uint32_t next = 0; /* first slot not looked at */
	struct str value;
	enum store s = ledger_seek(l, TABLE_SLOTGEN, &key, &value);

	for (; s == STORE_OK; s = ledger_next(l, TABLE_SLOTGEN, &key, &value)) {
		if (key >= REPLAY_SLOTS) {
			fix(b, (struct fix){TABLE_SLOTGEN, key, NULL, 0});
			continue;
		}
		for (; next < key; next++)
			if (of[next].phase)
				slot_differs(b, next, "is missing");
		if (value.n != sizeof(*of) ||
		    memcmp(value.p, &of[key], sizeof(*of)) != 0)
			slot_differs(b, (uint32_t)key, "differs");
		next = (uint32_t)key + 1;
	}
	for (; next < REPLAY_SLOTS && s == STORE_NONE; next++)
		if (of[next].phase)
			slot_differs(b, next, "is missing");
	return s;
}

static void
say_total(struct rebuild *b, const char *name, int64_t was, int64_t is)
{
	char text[MONEY_TEXT];

	if (was == is)
		return;
	buf_printf(b->out, "%s: ", name);
	buf_add(b->out, text, money_text(money_nano(was), text));
	buf_add_cstr(b->out, " becomes ");
	buf_add(b->out, text, money_text(money_nano(is), text));
	buf_add_char(b->out, '\n');
}

static void
compare_totals(struct rebuild *b)
{
	struct meta_record *m = &b->meta;

	*m = b->v.meta;
	say_total(b, "total debits", m->debits, b->v.books.debits);
	say_total(b, "total credits", m->credits, b->v.books.credits);
	m->debits = b->v.books.debits;
	m->credits = b->v.books.credits;
}

static enum verify_result
compare(struct rebuild *b)
{
	enum verify_result r = verify_entries(&b->v);
	enum store s;

	if (r != VERIFY_BALANCED)
		return r;
	compare_totals(b);
	s = compare_balances(b);
	if (s == STORE_NONE)
		s = compare_slotgens(b);
	if (s == STORE_NONE && !b->failed)
		return VERIFY_BALANCED;
	buf_add_cstr(b->out, b->failed ? "out of memory"
				       : ledger_trouble(b->v.scan.ledger));
	return VERIFY_DAMAGED;
}

/* ---- writing ---- */

static enum store
apply(struct rebuild *b, struct ledger *l)
{
	enum store s = ledger_begin(l);

	for (size_t i = 0; i < b->n && s == STORE_OK; i++) {
		const struct fix *f = &b->fixes[i];

		if (f->value)
			s = ledger_put(l, f->table, f->key,
				       str_make(f->value, f->size), PUT_ANY);
		else
			s = ledger_delete(l, f->table, f->key);
	}
	b->meta.transaction = ledger_transaction(l);
	if (s == STORE_OK)
		s = record_put(l, TABLE_META, 1, &b->meta, sizeof(b->meta));
	if (s == STORE_OK)
		return ledger_commit(l);
	ledger_end(l);
	return s;
}

static enum verify_result
write_fixes(struct rebuild *b, const char *state_dir)
{
	struct ledger *l = NULL;
	enum store s = ledger_open(&l, state_dir, LEDGER_WRITE, 0, b->out);

	if (s == STORE_OK) {
		s = apply(b, l);
		if (s != STORE_OK)
			buf_printf(b->out, "the ledger takes no rows: %s",
				   ledger_trouble(l));
	}
	ledger_close(l);
	return s == STORE_OK ? VERIFY_BALANCED : VERIFY_DAMAGED;
}

static enum verify_result
read_and_compare(struct rebuild *b, const char *state_dir)
{
	enum verify_result r = VERIFY_DAMAGED;
	struct ledger *l = NULL;

	if (ledger_open(&l, state_dir, LEDGER_READ, 0, b->out) != STORE_OK)
		return r;
	if (verify_open(&b->v, l, NULL, b->out))
		r = compare(b);
	scan_end(&b->v.scan);
	ledger_close(l);
	return r;
}

static enum verify_result
verify_again(const char *state_dir, struct buf *out)
{
	enum verify_result r = VERIFY_DAMAGED;
	struct ledger *l = NULL;

	if (ledger_open(&l, state_dir, LEDGER_READ, 0, out) == STORE_OK)
		r = verify_ledger(l, false, out);
	ledger_close(l);
	return r;
}

enum verify_result
rebuild_ledger(const char *state_dir, struct buf *out)
{
	struct rebuild b = {.out = out};
	enum verify_result r = read_and_compare(&b, state_dir);

	if (r == VERIFY_BALANCED && (b.n || b.meta.debits != b.v.meta.debits ||
				     b.meta.credits != b.v.meta.credits))
		r = write_fixes(&b, state_dir);
	verify_close(&b.v);
	free(b.fixes);
	if (r == VERIFY_BALANCED)
		r = verify_again(state_dir, out);
	return r;
}
