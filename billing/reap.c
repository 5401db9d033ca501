/*
 * Reaping. A row is DEAD only after its process has ended, so nothing changes
 * its slots but helpers and us.
 */
#include "billing/reap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "billing/rules.h"
#include "billing/slot_entry.h"
#include "shm/accounts.h"
#include "shm/channels.h"
#include "shm/keys.h"
#include "shm/metrics.h"
#include "shm/queue.h"
#include "shm/slots.h"
#include "shm/workers.h"

#define HEAL_NS	    NS_PER_SEC
#define HEAL_ROUNDS 5u
#define LEAKS_MAX   65536u

/* Cells: accounts, keys, channels. */
#define CELL_KEYS     SHM_ACCOUNTS
#define CELL_CHANNELS (CELL_KEYS + SHM_KEYS)
#define CELLS	      (CELL_CHANNELS + SHM_CHANNELS)

/* A count that is higher than the slots in use explain. */
struct leak {
	uint32_t cell;
	int32_t least; /* the smallest excess that was seen */
};

bool
reaper_init(struct reaper *x, struct region *r, struct group *g)
{
	*x = (struct reaper){.r = r, .group = g};
	x->heartbeats = calloc(r->head->n_workers, sizeof(*x->heartbeats));
	x->leaks = calloc(LEAKS_MAX, sizeof(*x->leaks));
	x->counts =
		mmap(NULL, sizeof(*x->counts) * CELLS, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (x->counts == MAP_FAILED)
		x->counts = NULL;
	/* The writer before this one may have died while it healed. */
	x->heal_rounds = HEAL_ROUNDS;
	return x->heartbeats && x->leaks && x->counts;
}

void
reaper_free(struct reaper *x)
{
	free(x->heartbeats);
	free(x->leaks);
	free(x->prices);
	if (x->counts)
		(void)munmap(x->counts, sizeof(*x->counts) * CELLS);
	*x = (struct reaper){0};
}

static uint64_t
word_of(const struct reaper *x, uint32_t slot)
{
	return atomic_load_explicit(&x->r->slots[slot].word,
				    memory_order_acquire);
}

static uint32_t
state_of(const struct worker_row *row)
{
	return atomic_load_explicit(&row->state, memory_order_acquire);
}

static bool
running_state(uint64_t w)
{
	return word_state(w) == SLOT_HELD || word_state(w) == SLOT_EXT ||
	       word_state(w) == SLOT_XBK;
}

/* NULL: its request had no price, or the version cannot be read. */
static const struct book_row *
price_row(struct reaper *x, uint32_t version, uint16_t row)
{
	struct ledger *l = x->group->post->ledger;
	enum store s;

	if (version == 0)
		return NULL;
	if (version != x->version) {
		free(x->prices);
		x->prices = NULL;
		x->version = 0;
		s = ledger_begin(l);
		if (s == STORE_OK)
			s = price_get(l, version, &x->prices, &x->n_prices);
		ledger_end(l);
		if (s != STORE_OK) {
			LOG_ERROR("the prices of a dead worker's request "
				  "cannot be read",
				  F_U64("version", version));
			return NULL;
		}
		x->version = version;
	}
	return row < x->n_prices ? &x->prices[row] : NULL;
}

/* A dead worker's request is charged for the tokens that its note says were
 * delivered: what it stored of their price may be of a moment before. */
static void
price_delivered(struct reaper *x, uint32_t slot)
{
	struct slot *s = &x->r->slots[slot];
	const struct note *n = &x->r->notes[slot];
	struct token_counts tokens = note_delivered(n);
	const struct book_row *row;
	struct money all = {INT64_MAX};

	if (s->kind != SLOT_REQUEST)
		return;
	row = price_row(x, s->price_version, s->model);
	if (row)
		atomic_store_explicit(
			&s->delivered,
			rules_charge(row, &tokens, n->multiplier_ppm, all).nano,
			memory_order_relaxed);
}

enum reaped { REAPED, NOT_YET, NEVER };

/* As far as that goes without a commit. */
static enum reaped
reap_slot(struct reaper *x, uint32_t slot)
{
	uint64_t w = word_of(x, slot);

	if (running_state(w)) {
		metric_add(metrics_of_writer(x->r), M_HOLDS_REAPED, 1);
		price_delivered(x, slot);
	}
	while (slot_sane(x->r, slot, w) && slot_reap(x->r, slot))
		w = word_of(x, slot);
	w = word_of(x, slot);
	if (word_state(w) == SLOT_FREE)
		return REAPED;
	/* Commits what is settled, and complains of what makes no sense. */
	group_note(x->group, slot);
	return group_is_bad(x->group, slot) ? NEVER : NOT_YET;
}

void
reap_own(struct reaper *x)
{
	uint32_t n = x->r->head->n_slots;

	for (uint32_t i = n; i < n + SHM_OWN_SLOTS; i++)
		(void)reap_slot(x, i);
}

/* A page with a bad slot keeps its dead owner for ever. */
static enum reaped
reap_page(struct reaper *x, uint32_t page)
{
	enum reaped worst = REAPED;

	for (uint32_t i = 0; i < SLOT_PAGE; i++) {
		enum reaped one = reap_slot(x, page * SLOT_PAGE + i);

		if (one == NOT_YET || (one == NEVER && worst == REAPED))
			worst = one;
	}
	return worst;
}

static bool
reap_row(struct reaper *x, uint32_t index)
{
	struct worker_row *row = &x->r->workers[index];
	uint64_t mark = (uint64_t)row->spawn_epoch << 32 | index;
	bool done = true;

	for (uint32_t i = 0; i < x->r->head->n_slots / SLOT_PAGE; i++) {
		_Atomic uint64_t *owner = &x->r->pages[i].owner;
		enum reaped page;

		if (*owner != mark)
			continue;
		page = reap_page(x, i);
		if (page == REAPED)
			atomic_store_explicit(owner, 0, memory_order_release);
		done = done && page != NOT_YET;
	}
	return done;
}

void
reap_look_for_dead(struct reaper *x)
{
	for (uint32_t i = 0; i < x->r->head->n_workers; i++) {
		struct worker_row *row = &x->r->workers[i];
		uint32_t state = state_of(row);
		uint32_t pid = row->pid;

		if (state == WORKER_UNUSED || state == WORKER_DEAD || pid == 0)
			continue;
		/* Not even a zombie: nothing of it can run any more. */
		if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			(void)atomic_compare_exchange_strong(
				&row->state, &state, WORKER_DEAD);
	}
}

static void
heal_begin(struct reaper *x, unsigned rounds)
{
	x->heal_rounds = rounds;
	x->heal_began_ns = 0;
	x->n_leaks = 0;
}

bool
reap_rows(struct reaper *x)
{
	bool freed = false;

	for (uint32_t i = 0; i < x->r->head->n_workers; i++) {
		struct worker_row *row = &x->r->workers[i];

		if (state_of(row) != WORKER_DEAD || !reap_row(x, i))
			continue;
		queue_reap(x->r, queue_owner(row->spawn_epoch, i));
		CRASH_POINT(CP_ROW_REAPED);
		LOG_INFO("a dead worker is reaped", F_U64("row", i),
			 F_U64("pid", row->pid));
		row->pid = 0;
		atomic_store_explicit(&row->state, WORKER_UNUSED,
				      memory_order_release);
		freed = true;
		heal_begin(x, HEAL_ROUNDS);
	}
	return freed;
}

bool
reap_all_gone(const struct reaper *x)
{
	for (uint32_t i = 0; i < x->r->head->n_workers; i++)
		if (state_of(&x->r->workers[i]) != WORKER_UNUSED)
			return false;
	return true;
}

/* ---- concurrency ---- */

static void
count_channel(struct reaper *x, uint32_t attempt)
{
	if (attempt > 0 && attempt <= SHM_CHANNELS)
		x->counts[CELL_CHANNELS + attempt - 1]++;
}

static void
count_slot(struct reaper *x, uint32_t slot)
{
	const struct note *n = &x->r->notes[slot];
	uint32_t account = n->account, key = n->key;
	uint32_t attempt =
		atomic_load_explicit(&n->attempt, memory_order_relaxed);

	if (word_state(word_of(x, slot)) == SLOT_FREE)
		return;
	count_channel(x, attempt & 0xffff);
	count_channel(x, attempt >> 16);
	/* An attempt is of a request, which is counted. */
	if (x->r->slots[slot].kind == SLOT_ATTEMPT)
		return;
	if (account < x->r->head->n_accounts)
		x->counts[account]++;
	if (key < x->r->head->n_keys)
		x->counts[CELL_KEYS + key]++;
}

static void
count_slots(struct reaper *x)
{
	memset(x->counts, 0, sizeof(*x->counts) * x->r->head->n_accounts);
	memset(x->counts + CELL_KEYS, 0,
	       sizeof(*x->counts) * x->r->head->n_keys);
	memset(x->counts + CELL_CHANNELS, 0, sizeof(*x->counts) * SHM_CHANNELS);
	for (uint32_t p = 0; p < x->r->head->n_slots / SLOT_PAGE; p++) {
		if (x->r->pages[p].owner == 0)
			continue;
		for (uint32_t i = 0; i < SLOT_PAGE; i++)
			count_slot(x, p * SLOT_PAGE + i);
	}
}

static _Atomic int32_t *
running_of(const struct reaper *x, uint32_t cell)
{
	if (cell >= CELL_CHANNELS)
		return &x->r->channels[cell - CELL_CHANNELS].in_flight;
	if (cell >= CELL_KEYS)
		return &x->r->keys[cell - CELL_KEYS].limits.running;
	return &x->r->accounts[cell].limits.running;
}

static int32_t
excess_of(const struct reaper *x, uint32_t cell)
{
	return *running_of(x, cell) - (int32_t)x->counts[cell];
}

static void
find_leaks(struct reaper *x, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n && x->n_leaks < LEAKS_MAX; i++) {
		int32_t excess = excess_of(x, i);

		if (excess > 0)
			x->leaks[x->n_leaks++] = (struct leak){i, excess};
	}
}

