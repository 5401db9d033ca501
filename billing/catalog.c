/* Rows that entries refer to, with direct-mapped caches. */
#include "billing/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "billing/names.h"

struct catalog *
catalog_new(struct ledger *l)
{
	struct catalog *c = calloc(1, sizeof(*c));

	if (c)
		c->ledger = l;
	return c;
}

void
catalog_free(struct catalog *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CATALOG_BOOKS; i++)
		free(c->books[i].rows);
	free(c);
}

const struct account_record *
catalog_account(struct catalog *c, uint32_t id)
{
	struct catalog_account *a = &c->accounts[id % CATALOG_ROWS];

	if (a->id1 == (uint64_t)id + 1)
		return &a->row;
	a->id1 = 0;
	if (record_get(c->ledger, TABLE_ACCOUNT, id, &a->row, sizeof(a->row)) !=
	    STORE_OK)
		return NULL;
	a->row.name[sizeof(a->row.name) - 1] = '\0';
	a->id1 = (uint64_t)id + 1;
	return &a->row;
}

const struct key_record *
catalog_key(struct catalog *c, uint32_t id)
{
	struct catalog_key *k = &c->keys[id % CATALOG_ROWS];

	if (k->id1 == (uint64_t)id + 1)
		return &k->row;
	k->id1 = 0;
	if (key_get(c->ledger, id, &k->row) != STORE_OK)
		return NULL;
	k->row.name[sizeof(k->row.name) - 1] = '\0';
	k->row.prefix[sizeof(k->row.prefix) - 1] = '\0';
	k->id1 = (uint64_t)id + 1;
	return &k->row;
}

const char *
catalog_name(struct catalog *c, uint32_t id)
{
	struct catalog_name *n = &c->names[id % CATALOG_ROWS];

	if (id == NAME_NONE)
		return "";
	if (id == NAME_OTHER)
		return "(other)";
	if (n->id1 == (uint64_t)id + 1)
		return n->text;
	n->id1 = 0;
	if (name_get(c->ledger, id, n->text) != STORE_OK)
		return "";
	n->id1 = (uint64_t)id + 1;
	return n->text;
}

const struct book_row *
catalog_price(struct catalog *c, uint32_t version, uint32_t row)
{
	struct catalog_book *b = &c->books[version % CATALOG_BOOKS];

	if (version == 0)
		return NULL;
	if (b->version != version) {
		free(b->rows);
		*b = (struct catalog_book){0};
		if (price_get(c->ledger, version, &b->rows, &b->n) != STORE_OK)
			return NULL;
		b->version = version;
	}
	return row < b->n ? &b->rows[row] : NULL;
}

static bool
number(struct str text, uint64_t limit, uint32_t *out)
{
	uint64_t v;

	if (!str_to_u64(text, &v) || v >= limit)
		return false;
	*out = (uint32_t)v;
	return true;
}

uint32_t
catalog_find_account(struct catalog *c, struct str text)
{
	struct account_record a;
	struct str value;
	uint64_t id = 0;
	uint32_t found;
	enum store s = ledger_seek(c->ledger, TABLE_ACCOUNT, &id, &value);

	for (; s == STORE_OK;
	     s = ledger_next(c->ledger, TABLE_ACCOUNT, &id, &value)) {
		if (!record_read(value, &a, sizeof(a)))
			continue;
		a.name[sizeof(a.name) - 1] = '\0';
		if (str_eq(str_of(a.name), text))
			return (uint32_t)id;
	}
	if (!number(text, SHM_ACCOUNTS, &found) || !catalog_account(c, found))
		return SHM_NONE;
	return found;
}

uint32_t
catalog_find_key(struct catalog *c, struct str text)
{
	struct key_record k;
	struct str value;
	uint64_t id = 0;
	uint32_t found;
	enum store s = ledger_seek(c->ledger, TABLE_KEY, &id, &value);

	for (; s == STORE_OK;
	     s = ledger_next(c->ledger, TABLE_KEY, &id, &value)) {
		if (!key_read(value, &k))
			continue;
		k.name[sizeof(k.name) - 1] = '\0';
		k.prefix[sizeof(k.prefix) - 1] = '\0';
		if (str_eq(str_of(k.name), text) ||
		    str_eq(str_of(k.prefix), text))
			return (uint32_t)id;
	}
	if (!number(text, SHM_KEYS, &found) || !catalog_key(c, found))
		return SHM_NONE;
	return found;
}

uint32_t
catalog_find_name(struct catalog *c, struct str text)
{
	char name[NAME_TEXT];
	struct str value;
	uint64_t id = 0;
	enum store s = ledger_seek(c->ledger, TABLE_NAME, &id, &value);

	for (; s == STORE_OK;
	     s = ledger_next(c->ledger, TABLE_NAME, &id, &value))
		if (name_get(c->ledger, id, name) == STORE_OK &&
		    str_eq(str_of(name), text))
			return (uint32_t)id;
	return NAME_NONE;
}
