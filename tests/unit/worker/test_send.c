/* Attempts: what is sent, what a fault means, when the next one comes. */
#include <netinet/in.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/caps.h"
#include "shm/retries.h"
#include "tests/unit/worker/fixture.h"
#include "worker/demo.h"

static struct channel_row *
row(struct fixture *f, unsigned lane)
{
	return &f->region.channels[f->rows[lane]];
}

static struct exchange *
asked(struct fixture *f)
{
	return fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
}

static uint64_t
rests_ms(struct fixture *f, unsigned key)
{
	uint64_t until = atomic_load(&row(f, LANE_A)->key_until_ns[key]);

	return until > fix_now() ? (until - fix_now()) / NS_PER_MS : 0;
}

TEST(the_request_is_the_clients_with_another_model_and_key)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].organization = STR("org-7");
	f->channel[LANE_A].project = STR("proj-8");
	f->channel[LANE_A].base_url.path = STR("/base");
	f->channel[LANE_A].base_url.port = 8080;
	fix_start(f);
	(void)fix_open(f, "POST", FIX_CHATS, FIX_KEY,
		       "cookie: secret\r\nx-request-id: mine\r\n");
	fix_body(f->exchanges, "{ \"x\":[1,2], \"model\" : \"gpt\" ,"
			       "\"messages\":[]}");
	CHECK(str_starts(str_of(f->calls->sent.p),
			 STR("POST /base/v1/chat/completions HTTP/1.1\r\n"
			     "host: up:8080\r\n")));
	CHECK(strstr(f->calls->sent.p, "\r\n\r\n{ \"x\":[1,2], \"model\" : "
				       "\"up-gpt\" ,\"messages\":[]}"));
	CHECK(strstr(f->calls->sent.p, "openai-organization: org-7\r\n"));
	CHECK(strstr(f->calls->sent.p, "openai-project: proj-8\r\n"));
	CHECK(strstr(f->calls->sent.p,
		     "authorization: Bearer sk-first-0001\r\n"));
	CHECK(!strstr(f->calls->sent.p, FIX_KEY));
	CHECK(!strstr(f->calls->sent.p, "cookie"));
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_A]);
	CHECK_INT(f->calls->target.fd, -1);
	fix_answer(f, 400, "{}");
	CHECK(fix_done(f));
}

static struct secret
secret_of(struct fixture *f, const char *text)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct secret_request r = {str_of(text), STR(""), 1, 100};
	struct secret s = {NULL};
	bool literal;

	CHECK(secret_fetch(f->conf.vault, &r, &s, &literal, &why));
	return s;
}

TEST(an_access_key_signs_and_a_plain_one_is_a_bearer)
{
	struct fixture *f = fix_new();
	struct conf_channel *c = &f->channel[LANE_A];
	struct conf_credential keys[2] = {
		c->keys[0],
		{.access_key_id = secret_of(f, "AKIA-of-a-test"),
		 .secret_access_key = secret_of(f, "secret-of-a-test"),
		 .session_token = secret_of(f, "session-of-a-test")}};

	c->auth = CONF_AUTH_AWS;
	c->region = STR("eu-west-3");
	c->keys = keys;
	c->n_keys = 2;
	fix_start(f);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK(strstr(f->calls->sent.p,
		     "authorization: Bearer sk-first-0001\r\n"));
	fix_answer(f, 200, fix_whole("x", NULL));
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK(strstr(f->calls->sent.p, "authorization: AWS4-HMAC-SHA256 "
				       "Credential=AKIA-of-a-test/"));
	CHECK(strstr(f->calls->sent.p, "/eu-west-3/bedrock/aws4_request, "));
	CHECK(strstr(f->calls->sent.p,
		     "x-amz-security-token: session-of-a-test\r\n"));
	CHECK(!strstr(f->calls->sent.p, "secret-of-a-test"));
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

TEST(a_channel_may_sign_or_present_its_key_otherwise)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].auth = CONF_AUTH_HMAC;
	f->channel[LANE_A].hmac_header = STR("x-mine");
	f->channel[LANE_B].auth = CONF_AUTH_API_KEY;
	fix_start(f);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK(strstr(f->calls->sent.p, "\r\nx-mine: t="));
	CHECK(!strstr(f->calls->sent.p, "sk-first"));
	fix_answer(f, 500, "{}");
	CHECK(strstr(f->calls->sent.p, "\r\napi-key: sk-first-0001\r\n"));
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

