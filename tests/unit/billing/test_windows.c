/* Windows of budgets and caps that begin anew, with money held over it. */
#include "base/zone.h"
#include "billing/windows.h"
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

#define DAY_MS 86400000ull

struct windowed {
	struct desk d;
	struct windows *w;
	uint64_t now_ms;
};

static void
load(struct windowed *x)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	x->w = calloc(1, sizeof(*x->w));
	must(x->w && windows_load(x->w, x->d.r, &x->d.post, &x->d.group,
				  &why) == STORE_OK);
}

static void
open_windowed(struct windowed *x, enum budget_window kind)
{
	memset(x, 0, sizeof(*x));
	CHECK(zone_set(STR("UTC")));
	desk_open(&x->d);
	x->d.r->keys[0].budget_window = kind;
	x->d.r->keys[0].budget_nano = 3 * USD;
	x->now_ms = 20000 * DAY_MS + 5;
	load(x);
	CHECK(windows_step(x->w, x->now_ms));
}

static void
close_windowed(struct windowed *x)
{
	free(x->w);
	CHECK_INT(desk_settle(&x->d), STORE_OK);
	CHECK(audit_run(&x->d.audit));
	desk_stop(&x->d);
	CHECK_INT(fix_verify(&x->d.f, false), VERIFY_BALANCED);
	fix_close(&x->d.f);
}

/* As after a kill -9 of the writer. */
static void
again(struct windowed *x)
{
	free(x->w);
	desk_stop(&x->d);
	desk_start(&x->d);
	load(x);
	x->d.r->keys[0].budget_window = BUDGET_DAY;
	x->d.r->keys[0].budget_nano = 3 * USD;
}

static int64_t
budget(const struct windowed *x)
{
	return x->d.r->counters[counter_of_key(0)].available;
}

