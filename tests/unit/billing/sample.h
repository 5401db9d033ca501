#pragma once
/*
 * A small ledger whose every byte but its uuid is fixed: two accounts, one
 * of them the other's parent, a key with a budget, a price book, top-ups,
 * requests that went well and badly, a reversal, a refund.
 */
#include <string.h>

#include "billing/post.h"
#include "billing/price.h"
#include "billing/records.h"
#include "billing/rules.h"
#include "billing/slot_entry.h"
#include "shm/slots.h"
#include "tests/unit/billing/fixture.h"

#define SAMPLE_T0      1763640000000ull /* 2025-11-20T12:00:00Z */
#define SAMPLE_ENTRIES 9u

struct sample {
	struct fixture f;
	struct ledger *ledger;
	struct post post;
};

static inline void
sample_put(struct sample *s, struct entry *e, uint64_t ms)
{
	must(post_begin(&s->post) == STORE_OK);
	s->post.now_ms = SAMPLE_T0 + ms;
	must(post_entry(&s->post, e) == STORE_OK);
	if (e->slot != SHM_NONE)
		post_settled(&s->post, e);
	must(post_commit(&s->post) == STORE_OK);
}

static inline void
sample_account(struct sample *s, uint32_t id, const char *name, uint32_t parent)
{
	struct account_record a;

	memset(&a, 0, sizeof(a));
	a.flags = ACCOUNT_LIVE;
	a.parent = parent;
	a.created_ms = SAMPLE_T0;
	(void)str_copy(a.name, sizeof(a.name), str_of(name));
	must(record_put(s->ledger, TABLE_ACCOUNT, id, &a, sizeof(a)) ==
	     STORE_OK);
	s->post.meta.n_accounts = id + 1;
}

static inline struct book_row
sample_price(void)
{
	struct book_row row;

	memset(&row, 0, sizeof(row));
	(void)strcpy(row.name, "gpt-4o");
	row.input.pico = 2500000; /* 2.50 USD per million */
	row.cache_read.pico = 1250000;
	row.cache_write.pico = 2500000;
	row.output.pico = 10000000;
	row.reasoning.pico = 10000000;
	return row;
}

static inline void
sample_books(struct sample *s)
{
	struct book_row row = sample_price();
	struct key_record k;
	struct idem_record i;
	struct cap_record cap;
	struct refunded_record r;
	struct code_record c;
	struct code_use_record u;
	uint8_t idem[LEDGER_IDEM_KEY] = {1};

	must(post_begin(&s->post) == STORE_OK);
	sample_account(s, 0, "org, \"main\"", SHM_NONE);
	sample_account(s, 1, "=cmd()", 0);
	memset(&k, 0, sizeof(k));
	k.flags = KEY_LIVE | KEY_BUDGET;
	k.account = 1;
	memset(k.hash, 3, sizeof(k.hash));
	(void)strcpy(k.name, "laptop");
	(void)strcpy(k.prefix, "tg_Ab3x");
	must(key_put(s->ledger, 0, &k) == STORE_OK);
	s->post.meta.n_keys = 1;
	must(price_put(s->ledger, 1, &row, 1, SAMPLE_T0) == STORE_OK);
	s->post.meta.n_prices = 1;
	s->post.meta.epoch = 1;
	memset(&cap, 0, sizeof(cap));
	(void)strcpy(cap.channel, "openai-main");
	must(cap_put(s->ledger, 0, &cap) == STORE_OK);
	cap.kind = CAP_CREDENTIAL;
	(void)strcpy(cap.name, "second");
	must(cap_put(s->ledger, 1, &cap) == STORE_OK);
	memset(&r, 0, sizeof(r));
	must(record_put(s->ledger, TABLE_REFUNDED, 1, &r, sizeof(r)) ==
	     STORE_OK);
	memset(&c, 0, sizeof(c));
	memset(c.hash, 5, sizeof(c.hash));
	must(record_put(s->ledger, TABLE_CODE, code_key(c.hash), &c,
			sizeof(c)) == STORE_OK);
	memset(&u, 0, sizeof(u));
	must(record_put(s->ledger, TABLE_CODE_USE, 1, &u, sizeof(u)) ==
	     STORE_OK);
	memset(&i, 0, sizeof(i));
	idem_seal(idem, &i);
	must(ledger_idem_put(s->ledger, idem,
			     str_make((const char *)&i, sizeof(i))) ==
	     STORE_OK);
	must(post_commit(&s->post) == STORE_OK);
}

static inline struct entry
sample_money(enum entry_kind kind, uint32_t account, int64_t charge)
{
	return (struct entry){
		.kind = (uint8_t)kind,
		.moves = MOVES_ACCOUNT,
		.slot = SHM_NONE,
		.account = account,
		.parent = SHM_NONE,
		.key = SHM_NONE,
		.charge_nano = charge,
	};
}

