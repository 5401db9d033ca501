/*
 * Directed kills on the slots alone: real workers and the mini writer, whose
 * commit costs nothing, so that thousands of kills take a minute.
 *
 *	hold_kill [--per-point N] [--seconds S] [--seed N] [--point N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/caps.h"
#include "shm/channels.h"
#include "tests/crash/kill.h"

/* Only this program has it: one at a time in a process. */
struct money_in {
	uint64_t window_ns, topup_ns, limit_ns, n;
};
static struct money_in money_in;

static int
writer(struct kill_test *t)
{
	bool fresh = true;

	CRASH_ROLE("writer");
	while (t->k->stop < 2) {
		if (!mini_pass(&t->k->mini, &t->r, fresh))
			(void)usleep(100);
		fresh = false;
	}
	return 0;
}

static void
begin(struct kill_test *t)
{
	money_in.n = 0;
	mini_open(&t->k->mini, &t->r);
	for (uint32_t i = 0; i < MINI_CAPS; i++)
		t->r.caps[i].number = i + 1;
}

static bool
ready(struct kill_test *t)
{
	(void)t;
	return true;
}

/* Credits, and now and then a debit, as an operator does. */
static void
ask_topup(struct kill_test *t)
{
	struct mini_topup *a = &t->k->mini.ask[money_in.n % MINI_ASKED];
	uint32_t account = (uint32_t)rand() % MINI_ACCOUNTS;

	if (a->state == MINI_ASKED_FOR || money_in.n + 1 >= MINI_TOPUPS)
		return;
	a->id = ++money_in.n;
	a->k = rand() % 4 ? 2 : 1;
	a->ctr[0] = mini_counter(MINI_PARENTS + account);
	a->ctr[1] = mini_counter(account % MINI_PARENTS);
	a->nano = rand() % 8 ? 15000 + rand() % 15000 : -(rand() % 20000 + 1);
	a->state = MINI_ASKED_FOR;
}

/* Some limit of a budget or a cap; less than what is spent, too. */
static void
set_limit(struct kill_test *t)
{
	struct mini *m = &t->k->mini;
	uint32_t place = (uint32_t)rand() % MINI_COUNTERS;

	if (mini_rolls(place))
		m->limit[place] = m->opening[place] / 4 +
				  rand() % (2 * m->opening[place]);
}

static void
tick(struct kill_test *t)
{
	uint64_t now = clock_mono_ns();

	if (now - money_in.window_ns > 8 * NS_PER_MS) {
		money_in.window_ns = now;
		t->k->mini.window++;
	}
	if (now - money_in.topup_ns > 3 * NS_PER_MS / 2) {
		money_in.topup_ns = now;
		ask_topup(t);
	}
	if (now - money_in.limit_ns > 4 * NS_PER_MS) {
		money_in.limit_ns = now;
		set_limit(t);
	}
}

static void
writer_died(struct kill_test *t)
{
	(void)t;
}

static bool
at_rest(struct kill_test *t)
{
	for (uint32_t i = 0; i < MINI_ASKED; i++) {
		if (t->k->mini.ask[i].state == MINI_ASKED_FOR)
			return false;
	}
	return true;
}

static void
stop(struct kill_test *t)
{
	(void)t;
}

static bool
audit(struct kill_test *t)
{
	const struct mini *m = &t->k->mini;
	const struct mini_book *b = &m->book[m->valid];
	bool good = mini_audit(m, &t->r);

	t->entries += b->n_entries;
	for (uint64_t i = 0; i < b->n_entries; i++) {
		t->reversals += m->entry[i].reversal;
		t->attempts += m->entry[i].kind == SLOT_ATTEMPT;
		t->rollovers += m->entry[i].kind == SLOT_ROLLOVER;
		t->limits += m->entry[i].kind == SLOT_LIMIT;
	}
	return kill_audit(t->k, &t->r, m->entry, b->n_entries) && good;
}

static bool
has_place(uint32_t place)
{
	return place < 100;
}

int
main(int argc, char **argv)
{
	static const struct kill_ledger ledger = {
		.writer = writer,
		.begin = begin,
		.ready = ready,
		.tick = tick,
		.writer_died = writer_died,
		.at_rest = at_rest,
		.stop = stop,
		.audit = audit,
		.has_place = has_place,
	};
	struct kill_test t = {.ledger = &ledger};

	if (!kill_open(&t, argc, argv))
		return 0;
	t.k->caps = 1;
	for (uint32_t i = 0; i < MINI_COUNTERS; i++)
		t.k->mini.opening[i] = mini_rolls(i) ? 40000 : 150000;
	return kill_run(&t);
}
