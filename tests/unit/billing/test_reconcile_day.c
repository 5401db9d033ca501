/* The bill against the books, by day and model. */
#include "tests/tap.h"
#include "tests/unit/billing/invoiced.h"

#define LEGS	4000u
#define BUCKETS (2 * INVOICED_DAYS)

struct sums {
	uint64_t input, cached, output, requests;
	int64_t cost;
};

/* Bucket 2 x day + model of what a provider has seen. */
static void
sum_up(const struct invoiced *v, struct sums out[BUCKETS])
{
	memset(out, 0, BUCKETS * sizeof(*out));
	for (size_t i = 0; i < v->n; i++) {
		const struct entry *e = &v->entries[i];
		uint64_t day = (e->start_ms - SAMPLE_T0) / DAY_MS;
		struct sums *s =
			&out[2 * day + (e->served != v->entries[0].served)];

		s->input += (uint64_t)e->tokens.input + e->tokens.cache_read;
		s->cached += e->tokens.cache_read;
		s->output += (uint64_t)e->tokens.output + e->tokens.reasoning;
		s->cost += e->upstream_nano;
		s->requests++;
	}
}

static const char *
model_of(const struct invoiced *v, unsigned bucket)
{
	bool other = bucket % 2;
	bool first = v->entries[0].served < v->entries[0].channel &&
		     v->entries[0].served + 1 == v->entries[0].channel;

	return other == first ? "gpt-4o-2024-11-20" : "gpt-4o-mini";
}

static void
inject(struct invoiced *v, unsigned per_mille)
{
	struct sums all[BUCKETS];

	sum_up(v, all);
	buf_add_cstr(&v->csv, "day,model,requests,input_tokens,"
			      "input_cached_tokens,output_tokens,cost_usd\n");
	for (unsigned i = 0; i < BUCKETS; i++) {
		enum injected kind = INJECTED_NONE;
		struct sums s = all[i];
		char usd[MONEY_TEXT];

		must(s.requests > 0);
		if (invoiced_random(v, 1000) < per_mille)
			kind = (enum injected)(1 + invoiced_random(v, 4));
		if (kind == INJECTED_EXTRA)
			buf_printf(&v->csv,
				   "2025-11-2%u,gpt-5-of-%u,1,5,0,5,0.5\n",
				   i / 2, i);
		v->want[kind]++;
		v->injected[i] = (uint8_t)(kind == INJECTED_EXTRA ? 0 : kind);
		if (kind == INJECTED_MISSING)
			continue;
		if (kind == INJECTED_CLASS)
			s.cached += i % 2 ? 1 : -1ull;
		if (kind == INJECTED_PRICE)
			s.cost += (int64_t)s.requests + 1;
		else
			s.cost -= (int64_t)(s.requests / 2);
		(void)money_text(money_nano(s.cost), usd);
		buf_printf(&v->csv, "2025-11-2%u,%s,%llu,%llu,%llu,%llu,%s\n",
			   i / 2, model_of(v, i),
			   (unsigned long long)s.requests,
			   (unsigned long long)s.input,
			   (unsigned long long)s.cached,
			   (unsigned long long)s.output, usd);
	}
}

static void
see(struct invoiced *v, struct json_value row, enum injected kind)
{
	struct str day = json_get(row, "day").raw;
	struct str model = json_get(row, "model").raw;
	unsigned i;

	if (kind == INJECTED_EXTRA) {
		CHECK(str_starts(model, STR("\"gpt-5-of-")));
		return;
	}
	CHECK_INT(day.n, 12);
	i = 2 * (unsigned)(day.p[10] - '0');
	i += !json_str_eq(model, str_of(model_of(v, i)));
	CHECK(i < BUCKETS && v->injected[i] == kind);
}

TEST(every_injected_error_is_found_and_none_invented)
{
	uint64_t seen[INJECTED_KINDS] = {0};

	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct invoiced v;
		struct paper p = {0};

		invoiced_open(&v, LEGS / 10, seed, false);
		inject(&v, 300);
		invoiced_run(&v, &p, see);
		for (int k = 1; k < INJECTED_KINDS; k++) {
			CHECK_INT(v.found[k], v.want[k]);
			seen[k] += v.want[k];
		}
		CHECK_INT(p.sum.differences, p.sum.rows);
		paper_free(&p);
		invoiced_close(&v);
	}
	for (int k = 1; k < INJECTED_KINDS; k++)
		CHECK(seen[k] > 0);
}

TEST(thousands_of_requests_match_a_faithful_bill)
{
	struct invoiced v;
	struct paper p = {0};

	invoiced_open(&v, LEGS, 99, false);
	inject(&v, 0);
	invoiced_run(&v, &p, see);
	CHECK_INT(p.sum.differences, 0);
	CHECK(strstr(p.text.p, "{\"summary\":{\"match\":10,\"missing\":0,"));
	paper_free(&p);
	invoiced_close(&v);
}

/* Where the provider's tokens are not known, the cost still is. */
TEST(broken_answers_are_compared_by_their_cost)
{
	struct invoiced v;
	struct paper p = {0};
	struct sums all[BUCKETS];

	invoiced_open(&v, LEGS, 7, true);
	sum_up(&v, all);
	for (unsigned i = 0; i < BUCKETS; i++) {
		char usd[MONEY_TEXT];

		if (i == 0)
			buf_add_cstr(&v.csv, "day,model,output_tokens,cost\n");
		(void)money_text(money_nano(all[i].cost), usd);
		buf_printf(&v.csv, "2025-11-2%u,%s,%llu,%s\n", i / 2,
			   model_of(&v, i),
			   (unsigned long long)all[i].output + 5000, usd);
	}
	invoiced_run(&v, &p, see);
	CHECK_INT(p.sum.differences, 0);
	paper_free(&p);
	invoiced_close(&v);
}

/* Costs that are not by line item are of the day. */
TEST(a_bill_without_models_is_joined_by_day)
{
	struct invoiced v;
	struct paper p = {0};
	struct sums all[BUCKETS];

	invoiced_open(&v, LEGS, 8, false);
	sum_up(&v, all);
	buf_add_cstr(&v.csv, "{\"data\":[");
	for (unsigned i = 0; i < INVOICED_DAYS; i++) {
		char usd[MONEY_TEXT];

		(void)money_text(
			money_nano(all[2 * i].cost + all[2 * i + 1].cost), usd);
		buf_printf(&v.csv,
			   "%s{\"start_time\":%llu,\"results\":[{\"amount\":"
			   "{\"value\":%s,\"currency\":\"usd\"}}]}",
			   i ? "," : "", 1763596800ull + i * (DAY_MS / 1000),
			   usd);
	}
	buf_add_cstr(&v.csv, "],\"has_more\":false}");
	invoiced_run(&v, &p, see);
	CHECK_INT(p.sum.differences, 0);
	CHECK(strstr(p.text.p, "{\"summary\":{\"match\":5,"));
	paper_free(&p);
	invoiced_close(&v);
}

int
main(void)
{
	RUN(every_injected_error_is_found_and_none_invented);
	RUN(thousands_of_requests_match_a_faithful_bill);
	RUN(broken_answers_are_compared_by_their_cost);
	RUN(a_bill_without_models_is_joined_by_day);
	return tap_done();
}
