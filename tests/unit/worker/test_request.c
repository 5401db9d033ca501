/*
 * The engine: whole lives of requests, clients that vanish at every step,
 * and long random lives, after each of which nothing may be left over and
 * the money must be right.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

static int64_t
requests_counted(struct fixture *f, enum metric_route route, struct str model,
		 enum err e)
{
	const struct series *s = metrics_request(f->w.metrics, route, model);

	return (int64_t)s->cell[M_REQUESTS + err_vocab_id(e)];
}

TEST(a_request_is_counted_once_by_route_model_and_result)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(fix_gauge(f, M_REQUESTS_IN_FLIGHT + ROUTE_CHAT), 1);
	CHECK_INT(f->w.running, 1);
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK_INT(requests_counted(f, ROUTE_CHAT, STR("gpt"), E_OK), 1);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 400, "{}");
	(void)fix_post(f, FIX_CHATS, "{");
	x = fix_post(f, "/v1/completions",
		     "{\"model\":\"gpt\",\"prompt\":\"x\"}");
	fix_gone(x, E_CLIENT_GONE);
	(void)fix_get(f, "/v1/models");
	(void)fix_get(f, "/nothing");
	(void)fix_open(f, "OPTIONS", "/x", NULL, "");
	fix_settle(f);
	CHECK_INT(requests_counted(f, ROUTE_CHAT, STR("gpt"), E_UP_REQUEST), 1);
	CHECK_INT(requests_counted(f, ROUTE_CHAT, STR_NONE, E_BAD_JSON), 1);
	CHECK_INT(requests_counted(f, ROUTE_COMPLETIONS, STR("gpt"),
				   E_CLIENT_GONE),
		  1);
	CHECK_INT(requests_counted(f, ROUTE_MODELS, STR_NONE, E_OK), 1);
	CHECK_INT(requests_counted(f, ROUTE_OTHER, STR_NONE, E_NO_PATH), 1);
	CHECK_INT(requests_counted(f, ROUTE_OTHER, STR_NONE, E_OK), 1);
	CHECK(fix_done(f));
}

TEST(completions_and_embeddings_live_the_same_life)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_post(f, "/v1/completions",
		     "{\"model\":\"gpt\",\"prompt\":\"Say it\"}");
	CHECK(strstr(f->calls->sent.p, "POST /v1/completions "));
	fix_answer(f, 200,
		   "{\"choices\":[{\"text\":\"it\"}],\"usage\":{"
		   "\"prompt_tokens\":2,\"completion_tokens\":1}}");
	fix_settle(f);
	CHECK_STR(fix_json(x, "cost"), "0.000015");
	CHECK_INT(f->entry[0].note.endpoint, ENDPOINT_COMPLETIONS);
	x = fix_post(f, "/v1/completions",
		     "{\"model\":\"gpt\",\"prompt\":\"a\",\"stream\":true}");
	fix_up_stream(f);
	fix_up_text(f, "data: {\"choices\":[{\"text\":\"it is\"}]}\n\n");
	fix_up_done(f);
	fix_settle(f);
	/* 3 bytes and 5: one token and two */
	CHECK_INT(f->entry[1].cost, 2500 + 2 * 10000);
	x = fix_post(f, "/v1/embeddings",
		     "{\"model\":\"embed\",\"input\":[\"a\",\"b\"]}");
	fix_answer(f, 200,
		   "{\"data\":[{\"embedding\":[1]}],\"usage\":{"
		   "\"prompt_tokens\":2,\"total_tokens\":2}}");
	fix_settle(f);
	CHECK_STR(fix_json(x, "cost"), "0.00000004");
	CHECK_INT(f->entry[2].cost, 40);
	CHECK_INT(f->entry[2].note.endpoint, ENDPOINT_EMBEDDINGS);
	/* without a usage: the input's estimate, 9 bytes */
	(void)fix_post(f, "/v1/embeddings",
		       "{\"model\":\"embed\",\"input\":[\"a\",\"b\"]}");
	fix_answer(f, 200, "{\"data\":[{\"embedding\":[1]}]}");
	fix_settle(f);
	CHECK_INT(f->entry[3].cost, 60);
	CHECK(fix_done(f));
}

