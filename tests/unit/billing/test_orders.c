/* Orders of the admin process, as a writer obeys them. */
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD 1000000000ll

static void
writer_open(struct fixture *f)
{
	fix_open(f);
	fix_start(f);
	CHECK(fix_wait_state(f, LEDGER_OK));
}

static void
writer_close(struct fixture *f)
{
	CHECK_INT(fix_stop(f, SIGTERM), 0);
	CHECK_INT(fix_verify(f, false), VERIFY_BALANCED);
	fix_close(f);
}

/* A second life of the same writer: what was promised still holds. */
static void
writer_again(struct fixture *f)
{
	CHECK_INT(fix_stop(f, SIGKILL), 128 + SIGKILL);
	fix_start(f);
	CHECK(fix_wait_state(f, LEDGER_OK));
}

static struct order
order_of(enum order_kind kind, const char *name)
{
	struct order o = {.kind = kind};

	(void)str_copy(o.name, sizeof(o.name), str_of(name));
	return o;
}

TEST(a_topup_is_done_once_however_often_it_is_sent)
{
	struct fixture f;
	struct order_answer first, again;

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", 0).result, ORDER_DONE);
	first = fix_topup(&f, "alice", 5 * USD, "k1");
	CHECK_INT(first.result, ORDER_DONE);
	CHECK_INT(first.balance.nano, 5 * USD);
	CHECK_INT(first.seq, 1);
	again = fix_topup(&f, "alice", 5 * USD, "k1");
	CHECK_INT(again.result, ORDER_REPEATED);
	CHECK_INT(again.seq, first.seq);
	CHECK_INT(again.balance.nano, first.balance.nano);
	writer_again(&f);
	CHECK_INT(fix_topup(&f, "alice", 5 * USD, "k1").result, ORDER_REPEATED);
	CHECK_INT(fix_topup(&f, "alice", 6 * USD, "k1").result, ORDER_CONFLICT);
	CHECK_INT(fix_topup(&f, "alice", 5 * USD, "k2").result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 10 * USD);
	writer_close(&f);
}

TEST(a_topup_needs_an_account_and_an_amount)
{
	struct fixture f;

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", 0).result, ORDER_DONE);
	CHECK_INT(fix_topup(&f, "bob", USD, "a").result, ORDER_NOT_FOUND);
	CHECK_INT(fix_topup(&f, "alice", 0, "b").result, ORDER_INVALID);
	CHECK_INT(fix_topup(&f, "alice", -USD, "c").result, ORDER_INVALID);
	CHECK_INT(fix_topup(&f, "alice", INT64_MIN, "d").result, ORDER_INVALID);
	CHECK_INT(fix_topup(&f, "alice", INT64_MAX, "e").result, ORDER_DONE);
	/* More than fits. */
	CHECK_INT(fix_topup(&f, "alice", 1, "f").result, ORDER_INVALID);
	CHECK_INT(fix_available(&f, 0), INT64_MAX);
	writer_close(&f);
}

TEST(a_refund_takes_only_what_is_there_and_not_held)
{
	struct fixture f;
	struct order o = order_of(ORDER_REFUND, "alice");
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", 10 * USD).result, ORDER_DONE);
	w = fix_worker(&f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 4 * USD));
	o.amount = money_nano(7 * USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_SHORT);
	CHECK_INT(fix_available(&f, 0), 6 * USD);
	o.amount = money_nano(11 * USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_SHORT);
	o.amount = money_nano(6 * USD);
	CHECK_INT(fix_order(&f, &o).balance.nano, 4 * USD);
	CHECK_INT(fix_available(&f, 0), 0);
	hold_settle(w, &h, money_nano(0), money_nano(0), REASON_NORMAL, true);
	CHECK(fix_worker_dies(&f, row));
	CHECK_INT(fix_available(&f, 0), 4 * USD);
	slot_owner_free(w);
	writer_close(&f);
}

