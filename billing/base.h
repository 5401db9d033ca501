#pragma once
/*
 * What stands for entries that were dropped: balances, slot generations and
 * totals as they were after the last of them, its chain, and the entries that
 * a reversal may still refer to. Everything that walks over the entries begins
 * there. Any process reads it; tools write it, without a server.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"
#include "billing/records.h"
#include "billing/replay.h"

/* Keys of TABLE_BASE: kind 8 | id 56. */
enum base_kind {
	BASE_HEAD,    /* 0 -> struct base_record */
	BASE_BALANCE, /* balance_key() -> struct balance_record */
	BASE_SLOT,    /* slot -> struct slotgen_record */
	BASE_ENTRY,   /* seq -> struct entry: the last posting of a slot */
};

struct base_record {
	uint64_t first_seq; /* the first entry that is kept */
	int64_t debits;	    /* totals before it */
	int64_t credits;
	uint64_t made_ms;
	uint64_t n_rows;
	uint32_t n_seals; /* that cover what was dropped */
	uint32_t spare;
	uint8_t chain[ENTRY_CHAIN];   /* of the last one dropped */
	uint8_t digest[SHA256_BYTES]; /* of the other rows, in their order */
	uint32_t spare1;
	uint32_t crc;
};
_Static_assert(sizeof(struct base_record) == 104, "base_record");

/* The state before entry m->first_seq, into `r` as made by replay_init():
 * zero if nothing was dropped. STORE_DAMAGED: it is not what was written. */
NODISCARD enum store base_load(struct ledger *l, const struct meta_record *m,
			       struct replay *r, struct base_record *head);
/* The chain before entry m->first_seq. */
NODISCARD enum store base_chain(struct ledger *l, const struct meta_record *m,
				uint8_t chain[ENTRY_CHAIN]);
/* An entry by its number, kept or dropped; STORE_NONE: not known any more. */
NODISCARD enum store base_entry(struct ledger *l, uint64_t seq,
				struct entry *e);
/* In a write transaction: `r` becomes the base. `head` has its numbers. */
NODISCARD enum store base_store(struct ledger *l, const struct replay *r,
				struct base_record *head);
/* What a counter had when the entries before m->first_seq were dropped; 0 if
 * nothing was. */
NODISCARD enum store base_balance(struct ledger *l, const struct meta_record *m,
				  uint32_t counter, int64_t *nano);
