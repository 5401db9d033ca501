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

#define TASK_ENTRIES 4

struct task {
	struct orders *o;
	const struct order *in;
	struct order_answer *out;
	uint8_t idem_key[LEDGER_IDEM_KEY];
	uint8_t content[16];
	bool has_idem;
	struct entry entries[TASK_ENTRIES];
	const char *notes[TASK_ENTRIES]; /* the order's, if not set otherwise */
	unsigned n_entries;
	char text[64];	 /* room for such a note */
	bool keeps_mark; /* the account's record has the new allowance_mark */
};

/* One more entry that the order posts. */
struct entry *task_entry(struct task *t, enum entry_kind kind, uint32_t account,
			 enum entry_moves moves, int64_t charge);
/* Would no balance overflow by all of them. */
bool task_fits(const struct task *t);
/* Posts the entries, remembers the key, commits. */
NODISCARD enum store task_finish(struct task *t);
/* After task_finish(). */
void task_answer(struct task *t, enum store s);
/* Entries (or none) of an own slot that is claimed with their sum: both of
 * the above, then the slot moves the account's counter. False: not done. */
bool task_post_own(struct task *t, uint32_t account, uint32_t slot);
/* The same with a slot for `sum`, the first entry's counters get it or lose
 * it; nothing is taken that is not available. */
enum order_result task_give(struct task *t, uint32_t account, struct money sum);
enum order_result task_take(struct task *t, uint32_t account, struct money sum);

/* What is left of the allowance of the account's plan; plans.c. */
int64_t plan_allowance_left(const struct orders *o, uint32_t account,
			    const struct account_record *a);

/* The kinds. Anything but ORDER_DONE: refused, nothing was changed. */
enum order_result order_account_create(struct task *t);
enum order_result order_account_freeze(struct task *t);
enum order_result order_account_unfreeze(struct task *t);
enum order_result order_account_set(struct task *t);
enum order_result order_correct(struct task *t);
enum order_result order_credit(struct task *t);
enum order_result order_code_create(struct task *t);
enum order_result order_code_redeem(struct task *t);
enum order_result order_code_revoke(struct task *t);
enum order_result order_topup(struct task *t);
enum order_result order_refund(struct task *t);
enum order_result order_key_create(struct task *t);
enum order_result order_key_set(struct task *t);
enum order_result order_key_rotate(struct task *t);
enum order_result order_key_revoke(struct task *t);
