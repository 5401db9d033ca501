/* What the webhook is told, and how it is signed. */
#include <stdlib.h>

#include "admin/webhook.h"
#include "shm/accounts.h"
#include "shm/counters.h"
#include "tests/tap.h"

TEST(an_event_names_account_balance_and_threshold)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct region r;

	CHECK(region_anonymous(&r, 256, 8) == E_OK);
	(void)strcpy(r.accounts[3].name, "team \"a\"");
	r.accounts[3].low_nano = 5000000000;
	r.counters[counter_of_account(3)].balance = -1;
	webhook_body(&out, &r, 3, 1763640000123);
	CHECK(str_eq(buf_str(&out),
		     STR("{\"event\":\"balance.low\",\"account\":"
			 "\"team \\\"a\\\"\",\"balance_usd\":"
			 "\"-0.000000001\",\"threshold_usd\":\"5.00\","
			 "\"time\":\"2025-11-20T12:00:00.123Z\"}")));
	region_close(&r);
}

TEST(the_signature_is_the_hmac_of_time_and_body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	/* printf 1763640000.{} | openssl dgst -sha256 -hmac key */
	webhook_signature(&out, STR("key"), 1763640000, STR("{}"));
	CHECK(str_eq(buf_str(&out),
		     STR("t=1763640000,v1=36d146b845e2c2391f670a5404871892"
			 "441254fd48aa7c733923541161551506")));
}

int
main(void)
{
	RUN(an_event_names_account_balance_and_threshold);
	RUN(the_signature_is_the_hmac_of_time_and_body);
	return tap_done();
}
