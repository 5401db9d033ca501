/* Who pays what: each row of the table in settle.c, to the nano-USD. */
#include <unistd.h>

#include "base/clock.h"
#include "shm/limits.h"
#include "tests/unit/worker/fixture.h"

/* A whole answer with this usage; the entry. */
static struct entry
whole(struct fixture *f, const char *model, const char *usage)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	(void)fix_post(f, FIX_CHATS, fix_chat(model, ""));
	buf_add_cstr(&text, fix_whole("Hello", usage));
	buf_add_char(&text, '\0');
	if (strcmp(model, "gpt") != 0) {
		char *at = strstr(text.p, "up-gpt");

		/* the model is not checked here: say nothing of it */
		memcpy(at - 9, "\"other\"", 7);
	}
	fix_answer(f, 200, text.p);
	fix_settle(f);
	return f->entry[f->n_entries - 1];
}

TEST(a_whole_answer_costs_the_price_of_its_usage)
{
	struct fixture *f = fix_started();
	struct entry e = whole(f, "gpt",
			       "{\"prompt_tokens\":1000,\"completion_tokens\":"
			       "17,\"total_tokens\":1017}");

	/* 1000 x 2500 + 17 x 10000 */
	CHECK_INT(e.cost, 2670000);
	CHECK_INT(e.up_cost, 1335000);
	CHECK_INT(e.reason, REASON_NORMAL);
	CHECK(!e.sent);
	CHECK(!e.reversed);
	CHECK_INT(e.note.usage_source, USAGE_UPSTREAM);
	CHECK_INT(e.note.tokens.input, 1000);
	CHECK_INT(e.note.tokens.output, 17);
	CHECK_INT(e.note.flags, 0);
	CHECK_INT(e.note.status, 200);
	CHECK_INT(e.note.attempts, 1);
	CHECK_INT(e.note.account, ACME);
	CHECK_INT(e.note.channel, f->rows[LANE_A]);
	CHECK_INT(e.note.endpoint, ENDPOINT_CHAT);
	CHECK_STR(fix_json(f->exchanges, "cost"), "0.00267");
	CHECK_STR(fix_field(f->exchanges, "x-tollgate-charge-usd"), "0.00267");
	CHECK(fix_done(f));
}

TEST(token_classes_are_taken_apart_and_priced_each)
{
	struct fixture *f = fix_started();
	struct entry e = whole(
		f, "gpt",
		"{\"prompt_tokens\":100,\"completion_tokens\":50,"
		"\"prompt_tokens_details\":{\"cached_tokens\":30,"
		"\"cache_write_tokens\":20},\"completion_tokens_details\":"
		"{\"reasoning_tokens\":40}}");
	struct fix_usage u = {50, 30, 20, 10, 40};

	CHECK_INT(e.cost, fix_price(f, MODEL_GPT, u, PPM_ONE));
	/* 50x2500 + 30x1250 + 20x3125 + 10x10000 + 40x12000 */
	CHECK_INT(e.cost, 805000);
	CHECK_INT(e.note.tokens.cache_read, 30);
	CHECK_INT(e.note.tokens.cache_write, 20);
	CHECK_INT(e.note.tokens.reasoning, 40);
	CHECK(fix_done(f));
}

TEST(fractions_of_a_nano_are_rounded_up_once)
{
	struct fixture *f = fix_started();
	struct entry e;

	(void)str_copy(f->client_key->texts[0].group, GROUP_NAME, STR("pool"));
	/* (1 x 333 + 1 x 777) pico x 0.7 = 0.777 nano */
	e = whole(f, "cheap", "{\"prompt_tokens\":1,\"completion_tokens\":1}");
	CHECK_INT(e.cost, 1);
	CHECK_INT(e.note.multiplier_ppm, 700000);
	/* 1000 x 333 x 0.7 = 233.1; 1001 x 777 x 0.7 = 544.4439 */
	e = whole(f, "cheap",
		  "{\"prompt_tokens\":1000,\"completion_tokens\":1001}");
	CHECK_INT(e.cost, 778);
	e = whole(f, "cheap",
		  "{\"prompt_tokens\":100000,\"completion_tokens\":0}");
	CHECK_INT(e.cost, 23310);
	CHECK(fix_done(f));
}

