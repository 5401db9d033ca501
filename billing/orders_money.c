/* Orders that move money: in and out. */
#include "billing/order_task.h"
#include "shm/counters.h"
#include "shm/metrics.h"
#include "shm/slots.h"

enum order_result
order_topup(struct task *t)
{
	uint32_t id = books_account_find(t->o->books, str_of(t->in->name));
	int64_t amount = t->in->amount.nano;
	uint32_t counter = counter_of_account(id), slot;

	if (id == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (amount <= 0)
		return ORDER_INVALID;
	task_entry(t, KIND_TOPUP, id, MOVES_ACCOUNT, -amount);
	if (!task_fits(t))
		return ORDER_INVALID;
	slot = own_claim(t->o->r, SLOT_TOPUP, t->entries[0].ref, &counter, 1,
			 t->in->amount);
	if (slot == SHM_NONE)
		return ORDER_NO_LEDGER;
	(void)task_post_own(t, id, slot);
	return ORDER_DONE;
}

enum order_result
order_refund(struct task *t)
{
	uint32_t id = books_account_find(t->o->books, str_of(t->in->name));
	int64_t amount = t->in->amount.nano;
	uint32_t counter = counter_of_account(id), slot;
	bool is_short;

	if (id == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (amount <= 0)
		return ORDER_INVALID;
	task_entry(t, KIND_REFUND, id, MOVES_ACCOUNT, amount);
	if (!task_fits(t))
		return ORDER_INVALID;
	/* Credit is not the customer's to take out. */
	if (amount > post_balance(t->o->post, counter))
		return ORDER_SHORT;
	slot = own_take(t->o->r, SLOT_REFUND, t->entries[0].ref, &counter, 1,
			t->in->amount, &is_short);
	if (slot == SHM_NONE)
		return is_short ? ORDER_SHORT : ORDER_NO_LEDGER;
	if (task_post_own(t, id, slot))
		metric_add(metrics_of_writer(t->o->r), M_REFUNDS, amount);
	return ORDER_DONE;
}
