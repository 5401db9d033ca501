/* Who asks: where the key may stand, and what makes it good for nothing. */
#include <arpa/inet.h>

#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

static int
status_with(struct fixture *f, const char *target, const char *key,
	    const char *fields)
{
	struct exchange *x = fix_open(f, "GET", target, key, fields);

	fix_settle(f);
	return x->status;
}

TEST(a_key_may_stand_in_any_of_five_places)
{
	struct fixture *f = fix_started();

	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 200);
	CHECK_INT(status_with(f, "/v1/models", NULL,
			      "authorization: bEARER  " FIX_KEY " \r\n"),
		  200);
	CHECK_INT(status_with(f, "/v1/models", NULL,
			      "X-Api-Key: " FIX_KEY "\r\n"),
		  200);
	CHECK_INT(
		status_with(f, "/v1/models", NULL, "api-key: " FIX_KEY "\r\n"),
		200);
	CHECK_INT(status_with(f, "/v1/models", NULL,
			      "x-goog-api-key: " FIX_KEY "\r\n"),
		  200);
	CHECK_INT(status_with(f, "/v1/models?a=1&key=" FIX_KEY, NULL, ""), 200);
	CHECK_INT(status_with(f, "/v1/models", NULL,
			      "authorization: Basic abc\r\nx-api-key: " FIX_KEY
			      "\r\n"),
		  200);
	CHECK(fix_done(f));
}

TEST(no_key_or_an_unknown_one_is_refused_before_the_body)
{
	static const char *const fields[] = {
		"", "authorization: Bearer\r\n", "authorization: Bearer \r\n",
		"x-api-key:\r\n", "authorization: Basic eA==\r\n"};
	struct fixture *f = fix_started();
	struct exchange *x;

	for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
		x = fix_open(f, "POST", FIX_CHATS, NULL, fields[i]);
		CHECK(!x->wants_body);
		CHECK_INT(x->status, 401);
		CHECK_STR(fix_json(x, "code"), "\"invalid_api_key\"");
		CHECK(fix_says(x, "No API key"));
	}
	x = fix_open(f, "POST", FIX_CHATS, "tg_unknown_key_000000", "");
	CHECK(!x->wants_body);
	CHECK_INT(x->status, 401);
	CHECK_STR(fix_json(x, "type"), "\"authentication_error\"");
	CHECK(fix_says(x, "not valid here"));
	CHECK_INT(fix_gauge(f, M_REJECTED + REJECT_AUTH),
		  ARRAY_LEN(fields) + 1);
	CHECK(fix_done(f));
}

TEST(a_key_longer_than_any_is_not_even_hashed)
{
	struct fixture *f = fix_started();
	char key[600];

	memset(key, 'k', sizeof(key));
	key[599] = '\0';
	CHECK_INT(status_with(f, "/v1/models", key, ""), 401);
	key[512] = '\0';
	CHECK_INT(status_with(f, "/v1/models", key, ""), 401);
	CHECK(fix_done(f));
}

TEST(an_unknown_key_is_looked_up_again)
{
	struct fixture *f = fix_started();
	struct key_row *k = &f->region.keys[1];

	CHECK_INT(status_with(f, "/v1/models", "tg_made_later_000000", ""),
		  401);
	*k = *f->client_key;
	hmac_sha256((uint8_t[SHA256_BYTES]){1, 2, 3}, SHA256_BYTES,
		    "tg_made_later_000000", 20, k->hash);
	key_publish(&f->region, 1);
	CHECK_INT(status_with(f, "/v1/models", "tg_made_later_000000", ""),
		  200);
	CHECK(fix_done(f));
}

TEST(a_revoked_key_is_refused_though_it_was_seen_before)
{
	struct fixture *f = fix_started();

	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 200);
	atomic_fetch_or(&f->client_key->flags, KEY_REVOKED);
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 401);
	atomic_store(&f->client_key->flags, 0);
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 401);
	CHECK(fix_done(f));
}

TEST(an_expired_key_says_so)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	f->client_key->expires_ms = clock_wall_ns() / NS_PER_MS + 60000;
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 200);
	f->client_key->expires_ms = clock_wall_ns() / NS_PER_MS - 1;
	x = fix_get(f, "/v1/models");
	CHECK_INT(x->status, 401);
	CHECK(fix_says(x, "expired"));
	CHECK(fix_done(f));
}

TEST(a_key_bound_to_addresses_works_from_there_only)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	(void)str_copy(f->client_key->texts[0].allow, KEY_ALLOW,
		       STR("10.0.0.0/8,127.0.0.1"));
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 200);
	(void)str_copy(f->client_key->texts[0].allow, KEY_ALLOW,
		       STR("10.0.0.0/8"));
	x = fix_get(f, "/v1/models");
	CHECK_INT(x->status, 403);
	CHECK_STR(fix_json(x, "code"), "\"address_not_allowed\"");
	(void)str_copy(f->client_key->texts[0].allow, KEY_ALLOW,
		       STR("nonsense"));
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 403);
	CHECK(fix_done(f));
}

TEST(a_group_that_is_not_configured_has_no_price)
{
	struct fixture *f = fix_started();

	(void)str_copy(f->acme->texts[0].group, GROUP_NAME, STR("gone"));
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 503);
	/* the key's group wins */
	(void)str_copy(f->client_key->texts[0].group, GROUP_NAME, STR("pool"));
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 200);
	CHECK(fix_done(f));
}

TEST(an_index_out_of_range_harms_nobody)
{
	struct fixture *f = fix_started();

	atomic_store(&f->acme->parent, SHM_ACCOUNTS);
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 500);
	f->client_key->account = SHM_ACCOUNTS;
	CHECK_INT(status_with(f, "/v1/models", FIX_KEY, ""), 500);
	f->client_key->account = ACME;
	atomic_store(&f->acme->parent, SHM_NONE);
	CHECK(fix_done(f));
}

TEST(a_thousand_keys_find_their_rows)
{
	struct fixture *f = fix_started();
	const uint8_t pepper[SHA256_BYTES] = {1, 2, 3};
	char text[32];

	for (uint32_t i = 1; i <= 1000; i++) {
		struct key_row *k = &f->region.keys[i];

		(void)snprintf(text, sizeof(text), "tg_number_%u", i);
		k->account = ACME;
		hmac_sha256(pepper, sizeof(pepper), text, strlen(text),
			    k->hash);
		/* every third is revoked: whose row it is shows */
		atomic_store(&k->flags, i % 3 ? KEY_LIVE : KEY_REVOKED);
		key_publish(&f->region, i);
	}
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 1; i <= 1000; i++) {
			(void)snprintf(text, sizeof(text), "tg_number_%u", i);
			CHECK_INT(status_with(f, "/v1/balance", text, ""),
				  i % 3 ? 200 : 401);
		}
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_key_may_stand_in_any_of_five_places);
	RUN(no_key_or_an_unknown_one_is_refused_before_the_body);
	RUN(a_key_longer_than_any_is_not_even_hashed);
	RUN(an_unknown_key_is_looked_up_again);
	RUN(a_revoked_key_is_refused_though_it_was_seen_before);
	RUN(an_expired_key_says_so);
	RUN(a_key_bound_to_addresses_works_from_there_only);
	RUN(a_group_that_is_not_configured_has_no_price);
	RUN(an_index_out_of_range_harms_nobody);
	RUN(a_thousand_keys_find_their_rows);
	return tap_done();
}
