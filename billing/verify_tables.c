/*
 * The offline check of the tables: they say what the entries add up to, and
 * every row of the books is whole.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/verify_base.h"
#include "shm/counters.h"

static bool
wrong_counter(struct verify *v, uint32_t counter, const char *what)
{
	if (counter < SHM_ACCOUNTS)
		buf_printf(v->out, "account %u: %s", counter, what);
	else if (counter < counter_of_cap(0))
		buf_printf(v->out, "budget of key %u: %s",
			   counter - SHM_ACCOUNTS, what);
	else
		buf_printf(v->out, "cap %u: %s", counter - counter_of_cap(0),
			   what);
	return false;
}

static bool
check_balances(struct verify *v)
{
	struct ledger *l = v->scan.ledger;
	static const struct balance_record none;
	struct str value;
	uint64_t key = 0;
	enum store s = ledger_seek(l, TABLE_BALANCE, &key, &value);

	for (; s == STORE_OK; s = ledger_next(l, TABLE_BALANCE, &key, &value)) {
		uint32_t counter = balance_counter(key);

		if (counter == SHM_NONE) {
			buf_printf(v->out, "balance %" PRIu64 ": no counter",
				   key);
			return false;
		}
		if (value.n != sizeof(none) ||
		    memcmp(value.p, &v->books.balance[counter], value.n) != 0)
			return wrong_counter(v, counter,
					     "the balance table differs from "
					     "the entries");
		v->sum += v->books.balance[counter].balance;
		/* What is left over below has no row. */
		v->books.balance[counter] = none;
	}
	if (s != STORE_NONE)
		return verify_wrong(v, 0, "the balance table cannot be read");
	for (uint32_t i = 0; i < v->meta.n_accounts; i++)
		if (v->books.balance[i].last_seq)
			return wrong_counter(v, i, "it has no balance");
	for (uint32_t i = 0; i < v->meta.n_keys; i++)
		if (v->books.balance[counter_of_key(i)].last_seq)
			return wrong_counter(v, counter_of_key(i),
					     "it has no balance");
	for (uint32_t i = 0; i < SHM_CAPS; i++)
		if (v->books.balance[counter_of_cap(i)].last_seq)
			return wrong_counter(v, counter_of_cap(i),
					     "it has no balance");
	return true;
}

static bool
check_slotgens(struct verify *v)
{
	struct ledger *l = v->scan.ledger;
	struct str value;
	uint64_t slot = 0;
	uint32_t n = 0;
	enum store s = ledger_seek(l, TABLE_SLOTGEN, &slot, &value);

	for (; s == STORE_OK;
	     s = ledger_next(l, TABLE_SLOTGEN, &slot, &value)) {
		if (slot >= REPLAY_SLOTS ||
		    value.n != sizeof(struct slotgen_record) ||
		    memcmp(value.p, &v->books.slotgen[slot], value.n) != 0)
			return verify_wrong_row(
				v, "slot", slot,
				"its generation differs from the "
				"entries");
		n++;
	}
	if (s != STORE_NONE)
		return verify_wrong_row(v, "slot", slot, "cannot be read");
	if (n != v->books.n_slots)
		return verify_wrong_row(v, "slots", v->books.n_slots,
					"a generation is missing");
	return true;
}

static bool
account_is_whole(struct str value)
{
	struct account_record a;

	return record_read(value, &a, sizeof(a));
}

static bool
key_is_whole(struct str value)
{
	struct key_record k;

	return key_read(value, &k);
}

/* Every row is whole, and they are as many as the totals say. */
static bool
check_rows(struct verify *v, enum ledger_table t, const char *name,
	   bool (*is_whole)(struct str value), uint32_t n)
{
	struct ledger *l = v->scan.ledger;
	struct str value;
	uint64_t id = 0, want = 0;
	enum store s = ledger_seek(l, t, &id, &value);
	bool fine = true;

	for (; fine && s == STORE_OK; s = ledger_next(l, t, &id, &value))
		fine = id == want++ && is_whole(value);
	if (fine && s == STORE_NONE && want == n)
		return true;
	return verify_wrong_row(v, name, fine ? want : want - 1,
				"the row is damaged or missing");
}

static bool
check_prices(struct verify *v)
{
	for (uint32_t i = 1; i <= v->meta.n_prices; i++) {
		struct book_row *rows = NULL;
		uint32_t n;
		enum store s = price_get(v->scan.ledger, i, &rows, &n);

		free(rows);
		if (s != STORE_OK)
			return verify_wrong_row(v, "price version", i,
						"damaged or missing");
	}
	return true;
}

static bool
check_names(struct verify *v)
{
	char text[NAME_TEXT];

	for (uint32_t i = 2; i < v->meta.n_names; i++)
		if (name_get(v->scan.ledger, i, text) != STORE_OK)
			return verify_wrong_row(v, "name", i,
						"damaged or missing");
	return true;
}

