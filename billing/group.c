/*
 * The commit loop. What is hard is the order: an entry is durable before its
 * slot says DURABLE, and a slot says DURABLE before any money goes back. A
 * crash in between is repaired by looking: the slot generations in the
 * ledger tell what was posted, the words tell what was given back.
 */
#include "billing/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "billing/base.h"
#include "billing/repeat.h"
#include "billing/slot_entry.h"
#include "shm/counters.h"
#include "shm/metrics.h"
#include "shm/slots.h"
#include "shm/workers.h"

enum mark {
	MARK_NOTED = 1,	 /* in the queue */
	MARK_STAGED = 2, /* in the group */
	MARK_BAD = 4,	 /* makes no sense; left alone */
};

static uint64_t
word_of(const struct group *g, uint32_t slot)
{
	return atomic_load_explicit(&g->r->slots[slot].word,
				    memory_order_acquire);
}

bool
group_init(struct group *g, struct region *r, struct post *p,
	   const int *doorbells)
{
	uint32_t rows = r->head->n_workers;

	memset(g, 0, sizeof(*g));
	g->r = r;
	g->post = p;
	g->doorbells = doorbells;
	g->n_slots = r->head->n_slots + SHM_OWN_SLOTS;
	must(g->n_slots == p->n_slots);
	g->queue = calloc(g->n_slots, sizeof(*g->queue));
	g->marks = calloc(g->n_slots, sizeof(*g->marks));
	g->rows_to_ring = calloc(rows / 64 + 1, sizeof(*g->rows_to_ring));
	return g->queue && g->marks && g->rows_to_ring;
}

void
group_free(struct group *g)
{
	free(g->queue);
	free(g->marks);
	free(g->rows_to_ring);
	memset(g, 0, sizeof(*g));
}

/* ---- what to look at ---- */

void
group_note(struct group *g, uint32_t slot)
{
	if (slot >= g->n_slots || g->marks[slot])
		return;
	g->marks[slot] |= MARK_NOTED;
	g->queue[(g->queue_head + g->queue_len++) % g->n_slots] = slot;
}

static void
scan_range(struct group *g, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (word_state(word_of(g, i)) >= SLOT_SETTLED)
			group_note(g, i);
}

void
group_scan(struct group *g)
{
	uint32_t n = g->r->head->n_slots;

	for (uint32_t page = 0; page < n / SLOT_PAGE; page++)
		if (g->r->pages[page].owner != 0)
			scan_range(g, page * SLOT_PAGE, SLOT_PAGE);
	scan_range(g, n, SHM_OWN_SLOTS);
}

bool
group_idle(const struct group *g)
{
	return g->queue_len == 0 && g->n_items == 0;
}

bool
group_is_bad(const struct group *g, uint32_t slot)
{
	return g->marks[slot] & MARK_BAD;
}

static void
slot_bad(struct group *g, uint32_t slot, const char *why)
{
	g->marks[slot] |= MARK_BAD;
	g->n_bad++;
	LOG_ERROR("a slot makes no sense and is left alone",
		  F_U64("slot", slot), F_U64("word", word_of(g, slot)),
		  F_CSTR("why", why));
}

/* ---- gathering ---- */

static void
stage(struct group *g, uint32_t slot, enum slot_phase phase)
{
	g->marks[slot] |= MARK_STAGED;
	g->items[g->n_items++] = (struct group_item){
		slot,
		word_gen(word_of(g, slot)),
		phase,
	};
}

/* True: something has changed, look at it again. */
static bool
settled(struct group *g, uint32_t slot)
{
	/* Loaded after it was seen SETTLED: before, the owner may have freed
	 * the slot and begun another request in it. */
	uint32_t gen = word_gen(word_of(g, slot));
	uint64_t seq;

	/* A writer that died after its commit. */
	if (post_phase(g->post, slot, gen, &seq) != PHASE_NONE) {
		slot_durable(g->r, slot);
		return true;
	}
	if (slot >= g->r->head->n_slots) {
		group_void_own(g, slot);
		return false;
	}
	stage(g, slot, PHASE_POSTED);
	return false;
}

/* What was charged goes back to the counters that the reversal moved, as its
 * transaction recorded it: deciding anew could find another window. */
