/* Orders about accounts: to make one, to freeze it. */
#include <string.h>

#include "billing/order_task.h"
#include "shm/counters.h"
#include "shm/metrics.h"

static bool
account_valid(const struct order *in)
{
	return in->name[0] && in->amount.nano >= 0 && in->credit.nano >= 0 &&
	       (in->postpaid || in->credit.nano == 0);
}

static void
account_fill(const struct order *in, uint32_t parent, uint64_t now_ms,
	     struct account_record *a)
{
	memset(a, 0, sizeof(*a));
	a->flags = ACCOUNT_LIVE | (in->postpaid ? ACCOUNT_POSTPAID : 0);
	a->parent = parent;
	a->rpm = in->rpm;
	a->tpm = in->tpm;
	a->concurrency = in->concurrency;
	a->credit_nano = in->credit.nano;
	a->created_ms = now_ms;
	(void)str_copy(a->name, sizeof(a->name), str_of(in->name));
	(void)str_copy(a->group, sizeof(a->group), str_of(in->group));
}

enum order_result
order_account_create(struct task *t)
{
	struct books *b = t->o->books;
	struct post *p = t->o->post;
	uint32_t id = p->meta.n_accounts, parent = SHM_NONE;
	struct account_record a;
	enum store s;

	if (t->in->parent[0])
		parent = books_account_find(b, str_of(t->in->parent));
	if (!account_valid(t->in))
		return ORDER_INVALID;
	if (t->in->parent[0] && parent == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (books_account_find(b, str_of(t->in->name)) != SHM_NONE)
		return ORDER_EXISTS;
	if (!books_reserve_account(b))
		return ORDER_FULL;
	account_fill(t->in, parent, p->now_ms, &a);
	if (t->in->amount.nano > 0)
		task_entry(t, KIND_TOPUP, id, MOVES_ACCOUNT,
			   -t->in->amount.nano);
	if (t->entry.kind && !post_fits(p, &t->entry))
		return ORDER_INVALID;
	t->out->index = id;
	p->meta.n_accounts++;
	s = record_put(p->ledger, TABLE_ACCOUNT, id, &a, sizeof(a));
	if (s == STORE_OK)
		s = task_finish(t);
	else
		post_abort(p, s);
	task_answer(t, s, ORDER_DONE);
	if (s == STORE_OK)
		books_show_account(b, id, &a, true);
	if (s == STORE_OK && t->entry.kind)
		task_count(t, ENTRY_TOPUP);
	return ORDER_DONE;
}

static enum order_result
freeze(struct task *t, bool frozen)
{
	struct post *p = t->o->post;
	uint32_t id = books_account_find(t->o->books, str_of(t->in->name));
	struct account_record a;
	enum store s;

	if (id == SHM_NONE)
		return ORDER_NOT_FOUND;
	t->out->index = id;
	t->out->balance = money_nano(post_balance(p, counter_of_account(id)));
	s = record_get(p->ledger, TABLE_ACCOUNT, id, &a, sizeof(a));
	a.flags &= ~(uint32_t)ACCOUNT_FROZEN;
	a.flags |= frozen ? ACCOUNT_FROZEN : 0;
	if (s == STORE_OK)
		s = record_put(p->ledger, TABLE_ACCOUNT, id, &a, sizeof(a));
	if (s == STORE_OK)
		s = task_finish(t);
	else
		post_abort(p, s);
	task_answer(t, s, ORDER_DONE);
	if (s != STORE_OK)
		return ORDER_DONE;
	/* An operator who unfreezes has seen what the audit complained of. */
	if (!frozen)
		atomic_fetch_and(&t->o->r->accounts[id].flags,
				 ~(uint32_t)ACCOUNT_AUDIT);
	books_show_account(t->o->books, id, &a, false);
	return ORDER_DONE;
}

enum order_result
order_account_freeze(struct task *t)
{
	return freeze(t, true);
}

enum order_result
order_account_unfreeze(struct task *t)
{
	return freeze(t, false);
}