TEST(requests_that_overlap_do_not_mix)
{
	struct fixture *f = fix_started();
	struct exchange *x[8];
	struct call *c;
	char text[64];

	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(text, sizeof(text), STREAMED ",\"user\":\"%u\"",
			       i);
		x[i] = fix_post(f, FIX_CHATS, fix_chat("gpt", text));
	}
	/* the newest call first, each answers with its number */
	c = f->calls;
	for (unsigned i = 8; i-- > 0; c = c->next) {
		struct call *newest = f->calls;

		f->calls = c;
		fix_up_stream(f);
		(void)snprintf(text, sizeof(text), "I am %u", i);
		fix_up_chunk(f, text);
		fix_up_usage(f, 100 + i, i);
		fix_up_done(f);
		f->calls = newest;
	}
	fix_settle(f);
	for (unsigned i = 0; i < 8; i++) {
		int64_t cost = 0;

		(void)snprintf(text, sizeof(text), "I am %u", i);
		CHECK(fix_says(x[i], text));
		for (unsigned e = 0; e < f->n_entries; e++)
			if (f->entry[e].note.tokens.input == 100 + i)
				cost = f->entry[e].cost;
		CHECK_INT(cost, (100 + i) * 2500 + i * 10000);
	}
	CHECK(fix_done(f));
}

TEST(all_that_wait_for_a_commit_are_answered_by_one_ring)
{
	struct fixture *f = fix_started();

	for (int i = 0; i < 20; i++) {
		(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
		fix_answer(f, 200, fix_whole("x", "{\"prompt_tokens\":1}"));
	}
	CHECK(fix_writer(f));
	requests_committed(&f->w);
	for (const struct exchange *x = f->exchanges; x; x = x->next)
		CHECK(x->answered);
	CHECK(!f->w.waiting);
	CHECK(fix_done(f));
}

TEST(memory_for_requests_is_used_again)
{
	struct fixture *f = fix_started();
	const struct request *first;

	(void)fix_get(f, "/healthz");
	fix_settle(f);
	first = f->w.spare;
	CHECK(first && !first->next);
	for (int i = 0; i < 50; i++) {
		(void)fix_get(f, "/healthz");
		fix_settle(f);
	}
	CHECK(f->w.spare == first && !first->next);
	CHECK(fix_done(f));
}

/* ---- a client that leaves at every step ---- */

enum leaves {
	LEAVES_BEFORE_BODY,
	LEAVES_WHILE_SENDING,
	LEAVES_AFTER_HEAD,
	LEAVES_WITHIN,
	LEAVES_AFTER_CONTENT,
	LEAVES_AFTER_USAGE,
	LEAVES_AFTER_DONE,
	LEAVES_AFTER_COMMIT,
	LEAVES_NEVER
};

static int64_t
leave(bool stream, enum leaves when, enum err why, struct entry *e)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, "");
	int64_t paid;
	unsigned step = 0;

#define STEP_OF(action)                \
	if (x->live && step++ == when) \
		fix_gone(x, why);      \
	if (x->live)                   \
	action
	STEP_OF(fix_body(x, fix_chat("gpt", stream ? STREAMED_USAGE : "")));
	STEP_OF(fix_up_head(f, 200, ""));
	if (stream) {
		STEP_OF(fix_up_chunk(f, "Hello w"));
		STEP_OF(fix_up_chunk(f, "orld"));
		STEP_OF(fix_up_usage(f, 12, 3));
		STEP_OF(fix_up_done(f));
	} else {
		STEP_OF(fix_up_text(f, "{\"choices\":[{\"message\":{"));
		STEP_OF(fix_up_text(f, "\"content\":\"Hello world\"}}],"));
		STEP_OF(fix_up_text(f, "\"usage\":{\"prompt_tokens\":12,"
				       "\"completion_tokens\":3}}"));
		STEP_OF(fix_up_end(f));
	}
	STEP_OF((void)fix_writer(f));
	STEP_OF(requests_committed(&f->w));
#undef STEP_OF
	CHECK_INT(fix_running(f), stream && when == LEAVES_NEVER);
	fix_settle(f);
	CHECK_INT(x->ends, 1);
	*e = f->entry[0];
	paid = f->opening[ACME] - fix_available(f, ACME);
	if (when == LEAVES_BEFORE_BODY)
		CHECK_INT(f->n_entries, 0);
	else
		CHECK_INT(f->n_entries, 1);
	CHECK(fix_done(f));
	return paid;
}

