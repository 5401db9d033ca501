/*
 * The roll-up of usage. Cells of a key hang on a list, newest day first, so
 * that an entry finds its cell at the front and old days are cut off at the
 * end. What is hard: nothing here may take long. A read is cut into pieces by
 * time, and the oldest days go in one pass when the memory is used up.
 */
#include "billing/rollup.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/zone.h"
#include "billing/base.h"
#include "billing/catalog.h"
#include "billing/records.h"

/* Pairs of price version and row; models beyond it have no name. */
#define PAIRS_MAX (1u << 18)
/* Entries between two looks at the clock. */
#define LOOK_EVERY 256u

struct pair {
	uint32_t version;
	uint16_t row;
	uint16_t used;
	uint32_t model;
};

struct rollup {
	struct ledger *ledger;
	struct catalog *catalog;
	uint32_t *heads; /* by key: index of a cell + 1 */
	struct rollup_cell *cells;
	uint32_t cells_max;
	uint32_t n_cells; /* ever used */
	uint32_t spare;	  /* list of free ones, index + 1 */
	uint64_t next;	  /* seq to come; 0 = nothing was read yet */
	/* The day of the last entry. */
	uint32_t day;
	uint64_t day_from_ms, day_to_ms;
	uint32_t first_day;
	/* models */
	char (*names)[MODEL_NAME];
	uint32_t n_names, names_cap;
	struct pair *pairs; /* open addressing */
	uint32_t n_pairs;
};

static void *
sparse(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct rollup *
rollup_new(struct ledger *l, uint32_t cells)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->ledger = l;
	r->cells_max = cells;
	r->catalog = catalog_new(l);
	r->heads = sparse(sizeof(*r->heads) * SHM_KEYS);
	r->cells = sparse(sizeof(*r->cells) * cells);
	r->pairs = sparse(sizeof(*r->pairs) * 2 * PAIRS_MAX);
	if (r->catalog && r->heads && r->cells && r->pairs)
		return r;
	rollup_free(r);
	return NULL;
}

void
rollup_free(struct rollup *r)
{
	if (!r)
		return;
	catalog_free(r->catalog);
	if (r->heads)
		(void)munmap(r->heads, sizeof(*r->heads) * SHM_KEYS);
	if (r->cells)
		(void)munmap(r->cells, sizeof(*r->cells) * r->cells_max);
	if (r->pairs)
		(void)munmap(r->pairs, sizeof(*r->pairs) * 2 * PAIRS_MAX);
	free(r->names);
	free(r);
}

/* ---- models ---- */

/* The number of a name; UINT32_MAX: out of memory. */
static uint32_t
name_number(struct rollup *r, const char *name)
{
	void *more;

	for (uint32_t i = 0; i < r->n_names; i++)
		if (strncmp(r->names[i], name, MODEL_NAME) == 0)
			return i;
	if (r->n_names == r->names_cap) {
		uint32_t cap = r->names_cap ? 2 * r->names_cap : 64;

		more = realloc(r->names, sizeof(*r->names) * cap);
		if (!more)
			return UINT32_MAX;
		r->names = more;
		r->names_cap = cap;
	}
	(void)str_copy(r->names[r->n_names], MODEL_NAME, str_of(name));
	return r->n_names++;
}

static uint32_t
model_of(struct rollup *r, uint32_t version, uint16_t row)
{
	uint32_t at = (version * 2654435761u) ^ (row * 40503u);
	const struct book_row *book;
	struct pair *p;

	for (;; at++) {
		p = &r->pairs[at % (2 * PAIRS_MAX)];
		if (!p->used)
			break;
		if (p->version == version && p->row == row)
			return p->model;
	}
	book = r->n_pairs < PAIRS_MAX ? catalog_price(r->catalog, version, row)
				      : NULL;
	if (!book)
		return UINT32_MAX;
	*p = (struct pair){version, row, 1, name_number(r, book->name)};
	r->n_pairs++;
	return p->model;
}

struct str
rollup_model(const struct rollup *r, uint32_t model)
{
	return model < r->n_names ? str_of(r->names[model]) : STR("");
}

