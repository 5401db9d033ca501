/* Another model in place of the asked one: when, for whom, at what price. */
#include <stdlib.h>

#include "base/must.h"
#include "shm/caps.h"
#include "tests/unit/worker/fixture.h"

#define CHEAP                                                                  \
	"{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"up-cheap\"," \
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","       \
	"\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{"         \
	"\"prompt_tokens\":1000,\"completion_tokens\":2000}}"

static const struct str to_cheap[] = {{"cheap", 5}};
static const struct str to_gpt[] = {{"cheap", 5}, {"gpt", 3}};
static struct conf_route route;

/* All requests may fall back to these; the key takes it. */
static struct fixture *
with(const struct str *names, uint32_t n)
{
	struct fixture *f = fix_new();

	route = (struct conf_route){.name = STR("r"),
				    .fallbacks = names,
				    .n_fallbacks = n,
				    .chosen = STRATEGY_FAILOVER};
	f->conf.routes = &route;
	f->conf.n_routes = 1;
	atomic_fetch_or(&f->client_key->flags, KEY_SUBSTITUTION);
	return f;
}

static bool
asks_for(const struct fixture *f, const char *model)
{
	return strstr(f->calls->sent.p, model) != NULL;
}

/* Both channels of the asked model fail. */
static struct exchange *
exhausted(struct fixture *f, const char *body)
{
	struct exchange *x = fix_post(f, FIX_CHATS, body);

	CHECK_INT(f->n_calls, 1);
	fix_answer(f, 500, "{}");
	CHECK_INT(f->n_calls, 2);
	fix_answer(f, 503, "{}");
	return x;
}

/* The entry of the request, not of a lost attempt. */
static const struct entry *
entry_of(const struct fixture *f)
{
	for (unsigned i = 0; i < f->n_entries; i++)
		if (!(f->entry[i].note.flags & NOTE_LOST))
			return &f->entry[i];
	printf("Bail out! no entry\n");
	exit(1);
}

TEST(the_next_model_answers_and_is_paid)
{
	struct fixture *f = with(to_cheap, 1);
	struct fix_usage u = {.input = 1000, .output = 2000};
	struct exchange *x;
	const struct entry *e;

	fix_start(f);
	x = exhausted(f, fix_chat("gpt", ""));
	CHECK_INT(f->n_calls, 3);
	CHECK(asks_for(f, "\"up-cheap\""));
	fix_answer(f, 200, CHEAP);
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "x-tollgate-model"), "up-cheap");
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "gpt");
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "3");
	e = entry_of(f);
	CHECK_INT(e->cost, fix_price(f, MODEL_CHEAP, u, 1000000));
	CHECK_INT(e->up_cost, fix_price(f, MODEL_CHEAP, u, 500000));
	CHECK(e->note.flags & NOTE_SUBSTITUTED);
	CHECK(e->note.flags & NOTE_FALLBACK);
	CHECK(str_eq(str_make(e->note.served, e->note.served_len), STR("gpt")));
	CHECK_INT(f->region.slots[e->slot].model, MODEL_CHEAP);
	CHECK(fix_done(f));
}

/* What is left of it does not cover the request, or nothing is. */
TEST(a_model_whose_budget_is_spent_gives_way)
{
	static const int64_t left[] = {0, 1};
	const struct cap_of of = {CAP_MODEL, STR_NONE, STR("gpt")};

	for (unsigned i = 0; i < ARRAY_LEN(left); i++) {
		struct fixture *f = with(to_cheap, 1);
		struct exchange *x;

		f->model[MODEL_GPT].daily_budget = money_nano(5);
		must(cap_want(&f->region, &of, 5) == 0);
		f->region.caps[0].number = 1;
		f->region.counters[counter_of_cap(0)].available = left[i];
		fix_start(f);
		x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
		CHECK_INT(f->n_calls, 1);
		CHECK(asks_for(f, "\"up-cheap\""));
		fix_answer(f, 200, CHEAP);
		fix_settle(f);
		CHECK_INT(x->status, 200);
		CHECK_STR(fix_field(x, "x-tollgate-substituted"), "gpt");
		CHECK_INT(f->region.counters[counter_of_cap(0)].available,
			  left[i]);
		CHECK(fix_done(f));
	}
}

