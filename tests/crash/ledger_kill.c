/*
 * Directed kills with the real ledger writer: its commits, its orders, its
 * restarts, cold starts included. Days go by in a moment, so that budgets and
 * caps begin anew under the kills. At the end of every round the entries of
 * the ledger itself are audited, and verified as an operator would.
 *
 *	ledger_kill [--per-point N] [--seconds S] [--seed N] [--point N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "billing/records.h"
#include "billing/scan.h"
#include "shm/caps.h"
#include "tests/crash/kill.h"
#include "tests/unit/billing/fixture.h"

#define BUDGET	   1000000000000ll
#define PLACES	   MINI_COUNTERS
#define DAY_NS	   (86400 * NS_PER_SEC)
#define DAYS_MAX   36500u
#define ACCOUNTS   (MINI_PARENTS + MINI_ACCOUNTS)
#define COLD_KILLS 10u /* at most so many in one cold start */
#define PART	   (1u << 20)
#define LARGE_MAP  (16ull << 30)

/* The operator's side, in the process that kills; one a program. */
struct desk {
	struct fixture f;
	struct order order;
	bool open;   /* not answered */
	bool unsent; /* not with this writer */
	uint64_t topup_ns, n_topup, day_ns, limit_ns;
	struct kill_shared *shared;
	int64_t asked[ACCOUNTS]; /* top-ups that were answered */
	/* Of the audit: replay so far. */
	int64_t balance[PLACES];
	int64_t came_in[ACCOUNTS];
	uint64_t next_seq;
	uint32_t cold_kills;
	struct mini_entry *part;
};
static struct desk desk;

/* The linker puts this in the place of clock_wall_ns(). */
uint64_t __real_clock_wall_ns(void);
uint64_t __wrap_clock_wall_ns(void);

uint64_t
__wrap_clock_wall_ns(void)
{
	uint64_t days = desk.shared ? desk.shared->days : 0;

	return __real_clock_wall_ns() + days * DAY_NS;
}

static int
writer(struct kill_test *t)
{
	(void)t;
	return writer_run(&desk.f.args);
}

static void
arm_cold_start(struct kill_test *t)
{
	struct crash_word *c = &t->k->crash;
	uint32_t place = c->kills[CP_EPOCH] <= c->kills[CP_LOADED] ? CP_EPOCH
								   : CP_LOADED;

	c->role = 0;
	c->skip = 0;
	if (desk.cold_kills++ < COLD_KILLS && c->kills[place] < t->per_point)
		c->armed = place;
}

static int64_t
some_limit(void)
{
	return 20000 + rand() % 80000;
}

/* As the master wants them; the writer finds them by name. */
static void
make_caps(struct kill_test *t)
{
	const struct cap_of of[MINI_CAPS] = {
		{CAP_CHANNEL, STR("c"), STR_NONE},
		{CAP_CREDENTIAL, STR("c"), STR("0")},
		{CAP_MODEL, STR_NONE, STR("c")},
		{CAP_CHANNEL, STR("d"), STR_NONE},
	};

	for (uint32_t i = 0; i < MINI_CAPS; i++) {
		const struct cap_row *row = cap_find(&t->r, &of[i]);
		int64_t limit = row ? row->limit_nano : some_limit();

		must(cap_want(&t->r, &of[i], limit) == i);
	}
	for (uint32_t i = 0; i < MINI_CAPS; i++)
		(void)str_copy(t->r.channels[i].name, CHANNEL_NAME, STR("c"));
}

/* Every round but the first comes after a power loss: new memory. */
static void
begin(struct kill_test *t)
{
	if (t->r.head->boot_epoch != 0 && desk.next_seq > 1) {
		region_close(&t->r);
		must(region_anonymous(&t->r, KILL_SLOTS, KILL_ROWS) == E_OK);
	}
	make_caps(t);
	desk.cold_kills = 0;
	arm_cold_start(t);
}

static bool
ready(struct kill_test *t)
{
	return t->r.head->ledger_state == LEDGER_OK;
}

static void
order_send(void)
{
	desk.order.id++;
	desk.unsent = send(desk.f.orders, &desk.order, sizeof(desk.order),
			   MSG_DONTWAIT) != sizeof(desk.order);
}

static void
order_make(void)
{
	uint32_t account = (uint32_t)rand() % ACCOUNTS;

	desk.order.kind = ORDER_TOPUP;
	desk.order.amount = money_nano(20000 + rand() % 20000);
	(void)snprintf(desk.order.name, sizeof(desk.order.name), "a%u",
		       account);
	(void)snprintf(desk.order.idem, sizeof(desk.order.idem), "t%" PRIu64,
		       ++desk.n_topup);
	desk.open = true;
	order_send();
}

