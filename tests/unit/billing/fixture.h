#pragma once
/*
 * What the tests of billing share: a ledger in a directory of its own, a
 * shared segment, a writer in a child process, and orders to it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "billing/order.h"
#include "billing/verify.h"
#include "billing/writer.h"
#include "conf/conf.h"
#include "shm/accounts.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/slots.h"
#include "shm/workers.h"

#define FIX_SLOTS   (4 * SLOT_PAGE)
#define FIX_WORKERS 4u
#define FIX_MAP	    (256ull << 20)
/* Milliseconds that nothing takes, however slow the machine is. */
#define FIX_PATIENCE 30000

struct fixture {
	char dir[64];
	struct conf conf;
	struct region region;
	struct writer_args args;
	int doorbells[FIX_WORKERS];
	int orders; /* our end */
	int alive[2];
	pid_t writer;
	uint64_t next_order;
};

static inline void
fix_pause(void)
{
	const struct timespec ms = {0, 1000000};

	(void)nanosleep(&ms, NULL);
}

static inline void
fix_dir(struct fixture *f)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;

	memset(f, 0, sizeof(*f));
	(void)setenv("TOLLGATE_LEDGER_ANY_FS", "1", 1);
	(void)str_copy(f->dir, sizeof(f->dir),
		       STR("/tmp/tollgate-test-XXXXXX"));
	must(mkdtemp(f->dir));
	f->conf.state_dir = str_of(f->dir);
	f->conf.ledger.map_size = FIX_MAP;
	f->conf.ledger.durability = DURABILITY_COMMIT;
	if (!writer_prepare(&f->conf, &why))
		printf("# %.*s\n", STR_ARG(buf_str(&why)));
}

static inline void
fix_region(struct fixture *f)
{
	must(region_anonymous(&f->region, FIX_SLOTS, FIX_WORKERS) == E_OK);
}

/* A prepared directory, a new segment, no writer yet. */
static inline void
fix_open(struct fixture *f)
{
	log_open("test", "/dev/null", LOG_LEVEL_ERROR);
	fix_dir(f);
	fix_region(f);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		f->doorbells[i] = eventfd(0, EFD_NONBLOCK);
}

static inline void
fix_remove(const char *dir)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		printf("# %s stays\n", dir);
}

static inline void
fix_start(struct fixture *f)
{
	sigset_t ends, before;
	int pair[2];

	/* It may be stopped before it has asked for signals. */
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	must(pipe(f->alive) == 0);
	f->args = (struct writer_args){
		.conf = &f->conf,
		.region = &f->region,
		.doorbell = eventfd(0, EFD_NONBLOCK),
		.worker_doorbells = f->doorbells,
		.master_doorbell = eventfd(0, EFD_NONBLOCK),
		.orders = pair[1],
		.alive = f->alive[0],
	};
	f->orders = pair[0];
	must(sigprocmask(SIG_BLOCK, &ends, &before) == 0);
	f->writer = fork();
	must(f->writer == 0 || sigprocmask(SIG_SETMASK, &before, NULL) == 0);
	if (f->writer == 0) {
		(void)close(f->alive[1]);
		_exit(writer_run(&f->args));
	}
	(void)close(pair[1]);
	(void)close(f->alive[0]);
}

static inline bool
fix_wait_state(struct fixture *f, enum ledger_state s)
{
	for (int i = 0; i < FIX_PATIENCE; i++) {
		if (f->region.head->ledger_state == (uint32_t)s)
			return true;
		fix_pause();
	}
	return false;
}

