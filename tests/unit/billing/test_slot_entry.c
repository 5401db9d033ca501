/* From slot to entry: every field arrives, nonsense does not. */
#include "billing/slot_entry.h"
#include "shm/channels.h"
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

static struct note *
describe(struct desk *d, uint32_t slot)
{
	struct note *n = &d->r->notes[slot];

	memset(n, 0, sizeof(*n));
	n->start_ms = 1000;
	n->first_byte_us = 11;
	n->duration_us = 22;
	n->account = 0;
	n->parent = 1;
	n->key = 0;
	n->multiplier_ppm = 600000;
	n->channel = 3;
	n->status = 200;
	n->error_type = 4;
	n->endpoint = ENDPOINT_CHAT;
	n->usage_source = USAGE_UPSTREAM;
	n->flags = NOTE_STREAM;
	n->attempts = 2;
	n->tokens = (struct token_counts){1, 2, 3, 4, 5, 6};
	n->upstream_nano = 70;
	memset(n->request_id, 6, sizeof(n->request_id));
	n->upstream_id_len = 5;
	memcpy(n->upstream_id, "abcde", 5);
	n->upstream_id_hash = 7;
	n->served_len = 6;
	memcpy(n->served, "gpt-4o", 6);
	(void)strcpy(d->r->channels[3].name, "openai-main");
	return n;
}

/* A held slot on account 0, its parent 1 and key 0, then settled at 40. */
static uint32_t
hold_and_settle(struct desk *d, struct slot_owner *w)
{
	struct hold_spec spec = {
		.ctr = {counter_of_key(0), counter_of_account(0),
			counter_of_account(1)},
		.k = 3,
		.amount = {100},
		.price_version = 8,
		.model = 9,
	};
	struct hold h;
	uint32_t slot;

	must(hold_claim(w, &h) == E_OK);
	slot = h.slot;
	(void)describe(d, slot);
	must(hold_take(w, &h, &spec) == E_OK);
	hold_settle(w, &h, money_nano(40), money_nano(0), REASON_AT_HOLD, true);
	return slot;
}

static bool
entry_of(struct desk *d, uint32_t slot, struct entry *e)
{
	enum store s;
	bool sane;

	must(post_begin(&d->post) == STORE_OK);
	sane = slot_entry(d->r, &d->post, slot, e, &s);
	CHECK_INT(s, STORE_OK);
	must(post_commit(&d->post) == STORE_OK);
	return sane;
}

TEST(every_field_of_slot_and_note_is_in_the_entry)
{
	struct desk d;
	struct slot_owner *w;
	struct entry e;
	uint32_t row, slot;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	slot = hold_and_settle(&d, w);
	CHECK(entry_of(&d, slot, &e));
	CHECK_INT(e.kind, KIND_REQUEST);
	CHECK_INT(e.moves, MOVES_ACCOUNT | MOVES_PARENT | MOVES_KEY);
	CHECK_INT(e.epoch, d.post.meta.epoch);
	CHECK_INT(e.slot, slot);
	CHECK_INT(e.gen, 0);
	CHECK_INT(e.hold_nano, 100);
	CHECK_INT(e.charge_nano, 40);
	CHECK_INT(e.upstream_nano, 70);
	CHECK_INT(e.absorbed_nano, 30);
	CHECK_INT(e.price_version, 8);
	CHECK_INT(e.model, 9);
	CHECK_INT(e.reason, REASON_AT_HOLD);
	CHECK_INT(e.multiplier_ppm, 600000);
	CHECK_INT(e.status, 200);
	CHECK_INT(e.error_type, 4);
	CHECK_INT(e.attempts, 2);
	CHECK_INT(e.dialect, 0);
	CHECK_INT(e.tokens.units, 6);
	CHECK_INT(e.tokens.reasoning, 5);
	CHECK_INT(e.start_ms, 1000);
	CHECK_INT(e.duration_us, 22);
	CHECK_INT(e.first_byte_us, 11);
	CHECK_INT(e.upstream_id_hash, 7);
	CHECK(memcmp(e.upstream_id, "abcde", 6) == 0);
	CHECK_STR(names_text(&d.post.names, e.channel), "openai-main");
	CHECK_STR(names_text(&d.post.names, e.served), "gpt-4o");
	slot_owner_free(w);
	desk_close(&d);
}

