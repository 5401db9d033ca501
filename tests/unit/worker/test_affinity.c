/* Requests that belong together stay together, as far as it is wise. */
#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

static struct channel_row *
row(struct fixture *f, unsigned lane)
{
	return &f->region.channels[f->rows[lane]];
}

/* Two equal channels, weighted; together by these. */
static struct fixture *
by(enum conf_affinity first, uint32_t n)
{
	struct fixture *f = fix_new();

	f->conf.routing.strategy = STRATEGY_WEIGHTED;
	f->channel[LANE_B].priority = f->channel[LANE_A].priority;
	f->conf.affine = (struct conf_affine){.n = n, .by = {first}};
	f->conf.has_sessions = first == AFFINITY_SESSION;
	fix_start(f);
	return f;
}

/* The channel that answers. */
static char
goes_to(struct fixture *f, const char *fields, const char *body)
{
	unsigned before = f->n_calls;
	char to;

	fix_body(fix_open(f, "POST", FIX_CHATS, FIX_KEY, fields), body);
	if (f->n_calls == before)
		return '-';
	to = f->calls->target.pool_key == f->rows[LANE_A] ? 'a' : 'b';
	fix_answer(f, 200,
		   fix_whole("hi", "{\"prompt_tokens\":1000,"
				   "\"completion_tokens\":5,\"prompt_tokens_"
				   "details\":{\"cached_tokens\":800}}"));
	fix_settle(f);
	return to;
}

static void
stays(struct fixture *f, const char *fields, const char *body)
{
	char first = goes_to(f, fields, body);

	CHECK(first != '-');
	for (int i = 0; i < 12; i++)
		CHECK_INT(goes_to(f, fields, body), first);
}

/* How many of 40 go to a. */
static int
share(struct fixture *f, const char *format)
{
	char fields[64];
	int a = 0;

	for (int i = 0; i < 40; i++) {
		(void)snprintf(fields, sizeof(fields), "x-session-id: %s%d\r\n",
			       format, i);
		a += goes_to(f, fields, fix_chat("gpt", "")) == 'a';
	}
	return a;
}

TEST(a_session_stays_with_its_channel)
{
	struct fixture *f = by(AFFINITY_SESSION, 1);
	int a;

	stays(f, "x-session-id: one\r\n", fix_chat("gpt", ""));
	stays(f, "X-Session-Id: two\r\n", fix_chat("gpt", ""));
	a = share(f, "s");
	CHECK(a > 5 && a < 35);
	CHECK(atomic_load(&row(f, LANE_A)->affine) +
		      atomic_load(&row(f, LANE_B)->affine) ==
	      26 + 40);
	CHECK(atomic_load(&row(f, LANE_A)->affine_hits) +
		      atomic_load(&row(f, LANE_B)->affine_hits) ==
	      24);
	CHECK(fix_done(f));
}

TEST(so_do_users_and_prefixes)
{
	struct fixture *f = by(AFFINITY_USER, 1);

	stays(f, "", fix_chat("gpt", ",\"user\":\"u\""));
	CHECK(fix_done(f));
	f = by(AFFINITY_PREFIX, 1);
	stays(f, "", fix_chat("gpt", ""));
	CHECK(fix_done(f));
}

TEST(without_a_session_it_goes_by_the_strategy)
{
	struct fixture *f = by(AFFINITY_SESSION, 1);
	int a = 0;

	for (int i = 0; i < 40; i++)
		a += goes_to(f, "", fix_chat("gpt", "")) == 'a';
	CHECK(a > 5 && a < 35);
	CHECK_INT(atomic_load(&row(f, LANE_A)->affine), 0);
	CHECK(fix_done(f));
}

TEST(it_yields_to_health_and_to_load)
{
	struct fixture *f = by(AFFINITY_SESSION, 1);
	const char *session = "x-session-id: one\r\n";
	char first = goes_to(f, session, fix_chat("gpt", ""));
	unsigned own = first == 'a' ? LANE_A : LANE_B;
	unsigned other = first == 'a' ? LANE_B : LANE_A;
	char second = first == 'a' ? 'b' : 'a';

	/* busy, while the other one is not */
	f->channel[own].weight = 1;
	f->channel[other].weight = 1000000;
	atomic_store(&row(f, own)->in_flight, 50);
	CHECK_INT(goes_to(f, session, fix_chat("gpt", "")), second);
	atomic_store(&row(f, own)->in_flight, 0);
	f->channel[other].weight = 1;
	/* there it stays now */
	stays(f, session, fix_chat("gpt", ""));
	atomic_store(&row(f, other)->state, CHANNEL_OPEN);
	CHECK_INT(goes_to(f, session, fix_chat("gpt", "")), first);
	CHECK(fix_done(f));
}

TEST(it_is_forgotten_in_time)
{
	struct fixture *f = by(AFFINITY_SESSION, 1);
	const char *session = "x-session-id: one\r\n";

	f->conf.routing.affinity_ttl_ms = 60000;
	(void)goes_to(f, session, fix_chat("gpt", ""));
	(void)goes_to(f, session, fix_chat("gpt", ""));
	CHECK_INT(atomic_load(&row(f, LANE_A)->affine_hits) +
			  atomic_load(&row(f, LANE_B)->affine_hits),
		  1);
	fix_wait_ms(f, 120000);
	(void)goes_to(f, session, fix_chat("gpt", ""));
	CHECK_INT(atomic_load(&row(f, LANE_A)->affine_hits) +
			  atomic_load(&row(f, LANE_B)->affine_hits),
		  1);
	CHECK(fix_done(f));
}

TEST(what_the_cache_knows_is_remembered_for_the_cost)
{
	struct fixture *f = by(AFFINITY_SESSION, 1);
	uint32_t ppm;

	stays(f, "x-session-id: one\r\n", fix_chat("gpt", ""));
	ppm = atomic_load(&row(f, LANE_A)->cached_ppm) +
	      atomic_load(&row(f, LANE_B)->cached_ppm);
	/* on its way to 800 of 1000 */
	CHECK(ppm > 300000 && ppm <= 800000);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_session_stays_with_its_channel);
	RUN(so_do_users_and_prefixes);
	RUN(without_a_session_it_goes_by_the_strategy);
	RUN(it_yields_to_health_and_to_load);
	RUN(it_is_forgotten_in_time);
	RUN(what_the_cache_knows_is_remembered_for_the_cost);
	return tap_done();
}
