/*
 * Power cuts. The real writer makes a ledger and works; what it does to the
 * disk is recorded. Then the power goes at every place of that record, and
 * whatever a disk may have kept of what was not synced is tried: each time
 * the product starts on it as after a reboot, everything is verified, and
 * what had been acknowledged has to be there.
 *
 *	power_loss [--states N] [--seed N] [--state I]
 */
#include <ftw.h>
#include <getopt.h>
#include <sys/mman.h>

#include "billing/scan.h"
#include "tests/faults/workload.h"
#include "tests/faults/world.h"
#include "tests/tap.h"

#define SHARDS	 2u
#define REQUESTS 240u
#define ENTRIES	 4096u
#define ROUNDS	 4000u
#define SEEN	 (1u << 16)

/* What a prefix of the record has promised. */
struct promise {
	uint64_t seq; /* the last entry that was acknowledged */
	uint32_t accounts, keys;
	bool prepared;
};

struct results {
	_Atomic uint64_t built, boots, refused;
	_Atomic uint64_t now[SHARDS]; /* the state that is looked at */
	_Atomic uint64_t longest;     /* settled and not there, at most */
	_Atomic uint64_t oldest_us;   /* since when */
};

struct test {
	char root[64], disks[64];
	uint64_t seed, only, want;
	struct results *results;
	struct workload w;
	uint8_t pepper[PEPPER_BYTES];
	struct meta_record meta; /* at the end */
	struct entry entry[ENTRIES];
	uint64_t n_entries;
	uint64_t seq_of[2 * REQUESTS]; /* by request number */
	struct promise promise[DISK_OPS];
	/* Of a shard. */
	struct world world;
	uint64_t seen[SEEN];
	uint64_t n_seen;
	uint32_t shard;
};
static struct test test;

/* ---- folders ---- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level == 0 ? 0 : remove(path);
}

static void
empty_folder(const char *path)
{
	must(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* A disk is looked at thousands of times: in memory if there is room. */
static void
make_folders(void)
{
	(void)strcpy(test.root, "/tmp/tollgate-power-XXXXXX");
	must(mkdtemp(test.root));
	(void)strcpy(test.disks, "/dev/shm/tollgate-power-XXXXXX");
	if (mkdtemp(test.disks))
		return;
	(void)strcpy(test.disks, "/tmp/tollgate-power-XXXXXX");
	must(mkdtemp(test.disks));
}

/* ---- the record ---- */

static bool
read_all(const char *state, struct entry *e, uint64_t *n, struct meta_record *m)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l;
	struct scan s;
	bool good;

	*n = 0;
	if (ledger_open(&l, state, LEDGER_READ, 0, &why) != STORE_OK)
		return false;
	good = scan_begin(&s, l, m) == STORE_OK;
	while (good && *n < ENTRIES && scan_next(&s, &e[*n]) == STORE_OK)
		++*n;
	good = good && *n + 1 == m->next_seq;
	scan_end(&s);
	ledger_close(l);
	return good;
}

static void
find_promises(void)
{
	struct promise p = {0};

	for (uint32_t i = 0; i < disk->n_ops; i++) {
		const struct disk_op *o = &disk->op[i];
		bool mark = o->kind == DISK_MARK;

		p.seq = MAX_OF(p.seq, o->committed);
		if (mark && o->off == MARK_SEQ)
			p.seq = MAX_OF(p.seq, o->len);
		if (mark && o->off == MARK_SEEN)
			p.seq = MAX_OF(p.seq, test.seq_of[o->len]);
		if (mark && o->off == MARK_ACCOUNTS)
			p.accounts = (uint32_t)o->len;
		if (mark && o->off == MARK_KEYS)
			p.keys = (uint32_t)o->len;
		p.prepared = p.prepared || (mark && o->off == MARK_PREPARED);
		test.promise[i] = p;
	}
}

static void
find_requests(void)
{
	for (uint64_t i = 0; i < test.n_entries; i++) {
		const struct entry *e = &test.entry[i];
		uint64_t number;

		memcpy(&number, e->request_id, sizeof(number));
		if (e->kind == KIND_REQUEST && number < 2 * REQUESTS)
			test.seq_of[number] = e->seq;
	}
}

/* In mode relaxed a client sees the end before the commit. */
static void
forget_early_ends(void)
{
	for (uint32_t i = 0; i < disk->n_ops; i++)
		if (disk->op[i].kind == DISK_MARK &&
		    disk->op[i].off == MARK_SEEN)
			disk->op[i].off = MARK_SETTLED;
}

static void
prepare_recorded(void)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	empty_folder(test.root);
	disk_reset();
	disk->recording = 1;
	CHECK(writer_prepare(&test.w.f.conf, &why));
	disk_mark(MARK_PREPARED, 1);
	CHECK(pepper_load(test.w.f.dir, test.pepper));
}

