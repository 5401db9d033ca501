#pragma once
/*
 * The inside of orders: one on its way through its transaction. orders.c has
 * opened it and looked up the idempotency key; a kind checks what it is asked,
 * changes rows, and ends with task_finish() and task_answer(), or refuses and
 * leaves the transaction to orders.c. Writer only.
 */
#include "base/attrs.h"
#include "billing/order.h"
#include "billing/orders.h"
#include "billing/usage.h"

struct task {
	struct orders *o;
	const struct order *in;
	struct order_answer *out;
	uint8_t idem_key[LEDGER_IDEM_KEY];
	uint8_t content[16];
	bool has_idem;
	struct entry entry; /* kind 0: none */
};

/* The entry that the order posts. */
void task_entry(struct task *t, enum entry_kind kind, uint32_t account,
		enum entry_moves moves, int64_t charge);
/* Posts the entry if there is one, remembers the key, commits. */
NODISCARD enum store task_finish(struct task *t);
/* After task_finish(). */
void task_answer(struct task *t, enum store s, enum order_result done);
/* The entry of an own slot that is claimed: both of the above, then the slot
 * moves the account's counter. */
void task_post_own(struct task *t, uint32_t account, uint32_t slot);
/* One more entry in the metrics: ENTRY_TOPUP, ... */
void task_count(struct task *t, uint32_t label);

/* The kinds. Anything but ORDER_DONE: refused, nothing was changed. */
enum order_result order_account_create(struct task *t);
enum order_result order_account_freeze(struct task *t);
enum order_result order_account_unfreeze(struct task *t);
enum order_result order_topup(struct task *t);
enum order_result order_refund(struct task *t);
enum order_result order_key_create(struct task *t);
enum order_result order_key_revoke(struct task *t);
