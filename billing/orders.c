/*
 * Orders. The texts come from an API: every field is checked here, whoever
 * has checked it before. An order that is sent again (its idempotency key is
 * known) gets the answer it got then.
 */
#include "billing/orders.h"

#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "base/utf8.h"
#include "billing/order_task.h"
#include "billing/plans.h"
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
	case ORDER_NESTED: return "the parent has a parent itself";
	case ORDER_PREPAID: return "a credit limit needs a postpaid account";
	case ORDER_NO_VERSION: return "there is no such price version";
	case ORDER_NO_ENTRY: return "the account has no such entry to refund";
	case ORDER_REFUNDED: return "more than what is left of the entry";
	case ORDER_CODE_UNKNOWN: return "there is no such code";
	case ORDER_CODE_REVOKED: return "the code was revoked";
	case ORDER_CODE_EXPIRED: return "the code has expired";
	case ORDER_CODE_USED: return "the code is used up";
	case ORDER_CODE_TAKEN: return "the account has used the code";
	case ORDER_RESULTS: break;
	}
	return "unknown";
}

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
	       field_fits(in->plan, sizeof(in->plan)) &&
	       field_fits(in->code.prefix, sizeof(in->code.prefix)) &&
	       field_fits(k->name, sizeof(k->name)) &&
	       field_fits(k->prefix, sizeof(k->prefix)) &&
	       field_fits(k->group, sizeof(k->group)) &&
	       field_fits(k->models, sizeof(k->models)) &&
	       field_fits(k->allow, sizeof(k->allow)) &&
	       field_fits(k->tags, sizeof(k->tags));
}

/* ---- idempotency ---- */

/* All of it but its number, which is another one when it comes again. */
static void
digest_order(struct task *t)
{
	struct order what = *t->in;
	uint8_t digest[SHA256_BYTES];
	char scoped[6 + ORDER_IDEM] = "order:";
	struct str idem = str_of(t->in->idem);

	what.id = 0;
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
	if (!idem_read(t->idem_key, value, &known))
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
	idem_seal(t->idem_key, &r);
	return ledger_idem_put(t->o->post->ledger, t->idem_key,
			       str_make((const char *)&r, sizeof(r)));
}

/* ---- the parts of a transaction ---- */

struct entry *
task_entry(struct task *t, enum entry_kind kind, uint32_t account,
	   enum entry_moves moves, int64_t charge)
{
	struct entry *e = &t->entries[t->n_entries];
	uint64_t ref;

	must(t->n_entries < TASK_ENTRIES);
	t->notes[t->n_entries++] = t->in->note;
	memcpy(&ref, t->idem_key, sizeof(ref));
	*e = (struct entry){
		.kind = (uint8_t)kind,
		.moves = (uint8_t)moves,
		.epoch = t->o->post->meta.epoch,
		.slot = SHM_NONE,
		.account = account,
		.parent = SHM_NONE,
		.key = SHM_NONE,
		.charge_nano = charge,
		.start_ms = t->o->post->now_ms,
		.ref = kind == KIND_TOPUP && t->has_idem ? ref : t->in->ref,
	};
	return e;
}

bool
task_fits(const struct task *t)
{
	struct entry all = t->entries[0];
	int64_t total = 0;

	if (t->n_entries <= 1)
		return t->n_entries == 0 || post_fits(t->o->post, &all);
	/* However they mix. */
	for (unsigned i = 0; i < t->n_entries; i++) {
		int64_t amount = t->entries[i].charge_nano;

		if (amount == INT64_MIN ||
		    __builtin_add_overflow(total, amount < 0 ? -amount : amount,
					   &total))
			return false;
	}
	all.charge_nano = total;
	if (!post_fits(t->o->post, &all))
		return false;
	all.charge_nano = -total;
	return post_fits(t->o->post, &all);
}

/* Money that is no usage moves the mark of the plan's allowance. */
static enum store
move_mark(struct task *t, uint32_t account, int64_t charge)
{
	struct ledger *l = t->o->post->ledger;
	struct account_record a;
	enum store s = record_get(l, TABLE_ACCOUNT, account, &a, sizeof(a));

	if (s != STORE_OK || a.allowance_nano == 0)
		return s;
	if (__builtin_sub_overflow(a.allowance_mark, charge, &a.allowance_mark))
		return STORE_OK;
	return record_put(l, TABLE_ACCOUNT, account, &a, sizeof(a));
}

static enum store
move_marks(struct task *t, const struct entry *e)
{
	enum store s = STORE_OK;

	if (t->keeps_mark)
		return s;
	if (e->moves & MOVES_ACCOUNT)
		s = move_mark(t, e->account, e->charge_nano);
	if (s == STORE_OK && (e->moves & MOVES_PARENT))
		s = move_mark(t, e->parent, e->charge_nano);
	return s;
}

static enum store
post_entries(struct task *t)
{
	struct post *p = t->o->post;
	enum store s = STORE_OK;

	for (unsigned i = 0; i < t->n_entries && s == STORE_OK; i++) {
		struct entry *e = &t->entries[i];

		s = post_name(p, str_of(t->notes[i]), &e->tokens.units);
		if (s == STORE_OK)
			s = post_entry(p, e);
		if (s == STORE_OK)
			s = move_marks(t, e);
		t->out->balance = money_nano(e->balance_nano);
	}
	t->out->seq = t->n_entries ? t->entries[0].seq : 0;
	return s;
}

enum store
task_finish(struct task *t)
{
	struct post *p = t->o->post;
	enum store s = post_entries(t);

	if (s == STORE_OK)
		s = remember(t);
	if (s == STORE_OK)
		return post_commit(p);
	post_abort(p, s);
	return s;
}

