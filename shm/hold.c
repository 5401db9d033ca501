/*
 * Holds, as the worker that owns the slot sees them: pages of slots, claim,
 * take, extend, settle. Called by workers only; the struct slot_owner is
 * private to the process, everything it points at is shared.
 *
 * What is hard: the order of the stores. Fields first, then the word that
 * makes them valid; from SETTLED on the writer changes the word too, so every
 * change is a compare-and-swap that keeps the other's bits.
 */
#include <stdlib.h>

#include "base/must.h"
#include "shm/slots.h"
#include "shm/steps.h"
#include "shm/workers.h"

/* A page that this worker owns, and its free slots, last in first out. */
struct owned_page {
	uint32_t index;
	uint32_t n_free;
	uint32_t place; /* in slot_owner.open, if n_free > 0 */
	uint8_t free[SLOT_PAGE];
};

struct slot_owner {
	struct region *r;
	uint32_t worker_row;
	uint32_t spawn_epoch;
	uint32_t n_pages; /* of the region */
	uint32_t n_owned;
	uint32_t n_free; /* over all owned pages */
	uint32_t n_held; /* claimed and not yet in the queue */
	uint32_t n_open;
	struct owned_page **page; /* by page index; NULL = not ours */
	struct owned_page **open; /* pages with a free slot */
	/* Slots that the writer will free: a ring, oldest first. */
	uint32_t *queue;
	uint32_t queue_cap; /* a power of two >= slots owned */
	uint32_t queue_head, queue_len;
};

/* Pages beyond this many free slots go back to the others. */
#define KEEP_FREE (2 * SLOT_PAGE)

static struct slot *
slot_at(const struct slot_owner *o, const struct hold *h)
{
	must(h->slot < o->r->head->n_slots);
	return &o->r->slots[h->slot];
}

static uint64_t
owner_mark(const struct slot_owner *o)
{
	return (uint64_t)o->spawn_epoch << 32 | o->worker_row;
}

struct slot_owner *
slot_owner_new(struct region *r, uint32_t worker_row, uint32_t spawn_epoch)
{
	struct slot_owner *o = calloc(1, sizeof(*o));

	CRASH_ROLE("worker");
	must(worker_row < r->head->n_workers && spawn_epoch != 0);
	if (!o)
		return NULL;
	o->r = r;
	o->worker_row = worker_row;
	o->spawn_epoch = spawn_epoch;
	o->n_pages = r->head->n_slots / SLOT_PAGE;
	o->page = calloc(o->n_pages, sizeof(struct owned_page *));
	o->open = calloc(o->n_pages, sizeof(struct owned_page *));
	if (!o->page || !o->open) {
		slot_owner_free(o);
		return NULL;
	}
	return o;
}

void
slot_owner_free(struct slot_owner *o)
{
	if (!o)
		return;
	for (uint32_t i = 0; o->page && i < o->n_pages; i++)
		free(o->page[i]);
	free(o->page);
	free(o->open);
	free(o->queue);
	free(o);
}

static void
page_open(struct slot_owner *o, struct owned_page *p)
{
	p->place = o->n_open;
	o->open[o->n_open++] = p;
}

static void
page_close(struct slot_owner *o, struct owned_page *p)
{
	struct owned_page *last = o->open[--o->n_open];

	last->place = p->place;
	o->open[p->place] = last;
}

static void
page_give_back(struct slot_owner *o, struct owned_page *p)
{
	page_close(o, p);
	o->page[p->index] = NULL;
	o->n_owned--;
	o->n_free -= SLOT_PAGE;
	atomic_store_explicit(&o->r->pages[p->index].owner, 0,
			      memory_order_release);
	CRASH_POINT(CP_PAGE_GIVEN);
	free(p);
}

static void
free_push(struct slot_owner *o, uint32_t slot)
{
	struct owned_page *p = o->page[slot / SLOT_PAGE];
	uint64_t w = word_load(&o->r->slots[slot]);

	must(p && p->n_free < SLOT_PAGE && word_state(w) == SLOT_FREE);
	/* A slot whose generations are used up rests until a cold start. */
	if (word_gen(w) >= WORD_GEN_MAX)
		return;
	if (p->n_free == 0)
		page_open(o, p);
	p->free[p->n_free++] = (uint8_t)(slot % SLOT_PAGE);
	o->n_free++;
	if (p->n_free == SLOT_PAGE && o->n_free >= KEEP_FREE + SLOT_PAGE)
		page_give_back(o, p);
}

static uint32_t
free_pop(struct slot_owner *o)
{
	struct owned_page *p = o->open[o->n_open - 1];
	uint32_t slot = p->index * SLOT_PAGE + p->free[--p->n_free];

	o->n_free--;
	if (p->n_free == 0)
		page_close(o, p);
	return slot;
}

