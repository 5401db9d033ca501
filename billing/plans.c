/*
 * The month of a plan. What is hard is the allowance: it is spent before the
 * customer's own money, but there is one balance. So the record keeps a mark:
 * the balance once the allowance was given, moved since by all that is no
 * usage. What the mark is above the balance was used, and what is held counts
 * as used. Money leaves by taking it first, as any refund does.
 */
#include "billing/plans.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "billing/order_task.h"
#include "conf/conf.h"
#include "shm/counters.h"

/* Accounts that are looked at, and months that are begun, in one step. */
#define LOOK_AT 4096u
#define AT_ONCE 8u
/* All accounts are looked at so often: a month may have begun. */
#define AGAIN_NS (10 * NS_PER_SEC)

struct month {
	const struct conf_plan *plan; /* NULL: none any more */
	int64_t left;		      /* of the last allowance */
	bool pays;
};

/* ---- what is due ---- */

static bool
is_due(const struct account_row *row, uint32_t month)
{
	uint32_t flags = atomic_load(&row->flags);

	if (flags & ACCOUNT_PLAN_DUE)
		return true;
	return account_texts(row)->plan[0] &&
	       atomic_load(&row->plan_month) != month;
}

int64_t
plan_allowance_left(const struct orders *o, uint32_t account,
		    const struct account_record *a)
{
	const struct counter *c = &o->r->counters[counter_of_account(account)];
	int64_t balance = post_balance(o->post, counter_of_account(account));
	int64_t held = balance + c->credit - atomic_load(&c->available);
	int64_t used;

	if (a->allowance_nano <= 0 ||
	    __builtin_sub_overflow(a->allowance_mark, balance, &used) ||
	    __builtin_add_overflow(used, MAX_OF(held, 0), &used))
		return 0;
	if (used <= 0)
		return a->allowance_nano;
	return used < a->allowance_nano ? a->allowance_nano - used : 0;
}

static struct month
look(const struct orders *o, uint32_t account, const struct account_record *a,
     const struct conf_plan *plan)
{
	const struct counter *c = &o->r->counters[counter_of_account(account)];
	struct month m = {
		.plan = plan,
		.left = plan_allowance_left(o, account, a),
	};

	m.pays =
		plan && ((a->flags & ACCOUNT_POSTPAID) ||
			 atomic_load(&c->available) - m.left >= plan->fee.nano);
	return m;
}

/* ---- the transaction ---- */

static void
add_entry(struct task *t, enum entry_kind kind, uint32_t account,
	  int64_t charge)
{
	if (charge == 0)
		return;
	(void)task_entry(t, kind, account, MOVES_ACCOUNT, charge);
	t->notes[t->n_entries - 1] = t->text;
}

/* What the account loses by it. */
static int64_t
month_entries(struct task *t, uint32_t account, const struct month *m)
{
	int64_t fee = m->pays ? m->plan->fee.nano : 0;
	int64_t allowance = m->pays ? m->plan->allowance.nano : 0;

	add_entry(t, KIND_CREDIT, account, m->left);
	add_entry(t, KIND_FEE, account, fee);
	add_entry(t, KIND_CREDIT, account, -allowance);
	return m->left + fee - allowance;
}

static void
month_record(struct account_record *a, const struct month *m, uint32_t month,
	     int64_t balance_after)
{
	const uint32_t own = ACCOUNT_PLAN_DUE | ACCOUNT_PLAN_UNPAID;

	a->flags &= ~own;
	a->flags |= m->plan && !m->pays ? ACCOUNT_PLAN_UNPAID : 0;
	a->plan_month = month;
	a->allowance_nano = m->pays ? m->plan->allowance.nano : 0;
	a->allowance_mark = balance_after;
}

/* False: it failed, or somebody was faster with the money. */
static bool
move_and_commit(struct task *t, uint32_t account, int64_t loses, bool prepaid)
{
	enum store s;

	if (t->n_entries == 0) {
		s = task_finish(t);
		task_answer(t, s);
		return s == STORE_OK;
	}
	if (loses > 0 && prepaid)
		(void)task_take(t, account, money_nano(loses));
	else
		(void)task_give(t, account, money_nano(-loses));
	return t->out->result == ORDER_DONE && t->out->seq != 0;
}

static void
begin_month(struct task *t, uint32_t account, struct account_record *a,
	    const struct month *m)
{
	struct orders *o = t->o;
	uint32_t counter = counter_of_account(account);
	int64_t loses;
	enum store s;

	(void)snprintf(t->text, sizeof(t->text), "plan %s",
		       m->plan ? m->plan->name.p : "ended");
	t->keeps_mark = true;
	loses = month_entries(t, account, m);
	if (!task_fits(t))
		return;
	month_record(a, m, o->windows->month,
		     post_balance(o->post, counter) - loses);
	s = record_put(o->post->ledger, TABLE_ACCOUNT, account, a, sizeof(*a));
	if (s != STORE_OK) {
		post_abort(o->post, s);
		return;
	}
	if (!move_and_commit(t, account, loses, !(a->flags & ACCOUNT_POSTPAID)))
		return;
	books_show_account(o->books, account, a, false);
	if (m->plan && !m->pays)
		LOG_WARN("a plan's fee is not covered",
			 F_CSTR("account", a->name), F_CSTR("plan", a->plan));
}

static void
begin_if_due(struct task *t, uint32_t account, struct account_record *a)
{
	uint32_t month = t->o->windows->month;
	bool set = a->flags & ACCOUNT_PLAN_DUE;
	bool again = !set && a->plan_month == month &&
		     (a->flags & ACCOUNT_PLAN_UNPAID);
	const struct conf_plan *plan = NULL;
	struct month m;

	if (a->plan[0])
		plan = books_plan(t->o->books, str_of(a->plan));
	/* Gone from the configuration: as it was. No calendar yet: later. */
	if ((a->plan[0] && !plan) || month == 0)
		return;
	if (!set && !again && (!plan || a->plan_month == month))
		return;
	m = look(t->o, account, a, plan);
	if (!again || m.pays)
		begin_month(t, account, a, &m);
}

bool
plans_begin(struct orders *o, uint32_t account)
{
	struct order in = {.kind = ORDER_ACCOUNT_SET};
	struct order_answer out = {.result = ORDER_INVALID};
	struct task t = {.o = o, .in = &in, .out = &out};
	struct account_record a;
	enum store s = post_begin(o->post);

	if (s == STORE_OK)
		s = record_get(o->post->ledger, TABLE_ACCOUNT, account, &a,
			       sizeof(a));
	if (s == STORE_OK)
		begin_if_due(&t, account, &a);
	/* Nothing was due, or it was refused. */
	post_abort(o->post, s);
	return o->post->trouble == STORE_OK;
}

bool
plans_step(struct plans *p, uint64_t now_ns)
{
	const struct region *r = p->orders->r;
	uint32_t month = p->orders->windows->month;
	uint32_t n = r->head->n_accounts, begun = 0;

	if (p->next_account >= n && now_ns >= p->again_ns) {
		p->again_ns = now_ns + AGAIN_NS;
		p->next_account = 0;
	}
	for (uint32_t i = 0; i < LOOK_AT && p->next_account < n; i++) {
		uint32_t id = p->next_account;

		if (is_due(&r->accounts[id], month)) {
			if (begun++ == AT_ONCE)
				return true;
			if (!plans_begin(p->orders, id))
				return false;
		}
		p->next_account++;
	}
	return true;
}