TEST(credit_can_be_spent_but_not_taken_out)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "post");
	struct order r = order_of(ORDER_REFUND, "post");

	writer_open(&f);
	o.credit = money_nano(5 * USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	o.postpaid = 1;
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 5 * USD);
	r.amount = money_nano(USD);
	CHECK_INT(fix_order(&f, &r).result, ORDER_SHORT);
	writer_again(&f);
	CHECK_INT(fix_available(&f, 0), 5 * USD);
	CHECK_INT(f.region.counters[0].credit, 5 * USD);
	writer_close(&f);
}

TEST(a_parent_has_no_parent_itself)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "team");

	writer_open(&f);
	CHECK_INT(fix_account(&f, "org", 0).result, ORDER_DONE);
	(void)strcpy(o.parent, "org");
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	o = order_of(ORDER_ACCOUNT_CREATE, "person");
	(void)strcpy(o.parent, "team");
	CHECK_INT(fix_order(&f, &o).result, ORDER_NESTED);
	CHECK_INT(f.region.head->n_accounts, 2);
	writer_close(&f);
}

TEST(terms_are_set_one_by_one_and_stay)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_SET, "alice");
	const struct account_row *a;

	writer_open(&f);
	CHECK_INT(fix_order(&f, &o).result, ORDER_NOT_FOUND);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	o.set = SET_GROUP | SET_DISCOUNT | SET_RPM | SET_LOW;
	(void)strcpy(o.group, "cheap");
	o.discount_ppm = 125000;
	o.rpm = 9;
	o.has_low = 1;
	o.low = money_nano(-5);
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	o = order_of(ORDER_ACCOUNT_SET, "alice");
	o.set = SET_TPM;
	o.tpm = 77;
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	writer_again(&f);
	a = &f.region.accounts[0];
	CHECK_STR(account_texts(a)->group, "cheap");
	CHECK_INT(a->discount_ppm, 125000);
	CHECK_INT(a->limits.rpm, 9);
	CHECK_INT(a->limits.tpm, 77);
	CHECK_INT(a->low_nano, -5);
	CHECK_INT(a->flags, ACCOUNT_LIVE | ACCOUNT_LOW);
	o.set = SET_DISCOUNT;
	o.discount_ppm = PPM_ONE + 1;
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	o.set = SET_PIN;
	o.discount_ppm = 0;
	o.price_pin = 1;
	CHECK_INT(fix_order(&f, &o).result, ORDER_NO_VERSION);
	o.price_pin = PIN_CURRENT;
	CHECK_INT(fix_order(&f, &o).result, ORDER_NO_VERSION);
	o.set = SET_LOW;
	o.price_pin = 0;
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(a->flags, ACCOUNT_LIVE);
	writer_close(&f);
}

TEST(a_credit_limit_moves_what_is_available_once)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_SET, "alice");
	struct order audit = {.kind = ORDER_AUDIT};

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	o.set = SET_CREDIT;
	o.credit = money_nano(5 * USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_PREPAID);
	CHECK_INT(fix_available(&f, 0), USD);
	o.set = SET_CREDIT | SET_POSTPAID;
	o.postpaid = 1;
	(void)strcpy(o.idem, "up");
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 6 * USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_REPEATED);
	CHECK_INT(fix_available(&f, 0), 6 * USD);
	writer_again(&f);
	CHECK_INT(fix_order(&f, &o).result, ORDER_REPEATED);
	CHECK_INT(fix_available(&f, 0), 6 * USD);
	o.set = SET_CREDIT;
	o.credit = money_nano(2 * USD);
	(void)strcpy(o.idem, "down");
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 3 * USD);
	CHECK_INT(f.region.counters[0].credit, 2 * USD);
	CHECK_INT(fix_order(&f, &audit).result, ORDER_DONE);
	o.credit = money_nano(INT64_MAX);
	o.idem[0] = '\0';
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	writer_close(&f);
}

