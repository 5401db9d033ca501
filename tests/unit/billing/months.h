#pragma once
/*
 * A ledger over two months for what is exported of them: usage at two price
 * versions with a price per request, two multipliers, charges that the hold
 * cut off, a reversal in the next month, and every movement of money. Account
 * 1 is prepaid and has account 0 for a parent; account 2 is postpaid.
 */
#include "billing/scan.h"
#include "tests/unit/billing/paper.h"

#define MONTHS_NOV 1761955200000ull /* 2025-11-01T00:00:00Z */
#define MONTHS_DEC 1764547200000ull
#define MONTHS_JAN 1767225600000ull
#define MONTHS_DAY 86400000ull

struct months {
	struct sample s;
	uint64_t seed;
	uint32_t slot;
};

static inline uint64_t
months_random(struct months *m, uint64_t limit)
{
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (m->seed >> 33) % limit;
}

static inline void
months_post(struct months *m, struct entry *e, uint64_t ms)
{
	must(post_begin(&m->s.post) == STORE_OK);
	m->s.post.now_ms = ms;
	must(post_entry(&m->s.post, e) == STORE_OK);
	must(post_commit(&m->s.post) == STORE_OK);
}

static inline void
months_money(struct months *m, enum entry_kind kind, uint32_t account,
	     int64_t charge, uint64_t ms)
{
	struct entry e = sample_money(kind, account, charge);

	must(post_begin(&m->s.post) == STORE_OK);
	must(post_name(&m->s.post, STR("a <note>"), &e.tokens.units) ==
	     STORE_OK);
	must(post_commit(&m->s.post) == STORE_OK);
	months_post(m, &e, ms);
}

/* In one commit, and with time between them. */
static inline struct entry
months_usage(struct months *m, uint32_t account, unsigned n, uint64_t ms)
{
	struct entry e = sample_request(&m->s, SHM_NONE, 0, 0);
	uint32_t version = m->s.post.meta.n_prices;
	struct entry last = {0};
	struct book_row *rows;
	uint32_t n_rows;

	must(post_begin(&m->s.post) == STORE_OK);
	must(price_get(m->s.ledger, version, &rows, &n_rows) == STORE_OK);
	for (unsigned i = 0; i < n; i++) {
		struct money price;

		last = e;
		last.account = account;
		last.parent = account == 1 ? 0 : SHM_NONE;
		last.key = account == 1 ? 0 : SHM_NONE;
		last.moves = account == 1 ? MOVES_ACCOUNT | MOVES_PARENT
					  : MOVES_ACCOUNT;
		last.price_version = version;
		last.multiplier_ppm = months_random(m, 2) ? 600000 : 1700001;
		last.tokens = (struct token_counts){
			(uint32_t)months_random(m, 3000),
			(uint32_t)months_random(m, 2) * 128,
			3,
			(uint32_t)months_random(m, 700) + 1,
			(uint32_t)months_random(m, 3) * 7,
			0};
		must(price_of(rows, &last.tokens, last.multiplier_ppm, &price));
		last.hold_nano = price.nano;
		if (i % 9 == 0) /* R14: the hold cut it off */
			last.hold_nano = price.nano / 3 + 1;
		last.charge_nano = MIN_OF(price.nano, last.hold_nano);
		last.upstream_nano = price.nano / 2;
		last.absorbed_nano =
			entry_absorbed(last.upstream_nano, last.charge_nano);
		memset(last.request_id, (int)(i + 1), 16);
		m->s.post.now_ms = ms + i * 977000;
		last.start_ms = m->s.post.now_ms - 1000;
		must(post_entry(&m->s.post, &last) == STORE_OK);
	}
	must(post_commit(&m->s.post) == STORE_OK);
	free(rows);
	return last;
}

static inline void
months_prices(struct months *m)
{
	struct book_row row = sample_price();

	row.output.pico = 12345678;
	row.per_request.nano = 1234567;
	must(post_begin(&m->s.post) == STORE_OK);
	must(price_put(m->s.ledger, ++m->s.post.meta.n_prices, &row, 1,
		       MONTHS_NOV) == STORE_OK);
	must(post_commit(&m->s.post) == STORE_OK);
}

static inline void
months_postpaid(struct months *m)
{
	struct account_record a;

	must(post_begin(&m->s.post) == STORE_OK);
	sample_account(&m->s, 2, "later ltd", SHM_NONE);
	must(record_get(m->s.ledger, TABLE_ACCOUNT, 2, &a, sizeof(a)) ==
	     STORE_OK);
	a.flags |= ACCOUNT_POSTPAID;
	must(record_put(m->s.ledger, TABLE_ACCOUNT, 2, &a, sizeof(a)) ==
	     STORE_OK);
	must(post_commit(&m->s.post) == STORE_OK);
}

/* Open for writing; sample_read() before reports. */
static inline void
months_open(struct months *m)
{
	struct entry last, back;

	memset(m, 0, sizeof(*m));
	m->seed = 11;
	sample_open(&m->s);
	months_postpaid(m);
	months_usage(m, 1, 40, MONTHS_NOV + 20 * MONTHS_DAY);
	months_prices(m);
	months_usage(m, 1, 60, MONTHS_NOV + 22 * MONTHS_DAY);
	months_usage(m, 2, 50, MONTHS_NOV + 23 * MONTHS_DAY);
	months_money(m, KIND_CREDIT, 1, -5000000000,
		     MONTHS_NOV + 24 * MONTHS_DAY);
	months_money(m, KIND_CREDIT, 2, -1000001, MONTHS_NOV + 24 * MONTHS_DAY);
	months_money(m, KIND_FEE, 1, 2000000000, MONTHS_NOV + 25 * MONTHS_DAY);
	months_money(m, KIND_FEE, 2, 3000000007, MONTHS_NOV + 25 * MONTHS_DAY);
	months_money(m, KIND_CORRECTION, 2, -10, MONTHS_NOV + 26 * MONTHS_DAY);
	months_money(m, KIND_TOPUP, 2, -500000000,
		     MONTHS_NOV + 26 * MONTHS_DAY);
	sample_leg(&m->s, 0x55, 4242, 0);
	last = months_usage(m, 1, 3, MONTHS_DEC - 5000000);
	back = reversal_entry(&last);
	months_post(m, &back, MONTHS_DEC + 60000);
	months_usage(m, 1, 30, MONTHS_DEC + MONTHS_DAY);
	months_money(m, KIND_REFUND, 1, 700000000, MONTHS_DEC + 2 * MONTHS_DAY);
}
