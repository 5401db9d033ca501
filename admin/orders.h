#pragma once
/*
 * Orders to the ledger writer. Each gets an answer, once: from the writer
 * after its commit, or after a time without one. What is unanswered when the
 * writer is replaced is sent again; every order carries an idempotency key,
 * so nothing is done twice.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "billing/order.h"
#include "shm/region.h"

struct admin_orders;

/* `answer` NULL: none came in time; it may have been done. */
typedef void order_fn(void *user, const struct order *order,
		      const struct order_answer *answer);

/* `fd`: our end of the pair. NULL when out of memory. */
struct admin_orders *orders_new(const struct region *r, int fd);
void orders_free(struct admin_orders *o);
/* E_OVERLOAD: too many are unanswered. Fills id, and idem if it is empty. */
NODISCARD enum err orders_send(struct admin_orders *o, struct order *order,
			       order_fn *done, void *user);
/* The descriptor is readable. */
void orders_read(struct admin_orders *o);
/* A few times a second. */
void orders_tick(struct admin_orders *o, uint64_t now_ns);
unsigned orders_waiting(const struct admin_orders *o);
