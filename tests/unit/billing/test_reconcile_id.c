/* The bill against the books, by upstream request id. */
#include "tests/tap.h"
#include "tests/unit/billing/invoiced.h"

#define LEGS 6000u

static void
id_text(char out[80], size_t i)
{
	(void)snprintf(out, 80, "req_%08zx%s", i,
		       i % 3 ? "" : "-and-a-tail-that-is-beyond-the-forty");
}

static void
write_line(struct invoiced *v, size_t i, enum injected kind)
{
	const struct entry *e = &v->entries[i];
	uint64_t input = (uint64_t)e->tokens.input + e->tokens.cache_read;
	uint64_t cached = e->tokens.cache_read;
	uint64_t output = (uint64_t)e->tokens.output + e->tokens.reasoning;
	int64_t cost = e->upstream_nano;
	char id[80], usd[MONEY_TEXT];

	/* What the provider counted of the others is its secret. */
	if (e->rule != 1) {
		input += 77;
		output += 11;
	}
	if (kind == INJECTED_CLASS && i % 2)
		cached += 1;
	else if (kind == INJECTED_CLASS)
		output -= 1;
	if (kind == INJECTED_PRICE)
		cost += i % 2 ? 2 : -(int64_t)invoiced_random(v, 900) - 2;
	else if (i % 5 == 0)
		cost--; /* the rounding of one request is none */
	id_text(id, i);
	(void)money_text(money_nano(cost), usd);
	buf_printf(&v->csv, "%s,2025-11-2%u,%s,%llu,%llu,%llu,%s\n", id,
		   (unsigned)((e->start_ms - SAMPLE_T0) / DAY_MS),
		   e->served % 2 ? "gpt-4o-mini" : "gpt-4o",
		   (unsigned long long)input, (unsigned long long)cached,
		   (unsigned long long)output, usd);
}

static void
inject(struct invoiced *v, unsigned per_mille)
{
	buf_add_cstr(&v->csv, "request_id,day,model,input_tokens,"
			      "cached_input_tokens,output_tokens,cost\n");
	for (size_t i = 0; i < v->n; i++) {
		enum injected kind = INJECTED_NONE;

		if (invoiced_random(v, 1000) < per_mille)
			kind = (enum injected)(1 + invoiced_random(v, 4));
		/* Whose tokens we do not know, we cannot contradict. */
		if (kind == INJECTED_CLASS && v->entries[i].rule != 1)
			kind = INJECTED_PRICE;
		v->want[kind]++;
		v->injected[i] = (uint8_t)kind;
		if (kind == INJECTED_MISSING)
			continue;
		if (kind == INJECTED_EXTRA) {
			buf_printf(&v->csv,
				   "alien_%zu,2025-11-21,gpt-4o,5,0,5,0.5\n",
				   i);
			v->injected[i] = INJECTED_NONE;
			kind = INJECTED_NONE;
		}
		write_line(v, i, kind);
	}
}

static void
see(struct invoiced *v, struct json_value row, enum injected kind)
{
	CLEANUP(buf_free) struct buf id = BUF_INIT;
	unsigned long long i = 0;

	CHECK(json_unescape(json_get(row, "upstream_id"), &id));
	buf_add_char(&id, '\0');
	if (kind == INJECTED_EXTRA) {
		CHECK(str_starts(str_of(id.p), STR("alien_")));
		return;
	}
	CHECK(sscanf(id.p, "req_%8llx", &i) == 1 && i < v->n);
	if (i < v->n)
		CHECK_INT(v->injected[i], kind);
}

