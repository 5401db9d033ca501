/* Refunds of entries, corrections, credits. */
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

static struct order
order_of(enum order_kind kind, const char *name, int64_t nano)
{
	struct order o;

	memset(&o, 0, sizeof(o));
	o.kind = kind;
	(void)str_copy(o.name, sizeof(o.name), str_of(name));
	o.amount = money_nano(nano);
	return o;
}

static enum order_result
refund(struct desk *d, const char *name, int64_t nano, uint64_t of)
{
	struct order o = order_of(ORDER_REFUND, name, nano);

	o.ref = of;
	return desk_order(d, &o).result;
}

static int64_t
available(struct desk *d, uint32_t account)
{
	return d->r->counters[account].available;
}

TEST(no_more_of_a_topup_is_refunded_than_it_was)
{
	struct desk d;
	struct order more = order_of(ORDER_TOPUP, "a0", 20 * USD);

	desk_open(&d); /* entry 1: a0, 2: a1 */
	CHECK_INT(desk_order(&d, &more).result, ORDER_DONE);
	CHECK_INT(refund(&d, "a0", 4 * USD, 1), ORDER_DONE);
	CHECK_INT(refund(&d, "a0", 7 * USD, 1), ORDER_REFUNDED);
	CHECK_INT(refund(&d, "a0", 6 * USD, 1), ORDER_DONE);
	CHECK_INT(refund(&d, "a0", 1, 1), ORDER_REFUNDED);
	CHECK_INT(refund(&d, "a0", 1, 2), ORDER_NO_ENTRY); /* another's */
	CHECK_INT(refund(&d, "a0", 1, 3), ORDER_NO_ENTRY); /* a limit */
	CHECK_INT(refund(&d, "a0", 1, 99), ORDER_NO_ENTRY);
	CHECK_INT(available(&d, 0), 20 * USD);
	desk_close(&d);
}

TEST(what_a_request_cost_goes_back_once)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;
	uint64_t seq;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 4 * USD));
	hold_settle(w, &h, money_nano(3 * USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(available(&d, 0), 7 * USD);
	seq = d.post.meta.next_seq - 1;
	CHECK_INT(refund(&d, "a0", 4 * USD, seq), ORDER_REFUNDED);
	CHECK_INT(refund(&d, "a0", 2 * USD, seq), ORDER_DONE);
	CHECK_INT(refund(&d, "a0", 2 * USD, seq), ORDER_REFUNDED);
	CHECK_INT(available(&d, 0), 9 * USD);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(a_request_that_may_still_be_reversed_is_not_refunded)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;
	uint64_t seq;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 4 * USD));
	hold_settle(w, &h, money_nano(3 * USD), money_nano(0), REASON_NORMAL,
		    false);
	CHECK_INT(desk_settle(&d), STORE_OK);
	seq = d.post.meta.next_seq - 1;
	CHECK_INT(refund(&d, "a0", USD, seq), ORDER_NO_ENTRY);
	hold_not_sent(w, &h);
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(available(&d, 0), 10 * USD);
	CHECK_INT(refund(&d, "a0", 1, seq), ORDER_REFUNDED);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(corrections_go_both_ways_and_credits_one)
{
	struct desk d;
	struct order o = order_of(ORDER_CORRECT, "a1", -12 * USD);

	desk_open(&d);
	CHECK_INT(desk_order(&d, &o).balance.nano, -2 * USD);
	CHECK_INT(available(&d, 1), -2 * USD);
	o = order_of(ORDER_CORRECT, "a1", 5 * USD);
	CHECK_INT(desk_order(&d, &o).balance.nano, 3 * USD);
	o = order_of(ORDER_CORRECT, "a1", 0);
	CHECK_INT(desk_order(&d, &o).result, ORDER_INVALID);
	o = order_of(ORDER_CREDIT, "a1", USD);
	(void)strcpy(o.idem, "gift");
	CHECK_INT(desk_order(&d, &o).balance.nano, 4 * USD);
	CHECK_INT(desk_order(&d, &o).result, ORDER_REPEATED);
	o = order_of(ORDER_CREDIT, "a1", -USD);
	CHECK_INT(desk_order(&d, &o).result, ORDER_INVALID);
	CHECK_INT(available(&d, 1), 4 * USD);
	CHECK_INT(d.r->counters[1].balance, 4 * USD);
	desk_close(&d);
}

TEST(a_new_account_may_begin_with_a_topup_and_a_credit)
{
	struct desk d;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "new", 2 * USD);

	desk_open(&d);
	o.signup = money_nano(USD);
	CHECK_INT(desk_order(&d, &o).balance.nano, 3 * USD);
	CHECK_INT(available(&d, 2), 3 * USD);
	desk_close(&d);
}

int
main(void)
{
	RUN(no_more_of_a_topup_is_refunded_than_it_was);
	RUN(what_a_request_cost_goes_back_once);
	RUN(a_request_that_may_still_be_reversed_is_not_refunded);
	RUN(corrections_go_both_ways_and_credits_one);
	RUN(a_new_account_may_begin_with_a_topup_and_a_credit);
	return tap_done();
}
