/* The worker of the directed-kill test: many requests at once, each a few
 * steps, in the order the loop comes by. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/caps.h"
#include "shm/counters.h"
#include "shm/workers.h"
#include "tests/crash/kill.h"

#define JOBS 24

enum phase { JOB_IDLE, JOB_TRIES, JOB_RUNS, JOB_WAITS };

struct job {
	struct hold hold, attempt;
	struct plan plan;
	struct leg leg; /* of the attempt */
	int64_t total;
	enum phase phase;
	uint32_t tried;
	bool cut;
};

struct worker {
	struct kill_shared *k;
	struct region *r;
	struct slot_owner *o;
	uint64_t random;
	struct job job[JOBS];
};

static uint32_t
mix(uint32_t slot, uint32_t gen)
{
	uint64_t x = (uint64_t)slot << 32 | gen;

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(x >> 32);
}

/* Half of the slots take their counters in the other order. */
static void
plan_counters(struct plan *p, uint32_t bits, bool backwards, bool caps)
{
	uint32_t account = bits % MINI_ACCOUNTS;
	uint32_t key = (bits >> 4) % MINI_KEYS;
	uint32_t cap = (bits >> 8) % MINI_CAPS;
	uint32_t some[SLOT_COUNTERS], n = 0;

	p->account = MINI_PARENTS + account;
	p->parent = bits >> 12 & 1 ? account % MINI_PARENTS : SHM_NONE;
	p->key = bits >> 13 & 1 ? key : SHM_NONE;
	some[n++] = counter_of_account(p->account);
	if (p->parent != SHM_NONE)
		some[n++] = counter_of_account(p->parent);
	if (p->key != SHM_NONE)
		some[n++] = counter_of_key(key);
	if (caps && (bits >> 14 & 1))
		some[n++] = counter_of_cap(cap);
	p->k = n;
	for (uint32_t i = 0; i < n; i++)
		p->ctr[i] = some[backwards ? n - 1 - i : i];
}

struct plan
plan_of(uint32_t slot, uint32_t gen, bool caps)
{
	uint32_t bits = mix(slot, gen);
	struct plan p = {.full = bits % SECOND_TOTAL + 1};

	plan_counters(&p, bits >> 3, slot & 1, caps);
	p.stream = bits >> 24 & 1;
	p.capped = (bits >> 28 & 3) == 0;
	if (!p.stream && (bits >> 25 & 3) == 0)
		p.leaves = 1 + (bits >> 27 & 1);
	return p;
}

struct leg
leg_of(uint32_t slot, uint32_t gen)
{
	uint32_t bits = mix(slot, gen);
	struct leg l = {.k = 1 + (bits >> 2) % (MINI_CAPS - 1)};

	for (uint32_t i = 0; i < l.k; i++)
		l.cap[i] = (bits + i) % MINI_CAPS;
	l.lost = bits >> 8 & 1;
	if (!l.lost)
		l.cost = (bits >> 9) % SECOND_TOTAL + 1;
	else if (bits >> 28 & 1)
		l.cost = (bits >> 9) % FIRST_TOTAL + 1;
	return l;
}

int64_t
plan_upstream(int64_t cost)
{
	return cost - cost / 8;
}

static uint32_t
draw(struct worker *w, uint32_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 32) % n;
}

static void
say(struct worker *w, const struct hold *h, enum said what)
{
	uint32_t at = h->gen - w->k->first_gen[h->slot];

	must(at < KILL_GENS);
	w->k->said[h->slot][at] = (uint8_t)what;
	if (at > KILL_GENS - 4096)
		w->k->full = 1;
}

static void
job_describe(struct worker *w, const struct job *j, const struct hold *h)
{
	struct note *n = hold_note(w->o, h);

	memset(n, 0, sizeof(*n));
	n->start_ms = clock_wall_ns() / NS_PER_MS;
	n->account = j->plan.account;
	n->parent = j->plan.parent;
	n->key = j->plan.key;
	n->multiplier_ppm = PPM_ONE;
	n->channel = UINT16_MAX;
	n->status = 200;
	n->attempts = 1;
	n->endpoint = ENDPOINT_CHAT;
}

