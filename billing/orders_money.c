/* Orders that move money: in and out, given and corrected. */
#include <string.h>

#include "billing/order_task.h"
#include "shm/counters.h"
#include "shm/metrics.h"
#include "shm/slots.h"

/* The account; SHM_NONE: *r says why not. */
static uint32_t
account_of(const struct task *t, bool positive, enum order_result *r)
{
	uint32_t id = books_account_find(t->o->books, str_of(t->in->name));
	int64_t amount = t->in->amount.nano;

	*r = ORDER_NOT_FOUND;
	if (id == SHM_NONE)
		return SHM_NONE;
	*r = ORDER_INVALID;
	return amount == 0 || amount == INT64_MIN || (positive && amount < 0)
		       ? SHM_NONE
		       : id;
}

static enum order_result
give(struct task *t, enum entry_kind kind)
{
	enum order_result r;
	uint32_t id = account_of(t, true, &r);

	if (id == SHM_NONE)
		return r;
	(void)task_entry(t, kind, id, MOVES_ACCOUNT, -t->in->amount.nano);
	return task_fits(t) ? task_give(t, id, t->in->amount) : ORDER_INVALID;
}

enum order_result
order_topup(struct task *t)
{
	return give(t, KIND_TOPUP);
}

enum order_result
order_credit(struct task *t)
{
	return give(t, KIND_CREDIT);
}

/* What an operator takes away may leave the account in debt: he says so. */
enum order_result
order_correct(struct task *t)
{
	enum order_result r;
	uint32_t id = account_of(t, false, &r);

	if (id == SHM_NONE)
		return r;
	(void)task_entry(t, KIND_CORRECTION, id, MOVES_ACCOUNT,
			 -t->in->amount.nano);
	return task_fits(t) ? task_give(t, id, t->in->amount) : ORDER_INVALID;
}

/* ---- refunds ---- */

static void
count_refund(const struct task *t)
{
	if (t->out->result == ORDER_DONE)
		metric_add(metrics_of_writer(t->o->r), M_REFUNDS,
			   t->in->amount.nano);
}

static int64_t
allowance_left(const struct task *t, uint32_t id)
{
	struct account_record a;

	if (record_get(t->o->post->ledger, TABLE_ACCOUNT, id, &a, sizeof(a)) !=
	    STORE_OK)
		return 0;
	return plan_allowance_left(t->o, id, &a);
}

/* Money goes out. */
static enum order_result
pay_out(struct task *t, uint32_t id)
{
	int64_t amount = t->in->amount.nano;
	enum order_result r;

	(void)task_entry(t, KIND_REFUND, id, MOVES_ACCOUNT, amount);
	if (!task_fits(t))
		return ORDER_INVALID;
	/* Neither credit nor an allowance is the customer's to take out. */
	if (amount > post_balance(t->o->post, counter_of_account(id)) -
			     allowance_left(t, id))
		return ORDER_SHORT;
	r = task_take(t, id, t->in->amount);
	count_refund(t);
	return r;
}

/* A request's charge is given back to whom it was taken from; the window of a
 * key's budget may be over, so the budget keeps it. */
static enum order_result
give_back(struct task *t, uint32_t id, const struct entry *of)
{
	struct entry *e = task_entry(t, KIND_CORRECTION, id, MOVES_ACCOUNT,
				     -t->in->amount.nano);
	enum order_result r;

	if (of->moves & MOVES_PARENT) {
		e->moves |= MOVES_PARENT;
		e->parent = of->parent;
	}
	e->key = of->key;
	if (!task_fits(t))
		return ORDER_INVALID;
	r = task_give(t, id, t->in->amount);
	count_refund(t);
	return r;
}

static enum store
entry_get(struct task *t, uint64_t seq, struct entry *e)
{
	struct str value;
	enum store s = ledger_get(t->o->post->ledger, TABLE_ENTRY, seq, &value);

	if (s == STORE_OK && value.n != sizeof(*e))
		return STORE_DAMAGED;
	if (s == STORE_OK)
		memcpy(e, value.p, sizeof(*e));
	return s;
}

/* A request that is not over may still be reversed by itself. */
static bool
may_go_back(const struct orders *o, uint32_t id, const struct entry *of)
{
	if (of->account != id)
		return false;
	if (of->kind != KIND_REQUEST)
		return of->kind == KIND_TOPUP;
	return of->epoch != o->post->meta.epoch ||
	       of->slot >= o->post->n_slots ||
	       word_gen(atomic_load(&o->r->slots[of->slot].word)) != of->gen;
}

static enum order_result
refund_of(struct task *t, uint32_t id)
{
	int64_t most;
	struct entry of;
	enum store s = entry_get(t, t->in->ref, &of);

	if (s == STORE_NONE || (s == STORE_OK && !may_go_back(t->o, id, &of)))
		return ORDER_NO_ENTRY;
	if (s == STORE_OK) {
		most = of.kind == KIND_TOPUP ? -of.charge_nano : of.charge_nano;
		s = refunded_add(t->o->post->ledger, t->in->ref,
				 t->in->amount.nano, most);
		if (s == STORE_NONE)
			return ORDER_REFUNDED;
	}
	if (s != STORE_OK) {
		post_abort(t->o->post, s);
		task_answer(t, s);
		return ORDER_DONE;
	}
	return of.kind == KIND_TOPUP ? pay_out(t, id) : give_back(t, id, &of);
}

enum order_result
order_refund(struct task *t)
{
	enum order_result r;
	uint32_t id = account_of(t, true, &r);

	if (id == SHM_NONE)
		return r;
	return t->in->ref ? refund_of(t, id) : pay_out(t, id);
}
