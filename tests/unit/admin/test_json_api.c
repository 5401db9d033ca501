/* From JSON bodies to orders, and from their answers to pages. The ledger
 * writer is the other end of a socket pair. */
#include <sys/socket.h>
#include <unistd.h>

#include "admin/orders.h"
#include "billing/order.h"
#include "tests/unit/admin/fake_exchange.h"

static struct world w;
static int ends[2]; /* 0: the writer's */

static void
open_all(void)
{
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	world_open(&w, ends[1], -1);
	w.admin.orders = orders_new(&w.region, ends[1]);
}

static void
close_all(void)
{
	world_end(&w);
	orders_free(w.admin.orders);
	world_close(&w);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* The order the writer got; zeroed when there was none. */
static struct order
received(void)
{
	struct order o;

	memset(&o, 0, sizeof(o));
	(void)!recv(ends[0], &o, sizeof(o), MSG_DONTWAIT);
	return o;
}

static void
answer(const struct order *o, enum order_result result, uint32_t index)
{
	struct order_answer a = {.id = o->id,
				 .result = result,
				 .index = index,
				 .seq = 42,
				 .balance = money_nano(7500000000)};

	CHECK(send(ends[0], &a, sizeof(a), 0) == (ssize_t)sizeof(a));
	orders_read(w.admin.orders);
}

TEST(an_account_is_created_when_the_writer_says_so)
{
	struct order o;

	open_all();
	(void)world_ask(&w, HTTP_POST, "/admin/v1/accounts",
			"{\"name\":\"acme\",\"balance\":\"12.50\",\"rpm\":60,"
			"\"postpaid\":true,\"credit_limit\":\"1\","
			"\"parent\":null}");
	CHECK_INT(w.x.status, 0); /* not before the commit */
	o = received();
	CHECK_INT(o.kind, ORDER_ACCOUNT_CREATE);
	CHECK_STR(o.name, "acme");
	CHECK_INT(o.amount.nano, 12500000000);
	CHECK_INT(o.credit.nano, 1000000000);
	CHECK_INT(o.rpm, 60);
	CHECK_INT(o.postpaid, 1);
	answer(&o, ORDER_DONE, world_account(&w, "acme", 12500000000));
	CHECK_INT(w.x.status, 201);
	CHECK(world_says(&w, "name", "acme"));
	close_all();
}

static const char *const bad_bodies[][2] = {
	{"", "missing_body"},
	{"{", "malformed_json"},
	{"[]", "malformed_json"},
	{"{} x", "malformed_json"},
	{"{\"name\":\"a\",\"name\":\"b\"}", "malformed_json"},
	{"{}", "missing_field"},
	{"{\"name\":null}", "missing_field"},
	{"{\"name\":\"a\",\"colour\":1}", "unknown_field"},
	{"{\"name\":\"\"}", "invalid_field"},
	{"{\"name\":7}", "invalid_field"},
	{"{\"name\":\"a b\"}", "invalid_field"},
	{"{\"name\":\"-a\"}", "invalid_field"},
	{"{\"name\":\"a\\u0000b\"}", "malformed_json"},
	{"{\"name\":\"0123456789012345678901234567890123456789"
	 "012345678901234567890123\"}",
	 "invalid_field"},
	{"{\"name\":\"a\",\"balance\":5}", "invalid_field"},
	{"{\"name\":\"a\",\"balance\":\"-5\"}", "invalid_field"},
	{"{\"name\":\"a\",\"balance\":\"1e3\"}", "invalid_field"},
	{"{\"name\":\"a\",\"balance\":\"0.0000000001\"}", "invalid_field"},
	{"{\"name\":\"a\",\"balance\":\"99999999999\"}", "invalid_field"},
	{"{\"name\":\"a\",\"rpm\":-1}", "invalid_field"},
	{"{\"name\":\"a\",\"rpm\":1.5}", "invalid_field"},
	{"{\"name\":\"a\",\"rpm\":\"1\"}", "invalid_field"},
	{"{\"name\":\"a\",\"rpm\":2147483648}", "invalid_field"},
	{"{\"name\":\"a\",\"postpaid\":1}", "invalid_field"},
	{"{\"name\":\"a\",\"credit_limit\":\"5\"}", "invalid_field"},
	{"{\"name\":\"a\",\"note\":\"two\\nlines\"}", "invalid_field"},
	{"{\"name\":\"a\",\"group\":\"nobody\"}", "invalid_field"},
};

TEST(bad_bodies_are_refused_with_their_reason_and_order_nothing)
{
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(bad_bodies); i++) {
		CHECK_INT(world_ask(&w, HTTP_POST, "/admin/v1/accounts",
				    bad_bodies[i][0]),
			  400);
		if (!world_code(&w, bad_bodies[i][1]))
			printf("# %s -> %s\n", bad_bodies[i][0], w.x.body);
		CHECK(world_code(&w, bad_bodies[i][1]));
		world_end(&w);
		CHECK_INT(received().id, 0);
	}
	(void)world_ask(&w, HTTP_GET, "/healthz", NULL);
	close_all();
}

