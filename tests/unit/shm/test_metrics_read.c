/* Reading: sums over all processes, families in order, samples by label. */
#include "base/clock.h"
#include "shm/channels.h"
#include "shm/metrics.h"
#include "tests/unit/shm/bench.h"

/* Looks for one sample: "name{label="value",...}". */
struct search {
	const char *wanted;
	uint32_t found, samples;
	struct metric_sample sample;
	const char *last_family;
	uint32_t changes; /* of the family: each must come once */
};

static void
sample_text(const struct metric_sample *s, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "%s", s->family->name);

	for (uint32_t i = 0; i < s->n_labels; i++)
		n += (size_t)snprintf(out + n, cap - n, " %s=%s",
				      s->label[i].name, s->label[i].value);
}

static void
look(void *ctx, const struct metric_sample *s)
{
	struct search *q = ctx;
	char text[512];

	q->samples++;
	if (q->last_family != s->family->name)
		q->changes++;
	q->last_family = s->family->name;
	sample_text(s, text, sizeof(text));
	if (strcmp(text, q->wanted) != 0)
		return;
	q->found++;
	q->sample = *s;
}

/* The value of the one sample with that text; INT64_MIN: not one. */
static int64_t
value_of(const struct bench *b, const char *wanted)
{
	struct search q = {.wanted = wanted};

	metrics_walk(&b->r, look, &q);
	return q.found == 1 ? q.sample.value : INT64_MIN;
}

TEST(counters_are_summed_over_all_processes)
{
	struct bench b;
	uint32_t row;

	bench_open(&b, 1);
	row = worker_row_take(&b.r, 1, 1);
	metric_add(metrics_of_worker(&b.r, b.row), M_REJECTED + REJECT_AUTH, 3);
	metric_add(metrics_of_worker(&b.r, row), M_REJECTED + REJECT_AUTH, 4);
	metric_add(metrics_of_writer(&b.r), M_LEDGER_COMMITS, 9);
	metric_add(metrics_of_master(&b.r), M_WORKER_RESTARTS, 2);
	CHECK_INT(value_of(&b, "tollgate_rejected_total reason=auth"), 7);
	CHECK_INT(value_of(&b, "tollgate_rejected_total reason=model"), 0);
	CHECK_INT(value_of(&b, "tollgate_ledger_commits_total"), 9);
	CHECK_INT(value_of(&b, "tollgate_worker_restarts_total"), 2);
	bench_close(&b);
}

TEST(a_dead_process_leaves_its_counters_but_not_its_gauges)
{
	struct bench b;
	struct metrics_block *m;

	bench_open(&b, 1);
	m = metrics_of_worker(&b.r, b.row);
	metric_add(m, M_REQUESTS_IN_FLIGHT + ROUTE_CHAT, 5);
	metric_add(m, M_REJECTED + REJECT_AUTH, 3);
	CHECK_INT(value_of(&b, "tollgate_requests_in_flight "
			       "route=chat.completions"),
		  5);
	b.r.workers[b.row].state = WORKER_DEAD;
	CHECK_INT(value_of(&b, "tollgate_requests_in_flight "
			       "route=chat.completions"),
		  0);
	CHECK_INT(value_of(&b, "tollgate_rejected_total reason=auth"), 3);
	bench_close(&b);
}

TEST(series_of_equal_labels_are_one)
{
	struct bench b;
	uint32_t row;
	struct series *s, *t;

	bench_open(&b, 1);
	row = worker_row_take(&b.r, 1, 1);
	s = metrics_model(metrics_of_worker(&b.r, b.row), STR("m"), STR("c"));
	t = metrics_model(metrics_of_worker(&b.r, row), STR("m"), STR("c"));
	series_add(s, M_CHARGED, 10);
	series_add(t, M_CHARGED, 5);
	series_add(t, M_TOKENS_OF(TOKENS_CACHED, SOURCE_COUNTED), 8);
	(void)metrics_model(metrics_of_worker(&b.r, row), STR("n"), STR("c"));
	CHECK_INT(value_of(&b, "tollgate_charged_usd_total model=m channel=c"),
		  15);
	CHECK_INT(value_of(&b, "tollgate_tokens_total model=m channel=c "
			       "type=cached_input source=counted"),
		  8);
	CHECK_INT(value_of(&b, "tollgate_charged_usd_total model=n channel=c"),
		  INT64_MIN);
	bench_close(&b);
}

TEST(results_say_ok_or_the_error_type)
{
	struct bench b;
	struct series *s;
	char text[128];

	bench_open(&b, 1);
	s = metrics_request(metrics_of_worker(&b.r, b.row), ROUTE_CHAT,
			    STR("m"));
	series_add(s, M_REQUESTS, 2);
	series_add(s, M_REQUESTS + err_vocab_id(E_BALANCE), 1);
	CHECK_INT(value_of(&b, "tollgate_requests_total "
			       "route=chat.completions model=m result=ok "
			       "error_type="),
		  2);
	(void)snprintf(text, sizeof(text),
		       "tollgate_requests_total route=chat.completions "
		       "model=m result=error error_type=%s",
		       err_row(E_BALANCE)->vocab);
	CHECK_INT(value_of(&b, text), 1);
	bench_close(&b);
}

TEST(every_error_type_has_a_cell)
{
	for (int e = 0; e < E_COUNT; e++)
		CHECK(err_vocab_id((enum err)e) < ERROR_TYPE_COUNT);
}

