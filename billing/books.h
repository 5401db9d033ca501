#pragma once
/*
 * Accounts, keys and prices: from the ledger into shared memory, where the
 * workers see them. Every change is committed first, then shown. Writer only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/hash.h"
#include "billing/post.h"
#include "billing/records.h"
#include "shm/region.h"

struct conf;
struct conf_plan;

struct books {
	struct region *r;
	const struct conf *conf; /* the plans */
	struct post *post;
	uint32_t *by_name; /* open addressing: account + 1 */
	struct sip_key secret;
	uint8_t (*price_hash)[SHA256_BYTES]; /* by version - 1 */
	uint32_t n_prices, prices_cap;
};

/* Shows all accounts and keys. Those that shared memory has already keep
 * their money there: requests of running workers hold some of it. */
NODISCARD enum store books_load(struct books *b, struct region *r,
				struct post *p, const struct conf *conf,
				struct buf *why);
void books_free(struct books *b);

/* NULL = no such plan. */
const struct conf_plan *books_plan(const struct books *b, struct str name);
/* SHM_NONE = no such account. */
uint32_t books_account_find(const struct books *b, struct str name);
/* Disk space in shared memory for one more; false: none left. */
NODISCARD bool books_reserve_account(struct books *b);
NODISCARD bool books_reserve_key(struct books *b);
/* Shows a row that is committed; `fresh`: nobody knows it yet, its counter
 * starts at its balance. */
void books_show_account(struct books *b, uint32_t id,
			const struct account_record *a, bool fresh);
void books_show_key(struct books *b, uint32_t id, const struct key_record *k,
		    bool fresh);

/* Shows an old price version to the workers, for accounts that are pinned to
 * it; in the current transaction. False: it is damaged, or too many others
 * are in use. */
NODISCARD bool books_pin(struct books *b, uint32_t version);
/* Has the master filled one. */
bool books_waiting(const struct books *b);
/* Stores the books that the master has filled; true if there was one. */
bool books_serve(struct books *b);
