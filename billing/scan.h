#pragma once
/*
 * Walking over the entries in short read transactions, so that a report that
 * takes minutes does not keep the writer from reusing pages. Between two
 * entries a transaction may have been renewed: keep copies, not pointers.
 * Tools and admin process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"
#include "billing/records.h"
#include "billing/usage.h"

/* Entries of one transaction. */
#define SCAN_PART 50000u

struct scan {
	struct ledger *ledger;
	uint64_t next; /* seq to come */
	uint64_t end;  /* first seq that is not wanted */
	uint32_t left; /* in this transaction */
	bool open;
	bool astray; /* the cursor is not at next - 1 */
};

/* The totals as they are now; ends before entries that come later. */
NODISCARD enum store scan_begin(struct scan *s, struct ledger *l,
				struct meta_record *meta);
/* STORE_NONE: the end. STORE_DAMAGED: an entry is missing (s->next) or has
 * another size. The transaction stays open for look-ups. */
NODISCARD enum store scan_next(struct scan *s, struct entry *e);
/* One entry by its number. */
NODISCARD enum store scan_get(struct scan *s, uint64_t seq, struct entry *e);
/* Goes on there. */
void scan_move(struct scan *s, uint64_t seq);
void scan_end(struct scan *s);