static void
reverse(struct group *g, uint32_t slot)
{
	const struct slot *s = &g->r->slots[slot];
	bool budget = g->post->slotgen[slot].moves & MOVES_KEY;
	uint32_t k = word_k(word_of(g, slot)), mask = 0;

	for (uint32_t i = 0; i < k; i++)
		if (budget || s->ctr[i] < SHM_ACCOUNTS)
			mask |= 1u << i;
	slot_reversed(g->r, slot, mask);
}

static bool
unsent(struct group *g, uint32_t slot)
{
	uint32_t gen = word_gen(word_of(g, slot));
	uint64_t seq;

	if (post_phase(g->post, slot, gen, &seq) == PHASE_REVERSED) {
		reverse(g, slot);
		return true;
	}
	stage(g, slot, PHASE_REVERSED);
	return false;
}

/* While a living owner frees the slot and fills it anew, what is read of it
 * may be of both: it only makes no sense if its word stays the same. */
static bool
makes_sense(const struct group *g, uint32_t slot)
{
	uint64_t w;

	do {
		w = word_of(g, slot);
		if (slot_sane(g->r, slot, w))
			return true;
		atomic_thread_fence(memory_order_acquire);
	} while (word_of(g, slot) != w);
	return false;
}

/* One step with a slot; true: there may be another. */
static bool
step(struct group *g, uint32_t slot)
{
	/* The owner's death first: after it, only we change the word. */
	bool dead = slot_orphaned(g->r, slot);

	if (!makes_sense(g, slot)) {
		slot_bad(g, slot, "word, counters or cost");
		return false;
	}
	CRASH_POINT(CP_STEP_LOOKED);
	switch (slot_todo(g->r, slot, dead)) {
	case TODO_NOTHING: return false;
	case TODO_COMMIT: return settled(g, slot);
	case TODO_GIVE: slot_give_all(g->r, slot); return true;
	case TODO_FREE: slot_free(g->r, slot); return false;
	case TODO_REVERSE: return unsent(g, slot);
	}
	return false;
}

uint32_t
group_gather(struct group *g)
{
	while (g->queue_len && g->n_items < POST_GROUP) {
		uint32_t slot = g->queue[g->queue_head];

		g->queue_head = (g->queue_head + 1) % g->n_slots;
		g->queue_len--;
		g->marks[slot] &= (uint8_t)~MARK_NOTED;
		while (step(g, slot))
			continue;
	}
	return g->n_items;
}

/* ---- posting ---- */

static enum store
original_of(struct group *g, const struct group_item *it, struct entry *e)
{
	uint64_t seq;

	if (post_phase(g->post, it->slot, it->gen, &seq) != PHASE_POSTED)
		return STORE_NONE;
	return base_entry(g->post->ledger, seq, e);
}

/* A budget whose window has begun anew since the charge keeps its limit: the
 * charge stays in the window that it was posted in. */
static struct entry
reversal_of(const struct group *g, const struct group_item *it,
	    const struct entry *original)
{
	uint32_t window = g->post->slotgen[it->slot].window;
	struct entry e = reversal_entry(original);

	if ((e.moves & MOVES_KEY) &&
	    post_window(g->post, counter_of_key(e.key)) != window)
		e.moves &= (uint8_t)~MOVES_KEY;
	return e;
}

/* Nothing of it can be given back once more. What an operator gave back
 * before stays given: that was another decision. */
static enum store
note_reversal(struct group *g, const struct entry *original)
{
	if (original->charge_nano == 0)
		return STORE_OK;
	return refunded_add(g->post->ledger, original->seq,
			    original->charge_nano, INT64_MAX);
}

static enum store
post_item(struct group *g, struct group_item *it)
{
	struct entry e, original;
	enum store s = STORE_OK;
	bool sane = true;

	if (it->phase == PHASE_POSTED) {
		sane = slot_entry(g->r, g->post, it->slot, &e, &s);
	} else {
		s = original_of(g, it, &original);
		sane = s != STORE_NONE;
		if (s == STORE_OK) {
			e = reversal_of(g, it, &original);
			s = note_reversal(g, &original);
		}
	}
	if (!sane || (s == STORE_OK && !post_fits(g->post, &e))) {
		slot_bad(g, it->slot, sane ? "sum too large" : "note");
		it->phase = PHASE_NONE;
		return STORE_OK;
	}
	if (s == STORE_OK)
		s = post_entry(g->post, &e);
	if (s == STORE_OK)
		post_settled(g->post, &e);
	if (s == STORE_OK)
		s = repeat_post(g->post, &g->r->notes[it->slot], &e);
	return s;
}

