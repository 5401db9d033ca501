#pragma once
/*
 * What a client's Idempotency-Key came to: written with the request's entry
 * in one transaction, so that there is one exactly if there is the other;
 * kept for a day. The key itself is not kept, nor anything of the body: only
 * hashes under the server's pepper.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"
#include "billing/usage.h"
#include "shm/slots.h"

struct post;

#define REPEAT_KEPT_MS (24ull * 3600 * 1000)

/* idem_record.kind of a client's; the orders' kinds are small numbers. */
#define REPEAT_KIND 0x10000u

enum repeat {
	REPEAT_NEW,	/* nothing is known, or an attempt that came to
			   nothing and cost nothing */
	REPEAT_OTHER,	/* the key was used for another request */
	REPEAT_SETTLED, /* delivered or charged: `seq` */
};

/* Writer, in the transaction of the entry: a request or its reversal. Takes
 * a few rows along whose day is over. Nothing for a note without a key. */
NODISCARD enum store repeat_post(struct post *p, const struct note *n,
				 const struct entry *e);
/* In an open transaction. */
NODISCARD enum store repeat_look(struct ledger *l, const uint64_t idem[2],
				 uint64_t body, uint64_t now_ms,
				 enum repeat *what, uint64_t *seq);