/* Exit code, or 128 + signal. */
static inline int
fix_reap_writer(struct fixture *f)
{
	int status = 0;

	(void)waitpid(f->writer, &status, 0);
	f->writer = 0;
	(void)close(f->orders);
	(void)close(f->alive[1]);
	(void)close(f->args.doorbell);
	(void)close(f->args.master_doorbell);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int
fix_stop(struct fixture *f, int sig)
{
	(void)kill(f->writer, sig);
	return fix_reap_writer(f);
}

static inline void
fix_close(struct fixture *f)
{
	if (f->writer)
		(void)fix_stop(f, SIGKILL);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		(void)close(f->doorbells[i]);
	region_close(&f->region);
	fix_remove(f->dir);
}

static inline struct order_answer
fix_order(struct fixture *f, struct order *o)
{
	struct order_answer a = {.result = 99};

	o->id = ++f->next_order;
	if (send(f->orders, o, sizeof(*o), 0) != sizeof(*o) ||
	    recv(f->orders, &a, sizeof(a), 0) != sizeof(a))
		printf("# no answer: %s\n", strerror(errno));
	return a;
}

static inline struct order_answer
fix_account(struct fixture *f, const char *name, int64_t nano)
{
	struct order o = {.kind = ORDER_ACCOUNT_CREATE, .amount = {nano}};

	(void)str_copy(o.name, sizeof(o.name), str_of(name));
	return fix_order(f, &o);
}

static inline struct order_answer
fix_topup(struct fixture *f, const char *name, int64_t nano, const char *idem)
{
	struct order o = {.kind = ORDER_TOPUP, .amount = {nano}};

	(void)str_copy(o.name, sizeof(o.name), str_of(name));
	(void)str_copy(o.idem, sizeof(o.idem), str_of(idem));
	return fix_order(f, &o);
}

/* budget < 0: none. */
static inline struct order_answer
fix_key(struct fixture *f, const char *account, uint8_t secret, int64_t budget)
{
	struct order o = {.kind = ORDER_KEY_CREATE};

	(void)str_copy(o.name, sizeof(o.name), str_of(account));
	memset(o.key.hash, secret, sizeof(o.key.hash));
	o.key.has_budget = budget >= 0;
	o.key.budget = money_nano(MAX_OF(budget, 0));
	return fix_order(f, &o);
}

static inline struct order_answer
fix_checkpoint(struct fixture *f)
{
	struct order o = {.kind = ORDER_CHECKPOINT};

	return fix_order(f, &o);
}

/* A request of `worker` on account (and key), held and described. */
static inline bool
fix_hold(struct slot_owner *w, struct hold *h, uint32_t account, uint32_t key,
	 int64_t amount)
{
	struct hold_spec spec = {
		.ctr = {counter_of_account(account)},
		.k = 1,
		.amount = {amount},
	};
	struct note *n;

	if (key != SHM_NONE)
		spec.ctr[spec.k++] = counter_of_key(key);
	if (hold_claim(w, h) != E_OK)
		return false;
	n = hold_note(w, h);
	memset(n, 0, sizeof(*n));
	n->start_ms = clock_wall_ns() / NS_PER_MS;
	n->account = account;
	n->parent = SHM_NONE;
	n->key = key;
	n->multiplier_ppm = PPM_ONE;
	n->channel = UINT16_MAX;
	n->status = 200;
	n->attempts = 1;
	n->endpoint = ENDPOINT_CHAT;
	return hold_take(w, h, &spec) == E_OK;
}

/* A worker of this process: its row, ready. */
static inline struct slot_owner *
fix_worker(struct fixture *f, uint32_t *row)
{
	*row = worker_row_take(&f->region, 1, 0);
	f->region.workers[*row].pid = (uint32_t)getpid();
	f->region.workers[*row].state = WORKER_READY;
	return slot_owner_new(&f->region, *row,
			      f->region.workers[*row].spawn_epoch);
}

/* It "dies"; until the writer has reaped it. */
static inline bool
fix_worker_dies(struct fixture *f, uint32_t row)
{
	f->region.workers[row].state = WORKER_DEAD;
	doorbell_ring(f->args.doorbell);
	for (int i = 0; i < FIX_PATIENCE; i++) {
		if (f->region.workers[row].state == WORKER_UNUSED)
			return true;
		fix_pause();
	}
	return false;
}

/* Until the slot of `h` has been committed. */
static inline bool
fix_committed(struct fixture *f, struct slot_owner *w, struct hold *h)
{
	doorbell_ring(f->args.doorbell);
	for (int i = 0; i < FIX_PATIENCE; i++) {
		if (hold_committed(w, h))
			return true;
		fix_pause();
	}
	return false;
}

static inline int64_t
fix_available(struct fixture *f, uint32_t counter)
{
	return f->region.counters[counter].available;
}

/* What `tollgate-ledger verify` says. */
static inline enum verify_result
fix_verify(struct fixture *f, bool recompute)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	enum verify_result r = VERIFY_DAMAGED;
	struct ledger *l;

	if (ledger_open(&l, f->dir, LEDGER_READ, 0, &line) == STORE_OK)
		r = verify_ledger(l, recompute, &line);
	ledger_close(l);
	if (r != VERIFY_BALANCED)
		printf("# %.*s\n", STR_ARG(buf_str(&line)));
	return r;
}
