#pragma once
/*
 * Orders: what the admin process asks of the ledger writer, over a
 * SOCK_SEQPACKET pair made before the fork: one struct order a packet, one
 * struct order_answer back, matched by `id`. Answered after the commit. An
 * order that stays unanswered is sent again to a new writer: `idem` makes a
 * repetition harmless (same answer, nothing done twice).
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/hash.h"
#include "base/money.h"
#include "shm/accounts.h"
#include "shm/keys.h"

enum order_kind {
	ORDER_ACCOUNT_CREATE, /* name, group, parent_name, amount = first
				 top-up, credit = credit limit, flags */
	ORDER_ACCOUNT_FREEZE, /* name */
	ORDER_ACCOUNT_UNFREEZE,
	ORDER_TOPUP,	   /* name, amount > 0, idem, note */
	ORDER_REFUND,	   /* name, amount > 0 (money goes out), idem, ref */
	ORDER_KEY_CREATE,  /* name = account, key: everything but account */
	ORDER_KEY_REVOKE,  /* key.hash or key_id */
	ORDER_AUDIT,	   /* run the audit now */
	ORDER_CHECKPOINT,  /* answered once all that was settled before it is
			     committed */
	ORDER_ACCOUNT_SET, /* name, `set` and the fields it names */
	ORDER_CORRECT,	   /* name, amount (> 0: to the customer), idem, note */
	ORDER_CREDIT,	   /* name, amount > 0, idem, note */
	ORDER_CODE_CREATE, /* amount, code */
	ORDER_CODE_REDEEM, /* name, code.hash, idem */
	ORDER_CODE_REVOKE, /* ref = code_key() */
	ORDER_KEY_SET,	   /* key_id, `set` and the fields of key it names */
	ORDER_KEY_ROTATE,  /* key_id, key.hash and prefix: the new secret's,
			      grace_ms: how long the old one is good */
};

/* What an order sets; the others stay as they are. */
enum order_set {
	SET_GROUP = 1,
	SET_DISCOUNT = 2,
	SET_RPM = 4,
	SET_TPM = 8,
	SET_CONCURRENCY = 16,
	SET_CREDIT = 32, /* the credit limit: `available` moves with it */
	SET_POSTPAID = 64,
	SET_LOW = 128, /* has_low, low */
	SET_PIN = 256,
	SET_NAME = 1024,
	SET_MODELS = 2048,
	SET_ALLOW = 4096,
	SET_EXPIRES = 8192,
	SET_BUDGET = 16384, /* has_budget, budget, budget_window */
	SET_STRICT = 32768,
	SET_SUBSTITUTION = 65536,
	SET_TAGS = 131072,
	SET_PLAN = 512, /* begins at once, in place of the one before */
};
/* price_pin: the version that is current when the order is obeyed */
#define PIN_CURRENT UINT32_MAX

#define ORDER_IDEM 64
#define ORDER_NOTE 96

struct order_key {
	uint8_t hash[SHA256_BYTES];
	char name[KEY_NAME];
	char prefix[KEY_PREFIX];
	char group[GROUP_NAME];
	char models[KEY_MODELS];
	char allow[KEY_ALLOW];
	char tags[KEY_TAGS];
	uint32_t rpm, tpm, concurrency;
	uint32_t has_budget;
	uint32_t strict;
	uint32_t substitution;
	struct money budget;
	uint32_t budget_window; /* enum budget_window */
	uint64_t expires_ms;
	uint64_t grace_ms;
};

struct order_code {
	uint8_t hash[SHA256_BYTES];
	char prefix[12];
	uint32_t bonus_ppm;
	uint32_t uses;
	uint32_t spare;
	uint64_t expires_ms;
};

struct order {
	uint64_t id; /* echoed */
	uint32_t kind;
	uint32_t key_id;
	char name[ACCOUNT_NAME];
	char parent[ACCOUNT_NAME];
	char group[GROUP_NAME];
	char idem[ORDER_IDEM]; /* "" = none */
	char note[ORDER_NOTE];
	struct money amount;
	struct money credit;
	uint32_t postpaid;
	uint32_t set; /* enum order_set */
	uint32_t discount_ppm;
	uint32_t price_pin; /* 0 = none */
	uint32_t has_low;
	struct money low;
	char plan[PLAN_NAME];
	uint32_t rpm, tpm, concurrency; /* of the account */
	uint64_t ref;			/* refund: entry it refers to */
	struct money signup;		/* account create: a credit */
	struct order_key key;
	struct order_code code;
};

enum order_result {
	ORDER_DONE,
	ORDER_REPEATED, /* known idempotency key: done before */
	ORDER_CONFLICT, /* known idempotency key with other content */
	ORDER_EXISTS,	/* the name or key is taken */
	ORDER_NOT_FOUND,
	ORDER_INVALID,	  /* a field is out of range */
	ORDER_SHORT,	  /* refund larger than what is available */
	ORDER_FULL,	  /* no more accounts or keys fit */
	ORDER_NO_LEDGER,  /* ledger readonly or failed */
	ORDER_DIFFERS,	  /* audit found a difference */
	ORDER_NESTED,	  /* the parent has a parent itself */
	ORDER_PREPAID,	  /* a credit limit needs a postpaid account */
	ORDER_NO_VERSION, /* no such price version */
	ORDER_NO_ENTRY,	  /* the account has no such entry to give back */
	ORDER_REFUNDED,	  /* more than what is left of the entry */
	ORDER_CODE_UNKNOWN,
	ORDER_CODE_REVOKED,
	ORDER_CODE_EXPIRED,
	ORDER_CODE_USED,  /* as often as it may be */
	ORDER_CODE_TAKEN, /* this account has used it */
	ORDER_RESULTS
};

struct order_answer {
	uint64_t id;
	uint32_t result; /* enum order_result */
	uint32_t index;	 /* account or key id */
	uint64_t seq;	 /* ledger entry, 0 = none */
	struct money balance;
};

const char *order_result_text(enum order_result r);