static void
find_all(uint64_t seed, unsigned per_mille)
{
	struct invoiced v;
	struct paper p = {0};

	invoiced_open(&v, LEGS, seed, true);
	inject(&v, per_mille);
	invoiced_run(&v, &p, see);
	for (int k = 1; k < INJECTED_KINDS; k++)
		CHECK_INT(v.found[k], v.want[k]);
	CHECK_INT(p.sum.differences, p.sum.rows);
	CHECK_INT(p.sum.rows, v.want[1] + v.want[2] + v.want[3] + v.want[4]);
	if (per_mille)
		for (int k = 1; k < INJECTED_KINDS; k++)
			CHECK(v.want[k] > 0);
	paper_free(&p);
	invoiced_close(&v);
}

TEST(every_injected_error_is_found_and_none_invented)
{
	find_all(1, 50);
	find_all(2, 5);
	find_all(3, 500);
}

TEST(a_faithful_bill_matches)
{
	find_all(4, 0);
}

static enum report_result
reconcile(struct sample *s, struct paper *p, const char *csv)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct bill bill;

	must(bill_read(&bill, str_of(csv), &why));
	p->job.bill = &bill;
	paper_write(p, s, report_reconcile);
	bill_free(&bill);
	return p->result;
}

/* Two legs of one answer: read on after its client had left. */
TEST(legs_and_lines_of_one_id_are_added_up)
{
	static const struct sip_key plain;
	struct sample s;
	struct paper p = {.job.format = SHEET_CSV};
	struct entry e;

	sample_open(&s);
	e = sample_request(&s, SHM_NONE, 0, 0x42);
	e.upstream_id_hash = siphash(&plain, STR("abc"));
	memcpy(e.upstream_id, "abc", 3);
	e.rule = 7;
	e.upstream_nano = 0;
	e.absorbed_nano = 0;
	sample_put(&s, &e, 96000);
	e.kind = KIND_ATTEMPT;
	e.moves = 0;
	e.charge_nano = 0;
	e.upstream_nano = 1000;
	e.tokens = (struct token_counts){0};
	sample_put(&s, &e, 96001);
	sample_read(&s);
	p.job.filter.from_ms = SAMPLE_T0 + 1000;
	p.job.filter.to_ms = SAMPLE_T0 + 1001;
	CHECK_INT(reconcile(&s, &p,
			    "request_id,input_tokens,cost\nabc,5,0.0000004\n"
			    "abc,6,0.0000006\n"),
		  REPORT_DONE);
	CHECK_INT(p.sum.rows, 0);
	CHECK_INT(p.sum.differences, 0);
	CHECK_STR(p.error.p, "1 match, 0 missing, 0 extra, 0 wrong_class, "
			     "0 wrong_price; ours 0.000001, invoiced "
			     "0.000001, difference 0.00 USD");
	CHECK_INT(
		reconcile(&s, &p, "request_id,cost\nabc,0.000002\nabcd,1.5\n"),
		REPORT_DONE);
	CHECK_INT(p.sum.differences, 2);
	CHECK(strstr(p.text.p, "extra,,abcd,,,,,1,"));
	CHECK(strstr(p.text.p,
		     "wrong_price,2025-11-20,abc,req_4242424242424242"
		     "4242424242424242,openai-main,gpt-4o-2024-11-20,"));
	CHECK(strstr(p.text.p, ",0.000001,0.000002,0.000001\r\n"));
	p.job.tolerance_nano = 1000;
	CHECK_INT(reconcile(&s, &p, "request_id,cost\nabc,0.000002\n"),
		  REPORT_DONE);
	CHECK_INT(p.sum.differences, 0);
	CHECK_INT(reconcile(&s, &p, "request_id,cost\nxyz,0.00\n"),
		  REPORT_DONE);
	CHECK(strstr(p.text.p, "missing,2025-11-20,abc,"));
	CHECK(strstr(p.text.p, "extra,,xyz,"));
	CHECK_INT(p.sum.differences, 2);
	paper_free(&p);
	sample_close(&s);
}

int
main(void)
{
	RUN(every_injected_error_is_found_and_none_invented);
	RUN(a_faithful_bill_matches);
	RUN(legs_and_lines_of_one_id_are_added_up);
	return tap_done();
}
