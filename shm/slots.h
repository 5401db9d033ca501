#pragma once
/*
 * Holds. A slot is the record of one request's money; its word is a state
 * machine that survives kill -9 at any instruction (the protocol and its
 * proof: tests/model, docs/ledger-protocol.md). One hold takes from up to
 * four counters, or from none.
 *
 * word:    gen 32 | step 12 | ext 4 | mask 4 | cur 1 | k 3 | refused 3 |
 *          sent 1 | state 4
 * last_op: gen 32 | slot 20 | step 12
 *
 * Who calls what: hold_*() the worker that owns the slot; slot_*() anybody
 * as said; reap_*() and own_*() the ledger writer only.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/money.h"
#include "base/units.h"
#include "shm/crash.h"
#include "shm/region.h"

#define SLOT_COUNTERS 4
#define SLOT_STEP_MAX 4000u /* no extension from this step on */

enum slot_state {
	SLOT_FREE,
	SLOT_ACQ,      /* taking counter after counter */
	SLOT_BACK,     /* refused or reaped: giving back what was taken */
	SLOT_HELD,     /* all taken; the request may run */
	SLOT_EXT,      /* taking an extension */
	SLOT_XBK,      /* extension refused: giving it back */
	SLOT_SETTLED,  /* cost fixed */
	SLOT_DURABLE,  /* committed; giving back held - cost */
	SLOT_REVERSED, /* reversal committed; giving back cost */
};

enum slot_kind {
	SLOT_REQUEST,
	SLOT_TOPUP,
	SLOT_REFUND,
	SLOT_ROLLOVER,
	SLOT_LIMIT,   /* change of a credit limit or a budget */
	SLOT_ATTEMPT, /* of a request, on a channel: its caps, or none */
};

enum slot_reason {
	REASON_NORMAL,
	REASON_CLIENT_GONE,
	REASON_UPSTREAM, /* cut or failed after it began */
	REASON_AT_HOLD,	 /* the hold could not be extended */
	REASON_REAPED,	 /* the worker died */
	REASON_NOT_SENT, /* the answer never reached the client */
};

#define REFUSED_NONE   7u
#define REFUSED_UNSENT 6u

struct slot {
	_Alignas(128) _Atomic uint64_t word;
	uint32_t ctr[SLOT_COUNTERS]; /* counters in the order they are taken */
	_Atomic int64_t held[2];     /* totals, customer units; see cur, ext */
	_Atomic int64_t held_up[2];  /* totals, upstream units (caps) */
	_Atomic int64_t delivered;   /* owner: price of what the client took */
	_Alignas(64) _Atomic int64_t cost; /* valid from SETTLED */
	_Atomic int64_t up_cost;
	_Atomic int64_t meter; /* owner: price of what arrived */
	uint32_t deadline_ms;
	uint8_t kind; /* enum slot_kind */
	uint8_t attempts[3];
	uint32_t owner; /* spawn epoch of the worker */
	uint32_t spare0;
	uint32_t spare1;
	uint32_t spare2;
	uint32_t price_version;
	uint16_t model;	 /* row of the price book */
	uint16_t reason; /* enum slot_reason */
	uint64_t ref;	 /* own slots: id of the top-up, window, ... */
};
_Static_assert(sizeof(struct slot) == 128, "slot");

/* A page of SLOT_PAGE slots and who owns it: spawn epoch 32 | worker row 32;
 * 0 = nobody. Claimed by a worker with a compare-and-swap, given back by it
 * or, after its death, by the writer. */
struct slot_page {
	_Atomic uint64_t owner;
};

enum note_flag {
	NOTE_STREAM = 1,
	NOTE_PARTIAL = 2,   /* the answer is not whole */
	NOTE_ESTIMATED = 4, /* tokens were counted here */
	NOTE_OVER_HOLD = 8, /* the upstream reported more than the hold (R14) */
	NOTE_SUBSTITUTED = 16, /* another model answered, as the key allows */
	NOTE_PENDING = 32,     /* sent before the commit (stalled disk) */
	NOTE_LOST = 64,	       /* an attempt: another one answered, or none */
	NOTE_FALLBACK = 128,   /* the price's model answered in place of the
				  asked one, whose name is `served` */
};

enum usage_source {
	USAGE_NONE,
	USAGE_UPSTREAM,
	USAGE_COUNTED,
	USAGE_ESTIMATED
};

/* Disjoint token classes: their sum is what was processed; and what else is
 * paid by. */
