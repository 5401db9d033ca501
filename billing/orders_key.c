/* Orders about keys. */
#include <string.h>

#include "billing/order_task.h"
#include "shm/counters.h"

static bool
hash_given(const uint8_t hash[SHA256_BYTES])
{
	uint8_t any = 0;

	for (size_t i = 0; i < SHA256_BYTES; i++)
		any |= hash[i];
	return any != 0;
}

static void
key_fill(const struct order_key *in, uint32_t account, uint64_t now_ms,
	 struct key_record *k)
{
	memset(k, 0, sizeof(*k));
	k->flags = KEY_LIVE | (in->has_budget ? KEY_BUDGET : 0) |
		   (in->strict ? KEY_STRICT : 0) |
		   (in->substitution ? KEY_SUBSTITUTION : 0);
	k->account = account;
	k->rpm = in->rpm;
	k->tpm = in->tpm;
	k->concurrency = in->concurrency;
	k->budget_window = in->budget_window;
	k->budget_nano = in->budget.nano;
	k->expires_ms = in->expires_ms;
	k->created_ms = now_ms;
	memcpy(k->hash, in->hash, sizeof(k->hash));
	(void)str_copy(k->group, sizeof(k->group), str_of(in->group));
	(void)str_copy(k->prefix, sizeof(k->prefix), str_of(in->prefix));
	(void)str_copy(k->name, sizeof(k->name), str_of(in->name));
	(void)str_copy(k->models, sizeof(k->models), str_of(in->models));
	(void)str_copy(k->allow, sizeof(k->allow), str_of(in->allow));
	(void)str_copy(k->tags, sizeof(k->tags), str_of(in->tags));
}

static void
show_key(struct task *t, uint32_t id, const struct key_record *k, bool fresh)
{
	books_show_key(t->o->books, id, k, fresh);
	windows_show_key(t->o->windows, id);
}

