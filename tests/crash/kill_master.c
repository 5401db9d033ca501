/*
 * Who kills: starts workers and a writer, arms one place after the other in
 * shared memory, buries who dies, and makes the reaper meet the worst.
 *
 * Random kills miss the rare interleavings, so each kill is aimed: the first
 * process that comes by an armed place dies. Then come a pause between exit
 * and reap, a second kill of the writer while it reaps, the other workers
 * standing still (so that nobody helps) or let go in the middle of the
 * reaper's two looks.
 */
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

#define KILLS_A_ROUND 250u
#define TOO_LONG_NS   (60 * NS_PER_SEC)

enum { NOBODY = -2, THE_WRITER = -1 };

/* Places that a process passes only when it reaps. */
static bool
is_reaper_place(uint32_t place)
{
	return place == CP_REAP_LOADED || place == CP_ROW_REAPED ||
	       (place >= CP_REAP_LOOKED && place <= CP_REAP_BACK);
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
	static const uint32_t places[] = {
		CP_GIVE_BEFORE,	 CP_GIVE_APPLIED, CP_GIVE_CONFIRMED,
		CP_HELP_BEFORE,	 CP_REAP_LOOKED,  CP_REAP_COST,
		CP_REAP_SETTLED, CP_REAP_BACK,	  CP_DURABLE_BEFORE,
		CP_DURABLE,	 CP_FREE_BEFORE,  CP_FREE,
		CP_REVERSED,	 CP_REAP_LOADED,  CP_GIVE_LOADED};

	return places[(size_t)rand() % ARRAY_LEN(places)];
}

void
kill_fail(struct kill_test *t, const char *what)
{
	printf("# %s\n", what);
	t->failed = true;
}

static pid_t
child(void)
{
	pid_t parent = getpid(), pid;

	(void)fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void
spawn_writer(struct kill_test *t)
{
	t->writer = child();
	if (t->writer == 0)
		_exit(t->ledger->writer(t));
}

static void
spawn_worker(struct kill_test *t, uint32_t i)
{
	t->row[i] = worker_row_take(&t->r, 1, i);
	must(t->row[i] != SHM_NONE);
	t->worker[i] = child();
	if (t->worker[i] == 0) {
		kill_worker(t->k, &t->r, t->row[i]);
		_exit(0);
	}
}

static void
thaw(struct kill_test *t)
{
	t->k->crash.frozen = 0;
	t->k->crash.freeze_next = 0;
	t->k->crash.pause = 0;
}

static void
arm(struct kill_test *t, uint32_t place, const char *role)
{
	static const uint32_t pauses[] = {0,
					  0,
					  CP_REAP_LOADED,
					  CP_REAP_LOOKED,
					  CP_GIVE_LOADED,
					  CP_GIVE_BEFORE,
					  CP_STEP_LOOKED};
	struct crash_word *c = &t->k->crash;

	c->role = role ? crash_role_id(role) : 0;
	/* A dead worker leaves one step to look at, at most. */
	c->skip = is_reaper_place(place) ? 0 : (uint32_t)rand() % 3;
	c->pause = pauses[(size_t)rand() % ARRAY_LEN(pauses)];
	c->pause_every = 0;
	/* Who has looked and not yet taken finds that others were faster. */
	if (place >= CP_REFUSED && place <= CP_BACK_FREE) {
		c->pause = CP_ACQ;
		c->pause_every = 8;
	}
	c->freeze_next = rand() & 1 ? crash_role_id("worker") : 0;
	c->armed = place;
}

static void
disarm(struct kill_test *t)
{
	t->k->crash.armed = 0;
}

/* The index of a worker that died, THE_WRITER (there is a new one), or
 * NOBODY. */
static int
bury(struct kill_test *t)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0)
		return NOBODY;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		printf("# status %x of %s\n", (unsigned)status,
		       pid == t->writer ? "the writer" : "a worker");
		kill_fail(t, "a process ended by itself");
	}
	if (pid == t->writer) {
		t->kills_writer++;
		t->second_kills += t->reaping;
		t->ledger->writer_died(t);
		spawn_writer(t);
		return THE_WRITER;
	}
	for (uint32_t i = 0; i < t->n_workers; i++) {
		if (t->worker[i] == pid) {
			t->kills_worker++;
			t->worker[i] = 0;
			return (int)i;
		}
	}
	return NOBODY;
}

