#pragma once
/*
 * Client keys: found by the HMAC-SHA-256 of their text under the server's
 * pepper (a file in state_dir); the text itself is nowhere. Rows are written
 * by the ledger writer only; looked up by workers without a lock: a row is
 * complete before its index is published in the table.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/hash.h"
#include "shm/accounts.h"
#include "shm/region.h"

#define KEY_NAME   64
#define KEY_PREFIX 12
#define KEY_MODELS 128
#define KEY_ALLOW  96
#define KEY_TAGS   64
/* Entries of the table; at most half of them are used. */
#define KEY_TABLE_SIZE (2 * SHM_KEYS)

enum key_flag {
	KEY_LIVE = 1,
	KEY_REVOKED = 2,
	KEY_BUDGET = 4,	       /* its counter takes part in holds */
	KEY_STRICT = 8,	       /* nothing a client says may be left out */
	KEY_SUBSTITUTION = 16, /* another model may answer than the asked */
};

/* How long a budget lasts; calendar days and months of `time_zone`. */
enum budget_window { BUDGET_TOTAL, BUDGET_DAY, BUDGET_MONTH };

/* What may change while requests read it. */
struct key_texts {
	char group[GROUP_NAME];	 /* "" = the account's */
	char models[KEY_MODELS]; /* comma-separated globs; "" = all */
	char allow[KEY_ALLOW];	 /* comma-separated CIDRs; "" = any */
	char prefix[KEY_PREFIX]; /* for people: "tg_Ab3x..." */
	char tags[KEY_TAGS];	 /* comma-separated; for routes */
	uint8_t spare[4];
};

struct key_row {
	_Alignas(CACHE_LINE) uint8_t hash[SHA256_BYTES];
	_Atomic uint32_t flags;
	uint32_t account;
	_Atomic uint64_t expires_ms; /* wall clock; 0 = never */
	_Atomic uint32_t secrets;    /* how often the secret has changed */
	_Atomic uint32_t text_at;    /* which of the texts counts */
	_Alignas(CACHE_LINE) struct limit_cells limits;
	/* The secret before a rotation: good until then (wall; 0 = not). */
	uint8_t old_hash[SHA256_BYTES];
	_Atomic uint64_t old_until_ms;
	struct key_texts texts[2];
	char name[KEY_NAME];
	uint64_t created_ms;
	/* For display; the money is in the key's counter. */
	_Atomic uint32_t budget_window; /* enum budget_window */
	uint32_t spare;
	_Atomic int64_t budget_nano;
	_Atomic uint64_t window_end_ms; /* wall; 0 = never */
};
_Static_assert(sizeof(struct key_row) % CACHE_LINE == 0, "key_row");

/* "total", "day", "month"; "" for what is none. */
const char *budget_window_name(uint32_t window);
/* The texts now: changed ones are written beside them and then made valid, so
 * they stay whole for whoever reads them meanwhile. */
static inline const struct key_texts *
key_texts(const struct key_row *k)
{
	return &k->texts[atomic_load_explicit(&k->text_at,
					      memory_order_acquire) &
			 1];
}

/* Any process. The key with this hash now, also by the secret before a
 * rotation while that is good. SHM_NONE = unknown. Constant-time compare. */
uint32_t key_find(const struct region *r, const uint8_t hash[SHA256_BYTES],
		  uint64_t now_ms);
/* Writer: the new texts of row `index`. */
void key_set_texts(struct region *r, uint32_t index, const struct key_texts *t);
/* Writer: a new secret; the one before is good until `old_until_ms`. */
void key_set_secret(struct region *r, uint32_t index,
		    const uint8_t hash[SHA256_BYTES],
		    const uint8_t old_hash[SHA256_BYTES],
		    uint64_t old_until_ms);
/* Writer: publishes row `index` (filled before) in the table. */
void key_publish(struct region *r, uint32_t index);
/* "10.0.0.0/8,::1" contains the address; "" allows any; unparsable: no. */
struct sockaddr;
bool key_allows_address(const char *allow, const struct sockaddr *addr);