TEST(a_usage_of_zero_costs_nothing)
{
	struct fixture *f = fix_started();
	struct entry e = whole(f, "gpt",
			       "{\"prompt_tokens\":0,\"completion_tokens\":0}");

	CHECK_INT(e.cost, 0);
	CHECK_INT(e.note.usage_source, USAGE_UPSTREAM);
	CHECK_STR(fix_json(f->exchanges, "cost"), "0.00");
	CHECK(fix_done(f));
}

TEST(a_price_per_request_is_part_of_what_was_answered_only)
{
	struct fixture *f = fix_new();
	struct entry e;

	f->model[MODEL_GPT].per_request = money_nano(123);
	fix_start(f);
	e = whole(f, "gpt", "{\"prompt_tokens\":1,\"completion_tokens\":1}");
	CHECK_INT(e.cost, 12500 + 123);
	e = whole(f, "gpt", "{\"prompt_tokens\":0,\"completion_tokens\":0}");
	CHECK_INT(e.cost, 0);
	CHECK(fix_done(f));
}

static const char *const no_usages[] = {
	NULL,
	"null",
	"{}",
	"[]",
	"7",
	"{\"prompt_tokens\":-1,\"completion_tokens\":5}",
	"{\"prompt_tokens\":5,\"completion_tokens\":-1}",
	"{\"prompt_tokens\":\"5\",\"completion_tokens\":5}",
	"{\"prompt_tokens\":1.5,\"completion_tokens\":5}",
	"{\"prompt_tokens\":5,\"completion_tokens\":5,"
	"\"prompt_tokens_details\":{\"cached_tokens\":6}}",
	"{\"prompt_tokens\":99999999999999999999999,\"completion_tokens\":5}",
};

TEST(a_usage_that_makes_no_sense_is_estimated_and_marked)
{
	struct fixture *f = fix_started();
	uint64_t in = fix_tokens(
		strlen("[{\"role\":\"user\",\"content\":\"Hello there\"}]"));
	struct fix_usage u = {.input = in, .output = fix_tokens(5)};

	CHECK_INT(in, FIX_CHAT_TOKENS);
	for (unsigned i = 0; i < ARRAY_LEN(no_usages); i++) {
		struct entry e = whole(f, "gpt", no_usages[i]);

		CHECK_INT(e.cost, fix_price(f, MODEL_GPT, u, PPM_ONE));
		CHECK_INT(e.note.usage_source, USAGE_ESTIMATED);
		CHECK_INT(e.note.flags, NOTE_ESTIMATED);
		CHECK(fix_says(f->exchanges, "\"estimated\":true"));
	}
	CHECK(fix_done(f));
}

TEST(an_empty_answer_without_a_usage_costs_nothing)
{
	struct fixture *f = fix_started();

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200, fix_whole("", NULL));
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK_INT(f->entry[0].note.usage_source, USAGE_NONE);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_up_stream(f);
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(f->entry[1].cost, 0);
	CHECK(fix_says(f->exchanges, "data: [DONE]\n\n"));
	CHECK(fix_done(f));
}

TEST(a_usage_beyond_the_hold_extends_it_and_is_charged)
{
	struct fixture *f = fix_started();
	struct entry e;

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":1"));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1000000,"
				  "\"completion_tokens\":1}"));
	fix_settle(f);
	e = f->entry[0];
	CHECK_INT(e.cost, 2500010000);
	CHECK_INT(e.note.flags, 0);
	CHECK(fix_done(f));
}

TEST(a_usage_beyond_all_money_is_charged_up_to_the_hold)
{
	struct fixture *f = fix_new();
	struct entry e;
	int64_t hold;

	fix_start(f);
	fix_fund(f, ACME, 200000);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":1"));
	hold = 200000 - fix_available(f, ACME);
	/* input with a fifth more: 11 + 2 + 1; at the dearest price */
	CHECK_INT(hold, 14 * 3125 + 12000);
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1000000,"
				  "\"completion_tokens\":1}"));
	fix_settle(f);
	e = f->entry[0];
	CHECK_INT(e.cost, hold);
	CHECK_INT(e.note.flags, NOTE_OVER_HOLD);
	CHECK_INT(e.note.tokens.input, 1000000);
	CHECK(fix_done(f));
}

