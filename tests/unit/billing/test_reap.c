/* What the writer does after the death of a worker. */
#include "billing/rules.h"
#include "shm/channels.h"
#include "shm/metrics.h"
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

/* Reaps and commits until nothing changes. */
static void
reap_all(struct desk *d)
{
	for (int i = 0; i < 4; i++) {
		(void)reap_rows(&d->reaper);
		CHECK_INT(desk_settle(d), STORE_OK);
	}
}

TEST(every_state_of_a_dead_worker_ends_free)
{
	struct desk d;
	struct slot_owner *w;
	struct hold claimed, held, sent, unsent;
	uint32_t row;

	desk_open(&d);
	w = fix_worker(&d.f, &row);
	CHECK_INT(hold_claim(w, &claimed), E_OK);
	CHECK(fix_hold(w, &held, 0, 0, USD));
	hold_meter(w, &held, money_nano(20), money_nano(10));
	CHECK(fix_hold(w, &sent, 0, 0, USD));
	hold_settle(w, &sent, money_nano(100), money_nano(0), REASON_NORMAL,
		    true);
	CHECK(fix_hold(w, &unsent, 0, 0, USD));
	hold_settle(w, &unsent, money_nano(1000), money_nano(0), REASON_NORMAL,
		    false);
	d.r->workers[row].state = WORKER_DEAD;
	CHECK(!reap_rows(&d.reaper)); /* not without a commit */
	CHECK(!reap_all_gone(&d.reaper));
	reap_all(&d);
	CHECK_INT(d.r->workers[row].state, WORKER_UNUSED);
	CHECK(reap_all_gone(&d.reaper));
	CHECK_INT(fix_available(&d.f, 0), 10 * USD - 110);
	CHECK_INT(fix_available(&d.f, counter_of_key(0)), 3 * USD - 110);
	CHECK_INT(metrics_of_writer(d.r)->cell[M_HOLDS_REAPED], 1);
	CHECK(audit_run(&d.audit));
	slot_owner_free(w);
	desk_close(&d);
}

/* 2.50 USD per million: 2500 nano a token. */
static void
store_price(struct desk *d)
{
	struct book_row row = {.name = "m"};

	row.input.pico = row.output.pico = 2500000;
	CHECK_INT(post_begin(&d->post), STORE_OK);
	CHECK_INT(price_put(d->ledger, 1, &row, 1, 0), STORE_OK);
	d->post.meta.n_prices = 1;
	CHECK_INT(post_commit(&d->post), STORE_OK);
}

static struct entry
last_entry(struct desk *d)
{
	struct str value;
	struct entry e = {0};

	CHECK_INT(ledger_begin(d->ledger), STORE_OK);
	if (ledger_get(d->ledger, TABLE_ENTRY, d->post.meta.next_seq - 1,
		       &value) == STORE_OK)
		memcpy(&e, value.p, sizeof(e));
	ledger_end(d->ledger);
	return e;
}

/* The money that the worker had stored is of a moment before. */
TEST(a_dead_workers_request_pays_the_tokens_that_were_delivered)
{
	static const struct {
		uint64_t delivered;
		int64_t stored, charge;
		uint8_t source;
	} cases[] = {
		{7ull << 32 | 3, 0, 25000, USAGE_ESTIMATED},
		{7ull << 32 | 3, USD, 25000, USAGE_ESTIMATED},
		{0, 500, 0, USAGE_NONE},
		{4000ull << 32 | 400000, 0, USD, USAGE_ESTIMATED}, /* hold */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct desk d;
		struct slot_owner *w;
		struct hold h;
		struct entry e;
		uint32_t row;

		desk_open(&d);
		store_price(&d);
		w = fix_worker(&d.f, &row);
		CHECK(fix_hold(w, &h, 0, 0, USD));
		d.r->slots[h.slot].price_version = 1;
		d.r->slots[h.slot].model = 0;
		hold_note(w, &h)->multiplier_ppm = PPM_ONE;
		hold_note(w, &h)->delivered = cases[i].delivered;
		hold_note(w, &h)->tokens.input = 99; /* never settled */
		hold_note(w, &h)->flags = NOTE_OVER_HOLD;
		hold_meter(w, &h, money_nano(USD), money_nano(cases[i].stored));
		d.r->workers[row].state = WORKER_DEAD;
		reap_all(&d);
		e = last_entry(&d);
		CHECK_INT(e.charge_nano, cases[i].charge);
		CHECK_INT(e.rule, RULE_REAPED);
		CHECK_INT(e.reason, REASON_REAPED);
		CHECK_INT(e.usage_source, cases[i].source);
		CHECK_INT(e.tokens.input, cases[i].delivered >> 32);
		CHECK_INT(e.tokens.output, (uint32_t)cases[i].delivered);
		CHECK_INT(e.flags & NOTE_OVER_HOLD, 0);
		slot_owner_free(w);
		desk_stop(&d);
		CHECK_INT(fix_verify(&d.f, true), VERIFY_BALANCED);
		fix_close(&d.f);
	}
}

