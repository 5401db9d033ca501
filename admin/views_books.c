/* Accounts and keys as shared memory has them. */
#include <string.h>

#include "admin/views.h"
#include "base/clock.h"
#include "shm/accounts.h"
#include "shm/counters.h"
#include "shm/keys.h"

uint32_t
account_rows(const struct region *r)
{
	return MIN_OF(atomic_load(&r->head->n_accounts), SHM_ACCOUNTS);
}

uint32_t
key_rows(const struct region *r)
{
	return MIN_OF(atomic_load(&r->head->n_keys), SHM_KEYS);
}

uint32_t
account_find(const struct region *r, struct str name)
{
	uint32_t n = account_rows(r);

	for (uint32_t i = 0; i < n; i++) {
		const struct account_row *a = &r->accounts[i];

		if ((atomic_load(&a->flags) & ACCOUNT_LIVE) &&
		    str_eq(str_of(a->name), name))
			return i;
	}
	return SHM_NONE;
}

static void
put_budget(struct json_out *o, const struct key_row *k, const struct counter *c)
{
	if (!(atomic_load(&k->flags) & KEY_BUDGET)) {
		json_name(o, "budget");
		json_put_null(o);
		json_name(o, "budget_left");
		json_put_null(o);
		return;
	}
	put_money(o, "budget", atomic_load(&k->budget_nano));
	put_text(o, "budget_window",
		 budget_window_name(atomic_load(&k->budget_window)));
	put_money(o, "budget_left", atomic_load(&c->available));
	put_time_ms(o, "budget_until", atomic_load(&k->window_end_ms));
}

static void
put_limits(struct json_out *o, const struct limit_cells *l)
{
	put_u64(o, "rpm", atomic_load(&l->rpm));
	put_u64(o, "tpm", atomic_load(&l->tpm));
	put_u64(o, "concurrency", atomic_load(&l->concurrency));
	put_i64(o, "running", atomic_load(&l->running));
}

/* "12.5" */
static void
put_percent(struct json_out *o, const char *name, uint32_t ppm)
{
	char text[MONEY_TEXT];

	(void)money_text(money_nano((int64_t)ppm * 100000), text);
	put_text(o, name, text);
}

static void
put_pin(struct json_out *o, uint32_t version)
{
	json_name(o, "price_pin");
	if (version)
		json_put_u64(o, version);
	else
		json_put_null(o);
}

static void
put_low(struct json_out *o, const struct account_row *a, uint32_t flags)
{
	if (flags & ACCOUNT_LOW) {
		put_money(o, "low_balance", atomic_load(&a->low_nano));
		return;
	}
	json_name(o, "low_balance");
	json_put_null(o);
}

static const char *
account_state(uint32_t flags)
{
	if (flags & ACCOUNT_AUDIT)
		return "frozen by audit";
	return flags & ACCOUNT_FROZEN ? "frozen" : "active";
}

void
view_account(struct json_out *o, const struct region *r, uint32_t index)
{
	const struct account_row *a = &r->accounts[index];
	const struct account_texts *texts = account_texts(a);
	const struct counter *c = &r->counters[counter_of_account(index)];
	uint32_t flags = atomic_load(&a->flags);
	uint32_t parent = atomic_load(&a->parent);
	int64_t available = atomic_load(&c->available);
	int64_t balance = atomic_load(&c->balance);
	int64_t credit = atomic_load(&c->credit);

	put_text(o, "name", a->name);
	put_u64(o, "id", index);
	put_text(o, "state", account_state(flags));
	put_text(o, "group", texts->group[0] ? texts->group : "default");
	put_text(o, "parent",
		 parent < account_rows(r) ? r->accounts[parent].name : "");
	put_bool(o, "postpaid", flags & ACCOUNT_POSTPAID);
	put_money(o, "balance", balance);
	put_money(o, "credit_limit", credit);
	put_money(o, "available", available);
	put_money(o, "held", balance + credit - available);
	put_percent(o, "discount", atomic_load(&a->discount_ppm));
	put_pin(o, atomic_load(&a->price_pin));
	put_low(o, a, flags);
	put_text(o, "plan", texts->plan);
	if (texts->plan[0])
		put_bool(o, "plan_unpaid", flags & ACCOUNT_PLAN_UNPAID);
	put_limits(o, &a->limits);
	put_time_ms(o, "created", a->created_ms);
}

static const char *
key_state(const struct key_row *k)
{
	uint32_t flags = atomic_load(&k->flags);

	if (flags & KEY_REVOKED)
		return "revoked";
	if (k->expires_ms != 0 && k->expires_ms <= clock_wall_ns() / NS_PER_MS)
		return "expired";
	return "active";
}

void
view_key(struct json_out *o, const struct region *r, uint32_t index)
{
	const struct key_row *k = &r->keys[index];
	const struct counter *c = &r->counters[counter_of_key(index)];

	put_u64(o, "id", index);
	put_text(o, "name", k->name);
	put_text(o, "account",
		 k->account < account_rows(r) ? r->accounts[k->account].name
					      : "");
	put_text(o, "state", key_state(k));
	put_text(o, "prefix", key_texts(k)->prefix);
	put_text(o, "group", key_texts(k)->group);
	put_list(o, "models", key_texts(k)->models);
	put_list(o, "allow_ip", key_texts(k)->allow);
	put_list(o, "tags", key_texts(k)->tags);
	put_bool(o, "strict", atomic_load(&k->flags) & KEY_STRICT);
	put_bool(o, "substitution", atomic_load(&k->flags) & KEY_SUBSTITUTION);
	put_limits(o, &k->limits);
	put_budget(o, k, c);
	put_time_ms(o, "expires", k->expires_ms);
	put_time_ms(o, "created", k->created_ms);
}
