/* Changes of accounts and their money with a body, as orders to the ledger
 * writer. */
#include <string.h>

#include "admin/ask.h"
#include "admin/form.h"
#include "admin/pages.h"
#include "conf/conf.h"

static const struct member account_members[] = {
	{"name", MEMBER_NAME, true, FORM_TEXT_AT(order.name), 0},
	{"group", MEMBER_TEXT, false, FORM_TEXT_AT(order.group), 0},
	{"parent", MEMBER_NAME, false, FORM_TEXT_AT(order.parent), 0},
	{"balance", MEMBER_MONEY, false, FORM_AT(order.amount), 0, 0},
	{"postpaid", MEMBER_BOOL, false, FORM_AT(order.postpaid), 0, 0},
	{"credit_limit", MEMBER_MONEY, false, FORM_AT(order.credit), 0, 0},
	{"rpm", MEMBER_COUNT, false, FORM_AT(order.rpm), 0, 0},
	{"tpm", MEMBER_COUNT, false, FORM_AT(order.tpm), 0, 0},
	{"concurrency", MEMBER_COUNT, false, FORM_AT(order.concurrency), 0, 0},
	{"note", MEMBER_TEXT, false, FORM_TEXT_AT(order.note), 0},
	{"no_signup_credit", MEMBER_BOOL, false, FORM_AT(no_credit), 0, 0},
};

static const struct member set_members[] = {
	{"group", MEMBER_TEXT, false, FORM_TEXT_AT(order.group), SET_GROUP},
	{"discount", MEMBER_PERCENT, false, FORM_AT(order.discount_ppm), 0,
	 SET_DISCOUNT},
	{"rpm", MEMBER_COUNT, false, FORM_AT(order.rpm), 0, SET_RPM},
	{"tpm", MEMBER_COUNT, false, FORM_AT(order.tpm), 0, SET_TPM},
	{"concurrency", MEMBER_COUNT, false, FORM_AT(order.concurrency), 0,
	 SET_CONCURRENCY},
	{"postpaid", MEMBER_BOOL, false, FORM_AT(order.postpaid), 0,
	 SET_POSTPAID},
	{"credit_limit", MEMBER_MONEY, false, FORM_AT(order.credit), 0,
	 SET_CREDIT},
	{"low_balance", MEMBER_TEXT, false, FORM_TEXT_AT(low), SET_LOW},
	{"plan", MEMBER_TEXT, false, FORM_TEXT_AT(plan), SET_PLAN},
	{"price_pin", MEMBER_TEXT, false, FORM_TEXT_AT(pin), SET_PIN},
};

static const struct member topup_members[] = {
	{"amount", MEMBER_MONEY, true, FORM_AT(order.amount), 0, 0},
	{"note", MEMBER_TEXT, false, FORM_TEXT_AT(order.note), 0},
};

static const struct member correct_members[] = {
	{"amount", MEMBER_SIGNED, true, FORM_AT(order.amount), 0, 0},
	{"note", MEMBER_TEXT, true, FORM_TEXT_AT(order.note), 0},
};

static const struct member refund_members[] = {
	{"amount", MEMBER_MONEY, true, FORM_AT(order.amount), 0, 0},
	{"of", MEMBER_SEQ, false, FORM_AT(order.ref), 0, 0},
	{"note", MEMBER_TEXT, false, FORM_TEXT_AT(order.note), 0},
};

bool
form_group_exists(struct page *p, const char *group)
{
	if (group[0] == '\0' ||
	    conf_group_find(p->admin->args->conf, str_of(group)))
		return true;
	page_error(p, 400, "invalid_field",
		   "The group \"%s\" is not in the configuration.", group);
	return false;
}

bool
form_take_account(struct page *p, struct str body, const struct member *members,
		  unsigned n, struct form *form)
{
	if (!form_take(p, body, members, n, form))
		return false;
	if (str_copy(form->order.name, sizeof(form->order.name),
		     str_of(p->name)))
		return true;
	page_error(p, 404, "not_found", "There is no account \"%s\".", p->name);
	return false;
}