TEST(the_slots_of_the_living_are_not_touched)
{
	struct desk d;
	struct slot_owner *w[2];
	struct hold h[2];
	uint32_t row[2];

	desk_open(&d);
	for (int i = 0; i < 2; i++) {
		w[i] = fix_worker(&d.f, &row[i]);
		CHECK(fix_hold(w[i], &h[i], 0, SHM_NONE, USD));
	}
	d.r->workers[row[0]].state = WORKER_DEAD;
	reap_all(&d);
	CHECK_INT(d.r->workers[row[1]].state, WORKER_READY);
	CHECK_INT(word_state(d.r->slots[h[1].slot].word), SLOT_HELD);
	CHECK_INT(fix_available(&d.f, 0), 9 * USD);
	slot_owner_free(w[0]);
	slot_owner_free(w[1]);
	desk_close(&d);
}

TEST(a_row_whose_process_is_gone_becomes_dead)
{
	struct desk d;
	struct slot_owner *w;
	uint32_t row;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	desk_open(&d);
	w = fix_worker(&d.f, &row);
	d.r->workers[row].pid = (uint32_t)pid;
	/* A zombie may still be asked for by its parent. */
	reap_look_for_dead(&d.reaper);
	CHECK_INT(d.r->workers[row].state, WORKER_READY);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	reap_look_for_dead(&d.reaper);
	CHECK_INT(d.r->workers[row].state, WORKER_DEAD);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(counts_are_not_healed_while_a_worker_does_not_turn)
{
	struct desk d;
	struct slot_owner *w[2];
	uint32_t row[2];
	_Atomic int32_t *running;

	desk_open(&d);
	running = &d.r->keys[0].limits.running;
	w[0] = fix_worker(&d.f, &row[0]);
	w[1] = fix_worker(&d.f, &row[1]);
	*running = 5;
	d.r->workers[row[0]].state = WORKER_DEAD;
	CHECK(reap_rows(&d.reaper));
	for (int i = 0; i < 1200; i++) {
		reap_heal(&d.reaper);
		fix_pause();
	}
	CHECK_INT(*running, 5);
	d.r->workers[row[1]].heartbeat_ns++;
	reap_heal(&d.reaper);
	CHECK_INT(*running, 0);
	slot_owner_free(w[0]);
	slot_owner_free(w[1]);
	desk_close(&d);
}

/* The row of the n-th of channels that are there. */
static struct channel_row *
a_channel(struct desk *d, uint32_t n)
{
	char name[CHANNEL_NAME];
	uint32_t row = SHM_NONE;

	for (uint32_t i = 0; i <= n; i++) {
		(void)snprintf(name, sizeof(name), "c%" PRIu32, i);
		row = channel_bind(d->r, str_of(name));
	}
	CHECK_INT(row, n);
	return &d->r->channels[row];
}

TEST(attempts_of_the_dead_are_taken_off_their_channel)
{
	struct desk d;
	struct slot_owner *w[2];
	struct hold h[2];
	uint32_t row[2];
	struct channel_row *c;

	desk_open(&d);
	c = a_channel(&d, 3);
	for (int i = 0; i < 2; i++) {
		w[i] = fix_worker(&d.f, &row[i]);
		CHECK(fix_hold(w[i], &h[i], 0, 0, USD));
		hold_note(w[i], &h[i])->attempt = 3 + 1;
		CHECK(channel_enter(c, 0));
	}
	CHECK(channel_enter(c, 0)); /* died before it said so */
	CHECK_INT(c->in_flight, 3);
	d.r->workers[row[0]].state = WORKER_DEAD;
	reap_all(&d);
	reap_heal(&d.reaper);
	for (int i = 0; i < 1100; i++)
		fix_pause();
	d.r->workers[row[1]].heartbeat_ns++;
	reap_heal(&d.reaper);
	CHECK_INT(c->in_flight, 1);
	/* One too few was left: never below zero. */
	channel_leave(c, 0);
	channel_leave(c, 0);
	CHECK_INT(c->in_flight, 0);
	slot_owner_free(w[0]);
	slot_owner_free(w[1]);
	desk_close(&d);
}

TEST(a_new_writer_heals_what_the_one_before_it_had_not)
{
	struct desk d;
	struct slot_owner *w;
	uint32_t row;
	struct channel_row *c;

	desk_open(&d);
	c = a_channel(&d, 0);
	w = fix_worker(&d.f, &row);
	d.r->accounts[0].limits.running = 2;
	c->in_flight = 7;
	reap_heal(&d.reaper);
	for (int i = 0; i < 1100; i++)
		fix_pause();
	d.r->workers[row].heartbeat_ns++;
	reap_heal(&d.reaper);
	CHECK_INT(d.r->accounts[0].limits.running, 0);
	CHECK_INT(c->in_flight, 0);
	slot_owner_free(w);
	desk_close(&d);
}

int
main(void)
{
	RUN(every_state_of_a_dead_worker_ends_free);
	RUN(a_dead_workers_request_pays_the_tokens_that_were_delivered);
	RUN(the_slots_of_the_living_are_not_touched);
	RUN(a_row_whose_process_is_gone_becomes_dead);
	RUN(counts_are_not_healed_while_a_worker_does_not_turn);
	RUN(attempts_of_the_dead_are_taken_off_their_channel);
	RUN(a_new_writer_heals_what_the_one_before_it_had_not);
	return tap_done();
}
