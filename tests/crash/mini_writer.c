/* The mini writer of the tests; see mini_writer.h. */
#include "tests/crash/mini_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "shm/counters.h"
#include "shm/workers.h"

#define FIRST_KEY (MINI_PARENTS + MINI_ACCOUNTS)
#define FIRST_CAP (FIRST_KEY + MINI_KEYS)

uint32_t
mini_counter(uint32_t place)
{
	must(place < MINI_COUNTERS);
	if (place < FIRST_KEY)
		return counter_of_account(place);
	if (place < FIRST_CAP)
		return counter_of_key(place - FIRST_KEY);
	return counter_of_cap(place - FIRST_CAP);
}

uint32_t
mini_place(uint32_t counter)
{
	for (uint32_t i = 0; i < MINI_COUNTERS; i++) {
		if (mini_counter(i) == counter)
			return i;
	}
	must_fail("a counter of the test", __FILE__, __LINE__);
}

bool
mini_rolls(uint32_t place)
{
	return place >= FIRST_KEY;
}

static bool
is_upstream(uint32_t counter)
{
	return counter >= counter_of_cap(0);
}

void
mini_open(struct mini *m, struct region *r)
{
	struct mini_book *b = &m->book[m->valid];

	must(r->head->n_slots + SHM_OWN_SLOTS <= MINI_SLOTS);
	memset(b, 0, sizeof(*b));
	memset(m->ask, 0, sizeof(m->ask));
	m->window = 0;
	for (uint32_t i = 0; i < MINI_COUNTERS; i++) {
		struct counter *c = &r->counters[mini_counter(i)];

		b->balance[i] = m->opening[i];
		b->limit[i] = m->opening[i];
		m->limit[i] = m->opening[i];
		c->available = m->opening[i];
		c->last_op = 0;
	}
	/* Generations go on; what was posted before is not known any more,
	 * which is as good as posted. */
	for (uint32_t i = 0; i < r->head->n_slots + SHM_OWN_SLOTS; i++)
		b->posted[i].gen = word_gen(r->slots[i].word);
}

/* A rollover's amount is what brings the balance of its posting to the
 * limit. */
static void
post_rollover(const struct mini *m, struct mini_book *b, struct slot *s)
{
	uint32_t place = mini_place(s->ctr[0]);
	int64_t cost = 0;

	if (b->window[place] < s->ref) {
		b->limit[place] = m->limit[place];
		cost = -(b->limit[place] - b->balance[place]);
		b->window[place] = (uint32_t)s->ref;
	}
	s->cost = cost;
	s->up_cost = cost;
}

/* What was spent in this window stays spent. */
static void
post_limit(const struct mini *m, struct mini_book *b, struct slot *s)
{
	uint32_t place = mini_place(s->ctr[0]);
	int64_t to = m->limit[place];

	s->cost = -(to - b->limit[place]);
	s->up_cost = s->cost;
	b->limit[place] = to;
}

static void
post_topup(struct mini_book *b, struct slot *s)
{
	must(s->ref < MINI_TOPUPS);
	if (b->topup[s->ref]) {
		s->cost = 0;
		s->up_cost = 0;
	}
	b->topup[s->ref] = 1;
}

static void
book_add(struct mini *m, struct mini_book *b, const struct mini_entry *e)
{
	must(b->n_entries < MINI_ENTRIES);
	m->entry[b->n_entries++] = *e;
	for (uint32_t i = 0; i < e->k; i++) {
		int64_t v = is_upstream(e->ctr[i]) ? e->up_cost : e->cost;

		if (e->mask >> i & 1)
			b->balance[mini_place(e->ctr[i])] +=
				e->reversal ? v : -v;
	}
}

/* The counters of a reversal: not those whose window is another one now. */
static uint32_t
reversal_mask(const struct mini_book *b, const struct slot *s, uint32_t slot,
	      uint32_t k)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < k; i++) {
		if (b->window[mini_place(s->ctr[i])] ==
		    b->posted[slot].window[i])
			mask |= 1u << i;
	}
	return mask;
}

