/*
 * The slots under several threads at once, so that ThreadSanitizer sees what
 * the processes of a server do: workers hold, extend, settle and send on
 * counters that they share; one thread is the ledger writer. At the end all
 * money is where the entries say.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/must.h"
#include "shm/counters.h"
#include "shm/limits.h"
#include "shm/workers.h"
#include "tests/crash/mini_writer.h"
#include "tests/tap.h"

#define THREADS	 3
#define REQUESTS 3000
#define OPENING	 2500

struct bench {
	struct region r;
	struct mini *mini;
	_Atomic uint32_t stop;
	_Atomic uint32_t refused, extended, cut, unsent;
};

struct hand {
	struct bench *b;
	uint32_t row;
	uint64_t random;
	pthread_t thread;
};

static uint32_t
draw(struct hand *h, uint32_t n)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return (uint32_t)(h->random >> 32) % n;
}

/* Half of the requests take their counters in the other order. */
static struct hold_spec
make_spec(struct hand *h)
{
	struct hold_spec spec = {.amount = money_nano(500 + draw(h, 500))};
	uint32_t all[SLOT_COUNTERS] = {
		mini_counter(MINI_PARENTS + draw(h, MINI_ACCOUNTS)),
		mini_counter(draw(h, MINI_PARENTS)),
		mini_counter(MINI_ACCOUNTS + MINI_PARENTS + draw(h, MINI_KEYS)),
		mini_counter(MINI_ACCOUNTS + MINI_PARENTS + MINI_KEYS +
			     draw(h, MINI_CAPS))};

	spec.k = 1 + draw(h, SLOT_COUNTERS);
	for (uint32_t i = 0, back = draw(h, 2); i < spec.k; i++)
		spec.ctr[i] = all[back ? spec.k - 1 - i : i];
	return spec;
}

static void
answer_whole(struct hand *h, struct slot_owner *o, struct hold *hold,
	     struct money cost)
{
	hold_settle(o, hold, cost, cost, REASON_NORMAL, false);
	if (draw(h, 8) == 0) {
		hold_not_sent(o, hold);
		h->b->unsent++;
		return;
	}
	while (!hold_committed(o, hold))
		sched_yield();
	if (draw(h, 8) == 0) {
		hold_not_sent(o, hold);
		h->b->unsent++;
		return;
	}
	hold_sent(o, hold);
}

static void
one_request(struct hand *h, struct slot_owner *o)
{
	struct hold_spec spec = make_spec(h);
	struct money total = spec.amount;
	struct hold hold;

	must(hold_claim(o, &hold) == E_OK);
	if (hold_take(o, &hold, &spec) != E_OK) {
		must(hold.slot == SHM_NONE && hold.refused < spec.k);
		h->b->refused++;
		sched_yield();
		return;
	}
	for (uint32_t n = draw(h, 3); n > 0; n--) {
		struct money more = money_nano(total.nano + draw(h, 400));

		if (!hold_extend(o, &hold, more)) {
			h->b->cut++;
			break;
		}
		total = more;
		h->b->extended++;
	}
	must(hold_total(o, &hold).nano == total.nano);
	hold_meter(o, &hold, total, total);
	total.nano = draw(h, (uint32_t)total.nano + 1);
	if (draw(h, 2) == 0)
		hold_settle(o, &hold, total, total, REASON_NORMAL, true);
	else
		answer_whole(h, o, &hold, total);
}

static void *
worker(void *arg)
{
	struct hand *h = arg;
	struct region *r = &h->b->r;
	struct slot_owner *o =
		slot_owner_new(r, h->row, r->workers[h->row].spawn_epoch);

	must(o);
	for (uint32_t i = 0; i < REQUESTS; i++)
		one_request(h, o);
	while (slot_owner_busy(o) > 0)
		sched_yield();
	slot_owner_free(o);
	return NULL;
}

static void
ask_topup(struct mini *m, uint64_t id)
{
	struct mini_topup *t = &m->ask[id % MINI_ASKED];

	if (t->state == MINI_ASKED_FOR || id >= MINI_TOPUPS)
		return;
	t->id = id;
	t->k = 2;
	t->ctr[0] = mini_counter(MINI_PARENTS + (uint32_t)id % MINI_ACCOUNTS);
	t->ctr[1] = mini_counter((uint32_t)id % MINI_PARENTS);
	t->nano = 20000;
	t->state = MINI_ASKED_FOR;
}

