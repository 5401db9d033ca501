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
/* One that a provider may bill: a request that reached one, or an attempt. */
bool report_is_leg(const struct entry *e);
/* a + b, as far as it fits: sums of foreign numbers. */
int64_t report_plus(int64_t a, int64_t b);
/* Account, key and channel of the filter. */
bool report_wants(const struct report *r, const struct entry *e);
bool report_in_period(const struct report *r, uint64_t ms);
/* Writes if there is enough; STORE_FAILED: it could not. */
NODISCARD enum store report_flush(struct report *r, size_t keep);
/* To the sums; what the operator owes is counted once. */
void report_add(struct report *r, const struct entry *e, int64_t charge);
