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

struct bill;
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
	bool hourly;	   /* FOCUS: rows by the hour, not by the day */
	uint64_t now_ms;   /* a month that ends later is open */
	struct str issuer; /* of invoices */
	struct str zone;   /* the process's, for people */
	bool html;	   /* the invoice; else JSON */
	/* What the provider says; NULL = nothing. */
	const struct bill *bill;
	/* A cost may differ from the bill's by so much. */
	int64_t tolerance_nano;
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
	uint64_t differences; /* between us and a bill */
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
/* One row a day, channel and model, by the start of the requests; with
 * job.bill also what the provider says of it. */
NODISCARD enum report_result report_channels(const struct report_job *job,
					     struct report_sum *sum,
					     struct buf *error);
/* The rows on which job.bill and we differ: by upstream request id or, where
 * the bill has none, by day and model. JSON ends with a summary; for CSV it
 * is in `error` of a report that is done. */
NODISCARD enum report_result report_reconcile(const struct report_job *job,
					      struct report_sum *sum,
					      struct buf *error);
/* The rows of FOCUS 1.2. */
NODISCARD enum report_result report_focus(const struct report_job *job,
					  struct report_sum *sum,
					  struct buf *error);
/* The invoice of the account of the filter for its period, both of which are
 * there. */
NODISCARD enum report_result report_invoice(const struct report_job *job,
					    struct report_sum *sum,
					    struct buf *error);
/* A journal of hledger. */
NODISCARD enum report_result report_journal(const struct report_job *job,
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