/* Room in the queue for all slots of one page more. */
static bool
queue_reserve(struct slot_owner *o)
{
	uint32_t need = (o->n_owned + 1) * SLOT_PAGE;
	uint32_t cap = o->queue_cap ? o->queue_cap : SLOT_PAGE;
	uint32_t *q;

	while (cap < need)
		cap *= 2;
	if (cap == o->queue_cap)
		return true;
	q = malloc(cap * sizeof(*q));
	if (!q)
		return false;
	for (uint32_t i = 0; i < o->queue_len; i++)
		q[i] = o->queue[(o->queue_head + i) & (o->queue_cap - 1)];
	free(o->queue);
	o->queue = q;
	o->queue_cap = cap;
	o->queue_head = 0;
	return true;
}

static void
queue_push(struct slot_owner *o, uint32_t slot)
{
	must(o->queue_len < o->queue_cap);
	o->queue[(o->queue_head + o->queue_len++) & (o->queue_cap - 1)] = slot;
}

/* Looks at the `n` oldest slots that the writer had to free. */
static void
queue_collect(struct slot_owner *o, uint32_t n)
{
	for (n = MIN_OF(n, o->queue_len); n > 0; n--) {
		uint32_t slot = o->queue[o->queue_head];

		o->queue_head = (o->queue_head + 1) & (o->queue_cap - 1);
		o->queue_len--;
		if (word_state(word_load(&o->r->slots[slot])) == SLOT_FREE)
			free_push(o, slot);
		else
			queue_push(o, slot);
	}
}

static bool
page_adopt(struct slot_owner *o, uint32_t index)
{
	struct owned_page *p;

	if (!queue_reserve(o))
		return false;
	p = calloc(1, sizeof(*p));
	if (!p)
		return false;
	p->index = index;
	o->page[index] = p;
	o->n_owned++;
	/* Pushed from the end: the first slot is popped first. */
	for (uint32_t i = SLOT_PAGE; i-- > 0;)
		free_push(o, index * SLOT_PAGE + i);
	return true;
}

/* Claims one page more; false when there is none. */
static bool
page_take(struct slot_owner *o)
{
	for (uint32_t i = 0; i < o->n_pages; i++) {
		_Atomic uint64_t *owner = &o->r->pages[i].owner;
		uint64_t nobody = 0;

		if (atomic_load_explicit(owner, memory_order_relaxed) != 0)
			continue;
		if (!atomic_compare_exchange_strong_explicit(
			    owner, &nobody, owner_mark(o), memory_order_acq_rel,
			    memory_order_relaxed))
			continue;
		CRASH_POINT(CP_PAGE_TAKEN);
		if (page_adopt(o, i) && o->n_free > 0)
			return true;
		/* No memory, or all its generations are used up. */
		if (!o->page[i])
			atomic_store_explicit(owner, 0, memory_order_release);
		return false;
	}
	return false;
}

uint32_t
slot_owner_busy(const struct slot_owner *o)
{
	uint32_t n = o->n_held;

	for (uint32_t i = 0; i < o->queue_len; i++) {
		uint32_t at = (o->queue_head + i) & (o->queue_cap - 1);

		if (word_state(word_load(&o->r->slots[o->queue[at]])) !=
		    SLOT_FREE)
			n++;
	}
	return n;
}

enum err
hold_claim(struct slot_owner *o, struct hold *h)
{
	*h = (struct hold){.slot = SHM_NONE, .refused = REFUSED_NONE};
	queue_collect(o, 2);
	if (o->n_free == 0)
		queue_collect(o, o->queue_len);
	if (o->n_free == 0 && !page_take(o))
		return E_OVERLOAD;
	h->slot = free_pop(o);
	h->gen = word_gen(word_load(&o->r->slots[h->slot]));
	o->n_held++;
	CRASH_POINT(CP_CLAIMED);
	return E_OK;
}

struct note *
hold_note(const struct slot_owner *o, const struct hold *h)
{
	must(h->slot < o->r->head->n_slots);
	return &o->r->notes[h->slot];
}

/* The hold is over and its slot FREE. */
static void
hold_drop(struct slot_owner *o, struct hold *h)
{
	must(o->n_held > 0);
	o->n_held--;
	free_push(o, h->slot);
	h->slot = SHM_NONE;
}

void
hold_unclaim(struct slot_owner *o, struct hold *h)
{
	must(word_state(word_load(slot_at(o, h))) == SLOT_FREE);
	hold_drop(o, h);
}