enum order_result
order_key_create(struct task *t)
{
	const struct order_key *in = &t->in->key;
	struct post *p = t->o->post;
	uint32_t account = books_account_find(t->o->books, str_of(t->in->name));
	uint32_t id = p->meta.n_keys;
	struct key_record k;
	enum store s;

	if (account == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (!hash_given(in->hash) || in->budget.nano < 0 ||
	    (!in->has_budget && in->budget.nano != 0) ||
	    in->budget_window > BUDGET_MONTH)
		return ORDER_INVALID;
	if (key_find(t->o->r, in->hash, p->now_ms) != SHM_NONE)
		return ORDER_EXISTS;
	if (!books_reserve_key(t->o->books))
		return ORDER_FULL;
	key_fill(in, account, p->now_ms, &k);
	if (in->has_budget) {
		struct entry *e = task_entry(t, KIND_LIMIT, account, MOVES_KEY,
					     -in->budget.nano);

		e->key = id;
		e->ref = entry_ref(
			0, windows_now(t->o->windows, in->budget_window));
		if (!task_fits(t))
			return ORDER_INVALID;
	}
	t->out->index = id;
	p->meta.n_keys++;
	s = key_put(p->ledger, id, &k);
	if (s == STORE_OK)
		s = task_finish(t);
	else
		post_abort(p, s);
	task_answer(t, s);
	if (s == STORE_OK)
		show_key(t, id, &k, true);
	return ORDER_DONE;
}

enum order_result
order_key_revoke(struct task *t)
{
	const uint8_t *hash = t->in->key.hash;
	struct post *p = t->o->post;
	uint32_t id = t->in->key_id;
	struct key_record k;
	enum store s;

	if (hash_given(hash))
		id = key_find(t->o->r, hash, p->now_ms);
	if (id == SHM_NONE || id >= p->meta.n_keys)
		return ORDER_NOT_FOUND;
	t->out->index = id;
	s = key_get(p->ledger, id, &k);
	k.flags |= KEY_REVOKED;
	if (s == STORE_OK)
		s = key_put(p->ledger, id, &k);
	if (s == STORE_OK)
		s = task_finish(t);
	else
		post_abort(p, s);
	task_answer(t, s);
	if (s == STORE_OK)
		show_key(t, id, &k, false);
	return ORDER_DONE;
}

/* ---- changes ---- */

/* The key; SHM_NONE: there is none, or *s says what is wrong. */
static uint32_t
get_key(const struct task *t, struct key_record *k, enum store *s)
{
	struct post *p = t->o->post;
	uint32_t id = t->in->key_id;

	*s = STORE_NONE;
	if (id < p->meta.n_keys)
		*s = key_get(p->ledger, id, k);
	return *s == STORE_OK && !(k->flags & KEY_REVOKED) ? id : SHM_NONE;
}

static enum order_result
no_key(struct task *t, enum store s)
{
	if (s == STORE_OK || s == STORE_NONE)
		return ORDER_NOT_FOUND;
	post_abort(t->o->post, s);
	task_answer(t, s);
	return ORDER_DONE;
}

static enum order_result
put_key(struct task *t, uint32_t id, struct key_record *k)
{
	struct post *p = t->o->post;
	enum store s = key_put(p->ledger, id, k);

	t->out->index = id;
	if (s == STORE_OK)
		s = task_finish(t);
	else
		post_abort(p, s);
	task_answer(t, s);
	if (s == STORE_OK)
		show_key(t, id, k, false);
	return ORDER_DONE;
}

/* To the end of the field: rows are compared whole. */
static void
text_set(char *out, size_t cap, const char *text)
{
	memset(out, 0, cap);
	(void)str_copy(out, cap, str_of(text));
}

static void
set_texts(const struct order *in, struct key_record *k)
{
	if (in->set & SET_NAME)
		text_set(k->name, sizeof(k->name), in->key.name);
	if (in->set & SET_GROUP)
		text_set(k->group, sizeof(k->group), in->key.group);
	if (in->set & SET_MODELS)
		text_set(k->models, sizeof(k->models), in->key.models);
	if (in->set & SET_ALLOW)
		text_set(k->allow, sizeof(k->allow), in->key.allow);
	if (in->set & SET_TAGS)
		text_set(k->tags, sizeof(k->tags), in->key.tags);
}

/* What the budget's balance becomes: in a window of the same kind that runs
 * still, what was spent stays spent. False: it does not fit. */
static bool
budget_target(const struct task *t, uint32_t id, const struct key_record *was,
	      int64_t *target)
{
	const struct order_key *in = &t->in->key;
	uint32_t counter = counter_of_key(id);
	uint32_t window = windows_now(t->o->windows, in->budget_window);
	int64_t more;

	*target = in->budget.nano;
	if (!(was->flags & KEY_BUDGET) ||
	    was->budget_window != in->budget_window ||
	    post_window(t->o->post, counter) != window)
		return true;
	return !__builtin_sub_overflow(in->budget.nano, was->budget_nano,
				       &more) &&
	       !__builtin_add_overflow(post_balance(t->o->post, counter), more,
				       target);
}

/* The budget's counter gets the difference by an own slot, in the transaction
 * of the row. */
static enum order_result
budget_change(struct task *t, uint32_t id, struct key_record *k)
{
	const struct order_key *in = &t->in->key;
	struct post *p = t->o->post;
	int64_t target, amount;
	struct entry *e;
	enum store s;

	if (!budget_target(t, id, k, &target) ||
	    __builtin_sub_overflow(target, post_balance(p, counter_of_key(id)),
				   &amount) ||
	    amount == INT64_MIN)
		return ORDER_INVALID;
	e = task_entry(t, KIND_LIMIT, k->account, MOVES_KEY, -amount);
	e->key = id;
	e->ref = entry_ref(0, windows_now(t->o->windows, in->budget_window));
	if (!task_fits(t))
		return ORDER_INVALID;
	k->flags |= KEY_BUDGET;
	k->budget_nano = in->budget.nano;
	k->budget_window = in->budget_window;
	t->out->index = id;
	s = key_put(p->ledger, id, k);
	if (s != STORE_OK) {
		post_abort(p, s);
		task_answer(t, s);
		return ORDER_DONE;
	}
	if (task_give(t, id, money_nano(amount)) != ORDER_DONE)
		return ORDER_NO_LEDGER;
	if (t->out->result == ORDER_DONE)
		show_key(t, id, k, false);
	return ORDER_DONE;
}

static void
set_flag(struct key_record *k, uint32_t flag, bool on)
{
	k->flags = on ? k->flags | flag : k->flags & ~flag;
}

enum order_result
order_key_set(struct task *t)
{
	const struct order *in = t->in;
	struct key_record k;
	enum store s;
	uint32_t id = get_key(t, &k, &s);

	if (id == SHM_NONE)
		return no_key(t, s);
	if (in->key.budget.nano < 0 || in->key.budget_window > BUDGET_MONTH)
		return ORDER_INVALID;
	set_texts(in, &k);
	if (in->set & SET_RPM)
		k.rpm = in->key.rpm;
	if (in->set & SET_TPM)
		k.tpm = in->key.tpm;
	if (in->set & SET_CONCURRENCY)
		k.concurrency = in->key.concurrency;
	if (in->set & SET_EXPIRES)
		k.expires_ms = in->key.expires_ms;
	if (in->set & SET_STRICT)
		set_flag(&k, KEY_STRICT, in->key.strict);
	if (in->set & SET_SUBSTITUTION)
		set_flag(&k, KEY_SUBSTITUTION, in->key.substitution);
	if (in->set & SET_BUDGET && in->key.has_budget)
		return budget_change(t, id, &k);
	if (in->set & SET_BUDGET)
		k.flags &= ~(uint32_t)KEY_BUDGET;
	return put_key(t, id, &k);
}

enum order_result
order_key_rotate(struct task *t)
{
	const struct order_key *in = &t->in->key;
	uint64_t now = t->o->post->now_ms;
	struct key_record k;
	enum store s;
	uint32_t id = get_key(t, &k, &s);

	if (id == SHM_NONE)
		return no_key(t, s);
	if (!hash_given(in->hash) || in->grace_ms > UINT64_MAX - now)
		return ORDER_INVALID;
	if (key_find(t->o->r, in->hash, now) != SHM_NONE)
		return ORDER_EXISTS;
	memcpy(k.old_hash, k.hash, sizeof(k.old_hash));
	memcpy(k.hash, in->hash, sizeof(k.hash));
	k.old_until_ms = in->grace_ms ? now + in->grace_ms : 0;
	text_set(k.prefix, sizeof(k.prefix), in->prefix);
	return put_key(t, id, &k);
}
