/* Pages that cost nothing. */
#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

TEST(the_list_has_what_is_sold_to_this_key)
{
	struct fixture *f = fix_new();
	static const uint32_t pool[] = {GROUP_POOL};
	struct exchange *x;

	/* "think" is offered to the pool only */
	f->channel[LANE_A].n_models = MODEL_THINK;
	f->channel[LANE_B].models = &f->offer[LANE_B][MODEL_THINK];
	f->channel[LANE_B].n_models = 1;
	f->channel[LANE_B].groups = pool;
	f->channel[LANE_B].n_groups = 1;
	fix_start(f);
	f->w.region->head->started_wall_ns = 7 * NS_PER_SEC;
	x = fix_get(f, "/v1/models");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x),
		  "{\"object\":\"list\",\"data\":["
		  "{\"id\":\"gpt\",\"object\":\"model\",\"created\":7,"
		  "\"owned_by\":\"tollgate\"},"
		  "{\"id\":\"cheap\",\"object\":\"model\",\"created\":7,"
		  "\"owned_by\":\"tollgate\"},"
		  "{\"id\":\"embed\",\"object\":\"model\",\"created\":7,"
		  "\"owned_by\":\"tollgate\"}]}");
	CHECK_INT(fix_get(f, "/v1/models/think")->status, 404);
	CHECK_INT(fix_get(f, "/v1/models/free")->status, 404);
	(void)str_copy(f->client_key->texts[0].group, GROUP_NAME, STR("pool"));
	CHECK(fix_says(fix_get(f, "/v1/models"), "\"think\""));
	(void)str_copy(f->client_key->texts[0].models, KEY_MODELS, STR("ch*"));
	x = fix_get(f, "/v1/models");
	CHECK(fix_says(x, "\"cheap\"") && !fix_says(x, "\"gpt\""));
	CHECK(fix_done(f));
}

TEST(one_model_is_found_by_its_name)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->model[MODEL_CHEAP].name = STR("vendor/cheap-v1");
	f->offer[LANE_A][MODEL_CHEAP].name = f->model[MODEL_CHEAP].name;
	fix_start(f);
	x = fix_get(f, "/v1/models/vendor/cheap-v1");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_json(x, "id"), "\"vendor/cheap-v1\"");
	/* as an SDK writes it */
	x = fix_get(f, "/v1/models/vendor%2Fcheap%2dv1");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_json(x, "id"), "\"vendor/cheap-v1\"");
	CHECK_INT(fix_get(f, "/v1/models/vendor%2Gcheap-v1")->status, 404);
	CHECK_INT(fix_get(f, "/v1/models/vendor%2")->status, 404);
	x = fix_get(f, "/v1/models/nothing%22%00");
	CHECK_INT(x->status, 404);
	CHECK_STR(fix_json(x, "code"), "\"model_not_found\"");
	CHECK_STR(fix_json(x, "param"), "\"model\"");
	CHECK(fix_done(f));
}

TEST(a_model_of_the_longest_name_is_found)
{
	struct fixture *f = fix_new();
	char name[128], path[160];

	memset(name, 'm', sizeof(name));
	name[127] = '\0';
	f->model[MODEL_CHEAP].name = str_of(name);
	fix_start(f);
	(void)snprintf(path, sizeof(path), "/v1/models/%s", name);
	CHECK_INT(fix_get(f, path)->status, 200);
	CHECK(fix_done(f));
}

TEST(the_balance_says_what_is_held)
{
	struct fixture *f = fix_started();
	struct exchange *x, *y;

	fix_fund(f, ACME, 1500000000);
	x = fix_get(f, "/v1/balance");
	CHECK_STR(fix_out(x), "{\"object\":\"balance\",\"account\":\"acme\","
			      "\"currency\":\"USD\",\"balance_usd\":1.50,"
			      "\"available_usd\":1.50,\"held_usd\":0.00}");
	y = fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":100"));
	x = fix_get(f, "/v1/balance");
	/* 14 x 3125 + 100 x 12000 */
	CHECK_STR(fix_json(x, "available_usd"), "1.49875625");
	CHECK_STR(fix_json(x, "held_usd"), "0.00124375");
	fix_gone(y, E_CLIENT_GONE);
	fix_settle(f);
	/* a credit limit counts as available */
	atomic_store(&f->region.counters[counter_of_account(ACME)].credit,
		     2000000000);
	atomic_store(&f->region.counters[counter_of_account(ACME)].available,
		     3500000000);
	f->opening[ACME] = 3500000000;
	x = fix_get(f, "/v1/balance");
	CHECK_STR(fix_json(x, "available_usd"), "3.50");
	CHECK_STR(fix_json(x, "held_usd"), "0.00");
	CHECK_STR(fix_json(x, "credit_limit_usd"), "2.00");
	CHECK(!fix_says(x, "key_budget"));
	fix_set_budget(f, 250000000);
	x = fix_get(f, "/v1/balance");
	CHECK(fix_says(x, "\"key_budget\":{\"balance_usd\":0.25,"
			  "\"available_usd\":0.25,\"held_usd\":0.00,"
			  "\"window\":\"total\",\"limit_usd\":"));
	CHECK(fix_done(f));
}