TEST(a_usage_too_large_for_money_is_bounded_by_the_hold)
{
	struct fixture *f = fix_new();
	struct entry e;

	f->model[MODEL_GPT].input.pico = 1000000000000;
	f->model[MODEL_GPT].output.pico = 1000000000000;
	f->group[GROUP_DEFAULT].multiplier_ppm = 4000000;
	fix_start(f);
	fix_fund(f, ACME, INT64_MAX / 2);
	e = whole(f, "gpt",
		  "{\"prompt_tokens\":18446744073709551615,"
		  "\"completion_tokens\":18446744073709551615}");
	/* the hold: 14 and 4096 tokens */
	CHECK_INT(e.cost, 4110 * 4000000000ll);
	CHECK_INT(e.note.tokens.input, UINT32_MAX);
	CHECK(fix_done(f));
}

/* ---- streams ---- */

static struct exchange *
streaming(struct fixture *f, const char *more)
{
	struct exchange *x = fix_streaming(f, more);

	fix_up_chunk(f, "Hello w");
	fix_up_chunk(f, "orld, this is it");
	return x;
}

/* Of 23 bytes. */
#define WORLD_TOKENS 6

TEST(a_stream_costs_the_price_of_its_usage)
{
	struct fixture *f = fix_started();
	struct entry e;

	(void)streaming(f, STREAMED);
	fix_up_usage(f, 12, 6);
	fix_up_done(f);
	fix_up_end(f);
	fix_settle(f);
	e = f->entry[0];
	CHECK_INT(e.cost, 12 * 2500 + 6 * 10000);
	CHECK(e.sent);
	CHECK_INT(e.note.flags, NOTE_STREAM);
	CHECK_INT(e.delivered, FIX_CHAT_TOKENS * 2500 + WORLD_TOKENS * 10000);
	CHECK_INT(e.meter, e.delivered);
	CHECK(!fix_says(f->exchanges, "usage"));
	CHECK(fix_done(f));
}

TEST(a_stream_without_usage_costs_the_estimate)
{
	struct fixture *f = fix_started();

	(void)streaming(f, STREAMED_USAGE);
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost,
		  FIX_CHAT_TOKENS * 2500 + WORLD_TOKENS * 10000);
	CHECK_INT(f->entry[0].note.flags, NOTE_STREAM | NOTE_ESTIMATED);
	CHECK(fix_says(f->exchanges, "\"estimated\":true"));
	CHECK(fix_says(f->exchanges, "\"model\":\"gpt\""));
	CHECK_STR(fix_json(f->exchanges, "cost"), "0.0000875");
	CHECK(fix_done(f));
}

TEST(a_stream_that_breaks_off_costs_its_output_only)
{
	struct fixture *f = fix_started();
	struct entry e;

	(void)streaming(f, STREAMED);
	fix_up_usage(f, 12, 6);
	fix_up_fail(f, CALL_CUT);
	fix_settle(f);
	e = f->entry[0];
	CHECK_INT(e.cost, WORLD_TOKENS * 10000);
	CHECK_INT(e.reason, REASON_UPSTREAM);
	CHECK_INT(e.note.tokens.input, 0);
	CHECK_INT(e.note.tokens.output, WORLD_TOKENS);
	CHECK_INT(e.note.flags, NOTE_STREAM | NOTE_PARTIAL | NOTE_ESTIMATED);
	CHECK(fix_says(f->exchanges, "upstream_cut"));
	CHECK(!fix_says(f->exchanges, "[DONE]"));
	/* the operator owes the whole of the usage */
	CHECK_INT(e.up_cost, (12 * 2500 + 6 * 10000) / 2);
	CHECK(fix_done(f));
}

TEST(a_client_that_leaves_pays_input_and_what_it_took)
{
	struct fixture *f = fix_started();
	struct exchange *x;
	struct entry e;

	x = streaming(f, STREAMED);
	fix_gone(x, E_CLIENT_GONE);
	CHECK(!fix_call_runs(f));
	fix_settle(f);
	e = f->entry[0];
	CHECK_INT(e.cost, FIX_CHAT_TOKENS * 2500 + WORLD_TOKENS * 10000);
	CHECK_INT(e.reason, REASON_CLIENT_GONE);
	CHECK_INT(e.note.flags, NOTE_STREAM | NOTE_PARTIAL | NOTE_ESTIMATED);
	CHECK_INT(e.note.error_type, err_vocab_id(E_CLIENT_GONE));
	CHECK(fix_done(f));
}