static void
order_answered(struct kill_test *t, const struct order_answer *a)
{
	if (a->id != desk.order.id || !desk.open)
		return;
	if (a->result == ORDER_NO_LEDGER) {
		desk.unsent = true;
		return;
	}
	if (a->result != ORDER_DONE && a->result != ORDER_REPEATED)
		kill_fail(t, order_result_text((enum order_result)a->result));
	desk.asked[strtoul(desk.order.name + 1, NULL, 10)] +=
		desk.order.amount.nano;
	desk.open = false;
}

static void
order_receive(struct kill_test *t)
{
	struct order_answer a;

	while (recv(desk.f.orders, &a, sizeof(a), MSG_DONTWAIT) == sizeof(a))
		order_answered(t, &a);
	if (desk.open && desk.unsent)
		order_send();
}

static void
tick(struct kill_test *t)
{
	uint64_t now = clock_mono_ns();

	order_receive(t);
	if (now - desk.day_ns > 150 * NS_PER_MS && t->k->days < DAYS_MAX) {
		desk.day_ns = now;
		t->k->days++;
	}
	if (now - desk.limit_ns > 60 * NS_PER_MS) {
		desk.limit_ns = now;
		t->r.caps[(uint32_t)rand() % MINI_CAPS].limit_nano =
			some_limit();
	}
	if (desk.open || now - desk.topup_ns < 2 * NS_PER_MS)
		return;
	desk.topup_ns = now;
	order_make();
}

static void
writer_died(struct kill_test *t)
{
	/* The next one gets the order again: the answer may be lost. */
	desk.unsent = true;
	if (t->r.head->ledger_state != LEDGER_OK)
		arm_cold_start(t);
}

static bool
at_rest(struct kill_test *t)
{
	order_receive(t);
	return !desk.open;
}

static void
stop(struct kill_test *t)
{
	(void)kill(t->writer, SIGTERM);
}

static bool
has_place(uint32_t place)
{
	/* Own slots of this writer begin in another way, price books are the
	 * master's. */
	return place < 150 && place != CP_BOOK_STORED;
}

/* ---- audit ---- */

static uint32_t
place_of(uint32_t counter)
{
	uint32_t i = 0;

	while (i < PLACES && mini_counter(i) != counter)
		i++;
	must(i < PLACES);
	return i;
}

static uint8_t
moves_of(const struct plan *p)
{
	return (uint8_t)(MOVES_ACCOUNT |
			 (p->parent != SHM_NONE ? MOVES_PARENT : 0) |
			 (p->key != SHM_NONE ? MOVES_KEY : 0));
}

/* An attempt moves its caps. */
static struct mini_entry
mini_of_attempt(const struct entry *e)
{
	uint32_t ctr[ENTRY_MOVES] = {SHM_NONE, SHM_NONE, SHM_NONE};
	unsigned k = entry_counters(e, ctr);
	struct mini_entry m = {
		.slot = e->slot,
		.gen = e->gen,
		.kind = SLOT_ATTEMPT,
		.k = (uint8_t)k,
		.sent = 1,
		.reason = e->reason,
		.cost = e->charge_nano,
		.up_cost = e->upstream_nano,
		.ctr = {ctr[0], ctr[1], ctr[2]},
	};

	return m;
}

/* The entry as the audit of the slots knows them. What the ledger does not
 * keep is taken as right. */
static struct mini_entry
mini_of(const struct entry *e)
{
	struct plan p = plan_of(e->slot, e->gen, false);
	bool reaped = e->reason == REASON_REAPED;
	struct mini_entry m = {
		.slot = e->slot,
		.gen = e->gen,
		.kind = SLOT_REQUEST,
		.reversal = e->kind == KIND_REVERSAL,
		.k = (uint8_t)(e->moves == moves_of(&p) &&
					       e->account == p.account
				       ? p.k
				       : 0),
		.sent = p.stream || reaped || e->reason == REASON_UPSTREAM,
		.reason = e->reason,
		.cost = e->charge_nano,
		.up_cost = reaped ? 0 : plan_upstream(e->charge_nano),
	};

	memcpy(m.ctr, p.ctr, sizeof(m.ctr));
	return m;
}

static void
replay(const struct entry *e)
{
	uint32_t ctr[ENTRY_MOVES];
	unsigned n = entry_counters(e, ctr);

	for (unsigned i = 0; i < n; i++)
		desk.balance[place_of(ctr[i])] -= entry_amount(e);
	if (e->kind == KIND_TOPUP && e->account < ACCOUNTS)
		desk.came_in[e->account] -= e->charge_nano;
}

/* The entries since the last audit; how many of them are of requests. */
static uint64_t
entries_read(struct kill_test *t, struct ledger *l)
{
	struct meta_record meta;
	struct scan s;
	struct entry e;
	uint64_t n = 0;

	must(scan_begin(&s, l, &meta) == STORE_OK);
	s.next = desk.next_seq;
	s.astray = true;
	while (scan_next(&s, &e) == STORE_OK && n < PART) {
		replay(&e);
		t->entries++;
		t->reversals += e.kind == KIND_REVERSAL;
		t->rollovers += e.kind == KIND_ROLLOVER;
		t->limits += e.kind == KIND_LIMIT;
		if (e.kind == KIND_ATTEMPT || e.kind == KIND_CAP) {
			t->attempts++;
			desk.part[n++] = mini_of_attempt(&e);
		}
		if (e.kind == KIND_REQUEST || e.kind == KIND_REVERSAL)
			desk.part[n++] = mini_of(&e);
	}
	must(s.next == meta.next_seq);
	desk.next_seq = meta.next_seq;
	scan_end(&s);
	return n;
}

