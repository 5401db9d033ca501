/*
 * What a hold costs: claim, take, settle as the worker does; durable, give,
 * free as the writer does; alone and with a second process on the same
 * counters. Prints one line a row; `meson test --benchmark`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/metrics.h"
#include "tests/unit/shm/bench.h"

#define ROUNDS	2000
#define A_ROUND 64

/* Of each round; the median is told, so that other load does not count. */
struct times {
	uint64_t take_ns[ROUNDS], settle_ns[ROUNDS], writer_ns[ROUNDS];
};

/* Both processes begin at once. */
static _Atomic uint32_t *gate;

static void
one_round(struct bench *b, uint32_t k, struct times *t, uint32_t n)
{
	struct hold_spec spec = spec_of(10, k);
	struct hold h[A_ROUND];
	uint64_t t0 = clock_mono_ns(), t1, t2, t3;

	for (uint32_t i = 0; i < A_ROUND; i++) {
		must(hold_claim(b->o, &h[i]) == E_OK);
		must(hold_take(b->o, &h[i], &spec) == E_OK);
	}
	t1 = clock_mono_ns();
	for (uint32_t i = 0; i < A_ROUND; i++)
		hold_settle(b->o, &h[i], money_nano(0), money_nano(0),
			    REASON_NORMAL, true);
	t2 = clock_mono_ns();
	for (uint32_t i = 0; i < A_ROUND; i++)
		commit_one(b, h[i].slot, false);
	t3 = clock_mono_ns();
	t->take_ns[n] = t1 - t0;
	t->settle_ns[n] = t2 - t1;
	t->writer_ns[n] = t3 - t2;
}

static void
measure(struct bench *b, uint32_t k, uint32_t processes, struct times *t)
{
	uint32_t hint;

	(*gate)++;
	while (*gate < processes)
		continue;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		one_round(b, k, t, i);
		while (ring_pop(&b->r.rings[b->row], &hint))
			continue;
	}
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double
median_of_one(uint64_t *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	return (double)ns[ROUNDS / 2] / A_ROUND;
}

static void
print(const char *what, uint32_t k, struct times *t)
{
	printf("%-24s k=%u  claim+take %5.0f ns  settle %4.0f ns  "
	       "writer %5.0f ns\n",
	       what, k, median_of_one(t->take_ns), median_of_one(t->settle_ns),
	       median_of_one(t->writer_ns));
}

/* The other process: a worker row of its own, the same counters. */
static pid_t
start_other(struct bench *b, uint32_t k, struct times *t)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		b->row = worker_row_take(&b->r, 1, 1);
		b->o = slot_owner_new(&b->r, b->row,
				      b->r.workers[b->row].spawn_epoch);
		must(b->o);
		measure(b, k, 2, t);
		_exit(0);
	}
	return pid;
}

static void
bench_holds(uint32_t k, bool contended)
{
	struct bench b;
	static struct times t;
	pid_t pid = 0;

	bench_open(&b, 8);
	b.r.counters[BUDGET].available = INT64_MAX / 4;
	b.r.counters[ACCOUNT].available = INT64_MAX / 4;
	b.r.counters[PARENT].available = INT64_MAX / 4;
	*gate = 0;
	if (contended)
		pid = start_other(&b, k, &t);
	measure(&b, k, contended ? 2 : 1, &t);
	if (pid)
		must(waitpid(pid, NULL, 0) == pid);
	print(contended ? "two processes" : "alone", k, &t);
	bench_close(&b);
}

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void
bench_metrics(void)
{
	struct metrics_block *b = NULL;
	struct series *s;
	uint64_t t0, n = 10000000;

	must(posix_memalign((void **)&b, CACHE_LINE, sizeof(*b)) == 0);
	memset(b, 0, sizeof(*b));
	s = metrics_model(b, STR("m"), STR("c"));
	t0 = cpu_ns();
	for (uint64_t i = 0; i < n; i++) {
		series_add(s, M_CHARGED, (int64_t)i);
		metric_observe(b, M_OVERHEAD, i & 1023);
	}
	printf("%-24s add + observe %4.1f ns\n", "metrics",
	       (double)(cpu_ns() - t0) / (double)n);
	free(b);
}

int
main(void)
{
	void *p = mmap(NULL, sizeof(*gate), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	gate = p;
	for (uint32_t k = 1; k <= 3; k++)
		bench_holds(k, false);
	for (uint32_t k = 1; k <= 3; k++)
		bench_holds(k, true);
	bench_metrics();
	return 0;
}
