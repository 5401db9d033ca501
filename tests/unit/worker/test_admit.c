/* Who is refused when there is too much to do. */
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

#define LIMIT (20 * NS_PER_MS)
#define MS(n) ((n)*NS_PER_MS)

TEST(late_requests_are_refused_once_all_were_late_for_a_while)
{
	struct admit a = {.overloaded = false};

	CHECK(!admit_late(&a, MS(20), LIMIT, MS(1000)));
	CHECK(!admit_late(&a, MS(90), LIMIT, MS(1099)));
	CHECK(admit_late(&a, MS(20), LIMIT, MS(1100)));
	CHECK(a.overloaded);
	CHECK_INT(a.refused, 1);
}

TEST(one_that_came_in_time_says_that_there_is_no_overload)
{
	struct admit a = {.overloaded = false};

	CHECK(!admit_late(&a, MS(50), LIMIT, MS(1000)));
	CHECK(!admit_late(&a, MS(19), LIMIT, MS(1050)));
	CHECK(!admit_late(&a, MS(50), LIMIT, MS(1101)));
	CHECK(!admit_late(&a, MS(50), LIMIT, MS(1200)));
	CHECK(admit_late(&a, MS(50), LIMIT, MS(1201)));
}

TEST(in_an_overload_what_is_read_in_time_is_taken)
{
	struct admit a = {.overloaded = false};

	CHECK(!admit_late(&a, MS(50), LIMIT, MS(1000)));
	CHECK(admit_late(&a, MS(50), LIMIT, MS(1100)));
	CHECK(!admit_late(&a, MS(1), LIMIT, MS(1101)));
	CHECK(a.overloaded);
	CHECK(admit_late(&a, MS(50), LIMIT, MS(1102)));
}

TEST(a_late_one_now_and_then_is_none)
{
	struct admit a = {.overloaded = false};

	for (uint64_t s = 1; s < 20; s++)
		CHECK(!admit_late(&a, MS(500), LIMIT, s * MS(1001)));
	CHECK(!a.overloaded);
}

TEST(it_is_over_a_second_after_the_last_refusal)
{
	struct admit a = {.overloaded = false};

	CHECK(!admit_late(&a, MS(50), LIMIT, MS(1000)));
	CHECK(admit_late(&a, MS(50), LIMIT, MS(1100)));
	CHECK(!admit_late(&a, MS(5), LIMIT, MS(2000)));
	CHECK(!admit_calm(&a, MS(2099)));
	CHECK(admit_calm(&a, MS(2100)));
}

TEST(clients_are_told_to_wait_until_the_refusals_are_few)
{
	CHECK_INT(admit_retry(0, 10, 0), 1);
	CHECK_INT(admit_retry(1, ADMIT_REFUSALS / 2, 0), 1);
	CHECK_INT(admit_retry(1, ADMIT_REFUSALS, 0), 2);
	/* 8,000 clients: 4 s bring 2,000 a second, and stay */
	CHECK_INT(admit_retry(1, ADMIT_REFUSALS, ADMIT_REFUSALS), 4);
	CHECK_INT(admit_retry(4, ADMIT_REFUSALS / 2, 0), 4);
	CHECK_INT(admit_retry(4, ADMIT_REFUSALS / 8, 0), 1);
	CHECK_INT(admit_retry(30, UINT32_MAX, 1000000), ADMIT_RETRY_MAX_S);
}

static struct exchange *
late(struct fixture *f, const char *path, const char *body)
{
	f->waited_ns = MS(100);
	return fix_post(f, path, body);
}

/* In so many milliseconds, and in the next whole second. */
static void
check_comes_again(struct exchange *x, long least, long most)
{
	long ms = strtol(fix_field(x, "retry-after-ms"), NULL, 10);
	long s = strtol(fix_field(x, "retry-after"), NULL, 10);

	CHECK(ms >= least && ms <= most);
	CHECK_INT(s, (ms + 999) / 1000);
}

TEST(a_refusal_is_in_the_clients_words_and_costs_nothing)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->conf.limits.overload_delay_ms = 20;
	fix_start(f);
	(void)late(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	fix_wait_ms(f, 150);
	x = late(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_json(x, "code"), "\"overloaded\"");
	check_comes_again(x, 500, 1500);
	CHECK(!x->wants_body);
	CHECK_INT(f->n_calls, 1);
	CHECK_INT(f->n_entries, 1);
	x = fix_get(f, "/healthz");
	CHECK_INT(x->status, 200);
	f->waited_ns = MS(1);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(f->n_calls, 2);
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK(fix_done(f));
}

TEST(more_than_limits_requests_are_refused)
{
	struct fixture *f = fix_new();
	struct exchange *first, *x;

	f->conf.limits.requests = 2;
	fix_start(f);
	first = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	CHECK_INT(x->status, 503);
	CHECK_INT(f->n_calls, 2);
	fix_gone(first, E_CLIENT_GONE);
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(late_requests_are_refused_once_all_were_late_for_a_while);
	RUN(one_that_came_in_time_says_that_there_is_no_overload);
	RUN(in_an_overload_what_is_read_in_time_is_taken);
	RUN(a_late_one_now_and_then_is_none);
	RUN(it_is_over_a_second_after_the_last_refusal);
	RUN(clients_are_told_to_wait_until_the_refusals_are_few);
	RUN(a_refusal_is_in_the_clients_words_and_costs_nothing);
	RUN(more_than_limits_requests_are_refused);
	return tap_done();
}