TEST(a_topup_carries_the_callers_idempotency_key)
{
	struct order o;

	open_all();
	(void)world_ask(&w, HTTP_POST, "/admin/v1/accounts/acme/topup",
			"{\"amount\":\"5\",\"note\":\"invoice 7\"}");
	o = received();
	CHECK_INT(o.kind, ORDER_TOPUP);
	CHECK_STR(o.name, "acme");
	CHECK_STR(o.idem, "k-1");
	CHECK_STR(o.note, "invoice 7");
	CHECK_INT(o.amount.nano, 5000000000);
	answer(&o, ORDER_REPEATED, 0);
	CHECK_INT(w.x.status, 200);
	CHECK(world_says(&w, "repeated", "true"));
	CHECK(world_says(&w, "balance", "7.50"));
	CHECK(world_says(&w, "entry", "42"));
	close_all();
}

TEST(an_amount_of_zero_moves_nothing)
{
	open_all();
	CHECK_INT(world_ask(&w, HTTP_POST, "/admin/v1/accounts/acme/refund",
			    "{\"amount\":\"0.00\"}"),
		  400);
	CHECK(world_code(&w, "invalid_field"));
	CHECK_INT(received().id, 0);
	close_all();
}

TEST(the_writers_refusals_become_clear_errors)
{
	static const struct {
		enum order_result result;
		int status;
		const char *code;
	} rows[] = {
		{ORDER_CONFLICT, 409, "idempotency_conflict"},
		{ORDER_EXISTS, 409, "exists"},
		{ORDER_NOT_FOUND, 404, "not_found"},
		{ORDER_SHORT, 409, "insufficient_balance"},
		{ORDER_FULL, 507, "full"},
		{ORDER_NO_LEDGER, 503, "ledger_unavailable"},
	};

	open_all();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct order o;

		(void)world_ask(&w, HTTP_POST, "/admin/v1/accounts/a/refund",
				"{\"amount\":\"5\",\"of\":12}");
		o = received();
		CHECK_INT(o.ref, 12);
		answer(&o, rows[i].result, 0);
		CHECK_INT(w.x.status, rows[i].status);
		CHECK(world_code(&w, rows[i].code));
		world_end(&w);
	}
	(void)world_ask(&w, HTTP_GET, "/healthz", NULL);
	close_all();
}

TEST(a_new_key_is_shown_once_and_ordered_as_a_hash)
{
	struct json_value root, key;
	struct json_error error;
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	uint8_t hash[SHA256_BYTES];
	struct order o;

	open_all();
	(void)world_ask(&w, HTTP_POST, "/admin/v1/keys",
			"{\"account\":\"acme\",\"models\":[\"gpt-*\",\"x\"],"
			"\"allow_ip\":[\"10.0.0.0/8\",\"::1\"],"
			"\"tags\":[\"prod\",\"ci-7\"],\"strict\":true,"
			"\"budget\":\"5.00/month\"}");
	o = received();
	CHECK_INT(o.kind, ORDER_KEY_CREATE);
	CHECK_STR(o.key.models, "gpt-*,x");
	CHECK_STR(o.key.allow, "10.0.0.0/8,::1");
	CHECK_STR(o.key.tags, "prod,ci-7");
	CHECK_INT(o.key.strict, 1);
	CHECK_INT(o.key.budget.nano, 5000000000);
	CHECK_INT(o.key.has_budget, 1);
	CHECK_INT(o.key.budget_window, BUDGET_MONTH);
	w.region.keys[0].flags = KEY_LIVE;
	memcpy(w.region.keys[0].texts[0].prefix, o.key.prefix, KEY_PREFIX);
	w.region.head->n_keys = 1;
	answer(&o, ORDER_DONE, 0);
	CHECK_INT(w.x.status, 201);
	CHECK(json_valid(str_of(w.x.body), &root, &error));
	key = json_get(root, "key");
	CHECK(json_unescape(key, &text));
	CHECK(str_starts(buf_str(&text), STR("tg_")));
	hmac_sha256(w.pepper, sizeof(w.pepper), text.p, text.n, hash);
	CHECK(memcmp(hash, o.key.hash, sizeof(hash)) == 0);
	CHECK(str_starts(str_of(o.key.prefix), str_make(text.p, 7)));
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/keys/0", NULL), 200);
	CHECK(json_valid(str_of(w.x.body), &root, &error));
	CHECK(json_get(root, "key").type == JSON_ABSENT);
	close_all();
}