/* By enum entry_kind. */
static void
count(struct task *t)
{
	static const uint8_t label[KIND_COUNT] = {
		[KIND_TOPUP] = ENTRY_TOPUP,
		[KIND_REFUND] = ENTRY_REFUND,
		[KIND_LIMIT] = ENTRY_LIMIT,
		[KIND_CORRECTION] = ENTRY_CORRECTION,
		[KIND_CREDIT] = ENTRY_CREDIT,
		[KIND_FEE] = ENTRY_FEE,
	};

	for (unsigned i = 0; i < t->n_entries; i++)
		metric_add(metrics_of_writer(t->o->r),
			   M_LEDGER_ENTRIES + label[t->entries[i].kind], 1);
}

void
task_answer(struct task *t, enum store s)
{
	t->out->result = s == STORE_OK ? ORDER_DONE : ORDER_NO_LEDGER;
	if (s != STORE_OK) {
		t->out->seq = 0;
		return;
	}
	CRASH_POINT(CP_ORDER_COMMITTED);
	t->o->r->head->committed_seq = t->o->post->meta.next_seq - 1;
	count(t);
}

/* All counters of the entries: those of the first. */
static void
show_balances(struct task *t)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(&t->entries[0], counters);

	for (unsigned i = 0; i < n; i++)
		t->o->r->counters[counters[i]].balance =
			post_balance(t->o->post, counters[i]);
}

bool
task_post_own(struct task *t, uint32_t account, uint32_t slot)
{
	struct post *p = t->o->post;
	uint64_t word = t->o->r->slots[slot].word;
	enum store s;

	/* One entry of a slot says that it was posted. */
	t->entries[0].slot = slot;
	t->entries[0].gen = word_gen(word);
	post_slot(p, slot, word_gen(word), PHASE_POSTED, p->meta.next_seq);
	t->out->index = account;
	s = task_finish(t);
	task_answer(t, s);
	if (s == STORE_OK) {
		group_finish_own(t->o->group, slot);
		show_balances(t);
	} else if (s == STORE_FULL) {
		group_void_own(t->o->group, slot);
	} /* else: only the next writer can tell whether it was committed */
	return s == STORE_OK;
}

enum order_result
task_give(struct task *t, uint32_t account, struct money sum)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(&t->entries[0], counters);
	uint32_t slot = own_claim(t->o->r, SLOT_TOPUP, t->entries[0].ref,
				  counters, n, sum);

	if (slot == SHM_NONE)
		return ORDER_NO_LEDGER;
	(void)task_post_own(t, account, slot);
	return ORDER_DONE;
}

enum order_result
task_take(struct task *t, uint32_t account, struct money sum)
{
	uint32_t counters[ENTRY_MOVES], slot;
	unsigned n = entry_counters(&t->entries[0], counters);
	bool is_short;

	slot = own_take(t->o->r, SLOT_REFUND, t->entries[0].ref, counters, n,
			sum, &is_short);
	if (slot == SHM_NONE)
		return is_short ? ORDER_SHORT : ORDER_NO_LEDGER;
	(void)task_post_own(t, account, slot);
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

/* What each kind does. Anything but ORDER_DONE: refused, nothing was changed;
 * the transaction is still open. */
static enum order_result (*const change[])(struct task *t) = {
	[ORDER_ACCOUNT_CREATE] = order_account_create,
	[ORDER_ACCOUNT_FREEZE] = order_account_freeze,
	[ORDER_ACCOUNT_UNFREEZE] = order_account_unfreeze,
	[ORDER_TOPUP] = order_topup,
	[ORDER_REFUND] = order_refund,
	[ORDER_KEY_CREATE] = order_key_create,
	[ORDER_KEY_REVOKE] = order_key_revoke,
	[ORDER_KEY_SET] = order_key_set,
	[ORDER_KEY_ROTATE] = order_key_rotate,
	[ORDER_ACCOUNT_SET] = order_account_set,
	[ORDER_CORRECT] = order_correct,
	[ORDER_CREDIT] = order_credit,
	[ORDER_CODE_CREATE] = order_code_create,
	[ORDER_CODE_REDEEM] = order_code_redeem,
	[ORDER_CODE_REVOKE] = order_code_revoke,
};

/* A plan was set, or there may be money for its fee now. */
static void
begin_plan(struct orders *o, const struct order *in,
	   const struct order_answer *out)
{
	static const bool asks[ARRAY_LEN(change)] = {
		[ORDER_TOPUP] = true,	    [ORDER_CREDIT] = true,
		[ORDER_CORRECT] = true,	    [ORDER_CODE_REDEEM] = true,
		[ORDER_ACCOUNT_SET] = true,
	};
	const uint32_t due = ACCOUNT_PLAN_DUE | ACCOUNT_PLAN_UNPAID;

	if (out->result == ORDER_DONE && asks[in->kind] &&
	    (o->r->accounts[out->index].flags & due) &&
	    !plans_begin(o, out->index))
		LOG_ERROR("a plan could not begin",
			  F_U64("account", out->index));
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
	if (in->kind >= ARRAY_LEN(change) || !change[in->kind] ||
	    !texts_fit(in))
		return;
	digest_order(&t);
	s = post_begin(o->post);
	if (s == STORE_OK)
		s = look_up(&t);
	if (s == STORE_NONE) {
		enum order_result r = change[in->kind](&t);

		if (r != ORDER_DONE)
			out->result = r;
		s = STORE_OK;
	} else if (s != STORE_OK) {
		out->result = ORDER_NO_LEDGER;
	}
	post_abort(o->post, s);
	CRASH_POINT(CP_ORDER_APPLIED);
	begin_plan(o, in, out);
}
