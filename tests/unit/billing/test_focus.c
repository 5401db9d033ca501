/* The FOCUS export against the ledger: every sum. */
#include "base/json.h"
#include "tests/tap.h"
#include "tests/unit/billing/months.h"

struct totals {
	int64_t billed[3], effective[3], upstream, usage, requests;
	uint64_t rows, corrections;
};

static int64_t
nano_of(struct json_value v)
{
	struct money m = {0};

	if (v.type == JSON_NULL)
		return 0;
	CHECK(v.type == JSON_STRING && v.raw.n > 2);
	CHECK(money_parse(str_make(v.raw.p + 1, v.raw.n - 2), &m));
	return m.nano;
}

static bool
is(struct json_value row, const char *name, const char *text)
{
	return json_str_eq(json_get(row, name).raw, str_of(text));
}

static struct totals
read_rows(const struct paper *p)
{
	struct totals t = {0};
	struct str rest = str_of(p->text.p);

	while (rest.n) {
		struct json_value row;
		struct json_error e;
		unsigned account;

		CHECK(json_valid(str_cut(&rest, '\n'), &row, &e));
		account = (unsigned)json_get(row, "BillingAccountId").raw.p[1] -
			  '0';
		must(account < 3);
		t.billed[account] += nano_of(json_get(row, "BilledCost"));
		t.effective[account] += nano_of(json_get(row, "EffectiveCost"));
		t.upstream += nano_of(json_get(row, "x_UpstreamCost"));
		if (is(row, "ChargeCategory", "Usage"))
			t.usage += nano_of(json_get(row, "EffectiveCost"));
		t.corrections += is(row, "ChargeClass", "Correction");
		t.rows++;
	}
	return t;
}

static int64_t
lost(struct months *m, uint32_t account, uint32_t kinds, int64_t *upstream)
{
	struct meta_record meta;
	struct scan scan;
	struct entry e;
	int64_t sum = 0;

	must(scan_begin(&scan, m->s.ledger, &meta) == STORE_OK);
	while (scan_next(&scan, &e) == STORE_OK) {
		if (upstream && e.kind == KIND_REQUEST)
			*upstream += e.upstream_nano;
		if ((e.moves & MOVES_ACCOUNT) && e.account == account &&
		    (kinds >> e.kind & 1))
			sum += e.charge_nano;
	}
	scan_end(&scan);
	return sum;
}

#define USAGE (1u << KIND_REQUEST | 1u << KIND_REVERSAL)
#define CASH  (1u << KIND_TOPUP | 1u << KIND_REFUND)
#define OTHER (1u << KIND_CREDIT | 1u << KIND_FEE | 1u << KIND_CORRECTION)

static struct totals
check_sums(struct months *m, bool hourly)
{
	struct paper p = {.job.format = SHEET_JSON, .job.hourly = hourly};
	struct totals t;
	int64_t upstream = 0;

	p.job.issuer = STR("Reseller");
	p.job.now_ms = MONTHS_JAN;
	paper_write(&p, &m->s, report_focus);
	CHECK_INT(p.result, REPORT_DONE);
	t = read_rows(&p);
	CHECK_INT(t.rows, p.sum.rows);
	CHECK_INT(t.effective[1], lost(m, 1, USAGE | OTHER, &upstream));
	CHECK_INT(t.effective[2], lost(m, 2, USAGE | OTHER, NULL));
	/* Prepaid: what was bought. Postpaid: what was used. */
	CHECK_INT(t.billed[0], -lost(m, 0, CASH, NULL));
	CHECK_INT(t.billed[1], -lost(m, 1, CASH, NULL));
	CHECK_INT(t.billed[2], lost(m, 2, USAGE | OTHER, NULL));
	CHECK_INT(t.usage, lost(m, 1, USAGE, NULL) + lost(m, 2, USAGE, NULL));
	CHECK_INT(t.upstream, upstream);
	/* Only what was taken back in December of November. */
	CHECK(t.corrections > 0 && t.corrections <= 6);
	paper_free(&p);
	return t;
}

TEST(sums_equal_the_ledger_by_day_and_by_hour)
{
	struct months m;
	struct totals by_day, by_hour;

	months_open(&m);
	sample_read(&m.s);
	by_day = check_sums(&m, false);
	by_hour = check_sums(&m, true);
	CHECK(by_hour.rows > by_day.rows);
	sample_close(&m.s);
}

TEST(one_account_and_one_month_can_be_asked_for)
{
	struct months m;
	struct paper p = {.job.format = SHEET_JSON};
	struct totals t;

	months_open(&m);
	sample_read(&m.s);
	p.job.filter.account = STR("later ltd");
	p.job.filter.from_ms = MONTHS_NOV;
	p.job.filter.to_ms = MONTHS_DEC;
	p.job.issuer = STR("Reseller");
	paper_write(&p, &m.s, report_focus);
	t = read_rows(&p);
	CHECK_INT(t.billed[2], lost(&m, 2, USAGE | OTHER, NULL));
	CHECK_INT(t.billed[1] + t.effective[1], 0);
	/* Open as far as the clock of the job goes: no invoice yet. */
	CHECK(strstr(p.text.p, "\"InvoiceId\":null"));
	paper_free(&p);
	sample_close(&m.s);
}

int
main(void)
{
	RUN(sums_equal_the_ledger_by_day_and_by_hour);
	RUN(one_account_and_one_month_can_be_asked_for);
	return tap_done();
}
