#pragma once
/*
 * What entries refer to by number: accounts, keys, names, price rows. Looked
 * up in the current transaction of the ledger and remembered in small caches,
 * because neighbours in a report share them. Tools and admin process.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "billing/ledger.h"
#include "billing/records.h"

#define CATALOG_ROWS  1024u
#define CATALOG_BOOKS 8u

struct catalog_account {
	uint64_t id1; /* id + 1; 0 = empty */
	struct account_record row;
};

struct catalog_key {
	uint64_t id1;
	struct key_record row;
};

struct catalog_name {
	uint64_t id1;
	char text[NAME_TEXT];
};

struct catalog_book {
	uint32_t version;
	uint32_t n;
	struct book_row *rows;
};

struct catalog {
	struct ledger *ledger;
	struct catalog_account accounts[CATALOG_ROWS];
	struct catalog_key keys[CATALOG_ROWS];
	struct catalog_name names[CATALOG_ROWS];
	struct catalog_book books[CATALOG_BOOKS];
};

/* On the heap: it is large. NULL when out of memory. */
struct catalog *catalog_new(struct ledger *l);
void catalog_free(struct catalog *c);

/* NULL: there is none, or it is damaged. */
const struct account_record *catalog_account(struct catalog *c, uint32_t id);
const struct key_record *catalog_key(struct catalog *c, uint32_t id);
/* "" for 0 and for what is not known. */
const char *catalog_name(struct catalog *c, uint32_t id);
/* NULL: no such version or row. */
const struct book_row *catalog_price(struct catalog *c, uint32_t version,
				     uint32_t row);

/* By name or by number, in the current transaction; SHM_NONE: not found. */
uint32_t catalog_find_account(struct catalog *c, struct str text);
uint32_t catalog_find_key(struct catalog *c, struct str text);
/* The id of an interned text; NAME_NONE: not found. */
uint32_t catalog_find_name(struct catalog *c, struct str text);
