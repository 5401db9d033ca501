#pragma once
/*
 * Posting: the writer's image of the ledger in memory (balances, slot
 * generations, names, totals) and the transaction that moves both. Entries
 * are numbered, chained and appended at once; balances, generations and
 * totals are written once per transaction, sorted. If anything fails the
 * image goes back to what the last commit left. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"
#include "billing/names.h"
#include "billing/records.h"
#include "billing/usage.h"

/* The most entries of one transaction. */
#define POST_GROUP 1024u

struct buf;
struct post_undo;

struct post {
	struct ledger *ledger;
	struct meta_record meta; /* read only to others */
	struct meta_record saved;
	struct names names;
	struct balance_record *balance; /* by counter */
	struct slotgen_record *slotgen; /* by slot */
	uint32_t n_slots;
	uint32_t *round_of;	 /* by counter: round of its last change */
	uint32_t *slot_round_of; /* by slot */
	uint32_t round;
	uint32_t saved_names;
	struct post_undo *undo;
	bool open;
	uint64_t now_ms;		  /* wall clock of the transaction */
	uint8_t idem_at[LEDGER_IDEM_KEY]; /* repeat.c: where it sweeps */
	/* What the last transaction ended with: the writer goes on only after
	 * STORE_OK. */
	enum store trouble;
};

/* Reads the image; `why` says what is wrong with the store. */
NODISCARD enum store post_load(struct post *p, struct ledger *l,
			       uint32_t n_slots, struct buf *why);
void post_free(struct post *p);

NODISCARD enum store post_begin(struct post *p);
/* Would no balance overflow. */
bool post_fits(const struct post *p, const struct entry *e);
/* Number, time, balance, chain, crc of `e` are filled in, its counters move.
 * It must fit. The first one of a day seals the days before. */
NODISCARD enum store post_entry(struct post *p, struct entry *e);
/* The settlement of a request or its reversal was posted: its slot is done up
 * to there, and remembers the budget's window and what was given back. */
void post_settled(struct post *p, const struct entry *e);
/* Slot and generation of the transaction id are done up to `phase`. */
void post_slot(struct post *p, uint32_t slot, uint32_t gen,
	       enum slot_phase phase, uint64_t seq);
/* The id of a text, made if need be. */
NODISCARD enum store post_name(struct post *p, struct str text, uint32_t *id);
/* Seals a day that is over, if there is one, in a transaction of its own. */
NODISCARD enum store post_seal(struct post *p);
/* Writes what has changed and commits. On any error: as post_abort(). */
NODISCARD enum store post_commit(struct post *p);
/* Because of `why`; STORE_OK when nothing is wrong with the store. */
void post_abort(struct post *p, enum store why);

/* How far the settlement of (slot, gen) of this boot epoch is; with *seq. */
enum slot_phase post_phase(const struct post *p, uint32_t slot, uint32_t gen,
			   uint64_t *seq);
int64_t post_balance(const struct post *p, uint32_t counter);
/* The window that a budget or a cap is in. */
uint32_t post_window(const struct post *p, uint32_t counter);
