/* Orders of pages: sent to the ledger writer, answered after its commit. */
#include "admin/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/orders.h"
#include "admin/views.h"
#include "base/hash.h"
#include "billing/records.h"

static void
answer_account(struct page *p, uint32_t index)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const struct region *r = p->admin->args->region;
	struct json_out o;

	if (index >= account_rows(r)) {
		page_error(p, 500, "internal_error",
			   "It is done, but the account is not to be seen.");
		return;
	}
	json_out_init(&o, &out);
	json_open(&o, '{');
	view_account(&o, r, index);
	json_close(&o, '}');
	page_json(p, p->is_create ? 201 : 200, &out);
}

static void
answer_key(struct page *p, uint32_t index)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const struct region *r = p->admin->args->region;
	struct json_out o;

	if (index >= key_rows(r)) {
		page_error(p, 500, "internal_error",
			   "It is done, but the key is not to be seen.");
		return;
	}
	json_out_init(&o, &out);
	json_open(&o, '{');
	view_key(&o, r, index);
	if (p->secret[0])
		put_text(&o, "key", p->secret);
	json_close(&o, '}');
	page_json(p, p->is_create ? 201 : 200, &out);
	if (!out.failed)
		bytes_wipe(out.p, out.n);
	bytes_wipe(p->secret, sizeof(p->secret));
}

static void
answer_money(struct page *p, const struct order *order,
	     const struct order_answer *answer)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &out);
	json_open(&o, '{');
	put_text(&o, "account", order->name);
	if (order->amount.nano)
		put_money(&o, "amount", order->amount.nano);
	put_money(&o, "balance", answer->balance.nano);
	put_u64(&o, "entry", answer->seq);
	put_bool(&o, "repeated", answer->result == ORDER_REPEATED);
	json_close(&o, '}');
	page_json(p, 200, &out);
}

static void
answer_code(struct page *p, const struct order *order)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	char id[17];
	struct json_out o;

	(void)snprintf(id, sizeof(id), "%016" PRIx64,
		       code_key(order->code.hash));
	json_out_init(&o, &out);
	json_open(&o, '{');
	put_text(&o, "id", id);
	put_text(&o, "code", p->secret);
	put_money(&o, "amount", order->amount.nano);
	put_u64(&o, "uses", order->code.uses);
	put_time_ms(&o, "expires", order->code.expires_ms);
	json_close(&o, '}');
	page_json(p, 201, &out);
	bytes_wipe(p->secret, sizeof(p->secret));
}

static void
answer_audit(struct page *p, bool balanced)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &out);
	json_open(&o, '{');
	put_bool(&o, "balanced", balanced);
	put_u64(&o, "frozen_by_audit",
		atomic_load(&p->admin->args->region->head->audit_frozen));
	json_close(&o, '}');
	page_json(p, 200, &out);
}

static void
answer_done(struct page *p, const struct order *order,
	    const struct order_answer *answer)
{
	switch ((enum order_kind)order->kind) {
	case ORDER_ACCOUNT_CREATE:
	case ORDER_ACCOUNT_FREEZE:
	case ORDER_ACCOUNT_UNFREEZE:
	case ORDER_ACCOUNT_SET: answer_account(p, answer->index); return;
	case ORDER_TOPUP:
	case ORDER_CORRECT:
	case ORDER_CREDIT:
	case ORDER_CODE_REDEEM:
	case ORDER_REFUND: answer_money(p, order, answer); return;
	case ORDER_KEY_CREATE:
	case ORDER_KEY_SET:
	case ORDER_KEY_ROTATE:
	case ORDER_KEY_REVOKE: answer_key(p, answer->index); return;
	case ORDER_AUDIT: answer_audit(p, true); return;
	case ORDER_CODE_CREATE: answer_code(p, order); return;
	case ORDER_CODE_REVOKE:
	case ORDER_CHECKPOINT: break;
	}
	page_text(p, 200, "application/json", STR("{}\n"));
}

static void
answer_exists(struct page *p, const struct order *order)
{
	if (order->kind == ORDER_CODE_CREATE)
		page_error(p, 409, "exists",
			   "This code exists already. Use another "
			   "Idempotency-Key.");
	else if (order->kind == ORDER_KEY_CREATE ||
		 order->kind == ORDER_KEY_ROTATE)
		page_error(p, 409, "exists",
			   "This key exists already. Import another one, or "
			   "leave 'secret' out.");
	else
		page_error(p, 409, "exists",
			   "There is an account \"%s\" already. Choose another "
			   "name, or top that one up.",
			   order->name);
}