struct token_counts {
	uint32_t input; /* neither read from nor written to a cache */
	uint32_t cache_read;
	uint32_t cache_write;
	uint32_t output; /* without reasoning */
	uint32_t reasoning;
	uint32_t units; /* units.h; 0 = none */
};

#define NOTE_PROVIDER 16

/* What the ledger entry says of a request besides its money. Written by the
 * owner before the word says SETTLED (the first part at the claim, so that a
 * reaped request is described too); read by the writer after. */
struct note {
	uint64_t start_ms;	/* wall clock */
	uint32_t first_byte_us; /* after start; 0 = none */
	uint32_t duration_us;
	uint32_t account;
	uint32_t parent; /* account index or SHM_NONE */
	uint32_t key;
	uint32_t multiplier_ppm;
	uint16_t channel;   /* row, UINT16_MAX = none */
	uint16_t status;    /* HTTP, as sent */
	uint8_t error_type; /* err_vocab_id() */
	uint8_t endpoint;   /* enum note_endpoint */
	uint8_t usage_source;
	uint8_t flags; /* enum note_flag */
	uint8_t attempts;
	uint8_t upstream_id_len;
	uint8_t served_len; /* 0 = the model that was asked for */
	uint8_t rule;	    /* of who pays what: R1 .. R14 */
	struct token_counts tokens;
	_Atomic uint32_t attempt; /* channel row + 1 that counts it as in
				     flight now, 0 = none; in the upper half
				     that of a second attempt beside it */
	int64_t upstream_nano;	  /* what the operator owes, all attempts */
	uint8_t request_id[16];
	char upstream_id[40]; /* cut; the hash below is of all of it */
	uint64_t upstream_id_hash;
	char served[64];
	char provider[NOTE_PROVIDER]; /* of the last attempt, cut */
	_Atomic uint64_t delivered;   /* owner, as the stream goes: tokens the
				       client took, input 32 | output 32 */
	/* Hashes of a client's Idempotency-Key (0, 0: none) and of what it was
	 * sent with. */
	_Atomic uint64_t idem[2];
	uint64_t idem_body;
};
_Static_assert(sizeof(struct note) == 256, "note");

enum note_endpoint {
	ENDPOINT_NONE,
	ENDPOINT_CHAT,
	ENDPOINT_COMPLETIONS,
	ENDPOINT_EMBEDDINGS,
	ENDPOINT_MESSAGES,
	ENDPOINT_RESPONSES,
	ENDPOINT_IMAGES,
	ENDPOINT_IMAGE_EDITS,
	ENDPOINT_IMAGE_VARIATIONS,
	ENDPOINT_TRANSCRIPTIONS,
	ENDPOINT_TRANSLATIONS,
	ENDPOINT_SPEECH,
	ENDPOINT_MODERATIONS,
	ENDPOINT_RERANK,
};

/* What a client took of a stream, as its owner stored it last. */
static inline struct token_counts
note_delivered(const struct note *n)
{
	uint64_t both =
		atomic_load_explicit(&n->delivered, memory_order_relaxed);

	return (struct token_counts){.input = (uint32_t)(both >> 32),
				     .output = (uint32_t)both};
}

/* ---- the word ---- */

static inline uint32_t
word_gen(uint64_t w)
{
	return (uint32_t)(w >> 32);
}
static inline uint32_t
word_step(uint64_t w)
{
	return (uint32_t)(w >> 20) & 4095u;
}
static inline uint32_t
word_ext(uint64_t w)
{
	return (uint32_t)(w >> 16) & 15u;
}
static inline uint32_t
word_mask(uint64_t w)
{
	return (uint32_t)(w >> 12) & 15u;
}
static inline uint32_t
word_cur(uint64_t w)
{
	return (uint32_t)(w >> 11) & 1u;
}
static inline uint32_t
word_k(uint64_t w)
{
	return (uint32_t)(w >> 8) & 7u;
}
static inline uint32_t
word_refused(uint64_t w)
{
	return (uint32_t)(w >> 5) & 7u;
}
static inline uint32_t
word_sent(uint64_t w)
{
	return (uint32_t)(w >> 4) & 1u;
}
static inline enum slot_state
word_state(uint64_t w)
{
	return (enum slot_state)(w & 15u);
}
/* Index of the counter of the next step, or -1. */
int word_pending(uint64_t w);
/* The word once that step is confirmed. */
uint64_t word_next(uint64_t w);

/* ---- owner ---- */

/* Slots a worker has claimed; process-local. */
struct slot_owner;
struct slot_owner *slot_owner_new(struct region *r, uint32_t worker_row,
				  uint32_t spawn_epoch);