static void
heal_first_look(struct reaper *x)
{
	for (uint32_t i = 0; i < x->r->head->n_workers; i++)
		x->heartbeats[i] = x->r->workers[i].heartbeat_ns;
	x->heal_began_ns = clock_mono_ns();
	find_leaks(x, 0, x->r->head->n_accounts);
	find_leaks(x, CELL_KEYS, x->r->head->n_keys);
	find_leaks(x, CELL_CHANNELS, channel_rows(x->r));
}

static bool
all_turned(const struct reaper *x)
{
	for (uint32_t i = 0; i < x->r->head->n_workers; i++) {
		const struct worker_row *row = &x->r->workers[i];
		uint32_t state = state_of(row);

		if ((state == WORKER_READY || state == WORKER_DRAINING) &&
		    row->heartbeat_ns == x->heartbeats[i])
			return false;
	}
	return true;
}

/* So much is surely nobody's. */
static void
take_back(const struct reaper *x)
{
	for (uint32_t i = 0; i < x->n_leaks; i++) {
		const struct leak *l = &x->leaks[i];

		if (l->least > 0)
			atomic_fetch_sub(running_of(x, l->cell), l->least);
	}
}

void
reap_heal(struct reaper *x)
{
	if (x->heal_rounds == 0)
		return;
	count_slots(x);
	if (x->heal_began_ns == 0) {
		heal_first_look(x);
		return;
	}
	for (uint32_t i = 0; i < x->n_leaks; i++) {
		struct leak *l = &x->leaks[i];

		l->least = MIN_OF(l->least, excess_of(x, l->cell));
	}
	if (clock_mono_ns() - x->heal_began_ns < HEAL_NS || !all_turned(x))
		return;
	take_back(x);
	heal_begin(x, x->heal_rounds - 1);
}