static void *
writer(void *arg)
{
	struct bench *b = arg;
	bool busy = true, last = false;

	for (uint64_t pass = 1; busy || !last; pass++) {
		last = b->stop;
		if (pass % 4 == 0 && !last) {
			ask_topup(b->mini, pass / 4);
			b->mini->window++;
		}
		busy = mini_pass(b->mini, &b->r, false);
		if (!busy)
			sched_yield();
	}
	return NULL;
}

static void
bench_run(struct bench *b, uint32_t window_end)
{
	struct hand hands[THREADS];
	pthread_t w;

	for (uint32_t i = 0; i < THREADS; i++) {
		hands[i] = (struct hand){.b = b, .random = 88172645463325252u};
		hands[i].random += 977 * i;
		hands[i].row = worker_row_take(&b->r, 1, i);
		must(hands[i].row != SHM_NONE);
		must(!pthread_create(&hands[i].thread, NULL, worker,
				     &hands[i]));
	}
	must(!pthread_create(&w, NULL, writer, b));
	for (uint32_t i = 0; i < THREADS; i++)
		must(!pthread_join(hands[i].thread, NULL));
	/* The owners have left: their pages come back. */
	for (uint32_t i = 0; i < THREADS; i++)
		b->r.workers[hands[i].row].state = WORKER_DEAD;
	b->mini->window += window_end;
	b->stop = 1;
	must(!pthread_join(w, NULL));
}

static bool
bench_open(struct bench *b)
{
	void *p = mmap(NULL, sizeof(struct mini), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(b, 0, sizeof(*b));
	if (p == MAP_FAILED ||
	    region_anonymous(&b->r, SLOT_PAGE * 8, 8) != E_OK)
		return false;
	b->mini = p;
	for (uint32_t i = 0; i < MINI_COUNTERS; i++)
		b->mini->opening[i] = OPENING;
	mini_open(b->mini, &b->r);
	return true;
}

TEST(holds_of_three_workers_balance_to_the_unit)
{
	struct bench b;
	const struct mini_book *book;

	if (!bench_open(&b))
		SKIP("no memory for the segment");
	bench_run(&b, 1);
	CHECK(mini_audit(b.mini, &b.r));
	book = &b.mini->book[b.mini->valid];
	for (uint32_t i = 0; i < MINI_COUNTERS; i++)
		CHECK(book->balance[i] >= 0);
	for (uint32_t i = 0; i < b.r.head->n_slots / SLOT_PAGE; i++)
		CHECK_INT(b.r.pages[i].owner, 0);
	printf("# entries %" PRIu64 " refused %" PRIu32 " extended %" PRIu32
	       " cut %" PRIu32 " unsent %" PRIu32 "\n",
	       book->n_entries, b.refused, b.extended, b.cut, b.unsent);
	CHECK(b.extended > 0 && b.unsent > 0);
	region_close(&b.r);
	(void)munmap(b.mini, sizeof(*b.mini));
}

#define TAKERS 4

struct race {
	struct limit_cells cells;
	_Atomic uint64_t tat;
	_Atomic uint32_t admitted, running_most, places;
};

static void *
taker(void *arg)
{
	struct race *race = arg;
	uint64_t retry;

	for (int i = 0; i < 1000; i++) {
		if (limit_take(&race->tat, 700, 1, 1000, &retry))
			race->admitted++;
		if (running_take(&race->cells)) {
			race->places++;
			running_give(&race->cells);
		}
	}
	return NULL;
}

TEST(limits_admit_exactly_their_number_over_threads)
{
	static struct race race;
	pthread_t t[TAKERS];

	race.cells.concurrency = 2;
	for (int i = 0; i < TAKERS; i++)
		must(!pthread_create(&t[i], NULL, taker, &race));
	for (int i = 0; i < TAKERS; i++)
		must(!pthread_join(t[i], NULL));
	CHECK_INT(race.admitted, 700);
	CHECK_INT(race.cells.running, 0);
	CHECK(race.places > 0);
}

int
main(void)
{
	RUN(holds_of_three_workers_balance_to_the_unit);
	RUN(limits_admit_exactly_their_number_over_threads);
	return tap_done();
}