/* ---- cells ---- */

static struct rollup_cell *
cell_at(const struct rollup *r, uint32_t link)
{
	return &r->cells[link - 1];
}

/* Cuts a key's list before its first cell of a day before `day`. */
static uint32_t
cut(struct rollup *r, uint32_t *link, uint32_t day)
{
	uint32_t n = 0;

	while (*link && cell_at(r, *link)->day >= day)
		link = &cell_at(r, *link)->next;
	while (*link) {
		struct rollup_cell *c = cell_at(r, *link);
		uint32_t next = c->next;

		c->next = r->spare;
		r->spare = *link;
		*link = next;
		n++;
	}
	return n;
}

/* The day before which at least a quarter of the cells lies. */
static uint32_t
quarter_day(const struct rollup *r)
{
	uint32_t per_day[ROLLUP_DAYS + 2] = {0}, sum = 0, i = 0;

	for (uint32_t k = 0; k < r->n_cells; k++) {
		uint32_t age = r->cells[k].day - r->first_day;

		per_day[MIN_OF(age, ROLLUP_DAYS + 1)]++;
	}
	while (i <= ROLLUP_DAYS && sum < r->n_cells / 4)
		sum += per_day[i++];
	return r->first_day + MAX_OF(i, 1u);
}

static void
forget_before(struct rollup *r, uint32_t day)
{
	for (uint32_t key = 0; key < SHM_KEYS; key++)
		if (r->heads[key])
			(void)cut(r, &r->heads[key], day);
	r->first_day = day;
}

static struct rollup_cell *
new_cell(struct rollup *r)
{
	struct rollup_cell *c;

	if (!r->spare && r->n_cells == r->cells_max)
		forget_before(r, quarter_day(r));
	if (!r->spare && r->n_cells < r->cells_max)
		return &r->cells[r->n_cells++];
	if (!r->spare)
		return NULL;
	c = cell_at(r, r->spare);
	r->spare = c->next;
	return c;
}

/* The list is sorted; a clock that was set back finds its day behind others. */
static struct rollup_cell *
cell_of(struct rollup *r, uint32_t key, uint32_t day, uint32_t model)
{
	uint32_t *link = &r->heads[key];
	struct rollup_cell *c;

	for (; *link; link = &cell_at(r, *link)->next) {
		c = cell_at(r, *link);
		if (c->day < day)
			break;
		if (c->day == day && c->model == model)
			return c;
	}
	if (day < r->first_day)
		return NULL;
	c = new_cell(r);
	if (!c || day < r->first_day)
		return NULL;
	/* Old days may have gone, and `link` with them. */
	link = &r->heads[key];
	while (*link && cell_at(r, *link)->day >= day)
		link = &cell_at(r, *link)->next;
	*c = (struct rollup_cell){.day = day, .model = model, .next = *link};
	*link = (uint32_t)(c - r->cells) + 1;
	return c;
}

static void
add_tokens(struct rollup_cell *c, const struct token_counts *t, int64_t sign)
{
	c->tokens[0] += sign * t->input;
	c->tokens[1] += sign * t->cache_read;
	c->tokens[2] += sign * t->cache_write;
	c->tokens[3] += sign * t->output;
	c->tokens[4] += sign * t->reasoning;
}

/* What a reversal undoes: its own entry has no tokens. */
static bool
original_of(struct rollup *r, const struct entry *e, struct entry *original)
{
	return base_entry(r->ledger, e->ref, original) == STORE_OK;
}

/* Neighbours are of one day: the calendar is asked once. */
static uint32_t
day_of(struct rollup *r, uint64_t ms)
{
	if (ms < r->day_from_ms || ms >= r->day_to_ms) {
		r->day = zone_day(ms);
		r->day_from_ms = zone_start_of_day(r->day);
		r->day_to_ms = zone_start_of_day(r->day + 1);
	}
	return r->day;
}