/* Lane A has a service account, and this token. */
static struct fixture *
with_token(const char *token)
{
	struct fixture *f = fix_new();
	struct token_times times = {fix_now(), fix_now() + NS_PER_SEC,
				    fix_now() + 100 * NS_PER_SEC};
	uint8_t owner[TOKEN_OWNER] = {1};

	f->channel[LANE_A].service_account = secret_of(f, "of-a-test");
	f->channel[LANE_A].n_keys = 0;
	fix_start(f);
	CHECK(token_need(&f->region, f->rows[LANE_A], owner) == E_OK);
	if (token[0])
		token_set(&f->region, f->rows[LANE_A], str_of(token), &times);
	return f;
}

TEST(a_token_of_a_service_account_is_a_bearer)
{
	struct fixture *f = with_token("ya29.first");

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK(strstr(f->calls->sent.p, "authorization: Bearer ya29.first\r\n"));
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

TEST(without_a_fresh_token_the_next_channel_is_asked)
{
	struct fixture *f = with_token("");

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
	f = with_token("ya29.first");
	fix_wait_ms(f, 100001);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

TEST(a_refused_token_is_used_no_more_and_the_next_one_is)
{
	struct fixture *f = with_token("ya29.first");
	struct token_times times = {fix_now(), fix_now(),
				    fix_now() + 100 * NS_PER_SEC};

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 401, "{}");
	CHECK(token_refused(&f->region, f->rows[LANE_A]));
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	token_set(&f->region, f->rows[LANE_A], STR("ya29.second"), &times);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK(strstr(f->calls->sent.p,
		     "authorization: Bearer ya29.second\r\n"));
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

TEST(an_account_that_may_not_rests_like_a_key)
{
	struct fixture *f = with_token("ya29.first");

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 403, "{}");
	CHECK(!token_refused(&f->region, f->rows[LANE_A]));
	CHECK(rests_ms(f, 0) > 50000);
	fix_answer(f, 200, fix_whole("x", NULL));
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

TEST(a_whole_answer_has_more_time_than_the_first_byte_of_a_stream)
{
	struct fixture *f = fix_started();

	(void)asked(f);
	CHECK_INT(f->calls->timeouts.connect_ms, 1000);
	CHECK_INT(f->calls->timeouts.first_byte_ms, 600000);
	CHECK_INT(f->calls->timeouts.idle_ms, 60000);
	fix_answer(f, 400, "{}");
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	CHECK_INT(f->calls->timeouts.first_byte_ms, 30000);
	fix_answer(f, 400, "{}");
	CHECK(fix_done(f));
}

struct fault {
	enum call_fault fault;
	enum err err;
};
static const struct fault faults[] = {
	{CALL_REFUSED, E_UP_CONNECT},
	{CALL_CONNECT_TIMEOUT, E_UP_CONNECT},
	{CALL_TLS, E_UP_CONNECT},
	{CALL_RESET, E_UP_CONNECT},
	{CALL_HEAD_TIMEOUT, E_UP_TIMEOUT},
	{CALL_BAD_ANSWER, E_UP_BAD_RESPONSE},
	{CALL_CUT, E_UP_CUT},
	{CALL_IDLE_TIMEOUT, E_UP_TIMEOUT},
};

TEST(every_fault_of_a_call_leads_to_the_next_channel)
{
	for (unsigned i = 0; i < ARRAY_LEN(faults); i++) {
		struct fixture *f = fix_started();
		struct exchange *x = asked(f);
		bool refused = faults[i].err == E_UP_CONNECT;

		fix_up_fail(f, faults[i].fault);
		CHECK_INT(f->n_calls, 2);
		CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
		CHECK_INT(row(f, LANE_A)->in_flight, 0);
		CHECK_INT(row(f, LANE_B)->in_flight, 1);
		CHECK_INT(row(f, LANE_A)->refused, refused);
		CHECK_INT(row(f, LANE_A)->faults, !refused);
		CHECK_INT(row(f, LANE_A)->fault_until_ns,
			  refused ? fix_now() + 10 * NS_PER_SEC : 0);
		CHECK_INT(row(f, LANE_A)->last_fault,
			  err_vocab_id(faults[i].err));
		fix_answer(f, 200, fix_whole("x", NULL));
		fix_settle(f);
		CHECK_INT(x->status, 200);
		CHECK_STR(fix_field(x, "x-tollgate-attempts"), "2");
		CHECK_INT(row(f, LANE_B)->ok, 1);
		CHECK(fix_done(f));
	}
}

TEST(a_call_without_memory_is_nobodys_fault)
{
	struct fixture *f = fix_started();
	struct exchange *x = asked(f);

	fix_up_fail(f, CALL_NO_MEMORY);
	CHECK_INT(x->status, 503);
	CHECK_INT(f->n_calls, 1);
	CHECK_INT(row(f, LANE_A)->faults, 0);
	f->no_calls = true;
	x = asked(f);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_json(x, "code"), "\"out_of_memory\"");
	CHECK_INT(row(f, LANE_A)->in_flight, 0);
	CHECK(fix_done(f));
}

struct verdict {
	int status; /* of the upstream */
	const char *code;
	bool again;
	int answer; /* where it is not tried again */
	const char *says;
};
static const struct verdict verdicts[] = {
	{500, "x", true, 502, "upstream_server_error"},
	{502, "x", true, 502, "upstream_server_error"},
	{503, "x", true, 503, "upstream_overloaded"},
	{504, "x", true, 504, "upstream_timeout"},
	{529, "x", true, 503, "upstream_overloaded"},
	{408, "x", true, 504, "upstream_timeout"},
	{401, "x", true, 502, "upstream_credentials"},
	{403, "x", true, 502, "upstream_credentials"},
	{402, "x", true, 502, "upstream_billing"},
	{429, "insufficient_quota", true, 502, "upstream_billing"},
	{429, "x", true, 503, "upstream_rate_limited"},
	{301, "x", true, 502, "upstream_server_error"},
	{400, "x", false, 400, "its words"},
	{404, "x", false, 404, "its words"},
	{413, "x", false, 413, "its words"},
	{422, "x", false, 422, "its words"},
	{400, "content_filter", false, 400, "its words"},
};

static void
answer_error(struct fixture *f, const struct verdict *v)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "{\"error\":{\"message\":\"its words\",\"type\":\"t\","
		       "\"code\":\"%s\",\"param\":\"p\"}}",
		       v->code);
	fix_answer(f, v->status, text);
}

