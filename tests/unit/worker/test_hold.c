/* Limits, then money: what is taken, what refuses, what is given back. */
#include "base/clock.h"
#include "shm/limits.h"
#include "tests/unit/worker/fixture.h"

/* A fifth more and one, at the dearest class. */
#define INPUT ((FIX_CHAT_TOKENS + 2 + 1) * 3125)

static int64_t
held(const struct fixture *f)
{
	return f->opening[ACME] - fix_available(f, ACME);
}

/* What is held for this request, which then fails. */
static int64_t
hold_for(struct fixture *f, const char *path, const char *body)
{
	int64_t h;

	(void)fix_post(f, path, body);
	h = held(f);
	fix_answer(f, 400, "{}");
	fix_settle(f);
	CHECK_INT(held(f), 0);
	return h;
}

TEST(a_whole_answer_holds_for_its_maximum)
{
	struct fixture *f = fix_started();

	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", "")),
		  INPUT + 4096 * 12000);
	CHECK_INT(
		hold_for(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":100")),
		INPUT + 100 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS,
			   fix_chat("gpt", ",\"max_tokens\":100,\"n\":3")),
		  INPUT + 300 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":0")),
		  INPUT);
	CHECK(fix_done(f));
}

TEST(a_stream_holds_for_its_first_tokens)
{
	struct fixture *f = fix_started();

	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", STREAMED)),
		  INPUT + 1024 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS,
			   fix_chat("gpt", STREAMED ",\"max_tokens\":100")),
		  INPUT + 100 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", STREAMED ",\"n\":2")),
		  INPUT + 2048 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS,
			   fix_chat("think", STREAMED ",\"max_tokens\":5000")),
		  14 * 1000 + 5000 * 4000);
	CHECK(fix_done(f));
}

TEST(embeddings_hold_for_their_input_only)
{
	struct fixture *f = fix_started();

	/* 12 bytes: 3 tokens, 3 / 5 = 0, and one */
	CHECK_INT(hold_for(f, "/v1/embeddings",
			   "{\"model\":\"embed\",\"input\":\"0123456789\"}"),
		  4 * 20);
	CHECK(fix_done(f));
}

TEST(the_multiplier_and_the_price_per_request_are_held_too)
{
	struct fixture *f = fix_new();

	f->model[MODEL_GPT].per_request = money_nano(1000);
	(void)str_copy(f->acme->texts[0].group, GROUP_NAME, STR("pool"));
	fix_start(f);
	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":10")),
		  (INPUT + 10 * 12000 + 1000) * 7 / 10);
	CHECK(fix_done(f));
}

TEST(without_a_maximum_less_money_will_do)
{
	struct fixture *f = fix_started();

	fix_fund(f, ACME, INPUT + 2000 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", "")),
		  INPUT + 2000 * 12000);
	fix_fund(f, ACME, INPUT + 1024 * 12000);
	CHECK_INT(hold_for(f, FIX_CHATS, fix_chat("gpt", "")),
		  INPUT + 1024 * 12000);
	/* but not less than for 1024 tokens */
	fix_fund(f, ACME, INPUT + 1024 * 12000 - 1);
	CHECK_INT(fix_post(f, FIX_CHATS, fix_chat("gpt", ""))->status, 402);
	/* and with a maximum all of it */
	fix_fund(f, ACME, INPUT + 2000 * 12000);
	CHECK_INT(
		fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":2001"))
			->status,
		402);
	CHECK_INT(
		hold_for(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":2000")),
		INPUT + 2000 * 12000);
	CHECK(fix_done(f));
}

TEST(an_empty_account_is_refused)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	fix_fund(f, ACME, INPUT - 1);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":0"));
	CHECK_INT(x->status, 402);
	CHECK_STR(fix_json(x, "code"), "\"insufficient_balance\"");
	CHECK_STR(fix_json(x, "type"), "\"insufficient_quota\"");
	CHECK(fix_says(x, "The balance of your account"));
	CHECK_INT(fix_gauge(f, M_REJECTED + REJECT_BALANCE), 1);
	fix_fund(f, ACME, -5);
	CHECK_INT(fix_post(f, FIX_CHATS, fix_chat("gpt", ""))->status, 402);
	CHECK_INT(f->n_calls, 0);
	fix_settle(f);
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
}