TEST(a_budget_is_whole_again_on_the_next_day_and_not_before)
{
	struct windowed x;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	open_windowed(&x, BUDGET_DAY);
	w = fix_worker(&x.d.f, &row);
	CHECK(fix_hold(w, &h, 0, 0, USD));
	hold_settle(w, &h, money_nano(USD), money_nano(0), REASON_NORMAL, true);
	CHECK_INT(desk_settle(&x.d), STORE_OK);
	CHECK_INT(budget(&x), 2 * USD);
	CHECK(windows_step(x.w, x.now_ms + DAY_MS - 6));
	CHECK_INT(budget(&x), 2 * USD);
	CHECK(windows_step(x.w, x.now_ms + DAY_MS - 5));
	CHECK_INT(budget(&x), 3 * USD);
	CHECK_INT(x.d.r->keys[0].window_end_ms, 20002 * DAY_MS);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(what_is_held_over_midnight_weighs_on_the_new_day)
{
	struct windowed x;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	open_windowed(&x, BUDGET_DAY);
	w = fix_worker(&x.d.f, &row);
	CHECK(fix_hold(w, &h, 0, 0, 2 * USD));
	CHECK(windows_step(x.w, x.now_ms + DAY_MS));
	CHECK_INT(budget(&x), USD);
	CHECK(audit_run(&x.d.audit));
	hold_settle(w, &h, money_nano(USD / 2), money_nano(0), REASON_NORMAL,
		    true);
	CHECK_INT(desk_settle(&x.d), STORE_OK);
	CHECK_INT(budget(&x), 3 * USD - USD / 2);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(a_charge_of_yesterday_that_is_reversed_stays_in_yesterday)
{
	struct windowed x;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	open_windowed(&x, BUDGET_DAY);
	w = fix_worker(&x.d.f, &row);
	CHECK(fix_hold(w, &h, 0, 0, USD));
	hold_settle(w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    false);
	CHECK_INT(desk_settle(&x.d), STORE_OK);
	CHECK(windows_step(x.w, x.now_ms + DAY_MS));
	CHECK_INT(budget(&x), 3 * USD);
	hold_not_sent(w, &h);
	CHECK_INT(desk_settle(&x.d), STORE_OK);
	CHECK_INT(budget(&x), 3 * USD);
	CHECK_INT(fix_available(&x.d.f, 0), 10 * USD);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(a_month_lasts_a_month_and_a_total_for_ever)
{
	struct windowed x;

	open_windowed(&x, BUDGET_MONTH);
	x.d.r->keys[0].budget_nano = 4 * USD;
	CHECK(windows_step(x.w, x.now_ms + DAY_MS));
	CHECK_INT(budget(&x), 3 * USD);
	CHECK(windows_step(x.w, x.now_ms + 31 * DAY_MS));
	CHECK_INT(budget(&x), 4 * USD);
	x.d.r->keys[0].budget_window = BUDGET_TOTAL;
	CHECK(windows_step(x.w, x.now_ms + 400 * DAY_MS));
	CHECK_INT(budget(&x), 4 * USD);
	close_windowed(&x);
}

TEST(missed_days_are_one_rollover_and_a_clock_that_goes_back_none)
{
	struct windowed x;
	uint64_t seq;

	open_windowed(&x, BUDGET_DAY);
	seq = x.d.post.meta.next_seq;
	CHECK(windows_step(x.w, x.now_ms + 9 * DAY_MS));
	CHECK_INT(x.d.post.meta.next_seq, seq + 1);
	again(&x);
	CHECK(windows_step(x.w, x.now_ms + 3 * DAY_MS));
	CHECK_INT(x.d.post.meta.next_seq, seq + 1);
	close_windowed(&x);
}

/* ---- caps ---- */

static uint32_t
channel(struct windowed *x, const char *name, int64_t limit)
{
	uint32_t row = channel_bind(x->d.r, str_of(name));

	x->d.r->channels[row].daily_nano = limit;
	CHECK(windows_step(x->w, x->now_ms));
	return row;
}

static int64_t
cap_left(const struct windowed *x, uint32_t row)
{
	uint32_t cap = x->d.r->channels[row].cap;

	CHECK(cap > 0);
	return x->d.r->counters[counter_of_channel(cap - 1)].available;
}

static void
spend(struct windowed *x, struct slot_owner *w, uint32_t row, int64_t cost)
{
	struct hold_spec spec = {
		.k = 1, .amount = money_nano(cost + 1), .kind = SLOT_ATTEMPT};
	struct hold h;
	struct note *n;

	spec.ctr[0] = counter_of_channel(x->d.r->channels[row].cap - 1);
	CHECK_INT(hold_claim(w, &h), E_OK);
	n = hold_note(w, &h);
	memset(n, 0, sizeof(*n));
	n->parent = n->key = SHM_NONE;
	n->channel = (uint16_t)row;
	CHECK_INT(hold_take(w, &h, &spec), E_OK);
	CHECK(audit_run(&x->d.audit));
	hold_settle(w, &h, money_nano(0), money_nano(cost), REASON_NORMAL,
		    true);
	CHECK_INT(desk_settle(&x->d), STORE_OK);
}

TEST(a_cap_is_spent_in_what_the_operator_owes_and_whole_next_day)
{
	struct windowed x;
	struct slot_owner *w;
	uint32_t row, a, b;

	open_windowed(&x, BUDGET_TOTAL);
	w = fix_worker(&x.d.f, &row);
	a = channel(&x, "a", 5 * USD);
	b = channel(&x, "b", USD);
	CHECK_INT(cap_left(&x, a), 5 * USD);
	spend(&x, w, a, 2 * USD);
	CHECK_INT(cap_left(&x, a), 3 * USD);
	CHECK_INT(cap_left(&x, b), USD);
	/* A reload raises it: what was spent stays spent. */
	x.d.r->channels[a].daily_nano = 6 * USD;
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(cap_left(&x, a), 4 * USD);
	again(&x);
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(cap_left(&x, a), 4 * USD);
	CHECK(windows_step(x.w, x.now_ms + DAY_MS));
	CHECK_INT(cap_left(&x, a), 6 * USD);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(a_channel_that_comes_back_under_its_name_has_its_cap)
{
	struct windowed x;
	struct slot_owner *w;
	uint32_t row, a;

	open_windowed(&x, BUDGET_TOTAL);
	w = fix_worker(&x.d.f, &row);
	a = channel(&x, "a", 5 * USD);
	spend(&x, w, a, USD);
	x.d.r->channels[a].cap = 0; /* the row was another's meanwhile */
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(x.d.r->channels[a].cap, 1);
	CHECK_INT(cap_left(&x, a), 4 * USD);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(a_cold_start_finds_caps_and_windows_as_they_were)
{
	struct windowed x;
	struct slot_owner *w;
	uint32_t row, a;

	open_windowed(&x, BUDGET_DAY);
	w = fix_worker(&x.d.f, &row);
	a = channel(&x, "a", 5 * USD);
	spend(&x, w, a, USD);
	slot_owner_free(w);
	memset(x.d.r->counters, 0, sizeof(struct counter) * 4);
	memset(&x.d.r->counters[counter_of_channel(0)], 0,
	       sizeof(struct counter));
	x.d.r->head->n_accounts = x.d.r->head->n_keys = 0;
	x.d.r->head->n_caps = 0;
	again(&x);
	CHECK_INT(cap_left(&x, a), 4 * USD);
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(cap_left(&x, a), 4 * USD);
	CHECK_INT(budget(&x), 3 * USD);
	close_windowed(&x);
}

int
main(void)
{
	RUN(a_budget_is_whole_again_on_the_next_day_and_not_before);
	RUN(what_is_held_over_midnight_weighs_on_the_new_day);
	RUN(a_charge_of_yesterday_that_is_reversed_stays_in_yesterday);
	RUN(a_month_lasts_a_month_and_a_total_for_ever);
	RUN(missed_days_are_one_rollover_and_a_clock_that_goes_back_none);
	RUN(a_cap_is_spent_in_what_the_operator_owes_and_whole_next_day);
	RUN(a_channel_that_comes_back_under_its_name_has_its_cap);
	RUN(a_cold_start_finds_caps_and_windows_as_they_were);
	return tap_done();
}
