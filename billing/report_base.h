#pragma once
/* What the reports share: the ledger, the resolved filter, the sums. Inside
 * billing/report*.c only. */
#include "billing/catalog.h"
#include "billing/report.h"
#include "billing/scan.h"

/* A flush at this size. */
#define REPORT_CHUNK (256u << 10)

struct report {
	const struct report_job *job;
	struct scan scan;
	struct meta_record meta;
	struct catalog *catalog;
	struct sheet sheet;
	struct report_sum *sum;
	struct buf *error;
	uint32_t account; /* SHM_NONE = all */
	uint32_t key;	  /* SHM_NONE = all */
	uint32_t channel; /* name id; NAME_NONE = all */
};

NODISCARD enum report_result report_open(struct report *r,
					 const struct report_job *job,
					 struct report_sum *sum,
					 struct buf *error);
void report_close(struct report *r);
/* Flushes and closes the books on `s`. */
NODISCARD enum report_result report_finish(struct report *r, enum store s);
/* The model that a provider was asked for: the one that answered, else the one
 * the customer asked for. Valid until the next look-up. */
struct str report_model(struct report *r, const struct entry *e);
/* The prices that counted for the request: of its row, or of a tier. */
struct book_tier report_tier(const struct book_row *row, const struct entry *e);
/* One that a provider may bill: a request that reached one, or an attempt. */
bool report_is_leg(const struct entry *e);
/* The number of an account's invoice of the month of the zone: this ledger's,
 * and for ever the same. */
#define REPORT_INVOICE_TEXT 48
void report_invoice_number(const struct report *r, uint32_t account,
			   uint64_t ms, char out[REPORT_INVOICE_TEXT]);
/* The balance of the table, which speaks for the end of the ledger only: not
 * with a `to`, nor when it has moved on since we began to read. */
bool report_balance(struct report *r, uint32_t account, int64_t *out);
/* An entry that another one refers to, kept or dropped. */
NODISCARD enum store report_entry(struct report *r, uint64_t seq,
				  struct entry *e);
/* a + b, as far as it fits: sums of foreign numbers. */
int64_t report_plus(int64_t a, int64_t b);
/* Account, key and channel of the filter. */
bool report_wants(const struct report *r, const struct entry *e);
bool report_in_period(const struct report *r, uint64_t ms);
/* Writes if there is enough; STORE_FAILED: it could not. */
NODISCARD enum store report_flush(struct report *r, size_t keep);
/* To the sums; what the operator owes is counted once. */
void report_add(struct report *r, const struct entry *e, int64_t charge);
