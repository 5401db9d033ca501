/* Caps as a worker looks at them. */
#include "base/must.h"
#include "shm/caps.h"
#include "tests/unit/worker/fixture.h"
#include "worker/caps.h"

static struct conf_credential keys[2];

/* Channel a, its second key and the model gpt have a budget. */
static struct fixture *
budgets(void)
{
	struct fixture *f = fix_new();

	for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
		keys[i] = f->channel[LANE_A].keys[i];
	keys[1].daily_budget = money_nano(3);
	f->channel[LANE_A].keys = keys;
	f->channel[LANE_A].n_keys = 2;
	f->channel[LANE_A].daily_budget = money_nano(2);
	f->model[MODEL_GPT].daily_budget = money_nano(1);
	return f;
}

TEST(what_has_no_budget_has_no_cap)
{
	struct fixture *f = budgets();

	fix_start(f);
	CHECK(f->w.lanes[LANE_B].cap == NULL);
	CHECK(cap_of_key(&f->w.lanes[LANE_B], 0) == NULL);
	CHECK(cap_of_key(&f->w.lanes[LANE_A], 0) == NULL);
	CHECK(f->w.products[MODEL_CHEAP].cap == NULL);
	CHECK(cap_open(&f->w, NULL));
	CHECK(fix_done(f));
}

TEST(one_without_a_row_is_spent)
{
	struct fixture *f = budgets();

	fix_start(f);
	CHECK(f->w.lanes[LANE_A].cap != NULL);
	CHECK(!cap_open(&f->w, f->w.lanes[LANE_A].cap));
	CHECK(!cap_open(&f->w, cap_of_key(&f->w.lanes[LANE_A], 1)));
	CHECK(!cap_open(&f->w, f->w.products[MODEL_GPT].cap));
	CHECK(fix_done(f));
}

TEST(it_is_open_as_long_as_something_is_left)
{
	static const struct {
		int64_t left;
		bool open;
	} cases[] = {{1, true}, {0, false}, {-1, false}};
	const struct cap_of of = {CAP_CREDENTIAL, STR("a"), STR("1")};
	struct fixture *f = budgets();
	const struct cap_row *cap;

	must(cap_want(&f->region, &of, 3) == 0);
	f->region.caps[0].number = 1;
	fix_start(f);
	cap = cap_of_key(&f->w.lanes[LANE_A], 1);
	CHECK(cap == &f->region.caps[0]);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		f->region.counters[counter_of_cap(0)].available = cases[i].left;
		CHECK_INT(cap_open(&f->w, cap), cases[i].open);
	}
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(what_has_no_budget_has_no_cap);
	RUN(one_without_a_row_is_spent);
	RUN(it_is_open_as_long_as_something_is_left);
	return tap_done();
}
