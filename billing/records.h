#pragma once
/*
 * The rows of the ledger besides its entries: fixed sizes, little endian,
 * each with a CRC-32C in its last four bytes, because LMDB has no checksums
 * of its own. Balances and slot generations have none: they are recomputed
 * from the entries.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/hash.h"
#include "base/str.h"
#include "billing/ledger.h"
#include "billing/usage.h"
#include "shm/accounts.h"
#include "shm/books.h"
#include "shm/caps.h"
#include "shm/channels.h"
#include "shm/counters.h"
#include "shm/keys.h"

#define LEDGER_SCHEMA 2u
#define LEDGER_UUID   16
/* Longest interned text: a note, a channel, a model. */
#define NAME_TEXT 128

struct meta_record {
	uint32_t schema;
	uint32_t epoch; /* boot epoch: +1 at every cold start */
	uint8_t uuid[LEDGER_UUID];
	uint64_t next_seq;
	uint8_t chain[ENTRY_CHAIN]; /* of the last entry */
	int64_t debits;		    /* what all counters ever lost, nano-USD */
	int64_t credits;	    /* what they ever got */
	uint32_t n_accounts;
	uint32_t n_keys;
	uint32_t n_names;  /* next name id */
	uint32_t n_prices; /* last price version */
	uint64_t changed_ms;
	uint64_t first_seq;   /* earlier entries were dropped, TABLE_BASE */
	uint64_t transaction; /* the store's number of the last commit */
	uint64_t sealed_seq;  /* last entry that a seal covers */
	uint32_t n_seals;
	uint32_t open_day; /* of the first entry that no seal covers */
	uint8_t seal_root[SHA256_BYTES]; /* of the last seal; zero: none */
	uint32_t clean;			 /* the writer ended in order */
	uint32_t crc;
};
_Static_assert(sizeof(struct meta_record) == 160, "meta_record");

/*
 * What the ledger was at the end of a day, UTC, as one number that can be
 * published: whoever has it finds a history that was rewritten later, chain
 * and all. Numbered from 1 on without a gap. A day is over with the first
 * entry of a later one, or at midnight; a clock that is put back begins no
 * new day, unless by more than a day.
 */
struct seal_record {
	uint32_t day; /* of its first entry, since 1970-01-01 */
	uint32_t number;
	uint64_t first_seq, last_seq;
	uint64_t sealed_ms;
	int64_t debits; /* totals of the ledger up to there */
	int64_t credits;
	uint8_t chain[ENTRY_CHAIN];	/* of the last entry */
	uint8_t previous[SHA256_BYTES]; /* root of the seal before */
	uint8_t root[SHA256_BYTES]; /* of the uuid and all before this field */
	uint32_t spare;
	uint32_t crc;
};
_Static_assert(sizeof(struct seal_record) == 136, "seal_record");
_Static_assert(offsetof(struct seal_record, root) == 96, "seal_record.root");

struct balance_record {
	int64_t balance; /* credits - debits */
	uint64_t last_seq;
	int64_t debits;
	int64_t credits;
	uint32_t window; /* of a budget or a cap: the one it belongs to */
	uint32_t spare;
};
_Static_assert(sizeof(struct balance_record) == 40, "balance_record");

/* The last settlement of a slot: what makes posting idempotent. */
enum slot_phase { PHASE_NONE, PHASE_POSTED, PHASE_REVERSED };
struct slotgen_record {
	uint32_t epoch;
	uint32_t gen;
	uint16_t phase;	 /* enum slot_phase */
	uint16_t moves;	 /* reversed: what the reversal moved */
	uint32_t window; /* posted: of the key's budget */
	uint64_t seq;	 /* of the entry that was posted */
};
_Static_assert(sizeof(struct slotgen_record) == 24, "slotgen_record");

