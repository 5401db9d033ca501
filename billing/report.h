#pragma once
/*
 * Reports over the entries: the same ledger and the same filter give the
 * same bytes. Times are UTC, money is exact USD. Tools and admin process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "billing/ledger.h"
#include "billing/records.h"
#include "billing/sheet.h"

struct buf;

/* What is wanted; zeroed = everything. */
struct report_filter {
	uint64_t from_ms;   /* first millisecond */
	uint64_t to_ms;	    /* first one that is not wanted; 0 = no end */
	struct str account; /* name or number; "" = all */
	struct str key;	    /* name, prefix or number; "" = all */
	struct str channel; /* name; "" = all */
};

struct report_job {
	struct ledger *ledger;
	struct report_filter filter;
	enum sheet_format format;
	bool raw; /* no guard against formulas */
	int fd;
	/* The running server's memory, read-only, if there is one: what is
	 * held now is not in the ledger. */
	const struct region *live;
};

/* What a finished report holds: for its .meta.json. */
struct report_sum {
	uint64_t rows;
	uint64_t first_seq, last_seq; /* of the ledger */
	uint8_t uuid[LEDGER_UUID];
	int64_t charge_nano;
	int64_t upstream_nano;
	uint64_t input_tokens; /* all classes of input */
	uint64_t output_tokens;
};

enum report_result {
	REPORT_DONE,
	REPORT_NO_SUCH,	 /* account or key: `error` says which */
	REPORT_DAMAGED,	 /* the ledger cannot be read */
	REPORT_NO_WRITE, /* or no memory */
};

/* One row a request, by start time, then request id. A request that was
 * reversed has the charge 0. */
NODISCARD enum report_result report_requests(const struct report_job *job,
					     struct report_sum *sum,
					     struct buf *error);
/* One row an account; the period is by commit time. */
NODISCARD enum report_result report_accounts(const struct report_job *job,
					     struct report_sum *sum,
					     struct buf *error);
/* One JSON object an entry, by number. */
NODISCARD enum report_result report_dump(const struct report_job *job,
					 struct report_sum *sum,
					 struct buf *error);
/* One row a sealed day; the period is by that day. */
NODISCARD enum report_result report_seals(const struct report_job *job,
					  struct report_sum *sum,
					  struct buf *error);