TEST(a_client_may_leave_a_stream_at_every_step)
{
	static const enum err whys[] = {E_CLIENT_GONE, E_CLIENT_SLOW,
					E_OVERLOAD};
	int64_t in = FIX_CHAT_TOKENS * 2500, all = 12 * 2500 + 3 * 10000;
	struct entry e;

	for (unsigned i = 0; i < ARRAY_LEN(whys); i++) {
		enum err w = whys[i];

		CHECK_INT(leave(true, LEAVES_BEFORE_BODY, w, &e), 0);
		CHECK_INT(leave(true, LEAVES_WHILE_SENDING, w, &e), 0);
		CHECK_INT(e.note.error_type, err_vocab_id(E_CLIENT_GONE));
		CHECK_INT(leave(true, LEAVES_AFTER_HEAD, w, &e), 0);
		CHECK_INT(leave(true, LEAVES_WITHIN, w, &e), in + 2 * 10000);
		CHECK_INT(e.reason, REASON_CLIENT_GONE);
		CHECK_INT(leave(true, LEAVES_AFTER_CONTENT, w, &e),
			  in + 3 * 10000);
		/* the usage is there, but not that it was the last */
		CHECK_INT(leave(true, LEAVES_AFTER_USAGE, w, &e),
			  in + 3 * 10000);
		CHECK_INT(leave(true, LEAVES_AFTER_DONE, w, &e), all);
		CHECK_INT(leave(true, LEAVES_AFTER_COMMIT, w, &e), all);
		CHECK_INT(leave(true, LEAVES_NEVER, w, &e), all);
		CHECK_INT(e.reason, REASON_NORMAL);
	}
}

TEST(a_client_may_leave_a_whole_answer_at_every_step)
{
	static const enum err whys[] = {E_CLIENT_GONE, E_CLIENT_SLOW};
	struct entry e;

	for (unsigned i = 0; i < ARRAY_LEN(whys); i++) {
		for (unsigned when = 0; when < LEAVES_AFTER_DONE; when++) {
			CHECK_INT(leave(false, when, whys[i], &e), 0);
			CHECK_INT(e.cost, 0);
		}
		/* settled, and then given back */
		CHECK_INT(leave(false, LEAVES_AFTER_DONE, whys[i], &e), 0);
		CHECK_INT(e.cost, 60000);
		CHECK(e.reversed);
		CHECK_INT(leave(false, LEAVES_AFTER_COMMIT, whys[i], &e), 0);
		CHECK(e.reversed);
		CHECK_INT(leave(false, LEAVES_NEVER, whys[i], &e), 60000);
		CHECK(!e.reversed);
	}
}

/* The socket breaks after each byte in turn: what is paid is what the marks
 * say, never more than the whole, and it never falls. */
static int64_t
break_after(uint64_t bytes, bool stream, bool at_once, size_t *total)
{
	struct fixture *f = fix_started();
	int64_t paid;

	f->die_after = bytes;
	f->at_once = at_once;
	(void)fix_post(f, FIX_CHATS,
		       fix_chat("gpt", stream ? STREAMED_USAGE : ""));
	if (stream) {
		fix_up_stream(f);
		for (int i = 0; i < 3 && fix_call_runs(f); i++)
			fix_up_chunk(f, "four");
		if (fix_call_runs(f))
			fix_up_usage(f, 13, 3);
		if (fix_call_runs(f))
			fix_up_done(f);
		if (fix_call_runs(f))
			fix_up_end(f);
	} else {
		fix_answer(f, 200,
			   fix_whole("x", "{\"prompt_tokens\":13,"
					  "\"completion_tokens\":3}"));
	}
	fix_settle(f);
	paid = f->opening[ACME] - fix_available(f, ACME);
	*total = f->exchanges->out.n;
	CHECK(fix_done(f));
	return paid;
}

TEST(a_socket_may_break_after_every_byte)
{
	const int64_t in = FIX_CHAT_TOKENS * 2500, all = 13 * 2500 + 30000;

	for (int mode = 0; mode < 2; mode++) {
		size_t total, chunk;
		int64_t paid = break_after(UINT64_MAX, true, mode, &total);

		CHECK_INT(paid, all);
		chunk = strlen("data: {\"model\":\"up-gpt\",\"choices\":[{"
			       "\"index\":0,\"delta\":{\"content\":\"four\"}}"
			       "]}\n\n");
		for (size_t at = 0; at < total; at++) {
			size_t ignored;

			paid = break_after(at, true, mode, &ignored);
			/* one byte of an event is all of it; at once: the
			 * client is gone before the usage came */
			if (at == 0)
				CHECK_INT(paid, 0);
			else if (at <= 2 * chunk || (mode && at < 3 * chunk))
				CHECK_INT(paid,
					  in +
						  10000 * (int64_t)((at - 1) /
								    chunk) +
						  10000);
			else
				CHECK_INT(paid, all);
		}
		paid = break_after(UINT64_MAX, false, mode, &total);
		CHECK_INT(paid, 62500);
		for (size_t at = 0; at < total; at++) {
			size_t ignored;

			CHECK_INT(break_after(at, false, mode, &ignored),
				  at ? 62500 : 0);
		}
	}
}