/* Posts a slot once in each phase. */
static void
book_post(struct mini *m, struct mini_book *b, struct region *r, uint32_t slot,
	  bool reversal)
{
	struct slot *s = &r->slots[slot];
	uint64_t w = s->word;
	uint32_t k = word_k(w);
	struct mini_entry e = {.slot = slot,
			       .gen = word_gen(w),
			       .kind = s->kind,
			       .reversal = reversal,
			       .k = (uint8_t)k,
			       .sent = (uint8_t)word_sent(w),
			       .mask = (uint8_t)((1u << k) - 1)};

	if (b->posted[slot].gen == e.gen + 1 &&
	    b->posted[slot].phase > (uint32_t)reversal)
		return;
	if (!reversal && s->kind == SLOT_ROLLOVER)
		post_rollover(m, b, s);
	if (!reversal && s->kind == SLOT_LIMIT)
		post_limit(m, b, s);
	if (!reversal && s->kind == SLOT_TOPUP)
		post_topup(b, s);
	if (reversal)
		e.mask = (uint8_t)reversal_mask(b, s, slot, k);
	b->posted[slot].gen = e.gen + 1;
	b->posted[slot].phase = reversal ? 2 : 1;
	b->posted[slot].mask = e.mask;
	for (uint32_t i = 0; i < k && !reversal; i++)
		b->posted[slot].window[i] = b->window[mini_place(s->ctr[i])];
	memcpy(e.ctr, s->ctr, sizeof(e.ctr));
	e.reason = s->reason;
	e.cost = s->cost;
	e.up_cost = s->up_cost;
	e.ref = s->ref;
	book_add(m, b, &e);
}

/* One transaction: the slots that `todo` asks for, then their words. */
static void
commit(struct mini *m, struct region *r, const uint32_t *slots, uint32_t n,
       enum slot_todo todo)
{
	struct mini_book *from = &m->book[m->valid];
	struct mini_book *to = &m->book[!m->valid];

	if (n == 0)
		return;
	memcpy(to, from, sizeof(*to));
	for (uint32_t i = 0; i < n; i++)
		book_post(m, to, r, slots[i], todo == TODO_REVERSE);
	atomic_store_explicit(&m->valid, !m->valid, memory_order_release);
	m->commits++;
	for (uint32_t i = 0; i < n; i++) {
		if (todo == TODO_REVERSE)
			slot_reversed(r, slots[i], to->posted[slots[i]].mask);
		else
			slot_durable(r, slots[i]);
	}
}

static void
answer(struct mini *m, const struct slot *s)
{
	for (uint32_t i = 0; i < MINI_ASKED; i++) {
		if (m->ask[i].state == MINI_ASKED_FOR && m->ask[i].id == s->ref)
			m->ask[i].state = MINI_ANSWERED;
	}
}

static void
finish(struct mini *m, struct region *r, uint32_t slot)
{
	bool topup =
		slot >= r->head->n_slots && r->slots[slot].kind == SLOT_TOPUP;

	slot_free(r, slot);
	if (topup)
		answer(m, &r->slots[slot]);
}

/* What is to commit or to reverse goes into `list`; the rest is done. */
static bool
scan(struct mini *m, struct region *r, enum slot_todo want, uint32_t *list,
     uint32_t *n)
{
	bool any = false;

	*n = 0;
	for (uint32_t i = 0; i < r->head->n_slots + SHM_OWN_SLOTS; i++) {
		bool own = i >= r->head->n_slots;
		enum slot_todo todo;

		if (!own && r->pages[i / SLOT_PAGE].owner == 0)
			continue;
		todo = slot_todo(r, i, slot_orphaned(r, i));
		if (todo == TODO_GIVE) {
			slot_give_all(r, i);
			todo = slot_todo(r, i, slot_orphaned(r, i));
		}
		if (todo == TODO_FREE)
			finish(m, r, i);
		if (todo == want)
			list[(*n)++] = i;
		any = any || todo != TODO_NOTHING;
	}
	return any;
}

/* Slots of the page that are not FREE after reaping. */
static uint32_t
reap_page(struct region *r, uint32_t page)
{
	uint32_t first = page * SLOT_PAGE, busy = 0;

	for (uint32_t i = first; i < first + SLOT_PAGE; i++) {
		while (slot_reap(r, i))
			continue;
		busy += word_state(r->slots[i].word) != SLOT_FREE;
	}
	return busy;
}

