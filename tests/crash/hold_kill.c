/*
 * Directed kills: workers and a ledger writer on real shared memory, kill -9
 * at every numbered place of shm/crash_points.def, again and again; at the
 * end of every round all money has to be where the entries say.
 *
 *	hold_kill [--per-point N] [--seconds S] [--seed N] [--point N]
 *
 * Random kills miss the rare interleavings, so each kill is aimed: the place
 * is armed in shared memory, the first process that comes by dies. Then the
 * reaper is made to meet the worst: a pause between exit and reap, a second
 * kill of the writer while it reaps, the other workers standing still (so that
 * nobody helps) or let go in the middle of the reaper's two looks.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/workers.h"
#include "tests/crash/kill.h"

#define KILLS_A_ROUND 150u

struct test {
	struct kill_shared *k;
	struct region r;
	pid_t writer;
	pid_t worker[KILL_WORKERS];
	uint32_t row[KILL_WORKERS];
	uint32_t per_point, only;
	uint64_t deadline_ns, window_ns, topup_ns;
	uint64_t n_topup, entries, reversals;
	uint32_t kills_worker, kills_writer;
	bool failed;
};

/* Places that a process passes only when it reaps. */
static bool
is_reaper_place(uint32_t place)
{
	return place == CP_REAP_LOADED ||
	       (place >= CP_REAP_LOOKED && place <= CP_REAP_BACK);
}

static bool
is_writer_place(uint32_t place)
{
	return (place >= CP_GIVE_BEFORE && place <= CP_OWN_SETTLED) ||
	       place == CP_REAP_LOADED || place == CP_GIVE_LOADED;
}

/* A place where a worker leaves something to reap. */
static uint32_t
some_worker_place(void)
{
	static const uint32_t places[] = {CP_ACQ,	   CP_TAKE_BEFORE,
					  CP_TAKE_APPLIED, CP_TAKE_CONFIRMED,
					  CP_ALL_TAKEN,	   CP_HELD,
					  CP_REFUSED,	   CP_BACK,
					  CP_EXT_FIELDS,   CP_EXT,
					  CP_EXT_TAKEN,	   CP_EXT_HELD,
					  CP_EXT_REFUSED,  CP_XBK,
					  CP_XBK_DONE,	   CP_DELIVERED,
					  CP_TAKE_APPLIED, CP_TAKE_APPLIED};

	return places[(size_t)rand() % ARRAY_LEN(places)];
}

static uint32_t
some_writer_place(void)
{
	uint32_t place;

	do
		place = (uint32_t)CP_GIVE_BEFORE + (uint32_t)rand() % 21;
	while (!is_writer_place(place));
	return place;
}

static void
fail(struct test *t, const char *what)
{
	printf("# %s\n", what);
	t->failed = true;
}

static void
writer_main(struct test *t)
{
	bool fresh = true;

	CRASH_ROLE("writer");
	while (t->k->stop < 2) {
		if (!mini_pass(&t->k->mini, &t->r, fresh))
			(void)usleep(100);
		fresh = false;
	}
}

