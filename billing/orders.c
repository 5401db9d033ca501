/*
 * Orders. The texts come from an API: every field is checked here, whoever
 * has checked it before. An order that is sent again (its idempotency key is
 * known) gets the answer it got then.
 */
#include "billing/orders.h"

#include <string.h>

#include "base/utf8.h"
#include "shm/counters.h"
#include "shm/metrics.h"
#include "shm/slots.h"

const char *
order_result_text(enum order_result r)
{
	switch (r) {
	case ORDER_DONE: return "done";
	case ORDER_REPEATED: return "done before with this idempotency key";
	case ORDER_CONFLICT:
		return "this idempotency key was used for something else";
	case ORDER_EXISTS: return "the name or key is taken";
	case ORDER_NOT_FOUND: return "there is no such account or key";
	case ORDER_INVALID: return "a field is missing or out of range";
	case ORDER_SHORT: return "more than what is available";
	case ORDER_FULL: return "no more accounts or keys fit";
	case ORDER_NO_LEDGER: return "the ledger takes no entries now";
	case ORDER_DIFFERS: return "the audit found a difference";
	}
	return "unknown";
}

static const uint8_t no_hash[SHA256_BYTES];

/* One order on its way. */
struct task {
	struct orders *o;
	const struct order *in;
	struct order_answer *out;
	uint8_t idem_key[LEDGER_IDEM_KEY];
	uint8_t content[16];
	bool has_idem;
	struct entry entry; /* kind 0: none */
};

/* ---- texts ---- */

/* A terminated field of a fixed size; false: not terminated. */
static bool
field(const char *text, size_t cap, struct str *out)
{
	*out = str_make(text, strnlen(text, cap));
	return out->n < cap;
}

static bool
printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return utf8_valid(s);
}

static bool
field_fits(const char *text, size_t cap)
{
	struct str s;

	return field(text, cap, &s) && printable(s);
}

static bool
texts_fit(const struct order *in)
{
	const struct order_key *k = &in->key;

	return field_fits(in->name, sizeof(in->name)) &&
	       field_fits(in->parent, sizeof(in->parent)) &&
	       field_fits(in->group, sizeof(in->group)) &&
	       field_fits(in->idem, sizeof(in->idem)) &&
	       field_fits(in->note, sizeof(in->note)) &&
	       field_fits(k->name, sizeof(k->name)) &&
	       field_fits(k->prefix, sizeof(k->prefix)) &&
	       field_fits(k->group, sizeof(k->group)) &&
	       field_fits(k->models, sizeof(k->models)) &&
	       field_fits(k->allow, sizeof(k->allow));
}

/* ---- idempotency ---- */

static void
digest_order(struct task *t)
{
	const struct order *in = t->in;
	struct {
		char name[ACCOUNT_NAME];
		char note[ORDER_NOTE];
		uint8_t key[SHA256_BYTES];
		int64_t amount;
		uint64_t ref;
		uint32_t kind;
		uint32_t key_id;
	} what;
	uint8_t digest[SHA256_BYTES];
	char scoped[6 + ORDER_IDEM] = "order:";
	struct str idem = str_of(in->idem);

	memset(&what, 0, sizeof(what));
	(void)str_copy(what.name, sizeof(what.name), str_of(in->name));
	(void)str_copy(what.note, sizeof(what.note), str_of(in->note));
	memcpy(what.key, in->key.hash, sizeof(what.key));
	what.amount = in->amount.nano;
	what.ref = in->ref;
	what.kind = in->kind;
	what.key_id = in->key_id;
	sha256(&what, sizeof(what), digest);
	memcpy(t->content, digest, sizeof(t->content));
	memcpy(scoped + 6, idem.p, idem.n);
	sha256(scoped, 6 + idem.n, t->idem_key);
	t->has_idem = idem.n > 0;
}

/* STORE_NONE: new. Else the answer is given. */
static enum store
look_up(struct task *t)
{
	struct idem_record known;
	struct str value;
	enum store s;

	if (!t->has_idem)
		return STORE_NONE;
	s = ledger_idem_get(t->o->post->ledger, t->idem_key, &value);
	if (s != STORE_OK)
		return s;
	if (!record_read(value, &known, sizeof(known)))
		return STORE_DAMAGED;
	t->out->result =
		memcmp(known.content, t->content, sizeof(t->content)) == 0
			? ORDER_REPEATED
			: ORDER_CONFLICT;
	if (t->out->result == ORDER_REPEATED) {
		t->out->index = known.index;
		t->out->seq = known.seq;
		t->out->balance = money_nano(known.balance_nano);
	}
	return STORE_OK;
}