TEST(every_status_is_tried_again_or_passed_on)
{
	for (unsigned i = 0; i < ARRAY_LEN(verdicts); i++) {
		const struct verdict *v = &verdicts[i];
		struct fixture *f = fix_started();
		struct exchange *x = asked(f);

		answer_error(f, v);
		CHECK_INT(f->n_calls, v->again ? 2 : 1);
		if (v->again)
			answer_error(f, v);
		fix_settle(f);
		CHECK_INT(x->status, v->answer);
		CHECK(fix_says(x, v->says));
		/* our credentials are none of the client's business */
		CHECK_INT(fix_says(x, "its words"), !v->again);
		CHECK_INT(f->entry[0].cost, 0);
		CHECK_INT(f->entry[0].note.attempts, v->again ? 2 : 1);
		CHECK(fix_done(f));
	}
}

TEST(a_streams_refusal_is_read_as_a_whole_answer)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_up_head(f, 400, "content-type: application/json\r\n");
	fix_up_text(f, "{\"error\":{\"mess");
	fix_up_text(f, "age\":\"its words\"}}");
	fix_up_end(f);
	CHECK_INT(x->status, 400);
	CHECK(!x->streamed);
	CHECK(fix_says(x, "its words"));
	CHECK_STR(fix_field(x, "content-type"), "application/json");
	CHECK(fix_done(f));
}

TEST(an_endless_refusal_is_not_kept)
{
	struct fixture *f = fix_started();
	struct exchange *x = asked(f);
	static char text[60000];

	memset(text, ' ', sizeof(text));
	fix_up_head(f, 400, "");
	for (int i = 0; i < 50; i++)
		fix_up_data(f, text, sizeof(text));
	CHECK(pool_used(f->w.pool) < 200000);
	fix_up_end(f);
	CHECK_INT(x->status, 400);
	CHECK_STR(fix_json(x, "code"), "\"upstream_rejected\"");
	CHECK(fix_done(f));
}

/* The status of a request at two channels that both fail like this. */
static int
without_budget(int status)
{
	struct fixture *f = fix_started();
	struct exchange *x;
	int calls;

	atomic_store(&f->region.retries->taken_ppm, 500 * INT64_C(1000000));
	atomic_store(&f->region.retries->least_ns, fix_now());
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, status, "{}");
	calls = (int)f->n_calls;
	if (calls > 1)
		fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK_INT(x->status,
		  calls > 1 ? 200 : err_row(E_UP_SERVER_ERROR)->status);
	CHECK(fix_done(f));
	return calls;
}

TEST(without_a_budget_only_what_cost_nothing_is_tried_again)
{
	CHECK_INT(without_budget(500), 1);
	CHECK_INT(without_budget(429), 2);
	CHECK_INT(without_budget(401), 2);
}

