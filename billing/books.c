/*
 * Accounts, keys and prices in shared memory. A row is complete before the
 * count that makes it valid is raised, and never goes away.
 */
#include "billing/books.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"
#include "shm/accounts.h"
#include "shm/books.h"
#include "shm/counters.h"
#include "shm/keys.h"

#define PLACES	    (2 * SHM_ACCOUNTS)
#define PLACE_BYTES (sizeof(uint32_t) * PLACES)

static struct str
name_of(const struct books *b, uint32_t account)
{
	const char *name = b->r->accounts[account].name;

	return str_make(name, strnlen(name, ACCOUNT_NAME));
}

/* The place of the name, or the empty one where it belongs. */
static uint32_t *
place(const struct books *b, struct str name)
{
	uint64_t at = siphash(&b->secret, name);

	for (;; at++) {
		uint32_t *p = &b->by_name[at % PLACES];

		if (*p == 0 || str_eq(name_of(b, *p - 1), name))
			return p;
	}
}

uint32_t
books_account_find(const struct books *b, struct str name)
{
	uint32_t found = *place(b, name);

	return found ? found - 1 : SHM_NONE;
}

static void
show_counter(struct books *b, uint32_t counter, uint32_t id, int64_t credit)
{
	struct counter *c = &b->r->counters[counter];
	int64_t balance = post_balance(b->post, counter), available;

	if (__builtin_add_overflow(balance, credit, &available))
		available = balance;
	c->available = available;
	c->last_op = 0;
	c->balance = balance;
	c->credit = credit;
	c->id = id;
}

/* A writer before this one may have died between its commit and this. */
static void
show_balance(struct books *b, uint32_t counter)
{
	b->r->counters[counter].balance = post_balance(b->post, counter);
}

static void
show_limits(struct limit_cells *c, uint32_t rpm, uint32_t tpm,
	    uint32_t concurrency)
{
	c->rpm = rpm;
	c->tpm = tpm;
	c->concurrency = concurrency;
}

const struct conf_plan *
books_plan(const struct books *b, struct str name)
{
	return conf_plan_find(b->conf, name);
}

/* What the plan says where the account says nothing. */
static struct account_record
with_plan(const struct books *b, const struct account_record *a)
{
	struct account_record out = *a;
	const struct conf_plan *plan = NULL;

	if (a->plan[0])
		plan = books_plan(b, str_of(a->plan));
	if (!plan)
		return out;
	out.rpm = a->rpm ? a->rpm : plan->rpm;
	out.tpm = a->tpm ? a->tpm : plan->tpm;
	out.concurrency = a->concurrency ? a->concurrency : plan->concurrency;
	if (!a->group[0])
		(void)str_copy(out.group, sizeof(out.group), plan->group);
	return out;
}

static void
show_texts(struct account_row *row, const struct account_record *a)
{
	uint32_t now = row->text_at & 1;
	struct account_texts *t = &row->texts[now ^ 1];

	if (memcmp(row->texts[now].group, a->group, sizeof(a->group)) == 0 &&
	    memcmp(row->texts[now].plan, a->plan, sizeof(a->plan)) == 0)
		return;
	memcpy(t->group, a->group, sizeof(t->group));
	memcpy(t->plan, a->plan, sizeof(t->plan));
	atomic_store_explicit(&row->text_at, now ^ 1, memory_order_release);
}

/* ---- pinned price versions ---- */

static bool
is_pinned(const struct books *b, uint32_t version)
{
	uint32_t n = b->r->head->n_accounts;

	for (uint32_t i = 0; i < n; i++)
		if (b->r->accounts[i].price_pin == version)
			return true;
	return false;
}

/* An empty place, else one that nobody is pinned to any more. */
static struct book *
place_for_pin(struct books *b)
{
	for (uint32_t i = BOOKS_LIVE; i < SHM_BOOKS; i++)
		if (b->r->books[i].version == 0)
			return &b->r->books[i];
	for (uint32_t i = BOOKS_LIVE; i < SHM_BOOKS; i++)
		if (!is_pinned(b, b->r->books[i].version))
			return &b->r->books[i];
	return NULL;
}

