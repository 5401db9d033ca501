/*
 * Redemption codes. A code is known by its HMAC only; the first bytes of it
 * are its key. A redemption is one transaction: the code's count, the mark
 * that this account has used it, the entries, the idempotency key. There is
 * one writer, so nobody comes between.
 */
#include <stdio.h>
#include <string.h>

#include "billing/order_task.h"

__extension__ typedef __int128 wide;

/* Entered once: what an account may use a code for. */
static uint64_t
use_key(uint64_t code, uint32_t account)
{
	const uint64_t both[2] = {code, account};
	uint8_t digest[SHA256_BYTES];
	uint64_t key;

	sha256(both, sizeof(both), digest);
	memcpy(&key, digest, sizeof(key));
	return key;
}

static bool
code_valid(const struct order *in)
{
	return in->amount.nano > 0 && in->code.uses > 0 &&
	       code_key(in->code.hash) != 0;
}

/* The record, then the rest of the transaction. */
static enum order_result
put_code(struct task *t, struct code_record *c)
{
	struct post *p = t->o->post;
	enum store s = record_put(p->ledger, TABLE_CODE, code_key(c->hash), c,
				  sizeof(*c));

	if (s == STORE_OK)
		s = task_finish(t);
	else
		post_abort(p, s);
	task_answer(t, s);
	return ORDER_DONE;
}

/* STORE_DAMAGED and the like are answered: ORDER_DONE with `found` false. */
static enum order_result
get_code(struct task *t, uint64_t key, struct code_record *c, bool *found)
{
	enum store s =
		record_get(t->o->post->ledger, TABLE_CODE, key, c, sizeof(*c));

	*found = s == STORE_OK;
	if (s == STORE_NONE)
		return ORDER_CODE_UNKNOWN;
	if (s != STORE_OK) {
		post_abort(t->o->post, s);
		task_answer(t, s);
	}
	return ORDER_DONE;
}

enum order_result
order_code_create(struct task *t)
{
	const struct order *in = t->in;
	struct code_record c;
	bool found;
	enum order_result r = ORDER_CODE_UNKNOWN;

	if (!code_valid(in))
		return ORDER_INVALID;
	r = get_code(t, code_key(in->code.hash), &c, &found);
	if (r != ORDER_CODE_UNKNOWN)
		return found ? ORDER_EXISTS : r;
	memset(&c, 0, sizeof(c));
	memcpy(c.hash, in->code.hash, sizeof(c.hash));
	(void)str_copy(c.prefix, sizeof(c.prefix), str_of(in->code.prefix));
	c.amount_nano = in->amount.nano;
	c.bonus_ppm = in->code.bonus_ppm;
	c.uses = in->code.uses;
	c.expires_ms = in->code.expires_ms;
	c.created_ms = t->o->post->now_ms;
	return put_code(t, &c);
}

enum order_result
order_code_revoke(struct task *t)
{
	struct code_record c;
	bool found;
	enum order_result r = get_code(t, t->in->ref, &c, &found);

	if (!found)
		return r;
	c.revoked = 1;
	return put_code(t, &c);
}

/* ---- redemption ---- */

static enum order_result
check_code(struct task *t, const struct code_record *c, uint32_t account)
{
	uint64_t key = code_key(c->hash);
	struct code_use_record use;
	enum store s = record_get(t->o->post->ledger, TABLE_CODE_USE,
				  use_key(key, account), &use, sizeof(use));

	if (s == STORE_OK)
		return ORDER_CODE_TAKEN;
	if (s != STORE_NONE)
		return ORDER_NO_LEDGER;
	if (c->revoked)
		return ORDER_CODE_REVOKED;
	if (c->expires_ms && c->expires_ms <= t->o->post->now_ms)
		return ORDER_CODE_EXPIRED;
	return c->used < c->uses ? ORDER_DONE : ORDER_CODE_USED;
}

static enum store
note_use(struct task *t, struct code_record *c, uint32_t account)
{
	uint64_t key = code_key(c->hash);
	struct code_use_record use = {
		.code = key, .account = account, .time_ms = t->o->post->now_ms};
	enum store s;

	c->used++;
	s = record_put(t->o->post->ledger, TABLE_CODE, key, c, sizeof(*c));
	if (s == STORE_OK)
		s = record_put(t->o->post->ledger, TABLE_CODE_USE,
			       use_key(key, account), &use, sizeof(use));
	return s;
}

/* The entries; their sum is what the account gets. False: it does not fit. */
static bool
code_entries(struct task *t, const struct code_record *c, uint32_t account,
	     struct money *sum)
{
	int64_t bonus =
		(int64_t)((wide)c->amount_nano * c->bonus_ppm / PPM_ONE);

	(void)snprintf(t->text, sizeof(t->text), "code %s", c->prefix);
	(void)task_entry(t, KIND_TOPUP, account, MOVES_ACCOUNT,
			 -c->amount_nano);
	t->notes[0] = t->text;
	if (bonus > 0) {
		(void)task_entry(t, KIND_CREDIT, account, MOVES_ACCOUNT,
				 -bonus);
		t->notes[1] = t->text;
	}
	return task_fits(t) &&
	       !__builtin_add_overflow(c->amount_nano, bonus, &sum->nano);
}

enum order_result
order_code_redeem(struct task *t)
{
	uint32_t account = books_account_find(t->o->books, str_of(t->in->name));
	struct code_record c;
	struct money sum;
	bool found;
	enum order_result r;
	enum store s;

	if (account == SHM_NONE)
		return ORDER_NOT_FOUND;
	r = get_code(t, code_key(t->in->code.hash), &c, &found);
	if (!found)
		return r;
	if (!bytes_equal(c.hash, t->in->code.hash, sizeof(c.hash)))
		return ORDER_CODE_UNKNOWN;
	r = check_code(t, &c, account);
	if (r != ORDER_DONE)
		return r;
	if (!code_entries(t, &c, account, &sum))
		return ORDER_INVALID;
	s = note_use(t, &c, account);
	if (s == STORE_OK)
		return task_give(t, account, sum);
	post_abort(t->o->post, s);
	task_answer(t, s);
	return ORDER_DONE;
}