static void
spec_check(const struct hold_spec *spec)
{
	must(spec->k <= SLOT_COUNTERS && spec->amount.nano >= 0);
	must(spec->kind == SLOT_REQUEST || spec->kind == SLOT_ATTEMPT);
	for (uint32_t i = 0; i < spec->k; i++) {
		must(spec->ctr[i] < SHM_COUNTERS);
		for (uint32_t j = 0; j < i; j++)
			must(spec->ctr[i] != spec->ctr[j]);
	}
}

/* A plain look saves the give-back of most refusals. Index, or k. */
static uint32_t
first_short(const struct region *r, const struct hold_spec *spec)
{
	uint32_t i = 0;

	while (i < spec->k && cell_load(&r->counters[spec->ctr[i]].available) >=
				      spec->amount.nano)
		i++;
	return i;
}

static uint64_t
hold_write(const struct slot_owner *o, struct slot *s, const struct hold *h,
	   const struct hold_spec *spec)
{
	uint64_t w = word_make(h->gen, spec->k, SLOT_ACQ);

	/* The others keep what they had: a counter, whoever still looks. */
	for (uint32_t i = 0; i < spec->k; i++)
		s->ctr[i] = spec->ctr[i];
	cell_store(&s->held[0], spec->amount.nano);
	cell_store(&s->held_up[0], spec->amount.nano);
	cell_store(&s->delivered, 0);
	cell_store(&s->cost, 0);
	cell_store(&s->up_cost, 0);
	cell_store(&s->meter, 0);
	s->kind = spec->kind;
	s->owner = o->spawn_epoch;
	s->price_version = spec->price_version;
	s->model = spec->model;
	s->reason = REASON_NORMAL;
	s->ref = 0;
	CRASH_POINT(CP_FIELDS_WRITTEN);
	word_store(s, w);
	CRASH_POINT(CP_ACQ);
	return w;
}

/* Gives back what was taken; the slot is FREE again. */
static void
hold_back(struct slot_owner *o, struct hold *h, uint64_t w)
{
	struct slot *s = slot_at(o, h);

	h->refused = (uint8_t)word_pending(w);
	CRASH_POINT(CP_REFUSED);
	word_store(s, word_with_refused(word_with_state(w, SLOT_BACK),
					h->refused));
	CRASH_POINT(CP_BACK);
	slot_give_all(o->r, h->slot);
	CRASH_POINT(CP_BACK_DONE);
	word_store(s, word_freed(w));
	CRASH_POINT(CP_BACK_FREE);
	hold_drop(o, h);
}

enum err
hold_take(struct slot_owner *o, struct hold *h, const struct hold_spec *spec)
{
	struct slot *s = slot_at(o, h);
	uint32_t i = first_short(o->r, spec);
	uint64_t w;

	spec_check(spec);
	must(word_state(word_load(s)) == SLOT_FREE);
	if (i < spec->k) {
		h->refused = (uint8_t)i;
		hold_drop(o, h);
		return E_BALANCE;
	}
	w = hold_write(o, s, h, spec);
	while (word_pending(w) >= 0) {
		if (!slot_take(o->r, h->slot, &w)) {
			hold_back(o, h, w);
			return E_BALANCE;
		}
	}
	CRASH_POINT(CP_ALL_TAKEN);
	word_store(s, word_with_state(w, SLOT_HELD));
	CRASH_POINT(CP_HELD);
	return E_OK;
}

/* The word of a hold that runs: only its owner changes it. */
static uint64_t
held_word(const struct slot *s, const struct hold *h)
{
	uint64_t w = word_load(s);

	must(word_state(w) == SLOT_HELD && word_gen(w) == h->gen);
	return w;
}

/* The old total stands. */
static void
extension_back(struct slot_owner *o, const struct hold *h, uint64_t w)
{
	struct slot *s = slot_at(o, h);

	CRASH_POINT(CP_EXT_REFUSED);
	word_store(s, word_with_state(w, SLOT_XBK));
	CRASH_POINT(CP_XBK);
	slot_give_all(o->r, h->slot);
	CRASH_POINT(CP_XBK_DONE);
	word_store(s, word_with_state(word_load(s), SLOT_HELD));
}

bool
hold_extend(struct slot_owner *o, struct hold *h, struct money total)
{
	struct slot *s = slot_at(o, h);
	uint64_t w = held_word(s, h);
	uint32_t other = !word_cur(w);

	if (total.nano <= cell_load(&s->held[!other]))
		return true;
	if (word_step(w) >= SLOT_STEP_MAX)
		return false;
	cell_store(&s->held[other], total.nano);
	cell_store(&s->held_up[other], total.nano);
	CRASH_POINT(CP_EXT_FIELDS);
	w = word_with_state(w, SLOT_EXT);
	word_store(s, w);
	CRASH_POINT(CP_EXT);
	while (word_pending(w) >= 0) {
		if (!slot_take(o->r, h->slot, &w)) {
			extension_back(o, h, w);
			return false;
		}
	}
	CRASH_POINT(CP_EXT_TAKEN);
	w = (w & ~WORD_EXT_ALL) ^ WORD_CUR;
	word_store(s, word_with_state(w, SLOT_HELD));
	CRASH_POINT(CP_EXT_HELD);
	return true;
}

