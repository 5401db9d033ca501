/*
 * The audit. What is hard is the cut: slots and counters change under our
 * eyes. Each slot is read between two equal loads of its word. Each counter
 * is helped first, so what was applied is confirmed; if its last_op is then
 * the same before and after the slots were read, no step was applied to it
 * in between, and sum and amount belong together.
 */
#include "billing/audit.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "shm/accounts.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/slots.h"

__extension__ typedef __int128 wide;

/* Counters of one part. */
#define PART 32768u
/* Single looks at a counter in motion, without and with its admissions
 * paused. */
#define TRIES	 100
#define PAUSE_NS (2 * NS_PER_MS)

static void *
sparse(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

bool
audit_init(struct audit *a, struct region *r, const struct post *p)
{
	*a = (struct audit){.r = r, .post = p, .next = SHM_COUNTERS};
	a->sum = sparse(sizeof(*a->sum) * SHM_COUNTERS);
	a->op = sparse(sizeof(*a->op) * SHM_COUNTERS);
	return a->sum && a->op;
}

void
audit_free(struct audit *a)
{
	if (a->sum)
		(void)munmap(a->sum, sizeof(*a->sum) * SHM_COUNTERS);
	if (a->op)
		(void)munmap(a->op, sizeof(*a->op) * SHM_COUNTERS);
	*a = (struct audit){0};
}

/* ---- slots ---- */

static int64_t
load(const _Atomic int64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

static uint64_t
word_of(const struct slot *s)
{
	return atomic_load_explicit(&s->word, memory_order_acquire);
}

/* What the slot keeps from its i-th counter: its `available` is so much
 * below its balance. */
static int64_t
kept(const struct slot *s, uint64_t w, uint32_t i)
{
	uint32_t cell = word_cur(w) ^ (word_ext(w) >> i & 1);
	bool set = word_mask(w) >> i & 1;
	bool cap = s->ctr[i] >= counter_of_cap(0);
	int64_t total = load(cap ? &s->held_up[cell] : &s->held[cell]);
	int64_t cost = load(cap ? &s->up_cost : &s->cost);

	switch (word_state(w)) {
	case SLOT_FREE: return 0;
	case SLOT_ACQ:
	case SLOT_BACK: return set ? total : 0;
	case SLOT_HELD:
	case SLOT_EXT:
	case SLOT_XBK:
	case SLOT_SETTLED: return total;
	case SLOT_DURABLE: return set ? total - cost : 0;
	case SLOT_REVERSED: return set ? cost : 0;
	}
	return 0;
}

struct kept_of_slot {
	uint32_t n;
	uint32_t ctr[SLOT_COUNTERS];
	int64_t amount[SLOT_COUNTERS];
};

/* Between two equal words. */
static void
look_at_slot(const struct slot *s, struct kept_of_slot *out)
{
	uint64_t w = word_of(s), again;

	do {
		again = w;
		out->n = MIN_OF(word_k(w), (uint32_t)SLOT_COUNTERS);
		if (word_state(w) == SLOT_FREE)
			out->n = 0;
		for (uint32_t i = 0; i < out->n; i++) {
			out->ctr[i] = s->ctr[i];
			out->amount[i] = kept(s, w, i);
		}
		atomic_thread_fence(memory_order_acquire);
		w = word_of(s);
	} while (w != again);
}

/* Sums of all slots into a->sum[from .. to). */
static void
sum_range(struct audit *a, uint32_t first_slot, uint32_t n, uint32_t from,
	  uint32_t to)
{
	struct kept_of_slot k;

	for (uint32_t i = first_slot; i < first_slot + n; i++) {
		look_at_slot(&a->r->slots[i], &k);
		for (uint32_t j = 0; j < k.n; j++)
			if (k.ctr[j] >= from && k.ctr[j] < to)
				a->sum[k.ctr[j]] += k.amount[j];
	}
}

static void
sum_slots(struct audit *a, uint32_t from, uint32_t to)
{
	uint32_t n = a->r->head->n_slots;

	memset(&a->sum[from], 0, sizeof(*a->sum) * (to - from));
	for (uint32_t page = 0; page < n / SLOT_PAGE; page++)
		if (a->r->pages[page].owner != 0)
			sum_range(a, page * SLOT_PAGE, SLOT_PAGE, from, to);
	sum_range(a, n, SHM_OWN_SLOTS, from, to);
}

/* ---- counters ---- */

static uint64_t
op_of(const struct audit *a, uint32_t counter)
{
	return atomic_load_explicit(&a->r->counters[counter].last_op,
				    memory_order_acquire);
}

static void
first_look(struct audit *a, uint32_t counter)
{
	uint64_t op = op_of(a, counter);

	slot_help(a->r, op);
	a->op[counter] = op;
}

enum verdict { RIGHT, WRONG, MOVED };

static enum verdict
second_look(const struct audit *a, uint32_t counter)
{
	const struct counter *c = &a->r->counters[counter];
	int64_t available = load(&c->available);
	wide have, want;

	atomic_thread_fence(memory_order_acquire);
	if (op_of(a, counter) != a->op[counter])
		return MOVED;
	have = (wide)available + a->sum[counter];
	want = (wide)post_balance(a->post, counter) + c->credit;
	return have == want ? RIGHT : WRONG;
}

static enum verdict
look_alone(struct audit *a, uint32_t counter)
{
	first_look(a, counter);
	sum_slots(a, counter, counter + 1);
	return second_look(a, counter);
}

/* The account whose admissions use the counter; NULL: a channel's cap. */
static struct account_row *
account_of(const struct audit *a, uint32_t counter)
{
	uint32_t account = counter;

	if (counter >= counter_of_cap(0))
		return NULL;
	if (counter >= SHM_ACCOUNTS)
		account = a->r->keys[counter - SHM_ACCOUNTS].account;
	return account < a->r->head->n_accounts ? &a->r->accounts[account]
						: NULL;
}

static enum verdict
look_paused(struct audit *a, uint32_t counter)
{
	struct account_row *row = account_of(a, counter);
	uint64_t until = clock_mono_ns() + PAUSE_NS;
	enum verdict v = MOVED;

	if (!row)
		return v;
	atomic_fetch_or(&row->flags, ACCOUNT_PAUSED);
	while (v == MOVED && clock_mono_ns() < until)
		v = look_alone(a, counter);
	atomic_fetch_and(&row->flags, ~(uint32_t)ACCOUNT_PAUSED);
	return v;
}

static void
alarm(struct audit *a, uint32_t counter)
{
	const struct counter *c = &a->r->counters[counter];
	struct account_row *row = account_of(a, counter);

	a->differing++;
	if (row)
		atomic_fetch_or(&row->flags, ACCOUNT_AUDIT);
	a->r->head->audit_frozen++;
	LOG_ERROR("audit: a counter differs from the ledger; account frozen",
		  F_U64("counter", counter), F_U64("id", c->id),
		  F_I64("available_nano", c->available),
		  F_I64("held_nano", a->sum[counter]),
		  F_I64("balance_nano", post_balance(a->post, counter)),
		  F_I64("credit_nano", c->credit),
		  F_U64("last_op", c->last_op));
}

static void
settle_verdict(struct audit *a, uint32_t counter, enum verdict v)
{
	for (int i = 0; v == MOVED && i < TRIES; i++)
		v = look_alone(a, counter);
	if (v == MOVED)
		v = look_paused(a, counter);
	/* Twice, before anybody is frozen. */
	if (v == WRONG)
		v = look_alone(a, counter);
	if (v == WRONG)
		alarm(a, counter);
	if (v == MOVED)
		a->unsettled++;
}

static void
audit_part(struct audit *a, uint32_t from, uint32_t to)
{
	if (from >= to)
		return;
	for (uint32_t c = from; c < to; c++)
		first_look(a, c);
	sum_slots(a, from, to);
	for (uint32_t c = from; c < to; c++) {
		enum verdict v = second_look(a, c);

		if (v != RIGHT)
			settle_verdict(a, c, v);
	}
}

void
audit_start(struct audit *a)
{
	a->next = 0;
	a->differing = 0;
	a->unsettled = 0;
}

/* One part towards `end`. */
static void
step_to(struct audit *a, uint32_t end)
{
	uint32_t to = MIN_OF(a->next + PART, end);

	audit_part(a, a->next, to);
	a->next = MAX_OF(a->next, to);
}

bool
audit_step(struct audit *a)
{
	uint32_t accounts = a->r->head->n_accounts;
	uint32_t keys = counter_of_key(a->r->head->n_keys);
	uint32_t caps = counter_of_cap(a->r->head->n_caps);

	if (a->next < accounts) {
		step_to(a, accounts);
		return false;
	}
	a->next = MAX_OF(a->next, counter_of_key(0));
	if (a->next < keys) {
		step_to(a, keys);
		return false;
	}
	a->next = MAX_OF(a->next, counter_of_cap(0));
	step_to(a, caps);
	if (a->next < caps)
		return false;
	if (a->differing == 0)
		a->r->head->audit_time_ns = clock_wall_ns();
	return true;
}

static bool
totals_right(const struct audit *a)
{
	uint32_t accounts = a->r->head->n_accounts, keys = a->r->head->n_keys;
	const struct meta_record *m = &a->post->meta;
	wide sum = 0;

	for (uint32_t i = 0; i < accounts; i++)
		sum += post_balance(a->post, counter_of_account(i));
	for (uint32_t i = 0; i < keys; i++)
		sum += post_balance(a->post, counter_of_key(i));
	for (uint32_t i = 0; i < a->r->head->n_caps; i++)
		sum += post_balance(a->post, counter_of_cap(i));
	if (sum == (wide)m->credits - m->debits)
		return true;
	LOG_ERROR("audit: the balances do not add up to the totals",
		  F_I64("credits_nano", m->credits),
		  F_I64("debits_nano", m->debits));
	return false;
}

bool
audit_run(struct audit *a)
{
	audit_start(a);
	while (!audit_step(a))
		continue;
	return totals_right(a) && a->differing == 0;
}