static void
answer_missing(struct page *p, const struct order *order)
{
	if (order->kind == ORDER_KEY_REVOKE || order->kind == ORDER_KEY_SET ||
	    order->kind == ORDER_KEY_ROTATE)
		page_error(p, 404, "not_found", "There is no key %s.", p->name);
	else if (order->kind == ORDER_ACCOUNT_CREATE)
		page_error(p, 404, "not_found",
			   "There is no account \"%s\" to be its parent.",
			   order->parent);
	else
		page_error(p, 404, "not_found", "There is no account \"%s\".",
			   order->name);
}

/* What needs no name. */
static const struct refusal {
	int status;
	const char *code;
	const char *text;
} refusals[ORDER_RESULTS] = {
	[ORDER_CONFLICT] = {409, "idempotency_conflict",
			    "This Idempotency-Key was used for another change. "
			    "Nothing was done; use a new key."},
	[ORDER_SHORT] = {409, "insufficient_balance",
			 "The account has less available than that."},
	[ORDER_FULL] = {507, "full",
			"The server has no room for more accounts or keys, "
			"or too many changes wait."},
	[ORDER_NO_LEDGER] = {503, "ledger_unavailable",
			     "The ledger takes no entries now. Nothing was "
			     "done; try again."},
	[ORDER_PREPAID] = {400, "prepaid",
			   "A credit limit needs a postpaid account; a prepaid "
			   "one has none."},
	[ORDER_NO_VERSION] = {404, "not_found",
			      "There is no such price version."},
	[ORDER_NO_ENTRY] = {404, "not_found",
			    "The account has no such top-up or request that "
			    "is over."},
	[ORDER_REFUNDED] = {409, "refunded",
			    "That is more than what is left of the entry."},
	[ORDER_CODE_UNKNOWN] = {404, "not_found", "There is no such code."},
	[ORDER_CODE_REVOKED] = {409, "code_revoked", "The code was revoked."},
	[ORDER_CODE_EXPIRED] = {409, "code_expired", "The code has expired."},
	[ORDER_CODE_USED] = {409, "code_used",
			     "The code was redeemed as often as it may be."},
	[ORDER_CODE_TAKEN] = {409, "code_taken",
			      "The account has redeemed this code already."},
};

static void
answer_refused(struct page *p, const struct order *order,
	       enum order_result result)
{
	const struct refusal *r =
		&refusals[result < ORDER_RESULTS ? result : ORDER_INVALID];

	if (result == ORDER_EXISTS)
		answer_exists(p, order);
	else if (result == ORDER_NOT_FOUND)
		answer_missing(p, order);
	else if (result == ORDER_NESTED)
		page_error(p, 400, "nested_parent",
			   "The account \"%s\" has a parent itself. An account "
			   "may have one above it, not two.",
			   order->parent);
	else if (r->code)
		page_error(p, r->status, r->code, "%s", r->text);
	else
		page_error(p, 400, "invalid", "The ledger refuses this: %s.",
			   order_result_text(result));
}

static void
answered(void *user, const struct order *order,
	 const struct order_answer *answer)
{
	struct page *p = user;

	if (!answer)
		page_error(p, 504, "no_answer",
			   "The ledger writer has not answered. It may still "
			   "do it: ask again with the same Idempotency-Key, or "
			   "look.");
	else if (answer->result == ORDER_DONE ||
		 answer->result == ORDER_REPEATED)
		answer_done(p, order, answer);
	else if (answer->result == ORDER_DIFFERS)
		answer_audit(p, false);
	else
		answer_refused(p, order, (enum order_result)answer->result);
	page_release(p);
}

void
ask_writer(struct page *p, struct order *order)
{
	(void)str_copy(order->idem, sizeof(order->idem), str_of(p->idem));
	page_hold(p);
	if (orders_send(p->admin->orders, order, answered, p) == E_OK)
		return;
	page_error(p, 503, "overloaded",
		   "Too many changes wait for the ledger. Nothing was done; "
		   "try again.");
	page_release(p);
}