uint32_t
mini_reap_worker(struct region *r, uint32_t row)
{
	uint64_t mark = (uint64_t)r->workers[row].spawn_epoch << 32 | row;
	uint32_t left = 0;

	must(r->workers[row].state == WORKER_DEAD);
	for (uint32_t i = 0; i < r->head->n_slots / SLOT_PAGE; i++) {
		if (r->pages[i].owner != mark)
			continue;
		if (reap_page(r, i) > 0)
			left++;
		else
			r->pages[i].owner = 0;
	}
	return left;
}

static bool
reap(struct region *r)
{
	bool any = false;

	for (uint32_t i = 0; i < r->head->n_workers; i++) {
		if (r->workers[i].state != WORKER_DEAD)
			continue;
		any = true;
		if (mini_reap_worker(r, i) == 0)
			r->workers[i].state = WORKER_UNUSED;
	}
	return any;
}

/* An own slot that is on its way for the same thing. */
static bool
own_busy(const struct region *r, enum slot_kind kind, uint64_t ref,
	 uint32_t counter)
{
	uint32_t n = r->head->n_slots;

	for (uint32_t i = n; i < n + SHM_OWN_SLOTS; i++) {
		const struct slot *s = &r->slots[i];

		if (word_state(s->word) == SLOT_FREE || s->kind != kind)
			continue;
		if (kind == SLOT_TOPUP ? s->ref == ref : s->ctr[0] == counter)
			return true;
	}
	return false;
}

static void
start_own(struct mini *m, struct region *r)
{
	const struct mini_book *b = &m->book[m->valid];
	uint32_t now = m->window;

	for (uint32_t i = 0; i < MINI_ASKED; i++) {
		const struct mini_topup *t = &m->ask[i];

		if (t->state == MINI_ASKED_FOR &&
		    !own_busy(r, SLOT_TOPUP, t->id, 0))
			(void)own_claim(r, SLOT_TOPUP, t->id, t->ctr, t->k,
					money_nano(t->nano));
	}
	for (uint32_t i = 0; i < MINI_COUNTERS; i++) {
		uint32_t c = mini_counter(i);

		if (!mini_rolls(i) || own_busy(r, SLOT_ROLLOVER, 0, c) ||
		    own_busy(r, SLOT_LIMIT, 0, c))
			continue;
		if (b->window[i] < now)
			(void)own_claim(r, SLOT_ROLLOVER, now, &c, 1,
					money_nano(0));
		else if (b->limit[i] != m->limit[i])
			(void)own_claim(r, SLOT_LIMIT, 0, &c, 1, money_nano(0));
	}
}

bool
mini_pass(struct mini *m, struct region *r, bool fresh)
{
	uint32_t list[MINI_SLOTS], n;
	bool any = reap(r);

	if (!fresh)
		start_own(m, r);
	any = scan(m, r, TODO_COMMIT, list, &n) || any;
	commit(m, r, list, n, TODO_COMMIT);
	any = scan(m, r, TODO_REVERSE, list, &n) || any;
	commit(m, r, list, n, TODO_REVERSE);
	return any;
}

bool
mini_audit(const struct mini *m, struct region *r)
{
	const struct mini_book *b = &m->book[m->valid];
	int64_t replay[MINI_COUNTERS];
	bool good = true;

	memcpy(replay, m->opening, sizeof(replay));
	for (uint64_t i = 0; i < b->n_entries; i++) {
		const struct mini_entry *e = &m->entry[i];

		for (uint32_t k = 0; k < e->k; k++) {
			int64_t v =
				is_upstream(e->ctr[k]) ? e->up_cost : e->cost;

			if (e->mask >> k & 1)
				replay[mini_place(e->ctr[k])] +=
					e->reversal ? v : -v;
		}
	}
	for (uint32_t i = 0; i < MINI_COUNTERS; i++) {
		const struct counter *c = &r->counters[mini_counter(i)];
		int64_t available = c->available;

		slot_help(r, c->last_op);
		if (replay[i] == b->balance[i] && available == replay[i])
			continue;
		good = false;
		printf("# counter %" PRIu32 ": replay %" PRId64
		       " balance %" PRId64 " available %" PRId64 "\n",
		       i, replay[i], b->balance[i], available);
	}
	for (uint32_t i = 0; i < r->head->n_slots + SHM_OWN_SLOTS; i++) {
		if (word_state(r->slots[i].word) == SLOT_FREE)
			continue;
		good = false;
		printf("# slot %" PRIu32 " is not free: %" PRIx64 "\n", i,
		       (uint64_t)r->slots[i].word);
	}
	return good;
}
