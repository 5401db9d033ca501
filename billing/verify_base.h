#pragma once
/* What the parts of the offline check share. Inside billing/verify*.c and
 * rebuild.c only. */
#include "billing/base.h"
#include "billing/catalog.h"
#include "billing/replay.h"
#include "billing/scan.h"
#include "billing/segment.h"
#include "billing/verify.h"

__extension__ typedef __int128 wide;

/* Entries that are checked together. */
#define VERIFY_BATCH 64u

struct verify {
	struct scan scan;
	struct meta_record meta;
	struct catalog *catalog;
	struct replay books;
	struct base_record base;
	struct segment *segments; /* of what was dropped, if wanted */
	unsigned n_segments;
	/* What the seals must say, but for their time. */
	struct seal_record *seals;
	uint32_t n_seals, room_for_seals;
	uint32_t seals_before;	     /* of the base */
	struct meta_record unsealed; /* the totals as of the entry */
	uint64_t *ends; /* last entries of the seals there at the begin */
	uint32_t n_ends;
	wide sum;
	bool recompute;
	struct buf *out;
};

/* Print and return false. */
bool verify_wrong(struct verify *v, uint64_t seq, const char *what);
bool verify_wrong_row(struct verify *v, const char *table, uint64_t id,
		      const char *what);

/* The entry after those before; its bytes are what was sealed. */
NODISCARD bool verify_entry(struct verify *v, const struct entry *e);
/* In one transaction, at a moment where all entries were seen. */
NODISCARD bool verify_tables(struct verify *v);

/* Reads where days end, before the first entry. */
NODISCARD bool verify_seals_begin(struct verify *v);
/* Before the entry is followed: a day may end before it. */
NODISCARD bool verify_seals_entry(struct verify *v, const struct entry *e);
/* The table against what was seen. */
NODISCARD bool verify_seals(struct verify *v);

/* From the first entry on, through the segments in `dir`, up to the base. */
NODISCARD bool verify_segments(struct verify *v, const char *dir);
/* An entry that was followed. */
NODISCARD enum store verify_original(struct verify *v, uint64_t seq,
				     struct entry *e);
/* Entries `seq` and those behind it. */
NODISCARD bool verify_batch(struct verify *v, const struct entry *e, unsigned n,
			    uint64_t seq);

/* Begins at the base, or with `segments`, a folder, at the first entry. */
NODISCARD bool verify_open(struct verify *v, struct ledger *l,
			   const char *segments, struct buf *out);
void verify_close(struct verify *v);
/* All entries; the transaction that saw the last one stays open. */
NODISCARD enum verify_result verify_entries(struct verify *v);
