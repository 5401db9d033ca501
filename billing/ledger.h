#pragma once
/*
 * The door to LMDB: one environment in STATE_DIR/ledger, its tables, one
 * transaction at a time. Nobody else sees LMDB. The writer opens it for
 * writing after its fork (every transaction asserts the pid); admin process and
 * tools open it for reading and keep transactions short.
 *
 * Values read are valid until the transaction ends or, when writing, until
 * the next change. They are as aligned as their size allows: copy structs.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

#define LEDGER_DIR	"ledger"
#define LEDGER_NEW_DIR	"ledger.new"
#define LEDGER_IDEM_KEY 32
/* Disk space is allocated so far ahead of what is used. */
#define LEDGER_AHEAD (64ull << 20)

/* Foreign codes, mapped. */
enum store {
	STORE_OK,
	STORE_NONE,    /* no such row */
	STORE_EXISTS,  /* the row is there already */
	STORE_FULL,    /* no room on the disk or in the map: nothing changed */
	STORE_FAILED,  /* what is on the disk is not known: never go on */
	STORE_DAMAGED, /* not a ledger, or not an intact one */
};

enum ledger_table {
	TABLE_META,	/* 1 -> struct meta_record */
	TABLE_ENTRY,	/* seq -> struct entry */
	TABLE_BALANCE,	/* counter -> struct balance_record */
	TABLE_SLOTGEN,	/* slot -> struct slotgen_record */
	TABLE_ACCOUNT,	/* id -> struct account_record */
	TABLE_KEY,	/* id -> struct key_record */
	TABLE_PRICE,	/* version -> struct price_record and its rows */
	TABLE_NAME,	/* id -> crc and text */
	TABLE_CAP,	/* id -> struct cap_record */
	TABLE_SEAL,	/* number -> struct seal_record */
	TABLE_BASE,	/* billing/base.h */
	TABLE_REFUNDED, /* seq -> struct refunded_record */
	TABLE_CODE,	/* code_key() -> struct code_record */
	TABLE_CODE_USE, /* code and account -> struct code_use_record */
	TABLE_IDEM,	/* 32 bytes -> struct idem_record */
	TABLES
};

enum ledger_mode { LEDGER_READ, LEDGER_WRITE };
enum ledger_put { PUT_ANY, PUT_NEW, PUT_APPEND };

struct buf;
struct ledger;

/* There is a table of that name whose keys are numbers, or are not. */
bool ledger_has_table(struct str name, bool numbers);

/* Opens STATE_DIR/ledger. On an error *out is NULL and `why` says what went
 * wrong. map_size counts only when writing; 0 = as it was made. */
NODISCARD enum store ledger_open(struct ledger **out, const char *state_dir,
				 enum ledger_mode mode, uint64_t map_size,
				 struct buf *why);
void ledger_close(struct ledger *l);
/* Makes STATE_DIR/ledger when there is none: in a side directory, synced,
 * renamed, so that a power cut leaves a whole one or none. `meta` is its
 * first row. */
NODISCARD enum store ledger_create(const char *state_dir, uint64_t map_size,
				   struct str meta, struct buf *why);
/* A consistent copy of the whole file, without its free pages, while others
 * read and write. `fd` is an empty file. */
NODISCARD enum store ledger_copy(struct ledger *l, int fd);
/* What the last call that failed ran into; for people. */
const char *ledger_trouble(const struct ledger *l);

/* ---- transactions ---- */

/* A snapshot or, when opened for writing, a write transaction. */
NODISCARD enum store ledger_begin(struct ledger *l);
NODISCARD enum store ledger_commit(struct ledger *l);
/* The number of the open transaction; when writing, of what it will commit. */
uint64_t ledger_transaction(const struct ledger *l);
/* Ends it without effect; harmless when there is none. */
void ledger_end(struct ledger *l);

/* ---- rows ---- */

NODISCARD enum store ledger_get(struct ledger *l, enum ledger_table t,
				uint64_t key, struct str *value);
NODISCARD enum store ledger_put(struct ledger *l, enum ledger_table t,
				uint64_t key, struct str value,
				enum ledger_put how);
/* STORE_NONE: there is no such row. */
NODISCARD enum store ledger_delete(struct ledger *l, enum ledger_table t,
				   uint64_t key);
NODISCARD enum store ledger_idem_get(struct ledger *l,
				     const uint8_t key[LEDGER_IDEM_KEY],
				     struct str *value);
NODISCARD enum store ledger_idem_put(struct ledger *l,
				     const uint8_t key[LEDGER_IDEM_KEY],
				     struct str value);
/* The first row with a key >= *key; then the next one; STORE_NONE: no more.
 * Not for TABLE_IDEM. */
NODISCARD enum store ledger_seek(struct ledger *l, enum ledger_table t,
				 uint64_t *key, struct str *value);
NODISCARD enum store ledger_next(struct ledger *l, enum ledger_table t,
				 uint64_t *key, struct str *value);
NODISCARD enum store ledger_last(struct ledger *l, enum ledger_table t,
				 uint64_t *key, struct str *value);
/* The first row of TABLE_IDEM with a key >= `key`, which becomes the row's. */
NODISCARD enum store ledger_idem_seek(struct ledger *l,
				      uint8_t key[LEDGER_IDEM_KEY],
				      struct str *value);
/* Drops the row; STORE_NONE: there is none. */
NODISCARD enum store ledger_idem_drop(struct ledger *l,
				      const uint8_t key[LEDGER_IDEM_KEY]);
/* The first or next row of TABLE_IDEM. */
NODISCARD enum store ledger_idem_each(struct ledger *l, bool first,
				      uint8_t key[LEDGER_IDEM_KEY],
				      struct str *value);

/* ---- the file ---- */

struct ledger_room {
	uint64_t used;	    /* bytes up to the last page ever used */
	uint64_t allocated; /* of the file */
	uint64_t map;
};
struct ledger_room ledger_room(struct ledger *l);
/* Writer: makes sure that the disk has room for the next commits. STORE_FULL:
 * it has not; what is there may still last for some. */
NODISCARD enum store ledger_allocate(struct ledger *l);
/* Writer: frees the places of readers that died. */
void ledger_sweep_readers(struct ledger *l);
