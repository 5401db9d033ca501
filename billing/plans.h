#pragma once
/*
 * Subscription plans: at the begin of each calendar month an account's plan
 * takes its fee, takes back what was not used of the last allowance and gives
 * the new one, all in one transaction that records the month. A prepaid
 * account that cannot pay gets no allowance until money comes in. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/orders.h"

struct plans {
	struct orders *orders;
	uint32_t next_account; /* of the look at all; n_accounts: it is over */
	uint64_t again_ns;     /* when there is another */
};

/* Begins plans that are due, some at a time. False: the store failed, see
 * post->trouble. */
NODISCARD bool plans_step(struct plans *p, uint64_t now_ns);
/* The same for one account, at once: a plan was set, or money came in. */
NODISCARD bool plans_begin(struct orders *o, uint32_t account);