static int
wait_for_death(struct kill_test *t, uint64_t limit_ns)
{
	uint64_t end = clock_mono_ns() + limit_ns;
	int who;

	while ((who = bury(t)) == NOBODY && clock_mono_ns() < end &&
	       !t->failed) {
		t->ledger->tick(t);
		(void)usleep(30);
	}
	return who;
}

static void
mark_dead(struct kill_test *t, uint32_t row)
{
	t->r.workers[row].state = WORKER_DEAD;
	if (t->k->doorbell >= 0)
		doorbell_ring(t->k->doorbell);
}

/* Until the writer has given all its pages back. */
static void
wait_for_reaping(struct kill_test *t, uint32_t row)
{
	uint64_t end = clock_mono_ns() + TOO_LONG_NS;

	while (t->r.workers[row].state != WORKER_UNUSED && !t->failed) {
		int who = bury(t);

		if (who >= 0) {
			mark_dead(t, t->row[who]);
			spawn_worker(t, (uint32_t)who);
		}
		t->ledger->tick(t);
		(void)usleep(30);
		if (clock_mono_ns() > end)
			kill_fail(t, "a slot of a dead worker never "
				     "becomes free");
	}
}

static void
reap_worker_at(struct kill_test *t, uint32_t i, uint32_t place)
{
	uint64_t end = clock_mono_ns() + (uint64_t)(rand() % 3000) * 1000;
	uint32_t row = t->row[i];

	t->reaped++;
	while (clock_mono_ns() < end) {
		t->ledger->tick(t);
		(void)usleep(50);
	}
	if (is_reaper_place(place))
		arm(t, place, "writer");
	else if (rand() & 1)
		arm(t, some_writer_place(), "writer");
	/* The others come to life between the reaper's two looks. */
	if (rand() & 1)
		t->k->crash.pause = CP_REAP_LOADED;
	mark_dead(t, row);
	t->reaping = true;
	wait_for_reaping(t, row);
	t->reaping = false;
	disarm(t);
	thaw(t);
	if (!t->failed)
		spawn_worker(t, i);
}

/* Windows begin only every tenth of a second. */
static uint64_t
patience_ns(uint32_t place)
{
	bool rare = place == CP_WINDOW_AMOUNT || place == CP_WINDOW_COMMITTED;

	return (rare ? 400 : 40) * NS_PER_MS;
}

static void
kill_once(struct kill_test *t, uint32_t place)
{
	uint32_t first = is_reaper_place(place) ? some_worker_place() : place;
	int who;

	arm(t, first, NULL);
	who = wait_for_death(t, patience_ns(place));
	disarm(t);
	/* The new writer looks first, then the others go on. */
	if (who == THE_WRITER && t->k->crash.frozen) {
		t->k->crash.pause = CP_GIVE_LOADED;
		(void)usleep(700);
	}
	if (who >= 0)
		reap_worker_at(t, (uint32_t)who, place);
	thaw(t);
}

static void
kill_everybody(const struct kill_test *t)
{
	for (uint32_t i = 0; i < t->n_workers; i++) {
		if (t->worker[i] > 0)
			(void)kill(t->worker[i], SIGKILL);
	}
	if (t->writer > 0)
		(void)kill(t->writer, SIGKILL);
}

/* What a power switch does to the processes, and the kernel survives. */
static void
kill_all(struct kill_test *t)
{
	kill_everybody(t);
	for (uint32_t n = 0; n < t->n_workers + 1 && !t->failed;) {
		int who = bury(t);

		n += who != NOBODY;
		if (who >= 0)
			mark_dead(t, t->row[who]);
	}
	for (uint32_t i = 0; i < t->n_workers && !t->failed; i++)
		spawn_worker(t, i);
}

static void
wait_for_ready(struct kill_test *t)
{
	uint64_t end = clock_mono_ns() + TOO_LONG_NS;

	while (!t->failed && !t->ledger->ready(t)) {
		(void)bury(t);
		(void)usleep(100);
		if (clock_mono_ns() > end)
			kill_fail(t, "the writer never opens the ledger");
	}
}