TEST(a_slow_client_that_leaves_pays_only_what_its_socket_took)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->room = 0;
	fix_start(f);
	x = streaming(f, STREAMED);
	fix_take(x, 1);
	fix_up_usage(f, 12, 6);
	fix_up_done(f);
	fix_up_end(f);
	CHECK(!fix_writer(f)); /* not settled: the socket has not all */
	fix_gone(x, E_CLIENT_SLOW);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, FIX_CHAT_TOKENS * 2500 + 2 * 10000);
	CHECK_INT(f->entry[0].delivered, f->entry[0].cost);
	CHECK(fix_done(f));
}

TEST(a_client_that_took_nothing_pays_nothing)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->room = 0;
	fix_start(f);
	x = streaming(f, STREAMED);
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK_INT(f->entry[0].note.usage_source, USAGE_NONE);
	CHECK(fix_done(f));
}

TEST(a_socket_that_broke_unseen_pays_only_what_it_took)
{
	struct fixture *f = fix_new();

	/* it breaks with the second piece; the end of the exchange is told
	 * a loop turn later, the end of the stream comes before */
	f->die_after = 70;
	fix_start(f);
	(void)streaming(f, STREAMED);
	fix_up_usage(f, 12, 6);
	fix_up_done(f);
	fix_up_end(f);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, FIX_CHAT_TOKENS * 2500 + 2 * 10000);
	CHECK_INT(f->entry[0].reason, REASON_CLIENT_GONE);
	CHECK(fix_done(f));
}

TEST(an_answer_that_failed_costs_nothing)
{
	struct fixture *f = fix_new();

	f->conf.routing.attempts = 1;
	fix_start(f);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 500, "{\"error\":{\"message\":\"no\"}}");
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(f->entry[0].sent);
	CHECK_INT(f->entry[0].note.status, 502);
	CHECK_INT(f->entry[0].note.error_type, err_vocab_id(E_UP_SERVER_ERROR));
	CHECK(fix_done(f));
}

/* ---- the commit ---- */

TEST(a_whole_answer_waits_for_its_commit)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	CHECK(!x->begun);
	CHECK_INT(f->w.row->waiting, 1);
	requests_committed(&f->w); /* a doorbell for somebody else */
	CHECK(!x->begun);
	CHECK(fix_writer(f));
	CHECK(!x->begun);
	requests_committed(&f->w);
	CHECK(x->answered);
	CHECK_INT(f->w.row->waiting, 0);
	CHECK(fix_done(f));
}

TEST(in_mode_relaxed_nothing_waits)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.ledger.durability = DURABILITY_RELAXED;
	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	CHECK(x->answered);
	CHECK(fix_done(f));
}

/* Its connection is worth keeping, though the last chunk is not there. */
TEST(in_mode_relaxed_a_finished_call_is_released)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.ledger.durability = DURABILITY_RELAXED;
	f->at_once = true;
	fix_start(f);
	x = streaming(f, STREAMED);
	fix_up_usage(f, 12, 6);
	fix_up_done(f);
	CHECK_INT(x->ends, 1);
	CHECK_INT(f->calls->end, CALL_RELEASED);
	CHECK_INT(f->region.channels[f->rows[LANE_A]].in_flight, 0);
	CHECK(fix_done(f));
}

TEST(the_end_of_a_stream_waits_for_the_commit_its_content_does_not)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = streaming(f, STREAMED);
	CHECK(fix_says(x, "orld, this is it"));
	fix_up_usage(f, 12, 6);
	fix_up_done(f);
	fix_up_end(f);
	CHECK(!fix_says(x, "[DONE]"));
	CHECK(!x->answered);
	fix_settle(f);
	CHECK(fix_says(x, "[DONE]"));
	CHECK(fix_done(f));
}

