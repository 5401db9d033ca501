/* Windows of budgets and caps that begin anew, with money held over it. */
#include "base/zone.h"
#include "billing/windows.h"
#include "shm/caps.h"
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
capped(struct windowed *x, struct cap_of of, int64_t limit)
{
	uint32_t row = cap_want(x->d.r, &of, limit);

	CHECK(row < SHM_CAPS);
	CHECK(windows_step(x->w, x->now_ms));
	return row;
}

static uint32_t
channel(struct windowed *x, const char *name, int64_t limit)
{
	return capped(x, (struct cap_of){CAP_CHANNEL, str_of(name), STR_NONE},
		      limit);
}

static uint32_t
credential(struct windowed *x, const char *of, const char *name, int64_t limit)
{
	return capped(x,
		      (struct cap_of){CAP_CREDENTIAL, str_of(of), str_of(name)},
		      limit);
}

static uint32_t
model(struct windowed *x, const char *name, int64_t limit)
{
	return capped(x, (struct cap_of){CAP_MODEL, STR_NONE, str_of(name)},
		      limit);
}

static int64_t
left_of(const struct windowed *x, uint32_t row)
{
	CHECK(cap_counter(&x->d.r->caps[row]) != SHM_NONE);
	return cap_left(x->d.r, &x->d.r->caps[row]);
}

static void
spend_all(struct windowed *x, struct slot_owner *w, const uint32_t *rows,
	  uint32_t k, int64_t cost)
{
	struct hold_spec spec = {
		.k = k, .amount = money_nano(cost + 1), .kind = SLOT_ATTEMPT};
	struct hold h;
	struct note *n;

	for (uint32_t i = 0; i < k; i++)
		spec.ctr[i] = cap_counter(&x->d.r->caps[rows[i]]);
	CHECK_INT(hold_claim(w, &h), E_OK);
	n = hold_note(w, &h);
	memset(n, 0, sizeof(*n));
	n->parent = n->key = SHM_NONE;
	n->channel = UINT16_MAX;
	CHECK_INT(hold_take(w, &h, &spec), E_OK);
	CHECK(audit_run(&x->d.audit));
	hold_settle(w, &h, money_nano(0), money_nano(cost), REASON_NORMAL,
		    true);
	CHECK_INT(desk_settle(&x->d), STORE_OK);
}

static void
spend(struct windowed *x, struct slot_owner *w, uint32_t row, int64_t cost)
{
	spend_all(x, w, &row, 1, cost);
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
	CHECK_INT(left_of(&x, a), 5 * USD);
	spend(&x, w, a, 2 * USD);
	CHECK_INT(left_of(&x, a), 3 * USD);
	CHECK_INT(left_of(&x, b), USD);
	/* A reload raises it: what was spent stays spent. */
	x.d.r->caps[a].limit_nano = 6 * USD;
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(left_of(&x, a), 4 * USD);
	again(&x);
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(left_of(&x, a), 4 * USD);
	CHECK(windows_step(x.w, x.now_ms + DAY_MS));
	CHECK_INT(left_of(&x, a), 6 * USD);
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
	x.d.r->caps[a].number = 0; /* nobody wanted it meanwhile */
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(x.d.r->caps[a].number, 1);
	CHECK_INT(left_of(&x, a), 4 * USD);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(an_attempt_spends_up_to_three_caps_at_once)
{
	struct windowed x;
	struct slot_owner *w;
	uint32_t row, of[3];

	open_windowed(&x, BUDGET_TOTAL);
	w = fix_worker(&x.d.f, &row);
	of[0] = credential(&x, "a", "0", 3 * USD);
	of[1] = channel(&x, "a", 5 * USD);
	of[2] = model(&x, "gpt", 7 * USD);
	spend_all(&x, w, of, 3, 2 * USD);
	spend_all(&x, w, of + 1, 2, USD);
	spend(&x, w, of[2], USD);
	CHECK_INT(left_of(&x, of[0]), USD);
	CHECK_INT(left_of(&x, of[1]), 2 * USD);
	CHECK_INT(left_of(&x, of[2]), 3 * USD);
	again(&x);
	CHECK(windows_step(x.w, x.now_ms + DAY_MS));
	CHECK_INT(left_of(&x, of[0]), 3 * USD);
	CHECK_INT(left_of(&x, of[1]), 5 * USD);
	CHECK_INT(left_of(&x, of[2]), 7 * USD);
	slot_owner_free(w);
	close_windowed(&x);
}

TEST(caps_of_one_name_are_others_where_they_are_on_something_else)
{
	struct windowed x;
	uint32_t rows[5];

	open_windowed(&x, BUDGET_TOTAL);
	rows[0] = channel(&x, "a", USD);
	rows[1] = model(&x, "a", 2 * USD);
	rows[2] = credential(&x, "a", "a", 3 * USD);
	rows[3] = credential(&x, "a", "b", 4 * USD);
	rows[4] = credential(&x, "b", "a", 5 * USD);
	again(&x);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(x.d.r->caps[rows[i]].number, i + 1);
		CHECK_INT(left_of(&x, rows[i]), (i + 1) * USD);
	}
	CHECK_INT(model(&x, "a", USD), rows[1]);
	CHECK_INT(left_of(&x, rows[1]), USD);
	close_windowed(&x);
}

/* Its memory is of another ledger. */
TEST(a_number_that_the_ledger_does_not_know_is_forgotten)
{
	struct windowed x;
	uint32_t a, b;

	open_windowed(&x, BUDGET_TOTAL);
	a = channel(&x, "a", USD);
	b = channel(&x, "b", 2 * USD);
	x.d.r->caps[a].number = 2;
	x.d.r->caps[b].number = 9;
	again(&x);
	CHECK_INT(x.d.r->caps[a].number, 0);
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(left_of(&x, a), USD);
	CHECK_INT(left_of(&x, b), 2 * USD);
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
	memset(&x.d.r->counters[counter_of_cap(0)], 0, sizeof(struct counter));
	x.d.r->head->n_accounts = x.d.r->head->n_keys = 0;
	x.d.r->head->n_caps = 0;
	again(&x);
	CHECK_INT(left_of(&x, a), 4 * USD);
	CHECK(windows_step(x.w, x.now_ms));
	CHECK_INT(left_of(&x, a), 4 * USD);
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
	RUN(an_attempt_spends_up_to_three_caps_at_once);
	RUN(caps_of_one_name_are_others_where_they_are_on_something_else);
	RUN(a_number_that_the_ledger_does_not_know_is_forgotten);
	RUN(a_cold_start_finds_caps_and_windows_as_they_were);
	return tap_done();
}
