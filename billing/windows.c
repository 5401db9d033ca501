/*
 * Rollovers and caps. Each is an own slot: claimed with nothing, its amount
 * computed inside the transaction in posting order and written to the slot
 * before the commit. If the writer dies in between, the slot's generation
 * says whether it was posted; if not, the slot is void and the window, which
 * was not recorded, is still due.
 */
#include "billing/windows.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/must.h"
#include "base/zone.h"
#include "shm/caps.h"
#include "shm/counters.h"
#include "shm/metrics.h"
#include "shm/slots.h"

/* Keys that are looked at in one step, and rollovers of one commit. */
#define LOOK_AT 4096u
#define AT_ONCE (SHM_OWN_SLOTS / 2)

struct due {
	uint32_t counter;
	uint32_t slot;
	struct entry entry;
};

struct batch {
	uint32_t n;
	struct due due[AT_ONCE];
};

/* ---- the calendar ---- */

static void
read_calendar(struct windows *w, uint64_t now_ms)
{
	w->day = zone_day(now_ms);
	w->month = zone_month(now_ms);
	w->next_day_ms = zone_start_of_day(w->day + 1);
	w->next_month_ms = zone_start_of_month(w->month + 1);
}

uint32_t
windows_now(const struct windows *w, enum budget_window kind)
{
	return kind == BUDGET_DAY     ? w->day
	       : kind == BUDGET_MONTH ? w->month
				      : 0;
}

void
windows_show_key(const struct windows *w, uint32_t key)
{
	struct key_row *row = &w->r->keys[key];
	uint32_t kind = row->budget_window;

	row->window_end_ms = kind == BUDGET_DAY	    ? w->next_day_ms
			     : kind == BUDGET_MONTH ? w->next_month_ms
						    : 0;
}

/* ---- one posting each ---- */

static struct entry
entry_of(const struct windows *w, enum entry_kind kind, uint32_t counter)
{
	bool cap = counter >= counter_of_cap(0);
	uint32_t key = counter - counter_of_key(0);

	return (struct entry){
		.kind = (uint8_t)kind,
		.moves = cap ? MOVES_CAPS : MOVES_KEY,
		.epoch = w->post->meta.epoch,
		.account = cap ? SHM_NONE : w->r->keys[key].account,
		.parent = SHM_NONE,
		.key = cap ? SHM_NONE : key,
	};
}

/* False: all own slots are busy. */
static bool
batch_add(struct windows *w, struct batch *b, enum entry_kind kind,
	  uint32_t counter, int64_t limit, uint32_t window)
{
	struct due *d = &b->due[b->n];
	uint32_t cap = 0;

	must(b->n < AT_ONCE);
	if (counter >= counter_of_cap(0))
		cap = counter - counter_of_cap(0);
	d->counter = counter;
	d->entry = entry_of(w, kind, counter);
	d->entry.hold_nano = limit;
	d->entry.ref = entry_ref(cap, window);
	d->slot = own_claim(w->r, SLOT_ROLLOVER, d->entry.ref, &counter, 1,
			    money_nano(0));
	if (d->slot == SHM_NONE)
		return false;
	b->n++;
	return true;
}

/* The amount as of now, into the slot before its commit. False: the limit is
 * so far from the balance that the difference does not fit. */
static bool
fix_amount(struct windows *w, struct due *d)
{
	struct slot *s = &w->r->slots[d->slot];
	int64_t amount;

	if (__builtin_sub_overflow(post_balance(w->post, d->counter),
				   d->entry.hold_nano, &amount))
		return false;
	d->entry.charge_nano = amount;
	if (!post_fits(w->post, &d->entry))
		return false;
	atomic_store_explicit(&s->cost, amount, memory_order_relaxed);
	atomic_store_explicit(&s->up_cost, amount, memory_order_relaxed);
	CRASH_POINT(CP_WINDOW_AMOUNT);
	return true;
}

static enum store
post_due(struct windows *w, struct due *d)
{
	uint64_t word = w->r->slots[d->slot].word;

	if (!fix_amount(w, d)) {
		LOG_ERROR("a budget's window cannot begin: the sum is too "
			  "large",
			  F_U64("counter", d->counter));
		return STORE_OK;
	}
	d->entry.slot = d->slot;
	d->entry.gen = word_gen(word);
	post_slot(w->post, d->slot, word_gen(word), PHASE_POSTED,
		  w->post->meta.next_seq);
	return post_entry(w->post, &d->entry);
}