TEST(a_disk_that_stalls_is_waited_for_two_seconds)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	fix_wait_ms(f, 1900);
	CHECK(!x->begun);
	fix_wait_ms(f, 200);
	CHECK(x->answered);
	CHECK_STR(fix_field(x, "x-tollgate-durability"), "pending");
	CHECK(fix_turn(f)); /* the socket took all: SENT before the commit */
	CHECK_INT(f->w.running, 0);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 12500);
	CHECK(!f->entry[0].reversed);
	CHECK(fix_done(f));
}

TEST(a_client_gone_before_the_answer_gets_its_charge_back)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	/* while it waits for the commit */
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 12500);
	CHECK(f->entry[0].reversed);
	/* the socket breaks before its first byte */
	f->die_after = 0;
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	fix_settle(f);
	CHECK(f->entry[1].reversed);
	/* after it: the answer reached the client */
	f->die_after = 1;
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	fix_settle(f);
	CHECK(!f->entry[2].reversed);
	CHECK_INT(fix_available(f, ACME), f->opening[ACME] - 12500);
	CHECK(fix_done(f));
}

static bool
rung(const struct fixture *f)
{
	uint64_t n;

	return read(f->writer_bell, &n, sizeof(n)) == sizeof(n);
}

TEST(a_sleeping_writer_is_woken)
{
	struct fixture *f = fix_started();

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	writer_sleeps(&f->region, true);
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	CHECK(rung(f));
	CHECK(!rung(f));
	/* it is awake: nobody rings */
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":1,"
				  "\"completion_tokens\":1}"));
	CHECK(!rung(f));
	CHECK(fix_done(f));
}

/* ---- limits ---- */

static uint32_t
tokens_left(const struct fixture *f)
{
	return limit_look(&f->client_key->limits.tpm_tat_ns,
			  atomic_load(&f->client_key->limits.tpm), fix_now())
		.remaining;
}

TEST(tokens_that_were_not_used_are_given_back)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	atomic_store(&f->client_key->limits.tpm, 10000);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(tokens_left(f), 10000 - 1024 - FIX_CHAT_TOKENS);
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":20,"
				  "\"completion_tokens\":7}"));
	fix_settle(f);
	CHECK(!x->live);
	CHECK_INT(tokens_left(f), 10000 - 27);
	/* more than was taken */
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":1"));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":973,"
				  "\"completion_tokens\":1000}"));
	fix_settle(f);
	CHECK_INT(tokens_left(f), 10000 - 2000);
	/* a failure uses none */
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 400, "{\"error\":{\"message\":\"no\"}}");
	fix_settle(f);
	CHECK_INT(tokens_left(f), 10000 - 2000);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_whole_answer_costs_the_price_of_its_usage);
	RUN(token_classes_are_taken_apart_and_priced_each);
	RUN(fractions_of_a_nano_are_rounded_up_once);
	RUN(a_usage_of_zero_costs_nothing);
	RUN(a_price_per_request_is_part_of_what_was_answered_only);
	RUN(a_usage_that_makes_no_sense_is_estimated_and_marked);
	RUN(an_empty_answer_without_a_usage_costs_nothing);
	RUN(a_usage_beyond_the_hold_extends_it_and_is_charged);
	RUN(a_usage_beyond_all_money_is_charged_up_to_the_hold);
	RUN(a_usage_too_large_for_money_is_bounded_by_the_hold);
	RUN(a_stream_costs_the_price_of_its_usage);
	RUN(a_stream_without_usage_costs_the_estimate);
	RUN(a_stream_that_breaks_off_costs_its_output_only);
	RUN(a_client_that_leaves_pays_input_and_what_it_took);
	RUN(a_slow_client_that_leaves_pays_only_what_its_socket_took);
	RUN(a_client_that_took_nothing_pays_nothing);
	RUN(a_socket_that_broke_unseen_pays_only_what_it_took);
	RUN(an_answer_that_failed_costs_nothing);
	RUN(a_whole_answer_waits_for_its_commit);
	RUN(in_mode_relaxed_nothing_waits);
	RUN(in_mode_relaxed_a_finished_call_is_released);
	RUN(the_end_of_a_stream_waits_for_the_commit_its_content_does_not);
	RUN(a_disk_that_stalls_is_waited_for_two_seconds);
	RUN(a_client_gone_before_the_answer_gets_its_charge_back);
	RUN(a_sleeping_writer_is_woken);
	RUN(tokens_that_were_not_used_are_given_back);
	return tap_done();
}