static void
record(enum conf_durability durability)
{
	struct workload *w = &test.w;

	workload_open(w, test.root, durability);
	disk->committed = &w->f.region.head->committed_seq;
	prepare_recorded();
	fix_start(&w->f);
	CHECK(fix_wait_state(&w->f, LEDGER_OK));
	workload_run(w, REQUESTS);
	CHECK_INT(fix_stop(&w->f, SIGTERM), 0);
	CHECK_INT(w->failed, 0);
	disk->recording = 0;
	disk->committed = NULL;
	CHECK_INT(fix_verify(&w->f, false), VERIFY_BALANCED);
	CHECK(read_all(w->f.dir, test.entry, &test.n_entries, &test.meta));
	CHECK(test.n_entries > REQUESTS && test.n_entries < ENTRIES);
	workload_close(w);
	if (durability == DURABILITY_RELAXED)
		forget_early_ends();
	find_requests();
	find_promises();
}

/* ---- after the reboot ---- */

/* The writer finds a signal to end at once: it starts, and ends in order. */
static int
boot(struct fixture *f)
{
	int pair[2], alive[2], code;
	union sigval none = {0};

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	must(pipe(alive) == 0);
	f->args = (struct writer_args){
		.conf = &f->conf,
		.region = &f->region,
		.doorbell = eventfd(0, EFD_NONBLOCK),
		.worker_doorbells = f->doorbells,
		.master_doorbell = eventfd(0, EFD_NONBLOCK),
		.orders = pair[1],
		.alive = alive[0],
	};
	must(sigqueue(getpid(), SIGTERM, none) == 0);
	code = writer_run(&f->args);
	for (int i = 0; i < 2; i++) {
		(void)close(pair[i]);
		(void)close(alive[i]);
	}
	(void)close(f->args.doorbell);
	(void)close(f->args.master_doorbell);
	return code;
}

/* What shared memory says can be spent is what the entries say. */
static bool
counters_agree(const struct fixture *f, const struct entry *e, uint64_t n)
{
	int64_t sum[WORK_ACCOUNTS + WORK_KEYS] = {0};
	uint32_t ctr[ENTRY_MOVES];

	for (uint64_t i = 0; i < n; i++) {
		unsigned moved = entry_counters(&e[i], ctr);

		for (unsigned k = 0; k < moved; k++)
			sum[ctr[k] < SHM_ACCOUNTS
				    ? ctr[k]
				    : ctr[k] - SHM_ACCOUNTS + WORK_ACCOUNTS] -=
				entry_amount(&e[i]);
	}
	for (uint32_t i = 0; i < WORK_ACCOUNTS + WORK_KEYS; i++) {
		uint32_t c = i < WORK_ACCOUNTS
				     ? counter_of_account(i)
				     : counter_of_key(i - WORK_ACCOUNTS);

		if (f->region.counters[c].available != sum[i])
			return false;
	}
	return true;
}

/* The entries are those of the record, as far as they go; windows may have
 * begun since. */
static const char *
compare(const struct fixture *f, const struct promise *p, uint64_t *n)
{
	static struct entry found[ENTRIES];
	struct meta_record meta;
	uint64_t all;

	if (!read_all(f->dir, found, &all, &meta))
		return "its entries cannot be read";
	for (*n = 0; *n < all && *n < test.n_entries; ++*n)
		if (memcmp(&found[*n], &test.entry[*n], sizeof(*found)) != 0)
			break;
	for (uint64_t i = *n; i < all; i++)
		if (found[i].kind != KIND_ROLLOVER)
			return "an entry that nobody wrote";
	if (*n < p->seq)
		return "an acknowledged entry is missing";
	if (meta.n_accounts < p->accounts || meta.n_keys < p->keys)
		return "an acknowledged account or key is missing";
	if (p->prepared &&
	    memcmp(meta.uuid, test.meta.uuid, sizeof(meta.uuid)) != 0)
		return "it is another ledger";
	return counters_agree(f, found, all)
		       ? NULL
		       : "what can be spent is not the sum of the entries";
}