static void
give_all(struct windows *w, struct batch *b, bool committed)
{
	for (uint32_t i = 0; i < b->n; i++) {
		const struct due *d = &b->due[i];

		if (!committed || d->entry.seq == 0) {
			group_void_own(w->group, d->slot);
			continue;
		}
		group_finish_own(w->group, d->slot);
		w->r->counters[d->counter].balance =
			post_balance(w->post, d->counter);
		metric_add(metrics_of_writer(w->r),
			   M_LEDGER_ENTRIES + (d->entry.kind == KIND_LIMIT
						       ? ENTRY_LIMIT
						       : ENTRY_ROLLOVER),
			   1);
	}
}

/* In an open transaction; ends it. */
static bool
batch_commit(struct windows *w, struct batch *b, enum store s)
{
	for (uint32_t i = 0; i < b->n && s == STORE_OK; i++)
		s = post_due(w, &b->due[i]);
	if (s == STORE_OK)
		s = post_commit(w->post);
	else
		post_abort(w->post, s);
	if (s == STORE_OK) {
		CRASH_POINT(CP_WINDOW_COMMITTED);
		w->r->head->committed_seq = w->post->meta.next_seq - 1;
	}
	/* Unless nobody can tell what is on the disk. */
	if (s == STORE_OK || s == STORE_FULL)
		give_all(w, b, s == STORE_OK);
	return s == STORE_OK;
}

/* ---- keys ---- */

static bool
key_due(const struct windows *w, uint32_t key)
{
	const struct key_row *row = &w->r->keys[key];
	uint32_t kind = row->budget_window;

	return (row->flags & KEY_BUDGET) && kind != BUDGET_TOTAL &&
	       post_window(w->post, counter_of_key(key)) < windows_now(w, kind);
}

static bool
roll_keys(struct windows *w)
{
	uint32_t end = MIN_OF(w->next_key + LOOK_AT, w->r->head->n_keys);
	uint32_t first = w->next_key;
	struct batch b = {0};

	for (; w->next_key < end && b.n < AT_ONCE; w->next_key++) {
		const struct key_row *row = &w->r->keys[w->next_key];

		if (key_due(w, w->next_key) &&
		    !batch_add(w, &b, KIND_ROLLOVER,
			       counter_of_key(w->next_key), row->budget_nano,
			       windows_now(w, row->budget_window)))
			break;
	}
	if (b.n > 0 && !batch_commit(w, &b, post_begin(w->post))) {
		w->next_key = first;
		return false;
	}
	for (uint32_t i = first; i < w->next_key; i++)
		windows_show_key(w, i);
	return true;
}

/* ---- caps ---- */

static void
show_cap(struct windows *w, uint32_t cap, bool fresh)
{
	struct counter *c = &w->r->counters[counter_of_cap(cap)];

	c->balance = post_balance(w->post, counter_of_cap(cap));
	if (!fresh)
		return;
	c->available = c->balance;
	c->last_op = 0;
	c->credit = 0;
	c->id = cap;
	atomic_store_explicit(&w->r->head->n_caps, cap + 1,
			      memory_order_release);
}

/* The number of the row's cap, in the open transaction; a new one if need
 * be. STORE_NONE: there are no more. */
static enum store
find_number(const struct windows *w, const struct cap_row *row, uint32_t *cap,
	    struct cap_record *c)
{
	struct cap_of want = cap_row_of(row);

	for (*cap = 0; *cap < w->n_caps; (*cap)++) {
		struct cap_of there;
		enum store s;

		if (w->hash_of[*cap] != row->hash)
			continue;
		s = cap_get(w->post->ledger, *cap, c);
		if (s != STORE_OK)
			return s == STORE_NONE ? STORE_DAMAGED : s;
		there = cap_record_of(c);
		if (cap_same(&there, &want))
			return STORE_OK;
	}
	memset(c, 0, sizeof(*c));
	c->kind = want.kind;
	(void)str_copy(c->channel, sizeof(c->channel), want.channel);
	(void)str_copy(c->name, sizeof(c->name), want.name);
	return *cap < SHM_CAPS && region_reserve(
					  w->r,
					  &w->r->counters[counter_of_cap(*cap)],
					  sizeof(struct counter)) == E_OK
		       ? STORE_OK
		       : STORE_NONE;
}

/* The balance that the counter gets: all of the limit in a new window; within
 * the day what was spent stays spent. */
static bool
add_cap(struct windows *w, struct batch *b, uint32_t cap, int64_t was,
	int64_t limit)
{
	uint32_t counter = counter_of_cap(cap);

	if (post_window(w->post, counter) < w->day)
		return batch_add(w, b, KIND_ROLLOVER, counter, limit, w->day);
	return limit == was ||
	       batch_add(w, b, KIND_LIMIT, counter,
			 post_balance(w->post, counter) + limit - was, w->day);
}

