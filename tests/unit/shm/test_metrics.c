/* Counting: series, histograms, what happens when the table is full. */
#include <stdlib.h>

#include "base/must.h"
#include "shm/metrics.h"
#include "tests/tap.h"

static struct metrics_block *
block_new(void)
{
	struct metrics_block *b = NULL;

	must(posix_memalign((void **)&b, CACHE_LINE, sizeof(*b)) == 0);
	memset(b, 0, sizeof(*b));
	return b;
}

TEST(a_series_is_found_again_by_its_labels)
{
	struct metrics_block *b = block_new();
	struct series *s = metrics_model(b, STR("m"), STR("c"));

	CHECK(metrics_model(b, STR("m"), STR("c")) == s);
	CHECK(metrics_model(b, STR("mc"), STR("")) != s);
	CHECK(metrics_model(b, STR(""), STR("mc")) != s);
	CHECK(metrics_channel(b, STR("m")) != s);
	CHECK(metrics_request(b, ROUTE_CHAT, STR("m")) !=
	      metrics_request(b, ROUTE_EMBEDDINGS, STR("m")));
	CHECK_STR(s->a, "m");
	CHECK_STR(s->b, "c");
	CHECK_INT(b->used, 6);
	free(b);
}

TEST(a_long_label_is_cut_and_still_found)
{
	struct metrics_block *b = block_new();
	char name[300];
	struct series *s;

	memset(name, 'x', sizeof(name));
	s = metrics_channel(b, str_make(name, sizeof(name)));
	CHECK(metrics_channel(b, str_make(name, sizeof(name))) == s);
	CHECK_INT(strlen(s->a), LABEL_TEXT - 1);
	CHECK_INT(b->used, 1);
	free(b);
}

TEST(what_does_not_fit_is_counted_as_other)
{
	struct metrics_block *b = block_new();
	struct series *other;
	char name[32];

	for (uint32_t i = 0; i < SERIES_FULL; i++) {
		(void)snprintf(name, sizeof(name), "c%" PRIu32, i);
		CHECK(metrics_channel(b, str_of(name)) !=
		      &b->other[SERIES_CHANNEL]);
	}
	other = metrics_channel(b, STR("too many"));
	CHECK(other == &b->other[SERIES_CHANNEL]);
	CHECK(metrics_model(b, STR("x"), STR("y")) == &b->other[SERIES_MODEL]);
	CHECK_STR(other->a, "_other");
	CHECK(metrics_channel(b, STR("c7")) != other);
	free(b);
}

TEST(an_observation_goes_into_the_first_bucket_that_holds_it)
{
	struct metrics_block *b = block_new();
	static const struct {
		uint64_t us;
		uint32_t bucket;
	} cases[] = {{0, 0},	     {10, 0},	      {11, 1},
		     {1000, 6},	     {1001, 7},	      {60000000, 21},
		     {60000001, 22}, {1ull << 40, 22}};
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t cell = M_LEDGER_COMMIT + cases[i].bucket;
		uint64_t was = b->cell[cell];

		metric_observe(b, M_LEDGER_COMMIT, cases[i].us);
		CHECK_INT(b->cell[cell], was + 1);
		sum += cases[i].us;
	}
	CHECK_INT(b->cell[M_LEDGER_COMMIT_END], sum);
	CHECK_INT(b->cell[M_LEDGER_COMMIT_END + 1], 0);
	free(b);
}

TEST(bounds_rise)
{
	for (uint32_t i = 1; i < HIST_BOUNDS; i++)
		CHECK(hist_bounds_us[i] > hist_bounds_us[i - 1]);
}

TEST(a_gauge_goes_up_and_down_and_is_set)
{
	struct metrics_block *b = block_new();

	metric_add(b, M_REQUESTS_IN_FLIGHT + ROUTE_CHAT, 2);
	metric_add(b, M_REQUESTS_IN_FLIGHT + ROUTE_CHAT, -1);
	CHECK_INT(b->cell[M_REQUESTS_IN_FLIGHT + ROUTE_CHAT], 1);
	metric_set(b, M_CONFIG_LAST_OK, 1);
	metric_add(b, M_REJECTED + REJECT_LEDGER, 1);
	metrics_adopt(b);
	CHECK_INT(b->cell[M_REQUESTS_IN_FLIGHT + ROUTE_CHAT], 0);
	CHECK_INT(b->cell[M_REJECTED + REJECT_LEDGER], 1);
	free(b);
}

TEST(cells_of_a_family_with_two_labels_are_apart)
{
	struct metrics_block *b = block_new();
	struct series *s = metrics_model(b, STR("m"), STR("c"));

	for (uint32_t t = 0; t < TOKENS_COUNT; t++) {
		for (uint32_t u = 0; u < SOURCE_COUNT; u++)
			series_add(s, M_TOKENS_OF(t, u), 1);
	}
	for (uint32_t i = M_TOKENS; i <= M_TOKENS_END; i++)
		CHECK_INT(s->cell[i], 1);
	series_observe(s, M_FIRST_TOKEN, 5);
	CHECK_INT(s->cell[M_FIRST_TOKEN], 1);
	free(b);
}

int
main(void)
{
	RUN(a_series_is_found_again_by_its_labels);
	RUN(a_long_label_is_cut_and_still_found);
	RUN(what_does_not_fit_is_counted_as_other);
	RUN(an_observation_goes_into_the_first_bucket_that_holds_it);
	RUN(bounds_rise);
	RUN(a_gauge_goes_up_and_down_and_is_set);
	RUN(cells_of_a_family_with_two_labels_are_apart);
	return tap_done();
}