/* ---- random lives ---- */

struct dice {
	uint64_t state;
};

static uint32_t
roll(struct dice *d, uint32_t n)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (uint32_t)(d->state >> 32) % n;
}

static void
random_request(struct fixture *f, struct dice *d)
{
	static const char *const models[] = {"gpt", "cheap", "think", "free",
					     "nobody"};
	static const char *const mores[] = {"",
					    STREAMED,
					    STREAMED_USAGE,
					    STREAMED ",\"max_tokens\":20",
					    ",\"max_tokens\":20",
					    ",\"n\":0"};
	static const uint64_t rooms[] = {UINT64_MAX, UINT64_MAX, 0, 50};
	struct exchange *x;

	f->room = rooms[roll(d, 4)];
	f->die_after = roll(d, 6) ? UINT64_MAX : roll(d, 400);
	f->at_once = roll(d, 2);
	x = fix_open(f, "POST", FIX_CHATS, roll(d, 20) ? FIX_KEY : NULL, "");
	if (x->live && x->wants_body && roll(d, 12))
		fix_body(x, fix_chat(models[roll(d, 5)], mores[roll(d, 6)]));
}

static void
random_text(struct fixture *f, struct dice *d)
{
	static const char *const texts[] = {
		"data: {\"choices\":[{\"delta\":{\"content\":\"some words "
		"that cost\"}}]}\n\n",
		"data: {\"choices\":[{\"delta\":{\"role\":\"x\"}}]}\n\n",
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,"
		"\"completion_tokens\":20}}\n\n",
		"data: [DONE]\n\n",
		": comment\n\n",
		"data: {\"error\":{\"message\":\"e\"}}\n\n",
		"data: nonsense\n\n",
		"data: {\"model\":\"other\",\"choices\":[]}\n\n",
		"{\"choices\":[{\"message\":{\"content\":\"words\"}}],"
		"\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}",
		"{\"choices\":[{\"message\":{\"content\":\"words\"}}]}",
		"{\"error\":{\"message\":\"no\",\"code\":\"c\"}}",
		"data: ",
		"\n\n",
	};
	const char *text = texts[roll(d, roll(d, 3) ? 5 : ARRAY_LEN(texts))];
	size_t n = strlen(text);

	if (roll(d, 4) == 0)
		n = 1 + roll(d, (uint32_t)n);
	fix_up_data(f, text, n);
}

static void
random_upstream(struct fixture *f, struct dice *d)
{
	static const int statuses[] = {200, 200, 200, 200, 200, 200,
				       200, 400, 401, 429, 500, 503};
	static const char *const fields[] = {
		"", "content-type: text/event-stream\r\n",
		"content-type: application/json\r\n",
		"retry-after: 1\r\nx-request-id: up-1\r\n"};

	if (f->calls->paused)
		return;
	if (roll(d, 20) == 0)
		fix_up_fail(f, (enum call_fault)roll(d, CALL_NO_MEMORY + 1));
	else if (!f->calls->heard)
		fix_up_head(f, statuses[roll(d, ARRAY_LEN(statuses))],
			    fields[roll(d, 4)]);
	else if (roll(d, 6) == 0)
		fix_up_end(f);
	else
		random_text(f, d);
}

/* The newest of those that live, or an older one. */
static struct exchange *
random_exchange(struct fixture *f, struct dice *d)
{
	struct exchange *found = NULL;

	for (struct exchange *x = f->exchanges; x; x = x->next)
		if (x->live && (!found || roll(d, 3) == 0))
			found = x;
	return found;
}

/* Some running call comes to the front. */
static void
random_call(struct fixture *f, struct dice *d)
{
	for (struct call **at = &f->calls; *at; at = &(*at)->next) {
		struct call *c = *at;

		if (c->end != CALL_RUNS || roll(d, 3) == 0)
			continue;
		*at = c->next;
		c->next = f->calls;
		f->calls = c;
		return;
	}
}