static inline struct entry
sample_request(struct sample *s, uint32_t slot, uint32_t gen, uint8_t id)
{
	struct book_row row = sample_price();
	struct money price;
	struct entry e = {
		.kind = KIND_REQUEST,
		.moves = MOVES_ACCOUNT | MOVES_PARENT | MOVES_KEY,
		.epoch = 1,
		.slot = slot,
		.gen = gen,
		.account = 1,
		.parent = 0,
		.key = 0,
		.price_version = 1,
		.multiplier_ppm = 600000,
		.status = 200,
		.attempts = 1,
		.flags = NOTE_STREAM,
		.usage_source = USAGE_UPSTREAM,
		.endpoint = ENDPOINT_CHAT,
		.rule = RULE_USAGE,
		.tokens = {1000, 200, 0, 300, 7, 0},
		.hold_nano = 50000000,
		.start_ms = SAMPLE_T0 + 1000 - 100 * gen,
		.first_byte_us = 123456,
		.duration_us = 2000001,
	};

	must(price_of(&row, &e.tokens, e.multiplier_ppm, &price));
	e.charge_nano = price.nano;
	e.upstream_nano = price.nano + 5;
	e.absorbed_nano = 5;
	memset(e.request_id, id, sizeof(e.request_id));
	must(post_begin(&s->post) == STORE_OK);
	must(post_name(&s->post, STR("openai-main"), &e.channel) == STORE_OK);
	must(post_name(&s->post, STR("gpt-4o-2024-11-20"), &e.served) ==
	     STORE_OK);
	must(post_name(&s->post, STR("openai"), &e.provider) == STORE_OK);
	must(post_commit(&s->post) == STORE_OK);
	return e;
}

/* A lost attempt of the request of this id; on a capped channel or not. */
static inline void
sample_leg(struct sample *s, uint8_t id, int64_t nano, uint8_t moves)
{
	struct entry e = sample_request(s, SHM_NONE, 0, id);

	e.kind = KIND_ATTEMPT;
	e.moves = moves;
	e.flags = NOTE_LOST;
	e.rule = 0;
	e.charge_nano = 0;
	e.upstream_nano = nano;
	e.absorbed_nano = 0;
	e.tokens = (struct token_counts){0};
	sample_put(s, &e, 94000);
}

static inline void
sample_entries(struct sample *s)
{
	struct entry e, original;

	e = sample_money(KIND_TOPUP, 0, -100000000000);
	e.ref = 42;
	sample_put(s, &e, 1); /* 1 */
	e = sample_money(KIND_TOPUP, 1, -20000000000);
	sample_put(s, &e, 2); /* 2 */
	e = sample_money(KIND_LIMIT, 1, -5000000000);
	e.moves = MOVES_KEY;
	e.key = 0;
	sample_put(s, &e, 3); /* 3 */
	e = sample_request(s, 5, 1, 0xaa);
	sample_put(s, &e, 3000);	   /* 4 */
	e = sample_request(s, 5, 2, 0xbb); /* began before the one above */
	sample_put(s, &e, 3001);	   /* 5 */
	original = sample_request(s, 6, 1, 0xcc);
	original.flags = 0;
	sample_put(s, &original, 3002); /* 6 */
	e = reversal_entry(&original);
	sample_put(s, &e, 3003); /* 7 */
	e = sample_request(s, 7, 1, 0xdd);
	e.status = 502;
	e.error_type = 1;
	e.rule = RULE_NOTHING;
	e.reason = REASON_UPSTREAM;
	e.tokens = (struct token_counts){0};
	e.usage_source = USAGE_NONE;
	e.charge_nano = 0;
	e.upstream_nano = 0;
	e.absorbed_nano = 0;
	e.first_byte_us = 0;
	e.served = 0;
	sample_put(s, &e, 90000); /* 8 */
	e = sample_money(KIND_REFUND, 0, 30000000000);
	e.ref = 1;
	sample_put(s, &e, 90001); /* 9 */
}

/* The ledger is open for writing until sample_read(). */
static inline void
sample_open(struct sample *s)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	memset(s, 0, sizeof(*s));
	log_open("test", "/dev/null", LOG_LEVEL_ERROR);
	fix_dir(&s->f);
	must(ledger_open(&s->ledger, s->f.dir, LEDGER_WRITE, FIX_MAP, &why) ==
	     STORE_OK);
	must(post_load(&s->post, s->ledger, 1024, &why) == STORE_OK);
	sample_books(s);
	sample_entries(s);
}

static inline void
sample_read(struct sample *s)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	post_free(&s->post);
	ledger_close(s->ledger);
	must(ledger_open(&s->ledger, s->f.dir, LEDGER_READ, 0, &why) ==
	     STORE_OK);
}

static inline void
sample_close(struct sample *s)
{
	post_free(&s->post);
	ledger_close(s->ledger);
	fix_remove(s->f.dir);
}