static pid_t
child(void)
{
	pid_t parent = getpid(), pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void
spawn_writer(struct test *t)
{
	t->writer = child();
	if (t->writer == 0) {
		writer_main(t);
		_exit(0);
	}
}

static void
spawn_worker(struct test *t, uint32_t i)
{
	t->row[i] = worker_row_take(&t->r, 1, i);
	must(t->row[i] != SHM_NONE);
	t->worker[i] = child();
	if (t->worker[i] == 0) {
		kill_worker(t->k, &t->r, t->row[i]);
		_exit(0);
	}
}

/* Credits, and now and then a debit, as an operator does. */
static void
ask_topup(struct test *t)
{
	struct mini_topup *a = &t->k->mini.ask[t->n_topup % MINI_ASKED];
	uint32_t account = (uint32_t)rand() % MINI_ACCOUNTS;

	if (a->state == MINI_ASKED_FOR || t->n_topup + 1 >= MINI_TOPUPS)
		return;
	a->id = ++t->n_topup;
	a->k = rand() % 4 ? 2 : 1;
	a->ctr[0] = mini_counter(account);
	a->ctr[1] = mini_counter(MINI_ACCOUNTS + account % MINI_PARENTS);
	a->nano = rand() % 8 ? 15000 + rand() % 15000 : -(rand() % 20000 + 1);
	a->state = MINI_ASKED_FOR;
}

static void
tick(struct test *t)
{
	uint64_t now = clock_mono_ns();

	if (now - t->window_ns > 8 * NS_PER_MS) {
		t->window_ns = now;
		t->k->mini.window++;
	}
	if (now - t->topup_ns > 3 * NS_PER_MS / 2) {
		t->topup_ns = now;
		ask_topup(t);
	}
}

static void
thaw(struct test *t)
{
	t->k->crash.frozen = 0;
	t->k->crash.freeze_next = 0;
	t->k->crash.pause = 0;
}

static void
arm(struct test *t, uint32_t place, const char *role)
{
	struct crash_word *c = &t->k->crash;
	static const uint32_t pauses[] = {0,
					  0,
					  CP_REAP_LOADED,
					  CP_REAP_LOOKED,
					  CP_GIVE_LOADED,
					  CP_GIVE_BEFORE};

	c->role = role ? crash_role_id(role) : 0;
	/* A dead worker leaves one step to look at, at most. */
	c->skip = is_reaper_place(place) ? 0 : (uint32_t)rand() % 3;
	c->pause = pauses[(size_t)rand() % ARRAY_LEN(pauses)];
	/* Who has looked and not yet taken finds that others were faster. */
	c->pause_every = 0;
	if (place >= CP_REFUSED && place <= CP_BACK_FREE) {
		c->pause = CP_ACQ;
		c->pause_every = 8;
	}
	c->freeze_next = rand() & 1 ? crash_role_id("worker") : 0;
	c->armed = place;
}

static void
disarm(struct test *t)
{
	t->k->crash.armed = 0;
}

/* The index of a worker that died, -1: the writer (there is a new one), -2:
 * nobody. */
static int
bury(struct test *t)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0)
		return -2;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		printf("# status %x of %s\n", (unsigned)status,
		       pid == t->writer ? "the writer" : "a worker");
		fail(t, "a process ended by itself");
	}
	if (pid == t->writer) {
		t->kills_writer++;
		spawn_writer(t);
		return -1;
	}
	for (uint32_t i = 0; i < KILL_WORKERS; i++) {
		if (t->worker[i] == pid) {
			t->kills_worker++;
			t->worker[i] = 0;
			return (int)i;
		}
	}
	return -2;
}

static int
wait_for_death(struct test *t, uint64_t limit_ns)
{
	uint64_t end = clock_mono_ns() + limit_ns;
	int who;

	while ((who = bury(t)) == -2 && clock_mono_ns() < end && !t->failed) {
		tick(t);
		(void)usleep(30);
	}
	return who;
}

/* Until the writer has given all its pages back. */
static void
wait_for_reaping(struct test *t, uint32_t row)
{
	uint64_t end = clock_mono_ns() + 15 * NS_PER_SEC;

	while (t->r.workers[row].state != WORKER_UNUSED && !t->failed) {
		int who = bury(t);

		if (who >= 0) {
			t->r.workers[t->row[who]].state = WORKER_DEAD;
			spawn_worker(t, (uint32_t)who);
		}
		tick(t);
		(void)usleep(30);
		if (clock_mono_ns() > end)
			fail(t, "a slot of a dead worker never becomes free");
	}
}