TEST(what_is_held_on_credit_weighs_on_a_lowered_limit)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "post");
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	writer_open(&f);
	o.postpaid = 1;
	o.credit = money_nano(5 * USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	w = fix_worker(&f, &row);
	CHECK(fix_hold(w, &h, 0, SHM_NONE, 5 * USD));
	o = order_of(ORDER_ACCOUNT_SET, "post");
	o.set = SET_CREDIT;
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), -5 * USD);
	hold_settle(w, &h, money_nano(2 * USD), money_nano(0), REASON_NORMAL,
		    true);
	CHECK(fix_worker_dies(&f, row));
	CHECK_INT(fix_available(&f, 0), -2 * USD);
	slot_owner_free(w);
	writer_close(&f);
}

/* The writer is killed while limits go up and down; whatever it had done,
 * memory and ledger say the same. */
TEST(a_credit_limit_survives_kills_of_the_writer)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "post");
	struct order audit = {.kind = ORDER_AUDIT};

	writer_open(&f);
	o.postpaid = 1;
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	for (int round = 0; round < 12; round++) {
		o = order_of(ORDER_ACCOUNT_SET, "post");
		o.set = SET_CREDIT;
		o.credit = money_nano((round % 3 + 1) * USD);
		o.id = 1000 + (uint64_t)round;
		(void)snprintf(o.idem, sizeof(o.idem), "limit-%d", round);
		CHECK(send(f.orders, &o, sizeof(o), 0) == sizeof(o));
		if (round % 2)
			fix_pause();
		writer_again(&f);
		/* Sent again, as the admin process does. */
		(void)fix_order(&f, &o);
		CHECK_INT(fix_available(&f, 0), o.credit.nano);
		CHECK_INT(f.region.counters[0].credit, o.credit.nano);
	}
	CHECK_INT(fix_order(&f, &audit).result, ORDER_DONE);
	writer_close(&f);
}

TEST(names_are_unique_and_clean)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "alice");

	writer_open(&f);
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(fix_order(&f, &o).result, ORDER_EXISTS);
	CHECK_INT(fix_account(&f, "", 0).result, ORDER_INVALID);
	CHECK_INT(fix_account(&f, "a\nb", 0).result, ORDER_INVALID);
	CHECK_INT(fix_account(&f, "\xff", 0).result, ORDER_INVALID);
	memset(o.name, 'x', sizeof(o.name)); /* not terminated */
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	o = order_of(ORDER_ACCOUNT_CREATE, "child");
	(void)strcpy(o.parent, "nobody");
	CHECK_INT(fix_order(&f, &o).result, ORDER_NOT_FOUND);
	(void)strcpy(o.parent, "alice");
	CHECK_INT(fix_order(&f, &o).index, 1);
	CHECK_INT(f.region.accounts[1].parent, 0);
	o = order_of((enum order_kind)99, "x");
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	writer_close(&f);
}

TEST(an_account_that_was_made_twice_with_one_key_is_one)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "alice");

	writer_open(&f);
	(void)strcpy(o.idem, "make-alice");
	o.amount = money_nano(USD);
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	writer_again(&f);
	CHECK_INT(fix_order(&f, &o).result, ORDER_REPEATED);
	CHECK_INT(f.region.head->n_accounts, 1);
	writer_close(&f);
}

TEST(a_frozen_account_says_so_over_restarts)
{
	struct fixture f;
	struct order freeze = order_of(ORDER_ACCOUNT_FREEZE, "alice");
	struct order thaw = order_of(ORDER_ACCOUNT_UNFREEZE, "alice");

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	CHECK_INT(fix_order(&f, &freeze).result, ORDER_DONE);
	CHECK_INT(f.region.accounts[0].flags, ACCOUNT_LIVE | ACCOUNT_FROZEN);
	writer_again(&f);
	CHECK_INT(f.region.accounts[0].flags, ACCOUNT_LIVE | ACCOUNT_FROZEN);
	f.region.accounts[0].flags |= ACCOUNT_AUDIT;
	CHECK_INT(fix_order(&f, &thaw).result, ORDER_DONE);
	CHECK_INT(f.region.accounts[0].flags, ACCOUNT_LIVE);
	freeze = order_of(ORDER_ACCOUNT_FREEZE, "bob");
	CHECK_INT(fix_order(&f, &freeze).result, ORDER_NOT_FOUND);
	writer_close(&f);
}

