/* Plans: a fee and an allowance each month, once. */
#include "billing/plans.h"
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

static struct conf_plan plans[] = {
	{.name = {"pro", 3},
	 .fee = {2 * USD},
	 .allowance = {5 * USD},
	 .rpm = 60,
	 .group = {"cheap", 5}},
	{.name = {"dear", 4}, .fee = {50 * USD}, .allowance = {60 * USD}},
};

static void
open_desk(struct desk *d)
{
	desk_open(d); /* a0, a1: 10 USD each */
	d->f.conf.plans = plans;
	d->f.conf.n_plans = ARRAY_LEN(plans);
	d->windows.month = 100;
}

static void
month(struct desk *d, uint32_t number)
{
	struct plans p = {.orders = &d->orders};

	d->windows.month = number;
	CHECK(plans_step(&p, 1));
	CHECK(plans_step(&p, 1));
}

static enum order_result
set_plan(struct desk *d, const char *account, const char *plan)
{
	struct order o;

	memset(&o, 0, sizeof(o));
	o.kind = ORDER_ACCOUNT_SET;
	o.set = SET_PLAN;
	(void)str_copy(o.name, sizeof(o.name), str_of(account));
	(void)str_copy(o.plan, sizeof(o.plan), str_of(plan));
	return desk_order(d, &o).result;
}

static void
spend(struct desk *d, int64_t nano)
{
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	w = fix_worker(&d->f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, nano));
	hold_settle(w, &h, money_nano(nano), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(desk_settle(d), STORE_OK);
	slot_owner_free(w);
}

static void
move(struct desk *d, enum order_kind kind, int64_t nano,
     enum order_result expected)
{
	struct order o;

	memset(&o, 0, sizeof(o));
	o.kind = kind;
	o.amount = money_nano(nano);
	(void)strcpy(o.name, "a0");
	CHECK_INT(desk_order(d, &o).result, expected);
}

static int64_t
available(struct desk *d)
{
	CHECK_INT(d->r->counters[0].balance, d->r->counters[0].available);
	return d->r->counters[0].available;
}

TEST(a_plan_begins_when_it_is_set_and_each_month_once)
{
	struct desk d;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	CHECK_INT(available(&d), 13 * USD);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	month(&d, 100);
	CHECK_INT(available(&d), 13 * USD);
	CHECK_INT(d.r->accounts[0].limits.rpm, 60);
	CHECK_STR(account_texts(&d.r->accounts[0])->group, "cheap");
	/* Nothing was used: all of it is taken back. */
	month(&d, 101);
	CHECK_INT(available(&d), 11 * USD);
	month(&d, 101);
	CHECK_INT(available(&d), 11 * USD);
	desk_close(&d);
}

TEST(only_what_was_not_used_is_taken_back)
{
	struct desk d;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	spend(&d, 4 * USD);
	move(&d, ORDER_TOPUP, 7 * USD, ORDER_DONE);
	move(&d, ORDER_CREDIT, 1 * USD, ORDER_DONE);
	CHECK_INT(available(&d), 17 * USD);
	month(&d, 101); /* -1 left, -2 fee, +5 */
	CHECK_INT(available(&d), 19 * USD);
	spend(&d, 6 * USD);
	month(&d, 102); /* all used: -2, +5 */
	CHECK_INT(available(&d), 16 * USD);
	desk_close(&d);
}

TEST(an_allowance_is_not_paid_out)
{
	struct desk d;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	move(&d, ORDER_REFUND, 9 * USD, ORDER_SHORT);
	move(&d, ORDER_REFUND, 8 * USD, ORDER_DONE);
	CHECK_INT(available(&d), 5 * USD);
	spend(&d, 2 * USD);
	month(&d, 101); /* 3 left go; the fee is not covered */
	CHECK_INT(available(&d), 0);
	CHECK(d.r->accounts[0].flags & ACCOUNT_PLAN_UNPAID);
	desk_close(&d);
}

TEST(without_money_for_the_fee_a_plan_waits_for_some)
{
	struct desk d;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "dear"), ORDER_DONE);
	CHECK_INT(available(&d), 10 * USD);
	CHECK(d.r->accounts[0].flags & ACCOUNT_PLAN_UNPAID);
	month(&d, 100);
	move(&d, ORDER_TOPUP, 39 * USD, ORDER_DONE);
	CHECK_INT(available(&d), 49 * USD);
	move(&d, ORDER_TOPUP, 1 * USD, ORDER_DONE);
	CHECK_INT(available(&d), 60 * USD);
	CHECK(!(d.r->accounts[0].flags & ACCOUNT_PLAN_UNPAID));
	desk_close(&d);
}

TEST(a_plan_that_ends_takes_the_rest_of_its_allowance)
{
	struct desk d;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	spend(&d, 1 * USD);
	CHECK_INT(set_plan(&d, "a0", ""), ORDER_DONE);
	CHECK_INT(available(&d), 8 * USD);
	month(&d, 101);
	CHECK_INT(available(&d), 8 * USD);
	CHECK_INT(d.r->accounts[0].limits.rpm, 0);
	desk_close(&d);
}

TEST(what_is_held_over_the_end_counts_as_used)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 3 * USD));
	month(&d, 101); /* -2 left, -2 fee, +5 */
	CHECK_INT(d.r->counters[0].balance, 14 * USD);
	CHECK_INT(d.r->counters[0].available, 11 * USD);
	hold_settle(w, &h, money_nano(3 * USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(available(&d), 11 * USD);
	slot_owner_free(w);
	desk_close(&d);
}

/* The writer dies after each commit; the next one finds the month begun. */
TEST(a_month_is_begun_once_whoever_dies)
{
	struct desk d;

	open_desk(&d);
	CHECK_INT(set_plan(&d, "a0", "pro"), ORDER_DONE);
	for (uint32_t m = 101; m < 105; m++) {
		month(&d, m);
		desk_stop(&d);
		desk_start(&d);
		d.windows.month = m;
		reap_own(&d.reaper);
		CHECK_INT(desk_settle(&d), STORE_OK);
		month(&d, m);
		CHECK_INT(available(&d), (int64_t)(13 - 2 * (m - 100)) * USD);
		CHECK(audit_run(&d.audit));
	}
	desk_close(&d);
}

int
main(void)
{
	RUN(a_plan_begins_when_it_is_set_and_each_month_once);
	RUN(only_what_was_not_used_is_taken_back);
	RUN(an_allowance_is_not_paid_out);
	RUN(without_money_for_the_fee_a_plan_waits_for_some);
	RUN(a_plan_that_ends_takes_the_rest_of_its_allowance);
	RUN(what_is_held_over_the_end_counts_as_used);
	RUN(a_month_is_begun_once_whoever_dies);
	return tap_done();
}