TEST(a_note_that_makes_no_sense_gives_no_entry)
{
	struct desk d;
	struct slot_owner *w;
	struct entry e;
	struct note *n;
	uint32_t row, slot;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	slot = hold_and_settle(&d, w);
	n = describe(&d, slot);
	n->account = 2;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->parent = SHM_ACCOUNTS;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->key = 1;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->account = 1; /* then counter 0 is nobody's */
	n->parent = SHM_NONE;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->served_len = 200;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->upstream_id_len = 41;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->upstream_nano = -1;
	CHECK(!entry_of(&d, slot, &e));
	n = describe(&d, slot);
	n->channel = 65535; /* none */
	CHECK(entry_of(&d, slot, &e));
	CHECK_INT(e.channel, 0);
	slot_owner_free(w);
	desk_close(&d);
}

/* A settled word on counters 0 and 1, k = 2. */
#define SETTLED (2ull << 8 | 7ull << 5 | SLOT_SETTLED)

TEST(words_and_costs_that_no_worker_writes_are_seen)
{
	struct desk d;
	struct slot *s;

	desk_open(&d);
	s = &d.r->slots[0];
	s->ctr[0] = 0;
	s->ctr[1] = 1;
	s->held[0] = 100;
	s->cost = 100;
	CHECK(slot_sane(d.r, 0, SETTLED));
	CHECK(!slot_sane(d.r, 0, SETTLED | 15)); /* state */
	CHECK(!slot_sane(d.r, 0, SETTLED | 7ull << 8));
	CHECK(!slot_sane(d.r, 0, SETTLED | 4ull << 12)); /* mask above k */
	CHECK(!slot_sane(d.r, 0, SETTLED | 4ull << 16)); /* ext above k */
	/* Where one counter was extended each total counts. */
	s->held[1] = 50;
	CHECK(!slot_sane(d.r, 0, SETTLED | 1ull << 16));
	s->cost = 101;
	CHECK(!slot_sane(d.r, 0, SETTLED));
	s->cost = -1;
	CHECK(!slot_sane(d.r, 0, SETTLED));
	s->cost = 0;
	s->ctr[1] = 0; /* twice */
	CHECK(!slot_sane(d.r, 0, SETTLED));
	s->ctr[1] = 2; /* no such account */
	CHECK(!slot_sane(d.r, 0, SETTLED));
	s->ctr[1] = counter_of_key(1);
	CHECK(!slot_sane(d.r, 0, SETTLED));
	s->ctr[1] = UINT32_MAX;
	CHECK(!slot_sane(d.r, 0, SETTLED));
	desk_close(&d);
}

TEST(a_reversal_undoes_the_charge_and_leaves_the_cost_to_the_operator)
{
	struct entry e = {
		.seq = 9,
		.kind = KIND_REQUEST,
		.moves = MOVES_ACCOUNT,
		.charge_nano = 40,
		.hold_nano = 100,
		.upstream_nano = 70,
		.absorbed_nano = 30,
		.tokens = {1, 2, 3, 4, 5, 0},
	};
	struct entry r = reversal_entry(&e);

	CHECK_INT(r.kind, KIND_REVERSAL);
	CHECK_INT(r.ref, 9);
	CHECK_INT(r.charge_nano, -40);
	CHECK_INT(r.moves, MOVES_ACCOUNT);
	CHECK_INT(r.upstream_nano, 0);
	CHECK_INT(e.absorbed_nano + r.absorbed_nano, 70);
	CHECK_INT(r.tokens.output, 0);
	CHECK_INT(r.reason, REASON_NOT_SENT);
}

int
main(void)
{
	RUN(every_field_of_slot_and_note_is_in_the_entry);
	RUN(a_note_that_makes_no_sense_gives_no_entry);
	RUN(words_and_costs_that_no_worker_writes_are_seen);
	RUN(a_reversal_undoes_the_charge_and_leaves_the_cost_to_the_operator);
	return tap_done();
}
