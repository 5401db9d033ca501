/* Redemption codes: money == uses, however often they are sent and whoever
 * dies meanwhile. */
#include "billing/records.h"
#include "tests/tap.h"
#include "tests/unit/billing/fixture.h"

#define USD	 1000000000ll
#define ACCOUNTS 50

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

static enum order_result
code_create(struct fixture *f, uint8_t byte, uint32_t uses, uint32_t bonus_ppm,
	    uint64_t expires_ms)
{
	struct order o;

	memset(&o, 0, sizeof(o));
	o.kind = ORDER_CODE_CREATE;
	o.amount = money_nano(4 * USD);
	memset(o.code.hash, byte, sizeof(o.code.hash));
	(void)strcpy(o.code.prefix, "TG-TEST");
	o.code.uses = uses;
	o.code.bonus_ppm = bonus_ppm;
	o.code.expires_ms = expires_ms;
	return fix_order(f, &o).result;
}

static struct order
redeem_of(uint8_t byte, unsigned account, const char *idem)
{
	struct order o;

	memset(&o, 0, sizeof(o));
	o.kind = ORDER_CODE_REDEEM;
	(void)snprintf(o.name, sizeof(o.name), "a%u", account);
	(void)str_copy(o.idem, sizeof(o.idem), str_of(idem));
	memset(o.code.hash, byte, sizeof(o.code.hash));
	return o;
}

static enum order_result
redeem(struct fixture *f, uint8_t byte, unsigned account, const char *idem)
{
	struct order o = redeem_of(byte, account, idem);

	return fix_order(f, &o).result;
}

static void
make_accounts(struct fixture *f, unsigned n)
{
	char name[8];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "a%u", i);
		CHECK_INT(fix_account(f, name, 0).result, ORDER_DONE);
	}
}

TEST(a_code_brings_its_amount_and_a_bonus_of_its_own)
{
	struct fixture f;

	writer_open(&f);
	make_accounts(&f, 3);
	CHECK_INT(code_create(&f, 7, 0, 0, 0), ORDER_INVALID);
	CHECK_INT(code_create(&f, 7, 2, 250000, 0), ORDER_DONE);
	CHECK_INT(code_create(&f, 7, 2, 250000, 0), ORDER_EXISTS);
	CHECK_INT(redeem(&f, 8, 0, "a"), ORDER_CODE_UNKNOWN);
	CHECK_INT(redeem(&f, 7, 9, "b"), ORDER_NOT_FOUND);
	CHECK_INT(redeem(&f, 7, 0, "c"), ORDER_DONE);
	CHECK_INT(fix_available(&f, 0), 5 * USD);
	CHECK_INT(f.region.head->committed_seq, 2);
	CHECK_INT(redeem(&f, 7, 0, "c"), ORDER_REPEATED);
	CHECK_INT(redeem(&f, 7, 0, "d"), ORDER_CODE_TAKEN);
	CHECK_INT(redeem(&f, 7, 1, "e"), ORDER_DONE);
	CHECK_INT(redeem(&f, 7, 2, "f"), ORDER_CODE_USED);
	CHECK_INT(fix_available(&f, 2), 0);
	writer_close(&f);
}

TEST(a_code_ends_at_its_time_or_when_it_is_revoked)
{
	struct fixture f;
	struct order o;

	writer_open(&f);
	make_accounts(&f, 2);
	CHECK_INT(code_create(&f, 1, 5, 0, 1), ORDER_DONE);
	CHECK_INT(redeem(&f, 1, 0, "a"), ORDER_CODE_EXPIRED);
	CHECK_INT(code_create(&f, 2, 5, 0, UINT64_MAX), ORDER_DONE);
	CHECK_INT(redeem(&f, 2, 0, "b"), ORDER_DONE);
	memset(&o, 0, sizeof(o));
	o.kind = ORDER_CODE_REVOKE;
	memset(&o.ref, 2, sizeof(o.ref));
	CHECK_INT(fix_order(&f, &o).result, ORDER_DONE);
	CHECK_INT(redeem(&f, 2, 1, "c"), ORDER_CODE_REVOKED);
	o.ref = 77;
	CHECK_INT(fix_order(&f, &o).result, ORDER_CODE_UNKNOWN);
	writer_close(&f);
}

/* All at once, as a hostile client would; a writer that dies in between
 * leaves some of them undone, and all of them are sent again. */
static void
send_all(struct fixture *f, uint8_t byte)
{
	char idem[24];

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		struct order o;

		(void)snprintf(idem, sizeof(idem), "code-%u-%u", byte, i);
		o = redeem_of(byte, i, idem);
		o.id = ++f->next_order;
		(void)!send(f->orders, &o, sizeof(o), MSG_DONTWAIT);
	}
}

static void
race(uint32_t uses)
{
	struct fixture f;
	int64_t total = 0;
	unsigned done = 0;

	writer_open(&f);
	make_accounts(&f, ACCOUNTS);
	CHECK_INT(code_create(&f, 3, uses, 500000, 0), ORDER_DONE);
	for (int round = 0; round < 4; round++) {
		send_all(&f, 3);
		for (int i = 0; i < round; i++)
			fix_pause();
		CHECK_INT(fix_stop(&f, SIGKILL), 128 + SIGKILL);
		fix_start(&f);
		CHECK(fix_wait_state(&f, LEDGER_OK));
	}
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		char idem[24];
		enum order_result r;

		(void)snprintf(idem, sizeof(idem), "code-3-%u", i);
		r = redeem(&f, 3, i, idem);
		done += r == ORDER_DONE || r == ORDER_REPEATED;
		total += fix_available(&f, i);
	}
	CHECK_INT(done, uses);
	CHECK_INT(total, (int64_t)uses * 6 * USD);
	writer_close(&f);
}

TEST(a_code_of_one_use_is_used_once_by_fifty_at_once_and_kills)
{
	race(1);
}

TEST(a_code_of_ten_uses_is_used_ten_times)
{
	race(10);
}

int
main(void)
{
	RUN(a_code_brings_its_amount_and_a_bonus_of_its_own);
	RUN(a_code_ends_at_its_time_or_when_it_is_revoked);
	RUN(a_code_of_one_use_is_used_once_by_fifty_at_once_and_kills);
	RUN(a_code_of_ten_uses_is_used_ten_times);
	return tap_done();
}