void slot_owner_free(struct slot_owner *o);
/* Slots of this owner that are not FREE. */
uint32_t slot_owner_busy(const struct slot_owner *o);

struct hold {
	uint32_t slot; /* SHM_NONE = none */
	uint32_t gen;
	uint8_t refused; /* index of the counter that refused */
};

struct hold_spec {
	uint32_t ctr[SLOT_COUNTERS];
	uint32_t k;
	struct money amount; /* on each counter */
	uint32_t price_version;
	uint16_t model;
	uint8_t kind; /* SLOT_REQUEST or SLOT_ATTEMPT */
};

/* A free slot; its note may be written then. E_OVERLOAD: none left. */
NODISCARD enum err hold_claim(struct slot_owner *o, struct hold *h);
struct note *hold_note(const struct slot_owner *o, const struct hold *h);
/* Takes the amount from all counters or from none. E_BALANCE: refused, the
 * claim is undone, h->refused says by which; h->slot is SHM_NONE then. */
NODISCARD enum err hold_take(struct slot_owner *o, struct hold *h,
			     const struct hold_spec *spec);
/* Gives an unused claim back (before hold_take). */
void hold_unclaim(struct slot_owner *o, struct hold *h);
/* Another price is the one that counts: before anything is delivered. */
void hold_reprice(const struct slot_owner *o, const struct hold *h,
		  uint32_t price_version, uint16_t model);
/* Raises the total to `total`; false: refused, the old total stands. */
NODISCARD bool hold_extend(struct slot_owner *o, struct hold *h,
			   struct money total);
/* The total held now. */
struct money hold_total(const struct slot_owner *o, const struct hold *h);
/* Stored as the stream goes; plain stores, monotonic. */
void hold_meter(const struct slot_owner *o, const struct hold *h,
		struct money arrived, struct money delivered);
/* Fixes the cost (<= total, >= 0) and hands the slot to the writer with a
 * hint. `sent`: everything was delivered (streams). */
void hold_settle(struct slot_owner *o, struct hold *h, struct money cost,
		 struct money up_cost, enum slot_reason reason, bool sent);
/* Has the writer committed it (or freed it since). */
bool hold_committed(const struct slot_owner *o, const struct hold *h);
/* A hold that was settled with sent = false ends by one of these two. */
void hold_sent(struct slot_owner *o, struct hold *h);
void hold_not_sent(struct slot_owner *o, struct hold *h);

/* ---- writer ---- */

/* One pending give-back; whoever does it, applied once. */
void slot_give(struct region *r, uint32_t slot);
/* Gives back while anything is pending. */
void slot_give_all(struct region *r, uint32_t slot);
/* Confirms the operation behind `op` on its slot. */
void slot_help(struct region *r, uint64_t op);
/* SETTLED -> DURABLE, DURABLE -> REVERSED, keeping the owner's bits; FREE with
 * the next generation. `mask`: the counters that get the cost back, as the
 * reversal's transaction recorded them with the slot's generation. A key
 * budget whose window has rolled over since the charge is not among them. */
void slot_durable(struct region *r, uint32_t slot);
void slot_reversed(struct region *r, uint32_t slot, uint32_t mask);
void slot_free(struct region *r, uint32_t slot);
enum slot_todo {
	TODO_NOTHING, /* not the commit loop's, or the owner has it */
	TODO_COMMIT,
	TODO_GIVE, /* slot_give_all() */
	TODO_FREE,
	TODO_REVERSE, /* post the reversal, then slot_reversed() */
};
/* What the commit loop does next with a slot. */
enum slot_todo slot_todo(const struct region *r, uint32_t slot,
			 bool owner_dead);
/* The worker that owns the slot is DEAD. False for own slots. */
bool slot_orphaned(const struct region *r, uint32_t slot);
/* The owner has exited: one step towards FREE or SETTLED. True while there
 * is more to do by reaping; SETTLED and later are the commit loop's. */
bool slot_reap(struct region *r, uint32_t slot);
/* The writer's own slots: credits `amount` (may be negative) to the counters
 * once committed. SHM_NONE when all are busy. */
uint32_t own_claim(struct region *r, enum slot_kind kind, uint64_t ref,
		   const uint32_t *ctr, uint32_t k, struct money amount);
/* The same for money that leaves: takes `amount` from the counters first, so
 * that it cannot be spent meanwhile. SHM_NONE: one of them has not that much
 * (*refused), or all slots are busy. To undo: cost = 0 before the word says
 * DURABLE. */
uint32_t own_take(struct region *r, enum slot_kind kind, uint64_t ref,
		  const uint32_t *ctr, uint32_t k, struct money amount,
		  bool *refused);