static bool
check_caps(struct verify *v)
{
	struct cap_record c;
	struct str value;
	uint64_t id = 0, want = 0;
	enum store s = ledger_seek(v->scan.ledger, TABLE_CAP, &id, &value);

	for (; s == STORE_OK;
	     s = ledger_next(v->scan.ledger, TABLE_CAP, &id, &value))
		if (id != want++ || !cap_read(value, &c))
			return verify_wrong_row(
				v, "cap", want - 1,
				"the row is damaged or missing");
	return s == STORE_NONE ||
	       verify_wrong_row(v, "cap", want, "cannot be read");
}

/* What of entries was given back. */
static bool
check_refunded(struct verify *v)
{
	struct refunded_record r;
	struct str value;
	uint64_t seq = 0;
	enum store s =
		ledger_seek(v->scan.ledger, TABLE_REFUNDED, &seq, &value);

	for (; s == STORE_OK;
	     s = ledger_next(v->scan.ledger, TABLE_REFUNDED, &seq, &value))
		if (!record_read(value, &r, sizeof(r)) ||
		    seq >= v->meta.next_seq)
			return verify_wrong_row(v, "refunded", seq,
						"the row is damaged");
	return s == STORE_NONE ||
	       verify_wrong_row(v, "refunded", seq, "cannot be read");
}

static bool
check_codes(struct verify *v)
{
	struct code_record c;
	struct str value;
	uint64_t key = 0;
	enum store s = ledger_seek(v->scan.ledger, TABLE_CODE, &key, &value);

	for (; s == STORE_OK;
	     s = ledger_next(v->scan.ledger, TABLE_CODE, &key, &value))
		if (!record_read(value, &c, sizeof(c)) ||
		    code_key(c.hash) != key || c.used > c.uses)
			return verify_wrong_row(v, "code", key,
						"the row is damaged");
	return s == STORE_NONE ||
	       verify_wrong_row(v, "code", key, "cannot be read");
}

static bool
check_code_uses(struct verify *v)
{
	struct code_use_record u;
	struct str value;
	uint64_t key = 0;
	enum store s =
		ledger_seek(v->scan.ledger, TABLE_CODE_USE, &key, &value);

	for (; s == STORE_OK;
	     s = ledger_next(v->scan.ledger, TABLE_CODE_USE, &key, &value))
		if (!record_read(value, &u, sizeof(u)) ||
		    u.account >= v->meta.n_accounts)
			return verify_wrong_row(v, "use of a code", key,
						"the row is damaged");
	return s == STORE_NONE ||
	       verify_wrong_row(v, "use of a code", key, "cannot be read");
}

static bool
check_idems(struct verify *v)
{
	uint8_t key[LEDGER_IDEM_KEY];
	struct idem_record r;
	struct str value;
	uint64_t n = 0;
	enum store s = ledger_idem_each(v->scan.ledger, true, key, &value);

	for (; s == STORE_OK;
	     s = ledger_idem_each(v->scan.ledger, false, key, &value), n++)
		if (!idem_read(key, value, &r) || r.seq >= v->meta.next_seq)
			return verify_wrong_row(v, "idempotency record", n,
						"is damaged");
	return s == STORE_NONE ||
	       verify_wrong_row(v, "idempotency record", n, "cannot be read");
}

static bool
check_totals(struct verify *v)
{
	struct str value;
	uint64_t seq = 0;
	enum store s = ledger_last(v->scan.ledger, TABLE_ENTRY, &seq, &value);

	if (s == STORE_NONE)
		seq = 0;
	/* All that is left may have been dropped, or is being. */
	seq = MAX_OF(seq, v->meta.first_seq - 1);
	if (seq + 1 != v->meta.next_seq)
		return verify_wrong_row(v, "entries", seq,
					"the totals name another last entry");
	if (memcmp(v->books.chain, v->meta.chain, ENTRY_CHAIN) != 0)
		return verify_wrong(v, seq,
				    "it is not the last one of the totals");
	if (v->books.debits != v->meta.debits ||
	    v->books.credits != v->meta.credits)
		return verify_wrong_row(v, "totals", 1,
					"differ from the entries");
	return true;
}

bool
verify_tables(struct verify *v)
{
	return check_totals(v) && check_balances(v) && check_slotgens(v) &&
	       check_rows(v, TABLE_ACCOUNT, "account", account_is_whole,
			  v->meta.n_accounts) &&
	       check_rows(v, TABLE_KEY, "key", key_is_whole, v->meta.n_keys) &&
	       check_prices(v) && check_names(v) && check_caps(v) &&
	       check_refunded(v) && check_codes(v) && check_code_uses(v) &&
	       check_idems(v) && verify_seals(v);
}