TEST(an_empty_parent_is_refused_and_the_child_loses_nothing)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->acme->parent, ORG);
	fix_fund(f, ORG, 1000);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":9"));
	CHECK_INT(x->status, 402);
	CHECK(fix_says(x, "The balance of your organisation"));
	CHECK_INT(held(f), 0);
	CHECK_INT(fix_available(f, ORG), 1000);
	CHECK(fix_done(f));
}

TEST(an_exhausted_budget_is_refused)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	fix_set_budget(f, 1000);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":9"));
	CHECK_INT(x->status, 402);
	CHECK_STR(fix_json(x, "code"), "\"budget_exceeded\"");
	CHECK_INT(fix_gauge(f, M_REJECTED + REJECT_BUDGET), 1);
	CHECK_INT(held(f), 0);
	CHECK(fix_done(f));
}

TEST(key_account_and_parent_pay_the_same)
{
	struct fixture *f = fix_started();

	atomic_store(&f->acme->parent, ORG);
	fix_set_budget(f, 1000000000);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":9"));
	CHECK_INT(f->opening[ORG] - fix_available(f, ORG), held(f));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":3,"
				  "\"completion_tokens\":1}"));
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 17500);
	CHECK_INT(f->entry[0].note.parent, ORG);
	CHECK(fix_done(f)); /* looks at all three */
}

TEST(frozen_accounts_and_a_ledger_at_rest_take_nothing)
{
	struct fixture *f = fix_started();
	struct exchange *x;
	static const uint32_t states[] = {LEDGER_RECOVERING, LEDGER_READONLY,
					  LEDGER_FAILED};

	atomic_fetch_or(&f->acme->flags, ACCOUNT_FROZEN);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(x->status, 403);
	CHECK_STR(fix_json(x, "code"), "\"account_frozen\"");
	atomic_store(&f->acme->flags, ACCOUNT_LIVE | ACCOUNT_AUDIT);
	CHECK_INT(fix_post(f, FIX_CHATS, fix_chat("gpt", ""))->status, 403);
	atomic_store(&f->acme->flags, ACCOUNT_LIVE);
	atomic_store(&f->acme->parent, ORG);
	atomic_fetch_or(&f->region.accounts[ORG].flags, ACCOUNT_FROZEN);
	CHECK_INT(fix_post(f, FIX_CHATS, fix_chat("gpt", ""))->status, 403);
	atomic_store(&f->acme->parent, SHM_NONE);
	for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
		atomic_store(&f->region.head->ledger_state, states[i]);
		x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
		CHECK_INT(x->status, 503);
		CHECK_STR(fix_json(x, "code"), "\"ledger_unavailable\"");
		CHECK_STR(fix_field(x, "retry-after"), "1");
	}
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

TEST(an_account_that_the_audit_looks_at_waits)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_fetch_or(&f->acme->flags, ACCOUNT_PAUSED);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->n_calls, 0);
	CHECK_INT(held(f), 0);
	atomic_fetch_and(&f->acme->flags, ~(uint32_t)ACCOUNT_PAUSED);
	fix_wait_ms(f, 20);
	CHECK_INT(f->n_calls, 1);
	fix_answer(f, 400, "{}");
	fix_settle(f);
	/* the client leaves meanwhile */
	atomic_fetch_or(&f->acme->flags, ACCOUNT_PAUSED);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_gone(x, E_CLIENT_GONE);
	fix_wait_ms(f, 100);
	CHECK_INT(f->n_calls, 1);
	/* nobody takes the mark away: not for ever */
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_wait_ms(f, 200);
	CHECK_INT(f->n_calls, 2);
	fix_answer(f, 400, "{}");
	CHECK_INT(x->status, 400);
	/* a parent's as well */
	atomic_store(&f->acme->flags, ACCOUNT_LIVE);
	atomic_store(&f->acme->parent, ORG);
	atomic_fetch_or(&f->region.accounts[ORG].flags, ACCOUNT_PAUSED);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->n_calls, 2);
	fix_wait_ms(f, 200);
	CHECK_INT(f->n_calls, 3);
	fix_answer(f, 400, "{}");
	CHECK(fix_done(f));
}

/* ---- limits ---- */