TEST(the_other_series_are_summed_as_well)
{
	struct bench b;
	uint32_t row;

	bench_open(&b, 1);
	row = worker_row_take(&b.r, 1, 1);
	metrics_of_worker(&b.r, b.row)->used = SERIES_FULL;
	metrics_of_worker(&b.r, row)->used = SERIES_FULL;
	series_add(metrics_channel(metrics_of_worker(&b.r, b.row), STR("x")),
		   M_FAILOVERS + FAILOVER_OK, 1);
	series_add(metrics_channel(metrics_of_worker(&b.r, row), STR("y")),
		   M_FAILOVERS + FAILOVER_OK, 1);
	CHECK_INT(value_of(&b, "tollgate_failovers_total channel=_other "
			       "outcome=ok"),
		  2);
	bench_close(&b);
}

TEST(a_histogram_is_cumulative_and_shows_its_part_of_the_bounds)
{
	struct search q = {.wanted = "tollgate_ledger_commit_seconds"};
	struct bench b;

	bench_open(&b, 1);
	metric_observe(metrics_of_writer(&b.r), M_LEDGER_COMMIT, 15);
	metric_observe(metrics_of_writer(&b.r), M_LEDGER_COMMIT, 40);
	metric_observe(metrics_of_writer(&b.r), M_LEDGER_COMMIT, 90000000);
	metrics_walk(&b.r, look, &q);
	CHECK_INT(q.found, 1);
	CHECK_INT(q.sample.count, 3);
	CHECK_INT(q.sample.sum_us, 90000055);
	CHECK_INT(hist_bounds_us[q.sample.first_bound], 10);
	CHECK_INT(hist_bounds_us[q.sample.last_bound], 10000);
	CHECK_INT(q.sample.cumulative[0], 0);
	CHECK_INT(q.sample.cumulative[1], 1);
	CHECK_INT(q.sample.cumulative[2], 2);
	CHECK_INT(q.sample.cumulative[q.sample.last_bound], 2);
	bench_close(&b);
}

TEST(holds_and_lag_are_looked_up_in_the_slots)
{
	struct bench b;
	struct hold h, g;

	bench_open(&b, 1);
	h = hold_of(&b, 300, 2);
	g = hold_of(&b, 200, 2);
	CHECK(hold_extend(b.o, &g, money_nano(250)));
	CHECK_INT(value_of(&b, "tollgate_hold_usd"), 550);
	CHECK_INT(value_of(&b, "tollgate_ledger_lag_records"), 0);
	hold_settle(b.o, &h, money_nano(1), money_nano(0), REASON_NORMAL, true);
	CHECK_INT(value_of(&b, "tollgate_ledger_lag_records"), 1);
	CHECK_INT(value_of(&b, "tollgate_shm_slots_used_ratio table=slots"),
		  2 * 1000000 / (int64_t)SLOT_PAGE);
	bench_close(&b);
}

TEST(channels_workers_and_ledger_show_their_state)
{
	struct bench b;
	uint32_t row;
	int64_t p95;

	bench_open(&b, 1);
	row = channel_bind(&b.r, STR("main"));
	b.r.channels[row].in_flight = 3;
	CHECK_INT(value_of(&b, "tollgate_channel_state channel=main state=up"),
		  1);
	b.r.channels[row].operator_state = CHANNEL_DRAIN;
	CHECK_INT(value_of(&b, "tollgate_channel_state channel=main state=up"),
		  0);
	CHECK_INT(
		value_of(&b, "tollgate_channel_state channel=main state=drain"),
		1);
	CHECK_INT(value_of(&b, "tollgate_channel_in_flight channel=main"), 3);
	for (unsigned i = 0; i < PACE_ENOUGH; i++)
		channel_note_pace(&b.r.channels[row], PACE_WHOLE, 80000,
				  clock_mono_ns());
	p95 = value_of(&b, "tollgate_channel_first_byte_p95_seconds "
			   "channel=main stream=no");
	CHECK(p95 > 70000 && p95 < 90000);
	b.r.workers[b.row].state = WORKER_READY;
	CHECK_INT(value_of(&b, "tollgate_worker_up worker=0"), 1);
	b.r.head->ledger_state = LEDGER_READONLY;
	CHECK_INT(value_of(&b, "tollgate_ledger_state state=readonly"), 1);
	CHECK_INT(value_of(&b, "tollgate_ledger_state state=ok"), 0);
	b.r.head->map_used_bytes = 1ull << 30;
	b.r.head->map_size_bytes = 4ull << 30;
	CHECK_INT(value_of(&b, "tollgate_ledger_map_used_ratio"), 250000);
	bench_close(&b);
}

TEST(every_family_comes_once_and_says_what_it_is)
{
	struct search q = {.wanted = ""};
	const struct metric_family *f;
	struct bench b;
	uint32_t n;

	bench_open(&b, 1);
	f = metrics_families(&n);
	CHECK(n > 25);
	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(f[i].name);

		CHECK(strncmp(f[i].name, "tollgate_", 9) == 0);
		CHECK(strlen(f[i].help) > 10);
		if (f[i].type == METRIC_COUNTER)
			CHECK_STR(f[i].name + len - 6, "_total");
		for (uint32_t j = 0; j < i; j++)
			CHECK(strcmp(f[i].name, f[j].name) != 0);
	}
	metrics_walk(&b.r, look, &q);
	CHECK(q.changes <= n);
	bench_close(&b);
}

int
main(void)
{
	RUN(counters_are_summed_over_all_processes);
	RUN(a_dead_process_leaves_its_counters_but_not_its_gauges);
	RUN(series_of_equal_labels_are_one);
	RUN(results_say_ok_or_the_error_type);
	RUN(every_error_type_has_a_cell);
	RUN(the_other_series_are_summed_as_well);
	RUN(a_histogram_is_cumulative_and_shows_its_part_of_the_bounds);
	RUN(holds_and_lag_are_looked_up_in_the_slots);
	RUN(channels_workers_and_ledger_show_their_state);
	RUN(every_family_comes_once_and_says_what_it_is);
	return tap_done();
}