static void
reap_worker_at(struct test *t, uint32_t i, uint32_t place)
{
	uint64_t end = clock_mono_ns() + (uint64_t)(rand() % 3000) * 1000;
	uint32_t row = t->row[i];

	while (clock_mono_ns() < end) {
		tick(t);
		(void)usleep(50);
	}
	if (is_reaper_place(place))
		arm(t, place, "writer");
	else if (rand() & 1)
		arm(t, some_writer_place(), "writer");
	/* The others come to life between the reaper's two looks. */
	if (rand() & 1)
		t->k->crash.pause = CP_REAP_LOADED;
	t->r.workers[row].state = WORKER_DEAD;
	wait_for_reaping(t, row);
	disarm(t);
	thaw(t);
	if (!t->failed)
		spawn_worker(t, i);
}

static void
kill_once(struct test *t, uint32_t place)
{
	uint32_t first = is_reaper_place(place) ? some_worker_place() : place;
	int who;

	arm(t, first, NULL);
	who = wait_for_death(t, 40 * NS_PER_MS);
	disarm(t);
	/* The new writer looks first, then the others go on. */
	if (who == -1 && t->k->crash.frozen) {
		t->k->crash.pause = CP_GIVE_LOADED;
		(void)usleep(700);
	}
	if (who >= 0)
		reap_worker_at(t, (uint32_t)who, place);
	thaw(t);
}

static void
start_round(struct test *t)
{
	struct kill_shared *k = t->k;

	for (uint32_t s = 0; s < KILL_SLOTS; s++) {
		uint32_t gen = word_gen(t->r.slots[s].word);
		uint32_t n = MIN_OF(gen - k->first_gen[s], KILL_GENS);

		memset(k->posted[s], 0, n);
		for (uint32_t g = 0; g < n; g++)
			k->said[s][g] = SAID_NOTHING;
		k->first_gen[s] = gen;
	}
	k->stop = 0;
	k->full = 0;
	t->n_topup = 0;
	mini_open(&k->mini, &t->r);
	spawn_writer(t);
	for (uint32_t i = 0; i < KILL_WORKERS; i++)
		spawn_worker(t, i);
}

static bool
topups_open(const struct test *t)
{
	for (uint32_t i = 0; i < MINI_ASKED; i++) {
		if (t->k->mini.ask[i].state == MINI_ASKED_FOR)
			return true;
	}
	return false;
}

static void
wait_for_exit(struct test *t, pid_t pid, const char *what)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail(t, what);
}

/* Everybody finishes what is open and leaves. */
static void
end_round(struct test *t)
{
	uint64_t end = clock_mono_ns() + 15 * NS_PER_SEC;

	disarm(t);
	thaw(t);
	/* One that was hit just before the disarming. */
	(void)usleep(20000);
	for (int who; (who = bury(t)) != -2 && !t->failed;) {
		if (who < 0)
			continue;
		t->r.workers[t->row[who]].state = WORKER_DEAD;
		spawn_worker(t, (uint32_t)who);
	}
	t->k->stop = 1;
	for (uint32_t i = 0; i < KILL_WORKERS && !t->failed; i++) {
		wait_for_exit(t, t->worker[i], "a worker ended badly");
		t->r.workers[t->row[i]].state = WORKER_DEAD;
	}
	for (uint32_t i = 0; i < KILL_ROWS; i++)
		wait_for_reaping(t, i);
	while (topups_open(t) && !t->failed) {
		(void)usleep(100);
		if (clock_mono_ns() > end)
			fail(t, "a top-up is never answered");
	}
	t->k->stop = 2;
	if (!t->failed)
		wait_for_exit(t, t->writer, "the writer ended badly");
}

static void
kill_everybody(const struct test *t)
{
	for (uint32_t i = 0; i < KILL_WORKERS; i++) {
		if (t->worker[i] > 0)
			(void)kill(t->worker[i], SIGKILL);
	}
	if (t->writer > 0)
		(void)kill(t->writer, SIGKILL);
}

static void
count_entries(struct test *t)
{
	const struct mini *m = &t->k->mini;
	const struct mini_book *b = &m->book[m->valid];

	t->entries += b->n_entries;
	for (uint64_t i = 0; i < b->n_entries; i++)
		t->reversals += m->entry[i].reversal;
}