static uint32_t
left_of(const struct limit_cells *c, bool tokens)
{
	return limit_look(tokens ? &c->tpm_tat_ns : &c->rpm_tat_ns,
			  atomic_load(tokens ? &c->tpm : &c->rpm), fix_now())
		.remaining;
}

static struct exchange *
failing(struct fixture *f)
{
	struct exchange *x =
		fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":10"));

	if (fix_call_runs(f))
		fix_answer(f, 400, "{}");
	fix_settle(f);
	return x;
}

TEST(requests_per_minute_are_counted_on_key_and_account)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->client_key->limits.rpm, 3);
	for (int i = 0; i < 3; i++)
		CHECK_INT(failing(f)->status, 400);
	x = failing(f);
	CHECK_INT(x->status, 429);
	CHECK_STR(fix_json(x, "code"), "\"rate_limit_exceeded\"");
	CHECK(fix_says(x, "requests per minute for this key"));
	CHECK_STR(fix_field(x, "retry-after"), "20");
	CHECK_STR(fix_field(x, "x-ratelimit-limit-requests"), "3");
	CHECK_STR(fix_field(x, "x-ratelimit-remaining-requests"), "0");
	CHECK_STR(fix_field(x, "x-ratelimit-reset-requests"), "60s");
	fix_wait_ms(f, 20000);
	CHECK_INT(failing(f)->status, 400);
	CHECK_INT(failing(f)->status, 429);
	/* the account's */
	atomic_store(&f->client_key->limits.rpm, 0);
	atomic_store(&f->acme->limits.rpm, 1);
	CHECK_INT(failing(f)->status, 400);
	CHECK(fix_says(failing(f), "for this account"));
	CHECK_INT(fix_gauge(f, M_REJECTED + REJECT_RATE_REQUESTS), 3);
	CHECK(fix_done(f));
}

TEST(what_the_account_refuses_the_key_gets_back)
{
	struct fixture *f = fix_started();

	atomic_store(&f->client_key->limits.rpm, 10);
	atomic_store(&f->acme->limits.rpm, 1);
	CHECK_INT(failing(f)->status, 400);
	for (int i = 0; i < 20; i++)
		CHECK_INT(failing(f)->status, 429);
	CHECK_INT(left_of(&f->client_key->limits, false), 9);
	CHECK(fix_done(f));
}

TEST(tokens_per_minute_are_estimated_first)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->client_key->limits.tpm, 50);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":10"));
	CHECK_INT(left_of(&f->client_key->limits, true),
		  50 - FIX_CHAT_TOKENS - 10);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":10"));
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":10"));
	CHECK_INT(x->status, 429);
	CHECK(fix_says(x, "tokens per minute for this key"));
	CHECK_STR(fix_field(x, "x-ratelimit-limit-tokens"), "50");
	CHECK_STR(fix_field(x, "x-ratelimit-remaining-tokens"), "8");
	/* 13 of 50 a minute are missing */
	CHECK_STR(fix_field(x, "retry-after"), "16");
	fix_answer(f, 400, "{}");
	fix_settle(f);
	CHECK_INT(left_of(&f->client_key->limits, true),
		  50 - FIX_CHAT_TOKENS - 10);
	while (fix_running(f) > 0) {
		struct call *c = f->calls;

		/* the older call is the newest that runs */
		while (c->end != CALL_RUNS)
			c = c->next;
		c->end = CALL_FAILED;
		c->ops->on_fail(c, CALL_REFUSED);
	}
	fix_settle(f);
	CHECK_INT(left_of(&f->client_key->limits, true), 50);
	CHECK(fix_done(f));
}

TEST(more_tokens_than_a_minute_has_are_never_allowed)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->acme->limits.tpm, 20);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":10"));
	CHECK_INT(x->status, 429);
	CHECK(fix_says(x, "for this account"));
	CHECK_STR(fix_field(x, "retry-after"), "3600");
	CHECK(fix_done(f));
}

