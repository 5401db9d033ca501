/* The workload; see workload.h. */
#include "tests/faults/workload.h"

#include "shm/books.h"

#define OPEN_MAX 12u
#define AMOUNT	 20000

struct open_request {
	struct hold h;
	uint64_t number;
	bool settled, streamed;
};

struct worker {
	struct workload *w;
	uint32_t n;
	struct open_request open[OPEN_MAX];
};

static uint32_t
dice(struct workload *w, uint32_t sides)
{
	w->dice = w->dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->dice >> 33) % sides;
}

static bool
relaxed(const struct workload *w)
{
	return w->f.conf.ledger.durability == DURABILITY_RELAXED;
}

void
workload_open(struct workload *w, const char *root,
	      enum conf_durability durability)
{
	struct fixture *f = &w->f;

	memset(w, 0, sizeof(*w));
	log_open("test", "/dev/null", LOG_LEVEL_ERROR);
	(void)setenv("TOLLGATE_LEDGER_ANY_FS", "1", 1);
	must(snprintf(f->dir, sizeof(f->dir), "%s/state", root) <
	     (int)sizeof(f->dir));
	f->conf.state_dir = str_of(f->dir);
	f->conf.ledger.map_size = FIX_MAP;
	f->conf.ledger.durability = durability;
	f->conf.time_zone = STR("UTC");
	fix_region(f);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		f->doorbells[i] = -1;
	w->dice = 1;
}

void
workload_close(struct workload *w)
{
	if (w->worker)
		slot_owner_free(w->worker);
	region_close(&w->f.region);
}

/* ---- orders ---- */

static struct order_answer
ask(struct workload *w, struct order *o)
{
	struct order_answer a = fix_order(&w->f, o);

	if (a.result != ORDER_DONE) {
		printf("# an order: %s\n",
		       order_result_text((enum order_result)a.result));
		w->failed++;
	}
	if (a.seq)
		disk_mark(MARK_SEQ, a.seq);
	return a;
}

static void
make_accounts(struct workload *w)
{
	for (uint32_t i = 0; i < WORK_ACCOUNTS; i++) {
		struct order o = {.kind = ORDER_ACCOUNT_CREATE,
				  .amount = {1000 * AMOUNT}};

		(void)snprintf(o.name, sizeof(o.name), "a%u", i);
		if (i == 1 || i == 2)
			(void)snprintf(o.parent, sizeof(o.parent), "a0");
		(void)ask(w, &o);
		disk_mark(MARK_ACCOUNTS, i + 1);
	}
}

/* Key i is of account i + 1: total, day, month. */
static void
make_keys(struct workload *w)
{
	for (uint32_t i = 0; i < WORK_KEYS; i++) {
		struct order o = {.kind = ORDER_KEY_CREATE};

		(void)snprintf(o.name, sizeof(o.name), "a%u", i + 1);
		memset(o.key.hash, (int)i + 1, sizeof(o.key.hash));
		o.key.has_budget = 1;
		o.key.budget_window = i;
		o.key.budget = money_nano(500 * AMOUNT);
		(void)ask(w, &o);
		disk_mark(MARK_KEYS, i + 1);
	}
}

static void
top_up(struct workload *w)
{
	struct order o = {.kind = ORDER_TOPUP, .amount = {AMOUNT}};

	(void)snprintf(o.name, sizeof(o.name), "a%u", dice(w, WORK_ACCOUNTS));
	(void)snprintf(o.idem, sizeof(o.idem), "t%u", (unsigned)++w->n_orders);
	(void)snprintf(o.note, sizeof(o.note), "note %u", dice(w, 4));
	(void)ask(w, &o);
}

/* More than a page of rows. */
static void
make_book(struct workload *w)
{
	struct book *b = &w->f.region.books[0];

	b->n = 40;
	for (uint32_t i = 0; i < b->n; i++)
		(void)snprintf(b->rows[i].name, MODEL_NAME, "model-%u", i);
	b->state = BOOK_FILLED;
	doorbell_ring(w->f.args.doorbell);
	for (int i = 0; i < FIX_PATIENCE && b->state == BOOK_FILLED; i++)
		fix_pause();
	w->failed += b->state != BOOK_STORED;
}

/* ---- requests ---- */