static void
start_round(struct kill_test *t)
{
	struct kill_shared *k = t->k;

	for (uint32_t s = 0; s < KILL_SLOTS; s++) {
		uint32_t n =
			MIN_OF(word_gen(t->r.slots[s].word) - k->first_gen[s],
			       KILL_GENS);

		memset(k->posted[s], 0, n);
		for (uint32_t g = 0; g < n; g++)
			k->said[s][g] = SAID_NOTHING;
	}
	k->stop = 0;
	k->full = 0;
	t->ledger->begin(t);
	for (uint32_t s = 0; s < KILL_SLOTS; s++)
		k->first_gen[s] = word_gen(t->r.slots[s].word);
	spawn_writer(t);
	wait_for_ready(t);
	for (uint32_t i = 0; i < t->n_workers && !t->failed; i++)
		spawn_worker(t, i);
}

static void
wait_for_exit(struct kill_test *t, pid_t pid, const char *what)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		kill_fail(t, what);
}

/* Everybody finishes what is open and leaves. */
static void
end_round(struct kill_test *t)
{
	uint64_t end = clock_mono_ns() + TOO_LONG_NS;

	disarm(t);
	thaw(t);
	/* One that was hit just before the disarming. */
	(void)usleep(20000);
	for (int who; (who = bury(t)) != NOBODY && !t->failed;) {
		if (who < 0)
			continue;
		mark_dead(t, t->row[who]);
		spawn_worker(t, (uint32_t)who);
	}
	t->k->stop = 1;
	for (uint32_t i = 0; i < t->n_workers && !t->failed; i++) {
		wait_for_exit(t, t->worker[i], "a worker ended badly");
		t->worker[i] = 0;
		mark_dead(t, t->row[i]);
	}
	for (uint32_t i = 0; i < KILL_ROWS; i++)
		wait_for_reaping(t, i);
	while (!t->failed && !t->ledger->at_rest(t)) {
		(void)usleep(100);
		if (clock_mono_ns() > end)
			kill_fail(t, "the writer never answers");
	}
	t->k->stop = 2;
	t->ledger->stop(t);
	if (!t->failed)
		wait_for_exit(t, t->writer, "the writer ended badly");
}

static bool
is_wanted(const struct kill_test *t, uint32_t place)
{
	return crash_name(place) && t->ledger->has_place(place) &&
	       (t->only == 0 || t->only == place);
}

/* Is the place to be hit more often with `n` workers? */
static bool
is_open(const struct kill_test *t, uint32_t place, uint32_t n)
{
	uint32_t share = (t->per_point + KILL_WORKERS - 1) / KILL_WORKERS;
	/* Some need two workers that meet: so many looks, then it is left. */
	uint32_t looks = share + 1;

	/* These two are passed before there is a worker. */
	if (place == CP_EPOCH || place == CP_LOADED || !is_wanted(t, place))
		return false;
	if (n == KILL_WORKERS && t->k->crash.kills[place] < t->per_point)
		return true;
	return t->kills[n][place] < share && t->in_vain[n][place] < looks;
}

/* The next place that was not hit often enough; 0: done. */
static uint32_t
next_place(const struct kill_test *t, uint32_t after)
{
	for (uint32_t i = 1; i <= CRASH_PLACES; i++) {
		uint32_t place = (after + i) % CRASH_PLACES;

		if (is_open(t, place, t->n_workers))
			return place;
	}
	return 0;
}

/* Three workers, one, two, three, ...; false: all places were hit. */
static bool
next_workers(struct kill_test *t)
{
	for (uint32_t i = 0; i < KILL_WORKERS; i++) {
		t->n_workers = t->n_workers % KILL_WORKERS + 1;
		if (next_place(t, 0) != 0)
			return true;
	}
	return false;
}

/* The kills since the last call belong to this number of workers. */
static void
count_kills(struct kill_test *t, uint32_t place)
{
	uint32_t before = t->kills[t->n_workers][place];

	for (uint32_t i = 1; i < CRASH_PLACES; i++) {
		uint32_t all = t->k->crash.kills[i];

		t->kills[t->n_workers][i] += all - t->counted[i];
		t->counted[i] = all;
	}
	if (t->kills[t->n_workers][place] == before)
		t->in_vain[t->n_workers][place]++;
}