TEST(so_it_is_before_the_first_word_of_a_stream)
{
	struct fixture *f = with(to_cheap, 1);
	struct exchange *x;

	fix_start(f);
	x = exhausted(f, fix_chat("gpt", STREAMED));
	CHECK(asks_for(f, "\"up-cheap\""));
	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, "data: {\"model\":\"up-cheap\",\"choices\":[{\"index\":"
		       "0,\"delta\":{\"content\":\"hi\"}}]}\n\n");
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "gpt");
	fix_up_text(f, "data: [DONE]\n\n");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "hi"));
	CHECK(entry_of(f)->note.flags & NOTE_SUBSTITUTED);
	CHECK(entry_of(f)->cost > 0);
	CHECK(entry_of(f)->cost < fix_price(f, MODEL_GPT,
					    (struct fix_usage){.input = 11},
					    1000000));
	CHECK(fix_done(f));
}

static void
nobody_else(struct fixture *f, const char *body)
{
	struct exchange *x = exhausted(f, body);

	fix_settle(f);
	CHECK_INT(f->n_calls, 2);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "");
	CHECK(fix_done(f));
}

TEST(only_keys_that_take_it_get_another_model)
{
	struct fixture *f = with(to_cheap, 1);

	atomic_fetch_and(&f->client_key->flags, ~(uint32_t)KEY_SUBSTITUTION);
	fix_start(f);
	nobody_else(f, fix_chat("gpt", ""));
	f = with(to_cheap, 1);
	(void)str_copy(f->client_key->texts[0].models, KEY_MODELS, STR("gpt"));
	fix_start(f);
	nobody_else(f, fix_chat("gpt", ""));
}

TEST(a_model_is_no_stand_in_for_itself)
{
	struct fixture *f = with(to_cheap, 1);

	fix_start(f);
	nobody_else(f, fix_chat("cheap", ""));
}

TEST(what_is_wrong_with_the_request_is_wrong_everywhere)
{
	struct fixture *f = with(to_cheap, 1);
	struct exchange *x;

	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 400, "{}");
	fix_settle(f);
	CHECK_INT(f->n_calls, 1);
	CHECK_INT(x->status, 400);
	CHECK(fix_done(f));
}

TEST(without_any_channel_the_next_model_is_asked_at_once)
{
	struct fixture *f = with(to_cheap, 1);
	struct exchange *x;

	f->channel[LANE_A].n_models = f->channel[LANE_B].n_models = 0;
	f->channel[LANE_B].models = &f->offer[LANE_B][MODEL_CHEAP];
	f->channel[LANE_B].n_models = 1;
	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->n_calls, 1);
	CHECK(asks_for(f, "\"up-cheap\""));
	fix_answer(f, 200, CHEAP);
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "1");
	CHECK_STR(fix_field(x, "x-tollgate-substituted"), "gpt");
	CHECK(fix_done(f));
}

/* Whether a request of a cheap model is let in with this balance, and whether
 * a dear one may take over. */
static void
funded(int64_t balance, bool *let_in, bool *taken_over)
{
	struct fixture *f = with(to_gpt, 2);
	struct exchange *x;

	fix_fund(f, ACME, balance);
	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("cheap", ",\"max_tokens\":50"));
	*let_in = f->n_calls > 0;
	*taken_over = false;
	if (*let_in) {
		fix_answer(f, 500, "{}");
		fix_answer(f, 503, "{}");
		*taken_over = f->n_calls == 3;
	} else {
		CHECK_INT(x->status, 402);
	}
	if (*taken_over)
		fix_answer(f, 400, "{}");
	fix_settle(f);
	CHECK(fix_done(f));
}

static int64_t
least_balance(bool for_both)
{
	int64_t low = 0, high = 1000000000;

	while (low + 1 < high) {
		int64_t middle = low + (high - low) / 2;
		bool let_in, taken_over;

		funded(middle, &let_in, &taken_over);
		if (for_both ? taken_over : let_in)
			high = middle;
		else
			low = middle;
	}
	return high;
}

TEST(the_hold_covers_the_dearest_if_the_balance_does)
{
	struct fix_usage most = {.input = 14, .reasoning = 50};
	int64_t alone = least_balance(false), with_gpt = least_balance(true);
	struct fixture *f = fix_started();

	CHECK(with_gpt > 100 * alone);
	CHECK(with_gpt >= fix_price(f, MODEL_GPT, most, 1000000));
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_next_model_answers_and_is_paid);
	RUN(a_model_whose_budget_is_spent_gives_way);
	RUN(so_it_is_before_the_first_word_of_a_stream);
	RUN(only_keys_that_take_it_get_another_model);
	RUN(a_model_is_no_stand_in_for_itself);
	RUN(what_is_wrong_with_the_request_is_wrong_everywhere);
	RUN(without_any_channel_the_next_model_is_asked_at_once);
	RUN(the_hold_covers_the_dearest_if_the_balance_does);
	return tap_done();
}