/* The second channel's budget does not cover it; the third answers. */
TEST(who_is_passed_over_costs_no_second_retry)
{
	const struct cap_of of = {CAP_CHANNEL, STR("b"), STR_NONE};
	struct fixture *f = fix_new();
	struct exchange *x;

	f->channel[LANE_DEMO].n_models = MODELS;
	f->channel[LANE_DEMO].priority = 9;
	f->channel[LANE_B].daily_budget = money_nano(2);
	must(cap_want(&f->region, &of, 2) == 0);
	f->region.caps[0].number = 1;
	f->region.counters[counter_of_cap(0)].available = 1;
	fix_start(f);
	f->w.demo = demo_server_new(&f->w);
	atomic_store(&f->region.retries->taken_ppm, 499 * INT64_C(1000000));
	atomic_store(&f->region.retries->least_ns, fix_now());
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 500, "{}");
	CHECK_INT(f->n_calls, 2);
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "demo");
	demo_server_free(f->w.demo);
	f->w.demo = NULL;
	CHECK(fix_done(f));
}

TEST(attempts_are_counted_and_bounded)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.routing.attempts = 2;
	f->channel[LANE_A].n_keys = 4;
	fix_start(f);
	x = asked(f);
	fix_answer(f, 429, "{}");
	CHECK_INT(f->n_calls, 2);
	fix_answer(f, 429, "{}");
	CHECK_INT(f->n_calls, 2);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "2");
	CHECK(fix_done(f));
}

TEST(a_limited_key_rests_and_the_next_one_is_tried)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].n_keys = 2;
	fix_start(f);
	(void)asked(f);
	CHECK(strstr(f->calls->sent.p, "sk-first"));
	fix_up_head(f, 429, "retry-after: 7\r\n");
	fix_up_end(f);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_A]);
	CHECK(strstr(f->calls->sent.p, "sk-second"));
	CHECK_INT(rests_ms(f, 0), 7000);
	CHECK_INT(rests_ms(f, 1), 0);
	CHECK_INT(row(f, LANE_A)->limited, 1);
	CHECK_INT(row(f, LANE_A)->faults, 0);
	/* the provider says nothing: the configured time */
	fix_up_head(f, 429, "");
	fix_up_end(f);
	CHECK_INT(rests_ms(f, 1), 10000);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK_INT(f->entry[0].note.attempts, 3);
	CHECK(fix_done(f));
}

TEST(retry_after_is_read_in_all_its_forms)
{
	static const struct {
		const char *field;
		uint64_t ms;
	} forms[] = {{"retry-after: 3\r\n", 3000},
		     {"retry-after-ms: 250\r\nretry-after: 9\r\n", 250},
		     {"retry-after: 0\r\n", 10000},
		     {"retry-after: soon\r\n", 10000},
		     {"retry-after: -1\r\n", 10000},
		     {"retry-after: 99999999999999999999\r\n", 10000},
		     {"retry-after: 86400\r\n", 600000}};

	for (unsigned i = 0; i < ARRAY_LEN(forms); i++) {
		struct fixture *f = fix_started();

		(void)asked(f);
		fix_up_head(f, 429, forms[i].field);
		fix_up_end(f);
		CHECK_INT(rests_ms(f, 0), forms[i].ms);
		fix_answer(f, 200, fix_whole("x", NULL));
		CHECK(fix_done(f));
	}
}

TEST(the_client_learns_when_to_come_again)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.routing.attempts = 1;
	fix_start(f);
	x = asked(f);
	fix_up_head(f, 429, "retry-after: 33\r\n");
	fix_up_end(f);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_field(x, "retry-after"), "33");
	CHECK(fix_done(f));
}

TEST(a_refused_key_is_out_for_a_minute)
{
	struct fixture *f = fix_started();

	(void)asked(f);
	fix_answer(f, 401, "{}");
	CHECK_INT(rests_ms(f, 0), 60000);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	/* the channel has no other key */
	(void)asked(f);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

TEST(a_longer_rest_is_never_shortened)
{
	struct fixture *f = fix_started();

	(void)asked(f);
	atomic_store(&row(f, LANE_A)->key_until_ns[0],
		     fix_now() + 500 * NS_PER_SEC);
	fix_up_head(f, 429, "retry-after: 1\r\n");
	fix_up_end(f);
	CHECK_INT(rests_ms(f, 0), 500000);
	fix_answer(f, 200, fix_whole("x", NULL));
	CHECK(fix_done(f));
}

/* ---- addresses ---- */

TEST(a_channel_without_an_address_is_passed_over)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	channel_set_addresses(&f->region, f->rows[LANE_A],
			      conf_way(&f->channel[LANE_A]), NULL, 0);
	x = asked(f);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	CHECK_INT(row(f, LANE_A)->in_flight, 0);
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "2");
	channel_set_addresses(&f->region, f->rows[LANE_B],
			      conf_way(&f->channel[LANE_B]), NULL, 0);
	x = asked(f);
	CHECK_INT(x->status, 502);
	CHECK_STR(fix_json(x, "code"), "\"upstream_connect\"");
	CHECK(fix_done(f));
}

