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
/* Entries of the table; at most half of them are used. */
#define KEY_TABLE_SIZE (2 * SHM_KEYS)

enum key_flag {
	KEY_LIVE = 1,
	KEY_REVOKED = 2,
	KEY_BUDGET = 4, /* its counter takes part in holds */
};

/* How long a budget lasts; calendar days and months of `time_zone`. */
enum budget_window { BUDGET_TOTAL, BUDGET_DAY, BUDGET_MONTH };

struct key_row {
	_Alignas(CACHE_LINE) uint8_t hash[SHA256_BYTES];
	_Atomic uint32_t flags;
	uint32_t account;
	uint64_t expires_ms; /* wall clock; 0 = never */
	_Alignas(CACHE_LINE) struct limit_cells limits;
	char group[GROUP_NAME];	 /* "" = the account's */
	char prefix[KEY_PREFIX]; /* for people: "tg_Ab3x..." */
	char name[KEY_NAME];
	char models[KEY_MODELS]; /* comma-separated globs; "" = all */
	char allow[KEY_ALLOW];	 /* comma-separated CIDRs; "" = any */
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
/* Any process. SHM_NONE = unknown. Constant-time compare of the hash. */
uint32_t key_find(const struct region *r, const uint8_t hash[SHA256_BYTES]);
/* Writer: publishes row `index` (filled before) in the table. */
void key_publish(struct region *r, uint32_t index);
/* "10.0.0.0/8,::1" contains the address; "" allows any; unparsable: no. */
struct sockaddr;
bool key_allows_address(const char *allow, const struct sockaddr *addr);