static const char *const bad_keys[] = {
	"{\"account\":\"a\",\"secret\":\"short\"}",
	"{\"account\":\"a\",\"secret\":\"has a blank in it\"}",
	"{\"account\":\"a\",\"secret\":12345678901234}",
	"{\"account\":\"a\",\"budget\":\"5/week\"}",
	"{\"account\":\"a\",\"budget\":\"x/total\"}",
	"{\"account\":\"a\",\"budget\":\"-5/total\"}",
	"{\"account\":\"a\",\"budget\":5}",
	"{\"account\":\"a\",\"expires\":\"2001-01-01T00:00:00Z\"}",
	"{\"account\":\"a\",\"expires\":\"soon\"}",
	"{\"account\":\"a\",\"allow_ip\":[\"10.0.0.0/33\"]}",
	"{\"account\":\"a\",\"allow_ip\":[\"localhost\"]}",
	"{\"account\":\"a\",\"allow_ip\":\"10.0.0.0/8\"}",
	"{\"account\":\"a\",\"models\":[\"a,b\"]}",
	"{\"account\":\"a\",\"models\":[\"\"]}",
	"{\"account\":\"a\",\"models\":[7]}",
	"{\"account\":\"a\",\"tags\":[\"a b\"]}",
	"{\"account\":\"a\",\"strict\":1}",
};

TEST(bad_keys_are_refused)
{
	open_all();
	for (size_t i = 0; i < ARRAY_LEN(bad_keys); i++) {
		CHECK_INT(
			world_ask(&w, HTTP_POST, "/admin/v1/keys", bad_keys[i]),
			400);
		if (!world_code(&w, "invalid_field"))
			printf("# %s -> %s\n", bad_keys[i], w.x.body);
		CHECK(world_code(&w, "invalid_field"));
		world_end(&w);
		CHECK_INT(received().id, 0);
	}
	(void)world_ask(&w, HTTP_GET, "/healthz", NULL);
	close_all();
}

TEST(any_beginning_of_a_body_is_refused_without_harm)
{
	static const char whole[] =
		"{\"account\":\"acme\",\"models\":[\"a\\u00e4\"],\"rpm\":1}";
	char part[sizeof(whole)];

	open_all();
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(part, whole, n);
		part[n] = '\0';
		CHECK_INT(world_ask(&w, HTTP_POST, "/admin/v1/keys", part),
			  400);
		world_end(&w);
	}
	(void)world_ask(&w, HTTP_GET, "/healthz", NULL);
	close_all();
}

TEST(a_client_that_leaves_early_harms_nothing)
{
	struct order o;

	open_all();
	(void)world_ask(&w, HTTP_POST, "/admin/v1/accounts",
			"{\"name\":\"acme\"}");
	o = received();
	world_end(&w);
	answer(&o, ORDER_DONE, world_account(&w, "acme", 0));
	CHECK_INT(w.x.status, 0);
	(void)world_ask(&w, HTTP_GET, "/healthz", NULL);
	close_all();
}

int
main(void)
{
	RUN(an_account_is_created_when_the_writer_says_so);
	RUN(bad_bodies_are_refused_with_their_reason_and_order_nothing);
	RUN(a_topup_carries_the_callers_idempotency_key);
	RUN(an_amount_of_zero_moves_nothing);
	RUN(the_writers_refusals_become_clear_errors);
	RUN(a_new_key_is_shown_once_and_ordered_as_a_hash);
	RUN(bad_keys_are_refused);
	RUN(any_beginning_of_a_body_is_refused_without_harm);
	RUN(a_client_that_leaves_early_harms_nothing);
	return tap_done();
}
