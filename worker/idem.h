#pragma once
/*
 * Idempotency-Key of clients: a request that is repeated with the same key
 * runs once and is paid once. Before any money is held the request claims
 * the key's hash (shm/claims.h), then the ledger is asked what came of it
 * before, then it goes on. Requests without the header pay nothing for it.
 * Private to worker/.
 */
#include "http/msg.h"
#include "worker/request.h"

#define IDEM_KEY_MAX 255u

struct idem {
	struct str key;	  /* as the client wrote it */
	uint64_t hash[2]; /* of it, under the pepper */
	uint32_t slot;
	bool claimed; /* the slot is, and nothing is held yet */
	/* E_IDEM_SETTLED: what it came to before */
	struct str entry, txn, charge;
};

static inline bool
idem_is_claimed(const struct request *req)
{
	return req->idem && req->idem->claimed;
}

/* On the head. */
enum next idem_head(struct request *req, const struct http_head *head);
/* The hold took its slot over, or has lost it. */
void idem_held(struct request *req, bool taken);
/* Nothing was held: the slot and the claim are given back. */
void idem_release(struct request *req);