TEST(requests_at_once_are_counted_on_key_and_account)
{
	struct fixture *f = fix_started();
	struct exchange *x, *y;

	atomic_store(&f->client_key->limits.concurrency, 2);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	y = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->client_key->limits.running, 2);
	CHECK_INT(f->acme->limits.running, 2);
	CHECK_INT(fix_post(f, FIX_CHATS, fix_chat("gpt", ""))->status, 429);
	fix_settle(f);
	CHECK_INT(f->client_key->limits.running, 2);
	fix_gone(x, E_CLIENT_GONE);
	CHECK_INT(f->client_key->limits.running, 1);
	/* the account's refuses, the key's is given back */
	atomic_store(&f->acme->limits.concurrency, 1);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(x->status, 429);
	CHECK(fix_says(x, "at once for this account"));
	CHECK_INT(f->client_key->limits.running, 1);
	fix_gone(y, E_CLIENT_GONE);
	CHECK(fix_done(f));
}

TEST(what_is_refused_later_gives_all_limits_back)
{
	struct fixture *f = fix_started();

	atomic_store(&f->client_key->limits.rpm, 10);
	atomic_store(&f->acme->limits.rpm, 10);
	atomic_store(&f->client_key->limits.tpm, 1000);
	atomic_store(&f->acme->limits.tpm, 1000);
	/* by the tokens of the account */
	atomic_store(&f->acme->limits.tpm, 15);
	CHECK_INT(failing(f)->status, 429);
	CHECK_INT(left_of(&f->client_key->limits, false), 10);
	CHECK_INT(left_of(&f->acme->limits, false), 10);
	CHECK_INT(left_of(&f->client_key->limits, true), 1000);
	atomic_store(&f->acme->limits.tpm, 1000);
	/* by the requests at once */
	atomic_store(&f->acme->limits.concurrency, 1);
	f->acme->limits.running = 1;
	CHECK_INT(failing(f)->status, 429);
	f->acme->limits.running = 0;
	CHECK_INT(left_of(&f->client_key->limits, false), 10);
	CHECK_INT(left_of(&f->client_key->limits, true), 1000);
	CHECK_INT(left_of(&f->acme->limits, true), 1000);
	/* by the money */
	fix_fund(f, ACME, 1);
	CHECK_INT(failing(f)->status, 402);
	CHECK_INT(left_of(&f->client_key->limits, false), 10);
	CHECK_INT(left_of(&f->acme->limits, false), 10);
	CHECK_INT(left_of(&f->client_key->limits, true), 1000);
	CHECK(fix_done(f));
}

TEST(when_all_slots_are_taken_requests_are_refused)
{
	struct fixture *f = fix_started();
	uint32_t n = f->region.head->n_slots;
	struct exchange *x;

	for (uint32_t i = 0; i < n; i++)
		(void)fix_post(f, FIX_CHATS,
			       fix_chat("gpt", ",\"max_tokens\":1"));
	CHECK_INT(fix_running(f), n);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":1"));
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_json(x, "code"), "\"overloaded\"");
	CHECK_STR(fix_field(x, "retry-after"), "1");
	CHECK_INT(f->client_key->limits.running, n);
	fix_turn(f);
	for (x = f->exchanges; x; x = x->next) {
		if (x->live)
			fix_gone(x, E_CLIENT_GONE);
		if (f->n_entries > 200)
			f->n_entries = 0;
		fix_settle(f);
	}
	f->n_entries = 0; /* all of cost 0 */
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_whole_answer_holds_for_its_maximum);
	RUN(a_stream_holds_for_its_first_tokens);
	RUN(embeddings_hold_for_their_input_only);
	RUN(the_multiplier_and_the_price_per_request_are_held_too);
	RUN(without_a_maximum_less_money_will_do);
	RUN(an_empty_account_is_refused);
	RUN(an_empty_parent_is_refused_and_the_child_loses_nothing);
	RUN(an_exhausted_budget_is_refused);
	RUN(key_account_and_parent_pay_the_same);
	RUN(frozen_accounts_and_a_ledger_at_rest_take_nothing);
	RUN(an_account_that_the_audit_looks_at_waits);
	RUN(requests_per_minute_are_counted_on_key_and_account);
	RUN(what_the_account_refuses_the_key_gets_back);
	RUN(tokens_per_minute_are_estimated_first);
	RUN(more_tokens_than_a_minute_has_are_never_allowed);
	RUN(requests_at_once_are_counted_on_key_and_account);
	RUN(what_is_refused_later_gives_all_limits_back);
	RUN(when_all_slots_are_taken_requests_are_refused);
	return tap_done();
}