struct account_record {
	uint32_t flags; /* enum account_flag */
	uint32_t parent;
	uint32_t rpm, tpm, concurrency;
	uint32_t discount_ppm;
	int64_t credit_nano;
	uint64_t created_ms;
	int64_t low_nano;	/* low-balance threshold, with ACCOUNT_LOW */
	int64_t allowance_nano; /* what the plan gave last */
	/* The balance after that, moved since by all that is no usage: what
	 * it is above the balance was used. */
	int64_t allowance_mark;
	uint32_t price_pin;  /* price version; 0 = the current one */
	uint32_t plan_month; /* zone_month() that the plan has begun */
	char name[ACCOUNT_NAME];
	char group[GROUP_NAME];
	char plan[PLAN_NAME];
	uint32_t spare;
	uint32_t crc;
};
_Static_assert(sizeof(struct account_record) ==
		       80 + ACCOUNT_NAME + GROUP_NAME + PLAN_NAME,
	       "account_record");

/* The row on the disk of a key without tags is what comes before them, with a
 * checksum of its own: so rows were before there were tags. */
struct key_record {
	uint32_t flags; /* enum key_flag */
	uint32_t account;
	uint32_t rpm, tpm, concurrency;
	uint32_t budget_window; /* enum budget_window */
	uint64_t expires_ms;
	uint64_t created_ms;
	int64_t budget_nano; /* per window */
	uint8_t hash[SHA256_BYTES];
	uint8_t old_hash[SHA256_BYTES]; /* before a rotation */
	uint64_t old_until_ms;
	char group[GROUP_NAME];
	char prefix[KEY_PREFIX];
	char name[KEY_NAME];
	char models[KEY_MODELS];
	char allow[KEY_ALLOW];
	uint32_t spare;
	char tags[KEY_TAGS];
	uint32_t spare1;
	uint32_t crc;
};
#define KEY_RECORD_PLAIN                                              \
	(60 + 2 * SHA256_BYTES + GROUP_NAME + KEY_PREFIX + KEY_NAME + \
	 KEY_MODELS + KEY_ALLOW)
_Static_assert(sizeof(struct key_record) == KEY_RECORD_PLAIN + KEY_TAGS + 8,
	       "key_record");
_Static_assert(offsetof(struct key_record, spare) + 4 == KEY_RECORD_PLAIN,
	       "the checksum of a key without tags is there");

/* A cap, for ever: entries refer to its number. Where it is the one of a
 * channel, the row on the disk is what comes first, with a checksum of its
 * own. */
struct cap_record {
	char channel[CHANNEL_NAME]; /* "" for a model */
	int64_t limit_nano;	    /* per day, as last seen */
	uint32_t kind;		    /* enum cap_kind */
	uint32_t spare;
	char name[CAP_NAME]; /* of the credential or the model */
	uint32_t spare1;
	uint32_t crc;
};
#define CAP_RECORD_CHANNEL (16 + CHANNEL_NAME)
_Static_assert(sizeof(struct cap_record) == CAP_RECORD_CHANNEL + CAP_NAME + 8,
	       "cap_record");
_Static_assert(offsetof(struct cap_record, spare) + 4 == CAP_RECORD_CHANNEL,
	       "the checksum of a channel's row is there");

/* Followed by its rows (struct book_row). */
struct price_record {
	uint32_t row_size;
	uint32_t n;
	uint64_t created_ms;
	uint8_t hash[SHA256_BYTES]; /* of the rows */
	uint32_t spare;
	uint32_t crc; /* of the header before it and the rows */
};
_Static_assert(sizeof(struct price_record) == 56, "price_record");

struct idem_record {
	uint8_t content[16]; /* hash of what was asked */
	uint64_t seq;	     /* what came of it */
	uint32_t index;
	uint32_t kind;
	int64_t balance_nano;
	uint64_t time_ms;
	uint32_t key_crc; /* of its key, which no other row repeats */
	uint32_t crc;
};
_Static_assert(sizeof(struct idem_record) == 56, "idem_record");

/* What of an entry was given back: refunds of a top-up, corrections and the
 * reversal of a request. */
