#pragma once
/*
 * The ledger entry: what is known of one movement of money, 256 bytes, fixed
 * for ever within a version. Little endian. An entry moves up to three
 * counters of a customer (account, parent, key budget) by the same amount,
 * -charge, or up to three caps by what the operator owes. The other side of
 * the posting is revenue (requests, their reversals, fees), cash (top-ups,
 * refunds), cost of sales (attempts) or the operator's decision (limits,
 * corrections, credits, windows that begin anew), so the sum over all postings
 * is 0 by construction and the balances can be recomputed from the entries
 * alone. Pure; used by the writer and the tools.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/money.h"
#include "shm/accounts.h"
#include "shm/slots.h"

#define ENTRY_VERSION 1u
#define ENTRY_CHAIN   16
/* Token classes in the order of struct token_counts. */
#define ENTRY_CLASSES 5
#define ENTRY_MOVES   3
/* Of who pays what: R1 to R14. */
#define ENTRY_RULES 14u

/* Stored; never renumbered. */
enum entry_kind {
	KIND_REQUEST = 1,
	KIND_TOPUP,	 /* money came in: charge < 0 */
	KIND_REFUND,	 /* money went out: charge > 0 */
	KIND_REVERSAL,	 /* undoes the request entry `ref` */
	KIND_LIMIT,	 /* a key budget or a cap was set: moves that only; a
			    credit limit (hold_nano): moves nothing */
	KIND_CORRECTION, /* by an operator, either sign */
	KIND_CREDIT,	 /* given by the operator (charge < 0), or what is left
			    of it taken back: sign-up credit, bonus, allowance */
	KIND_FEE,	 /* of a plan */
	KIND_ATTEMPT,	 /* a lost attempt, a leg of its own: charge 0, cost
			    to the operator; moves the caps that it had, if
			    any */
	KIND_CAP,	 /* the attempt that answered and had caps: moves them
			    only, its cost is in the request's entry */
	KIND_ROLLOVER,	 /* a budget's or a cap's window begins anew: the
			    balance becomes the limit (hold_nano) */
	KIND_COUNT
};

/* Which counters the entry moves. */
enum entry_moves {
	MOVES_ACCOUNT = 1,
	MOVES_PARENT = 2,
	MOVES_KEY = 4,
	MOVES_CAPS = 8, /* one or, of an attempt, up to three: never with the
			   others */
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
	uint32_t served;  /* name id, 0 = the model that was asked for; with
			     NOTE_FALLBACK that one, and `model` answered */
	uint32_t price_version;
	uint32_t multiplier_ppm;
	uint16_t model; /* row of the price version */
	uint16_t status;
	uint8_t error_type; /* err_vocab_name() */
	uint8_t reason;	    /* enum slot_reason */
	uint8_t attempts;
	uint8_t flags; /* enum note_flag */
	uint8_t usage_source;
	uint8_t dialect;  /* always 0 */
	uint8_t endpoint; /* enum note_endpoint */
	uint8_t rule; /* of a request: 1 .. 14, who pays what; 0 elsewhere */
	struct token_counts tokens; /* or, in its last word, entry_note() */
	int64_t hold_nano;
	int64_t charge_nano;   /* what the counters lose */
	int64_t upstream_nano; /* what the operator owes */
	int64_t absorbed_nano; /* upstream beyond the charge */
	int64_t balance_nano;  /* of the account, after */
	uint64_t start_ms;     /* wall clock */
	uint64_t commit_ms;    /* wall clock */
	uint32_t first_byte_us;
	uint32_t duration_us;
	uint64_t ref; /* reversal, refund, correction: seq; top-up:
			 idempotency hash; what moves caps or begins a
			 window: entry_ref(), entry_caps_ref() */
	uint8_t request_id[16];
	uint64_t upstream_id_hash;
	char upstream_id[40]; /* cut, padded with 0 */
	uint32_t provider;    /* name id, 0 = none was asked */
	uint8_t zero[8];      /* not covered by the chain, so always 0 */
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
/* Entries that follow each other: how many are fine before the first that is
 * not, and its fault. Several times faster than one by one. */
unsigned entry_check_many(const struct entry *e, unsigned n,
			  const uint8_t previous[ENTRY_CHAIN],
			  enum entry_fault *fault);
const char *entry_fault_text(enum entry_fault f);

/* Its accounts have numbers that there can be; SHM_NONE for what is nobody's.
 * For readers that index by them without entry_check(). */
static inline bool
entry_accounts_fit(const struct entry *e)
{
	return (e->account < SHM_ACCOUNTS ||
		(e->account == SHM_NONE && e->moves == MOVES_CAPS)) &&
	       (!(e->moves & MOVES_PARENT) || e->parent < SHM_ACCOUNTS);
}

/* The counters (shm/counters.h) it moves. */
unsigned entry_counters(const struct entry *e, uint32_t out[ENTRY_MOVES]);
/* What each of them loses: the charge, or for attempts what the operator
 * owes. */
int64_t entry_amount(const struct entry *e);

/* Its tokens and units say what a request or an attempt was. */
static inline bool
entry_counts(const struct entry *e)
{
	return e->kind == KIND_REQUEST || e->kind == KIND_REVERSAL ||
	       e->kind == KIND_ATTEMPT || e->kind == KIND_CAP;
}

/* Name id: why an operator moved money; 0 = none. It stands where a request
 * has its units. */
static inline uint32_t
entry_note(const struct entry *e)
{
	return entry_counts(e) ? 0 : e->tokens.units;
}

/* `ref` of what begins a window: the cap's number (TABLE_CAP; 0 for a budget)
 * and the window's. */
static inline uint64_t
entry_ref(uint32_t cap, uint32_t window)
{
	return (uint64_t)window << 32 | cap;
}
static inline uint32_t
entry_window(const struct entry *e)
{
	return (uint32_t)(e->ref >> 32);
}
/*
 * `ref` of an attempt with caps, four numbers of 16 bits from the low end: a
 * cap's; a second one's + 1, 0 = none; the window that the first is in (at
 * most 65535); a third one's + 1. So with one cap, which is how all began, it
 * is the same as entry_ref().
 */
uint64_t entry_caps_ref(const uint32_t *caps, unsigned n, uint32_t window);
/* The numbers of the caps that it moves. */
unsigned entry_caps(const struct entry *e, uint32_t out[ENTRY_MOVES]);
/* It says in which window its counter is from now on. */
static inline bool
entry_begins_window(const struct entry *e)
{
	return e->kind == KIND_ROLLOVER || e->kind == KIND_LIMIT;
}
/* What of `upstream` no charge covers. */
int64_t entry_absorbed(int64_t upstream, int64_t charge);

/* Words of dumps and reports; "unknown" beyond the table. */
const char *entry_kind_name(uint8_t kind);
const char *entry_reason_name(uint8_t reason);
const char *entry_source_name(uint8_t source);
/* "/v1/chat/completions"; "" for none. */
const char *entry_route_name(uint8_t endpoint);
/* "images", "milliseconds", "characters", "searches"; "" for none. */
const char *entry_unit_name(uint32_t units);