TEST(addresses_of_another_way_are_not_used)
{
	struct fixture *f = fix_started();
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(3128),
				 .sin_addr.s_addr = htonl(0x7f000063)};
	struct channel_address a = {.len = sizeof(in)};
	struct conf_channel c = f->channel[LANE_A];

	/* a later generation goes by a proxy; this one goes on as it did */
	memcpy(a.sockaddr, &in, sizeof(in));
	c.proxy.host = STR("proxy");
	channel_set_addresses(&f->region, f->rows[LANE_A], conf_way(&c), &a, 1);
	(void)asked(f);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_A]);
	memcpy(&in, &f->calls->target.addr, sizeof(in));
	CHECK_INT(ntohl(in.sin_addr.s_addr), 0x0a000001 + LANE_A);
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	/* one that never had its own asks somebody else, and blames nobody */
	f->w.lanes[LANE_A].n_addresses = 0;
	(void)asked(f);
	CHECK_INT(f->calls->target.pool_key, f->rows[LANE_B]);
	CHECK_INT(row(f, LANE_A)->refused, 0);
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK(fix_done(f));
}

static uint32_t
address_of(const struct fixture *f)
{
	struct sockaddr_in in;

	memcpy(&in, &f->calls->target.addr, sizeof(in));
	return ntohl(in.sin_addr.s_addr) & 0xff;
}

TEST(after_a_refused_connection_the_next_address_is_used)
{
	struct fixture *f = fix_started();
	struct channel_address a[3];

	for (uint32_t i = 0; i < 3; i++) {
		struct sockaddr_in in = {.sin_family = AF_INET,
					 .sin_addr.s_addr =
						 htonl(0x7f000000 + 10 + i)};

		a[i].len = sizeof(in);
		memcpy(a[i].sockaddr, &in, sizeof(in));
	}
	channel_set_addresses(&f->region, f->rows[LANE_A],
			      conf_way(&f->channel[LANE_A]), a, 3);
	for (unsigned i = 0; i < 4; i++) {
		(void)asked(f);
		CHECK_INT(address_of(f), 10 + i % 3);
		CHECK_INT(f->calls->target.addr_len,
			  sizeof(struct sockaddr_in));
		fix_up_fail(f, CALL_REFUSED);
		fix_answer(f, 200, fix_whole("x", NULL));
		fix_settle(f);
		fix_wait_ms(f, 11000);
	}
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_request_is_the_clients_with_another_model_and_key);
	RUN(an_access_key_signs_and_a_plain_one_is_a_bearer);
	RUN(a_channel_may_sign_or_present_its_key_otherwise);
	RUN(a_token_of_a_service_account_is_a_bearer);
	RUN(without_a_fresh_token_the_next_channel_is_asked);
	RUN(a_refused_token_is_used_no_more_and_the_next_one_is);
	RUN(an_account_that_may_not_rests_like_a_key);
	RUN(a_whole_answer_has_more_time_than_the_first_byte_of_a_stream);
	RUN(every_fault_of_a_call_leads_to_the_next_channel);
	RUN(a_call_without_memory_is_nobodys_fault);
	RUN(every_status_is_tried_again_or_passed_on);
	RUN(a_streams_refusal_is_read_as_a_whole_answer);
	RUN(an_endless_refusal_is_not_kept);
	RUN(without_a_budget_only_what_cost_nothing_is_tried_again);
	RUN(who_is_passed_over_costs_no_second_retry);
	RUN(attempts_are_counted_and_bounded);
	RUN(a_limited_key_rests_and_the_next_one_is_tried);
	RUN(retry_after_is_read_in_all_its_forms);
	RUN(the_client_learns_when_to_come_again);
	RUN(a_refused_key_is_out_for_a_minute);
	RUN(a_longer_rest_is_never_shortened);
	RUN(a_channel_without_an_address_is_passed_over);
	RUN(addresses_of_another_way_are_not_used);
	RUN(after_a_refused_connection_the_next_address_is_used);
	return tap_done();
}
