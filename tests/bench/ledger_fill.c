/*
 * Makes a ledger with many entries, through the writer's own code but in
 * large commits: ledger_fill STATE_DIR ENTRIES. Forty days, a thousand
 * accounts, two thousand keys, forty models, some errors and reversals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/must.h"
#include "billing/post.h"
#include "billing/price.h"
#include "billing/writer.h"
#include "conf/conf.h"

#define ACCOUNTS 1000u
#define KEYS	 2000u
#define MODELS	 40u
#define SLOTS	 4096u
#define BEGIN_MS 1735689600000ull /* 2025-01-01T00:00:00Z */
#define SPAN_MS	 (40ull * 24 * 3600 * 1000)

struct fill {
	struct post post;
	struct book_row rows[MODELS];
	uint32_t channel[4];
	uint32_t gen[SLOTS];
	uint64_t random;
	uint64_t n, wanted;
};

static uint32_t
pick(struct fill *f, uint32_t below)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (uint32_t)((f->random >> 20) % below);
}

static void
begin(struct fill *f)
{
	must(post_begin(&f->post) == STORE_OK);
	f->post.now_ms = BEGIN_MS + (uint64_t)((double)SPAN_MS * (double)f->n /
					       (double)f->wanted);
}

static void
put_account(struct fill *f, uint32_t id)
{
	struct account_record a = {
		.flags = ACCOUNT_LIVE,
		.parent = SHM_NONE,
		.created_ms = BEGIN_MS,
	};

	(void)snprintf(a.name, sizeof(a.name), "customer-%u", id);
	must(record_put(f->post.ledger, TABLE_ACCOUNT, id, &a, sizeof(a)) ==
	     STORE_OK);
}

static void
put_key(struct fill *f, uint32_t id)
{
	struct key_record k = {
		.flags = KEY_LIVE,
		.account = id % ACCOUNTS,
		.created_ms = BEGIN_MS,
	};

	(void)snprintf(k.name, sizeof(k.name), "key-%u", id);
	(void)snprintf(k.prefix, sizeof(k.prefix), "tg_%05u", id);
	memcpy(k.hash, &id, sizeof(id));
	must(key_put(f->post.ledger, id, &k) == STORE_OK);
}

static void
put_books(struct fill *f)
{
	char name[32];

	begin(f);
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		put_account(f, i);
	for (uint32_t i = 0; i < KEYS; i++)
		put_key(f, i);
	for (uint32_t i = 0; i < MODELS; i++) {
		struct book_row *r = &f->rows[i];

		(void)snprintf(r->name, sizeof(r->name), "model-%u", i);
		r->input.pico = 2500000 + 1000 * i;
		r->cache_read.pico = 1250000;
		r->cache_write.pico = 2500000;
		r->output.pico = 10000000 + 3000 * i;
		r->reasoning.pico = r->output.pico;
	}
	must(price_put(f->post.ledger, 1, f->rows, MODELS, BEGIN_MS) ==
	     STORE_OK);
	f->post.meta.n_accounts = ACCOUNTS;
	f->post.meta.n_keys = KEYS;
	f->post.meta.n_prices = 1;
	f->post.meta.epoch = 1;
	for (unsigned i = 0; i < ARRAY_LEN(f->channel); i++) {
		(void)snprintf(name, sizeof(name), "channel-%u", i);
		must(post_name(&f->post, str_of(name), &f->channel[i]) ==
		     STORE_OK);
	}
	must(post_commit(&f->post) == STORE_OK);
}

static struct entry
topup(uint32_t account)
{
	return (struct entry){
		.kind = KIND_TOPUP,
		.moves = MOVES_ACCOUNT,
		.slot = SHM_NONE,
		.account = account,
		.parent = SHM_NONE,
		.key = SHM_NONE,
		.charge_nano = -1000000000000,
	};
}

static struct entry
request(struct fill *f)
{
	uint32_t key = pick(f, KEYS), slot = pick(f, SLOTS);
	uint32_t model = pick(f, MODELS);
	struct money price;
	struct entry e = {
		.kind = KIND_REQUEST,
		.moves = MOVES_ACCOUNT,
		.epoch = 1,
		.slot = slot,
		.gen = ++f->gen[slot],
		.account = key % ACCOUNTS,
		.parent = SHM_NONE,
		.key = key,
		.channel = f->channel[model % ARRAY_LEN(f->channel)],
		.price_version = 1,
		.multiplier_ppm = 600000,
		.model = (uint16_t)model,
		.status = 200,
		.attempts = 1,
		.flags = NOTE_STREAM,
		.usage_source = USAGE_UPSTREAM,
		.endpoint = ENDPOINT_CHAT,
		.rule = 1,
		.tokens = {100 + pick(f, 4000), pick(f, 2000), 0,
			   10 + pick(f, 1000), 0, 0},
		.duration_us = 200000 + pick(f, 30000000),
		.first_byte_us = 100000 + pick(f, 90000),
	};

	must(price_of(&f->rows[model], &e.tokens, e.multiplier_ppm, &price));
	e.charge_nano = price.nano;
	e.hold_nano = 2 * price.nano;
	e.upstream_nano = price.nano / 2;
	e.start_ms = f->post.now_ms - e.duration_us / 1000;
	memcpy(e.request_id, &f->random, sizeof(f->random));
	return e;
}

static void
put(struct fill *f, struct entry e)
{
	must(post_entry(&f->post, &e) == STORE_OK);
	if (e.slot != SHM_NONE)
		post_settled(&f->post, &e);
	f->n++;
}

/* POST_GROUP at most in one transaction. */
static void
fill(struct fill *f)
{
	while (f->n < f->wanted) {
		begin(f);
		for (unsigned i = 0; i < POST_GROUP && f->n < f->wanted; i++)
			put(f, f->n < ACCOUNTS ? topup((uint32_t)f->n)
					       : request(f));
		must(post_commit(&f->post) == STORE_OK);
	}
}

int
main(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	static struct fill f;
	struct conf conf;
	struct ledger *l;

	must(argc == 3);
	log_open("fill", NULL, LOG_LEVEL_ERROR);
	memset(&conf, 0, sizeof(conf));
	conf.state_dir = str_of(argv[1]);
	conf.ledger.map_size = 64ull << 30;
	f.random = 88172645463325252ull;
	must(str_to_u64(str_of(argv[2]), &f.wanted));
	if (!writer_prepare(&conf, &why) ||
	    ledger_open(&l, argv[1], LEDGER_WRITE, conf.ledger.map_size,
			&why) != STORE_OK ||
	    post_load(&f.post, l, SLOTS, &why) != STORE_OK) {
		(void)fprintf(stderr, "ledger_fill: %.*s\n",
			      STR_ARG(buf_str(&why)));
		return 1;
	}
	put_books(&f);
	fill(&f);
	begin(&f);
	f.post.meta.clean = 1;
	must(post_commit(&f.post) == STORE_OK);
	post_free(&f.post);
	ledger_close(l);
	return 0;
}
