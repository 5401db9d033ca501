/* Invoices: their sums, and that they stay what they were. */
#include "base/json.h"
#include "tests/tap.h"
#include "tests/unit/billing/months.h"

static void
november(struct paper *p, struct months *m, const char *account)
{
	p->job.filter = (struct report_filter){
		.from_ms = MONTHS_NOV,
		.to_ms = MONTHS_DEC,
		.account = str_of(account),
	};
	p->job.issuer = STR("Reseller & Co");
	p->job.zone = STR("UTC");
	if (!p->job.now_ms)
		p->job.now_ms = MONTHS_DEC;
	paper_write(p, &m->s, report_invoice);
	CHECK_INT(p->result, REPORT_DONE);
}

static int64_t
nano_of(struct json_value v)
{
	struct money m = {0};

	CHECK(v.type == JSON_STRING && v.raw.n > 2);
	CHECK(money_parse(str_make(v.raw.p + 1, v.raw.n - 2), &m));
	return m.nano;
}

static struct json_value
parsed(const struct paper *p)
{
	struct json_value root = {0};
	struct json_error e;

	CHECK(json_valid(str_make(p->text.p, p->text.n - 2), &root, &e));
	return root;
}

static int64_t
sum_of(struct json_value array, const char *name)
{
	struct json_value one;
	struct json_iter it;
	int64_t sum = 0;

	CHECK(json_iter_init(&it, array));
	while (json_iter_next(&it, NULL, &one))
		sum += nano_of(json_get(one, name));
	return sum;
}

/* What the ledger says, by another way. */
static void
from_entries(struct months *m, uint32_t account, uint64_t from, uint64_t to,
	     int64_t out[KIND_COUNT])
{
	struct meta_record meta;
	struct scan scan;
	struct entry e;

	memset(out, 0, KIND_COUNT * sizeof(*out));
	must(scan_begin(&scan, m->s.ledger, &meta) == STORE_OK);
	while (scan_next(&scan, &e) == STORE_OK) {
		bool own = (e.moves & MOVES_ACCOUNT) && e.account == account;
		bool child = (e.moves & MOVES_PARENT) && e.parent == account;

		if ((own || child) && e.commit_ms >= from && e.commit_ms < to)
			out[e.kind] += e.charge_nano;
	}
	scan_end(&scan);
}

static void
check_sums(struct months *m, const char *name, uint32_t account)
{
	struct paper p = {0};
	struct json_value v;
	int64_t k[KIND_COUNT], before[KIND_COUNT], opening = 0, total;

	november(&p, m, name);
	v = parsed(&p);
	from_entries(m, account, MONTHS_NOV, MONTHS_DEC, k);
	from_entries(m, account, 0, MONTHS_NOV, before);
	for (int i = 0; i < KIND_COUNT; i++)
		opening -= before[i];
	CHECK_INT(sum_of(json_get(v, "lines"), "amount"),
		  k[KIND_REQUEST] + k[KIND_REVERSAL]);
	CHECK_INT(nano_of(json_get(v, "usage_total")),
		  k[KIND_REQUEST] + k[KIND_REVERSAL]);
	CHECK_INT(sum_of(json_get(v, "fees"), "amount"), k[KIND_FEE]);
	CHECK_INT(sum_of(json_get(v, "credits"), "amount"), -k[KIND_CREDIT]);
	CHECK_INT(nano_of(json_get(v, "payments_total")), -k[KIND_TOPUP]);
	CHECK_INT(nano_of(json_get(v, "opening_balance")), opening);
	total = k[KIND_REQUEST] + k[KIND_REVERSAL] + k[KIND_FEE] +
		k[KIND_CREDIT] + k[KIND_CORRECTION];
	CHECK_INT(nano_of(json_get(v, "total")), total);
	CHECK_INT(nano_of(json_get(v, "closing_balance")),
		  opening - total - k[KIND_TOPUP] - k[KIND_REFUND]);
	paper_free(&p);
}

TEST(lines_add_up_to_the_ledger)
{
	struct months m;

	months_open(&m);
	sample_read(&m.s);
	check_sums(&m, "0", 0);
	check_sums(&m, "1", 1);
	check_sums(&m, "2", 2);
	sample_close(&m.s);
}

