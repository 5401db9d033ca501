/* Orders about accounts: to make one, to freeze it, to change its terms. */
#include <string.h>

#include "billing/order_task.h"
#include "shm/books.h"
#include "shm/counters.h"
#include "shm/slots.h"

/* To the end of the field: rows are compared whole. */
static void
text_set(char *out, size_t cap, const char *text)
{
	memset(out, 0, cap);
	(void)str_copy(out, cap, str_of(text));
}

static bool
account_valid(const struct order *in)
{
	return in->name[0] && in->amount.nano >= 0 && in->credit.nano >= 0 &&
	       in->signup.nano >= 0 && (in->postpaid || in->credit.nano == 0);
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

/* The record, then the entries. */
static enum store
put_account(struct task *t, uint32_t id, struct account_record *a)
{
	struct post *p = t->o->post;
	enum store s = record_put(p->ledger, TABLE_ACCOUNT, id, a, sizeof(*a));

	t->out->index = id;
	if (s == STORE_OK)
		return task_finish(t);
	post_abort(p, s);
	return s;
}

static enum order_result
find_parent(struct task *t, uint32_t *parent)
{
	*parent = SHM_NONE;
	if (!t->in->parent[0])
		return ORDER_DONE;
	*parent = books_account_find(t->o->books, str_of(t->in->parent));
	if (*parent == SHM_NONE)
		return ORDER_NOT_FOUND;
	return t->o->r->accounts[*parent].parent == SHM_NONE ? ORDER_DONE
							     : ORDER_NESTED;
}

enum order_result
order_account_create(struct task *t)
{
	struct books *b = t->o->books;
	struct post *p = t->o->post;
	uint32_t id = p->meta.n_accounts, parent;
	enum order_result r = find_parent(t, &parent);
	struct account_record a;
	enum store s;

	if (!account_valid(t->in))
		return ORDER_INVALID;
	if (r != ORDER_DONE)
		return r;
	if (books_account_find(b, str_of(t->in->name)) != SHM_NONE)
		return ORDER_EXISTS;
	if (!books_reserve_account(b))
		return ORDER_FULL;
	account_fill(t->in, parent, p->now_ms, &a);
	if (t->in->amount.nano > 0)
		(void)task_entry(t, KIND_TOPUP, id, MOVES_ACCOUNT,
				 -t->in->amount.nano);
	if (t->in->signup.nano > 0) {
		(void)task_entry(t, KIND_CREDIT, id, MOVES_ACCOUNT,
				 -t->in->signup.nano);
		t->notes[t->n_entries - 1] = "sign-up credit";
	}
	if (!task_fits(t))
		return ORDER_INVALID;
	p->meta.n_accounts++;
	s = put_account(t, id, &a);
	task_answer(t, s);
	if (s == STORE_OK)
		books_show_account(b, id, &a, true);
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
		s = put_account(t, id, &a);
	else
		post_abort(p, s);
	task_answer(t, s);
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

/* ---- set ---- */

static uint32_t
current_version(const struct region *r)
{
	uint32_t version = 0, generation = 0;

	for (uint32_t i = 0; i < SHM_BOOKS; i++) {
		const struct book *b = &r->books[i];

		if (atomic_load(&b->state) != BOOK_STORED ||
		    b->generation < generation)
			continue;
		generation = b->generation;
		version = atomic_load(&b->version);
	}
	return version;
}

static enum order_result
set_pin(struct task *t, struct account_record *a)
{
	uint32_t pin = t->in->price_pin;

	if (pin == PIN_CURRENT)
		pin = current_version(t->o->r);
	if (pin > t->o->post->meta.n_prices ||
	    (pin == 0 && t->in->price_pin != 0))
		return ORDER_NO_VERSION;
	if (!books_pin(t->o->books, pin))
		return ORDER_FULL;
	a->price_pin = pin;
	return ORDER_DONE;
}

static enum order_result
set_credit(const struct order *in, struct account_record *a)
{
	if (in->set & SET_POSTPAID) {
		a->flags &= ~(uint32_t)ACCOUNT_POSTPAID;
		a->flags |= in->postpaid ? ACCOUNT_POSTPAID : 0;
	}
	if (in->set & SET_CREDIT)
		a->credit_nano = in->credit.nano;
	if (a->credit_nano > 0 && !(a->flags & ACCOUNT_POSTPAID))
		return ORDER_PREPAID;
	return ORDER_DONE;
}

static void
set_rest(const struct order *in, struct account_record *a)
{
	if (in->set & SET_GROUP)
		text_set(a->group, sizeof(a->group), in->group);
	if (in->set & SET_DISCOUNT)
		a->discount_ppm = in->discount_ppm;
	if (in->set & SET_RPM)
		a->rpm = in->rpm;
	if (in->set & SET_TPM)
		a->tpm = in->tpm;
	if (in->set & SET_CONCURRENCY)
		a->concurrency = in->concurrency;
	if ((in->set & SET_PLAN) && strcmp(a->plan, in->plan) != 0) {
		text_set(a->plan, sizeof(a->plan), in->plan);
		a->flags |= ACCOUNT_PLAN_DUE;
	}
	if (in->set & SET_LOW) {
		a->flags &= ~(uint32_t)ACCOUNT_LOW;
		a->flags |= in->has_low ? ACCOUNT_LOW : 0;
		a->low_nano = in->has_low ? in->low.nano : 0;
	}
}

/* A credit limit moves no balance, but `available` moves with it: by an own
 * slot. The entry says what the limit is, and of which slot, so that it is
 * given once. */
static enum order_result
put_credit(struct task *t, uint32_t id, struct account_record *a,
	   int64_t change)
{
	struct post *p = t->o->post;
	uint32_t counter = counter_of_account(id), slot;
	enum store s;

	s = record_put(p->ledger, TABLE_ACCOUNT, id, a, sizeof(*a));
	if (s != STORE_OK) {
		post_abort(p, s);
		task_answer(t, s);
		return ORDER_DONE;
	}
	task_entry(t, KIND_LIMIT, id, 0, 0)->hold_nano = a->credit_nano;
	slot = own_claim(t->o->r, SLOT_LIMIT, id, &counter, 1,
			 money_nano(change));
	if (slot == SHM_NONE)
		return ORDER_NO_LEDGER;
	if (task_post_own(t, id, slot))
		books_show_account(t->o->books, id, a, false);
	return ORDER_DONE;
}

static enum order_result
put_changes(struct task *t, uint32_t id, struct account_record *a,
	    int64_t credit_before)
{
	int64_t change, sum;
	enum store s;

	if (__builtin_sub_overflow(a->credit_nano, credit_before, &change) ||
	    __builtin_add_overflow(
		    post_balance(t->o->post, counter_of_account(id)),
		    a->credit_nano, &sum))
		return ORDER_INVALID;
	if (change != 0)
		return put_credit(t, id, a, change);
	s = put_account(t, id, a);
	task_answer(t, s);
	if (s == STORE_OK)
		books_show_account(t->o->books, id, a, false);
	return ORDER_DONE;
}

enum order_result
order_account_set(struct task *t)
{
	const struct order *in = t->in;
	struct post *p = t->o->post;
	uint32_t id = books_account_find(t->o->books, str_of(in->name));
	enum order_result r = ORDER_DONE;
	struct account_record a;
	int64_t before;
	enum store s;

	if (id == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (in->discount_ppm > PPM_ONE || in->credit.nano < 0)
		return ORDER_INVALID;
	s = record_get(p->ledger, TABLE_ACCOUNT, id, &a, sizeof(a));
	if (s != STORE_OK) {
		post_abort(p, s);
		task_answer(t, s);
		return ORDER_DONE;
	}
	before = a.credit_nano;
	r = set_credit(in, &a);
	if (r == ORDER_DONE && (in->set & SET_PIN))
		r = set_pin(t, &a);
	if (r != ORDER_DONE)
		return r;
	set_rest(in, &a);
	t->out->balance = money_nano(post_balance(p, counter_of_account(id)));
	return put_changes(t, id, &a, before);
}
