/* The responder of the embedded provider. */
#include "base/clock.h"
#include "tests/unit/worker/fixture.h"
#include "worker/demo.h"

static struct fixture *
serving(uint32_t rate, uint32_t delay_ms, uint32_t fail_every, uint32_t limit)
{
	struct fixture *f = fix_new();
	struct conf_channel *c = &f->channel[LANE_DEMO];

	c->n_models = MODELS;
	c->tokens_per_second = rate;
	c->first_token_delay_ms = delay_ms;
	c->fail_every = fail_every;
	c->limit = limit;
	fix_start(f);
	f->w.now_ns = fix_now();
	f->w.demo = demo_server_new(&f->w);
	CHECK(f->w.demo != NULL);
	return f;
}

static bool
done(struct fixture *f)
{
	fix_settle(f);
	demo_server_free(f->w.demo);
	f->w.demo = NULL;
	return fix_done(f);
}

#define HOST "lane-2"
static const char asks[] =
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
	"\"one two\"}],\"max_tokens\":3}";
static const char streams[] =
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
	"\"one two\"}],\"max_tokens\":3,\"stream\":true,"
	"\"stream_options\":{\"include_usage\":true}}";

static unsigned
events(struct exchange *x)
{
	unsigned n = 0;

	for (const char *at = fix_out(x); (at = strstr(at, "data: ")); at++)
		n++;
	return n;
}

TEST(a_whole_answer_counts_its_words)
{
	struct fixture *f = serving(0, 0, 0, 0);
	struct exchange *x = fix_demo(f, FIX_CHATS, HOST, asks);

	CHECK_INT(x->status, 200);
	CHECK(x->answered);
	CHECK_STR(fix_json(x, "completion_tokens"), "3");
	CHECK(fix_says(x, "This answer comes"));
	x = fix_demo(f, "/v1/embeddings", HOST,
		     "{\"model\":\"m\",\"input\":\"one two three\"}");
	CHECK_STR(fix_json(x, "prompt_tokens"), "3");
	CHECK(fix_says(x, "\"embedding\":["));
	x = fix_demo(f, "/v1/completions", HOST,
		     "{\"model\":\"m\",\"prompt\":\"one\"}");
	CHECK(fix_says(x, "text_completion"));
	CHECK(done(f));
}

TEST(a_stream_comes_at_once_or_at_its_rate)
{
	struct fixture *f = serving(0, 0, 0, 0);
	struct exchange *x = fix_demo(f, FIX_CHATS, HOST, streams);

	/* role, three words, finish, usage, end */
	CHECK_INT(events(x), 7);
	CHECK(x->answered);
	CHECK(done(f));

	f = serving(10, 500, 0, 0);
	x = fix_demo(f, FIX_CHATS, HOST, streams);
	CHECK(!x->begun);
	fix_wait_ms(f, 490);
	CHECK(!x->begun);
	fix_wait_ms(f, 30);
	CHECK_INT(events(x), 2);
	fix_wait_ms(f, 100);
	CHECK_INT(events(x), 3);
	fix_wait_ms(f, 1000);
	CHECK_INT(events(x), 7);
	CHECK(x->answered);
	CHECK(fix_says(x, "[DONE]"));
	CHECK(done(f));
}

TEST(a_client_that_leaves_ends_the_stream)
{
	struct fixture *f = serving(10, 500, 0, 0);
	struct exchange *x = fix_demo(f, FIX_CHATS, HOST, streams);

	fix_gone(x, E_CLIENT_GONE); /* before the first word */
	fix_wait_ms(f, 1000);
	x = fix_demo(f, FIX_CHATS, HOST, streams);
	fix_wait_ms(f, 700);
	CHECK(events(x) > 2);
	fix_gone(x, E_CLIENT_GONE); /* within it */
	fix_wait_ms(f, 2000);
	/* the socket breaks under a piece */
	f->die_after = 300;
	f->at_once = true;
	x = fix_demo(f, FIX_CHATS, HOST, streams);
	fix_wait_ms(f, 2000);
	CHECK_INT(x->ends, 1);
	f->at_once = false;
	x = fix_demo(f, FIX_CHATS, HOST, streams);
	fix_wait_ms(f, 2000);
	fix_turn(f);
	CHECK_INT(x->ends, 1);
	CHECK(done(f));
}

TEST(it_fails_as_its_lane_says)
{
	struct fixture *f = serving(0, 0, 3, 0);
	unsigned failed = 0;

	for (int i = 0; i < 9; i++)
		failed += fix_demo(f, FIX_CHATS, HOST, asks)->status == 500;
	CHECK_INT(failed, 3);
	CHECK(fix_says(f->exchanges, "choices"));
	CHECK(done(f));

	f = serving(0, 0, 0, 3);
	for (int i = 0; i < 5; i++)
		CHECK_INT(fix_demo(f, FIX_CHATS, HOST, asks)->status,
			  i < 2 ? 200 : 429);
	fix_wait_ms(f, 60000);
	f->w.now_ns = fix_now();
	CHECK_INT(fix_demo(f, FIX_CHATS, HOST, asks)->status, 200);
	CHECK(done(f));

	f = serving(0, 0, 0, 1);
	CHECK_INT(fix_demo(f, FIX_CHATS, HOST, asks)->status, 429);
	CHECK(done(f));
}

TEST(what_it_does_not_understand_ends_the_connection)
{
	static const char *const hosts[] = {
		"",  "lane-", "lane-x", "lane-3", "lane-99999999999999999999",
		"up"};
	struct fixture *f = serving(0, 0, 0, 0);

	for (unsigned i = 0; i < ARRAY_LEN(hosts); i++)
		CHECK(fix_demo(f, FIX_CHATS, hosts[i], asks)->aborted);
	CHECK(fix_demo(f, FIX_CHATS, HOST, "{")->aborted);
	CHECK(fix_demo(f, FIX_CHATS, HOST, "{\"model\":1}")->aborted);
	CHECK(done(f));
}

TEST(its_address_is_the_same_for_all_lanes)
{
	struct fixture *f = serving(0, 0, 0, 0);
	struct call_target t = {.fd = -1};

	CHECK(demo_address(f->w.demo, &f->w.lanes[LANE_DEMO], &t));
	CHECK_INT(t.addr.ss_family, AF_UNIX);
	CHECK(t.addr_len > sizeof(sa_family_t));
	CHECK(!demo_address(NULL, &f->w.lanes[LANE_DEMO], &t));
	CHECK(done(f));
}

TEST(requests_of_the_worker_go_there)
{
	struct fixture *f = fix_new();

	f->channel[LANE_DEMO].n_models = MODELS;
	f->channel[LANE_DEMO].priority = 0;
	fix_start(f);
	f->w.demo = demo_server_new(&f->w);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->calls->target.addr.ss_family, AF_UNIX);
	CHECK(strstr(f->calls->sent.p, "host: " HOST "\r\n"));
	CHECK(!strstr(f->calls->sent.p, "authorization"));
	fix_answer(f, 400, "{}");
	CHECK(done(f));
}

int
main(void)
{
	RUN(a_whole_answer_counts_its_words);
	RUN(a_stream_comes_at_once_or_at_its_rate);
	RUN(a_client_that_leaves_ends_the_stream);
	RUN(it_fails_as_its_lane_says);
	RUN(what_it_does_not_understand_ends_the_connection);
	RUN(its_address_is_the_same_for_all_lanes);
	RUN(requests_of_the_worker_go_there);
	return tap_done();
}