TEST(what_is_owed_is_due)
{
	struct months m;
	struct paper p = {0};
	struct json_value v;

	months_open(&m);
	sample_read(&m.s);
	november(&p, &m, "2");
	v = parsed(&p);
	CHECK_INT(nano_of(json_get(v, "amount_due")),
		  -nano_of(json_get(v, "closing_balance")));
	CHECK(nano_of(json_get(v, "amount_due")) > 0);
	november(&p, &m, "1");
	CHECK(strstr(p.text.p, "\"amount_due\":\"0.00\"}"));
	paper_free(&p);
	sample_close(&m.s);
}

TEST(a_line_has_its_price_and_multiplier)
{
	struct months m;
	struct paper p = {0};

	months_open(&m);
	sample_read(&m.s);
	november(&p, &m, "1");
	CHECK(strstr(p.text.p, "\"class\":\"output\",\"quantity\":"));
	CHECK(strstr(p.text.p, "\"unit\":\"tokens\",\"unit_price_usd_per_1m\":"
			       "\"12.345678\",\"multiplier\":\"1.700001\","));
	CHECK(strstr(p.text.p, "\"unit\":\"requests\",\"unit_price_usd\":"
			       "\"0.001234567\",\"multiplier\":\"0.6\","));
	paper_free(&p);
	sample_close(&m.s);
}

/* Entries, prices, keys, the account's plan: all that can change. */
static void
go_on(struct months *m)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct account_record a;
	struct key_record k;

	ledger_close(m->s.ledger);
	must(ledger_open(&m->s.ledger, m->s.f.dir, LEDGER_WRITE, FIX_MAP,
			 &why) == STORE_OK);
	must(post_load(&m->s.post, m->s.ledger, 1024, &why) == STORE_OK);
	months_prices(m);
	months_usage(m, 1, 20, MONTHS_DEC);
	months_money(m, KIND_FEE, 2, 77, MONTHS_DEC + 1);
	must(post_begin(&m->s.post) == STORE_OK);
	must(key_get(m->s.ledger, 0, &k) == STORE_OK);
	(void)strcpy(k.name, "renamed");
	(void)strcpy(k.group, "other");
	must(key_put(m->s.ledger, 0, &k) == STORE_OK);
	must(record_get(m->s.ledger, TABLE_ACCOUNT, 2, &a, sizeof(a)) ==
	     STORE_OK);
	a.flags &= ~(uint32_t)ACCOUNT_POSTPAID;
	a.credit_nano = 5;
	(void)strcpy(a.group, "other");
	must(record_put(m->s.ledger, TABLE_ACCOUNT, 2, &a, sizeof(a)) ==
	     STORE_OK);
	must(post_commit(&m->s.post) == STORE_OK);
	sample_read(&m->s);
}

TEST(a_closed_month_has_the_same_bytes_for_ever)
{
	static const char *const accounts[] = {"0", "1", "2"};
	struct paper before[6], p = {0};
	struct months m;

	memset(before, 0, sizeof(before));
	months_open(&m);
	sample_read(&m.s);
	for (int i = 0; i < 6; i++) {
		before[i].job.html = i >= 3;
		november(&before[i], &m, accounts[i % 3]);
	}
	go_on(&m);
	for (int i = 0; i < 6; i++) {
		p.job.html = i >= 3;
		p.job.now_ms = MONTHS_DEC * 2;
		november(&p, &m, accounts[i % 3]);
		CHECK_STR(p.text.p, before[i].text.p);
		CHECK(memcmp(&p.sum, &before[i].sum, sizeof(p.sum)) == 0);
		paper_free(&before[i]);
	}
	paper_free(&p);
	sample_close(&m.s);
}

TEST(a_month_that_is_not_over_is_a_draft)
{
	struct months m;
	struct paper p = {.job.now_ms = MONTHS_DEC - 1};

	months_open(&m);
	sample_read(&m.s);
	november(&p, &m, "1");
	CHECK(strstr(p.text.p, "\"status\":\"draft\""));
	p.job.now_ms++;
	november(&p, &m, "1");
	CHECK(strstr(p.text.p, "\"status\":\"final\""));
	paper_free(&p);
	sample_close(&m.s);
}

int
main(void)
{
	RUN(lines_add_up_to_the_ledger);
	RUN(what_is_owed_is_due);
	RUN(a_line_has_its_price_and_multiplier);
	RUN(a_closed_month_has_the_same_bytes_for_ever);
	RUN(a_month_that_is_not_over_is_a_draft);
	return tap_done();
}
