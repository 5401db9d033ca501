#pragma once
/*
 * Many requests, the bill that a provider would write for them, and errors of
 * every kind in it, by chance but with a seed; and what the reconciliation
 * finds.
 */
#include "base/json.h"
#include "billing/bill.h"
#include "billing/report.h"
#include "tests/tap.h"
#include "tests/unit/billing/paper.h"

#define INVOICED_DAYS 5u
#define DAY_MS	      86400000ull

enum injected {
	INJECTED_NONE,
	INJECTED_MISSING,
	INJECTED_EXTRA,
	INJECTED_CLASS,
	INJECTED_PRICE,
	INJECTED_KINDS
};

static const char *const injected_name[INJECTED_KINDS] = {
	"match", "missing", "extra", "wrong_class", "wrong_price",
};

struct invoiced {
	struct sample s;
	struct entry *entries; /* the legs, n of them */
	size_t n;
	uint64_t seed;
	struct buf csv;
	uint8_t *injected; /* by leg or bucket */
	size_t extra;
	uint64_t want[INJECTED_KINDS], found[INJECTED_KINDS];
};

static inline uint64_t
invoiced_random(struct invoiced *v, uint64_t limit)
{
	v->seed = v->seed * 6364136223846793005u + 1442695040888963407u;
	return (v->seed >> 33) % limit;
}

/* Most went well; some broke off, some were refused without cost, some had
 * lost attempts. */
static inline struct entry
invoiced_request(struct invoiced *v, size_t i, const uint32_t served[3])
{
	static const struct sip_key plain;
	struct book_row row = sample_price();
	struct money cost;
	struct entry e = {
		.kind = KIND_REQUEST,
		.moves = MOVES_ACCOUNT,
		.epoch = 1,
		.slot = SHM_NONE,
		.account = 1,
		.parent = 0,
		.key = 0,
		.price_version = 1,
		.multiplier_ppm = PPM_ONE,
		.status = 200,
		.attempts = 1,
		.rule = 1,
		.usage_source = USAGE_UPSTREAM,
		.channel = served[2],
		.served = served[invoiced_random(v, 2)],
		.tokens = {(uint32_t)invoiced_random(v, 5000) + 1,
			   (uint32_t)invoiced_random(v, 3) * 512, 0,
			   (uint32_t)invoiced_random(v, 900) + 1,
			   (uint32_t)invoiced_random(v, 2) * 64, 0},
		.start_ms =
			SAMPLE_T0 + invoiced_random(v, INVOICED_DAYS) * DAY_MS,
	};
	char id[80];
	int n = snprintf(id, sizeof(id), "req_%08zx%s", i,
			 i % 3 ? "" : "-and-a-tail-that-is-beyond-the-forty");

	must(price_of(&row, &e.tokens, PPM_ONE, &cost));
	e.charge_nano = e.upstream_nano = cost.nano;
	memcpy(e.request_id, &i, sizeof(i));
	e.request_id[15] = 1;
	e.upstream_id_hash = siphash(&plain, str_make(id, (size_t)n));
	memcpy(e.upstream_id, id, MIN_OF((size_t)n, sizeof(e.upstream_id)));
	return e;
}

/* One that the provider counted and we did not see the end of. */
static inline void
invoiced_break(struct entry *e)
{
	e->rule = 5;
	e->usage_source = USAGE_ESTIMATED;
	e->tokens.input = 0;
	e->tokens.output /= 2;
	e->charge_nano /= 2;
}

static inline void
invoiced_open(struct invoiced *v, size_t n, uint64_t seed, bool broken)
{
	uint32_t names[3];

	memset(v, 0, sizeof(*v));
	v->seed = seed;
	v->n = n;
	v->entries = calloc(n, sizeof(*v->entries));
	v->injected = calloc(n, 1);
	must(v->entries && v->injected);
	sample_open(&v->s);
	must(post_begin(&v->s.post) == STORE_OK);
	v->s.post.now_ms = SAMPLE_T0 + INVOICED_DAYS * DAY_MS;
	must(post_name(&v->s.post, STR("gpt-4o-2024-11-20"), &names[0]) ==
	     STORE_OK);
	must(post_name(&v->s.post, STR("gpt-4o-mini"), &names[1]) == STORE_OK);
	must(post_name(&v->s.post, STR("east"), &names[2]) == STORE_OK);
	for (size_t i = 0; i < n; i++) {
		struct entry e = invoiced_request(v, i, names);

		if (broken && i % 17 == 0)
			invoiced_break(&e);
		if (broken && i % 19 == 0) {
			e.kind = KIND_ATTEMPT;
			e.moves = 0;
			e.rule = 0;
			e.charge_nano = 0;
			e.tokens = (struct token_counts){0};
		}
		must(post_entry(&v->s.post, &e) == STORE_OK);
		v->entries[i] = e;
	}
	must(post_commit(&v->s.post) == STORE_OK);
	sample_read(&v->s);
}

static inline void
invoiced_close(struct invoiced *v)
{
	free(v->entries);
	free(v->injected);
	buf_free(&v->csv);
	sample_close(&v->s);
}

/* Reconciles; counts what was found, and gives each row to `see`. */
static inline void
invoiced_run(struct invoiced *v, struct paper *p,
	     void (*see)(struct invoiced *, struct json_value row,
			 enum injected kind))
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct bill bill;
	struct str rest;

	must(bill_read(&bill, buf_str(&v->csv), &why));
	p->job.bill = &bill;
	p->job.format = SHEET_JSON;
	p->job.filter.channel = STR("east");
	paper_write(p, &v->s, report_reconcile);
	CHECK_INT(p->result, REPORT_DONE);
	bill_free(&bill);
	rest = str_of(p->text.p);
	memset(v->found, 0, sizeof(v->found));
	while (rest.n) {
		struct json_value row, status;
		struct json_error e;

		must(json_valid(str_cut(&rest, '\n'), &row, &e));
		status = json_get(row, "status");
		for (int k = 1; k < INJECTED_KINDS; k++) {
			if (!json_str_eq(status.raw, str_of(injected_name[k])))
				continue;
			v->found[k]++;
			see(v, row, (enum injected)k);
		}
	}
}