static void
random_client(struct fixture *f, struct dice *d)
{
	struct exchange *x = random_exchange(f, d);

	if (!x)
		return;
	if (roll(d, 10) == 0)
		fix_gone(x, roll(d, 2) ? E_CLIENT_GONE : E_CLIENT_SLOW);
	else
		fix_take(x, roll(d, 3) ? roll(d, 100) : UINT64_MAX);
}

static void
random_step(struct fixture *f, struct dice *d)
{
	switch (roll(d, 16)) {
	case 0:
	case 1: random_request(f, d); break;
	case 2: random_client(f, d); break;
	case 3: (void)fix_writer(f); break;
	case 4: requests_committed(&f->w); break;
	case 5: (void)fix_turn(f); break;
	case 6: fix_wait_ms(f, roll(d, 4) ? 20 : 16000); break;
	default:
		random_call(f, d);
		if (fix_call_runs(f))
			random_upstream(f, d);
	}
}

/* Each entry: nothing more than the hold, nothing for nothing. */
static bool
entries_right(const struct fixture *f)
{
	bool right = true;

	for (unsigned i = 0; i < f->n_entries; i++) {
		const struct entry *e = &f->entry[i];

		right &= e->cost >= 0;
		if (e->note.usage_source == USAGE_NONE)
			right &= e->cost == 0;
		if (e->note.usage_source == USAGE_ESTIMATED)
			right &= (e->note.flags & NOTE_ESTIMATED) != 0;
		if (e->cost > 0)
			right &= e->note.status == 200 && e->note.attempts > 0;
	}
	return right;
}

static void
random_life(uint64_t seed)
{
	struct fixture *f = fix_new();
	struct dice d = {seed * 0x9e3779b97f4a7c15 | 1};

	f->conf.routing.attempts = 1 + roll(&d, 3);
	f->conf.routing.strategy = (enum conf_strategy)roll(&d, 5);
	f->conf.ledger.durability =
		roll(&d, 3) ? DURABILITY_COMMIT : DURABILITY_RELAXED;
	f->conf.routing.cooldown_ms = roll(&d, 2) ? 10000 : 0;
	f->channel[LANE_A].n_keys = roll(&d, 4);
	fix_start(f);
	atomic_store(&f->client_key->limits.concurrency, roll(&d, 20));
	atomic_store(&f->acme->limits.tpm, roll(&d, 2) ? 0 : 100000);
	if (roll(&d, 2))
		atomic_store(&f->acme->parent, ORG);
	if (roll(&d, 3) == 0)
		fix_set_budget(f, roll(&d, 100000000));
	if (roll(&d, 3) == 0)
		fix_fund(f, ACME, roll(&d, 60000000));
	for (int i = 0; i < 300 && f->n_entries < 200; i++)
		random_step(f, &d);
	/* everybody leaves */
	for (struct exchange *x = f->exchanges; x; x = x->next)
		if (x->live && !x->dead && !x->answered)
			fix_gone(x, E_CLIENT_GONE);
	for (struct exchange *x = f->exchanges; x; x = x->next)
		if (x->live)
			fix_take(x, UINT64_MAX);
	fix_settle(f);
	for (struct exchange *x = f->exchanges; x; x = x->next)
		if (x->live)
			fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK(entries_right(f));
	if (!fix_done(f)) {
		printf("# seed %ju\n", (uintmax_t)seed);
		CHECK(false);
	}
}

TEST(random_lives_leave_nothing_behind)
{
	const char *many = getenv("TOLLGATE_TEST_LIVES");
	unsigned long n = many ? strtoul(many, NULL, 10) : 100;

	for (uint64_t seed = 1; seed <= n; seed++)
		random_life(seed);
}

int
main(void)
{
	RUN(a_request_is_counted_once_by_route_model_and_result);
	RUN(completions_and_embeddings_live_the_same_life);
	RUN(requests_that_overlap_do_not_mix);
	RUN(all_that_wait_for_a_commit_are_answered_by_one_ring);
	RUN(memory_for_requests_is_used_again);
	RUN(a_client_may_leave_a_stream_at_every_step);
	RUN(a_client_may_leave_a_whole_answer_at_every_step);
	RUN(a_socket_may_break_after_every_byte);
	RUN(random_lives_leave_nothing_behind);
	return tap_done();
}
