/* Usage by key, day and model, as it comes in. */
#include "base/zone.h"
#include "billing/rollup.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

#define DAY_MS 86400000ull

/* The sample's entries are of the past; these are of `days` ago, at noon. */
static void
put(struct sample *s, struct entry *e, uint64_t days)
{
	uint64_t today = zone_day(clock_wall_ns() / NS_PER_MS);

	sample_put(s, e, (today - days) * DAY_MS + DAY_MS / 2 - SAMPLE_T0);
}

static struct entry
request(struct sample *s, uint32_t key)
{
	struct entry e = sample_request(s, 9, 1, 1);

	e.slot = SHM_NONE;
	e.moves = MOVES_ACCOUNT;
	e.key = key;
	return e;
}

static struct rollup *
read_all(struct sample *s, uint32_t cells)
{
	struct rollup *r = rollup_new(s->ledger, cells);
	bool whole = false;

	must(r);
	CHECK_INT(rollup_read(r, UINT64_MAX, &whole), STORE_OK);
	CHECK(whole);
	return r;
}

static uint64_t
cells_of(const struct rollup *r, uint32_t key)
{
	uint64_t n = 0;

	for (const struct rollup_cell *c = rollup_first(r, key); c;
	     c = rollup_next(r, c))
		n++;
	return n;
}

TEST(requests_of_a_day_are_summed_up_by_key)
{
	const struct rollup_cell *c;
	struct rollup *r;
	struct sample s;
	struct entry e;

	sample_open(&s);
	e = request(&s, 7);
	put(&s, &e, 2);
	e = request(&s, 7);
	put(&s, &e, 1);
	e = request(&s, 8);
	put(&s, &e, 1);
	e = request(&s, 7);
	e.status = 502;
	e.charge_nano = 0;
	e.tokens = (struct token_counts){0};
	put(&s, &e, 1);
	sample_read(&s);
	r = read_all(&s, 100);
	CHECK_INT(rollup_seq(r), SAMPLE_ENTRIES + 4);
	c = rollup_first(r, 7);
	CHECK(c && c->requests == 2 && c->failed == 1);
	CHECK_INT(c->charge_nano, 3492000);
	CHECK_INT(c->tokens[0], 1000);
	CHECK_INT(c->tokens[1], 200);
	CHECK_INT(c->tokens[3], 300);
	CHECK_INT(c->tokens[4], 7);
	CHECK(str_eq(rollup_model(r, c->model), STR("gpt-4o")));
	c = rollup_next(r, c);
	CHECK(c && c->requests == 1 && !rollup_next(r, c));
	CHECK_INT(c->day + 1, rollup_first(r, 7)->day);
	CHECK_INT(cells_of(r, 8), 1);
	CHECK(!rollup_first(r, 9) && !rollup_first(r, UINT32_MAX));
	rollup_free(r);
	sample_close(&s);
}

TEST(a_reversal_takes_tokens_and_charge_back)
{
	const struct rollup_cell *c;
	struct rollup *r;
	struct sample s;
	struct entry e, undo;

	sample_open(&s);
	e = request(&s, 7);
	put(&s, &e, 1);
	undo = e;
	undo.kind = KIND_REVERSAL;
	undo.ref = e.seq;
	undo.charge_nano = -e.charge_nano;
	undo.tokens = (struct token_counts){0};
	put(&s, &undo, 1);
	sample_read(&s);
	r = read_all(&s, 100);
	c = rollup_first(r, 7);
	CHECK(c && c->requests == 1 && c->failed == 1);
	CHECK_INT(c->charge_nano, 0);
	CHECK_INT(c->tokens[0], 0);
	CHECK_INT(c->tokens[3], 0);
	rollup_free(r);
	sample_close(&s);
}

TEST(what_is_older_than_the_kept_days_is_not_read)
{
	struct rollup *r;
	struct sample s;
	struct entry e;

	sample_open(&s);
	for (uint64_t days = ROLLUP_DAYS + 3; days > ROLLUP_DAYS - 3; days--) {
		e = request(&s, 7);
		put(&s, &e, days);
	}
	sample_read(&s);
	r = read_all(&s, 100);
	CHECK_INT(cells_of(r, 7), 2);
	CHECK_INT(rollup_first_day(r),
		  zone_day(clock_wall_ns() / NS_PER_MS) - ROLLUP_DAYS + 1);
	rollup_free(r);
	sample_close(&s);
}

TEST(full_memory_costs_the_oldest_days)
{
	struct rollup *r;
	struct sample s;
	struct entry e;
	uint64_t today = zone_day(clock_wall_ns() / NS_PER_MS);

	sample_open(&s);
	for (uint64_t days = 40; days-- > 0;) {
		e = request(&s, 7);
		put(&s, &e, days);
		e = request(&s, 8);
		put(&s, &e, days);
	}
	sample_read(&s);
	r = read_all(&s, 20);
	CHECK(cells_of(r, 7) + cells_of(r, 8) <= 20);
	CHECK(cells_of(r, 7) >= 7);
	CHECK_INT(rollup_first(r, 7)->day, today);
	CHECK(rollup_first_day(r) > today - 11);
	for (const struct rollup_cell *c = rollup_first(r, 7); c;
	     c = rollup_next(r, c))
		CHECK(c->requests == 1 && c->day >= rollup_first_day(r));
	rollup_free(r);
	sample_close(&s);
}

TEST(reading_stops_in_time_and_goes_on_later)
{
	bool whole = false;
	unsigned reads = 0;
	struct rollup *r;
	struct sample s;
	struct entry e;

	sample_open(&s);
	for (int i = 0; i < 600; i++) {
		e = request(&s, 7);
		put(&s, &e, 0);
	}
	sample_read(&s);
	r = rollup_new(s.ledger, 100);
	while (!whole) {
		CHECK_INT(rollup_read(r, 0, &whole), STORE_OK);
		reads++;
	}
	CHECK(reads >= 3);
	CHECK_INT(rollup_first(r, 7)->requests, 600);
	rollup_free(r);
	sample_close(&s);
}

int
main(void)
{
	RUN(requests_of_a_day_are_summed_up_by_key);
	RUN(a_reversal_takes_tokens_and_charge_back);
	RUN(what_is_older_than_the_kept_days_is_not_read);
	RUN(full_memory_costs_the_oldest_days);
	RUN(reading_stops_in_time_and_goes_on_later);
	return tap_done();
}