static void
ring_writer(struct worker *w)
{
	if (w->k->doorbell >= 0 && writer_to_wake(w->r))
		doorbell_ring(w->k->doorbell);
}

static void
job_start(struct worker *w, struct job *j)
{
	struct hold_spec spec = {.amount = money_nano(FIRST_TOTAL)};

	if (hold_claim(w->o, &j->hold) != E_OK)
		return;
	j->plan = plan_of(j->hold.slot, j->hold.gen, w->k->caps);
	job_describe(w, j, &j->hold);
	spec.k = j->plan.k;
	for (uint32_t i = 0; i < spec.k; i++)
		spec.ctr[i] = j->plan.ctr[i];
	if (hold_take(w->o, &j->hold, &spec) != E_OK) {
		must(j->hold.refused < spec.k && j->hold.slot == SHM_NONE);
		w->k->stats.refused++;
		return;
	}
	say(w, &j->hold, SAID_HELD);
	w->k->stats.holds[spec.k]++;
	j->total = FIRST_TOTAL;
	j->tried = 0;
	j->cut = false;
	j->attempt.slot = SHM_NONE;
	j->phase = j->plan.capped ? JOB_TRIES : JOB_RUNS;
}

/* ---- attempts ---- */

static void
attempt_settle(struct worker *w, struct job *j, enum slot_reason why)
{
	int64_t held = hold_total(w->o, &j->attempt).nano;
	int64_t cost = j->leg.cost;

	if (cost > held &&
	    !hold_extend(w->o, &j->attempt, money_nano(SECOND_TOTAL)))
		cost = held;
	if (j->leg.lost)
		hold_note(w->o, &j->attempt)->flags |= NOTE_LOST;
	hold_settle(w->o, &j->attempt, money_nano(0), money_nano(cost), why,
		    true);
	say(w, &j->attempt, SAID_STREAMED);
	ring_writer(w);
	j->attempt.slot = SHM_NONE;
}

static bool
attempt_caps(const struct worker *w, const struct leg *l,
	     struct hold_spec *spec)
{
	spec->k = l->k;
	for (uint32_t i = 0; i < l->k; i++) {
		spec->ctr[i] = cap_counter(&w->r->caps[l->cap[i]]);
		if (spec->ctr[i] == SHM_NONE)
			return false;
	}
	return true;
}

/* Its caps have been taken. */
static bool
attempt_take(struct worker *w, struct job *j)
{
	struct hold_spec spec = {.amount = money_nano(FIRST_TOTAL),
				 .kind = SLOT_ATTEMPT};

	j->tried++;
	if (hold_claim(w->o, &j->attempt) != E_OK)
		return false;
	j->leg = leg_of(j->attempt.slot, j->attempt.gen);
	if (!attempt_caps(w, &j->leg, &spec)) {
		hold_unclaim(w->o, &j->attempt);
		return false;
	}
	job_describe(w, j, &j->attempt);
	hold_note(w->o, &j->attempt)->channel = (uint16_t)j->leg.cap[0];
	if (hold_take(w->o, &j->attempt, &spec) != E_OK) {
		w->k->stats.spent++;
		return false;
	}
	say(w, &j->attempt, SAID_HELD);
	return true;
}

static void
job_try(struct worker *w, struct job *j)
{
	if (j->attempt.slot == SHM_NONE) {
		if (j->tried < KILL_TRIES) {
			(void)attempt_take(w, j);
			return;
		}
		hold_settle(w->o, &j->hold, money_nano(0), money_nano(0),
			    REASON_UPSTREAM, true);
		say(w, &j->hold, SAID_STREAMED);
		ring_writer(w);
		w->k->stats.no_channel++;
		j->phase = JOB_IDLE;
		return;
	}
	hold_meter(w->o, &j->attempt, money_nano(j->leg.cost / 3),
		   money_nano(j->leg.cost / 3));
	if (draw(w, 2) == 0)
		return;
	if (!j->leg.lost) {
		j->phase = JOB_RUNS;
		return;
	}
	w->k->stats.lost++;
	attempt_settle(w, j, REASON_UPSTREAM);
}

