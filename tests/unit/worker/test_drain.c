/* Answers that are read on after their client has left. */
#include "base/clock.h"
#include "billing/rules.h"
#include "tests/unit/worker/fixture.h"

#define STREAMED ",\"stream\":true"

static struct fixture *
draining(void)
{
	struct fixture *f = fix_new();

	for (unsigned i = 0; i < LANES; i++) {
		f->channel[i].on_client_gone = ON_CLIENT_GONE_DRAIN;
		f->channel[i].drain_max = 1000;
		f->channel[i].drain_timeout_ms = 5000;
	}
	f->conf.limits.drains = 1;
	fix_start(f);
	return f;
}

/* The customer's entry stands at once. */
static void
leave(struct fixture *f, struct exchange *x)
{
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].note.rule, RULE_LEFT_READ);
	CHECK_INT(f->entry[0].up_cost, 0);
	CHECK_INT(f->entry[0].reason, REASON_CLIENT_GONE);
	CHECK_INT(f->entry[0].note.tokens.output, 1);
	CHECK_INT(f->entry[0].cost, FIX_CHAT_TOKENS * 2500 + 10000);
	CHECK(fix_call_runs(f));
	CHECK_INT(f->w.drains, 1);
}

TEST(the_client_pays_what_it_got_and_the_rest_is_a_leg_of_its_own)
{
	struct fixture *f = draining();
	struct exchange *x = fix_streaming(f, STREAMED);
	const struct note *n;

	fix_up_chunk(f, "abcd");
	leave(f, x);
	fix_up_chunk(f, "efgh");
	CHECK_INT(f->n_entries, 1);
	fix_up_usage(f, 100, 30);
	fix_up_done(f);
	fix_settle(f);
	CHECK_INT(f->n_entries, 2);
	n = &f->entry[1].note;
	CHECK(n->flags & NOTE_LOST);
	CHECK(!(n->flags & NOTE_ESTIMATED));
	CHECK_INT(n->usage_source, USAGE_UPSTREAM);
	CHECK_INT(n->tokens.input, 100);
	CHECK_INT(n->tokens.output, 30);
	CHECK_INT(n->upstream_nano, (100 * 2500 + 30 * 10000) / 2);
	CHECK_INT(f->w.drains, 0);
	CHECK(!fix_call_runs(f));
	CHECK(fix_done(f));
}

TEST(without_a_usage_what_came_is_estimated)
{
	struct fixture *f = draining();
	struct exchange *x = fix_streaming(f, STREAMED);

	fix_up_chunk(f, "abcd");
	leave(f, x);
	fix_up_chunk(f, "efgh");
	fix_up_fail(f, CALL_CUT);
	fix_settle(f);
	CHECK_INT(f->n_entries, 2);
	CHECK(f->entry[1].note.flags & NOTE_ESTIMATED);
	CHECK_INT(f->entry[1].note.tokens.output, 2);
	CHECK_INT(f->entry[1].note.upstream_nano,
		  (FIX_CHAT_TOKENS * 2500 + 2 * 10000) / 2);
	CHECK(fix_done(f));
}

TEST(a_drain_ends_by_its_time_and_by_its_tokens)
{
	struct fixture *f = draining();
	struct exchange *x = fix_streaming(f, STREAMED);
	char text[4101];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fix_up_chunk(f, "abcd");
	leave(f, x);
	fix_wait_ms(f, 4000);
	CHECK(fix_call_runs(f));
	fix_wait_ms(f, 2000);
	CHECK(!fix_call_runs(f));
	fix_settle(f);
	CHECK_INT(f->n_entries, 2);
	CHECK(fix_done(f));
	f = draining();
	x = fix_streaming(f, STREAMED);
	fix_up_chunk(f, "abcd");
	leave(f, x);
	fix_up_chunk(f, text);
	CHECK(!fix_call_runs(f));
	fix_settle(f);
	CHECK_INT(f->n_entries, 2);
	CHECK(fix_done(f));
}

TEST(beyond_the_limit_an_answer_is_hung_up_on)
{
	struct fixture *f = draining();
	struct exchange *x = fix_streaming(f, STREAMED);

	f->conf.limits.drains = 0;
	fix_up_chunk(f, "abcd");
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].note.rule, RULE_LEFT);
	CHECK_INT(f->entry[0].up_cost, (FIX_CHAT_TOKENS * 2500 + 10000) / 2);
	CHECK(!fix_call_runs(f));
	CHECK(fix_done(f));
}

TEST(a_whole_answer_nobody_waits_for_is_read_for_its_usage)
{
	struct fixture *f = draining();
	struct exchange *x =
		fix_post(f, "/v1/chat/completions",
			 "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\","
			 "\"content\":\"Hello there\"}]}");

	fix_up_head(f, 200, "");
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->n_entries, 1);
	CHECK_INT(f->entry[0].note.rule, RULE_NOTHING);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK_INT(f->entry[0].up_cost, 0);
	fix_up_text(f,
		    "{\"model\":\"up-gpt\",\"choices\":[{\"index\":0,"
		    "\"message\":{\"role\":\"assistant\",\"content\":\"x\"},"
		    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
		    "1000,\"completion_tokens\":17,\"total_tokens\":1017}}");
	fix_up_end(f);
	fix_settle(f);
	CHECK_INT(f->n_entries, 2);
	CHECK_INT(f->entry[1].note.upstream_nano, 1335000);
	CHECK_INT(f->entry[1].note.usage_source, USAGE_UPSTREAM);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_client_pays_what_it_got_and_the_rest_is_a_leg_of_its_own);
	RUN(without_a_usage_what_came_is_estimated);
	RUN(a_drain_ends_by_its_time_and_by_its_tokens);
	RUN(beyond_the_limit_an_answer_is_hung_up_on);
	RUN(a_whole_answer_nobody_waits_for_is_read_for_its_usage);
	return tap_done();
}