struct refunded_record {
	int64_t nano;
	uint32_t spare;
	uint32_t crc;
};
_Static_assert(sizeof(struct refunded_record) == 16, "refunded_record");

#define CODE_PREFIX 12

/* A redemption code; its text is nowhere. */
struct code_record {
	uint8_t hash[SHA256_BYTES]; /* HMAC under the server's pepper */
	int64_t amount_nano;
	uint64_t expires_ms; /* 0 = never */
	uint64_t created_ms;
	uint32_t bonus_ppm; /* of the amount, on top */
	uint32_t uses, used;
	uint32_t revoked;
	char prefix[CODE_PREFIX]; /* for people */
	uint32_t crc;
};
_Static_assert(sizeof(struct code_record) == 88, "code_record");

struct code_use_record {
	uint64_t code;
	uint64_t time_ms;
	uint32_t account;
	uint32_t spare[2];
	uint32_t crc;
};
_Static_assert(sizeof(struct code_use_record) == 32, "code_use_record");

/* Key of TABLE_CODE. */
uint64_t code_key(const uint8_t hash[SHA256_BYTES]);
/* Adds to what was given back of entry `seq`; STORE_NONE: more than `most`,
 * nothing was changed. */
NODISCARD enum store refunded_add(struct ledger *l, uint64_t seq, int64_t nano,
				  int64_t most);

/* Sets the last four bytes. */
void record_seal(void *record, size_t size);
/* Copies a row; false when its size or its checksum is wrong. */
NODISCARD bool record_read(struct str value, void *out, size_t size);

/* The same for rows of TABLE_IDEM, with their key. */
void idem_seal(const uint8_t key[LEDGER_IDEM_KEY], struct idem_record *r);
NODISCARD bool idem_read(const uint8_t key[LEDGER_IDEM_KEY], struct str value,
			 struct idem_record *out);

/* A row of `size` bytes; STORE_DAMAGED when it is there and wrong. */
NODISCARD enum store record_get(struct ledger *l, enum ledger_table t,
				uint64_t key, void *out, size_t size);
/* Seals and stores. */
NODISCARD enum store record_put(struct ledger *l, enum ledger_table t,
				uint64_t key, void *record, size_t size);

/* TABLE_KEY. Read: false when size or checksum is wrong. */
NODISCARD bool key_read(struct str value, struct key_record *out);
NODISCARD enum store key_get(struct ledger *l, uint64_t id,
			     struct key_record *out);
NODISCARD enum store key_put(struct ledger *l, uint64_t id,
			     const struct key_record *k);
/* TABLE_CAP. Read: false when size, checksum or kind is wrong. */
NODISCARD bool cap_read(struct str value, struct cap_record *out);
NODISCARD enum store cap_get(struct ledger *l, uint32_t cap,
			     struct cap_record *out);
NODISCARD enum store cap_put(struct ledger *l, uint32_t cap,
			     const struct cap_record *c);
/* What it is on; the texts are the record's. */
struct cap_of cap_record_of(const struct cap_record *c);

/* Keys of TABLE_BALANCE, stable whatever the size of the shared tables:
 * kind 32 | id 32. */
uint64_t balance_key(uint32_t counter);
/* SHM_NONE when no counter has this key. */
uint32_t balance_counter(uint64_t key);

/* Price versions. */
NODISCARD enum store price_put(struct ledger *l, uint32_t version,
			       const struct book_row *rows, uint32_t n,
			       uint64_t now_ms);
/* The rows are the caller's to free(). */
NODISCARD enum store price_get(struct ledger *l, uint32_t version,
			       struct book_row **rows, uint32_t *n);
/* The first part only; not checked against its rows. */
NODISCARD enum store price_head(struct ledger *l, uint32_t version,
				struct price_record *out);

/* One interned text, copied. */
NODISCARD enum store name_put(struct ledger *l, uint64_t id, struct str text);
NODISCARD enum store name_get(struct ledger *l, uint64_t id,
			      char out[NAME_TEXT]);