struct money
hold_total(const struct slot_owner *o, const struct hold *h)
{
	const struct slot *s = slot_at(o, h);

	return money_nano(cell_load(&s->held[word_cur(word_load(s))]));
}

void
hold_meter(const struct slot_owner *o, const struct hold *h,
	   struct money arrived, struct money delivered)
{
	struct slot *s = slot_at(o, h);

	cell_store(&s->meter, arrived.nano);
	cell_store(&s->delivered, delivered.nano);
	CRASH_POINT(CP_DELIVERED);
}

static void
cost_check(const struct slot *s, uint64_t w, struct money cost,
	   struct money up_cost)
{
	uint32_t cur = word_cur(w);

	must(cost.nano >= 0 && cost.nano <= cell_load(&s->held[cur]));
	must(up_cost.nano >= 0);
	for (uint32_t i = 0; i < word_k(w); i++)
		must(!counter_is_upstream(s->ctr[i]) ||
		     up_cost.nano <= cell_load(&s->held_up[cur]));
}

static void
hold_hint(struct slot_owner *o, uint32_t slot)
{
	ring_push(&o->r->rings[o->worker_row], slot);
}

/* From here on the writer frees the slot. */
static void
hold_leave(struct slot_owner *o, const struct hold *h)
{
	must(o->n_held > 0);
	o->n_held--;
	queue_push(o, h->slot);
}

void
hold_reprice(const struct slot_owner *o, const struct hold *h,
	     uint32_t price_version, uint16_t model)
{
	struct slot *s = slot_at(o, h);

	(void)held_word(s, h);
	s->price_version = price_version;
	s->model = model;
}

void
hold_settle(struct slot_owner *o, struct hold *h, struct money cost,
	    struct money up_cost, enum slot_reason reason, bool sent)
{
	struct slot *s = slot_at(o, h);
	uint64_t w = held_word(s, h);

	cost_check(s, w, cost, up_cost);
	cell_store(&s->cost, cost.nano);
	cell_store(&s->up_cost, up_cost.nano);
	s->reason = (uint16_t)reason;
	CRASH_POINT(CP_COST_WRITTEN);
	w = word_with_state(w, SLOT_SETTLED) | (sent ? WORD_SENT : 0);
	word_store(s, w);
	CRASH_POINT(CP_SETTLED);
	hold_hint(o, h->slot);
	CRASH_POINT(CP_HINTED);
	if (sent)
		hold_leave(o, h);
}

bool
hold_committed(const struct slot_owner *o, const struct hold *h)
{
	uint64_t w = word_load(slot_at(o, h));

	return word_gen(w) != h->gen || word_state(w) >= SLOT_DURABLE;
}

/* The word of a hold that is settled and not yet sent. */
static uint64_t
settled_word(const struct slot *s, const struct hold *h)
{
	uint64_t w = word_load(s);

	must(word_gen(w) == h->gen && !word_sent(w));
	must(word_state(w) == SLOT_SETTLED || word_state(w) == SLOT_DURABLE);
	return w;
}

void
hold_sent(struct slot_owner *o, struct hold *h)
{
	struct slot *s = slot_at(o, h);
	uint64_t w = settled_word(s, h);

	CRASH_POINT(CP_SENT_BEFORE);
	do {
		/* All is given back, and the writer leaves it to us. */
		if (word_state(w) == SLOT_DURABLE && word_mask(w) == 0) {
			word_store(s, word_freed(w));
			CRASH_POINT(CP_SENT_FREE);
			hold_drop(o, h);
			return;
		}
	} while (!word_cas(s, &w, w | WORD_SENT));
	CRASH_POINT(CP_SENT_SAID);
	hold_hint(o, h->slot);
	hold_leave(o, h);
}

void
hold_not_sent(struct slot_owner *o, struct hold *h)
{
	struct slot *s = slot_at(o, h);
	uint64_t w = settled_word(s, h);

	CRASH_POINT(CP_UNSENT_BEFORE);
	while (!word_cas(s, &w, word_with_refused(w, REFUSED_UNSENT)))
		continue;
	CRASH_POINT(CP_UNSENT_SAID);
	hold_hint(o, h->slot);
	hold_leave(o, h);
}
