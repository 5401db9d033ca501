#pragma once
/* From a page to the ledger writer, and its answer as the page's. */
#include "admin/process.h"
#include "billing/order.h"

/* Sends the order with the page's idempotency key; the page is answered when
 * the writer has committed it, or now if it cannot be sent. */
void ask_writer(struct page *p, struct order *order);