/* Whoever reads the old version meanwhile finds its number gone. */
static void
show_pinned(struct book *book, uint32_t version, const struct book_row *rows,
	    uint32_t n)
{
	atomic_store(&book->version, 0);
	atomic_thread_fence(memory_order_seq_cst);
	book->n = n;
	memcpy(book->rows, rows, sizeof(*rows) * n);
	atomic_store_explicit(&book->state, BOOK_STORED, memory_order_relaxed);
	atomic_store_explicit(&book->version, version, memory_order_release);
}

bool
books_pin(struct books *b, uint32_t version)
{
	struct ledger *l = b->post->ledger;
	struct book_row *rows = NULL;
	struct book *book;
	uint32_t n = 0;
	enum store s;

	if (version == 0 || book_pinned(b->r, version) != SHM_NONE)
		return true;
	s = price_get(l, version, &rows, &n);
	book = s == STORE_OK ? place_for_pin(b) : NULL;
	if (!book || region_reserve(b->r, book, sizeof(*book)) != E_OK) {
		free(rows);
		LOG_ERROR("a pinned price version cannot be shown",
			  F_U64("version", version),
			  F_CSTR("why", s == STORE_OK ? "no room"
						      : ledger_trouble(l)));
		return false;
	}
	show_pinned(book, version, rows, n);
	free(rows);
	return true;
}

/* Places that a writer before this one left half filled have no version. */
static void
load_pins(struct books *b)
{
	uint32_t n = b->r->head->n_accounts;

	for (uint32_t i = 0; i < n; i++)
		(void)!books_pin(b, b->r->accounts[i].price_pin);
}

/* ---- accounts and keys ---- */

void
books_show_account(struct books *b, uint32_t id, const struct account_record *a,
		   bool fresh)
{
	struct account_row *row = &b->r->accounts[id];
	const struct account_record now = with_plan(b, a);
	uint32_t audit = fresh ? 0 : row->flags & ACCOUNT_AUDIT;

	must(id < SHM_ACCOUNTS);
	row->parent = a->parent;
	memcpy(row->name, a->name, sizeof(row->name));
	show_texts(row, &now);
	row->discount_ppm = a->discount_ppm;
	row->price_pin = a->price_pin;
	row->low_nano = a->low_nano;
	row->created_ms = a->created_ms;
	show_limits(&row->limits, now.rpm, now.tpm, now.concurrency);
	row->plan_month = a->plan_month;
	if (fresh)
		show_counter(b, counter_of_account(id), id, a->credit_nano);
	else
		show_balance(b, counter_of_account(id));
	b->r->counters[counter_of_account(id)].credit = a->credit_nano;
	row->flags = a->flags | audit;
	*place(b, name_of(b, id)) = id + 1;
	if (fresh)
		atomic_store_explicit(&b->r->head->n_accounts, id + 1,
				      memory_order_release);
}

static void
show_key_texts(struct books *b, uint32_t id, const struct key_record *k)
{
	struct key_texts t;

	memset(&t, 0, sizeof(t));
	memcpy(t.group, k->group, sizeof(t.group));
	memcpy(t.models, k->models, sizeof(t.models));
	memcpy(t.allow, k->allow, sizeof(t.allow));
	memcpy(t.prefix, k->prefix, sizeof(t.prefix));
	memcpy(t.tags, k->tags, sizeof(t.tags));
	key_set_texts(b->r, id, &t);
}

void
books_show_key(struct books *b, uint32_t id, const struct key_record *k,
	       bool fresh)
{
	struct key_row *row = &b->r->keys[id];

	must(id < SHM_KEYS);
	row->account = k->account;
	row->expires_ms = k->expires_ms;
	show_limits(&row->limits, k->rpm, k->tpm, k->concurrency);
	memcpy(row->name, k->name, sizeof(row->name));
	show_key_texts(b, id, k);
	row->created_ms = k->created_ms;
	row->budget_window = k->budget_window;
	row->budget_nano = k->budget_nano;
	if (fresh)
		show_counter(b, counter_of_key(id), id, 0);
	else
		show_balance(b, counter_of_key(id));
	row->flags = k->flags;
	if (fresh)
		atomic_store_explicit(&b->r->head->n_keys, id + 1,
				      memory_order_release);
	key_set_secret(b->r, id, k->hash, k->old_hash, k->old_until_ms);
}