static enum store
remember(struct task *t)
{
	struct idem_record r;

	if (!t->has_idem)
		return STORE_OK;
	memset(&r, 0, sizeof(r));
	memcpy(r.content, t->content, sizeof(r.content));
	r.seq = t->out->seq;
	r.index = t->out->index;
	r.kind = t->in->kind;
	r.balance_nano = t->out->balance.nano;
	r.time_ms = t->o->post->now_ms;
	record_seal(&r, sizeof(r));
	return ledger_idem_put(t->o->post->ledger, t->idem_key,
			       str_make((const char *)&r, sizeof(r)));
}

/* ---- the parts of a transaction ---- */

static void
entry_begin(struct task *t, enum entry_kind kind, uint32_t account,
	    enum entry_moves moves, int64_t charge)
{
	uint64_t ref;

	memcpy(&ref, t->idem_key, sizeof(ref));
	t->entry = (struct entry){
		.kind = (uint8_t)kind,
		.moves = (uint8_t)moves,
		.epoch = t->o->post->meta.epoch,
		.slot = SHM_NONE,
		.account = account,
		.parent = SHM_NONE,
		.key = SHM_NONE,
		.charge_nano = charge,
		.start_ms = t->o->post->now_ms,
		.ref = kind == KIND_REFUND && t->in->ref ? t->in->ref
		       : t->has_idem			 ? ref
							 : 0,
	};
}

/* Posts the entry if there is one; the rest of the transaction is done. */
static enum store
finish(struct task *t)
{
	struct post *p = t->o->post;
	struct entry *e = &t->entry;
	enum store s = STORE_OK;

	if (e->kind) {
		s = post_name(p, str_of(t->in->note), &e->note);
		if (s == STORE_OK)
			s = post_entry(p, e);
		t->out->seq = e->seq;
		t->out->balance = money_nano(e->balance_nano);
	}
	if (s == STORE_OK)
		s = remember(t);
	if (s == STORE_OK)
		return post_commit(p);
	post_abort(p, s);
	return s;
}

static void
answer(struct task *t, enum store s, enum order_result done)
{
	t->out->result = s == STORE_OK ? done : ORDER_NO_LEDGER;
	if (s != STORE_OK) {
		t->out->seq = 0;
		return;
	}
	CRASH_POINT(CP_ORDER_COMMITTED);
	t->o->r->head->committed_seq = t->o->post->meta.next_seq - 1;
}

static void
count(struct task *t, uint32_t kind)
{
	metric_add(metrics_of_writer(t->o->r), M_LEDGER_ENTRIES + kind, 1);
}

/* ---- accounts ---- */

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

static enum order_result
account_create(struct task *t)
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
		entry_begin(t, KIND_TOPUP, id, MOVES_ACCOUNT,
			    -t->in->amount.nano);
	if (t->entry.kind && !post_fits(p, &t->entry))
		return ORDER_INVALID;
	t->out->index = id;
	p->meta.n_accounts++;
	s = record_put(p->ledger, TABLE_ACCOUNT, id, &a, sizeof(a));
	if (s == STORE_OK)
		s = finish(t);
	else
		post_abort(p, s);
	answer(t, s, ORDER_DONE);
	if (s == STORE_OK)
		books_show_account(b, id, &a, true);
	if (s == STORE_OK && t->entry.kind)
		count(t, ENTRY_TOPUP);
	return ORDER_DONE;
}

static enum order_result
account_freeze(struct task *t, bool frozen)
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
		s = finish(t);
	else
		post_abort(p, s);
	answer(t, s, ORDER_DONE);
	if (s != STORE_OK)
		return ORDER_DONE;
	/* An operator who unfreezes has seen what the audit complained of. */
	if (!frozen)
		atomic_fetch_and(&t->o->r->accounts[id].flags,
				 ~(uint32_t)ACCOUNT_AUDIT);
	books_show_account(t->o->books, id, &a, false);
	return ORDER_DONE;
}