/* NULL, or what is wrong with the disk in `folder`. */
static const char *
look(const char *folder, const struct promise *p, uint64_t *n)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	uint8_t pepper[PEPPER_BYTES];
	const char *wrong = NULL;
	struct workload w;
	struct fixture *f = &w.f;

	workload_open(&w, folder, DURABILITY_COMMIT);
	if (!writer_prepare(&f->conf, &why))
		wrong = "it cannot be prepared";
	else if (boot(f) != 0)
		wrong = "the writer does not start";
	else if (fix_verify(f, false) != VERIFY_BALANCED)
		wrong = "the books do not balance";
	else if (p->prepared &&
		 (!pepper_load(f->dir, pepper) ||
		  memcmp(pepper, test.pepper, PEPPER_BYTES) != 0))
		wrong = "the pepper of the keys is another one";
	else
		wrong = compare(f, p, n);
	if (why.n)
		printf("# %.*s\n", STR_ARG(buf_str(&why)));
	workload_close(&w);
	return wrong;
}

/* ---- all the disks ---- */

/* Not among those that were looked at. */
static bool
is_new(uint64_t hash)
{
	uint64_t at = hash % SEEN;

	while (test.seen[at]) {
		if (test.seen[at] == hash)
			return false;
		at = (at + 1) % SEEN;
	}
	must(++test.n_seen < SEEN / 2);
	test.seen[at] = hash;
	return true;
}

static void
note_loss(uint32_t op, uint64_t n)
{
	uint64_t lost = 0, oldest = 0, now = disk->op[op].time_ns;
	struct results *r = test.results;

	for (uint32_t i = op + 1; i-- > 0;) {
		const struct disk_op *o = &disk->op[i];

		if (o->kind != DISK_MARK || o->off != MARK_SETTLED)
			continue;
		if (test.seq_of[o->len] <= n && o->committed < n)
			break;
		if (test.seq_of[o->len] <= n)
			continue;
		lost++;
		oldest = (now - o->time_ns) / 1000;
	}
	r->longest = MAX_OF(r->longest, lost);
	r->oldest_us = MAX_OF(r->oldest_us, oldest);
}

static void
try_state(uint64_t number, uint32_t op)
{
	char folder[96];
	const char *wrong;
	uint64_t n = 0;

	(void)snprintf(folder, sizeof(folder), "%s/%u", test.disks, test.shard);
	empty_folder(folder);
	test.results->now[test.shard] = number;
	world_build(&test.world, folder);
	wrong = look(folder, &test.promise[op], &n);
	test.results->boots++;
	note_loss(op, n);
	if (!wrong)
		return;
	if (test.results->refused++ < 5) {
		printf("# state %" PRIu64 ", power cut after op %" PRIu32
		       ": %s\n",
		       number, op, wrong);
		world_print(&test.world);
		(void)fflush(stdout);
	}
}

/* One state at each place of the record; the number of those that are new. */
static void
go_through(uint32_t round, uint32_t ops, uint64_t *number)
{
	world_clear(&test.world);
	for (uint32_t i = 0; i < ops && *number < test.want; i++) {
		uint64_t hash;

		world_step(&test.world, i);
		if (disk->op[i].kind == DISK_MARK)
			continue;
		hash = world_choose(&test.world, round, test.seed + i) ^
		       test.promise[i].seq * 0x9e3779b97f4a7c15u;
		if (!is_new(hash | 1))
			continue;
		if (test.only ? test.only == *number + 1
			      : *number % SHARDS == test.shard)
			try_state(*number + 1, i);
		++*number;
	}
}

static int
shard_run(uint32_t shard, uint32_t ops)
{
	uint64_t number = 0;
	char folder[96];
	sigset_t ends;

	test.shard = shard;
	(void)snprintf(folder, sizeof(folder), "%s/%u", test.disks, shard);
	must(mkdir(folder, 0700) == 0);
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	for (uint32_t i = 0; i < ROUNDS && number < test.want; i++)
		go_through(i, ops, &number);
	test.results->built = number;
	empty_folder(folder);
	return rmdir(folder);
}

/* `want` disks of the first `ops` of the record. */
static void
try_states(uint32_t ops, uint64_t want)
{
	pid_t pid[SHARDS];
	int status;

	test.want = want;
	memset(test.results, 0, sizeof(*test.results));
	disk->careless = 1;
	(void)fflush(stdout);
	for (uint32_t i = 0; i < SHARDS; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(shard_run(i, ops));
	}
	for (uint32_t i = 0; i < SHARDS; i++) {
		(void)waitpid(pid[i], &status, 0);
		if (status != 0)
			printf("# a process ended with %#x at state %" PRIu64
			       "\n",
			       (unsigned)status,
			       (uint64_t)test.results->now[i]);
		CHECK_INT(status, 0);
	}
	disk->careless = 0;
	CHECK_INT(test.results->refused, 0);
	CHECK(test.only || test.results->boots == test.results->built);
}

static void
print_counts(const char *what, uint32_t ops)
{
	printf("# %s: %" PRIu32 " operations, %" PRIu64
	       " different states, %" PRIu64 " wrong, seed %" PRIu64 "\n",
	       what, ops, (uint64_t)test.results->built,
	       (uint64_t)test.results->refused, test.seed);
}