TEST(a_key_is_found_by_its_hash_until_it_is_revoked)
{
	struct fixture f;
	struct order o = {.kind = ORDER_KEY_REVOKE};
	uint8_t hash[SHA256_BYTES];

	writer_open(&f);
	memset(hash, 9, sizeof(hash));
	CHECK_INT(fix_key(&f, "alice", 9, -1).result, ORDER_NOT_FOUND);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	CHECK_INT(fix_key(&f, "alice", 0, -1).result, ORDER_INVALID);
	CHECK_INT(fix_key(&f, "alice", 9, -1).result, ORDER_DONE);
	CHECK_INT(fix_key(&f, "alice", 9, -1).result, ORDER_EXISTS);
	CHECK_INT(fix_key(&f, "alice", 10, 3 * USD).index, 1);
	CHECK_INT(key_find(&f.region, hash, 0), 0);
	CHECK_INT(f.region.keys[0].flags, KEY_LIVE);
	CHECK_INT(f.region.keys[1].flags, KEY_LIVE | KEY_BUDGET);
	memcpy(o.key.hash, hash, sizeof(hash));
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(f.region.keys[0].flags, KEY_LIVE | KEY_REVOKED);
	writer_again(&f);
	CHECK_INT(key_find(&f.region, hash, 0), 0);
	CHECK_INT(f.region.keys[0].flags, KEY_LIVE | KEY_REVOKED);
	CHECK_INT(fix_available(&f, counter_of_key(1)), 3 * USD);
	memset(o.key.hash, 0, sizeof(hash));
	o.key_id = 77;
	CHECK_INT(fix_order(&f, &o).result, ORDER_NOT_FOUND);
	o.key_id = 1;
	CHECK_INT(fix_order(&f, &o).index, 1);
	writer_close(&f);
}

TEST(a_rotated_key_keeps_its_old_secret_for_its_grace)
{
	struct fixture f;
	struct order o;
	uint8_t old[SHA256_BYTES];
	uint64_t now = clock_wall_ns() / NS_PER_MS;

	memset(&o, 0, sizeof(o));
	memset(old, 9, sizeof(old));
	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	CHECK_INT(fix_key(&f, "alice", 9, USD).result, ORDER_DONE);
	o.kind = ORDER_KEY_ROTATE;
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	memset(o.key.hash, 9, sizeof(o.key.hash));
	CHECK_INT(fix_order(&f, &o).result, ORDER_EXISTS);
	memset(o.key.hash, 10, sizeof(o.key.hash));
	o.key.grace_ms = 1000000;
	(void)strcpy(o.idem, "turn");
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	writer_again(&f);
	CHECK_INT(fix_order(&f, &o).result, ORDER_REPEATED);
	CHECK_INT(key_find(&f.region, o.key.hash, now), 0);
	CHECK_INT(key_find(&f.region, old, now), 0);
	CHECK_INT(key_find(&f.region, old, now + 2000000), SHM_NONE);
	CHECK_INT(fix_available(&f, counter_of_key(0)), USD);
	o.key_id = 5;
	o.idem[0] = '\0';
	CHECK_INT(fix_order(&f, &o).result, ORDER_NOT_FOUND);
	writer_close(&f);
}

