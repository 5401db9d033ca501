#pragma once
/*
 * Something to do for a ledger writer: accounts with a parent, keys with
 * budgets, a price book, top-ups, requests that are extended, streamed, sent,
 * not sent. The worker is this process, the writer a child. What the outside
 * was told stands in the log of the disk as marks.
 */
#include "tests/faults/disk.h"
#include "tests/unit/billing/fixture.h"

enum workload_mark {
	MARK_PREPARED, /* the ledger is there */
	MARK_ACCOUNTS, /* so many were acknowledged */
	MARK_KEYS,
	MARK_SEQ,     /* an order's entry was acknowledged */
	MARK_SETTLED, /* a request by its number: it is over */
	MARK_SEEN,    /* its client has seen the end of the answer */
};

#define WORK_ACCOUNTS 4u
#define WORK_KEYS     3u

struct workload {
	struct fixture f;
	uint64_t dice;
	uint64_t n_requests; /* numbers are 1, 2, ... */
	uint64_t n_orders;
	struct slot_owner *worker;
	uint32_t row;
	uint32_t failed; /* something was not as it should be */
};

/* Before writer_prepare(): names, segment, modes. The state_dir will be
 * ROOT/state. */
void workload_open(struct workload *w, const char *root,
		   enum conf_durability durability);
/* Orders and requests, about `requests` of them; the writer runs. Ends with
 * everything committed. */
void workload_run(struct workload *w, uint64_t requests);
void workload_close(struct workload *w);