static enum store
post_items(struct group *g)
{
	enum store s = post_begin(g->post);

	for (uint32_t i = 0; i < g->n_items && s == STORE_OK; i++)
		if (!(g->marks[g->items[i].slot] & MARK_BAD))
			s = post_item(g, &g->items[i]);
	CRASH_POINT(CP_POSTED);
	if (s == STORE_OK)
		return post_commit(g->post);
	post_abort(g->post, s);
	return s;
}

/* ---- what follows ---- */

static void
count(struct group *g, const struct group_item *it)
{
	struct metrics_block *m = metrics_of_writer(g->r);

	if (it->phase == PHASE_POSTED) {
		metric_add(m, M_LEDGER_ENTRIES + ENTRY_REQUEST, 1);
		return;
	}
	metric_add(m, M_LEDGER_ENTRIES + ENTRY_REVERSAL, 1);
	metric_add(m, M_REFUNDS, g->r->slots[it->slot].cost);
}

static void
item_committed(struct group *g, const struct group_item *it)
{
	uint32_t row = (uint32_t)g->r->pages[it->slot / SLOT_PAGE].owner;

	g->marks[it->slot] &= (uint8_t)~MARK_STAGED;
	if (it->phase == PHASE_NONE)
		return;
	count(g, it);
	if (it->phase == PHASE_POSTED)
		slot_durable(g->r, it->slot);
	else
		reverse(g, it->slot);
	if (row < g->r->head->n_workers)
		g->rows_to_ring[row / 64] |= 1ull << (row % 64);
	/* Gives back, frees; an answer that was not sent is staged anew. */
	group_note(g, it->slot);
}

static void
show_balances(struct group *g, const struct group_item *it)
{
	const struct slot *s = &g->r->slots[it->slot];
	uint32_t k = MIN_OF(word_k(word_of(g, it->slot)), 4u);

	for (uint32_t i = 0; i < k; i++)
		if (s->ctr[i] < SHM_COUNTERS)
			atomic_store_explicit(
				&g->r->counters[s->ctr[i]].balance,
				post_balance(g->post, s->ctr[i]),
				memory_order_relaxed);
}

static void
ring_rows(struct group *g)
{
	uint32_t words = g->r->head->n_workers / 64 + 1;

	/* The words first, then who waits for them: the owner stores that it
	 * waits, then looks at its word. */
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < words; i++) {
		uint64_t bits = g->rows_to_ring[i];

		g->rows_to_ring[i] = 0;
		for (; bits; bits &= bits - 1) {
			uint32_t row = i * 64 + (uint32_t)__builtin_ctzll(bits);

			if (g->doorbells && g->doorbells[row] >= 0 &&
			    g->r->workers[row].waiting)
				doorbell_ring(g->doorbells[row]);
		}
	}
}

static void
publish(struct group *g, uint64_t began_ns)
{
	struct shm_head *h = g->r->head;
	struct metrics_block *m = metrics_of_writer(g->r);
	uint64_t now = clock_mono_ns();

	h->committed_seq = g->post->meta.next_seq - 1;
	h->commit_time_ns = now;
	h->commit_duration_ns = now - began_ns;
	metric_add(m, M_LEDGER_COMMITS, 1);
	metric_observe(m, M_LEDGER_COMMIT, (now - began_ns) / 1000);
}

enum store
group_commit(struct group *g)
{
	uint64_t began = clock_mono_ns();
	enum store s = STORE_OK;
	uint32_t n = g->n_items;

	if (n == 0)
		return STORE_OK;
	s = post_items(g);
	if (s != STORE_OK)
		return s;
	CRASH_POINT(CP_COMMITTED);
	g->n_items = 0;
	for (uint32_t i = 0; i < n; i++) {
		show_balances(g, &g->items[i]);
		item_committed(g, &g->items[i]);
	}
	publish(g, began);
	CRASH_POINT(CP_PUBLISHED);
	ring_rows(g);
	return STORE_OK;
}

/* ---- own slots ---- */

void
group_finish_own(struct group *g, uint32_t slot)
{
	slot_durable(g->r, slot);
	slot_give_all(g->r, slot);
	slot_free(g->r, slot);
}

void
group_void_own(struct group *g, uint32_t slot)
{
	struct slot *s = &g->r->slots[slot];

	/* Its order was never answered and comes again. */
	s->cost = 0;
	s->up_cost = 0;
	group_finish_own(g, slot);
}
