/*
 * Holds against a plain model: random sequences of everything an owner, a
 * dying owner and the writer may do, one after the other; after each step
 * every counter is what simple sums say.
 */
#include "tests/crash/mini_writer.h"
#include "tests/unit/shm/bench.h"

#define COUNTERS 4
#define RUNNING	 12
#define STEPS	 20000

enum stage { GONE, HELD, SETTLED, GIVEN };

struct model_hold {
	struct hold h;
	enum stage stage;
	uint32_t ctr[COUNTERS]; /* places in `counters` */
	uint32_t k;
	int64_t total, delivered, cost, up_cost;
	bool sent;
};

struct play {
	struct bench b;
	uint64_t random;
	int64_t balance[COUNTERS]; /* posted */
	struct model_hold hold[RUNNING];
};

static uint32_t
counter_at(uint32_t place)
{
	const uint32_t counters[COUNTERS] = {BUDGET, ACCOUNT, PARENT, CAP};

	return counters[place];
}

static uint32_t
draw(struct play *p, uint32_t n)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (uint32_t)(p->random >> 32) % n;
}

static int64_t
cost_on(const struct model_hold *m, uint32_t i)
{
	return counter_at(m->ctr[i]) == CAP ? m->up_cost : m->cost;
}

/* Balance less what is held, less what is settled and not yet posted. */
static int64_t
expected(const struct play *p, uint32_t place)
{
	int64_t sum = p->balance[place];

	for (uint32_t n = 0; n < RUNNING; n++) {
		const struct model_hold *m = &p->hold[n];

		for (uint32_t i = 0; i < m->k; i++) {
			if (m->ctr[i] == place &&
			    (m->stage == HELD || m->stage == SETTLED))
				sum -= m->total;
		}
	}
	return sum;
}

static void
post(struct play *p, const struct model_hold *m, int sign)
{
	for (uint32_t i = 0; i < m->k; i++)
		p->balance[m->ctr[i]] += sign * cost_on(m, i);
}

static void
take(struct play *p, struct model_hold *m)
{
	struct hold_spec spec = {.amount = money_nano(draw(p, 400))};
	uint32_t first = draw(p, COUNTERS);
	bool fits = true;

	spec.k = draw(p, COUNTERS + 1);
	for (uint32_t i = 0; i < spec.k; i++) {
		m->ctr[i] = (first + i) % COUNTERS;
		spec.ctr[i] = counter_at(m->ctr[i]);
		fits = fits && expected(p, m->ctr[i]) >= spec.amount.nano;
	}
	m->k = spec.k;
	CHECK_INT(hold_claim(p->b.o, &m->h), E_OK);
	CHECK_INT(hold_take(p->b.o, &m->h, &spec), fits ? E_OK : E_BALANCE);
	m->stage = fits ? HELD : GONE;
	m->total = spec.amount.nano;
	m->delivered = 0;
}

static void
extend(struct play *p, struct model_hold *m)
{
	int64_t more = draw(p, 200);
	bool fits = true;

	for (uint32_t i = 0; i < m->k; i++)
		fits = fits && expected(p, m->ctr[i]) >= more;
	fits = fits || more == 0;
	CHECK_INT(hold_extend(p->b.o, &m->h, money_nano(m->total + more)),
		  fits);
	m->total += fits ? more : 0;
	CHECK_INT(hold_total(p->b.o, &m->h).nano, m->total);
}

static void
settle(struct play *p, struct model_hold *m)
{
	m->cost = draw(p, (uint32_t)m->total + 1);
	m->up_cost = draw(p, (uint32_t)m->total + 1);
	m->sent = draw(p, 2);
	hold_settle(p->b.o, &m->h, money_nano(m->cost), money_nano(m->up_cost),
		    REASON_NORMAL, m->sent);
	m->stage = SETTLED;
}

static void
commit(struct play *p, struct model_hold *m)
{
	commit_one(&p->b, m->h.slot, false);
	post(p, m, -1);
	m->stage = m->sent ? GONE : GIVEN;
}

static void
finish(struct play *p, struct model_hold *m)
{
	uint32_t slot = m->h.slot;

	if (draw(p, 2)) {
		hold_sent(p->b.o, &m->h);
	} else {
		hold_not_sent(p->b.o, &m->h);
		commit_one(&p->b, slot, false);
		post(p, m, 1);
	}
	CHECK_INT(word_state(p->b.r.slots[slot].word), SLOT_FREE);
	m->stage = GONE;
}

static void
step(struct play *p, struct model_hold *m)
{
	switch (m->stage) {
	case GONE: take(p, m); break;
	case HELD:
		m->delivered = draw(p, (uint32_t)m->total + 1);
		hold_meter(p->b.o, &m->h, money_nano(m->total),
			   money_nano(m->delivered));
		if (draw(p, 2))
			extend(p, m);
		else
			settle(p, m);
		break;
	case SETTLED: commit(p, m); break;
	case GIVEN: finish(p, m); break;
	}
}

/* All at once: the worker dies, is reaped, and another one takes its place. */
static void
die(struct play *p)
{
	struct bench *b = &p->b;

	b->r.workers[b->row].state = WORKER_DEAD;
	while (mini_reap_worker(&b->r, b->row) > 0) {
		for (uint32_t i = 0; i < b->r.head->n_slots; i++)
			commit_one(b, i, true);
	}
	for (uint32_t i = 0; i < RUNNING; i++) {
		struct model_hold *m = &p->hold[i];

		if (m->stage == HELD) {
			m->cost = m->delivered;
			m->up_cost = m->delivered;
			post(p, m, -1);
		}
		if (m->stage == SETTLED && m->sent)
			post(p, m, -1);
		if (m->stage == GIVEN)
			post(p, m, 1);
		m->stage = GONE;
	}
	b->r.workers[b->row].state = WORKER_UNUSED;
	slot_owner_free(b->o);
	b->row = worker_row_take(&b->r, 1, 0);
	b->o = slot_owner_new(&b->r, b->row, b->r.workers[b->row].spawn_epoch);
	must(b->o);
}

static void
topup(struct play *p)
{
	uint32_t place = draw(p, COUNTERS), ctr = counter_at(place), slot;
	int64_t nano = (int64_t)draw(p, 800) - 300;

	slot = own_claim(&p->b.r, SLOT_TOPUP, 1, &ctr, 1, money_nano(nano));
	CHECK(slot != SHM_NONE);
	commit_one(&p->b, slot, false);
	p->balance[place] += nano;
}

static bool
agrees(const struct play *p)
{
	for (uint32_t i = 0; i < COUNTERS; i++) {
		CHECK_INT(available(&p->b, counter_at(i)), expected(p, i));
		if (tap_case_bad)
			return false;
	}
	return true;
}

TEST(counters_are_what_plain_sums_say_after_every_step)
{
	struct play p = {.random = 88172645463325252u};

	bench_open(&p.b, 2);
	for (uint32_t i = 0; i < COUNTERS; i++)
		p.balance[i] = 1000;
	for (uint32_t n = 0; n < STEPS && agrees(&p); n++) {
		uint32_t what = draw(&p, 100);

		if (what == 0)
			die(&p);
		else if (what < 6)
			topup(&p);
		else
			step(&p, &p.hold[draw(&p, RUNNING)]);
	}
	die(&p);
	CHECK(agrees(&p));
	for (uint32_t i = 0; i < p.b.r.head->n_slots; i++)
		CHECK_INT(word_state(p.b.r.slots[i].word), SLOT_FREE);
	bench_close(&p.b);
}

int
main(void)
{
	RUN(counters_are_what_plain_sums_say_after_every_step);
	return tap_done();
}