TEST(tags_of_a_key_outlive_the_segment)
{
	struct fixture f;
	struct order o = order_of(ORDER_KEY_CREATE, "alice");

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	memset(o.key.hash, 9, sizeof(o.key.hash));
	(void)strcpy(o.key.tags, "prod,ci-7");
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_STR(key_texts(&f.region.keys[0])->tags, "prod,ci-7");
	CHECK_INT(fix_stop(&f, SIGKILL), 128 + SIGKILL);
	memset(f.region.keys[0].texts, 0, sizeof(f.region.keys[0].texts));
	fix_start(&f);
	CHECK_INT(fix_checkpoint(&f).result, ORDER_DONE);
	CHECK_STR(key_texts(&f.region.keys[0])->tags, "prod,ci-7");
	o = order_of(ORDER_KEY_SET, "");
	o.set = SET_NAME;
	(void)strcpy(o.key.name, "ci");
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_STR(key_texts(&f.region.keys[0])->tags, "prod,ci-7");
	o.set = SET_TAGS;
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_STR(key_texts(&f.region.keys[0])->tags, "");
	writer_again(&f);
	CHECK_INT(fix_checkpoint(&f).result, ORDER_DONE);
	CHECK_STR(key_texts(&f.region.keys[0])->tags, "");
	CHECK_STR(f.region.keys[0].name, "ci");
	memset(o.key.tags, 'x', sizeof(o.key.tags));
	CHECK_INT(fix_order(&f, &o).result, ORDER_INVALID);
	writer_close(&f);
}

TEST(the_audit_finds_money_that_nobody_posted)
{
	struct fixture f;
	struct order audit = {.kind = ORDER_AUDIT};

	writer_open(&f);
	CHECK_INT(fix_account(&f, "alice", USD).result, ORDER_DONE);
	CHECK_INT(fix_account(&f, "bob", USD).result, ORDER_DONE);
	CHECK_INT(fix_order(&f, &audit).result, ORDER_DONE);
	CHECK(f.region.head->audit_time_ns > 0);
	f.region.counters[1].available += 1;
	CHECK_INT(fix_order(&f, &audit).result, ORDER_DIFFERS);
	CHECK_INT(f.region.accounts[0].flags, ACCOUNT_LIVE);
	CHECK_INT(f.region.accounts[1].flags, ACCOUNT_LIVE | ACCOUNT_AUDIT);
	CHECK_INT(f.region.head->audit_frozen, 1);
	writer_close(&f);
}

TEST(orders_of_a_wrong_size_are_not_obeyed)
{
	struct fixture f;
	struct order o = order_of(ORDER_ACCOUNT_CREATE, "alice");

	writer_open(&f);
	CHECK(send(f.orders, &o, sizeof(o) - 1, 0) > 0);
	CHECK(send(f.orders, "", 1, 0) > 0);
	CHECK_INT(fix_checkpoint(&f).result, ORDER_DONE);
	CHECK_INT(f.region.head->n_accounts, 0);
	writer_close(&f);
}

TEST(every_result_has_a_text)
{
	for (int r = ORDER_DONE; r < ORDER_RESULTS; r++)
		CHECK(strcmp(order_result_text((enum order_result)r),
			     "unknown") != 0);
}

int
main(void)
{
	RUN(a_topup_is_done_once_however_often_it_is_sent);
	RUN(a_topup_needs_an_account_and_an_amount);
	RUN(a_refund_takes_only_what_is_there_and_not_held);
	RUN(credit_can_be_spent_but_not_taken_out);
	RUN(a_parent_has_no_parent_itself);
	RUN(terms_are_set_one_by_one_and_stay);
	RUN(a_credit_limit_moves_what_is_available_once);
	RUN(what_is_held_on_credit_weighs_on_a_lowered_limit);
	RUN(a_credit_limit_survives_kills_of_the_writer);
	RUN(names_are_unique_and_clean);
	RUN(an_account_that_was_made_twice_with_one_key_is_one);
	RUN(a_frozen_account_says_so_over_restarts);
	RUN(a_key_is_found_by_its_hash_until_it_is_revoked);
	RUN(a_rotated_key_keeps_its_old_secret_for_its_grace);
	RUN(tags_of_a_key_outlive_the_segment);
	RUN(the_audit_finds_money_that_nobody_posted);
	RUN(orders_of_a_wrong_size_are_not_obeyed);
	RUN(every_result_has_a_text);
	return tap_done();
}