/* ---- money in and out ---- */

/* Posts the entry of an own slot; then the slot moves the counter. */
static void
post_own(struct task *t, uint32_t account, uint32_t slot)
{
	struct post *p = t->o->post;
	uint32_t counter = counter_of_account(account);
	uint64_t word = t->o->r->slots[slot].word;
	enum store s;

	t->entry.slot = slot;
	t->entry.gen = word_gen(word);
	post_slot(p, slot, word_gen(word), PHASE_POSTED, p->meta.next_seq);
	t->out->index = account;
	s = finish(t);
	answer(t, s, ORDER_DONE);
	if (s == STORE_OK) {
		group_finish_own(t->o->group, slot);
		t->o->r->counters[counter].balance = post_balance(p, counter);
	} else if (s == STORE_FULL) {
		group_void_own(t->o->group, slot);
	} /* else: only the next writer can tell whether it was committed */
}

static enum order_result
account_topup(struct task *t)
{
	uint32_t id = books_account_find(t->o->books, str_of(t->in->name));
	int64_t amount = t->in->amount.nano;
	uint32_t counter = counter_of_account(id), slot;

	if (id == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (amount <= 0)
		return ORDER_INVALID;
	entry_begin(t, KIND_TOPUP, id, MOVES_ACCOUNT, -amount);
	if (!post_fits(t->o->post, &t->entry))
		return ORDER_INVALID;
	slot = own_claim(t->o->r, SLOT_TOPUP, t->entry.ref, &counter, 1,
			 t->in->amount);
	if (slot == SHM_NONE)
		return ORDER_NO_LEDGER;
	post_own(t, id, slot);
	if (t->out->result == ORDER_DONE)
		count(t, ENTRY_TOPUP);
	return ORDER_DONE;
}

static enum order_result
account_refund(struct task *t)
{
	uint32_t id = books_account_find(t->o->books, str_of(t->in->name));
	int64_t amount = t->in->amount.nano;
	uint32_t counter = counter_of_account(id), slot;
	bool is_short;

	if (id == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (amount <= 0)
		return ORDER_INVALID;
	entry_begin(t, KIND_REFUND, id, MOVES_ACCOUNT, amount);
	if (!post_fits(t->o->post, &t->entry))
		return ORDER_INVALID;
	/* Credit is not the customer's to take out. */
	if (amount > post_balance(t->o->post, counter))
		return ORDER_SHORT;
	slot = own_take(t->o->r, SLOT_REFUND, t->entry.ref, &counter, 1,
			t->in->amount, &is_short);
	if (slot == SHM_NONE)
		return is_short ? ORDER_SHORT : ORDER_NO_LEDGER;
	post_own(t, id, slot);
	if (t->out->result != ORDER_DONE)
		return ORDER_DONE;
	count(t, ENTRY_REFUND);
	metric_add(metrics_of_writer(t->o->r), M_REFUNDS, amount);
	return ORDER_DONE;
}

/* ---- keys ---- */

static void
key_fill(const struct order_key *in, uint32_t account, uint64_t now_ms,
	 struct key_record *k)
{
	memset(k, 0, sizeof(*k));
	k->flags = KEY_LIVE | (in->has_budget ? KEY_BUDGET : 0);
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
}

static void
show_key(struct task *t, uint32_t id, const struct key_record *k, bool fresh)
{
	books_show_key(t->o->books, id, k, fresh);
	windows_show_key(t->o->windows, id);
}

static enum order_result
key_create(struct task *t)
{
	const struct order_key *in = &t->in->key;
	struct post *p = t->o->post;
	uint32_t account = books_account_find(t->o->books, str_of(t->in->name));
	uint32_t id = p->meta.n_keys;
	struct key_record k;
	enum store s;

	if (account == SHM_NONE)
		return ORDER_NOT_FOUND;
	if (memcmp(in->hash, no_hash, sizeof(no_hash)) == 0 ||
	    in->budget.nano < 0 || (!in->has_budget && in->budget.nano != 0) ||
	    in->budget_window > BUDGET_MONTH)
		return ORDER_INVALID;
	if (key_find(t->o->r, in->hash) != SHM_NONE)
		return ORDER_EXISTS;
	if (!books_reserve_key(t->o->books))
		return ORDER_FULL;
	key_fill(in, account, p->now_ms, &k);
	if (in->has_budget) {
		entry_begin(t, KIND_LIMIT, account, MOVES_KEY,
			    -in->budget.nano);
		t->entry.key = id;
		t->entry.ref = entry_ref(
			0, windows_now(t->o->windows, in->budget_window));
		if (!post_fits(p, &t->entry))
			return ORDER_INVALID;
	}
	t->out->index = id;
	p->meta.n_keys++;
	s = record_put(p->ledger, TABLE_KEY, id, &k, sizeof(k));
	if (s == STORE_OK)
		s = finish(t);
	else
		post_abort(p, s);
	answer(t, s, ORDER_DONE);
	if (s == STORE_OK)
		show_key(t, id, &k, true);
	if (s == STORE_OK && t->entry.kind)
		count(t, ENTRY_LIMIT);
	return ORDER_DONE;
}

static enum order_result
key_revoke(struct task *t)
{
	const uint8_t *hash = t->in->key.hash;
	struct post *p = t->o->post;
	uint32_t id = t->in->key_id;
	struct key_record k;
	enum store s;

	if (memcmp(hash, no_hash, sizeof(no_hash)) != 0)
		id = key_find(t->o->r, hash);
	if (id == SHM_NONE || id >= p->meta.n_keys)
		return ORDER_NOT_FOUND;
	t->out->index = id;
	s = record_get(p->ledger, TABLE_KEY, id, &k, sizeof(k));
	k.flags |= KEY_REVOKED;
	if (s == STORE_OK)
		s = record_put(p->ledger, TABLE_KEY, id, &k, sizeof(k));
	if (s == STORE_OK)
		s = finish(t);
	else
		post_abort(p, s);
	answer(t, s, ORDER_DONE);
	if (s == STORE_OK)
		show_key(t, id, &k, false);
	return ORDER_DONE;
}

/* ---- the rest ---- */

static void
checkpoint(struct orders *o, struct order_answer *out)
{
	enum store s = STORE_OK;

	group_scan(o->group);
	while (s == STORE_OK && group_gather(o->group) > 0)
		s = group_commit(o->group);
	out->result = s == STORE_OK ? ORDER_DONE : ORDER_NO_LEDGER;
	out->seq = o->post->meta.next_seq - 1;
}

/* Anything but ORDER_DONE: refused, nothing was changed. */
static enum order_result
change(struct task *t)
{
	switch ((enum order_kind)t->in->kind) {
	case ORDER_ACCOUNT_CREATE: return account_create(t);
	case ORDER_ACCOUNT_FREEZE: return account_freeze(t, true);
	case ORDER_ACCOUNT_UNFREEZE: return account_freeze(t, false);
	case ORDER_TOPUP: return account_topup(t);
	case ORDER_REFUND: return account_refund(t);
	case ORDER_KEY_CREATE: return key_create(t);
	case ORDER_KEY_REVOKE: return key_revoke(t);
	case ORDER_AUDIT:
	case ORDER_CHECKPOINT: break;
	}
	return ORDER_INVALID;
}

void
orders_obey(struct orders *o, const struct order *in, struct order_answer *out)
{
	struct task t = {.o = o, .in = in, .out = out};
	enum store s;

	*out = (struct order_answer){.id = in->id, .result = ORDER_INVALID};
	CRASH_POINT(CP_ORDER_TAKEN);
	if (in->kind == ORDER_CHECKPOINT) {
		checkpoint(o, out);
		return;
	}
	if (in->kind == ORDER_AUDIT) {
		out->result = audit_run(o->audit) ? ORDER_DONE : ORDER_DIFFERS;
		return;
	}
	if (!texts_fit(in))
		return;
	digest_order(&t);
	s = post_begin(o->post);
	if (s == STORE_OK)
		s = look_up(&t);
	if (s == STORE_NONE) {
		enum order_result r = change(&t);

		if (r != ORDER_DONE)
			out->result = r;
		/* Still open if it was refused. */
		s = STORE_OK;
	} else if (s != STORE_OK) {
		out->result = ORDER_NO_LEDGER;
	}
	post_abort(o->post, s);
	CRASH_POINT(CP_ORDER_APPLIED);
}
