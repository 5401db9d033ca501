/* Bills as pages of OpenAI's usage and costs. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/bill.h"
#include "tests/tap.h"

#define USAGE                                                             \
	"{\"object\":\"page\",\"data\":[{\"object\":\"bucket\","          \
	"\"start_time\":1763596800,\"end_time\":1763683200,\"results\":[" \
	"{\"object\":\"organization.usage.completions.result\","          \
	"\"input_tokens\":1000,\"output_tokens\":500,"                    \
	"\"input_cached_tokens\":800,\"num_model_requests\":5,"           \
	"\"project_id\":null,\"model\":\"gpt-4o\\u002d2024\"},"           \
	"{\"input_tokens\":1,\"output_tokens\":2,\"model\":null}]},"      \
	"{\"start_time\":1763683200,\"results\":[]}],"                    \
	"\"has_more\":false,\"next_page\":null}"
#define COSTS                                                        \
	"{\"object\":\"page\",\"data\":[{\"start_time\":1763596800," \
	"\"results\":[{\"object\":\"organization.costs.result\","    \
	"\"amount\":{\"value\":0.06,\"currency\":\"usd\"},"          \
	"\"line_item\":\"gpt-4o, input\",\"project_id\":null},"      \
	"{\"amount\":{\"value\":\"1.25e-3\",\"currency\":\"USD\"},"  \
	"\"line_item\":null}]}],\"has_more\":false}"

static bool
fails(const char *text, const char *why)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct bill b;
	bool read = bill_read(&b, str_of(text), &error);

	bill_free(&b);
	buf_add_char(&error, '\0');
	if (read || strcmp(error.p, why) != 0)
		printf("# %s\n", error.p);
	return !read && strcmp(error.p, why) == 0;
}

TEST(usage_has_tokens_by_bucket_and_model)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct bill b;

	CHECK(bill_read(&b, STR(USAGE), &error));
	CHECK_INT(b.n, 2);
	CHECK(!b.has_ids && b.has_models);
	CHECK(str_eq(b.lines[0].model, STR("gpt-4o-2024")));
	CHECK_INT(b.lines[0].ms, 1763596800000);
	CHECK_INT(b.lines[0].requests, 5);
	CHECK_INT(b.lines[0].tokens[BILL_INPUT], 1000);
	CHECK_INT(b.lines[0].tokens[BILL_CACHED], 800);
	CHECK_INT(b.lines[0].tokens[BILL_OUTPUT], 500);
	CHECK_INT(b.lines[0].has,
		  1u << BILL_INPUT | 1u << BILL_CACHED | 1u << BILL_OUTPUT);
	CHECK_INT(b.lines[1].model.n, 0);
	bill_free(&b);
}

TEST(costs_have_money_by_line_item)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct bill b;

	CHECK(bill_read(&b, STR("[" COSTS "," COSTS "]"), &error));
	CHECK_INT(b.n, 4);
	CHECK(str_eq(b.lines[0].model, STR("gpt-4o")));
	CHECK_INT(b.lines[0].cost_nano, 60000000);
	CHECK_INT(b.lines[3].cost_nano, 1250000);
	CHECK_INT(b.lines[3].has, BILL_HAS_COST);
	bill_free(&b);
}

#define PAGE(bucket) "{\"data\":[" bucket "]}"
#define RESULT(r)    PAGE("{\"start_time\":1763596800,\"results\":[" r "]}")

TEST(what_is_no_page_is_refused)
{
	CHECK(fails("{\"data\":7}",
		    "it has no data: not a page of usage or costs"));
	CHECK(fails("[7]", "it has no data: not a page of usage or costs"));
	CHECK(fails(PAGE("{\"results\":[]}"), "a bucket has no start_time"));
	CHECK(fails(PAGE("7"), "a bucket has no start_time"));
	CHECK(fails(PAGE("{\"start_time\":1}"), "a bucket has no results"));
	CHECK(fails(RESULT("{}"), "a result has neither tokens nor an amount"));
	CHECK(fails(RESULT("{\"input_tokens\":1.5}"),
		    "a count is not a whole number"));
	CHECK(fails(RESULT("{\"input_tokens\":1,\"model\":7}"),
		    "a model is not a text"));
	CHECK(fails(RESULT("{\"amount\":{\"value\":null}}"),
		    "an amount has no value"));
	CHECK(fails(RESULT("{\"amount\":{\"value\":1,\"currency\":\"eur\"}}"),
		    "an amount is not in USD"));
	CHECK(fails("{\"data\":[],\"has_more\":true}",
		    "it is not whole: its last page says has_more"));
}

TEST(a_page_may_end_anywhere)
{
	for (size_t n = 0; n < sizeof(USAGE) - 1; n++) {
		CLEANUP(buf_free) struct buf error = BUF_INIT;
		char *piece = malloc(n + 1);
		struct bill b;

		CHECK(piece);
		memcpy(piece, USAGE, n);
		CHECK(!bill_read(&b, str_make(piece, n), &error));
		CHECK(error.n > 0);
		bill_free(&b);
		free(piece);
	}
}

int
main(void)
{
	RUN(usage_has_tokens_by_bucket_and_model);
	RUN(costs_have_money_by_line_item);
	RUN(what_is_no_page_is_refused);
	RUN(a_page_may_end_anywhere);
	return tap_done();
}