void
admin_account_create(struct page *p, struct str body)
{
	struct form f;

	if (!form_take(p, body, account_members, ARRAY_LEN(account_members),
		       &f) ||
	    !form_group_exists(p, f.order.group))
		return;
	if (f.order.credit.nano > 0 && !f.order.postpaid) {
		page_error(p, 400, "invalid_field",
			   "A credit_limit needs \"postpaid\": true.");
		return;
	}
	if (!f.no_credit)
		f.order.signup = p->admin->args->conf->billing.signup_credit;
	f.order.kind = ORDER_ACCOUNT_CREATE;
	p->is_create = true;
	ask_writer(p, &f.order);
}

/* ---- terms ---- */

static bool
low_take(struct page *p, struct form *f)
{
	struct str text = str_of(f->low);

	if (!(f->order.set & SET_LOW) || str_eq(text, STR("none")))
		return true;
	f->order.has_low = 1;
	if (money_parse(text, &f->order.low))
		return true;
	page_error(p, 400, "invalid_field",
		   "The field 'low_balance' must be USD as decimal text, like "
		   "\"5.00\", or \"none\".");
	return false;
}

static bool
pin_take(struct page *p, struct form *f)
{
	struct str text = str_of(f->pin);
	uint64_t version = 0;

	if (!(f->order.set & SET_PIN) || str_eq(text, STR("none")))
		return true;
	f->order.price_pin = PIN_CURRENT;
	if (str_eq(text, STR("current")))
		return true;
	if (str_to_u64(text, &version) && version > 0 &&
	    version < PIN_CURRENT) {
		f->order.price_pin = (uint32_t)version;
		return true;
	}
	page_error(p, 400, "invalid_field",
		   "The field 'price_pin' must be the number of a price "
		   "version as text, \"current\" or \"none\".");
	return false;
}

static bool
plan_take(struct page *p, struct form *f)
{
	struct str name = str_of(f->plan);

	if (!(f->order.set & SET_PLAN) || str_eq(name, STR("none")))
		return true;
	if (conf_plan_find(p->admin->args->conf, name))
		return str_copy(f->order.plan, sizeof(f->order.plan), name);
	page_error(p, 400, "invalid_field",
		   "The plan \"%s\" is not in the configuration.", f->plan);
	return false;
}

void
admin_account_set(struct page *p, struct str body)
{
	struct form f;

	if (!form_take_account(p, body, set_members, ARRAY_LEN(set_members),
			       &f) ||
	    !form_group_exists(p, f.order.group) || !low_take(p, &f) ||
	    !pin_take(p, &f) || !plan_take(p, &f))
		return;
	if (f.order.set == 0) {
		page_error(p, 400, "missing_field",
			   "Say what to set: GET /openapi.yaml lists the "
			   "fields.");
		return;
	}
	f.order.kind = ORDER_ACCOUNT_SET;
	ask_writer(p, &f.order);
}

/* ---- money ---- */

static void
move_money(struct page *p, struct str body, const struct member *members,
	   unsigned n, enum order_kind kind)
{
	struct form f;

	if (!form_take_account(p, body, members, n, &f))
		return;
	if (f.order.amount.nano == 0) {
		page_error(p, 400, "invalid_field",
			   "The field 'amount' must be more than zero.");
		return;
	}
	f.order.kind = kind;
	ask_writer(p, &f.order);
}

void
admin_account_topup(struct page *p, struct str body)
{
	move_money(p, body, topup_members, ARRAY_LEN(topup_members),
		   ORDER_TOPUP);
}

void
admin_account_refund(struct page *p, struct str body)
{
	move_money(p, body, refund_members, ARRAY_LEN(refund_members),
		   ORDER_REFUND);
}

void
admin_account_correct(struct page *p, struct str body)
{
	move_money(p, body, correct_members, ARRAY_LEN(correct_members),
		   ORDER_CORRECT);
}

void
admin_account_credit(struct page *p, struct str body)
{
	move_money(p, body, topup_members, ARRAY_LEN(topup_members),
		   ORDER_CREDIT);
}