static struct hold_spec
spec_of(uint32_t account, bool budget)
{
	struct hold_spec s = {.amount = {AMOUNT}};

	if (budget)
		s.ctr[s.k++] = counter_of_key(account - 1);
	s.ctr[s.k++] = counter_of_account(account);
	if (account == 1 || account == 2)
		s.ctr[s.k++] = counter_of_account(0);
	return s;
}

static void
request_begin(struct worker *k)
{
	struct workload *w = k->w;
	struct open_request *q = &k->open[k->n];
	uint32_t account = dice(w, WORK_ACCOUNTS);
	bool budget = account > 0 && dice(w, 2);
	struct hold_spec spec = spec_of(account, budget);
	struct note *n;

	must(hold_claim(w->worker, &q->h) == E_OK);
	n = hold_note(w->worker, &q->h);
	memset(n, 0, sizeof(*n));
	q->number = ++w->n_requests;
	q->settled = false;
	n->start_ms = clock_wall_ns() / NS_PER_MS;
	n->account = account;
	n->parent = spec.k == 2 + (unsigned)budget ? 0 : SHM_NONE;
	n->key = budget ? account - 1 : SHM_NONE;
	n->multiplier_ppm = PPM_ONE;
	n->channel = UINT16_MAX;
	n->status = 200;
	n->attempts = 1;
	n->endpoint = ENDPOINT_CHAT;
	n->rule = 1;
	memcpy(n->request_id, &q->number, sizeof(q->number));
	if (hold_take(w->worker, &q->h, &spec) == E_OK)
		k->n++;
}

static void
request_settle(struct workload *w, struct open_request *q)
{
	int64_t cost = dice(w, AMOUNT);

	if (dice(w, 3) == 0 &&
	    hold_extend(w->worker, &q->h, money_nano(AMOUNT + 500)))
		cost += dice(w, 500);
	q->streamed = dice(w, 2);
	q->settled = true;
	hold_settle(w->worker, &q->h, money_nano(cost), money_nano(0),
		    REASON_NORMAL, q->streamed);
	disk_mark(MARK_SETTLED, q->number);
	doorbell_ring(w->f.args.doorbell);
}

/* True: the request is over. */
static bool
request_end(struct workload *w, struct open_request *q)
{
	bool committed;

	if (!q->settled)
		return false;
	committed = hold_committed(w->worker, &q->h);
	if (q->streamed && (committed || relaxed(w))) {
		disk_mark(MARK_SEEN, q->number);
		return true;
	}
	if (q->streamed || !committed)
		return false;
	if (q->number % 3 == 0) {
		hold_not_sent(w->worker, &q->h);
	} else {
		hold_sent(w->worker, &q->h);
		disk_mark(MARK_SEEN, q->number);
	}
	doorbell_ring(w->f.args.doorbell);
	return true;
}

static void
end_requests(struct worker *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		if (request_end(k->w, &k->open[i]))
			k->open[i--] = k->open[--k->n];
}

static void
step(struct worker *k)
{
	uint32_t what = dice(k->w, 16);

	if (what == 0)
		top_up(k->w);
	else if (k->n < OPEN_MAX && what < 9)
		request_begin(k);
	else if (k->n && !k->open[what % k->n].settled)
		request_settle(k->w, &k->open[what % k->n]);
	if (what < 4)
		fix_pause();
	end_requests(k);
}

static bool
all_free(struct workload *w)
{
	return slot_owner_busy(w->worker) == 0;
}

void
workload_run(struct workload *w, uint64_t requests)
{
	struct worker k = {.w = w};

	make_accounts(w);
	make_book(w);
	make_keys(w);
	w->worker = fix_worker(&w->f, &w->row);
	while (w->n_requests < requests)
		step(&k);
	for (uint32_t i = 0; i < k.n; i++)
		if (!k.open[i].settled)
			request_settle(w, &k.open[i]);
	for (int i = 0; i < FIX_PATIENCE && (k.n || !all_free(w)); i++) {
		end_requests(&k);
		doorbell_ring(w->f.args.doorbell);
		fix_pause();
	}
	w->failed += k.n > 0 || !all_free(w);
	w->f.region.workers[w->row].state = WORKER_UNUSED;
}