/* The next place that was not hit often enough; 0: done. */
static uint32_t
next_place(const struct test *t, uint32_t after)
{
	for (uint32_t i = 1; i <= 100; i++) {
		uint32_t place = (after + i) % 100;

		if (crash_name(place) && (t->only == 0 || t->only == place) &&
		    t->k->crash.kills[place] < t->per_point)
			return place;
	}
	return 0;
}

static bool
run_round(struct test *t, uint32_t *place)
{
	start_round(t);
	for (uint32_t n = 0; n < KILLS_A_ROUND && !t->failed; n++) {
		*place = next_place(t, *place);
		if (*place == 0 || t->k->full ||
		    clock_mono_ns() > t->deadline_ns)
			break;
		kill_once(t, *place);
	}
	end_round(t);
	if (t->failed) {
		kill_everybody(t);
		return false;
	}
	count_entries(t);
	if (!kill_audit(t->k, &t->r))
		fail(t, "the books do not balance");
	return !t->failed && *place != 0 && clock_mono_ns() < t->deadline_ns;
}

static int
report(const struct test *t)
{
	const struct kill_stats *s = &t->k->stats;
	int n = 0, bad = t->failed;

	for (uint32_t place = 1; place < 100; place++) {
		uint32_t kills = t->k->crash.kills[place];
		bool enough = kills >= t->per_point;

		if (!crash_name(place) || (t->only && t->only != place))
			continue;
		bad += !enough;
		printf("%s %d - %s: %" PRIu32 " kills\n",
		       enough ? "ok" : "not ok", ++n, crash_name(place), kills);
	}
	printf("%s %d - the books balance to the unit after every round\n",
	       t->failed ? "not ok" : "ok", ++n);
	printf("# kills: worker %" PRIu32 ", writer %" PRIu32
	       "; entries %" PRIu64 ", reversals %" PRIu64 "\n",
	       t->kills_worker, t->kills_writer, t->entries, t->reversals);
	printf("# holds of 1, 2, 3, 4 counters: %" PRIu64 " %" PRIu64
	       " %" PRIu64 " %" PRIu64 "; refused %" PRIu64
	       ", extended %" PRIu64 ", cut %" PRIu64 ", streamed %" PRIu64
	       ", sent %" PRIu64 ", unsent %" PRIu64 "\n",
	       s->holds[1], s->holds[2], s->holds[3], s->holds[4], s->refused,
	       s->extended, s->cut, s->streamed, s->sent, s->unsent);
	printf("1..%d\n", n);
	return bad ? 1 : 0;
}

static void
options(struct test *t, int argc, char **argv)
{
	static const struct option names[] = {
		{"per-point", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'r'},
		{"point", required_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	uint64_t seconds = 100;
	int c;

	t->per_point = 5;
	srand(7);
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		unsigned long v = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'n': t->per_point = (uint32_t)v; break;
		case 's': seconds = v; break;
		case 'r': srand((unsigned)v); break;
		case 'p': t->only = (uint32_t)v; break;
		default: exit(2);
		}
	}
	t->deadline_ns = clock_mono_ns() + seconds * NS_PER_SEC;
}

int
main(int argc, char **argv)
{
	struct test t = {0};
	void *p = mmap(NULL, sizeof(*t.k), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint32_t place = 0;

	options(&t, argc, argv);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (p == MAP_FAILED ||
	    region_anonymous(&t.r, KILL_SLOTS, KILL_ROWS) != E_OK) {
		printf("1..0 # SKIP no memory for the test\n");
		return 0;
	}
	t.k = p;
	for (uint32_t i = 0; i < MINI_COUNTERS; i++)
		t.k->mini.opening[i] = mini_rolls(i) ? 40000 : 150000;
	crash_share(&t.k->crash);
	while (run_round(&t, &place))
		continue;
	return report(&t);
}