static bool
reserve(struct books *b, const void *row, size_t row_size, uint32_t counter,
	uint32_t n)
{
	const struct counter *c = &b->r->counters[counter];

	return region_reserve(b->r, row, row_size * n) == E_OK &&
	       region_reserve(b->r, c, sizeof(*c) * n) == E_OK;
}

bool
books_reserve_account(struct books *b)
{
	uint32_t id = b->post->meta.n_accounts;

	return id < SHM_ACCOUNTS &&
	       reserve(b, &b->r->accounts[id], sizeof(struct account_row),
		       counter_of_account(id), 1);
}

bool
books_reserve_key(struct books *b)
{
	uint32_t id = b->post->meta.n_keys;

	return id < SHM_KEYS &&
	       reserve(b, &b->r->keys[id], sizeof(struct key_row),
		       counter_of_key(id), 1);
}

/* ---- loading ---- */

static enum store
load_accounts(struct books *b, struct ledger *l)
{
	uint32_t known = b->r->head->n_accounts;
	struct account_record a;
	struct str value;
	uint64_t id = 0, next = 0;
	enum store s = ledger_seek(l, TABLE_ACCOUNT, &id, &value);

	for (; s == STORE_OK; s = ledger_next(l, TABLE_ACCOUNT, &id, &value)) {
		if (id != next++ || id >= b->post->meta.n_accounts ||
		    !record_read(value, &a, sizeof(a)) ||
		    (a.parent != SHM_NONE &&
		     a.parent >= b->post->meta.n_accounts))
			return STORE_DAMAGED;
		books_show_account(b, (uint32_t)id, &a, id >= known);
	}
	if (s != STORE_NONE)
		return s;
	return next == b->post->meta.n_accounts ? STORE_OK : STORE_DAMAGED;
}

static enum store
load_keys(struct books *b, struct ledger *l)
{
	uint32_t known = b->r->head->n_keys;
	struct key_record k;
	struct str value;
	uint64_t id = 0, next = 0;
	enum store s = ledger_seek(l, TABLE_KEY, &id, &value);

	for (; s == STORE_OK; s = ledger_next(l, TABLE_KEY, &id, &value)) {
		if (id != next++ || id >= b->post->meta.n_keys ||
		    !key_read(value, &k) ||
		    k.account >= b->post->meta.n_accounts)
			return STORE_DAMAGED;
		books_show_key(b, (uint32_t)id, &k, id >= known);
	}
	if (s != STORE_NONE)
		return s;
	return next == b->post->meta.n_keys ? STORE_OK : STORE_DAMAGED;
}

static bool
add_price(struct books *b, const uint8_t hash[SHA256_BYTES])
{
	if (b->n_prices == b->prices_cap) {
		uint32_t cap = b->prices_cap ? b->prices_cap * 2 : 16;
		void *grown =
			realloc(b->price_hash, (size_t)cap * SHA256_BYTES);

		if (!grown)
			return false;
		b->price_hash = grown;
		b->prices_cap = cap;
	}
	memcpy(b->price_hash[b->n_prices++], hash, SHA256_BYTES);
	return true;
}

static enum store
load_prices(struct books *b, struct ledger *l)
{
	struct price_record head;

	while (b->n_prices < b->post->meta.n_prices) {
		enum store s = price_head(l, b->n_prices + 1, &head);

		if (s != STORE_OK)
			return s == STORE_NONE ? STORE_DAMAGED : s;
		if (!add_price(b, head.hash))
			return STORE_FAILED;
	}
	return STORE_OK;
}

static bool
reserve_all(struct books *b)
{
	const struct meta_record *m = &b->post->meta;

	if (m->n_accounts > SHM_ACCOUNTS || m->n_keys > SHM_KEYS)
		return false;
	/* Whether a place is used is looked at even when none is. */
	for (uint32_t i = BOOKS_LIVE; i < SHM_BOOKS; i++)
		if (region_reserve(b->r, &b->r->books[i],
				   offsetof(struct book, rows)) != E_OK)
			return false;
	return reserve(b, b->r->accounts, sizeof(struct account_row),
		       counter_of_account(0), m->n_accounts) &&
	       reserve(b, b->r->keys, sizeof(struct key_row), counter_of_key(0),
		       m->n_keys);
}