static bool
cap_is_set(const struct windows *w, const struct cap_row *row)
{
	uint32_t cap = row->number;

	if (row->limit_nano <= 0)
		return true;
	return cap > 0 && cap <= w->n_caps &&
	       row->limit_nano == w->limit_of[cap - 1] &&
	       post_window(w->post, counter_of_cap(cap - 1)) >= w->day;
}

static void
cap_is_known(struct windows *w, uint32_t cap, uint64_t hash, int64_t limit)
{
	w->n_caps = MAX_OF(w->n_caps, cap + 1);
	w->limit_of[cap] = limit;
	w->hash_of[cap] = hash;
}

/* Once: it is tried again and again. */
static void
say_full(struct windows *w)
{
	if (w->full)
		return;
	w->full = true;
	LOG_ERROR("no room for another daily budget; what it is on stays "
		  "unused",
		  F_U64("there_are", w->n_caps));
}

static bool
set_cap(struct windows *w, struct cap_row *row)
{
	int64_t limit = row->limit_nano, was = 0;
	struct batch b = {0};
	struct cap_record c;
	uint32_t cap = 0;
	enum store s = post_begin(w->post);

	if (s == STORE_OK)
		s = find_number(w, row, &cap, &c);
	if (s == STORE_NONE) {
		post_abort(w->post, STORE_OK);
		say_full(w);
		return true;
	}
	if (s == STORE_OK) {
		was = c.limit_nano;
		c.limit_nano = limit;
		s = cap_put(w->post->ledger, cap, &c);
	}
	if (s == STORE_OK && cap == w->n_caps)
		show_cap(w, cap, true);
	if (s == STORE_OK && !add_cap(w, &b, cap, was, limit)) {
		post_abort(w->post, STORE_OK);
		return true; /* in the next turn */
	}
	if (!batch_commit(w, &b, s))
		return false;
	cap_is_known(w, cap, row->hash, limit);
	atomic_store_explicit(&row->number, cap + 1, memory_order_release);
	return true;
}

static bool
set_caps(struct windows *w)
{
	uint32_t n = cap_rows(w->r);

	for (uint32_t i = 0; i < n; i++)
		if (!cap_is_set(w, &w->r->caps[i]) &&
		    !set_cap(w, &w->r->caps[i]))
			return false;
	return true;
}

/* ---- life ---- */

/* A row of before this start has the number that the ledger says, or none. */
static void
check_numbers(struct windows *w)
{
	uint32_t n = cap_rows(w->r);

	for (uint32_t i = 0; i < n; i++) {
		struct cap_row *row = &w->r->caps[i];
		uint32_t number = row->number;

		if (number > w->n_caps ||
		    (number > 0 && w->hash_of[number - 1] != row->hash))
			row->number = 0;
	}
}

static enum store
load_caps(struct windows *w)
{
	uint32_t known = w->r->head->n_caps;
	struct cap_record c;
	struct str value;
	uint64_t id = 0;
	enum store s = ledger_seek(w->post->ledger, TABLE_CAP, &id, &value);

	for (; s == STORE_OK;
	     s = ledger_next(w->post->ledger, TABLE_CAP, &id, &value)) {
		struct counter *counter;
		struct cap_of of;

		if (id != w->n_caps || id >= SHM_CAPS || !cap_read(value, &c))
			return STORE_DAMAGED;
		counter = &w->r->counters[counter_of_cap((uint32_t)id)];
		if (region_reserve(w->r, counter, sizeof(*counter)) != E_OK)
			return STORE_FULL;
		of = cap_record_of(&c);
		cap_is_known(w, (uint32_t)id, cap_hash(&of), c.limit_nano);
		show_cap(w, (uint32_t)id, id >= known);
	}
	if (s == STORE_NONE)
		check_numbers(w);
	return s == STORE_NONE ? STORE_OK : s;
}

enum store
windows_load(struct windows *w, struct region *r, struct post *p,
	     struct group *g, struct buf *why)
{
	enum store s = ledger_begin(p->ledger);

	memset(w, 0, sizeof(*w));
	w->r = r;
	w->post = p;
	w->group = g;
	if (s == STORE_OK)
		s = load_caps(w);
	ledger_end(p->ledger);
	if (s != STORE_OK)
		buf_add_cstr(why, "the caps are damaged, or "
				  "run_dir has no room for them");
	return s;
}

bool
windows_step(struct windows *w, uint64_t now_ms)
{
	/* A clock that goes back begins nothing: windows only grow. */
	if (now_ms >= w->next_day_ms) {
		read_calendar(w, now_ms);
		w->next_key = 0;
	}
	if (w->next_key < w->r->head->n_keys && !roll_keys(w))
		return false;
	return set_caps(w);
}