static void
add_entry(struct rollup *r, const struct entry *e)
{
	struct entry original;
	struct rollup_cell *c;

	if ((e->kind != KIND_REQUEST && e->kind != KIND_REVERSAL) ||
	    e->key >= SHM_KEYS)
		return;
	c = cell_of(r, e->key, day_of(r, e->commit_ms),
		    model_of(r, e->price_version, e->model));
	if (!c)
		return;
	c->charge_nano += e->charge_nano;
	if (e->kind == KIND_REQUEST) {
		c->requests++;
		c->failed += e->status >= 400;
		add_tokens(c, &e->tokens, 1);
	} else if (original_of(r, e, &original)) {
		c->failed += original.status < 400;
		add_tokens(c, &original.tokens, -1);
	}
}

/* ---- reading ---- */

static enum store
entry_time(struct rollup *r, uint64_t seq, uint64_t *ms)
{
	struct entry e;
	struct str value;
	enum store s = ledger_get(r->ledger, TABLE_ENTRY, seq, &value);

	if (s == STORE_OK && value.n != sizeof(e))
		return STORE_DAMAGED;
	if (s == STORE_OK) {
		memcpy(&e, value.p, sizeof(e));
		*ms = e.commit_ms;
	}
	return s;
}

/* The first entry of the days that are kept: times grow with the numbers. */
static enum store
find_start(struct rollup *r)
{
	uint32_t today = zone_day(clock_wall_ns() / NS_PER_MS);
	uint64_t low = 1, high = 0, ms = 0, from;
	struct str value;
	enum store s = ledger_seek(r->ledger, TABLE_ENTRY, &low, &value);

	r->first_day = today < ROLLUP_DAYS ? 0 : today - ROLLUP_DAYS + 1;
	from = zone_start_of_day(r->first_day);
	if (s == STORE_NONE) {
		r->next = 1;
		return STORE_OK;
	}
	if (s == STORE_OK)
		s = ledger_last(r->ledger, TABLE_ENTRY, &high, &value);
	while (s == STORE_OK && low < high) {
		uint64_t middle = low + (high - low) / 2;

		s = entry_time(r, middle, &ms);
		if (ms < from)
			low = middle + 1;
		else
			high = middle;
	}
	r->next = low;
	return s;
}

static enum store
read_on(struct rollup *r, uint64_t until_ns, bool *whole)
{
	uint64_t seq = r->next;
	struct str value;
	enum store s = ledger_seek(r->ledger, TABLE_ENTRY, &seq, &value);
	struct entry e;

	for (uint32_t n = 1; s == STORE_OK; n++) {
		if (value.n != sizeof(e))
			return STORE_DAMAGED;
		memcpy(&e, value.p, sizeof(e));
		add_entry(r, &e);
		r->next = seq + 1;
		if (n % LOOK_EVERY == 0 && clock_mono_ns() >= until_ns)
			return STORE_OK;
		seq = r->next;
		/* The look at its original has moved the cursor. */
		s = e.kind == KIND_REVERSAL
			    ? ledger_seek(r->ledger, TABLE_ENTRY, &seq, &value)
			    : ledger_next(r->ledger, TABLE_ENTRY, &seq, &value);
	}
	*whole = s == STORE_NONE;
	return s == STORE_NONE ? STORE_OK : s;
}

enum store
rollup_read(struct rollup *r, uint64_t until_ns, bool *whole)
{
	enum store s = ledger_begin(r->ledger);

	*whole = false;
	if (s == STORE_OK && r->next == 0)
		s = find_start(r);
	if (s == STORE_OK)
		s = read_on(r, until_ns, whole);
	ledger_end(r->ledger);
	return s;
}

uint64_t
rollup_seq(const struct rollup *r)
{
	return r->next ? r->next - 1 : 0;
}

uint32_t
rollup_first_day(const struct rollup *r)
{
	return r->first_day;
}

const struct rollup_cell *
rollup_first(const struct rollup *r, uint32_t key)
{
	return key < SHM_KEYS && r->heads[key] ? cell_at(r, r->heads[key])
					       : NULL;
}

const struct rollup_cell *
rollup_next(const struct rollup *r, const struct rollup_cell *c)
{
	return c->next ? cell_at(r, c->next) : NULL;
}
