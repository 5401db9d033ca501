#pragma once
/*
 * The ledger entry: what is known of one movement of money, 256 bytes, fixed
 * for ever within a version. Little endian. An entry moves up to three
 * counters (account, parent, key budget) by the same amount, -charge; the
 * other side of the posting is revenue (requests and their reversals), cash
 * (top-ups, refunds) or the operator's decision (limits, corrections), so
 * the sum over all postings is 0 by construction and the balances can be
 * recomputed from the entries alone. Pure; used by the writer and the tools.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/money.h"
#include "shm/slots.h"

#define ENTRY_VERSION 1u
#define ENTRY_CHAIN   16
/* Token classes in the order of struct token_counts. */
#define ENTRY_CLASSES 5
#define ENTRY_MOVES   3

/* Stored; never renumbered. */
enum entry_kind {
	KIND_REQUEST = 1,
	KIND_TOPUP,	 /* money came in: charge < 0 */
	KIND_REFUND,	 /* money went out: charge > 0 */
	KIND_REVERSAL,	 /* undoes the request entry `ref` */
	KIND_LIMIT,	 /* a key budget was set: moves the key only */
	KIND_CORRECTION, /* by an operator, either sign */
	KIND_COUNT
};

/* Which counters the entry moves. */
enum entry_moves {
	MOVES_ACCOUNT = 1,
	MOVES_PARENT = 2,
	MOVES_KEY = 4,
};

struct entry {
	uint64_t seq; /* 1, 2, 3, ... without a gap */
	uint8_t version;
	uint8_t kind;	/* enum entry_kind */
	uint8_t moves;	/* enum entry_moves */
	uint8_t asset;	/* 0 = USD */
	uint32_t epoch; /* transaction id: boot epoch, slot, generation */
	uint32_t slot;
	uint32_t gen;
	uint32_t account;
	uint32_t parent;  /* account id or SHM_NONE */
	uint32_t key;	  /* key id or SHM_NONE */
	uint32_t channel; /* name id, 0 = none */
	uint32_t served;  /* name id, 0 = the model that was asked for */
	uint32_t price_version;
	uint32_t multiplier_ppm;
	uint16_t model; /* row of the price version */
	uint16_t status;
	uint8_t error_type; /* err_vocab_name() */
	uint8_t reason;	    /* enum slot_reason */
	uint8_t attempts;
	uint8_t flags; /* enum note_flag */
	uint8_t usage_source;
	uint8_t dialect;
	uint8_t endpoint; /* enum note_endpoint */
	uint8_t upstream_id_len;
	struct token_counts tokens;
	uint32_t note; /* name id: why an operator moved money; 0 = none */
	int64_t hold_nano;
	int64_t charge_nano;   /* what the counters lose */
	int64_t upstream_nano; /* what the operator owes */
	int64_t absorbed_nano; /* upstream beyond the charge */
	int64_t balance_nano;  /* of the account, after */
	uint64_t start_ms;     /* wall clock */
	uint64_t commit_ms;    /* wall clock */
	uint32_t first_byte_us;
	uint32_t duration_us;
	uint64_t ref; /* reversal, refund: seq; top-up: idempotency hash */
	uint8_t request_id[16];
	uint64_t upstream_id_hash;
	char upstream_id[40];
	uint32_t provider; /* name id, 0 = none was asked */
	uint8_t zero[8];   /* not covered by the chain, so always 0 */
	uint8_t chain[ENTRY_CHAIN];
	uint32_t crc; /* CRC-32C of all bytes before it */
};
_Static_assert(sizeof(struct entry) == 256, "struct entry is 256 bytes");
_Static_assert(offsetof(struct entry, epoch) == 12, "entry.epoch");
_Static_assert(offsetof(struct entry, tokens) == 64, "entry.tokens");
_Static_assert(offsetof(struct entry, charge_nano) == 96, "entry.charge");
_Static_assert(offsetof(struct entry, start_ms) == 128, "entry.start_ms");
_Static_assert(offsetof(struct entry, request_id) == 160, "entry.request_id");
_Static_assert(offsetof(struct entry, zero) == 228, "entry.zero");
_Static_assert(offsetof(struct entry, chain) == 236, "entry.chain");
_Static_assert(offsetof(struct entry, crc) == 252, "entry.crc");

/* Sets version, chain (over the previous entry's chain and this one; 16 zero
 * bytes before the first) and crc. Everything else is final. */
void entry_seal(struct entry *e, const uint8_t previous[ENTRY_CHAIN]);

enum entry_fault {
	ENTRY_FINE,
	ENTRY_BAD_CRC,
	ENTRY_BAD_CHAIN,
	ENTRY_BAD_FIELD, /* a value no writer would store */
};
enum entry_fault entry_check(const struct entry *e,
			     const uint8_t previous[ENTRY_CHAIN]);
const char *entry_fault_text(enum entry_fault f);

/* The counters (shm/counters.h) it moves; each changes by -charge. */
unsigned entry_counters(const struct entry *e, uint32_t out[ENTRY_MOVES]);
/* What of `upstream` no charge covers. */
int64_t entry_absorbed(int64_t upstream, int64_t charge);

/* Words of dumps and reports; "unknown" beyond the table. */
const char *entry_kind_name(uint8_t kind);
const char *entry_reason_name(uint8_t reason);
const char *entry_source_name(uint8_t source);
/* "/v1/chat/completions"; "" for none. */
const char *entry_route_name(uint8_t endpoint);