static bool
counters_agree(struct kill_test *t)
{
	bool good = true;

	for (uint32_t i = 0; i < PLACES; i++) {
		struct counter *c = &t->r.counters[mini_counter(i)];

		slot_help(&t->r, c->last_op);
		if (c->available == desk.balance[i])
			continue;
		good = false;
		printf("# counter %" PRIu32 ": replay %" PRId64
		       " available %" PRId64 "\n",
		       i, desk.balance[i], (int64_t)c->available);
	}
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		if (desk.came_in[i] == desk.asked[i])
			continue;
		good = false;
		printf("# account %" PRIu32 ": top-ups %" PRId64
		       " asked for %" PRId64 "\n",
		       i, desk.came_in[i], desk.asked[i]);
	}
	for (uint32_t i = 0; i < KILL_SLOTS + SHM_OWN_SLOTS; i++) {
		if (word_state(t->r.slots[i].word) == SLOT_FREE)
			continue;
		good = false;
		printf("# slot %" PRIu32 " is not free\n", i);
	}
	return good;
}

static bool
audit(struct kill_test *t)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l;
	uint64_t n;
	bool good;

	must(ledger_open(&l, desk.f.dir, LEDGER_READ, 0, &why) == STORE_OK);
	n = entries_read(t, l);
	ledger_close(l);
	good = counters_agree(t);
	good = kill_audit(t->k, &t->r, desk.part, n) && good;
	return fix_verify(&desk.f, false) == VERIFY_BALANCED && good;
}

/* ---- accounts and keys, by a writer that nobody kills ---- */

static void
account_make(uint32_t i)
{
	struct order o = {.kind = ORDER_ACCOUNT_CREATE, .amount = {150000}};

	(void)snprintf(o.name, sizeof(o.name), "a%" PRIu32, i);
	if (i >= MINI_PARENTS)
		(void)snprintf(o.parent, sizeof(o.parent), "a%" PRIu32,
			       (i - MINI_PARENTS) % MINI_PARENTS);
	must(fix_order(&desk.f, &o).result == ORDER_DONE);
	desk.asked[i] += 150000;
}

/* In all, in all, and the others per day but the last, per month. */
static void
key_make(uint32_t i)
{
	struct order o = {.kind = ORDER_KEY_CREATE, .name = "a2"};

	memset(o.key.hash, (int)i + 1, sizeof(o.key.hash));
	o.key.has_budget = 1;
	o.key.budget = money_nano(i < 2 ? BUDGET : some_limit());
	o.key.budget_window = i < 2		  ? BUDGET_TOTAL
			      : i + 1 < MINI_KEYS ? BUDGET_DAY
						  : BUDGET_MONTH;
	must(fix_order(&desk.f, &o).result == ORDER_DONE);
}

static void
open_ledger(struct kill_test *t)
{
	struct fixture *f = &desk.f;

	log_open("test", "/dev/null", LOG_LEVEL_ERROR);
	fix_dir(f);
	f->conf.ledger.map_size = LARGE_MAP;
	f->region = t->r;
	for (uint32_t i = 0; i < FIX_WORKERS; i++)
		f->doorbells[i] = -1;
	fix_start(f);
	must(fix_wait_state(f, LEDGER_OK));
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		account_make(i);
	for (uint32_t i = 0; i < MINI_KEYS; i++)
		key_make(i);
	must(fix_stop(f, SIGTERM) == 0);
	desk.next_seq = 1;
	desk.part = calloc(PART, sizeof(*desk.part));
	must(desk.part);
}

/* What every writer of the test is started with. */
static void
make_args(struct kill_test *t)
{
	int pair[2], pipes[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	must(pipe(pipes) == 0);
	t->k->doorbell = eventfd(0, EFD_NONBLOCK);
	desk.f.orders = pair[0];
	desk.f.args = (struct writer_args){
		.conf = &desk.f.conf,
		.region = &t->r,
		.doorbell = t->k->doorbell,
		.master_doorbell = eventfd(0, EFD_NONBLOCK),
		.orders = pair[1],
		.alive = pipes[0],
	};
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
	int status;

	if (!kill_open(&t, argc, argv))
		return 0;
	desk.shared = t.k;
	open_ledger(&t);
	region_close(&t.r);
	must(region_anonymous(&t.r, KILL_SLOTS, KILL_ROWS) == E_OK);
	make_args(&t);
	status = kill_run(&t);
	fix_remove(desk.f.dir);
	return status;
}