static bool
run_round(struct kill_test *t)
{
	uint32_t place = 0;

	if (!next_workers(t))
		return false;
	t->rounds++;
	start_round(t);
	count_kills(t, 0);
	for (uint32_t n = 0; n < KILLS_A_ROUND && !t->failed; n++) {
		place = next_place(t, place);
		if (place == 0 || t->k->full ||
		    clock_mono_ns() > t->deadline_ns)
			break;
		kill_once(t, place);
		count_kills(t, place);
	}
	if (!t->failed)
		kill_all(t);
	end_round(t);
	if (t->failed) {
		kill_everybody(t);
		return false;
	}
	if (!t->ledger->audit(t))
		kill_fail(t, "the books do not balance");
	return !t->failed && clock_mono_ns() < t->deadline_ns;
}

static void
report_workers(const struct kill_test *t, uint32_t n)
{
	uint32_t kills = 0, places = 0, of = 0;

	for (uint32_t place = 1; place < CRASH_PLACES; place++) {
		of += is_wanted(t, place);
		kills += t->kills[n][place];
		places += t->kills[n][place] > 0;
	}
	printf("# with %" PRIu32 " workers: %" PRIu32 " kills at %" PRIu32
	       " of %" PRIu32 " places\n",
	       n, kills, places, of);
}

static void
report_load(const struct kill_test *t)
{
	const struct kill_stats *s = &t->k->stats;

	printf("# kills: worker %" PRIu32 " (reaped %" PRIu32
	       " after a pause), writer %" PRIu32 " (%" PRIu32
	       " while it reaped); rounds %" PRIu32 "\n",
	       t->kills_worker, t->reaped, t->kills_writer, t->second_kills,
	       t->rounds);
	for (uint32_t n = 1; n <= KILL_WORKERS; n++)
		report_workers(t, n);
	printf("# entries %" PRIu64 ", reversals %" PRIu64 ", attempts %" PRIu64
	       ", rollovers %" PRIu64 ", changes of a limit %" PRIu64 "\n",
	       t->entries, t->reversals, t->attempts, t->rollovers, t->limits);
	printf("# attempts won %" PRIu64 ", lost %" PRIu64
	       ", caps spent %" PRIu64 ", no channel left %" PRIu64 "\n",
	       s->won, s->lost, s->spent, s->no_channel);
	printf("# holds of 1, 2, 3, 4 counters: %" PRIu64 " %" PRIu64
	       " %" PRIu64 " %" PRIu64 "; refused %" PRIu64
	       ", extended %" PRIu64 ", cut %" PRIu64 ", streamed %" PRIu64
	       ", sent %" PRIu64 ", unsent %" PRIu64 "\n",
	       s->holds[1], s->holds[2], s->holds[3], s->holds[4], s->refused,
	       s->extended, s->cut, s->streamed, s->sent, s->unsent);
}

static int
report(const struct kill_test *t)
{
	int n = 0, bad = t->failed;

	for (uint32_t place = 1; place < CRASH_PLACES; place++) {
		uint32_t kills = t->k->crash.kills[place];
		bool enough = kills >= t->per_point;

		if (!is_wanted(t, place))
			continue;
		bad += !enough;
		printf("%s %d - %s: %" PRIu32 " kills (%" PRIu32 " %" PRIu32
		       " %" PRIu32 " with 1, 2, 3 workers)\n",
		       enough ? "ok" : "not ok", ++n, crash_name(place), kills,
		       t->kills[1][place], t->kills[2][place],
		       t->kills[3][place]);
	}
	printf("%s %d - the books balance to the unit after every round\n",
	       t->failed ? "not ok" : "ok", ++n);
	report_load(t);
	printf("1..%d\n", n);
	return bad ? 1 : 0;
}

static void
options(struct kill_test *t, int argc, char **argv)
{
	static const struct option names[] = {
		{"per-point", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'r'},
		{"point", required_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	uint64_t seconds = 600; /* a slow disk needs minutes */
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

bool
kill_open(struct kill_test *t, int argc, char **argv)
{
	void *p = mmap(NULL, sizeof(*t->k), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	options(t, argc, argv);
	if (p == MAP_FAILED ||
	    region_anonymous(&t->r, KILL_SLOTS, KILL_ROWS) != E_OK) {
		printf("1..0 # SKIP no memory for the test\n");
		return false;
	}
	t->k = p;
	t->k->doorbell = -1;
	crash_share(&t->k->crash);
	return true;
}

int
kill_run(struct kill_test *t)
{
	/* The first round has three. */
	t->n_workers = KILL_WORKERS - 1;
	while (run_round(t))
		continue;
	return report(t);
}