/* ---- the end of a request ---- */

static void
job_settle(struct worker *w, struct job *j)
{
	int64_t cost = MIN_OF(j->plan.full, j->total);
	enum slot_reason why = j->cut ? REASON_AT_HOLD : REASON_NORMAL;

	must(hold_total(w->o, &j->hold).nano == j->total);
	hold_settle(w->o, &j->hold, money_nano(cost),
		    money_nano(plan_upstream(cost)), why, j->plan.stream);
	if (j->plan.capped) {
		w->k->stats.won++;
		attempt_settle(w, j, REASON_NORMAL);
	}
	ring_writer(w);
	if (!j->plan.stream) {
		j->phase = JOB_WAITS;
		return;
	}
	say(w, &j->hold, SAID_STREAMED);
	w->k->stats.streamed++;
	j->phase = JOB_IDLE;
}

static void
job_run(struct worker *w, struct job *j)
{
	int64_t part =
		money_min(money_nano(j->plan.full / 3), money_nano(j->total))
			.nano;

	hold_meter(w->o, &j->hold, money_nano(part), money_nano(part));
	if (j->plan.full > j->total && !j->cut) {
		if (hold_extend(w->o, &j->hold, money_nano(SECOND_TOTAL))) {
			j->total = SECOND_TOTAL;
			w->k->stats.extended++;
		} else {
			j->cut = true;
			w->k->stats.cut++;
		}
		return;
	}
	if (draw(w, 4) != 0)
		job_settle(w, j);
}

static void
job_wait(struct worker *w, struct job *j)
{
	if (j->plan.leaves != 1 && !hold_committed(w->o, &j->hold))
		return;
	if (j->plan.leaves) {
		say(w, &j->hold, SAID_UNSENT);
		hold_not_sent(w->o, &j->hold);
		w->k->stats.unsent++;
	} else {
		struct hold sent = j->hold;

		say(w, &sent, SAID_SENDING);
		hold_sent(w->o, &j->hold);
		say(w, &sent, SAID_SENT);
		w->k->stats.sent++;
	}
	ring_writer(w);
	j->phase = JOB_IDLE;
}

/* So many claims at once that whole pages come and go. */
static void
burst(struct worker *w)
{
	struct hold holds[4 * SLOT_PAGE];
	uint32_t n = 0;

	while (n < ARRAY_LEN(holds) && hold_claim(w->o, &holds[n]) == E_OK)
		n++;
	while (n > 0)
		hold_unclaim(w->o, &holds[--n]);
}

/* False when every job is idle. */
static bool
turn(struct worker *w, bool more)
{
	bool any = false;

	for (uint32_t i = 0; i < JOBS; i++) {
		struct job *j = &w->job[i];

		switch (j->phase) {
		case JOB_IDLE:
			if (more)
				job_start(w, j);
			break;
		case JOB_TRIES: job_try(w, j); break;
		case JOB_RUNS: job_run(w, j); break;
		case JOB_WAITS: job_wait(w, j); break;
		}
		any = any || j->phase != JOB_IDLE;
	}
	return any;
}

void
kill_worker(struct kill_shared *k, struct region *r, uint32_t row)
{
	uint32_t epoch = r->workers[row].spawn_epoch;
	struct worker *w = calloc(1, sizeof(*w));
	bool more = true;

	CRASH_ROLE("worker");
	must(w);
	w->k = k;
	w->r = r;
	w->random = 88172645463325252ull ^ ((uint64_t)epoch << 20);
	w->o = slot_owner_new(r, row, epoch);
	must(w->o);
	r->workers[row].state = WORKER_READY;
	for (;;) {
		if (k->crash.frozen) {
			(void)usleep(20);
			continue;
		}
		more = more && !k->stop;
		if (!turn(w, more) && !more)
			break;
		if (draw(w, 256) == 0)
			burst(w);
		(void)usleep(30 + draw(w, 50));
	}
	while (slot_owner_busy(w->o) > 0 && !k->crash.frozen)
		(void)usleep(50);
	slot_owner_free(w->o);
	free(w);
}
