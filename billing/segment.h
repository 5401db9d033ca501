#pragma once
/*
 * A month of entries as a file of its own: a head, what its entries refer to
 * by number (a JSON object a line), then the entries as they stand in the
 * ledger. A segment is checked without a ledger; one after the other they are
 * the whole history. Tools.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "billing/ledger.h"
#include "billing/records.h"
#include "billing/report.h"

#define SEGMENT_MAGIC "TGSEG\0\0\1"

struct segment_head {
	uint8_t magic[8];
	uint32_t month; /* year x 12 + month - 1 */
	uint32_t entry_size;
	uint8_t uuid[LEDGER_UUID];
	uint64_t first_seq, last_seq;
	uint64_t rows_size; /* bytes between head and entries */
	uint64_t made_ms;
	int64_t debits_before, credits_before; /* totals of the ledger */
	int64_t debits_after, credits_after;
	uint8_t chain_before[ENTRY_CHAIN];
	uint8_t chain_after[ENTRY_CHAIN];
	uint8_t rows_digest[SHA256_BYTES];
	uint8_t seal_root[SHA256_BYTES]; /* of its last day */
	uint8_t spare[60];
	uint32_t crc;
};
_Static_assert(sizeof(struct segment_head) == 256, "segment_head");

/* "2026-10", UTC; false: no month. */
NODISCARD bool segment_month_parse(struct str text, uint32_t *month);
#define MONTH_TEXT 16
void segment_month_text(uint32_t month, char out[MONTH_TEXT]);
/* The month of a wall clock. */
uint32_t segment_month(uint64_t wall_ms);

/* The entries of `month`: its sealed days. Fills in all of the head but what
 * concerns the rows. False: `why` says why there are none. */
NODISCARD bool segment_range(struct ledger *l, const struct meta_record *m,
			     uint32_t month, struct segment_head *head,
			     struct buf *why);

/* Writes the segment of the month that the filter names as its number of
 * milliseconds; a report like others, into job->fd. */
NODISCARD enum report_result segment_export(const struct report_job *job,
					    uint32_t month,
					    struct report_sum *sum,
					    struct buf *error);

struct segment {
	const struct segment_head *head;
	struct str rows;
	const struct entry *entries;
	size_t size; /* of the mapping */
};

/* Maps a file and checks its shape, not its entries. */
NODISCARD bool segment_open(struct segment *s, const char *path,
			    struct buf *why);
void segment_close(struct segment *s);
/* The entries: checksums, chain, numbers, sums. False: `why` names the first
 * one that is wrong. */
NODISCARD bool segment_check(const struct segment *s, struct buf *why);
/* Does `next` follow without a gap. */
NODISCARD bool segment_follows(const struct segment *before,
			       const struct segment *next, struct buf *why);