enum store
books_load(struct books *b, struct region *r, struct post *p,
	   const struct conf *conf, struct buf *why)
{
	enum store s;

	*b = (struct books){.r = r, .post = p, .conf = conf};
	random_bytes(&b->secret, sizeof(b->secret));
	b->by_name = mmap(NULL, PLACE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->by_name == MAP_FAILED) {
		b->by_name = NULL;
		buf_add_cstr(why, "out of memory");
		return STORE_FAILED;
	}
	if (!reserve_all(b)) {
		buf_add_cstr(why, "run_dir has no room for the accounts");
		return STORE_FULL;
	}
	s = ledger_begin(p->ledger);
	if (s == STORE_OK)
		s = load_accounts(b, p->ledger);
	if (s == STORE_OK)
		s = load_keys(b, p->ledger);
	if (s == STORE_OK)
		s = load_prices(b, p->ledger);
	if (s == STORE_OK)
		load_pins(b);
	ledger_end(p->ledger);
	if (s != STORE_OK)
		buf_printf(why, "accounts, keys or prices are damaged: %s",
			   ledger_trouble(p->ledger));
	return s;
}

void
books_free(struct books *b)
{
	if (b->by_name)
		(void)munmap(b->by_name, PLACE_BYTES);
	free(b->price_hash);
	*b = (struct books){0};
}

/* ---- prices ---- */

/* The version of these rows, a new one if need be; 0: could not be stored. */
static uint32_t
version_of(struct books *b, const struct book_row *rows, uint32_t n)
{
	uint8_t hash[SHA256_BYTES];
	uint32_t version = b->n_prices + 1;
	enum store s;

	sha256(rows, sizeof(*rows) * n, hash);
	for (uint32_t i = b->n_prices; i > 0; i--)
		if (bytes_equal(b->price_hash[i - 1], hash, sizeof(hash)))
			return i;
	s = post_begin(b->post);
	if (s == STORE_OK)
		s = price_put(b->post->ledger, version, rows, n,
			      clock_wall_ns() / NS_PER_MS);
	if (s == STORE_OK) {
		b->post->meta.n_prices = version;
		s = post_commit(b->post);
	} else {
		post_abort(b->post, s);
	}
	return s == STORE_OK && add_price(b, hash) ? version : 0;
}

static void
serve(struct books *b, struct book *book)
{
	uint32_t n = book->n, version = 0;
	struct book_row *rows = NULL;

	/* On a copy: nobody can change it between its hash and the disk. */
	if (n <= BOOK_MODELS)
		rows = malloc(MAX_OF(sizeof(*rows) * n, sizeof(*rows)));
	if (rows) {
		memcpy(rows, book->rows, sizeof(*rows) * n);
		version = version_of(b, rows, n);
	}
	free(rows);
	CRASH_POINT(CP_BOOK_STORED);
	if (!version)
		LOG_ERROR("a price book could not be stored",
			  F_U64("models", n),
			  F_CSTR("why", ledger_trouble(b->post->ledger)));
	book->version = version;
	atomic_store_explicit(&book->state,
			      version ? BOOK_STORED : BOOK_REFUSED,
			      memory_order_release);
}

static bool
is_filled(const struct books *b, uint32_t i)
{
	return atomic_load_explicit(&b->r->books[i].state,
				    memory_order_acquire) == BOOK_FILLED;
}

bool
books_waiting(const struct books *b)
{
	for (uint32_t i = 0; i < BOOKS_LIVE; i++)
		if (is_filled(b, i))
			return true;
	return false;
}

bool
books_serve(struct books *b)
{
	bool any = false;

	for (uint32_t i = 0; i < BOOKS_LIVE; i++) {
		if (!is_filled(b, i))
			continue;
		serve(b, &b->r->books[i]);
		any = true;
	}
	return any;
}