TEST(an_account_in_debt_reads_well)
{
	struct fixture *f = fix_started();

	fix_fund(f, ACME, -1);
	CHECK_STR(fix_json(fix_get(f, "/v1/balance"), "balance_usd"),
		  "-0.000000001");
	CHECK(fix_done(f));
}

TEST(health_needs_no_key)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_open(f, "GET", "/healthz", NULL, "");

	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x), "{\"status\":\"ok\"}");
	x = fix_open(f, "GET", "/readyz", NULL, "");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x), "{\"status\":\"ready\"}");
	CHECK(fix_done(f));
}

static const char *
readiness(struct fixture *f)
{
	struct exchange *x = fix_open(f, "GET", "/readyz", NULL, "");

	CHECK_INT(x->status, 503);
	CHECK_STR(fix_field(x, "retry-after"), "1");
	return fix_json(x, "code");
}

TEST(readiness_says_what_is_missing)
{
	struct fixture *f = fix_started();

	atomic_store(&f->region.head->ledger_state, LEDGER_READONLY);
	CHECK_STR(readiness(f), "\"ledger_unavailable\"");
	atomic_store(&f->region.head->draining, 1);
	CHECK_STR(readiness(f), "\"draining\"");
	atomic_store(&f->region.head->draining, 0);
	f->w.draining = true;
	CHECK_STR(readiness(f), "\"draining\"");
	f->w.draining = false;
	atomic_store(&f->region.head->ledger_state, LEDGER_OK);
	for (unsigned i = 0; i < LANES; i++)
		atomic_store(&f->region.channels[f->rows[i]].state,
			     CHANNEL_OPEN);
	CHECK_STR(readiness(f), "\"no_channel\"");
	atomic_store(&f->region.channels[f->rows[LANE_B]].state,
		     CHANNEL_DEGRADED);
	CHECK_INT(fix_open(f, "GET", "/readyz", NULL, "")->status, 200);
	CHECK_INT(fix_open(f, "GET", "/healthz", NULL, "")->status, 200);
	CHECK(fix_done(f));
}

TEST(gemini_lists_models_in_its_own_way)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->channel[LANE_A].n_models = 1;
	f->channel[LANE_B].n_models = 1;
	f->model[MODEL_GPT].context = 1000;
	fix_start(f);
	x = fix_get(f, "/v1beta/models");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x),
		  "{\"models\":[{\"name\":\"models/gpt\",\"displayName\":"
		  "\"gpt\",\"inputTokenLimit\":1000,\"outputTokenLimit\":4096,"
		  "\"supportedGenerationMethods\":[\"generateContent\","
		  "\"streamGenerateContent\",\"countTokens\"]}]}");
	x = fix_get(f, "/v1beta/models/gpt");
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_json(x, "name"), "\"models/gpt\"");
	x = fix_get(f, "/v1beta/models/nothing");
	CHECK_INT(x->status, 404);
	CHECK_STR(fix_json(x, "status"), "\"NOT_FOUND\"");
	x = fix_get(f, "/v1beta/what");
	CHECK_INT(x->status, 404);
	CHECK_STR(fix_json(x, "status"), "\"NOT_FOUND\"");
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_list_has_what_is_sold_to_this_key);
	RUN(one_model_is_found_by_its_name);
	RUN(a_model_of_the_longest_name_is_found);
	RUN(the_balance_says_what_is_held);
	RUN(an_account_in_debt_reads_well);
	RUN(health_needs_no_key);
	RUN(readiness_says_what_is_missing);
	RUN(gemini_lists_models_in_its_own_way);
	return tap_done();
}