/* ---- cases ---- */

static uint64_t states = 2400;

static uint32_t
ops_of_creation(void)
{
	uint32_t i = 0;

	while (i < disk->n_ops && test.promise[i].accounts == 0)
		i++;
	return i;
}

/* Killed at any place of the creation, it is made by the next start, and then
 * its names are as safe as if nothing had happened. */
static void
check_kill(uint32_t place)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	pid_t child;
	int status;

	empty_folder(test.root);
	disk_reset();
	disk->die_at = place;
	(void)fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(!writer_prepare(&test.w.f.conf, &why));
	must(waitpid(child, &status, 0) == child);
	disk->die_at = 0;
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 99);
	CHECK(writer_prepare(&test.w.f.conf, &why));
	world_clear(&test.world);
	for (uint32_t i = 0; i < disk->n_ops; i++)
		world_step(&test.world, i);
	(void)world_choose(&test.world, 0, 0);
	if (!world_is_safe(&test.world)) {
		printf("# killed at op %" PRIu32 ":\n", place);
		world_print(&test.world);
	}
	CHECK(world_is_safe(&test.world));
}

TEST(a_kill_at_creation_leaves_nothing_unsafe)
{
	uint32_t places;

	workload_open(&test.w, test.root, DURABILITY_COMMIT);
	prepare_recorded();
	places = disk->n_ops - 1;
	for (uint32_t i = 1; i <= places; i++)
		check_kill(i);
	disk->recording = 0;
	workload_close(&test.w);
	printf("# killed at %" PRIu32 " places\n", places);
}

TEST(a_power_cut_at_creation_leaves_a_whole_ledger_or_none)
{
	uint32_t ops;

	record(DURABILITY_COMMIT);
	ops = ops_of_creation();
	try_states(ops, states / 6);
	print_counts("creation and first account", ops);
	CHECK(test.only || test.results->built >= 100);
}

/* Of the record that the case before has made. */
TEST(commit_keeps_all_that_was_acknowledged)
{
	try_states(disk->n_ops, states / 2);
	print_counts("mode commit", disk->n_ops);
	CHECK(test.only || test.results->built >= states / 2);
}

/* Whatever is settled before a group is on the disk, is in the next one: the
 * power takes one group, and what has come while it was written. */
static void
check_groups(void)
{
	uint64_t worst = 0;

	for (uint32_t i = 0; i < disk->n_ops; i++) {
		const struct disk_op *o = &disk->op[i];
		uint64_t seq, groups = 0, before = o->committed;

		if (o->kind != DISK_MARK || o->off != MARK_SETTLED)
			continue;
		seq = test.seq_of[o->len];
		for (uint32_t k = i; k < disk->n_ops && before < seq; k++) {
			uint64_t now = disk->op[k].committed;
			bool requests = false;

			for (uint64_t s = before; s < now; s++)
				requests = requests ||
					   test.entry[s].kind == KIND_REQUEST;
			groups += requests;
			before = now;
		}
		worst = MAX_OF(worst, groups);
	}
	printf("# a settlement is in one of the next %" PRIu64 " groups\n",
	       worst);
	CHECK(worst >= 1 && worst <= 2);
}

TEST(relaxed_loses_one_group_and_nothing_that_was_committed)
{
	record(DURABILITY_RELAXED);
	check_groups();
	try_states(disk->n_ops, states - states / 2 - states / 6);
	print_counts("mode relaxed", disk->n_ops);
	printf("# at most %" PRIu64 " settlements lost, the oldest %" PRIu64
	       " us before the cut\n",
	       (uint64_t)test.results->longest,
	       (uint64_t)test.results->oldest_us);
}

static void
read_options(int argc, char **argv)
{
	static const struct option list[] = {
		{"states", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"state", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int c;

	test.seed = 1;
	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (c == '?')
			exit(2);
		*(c == 'n'   ? &states
		  : c == 's' ? &test.seed
			     : &test.only) = strtoull(optarg, NULL, 10);
	}
}

int
main(int argc, char **argv)
{
	read_options(argc, argv);
	make_folders();
	disk_open(test.root);
	test.results = mmap(NULL, sizeof(*test.results), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(test.results != MAP_FAILED);
	RUN(a_kill_at_creation_leaves_nothing_unsafe);
	RUN(a_power_cut_at_creation_leaves_a_whole_ledger_or_none);
	RUN(commit_keeps_all_that_was_acknowledged);
	RUN(relaxed_loses_one_group_and_nothing_that_was_committed);
	empty_folder(test.root);
	(void)rmdir(test.root);
	(void)rmdir(test.disks);
	return tap_done();
}
