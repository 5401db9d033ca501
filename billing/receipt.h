#pragma once
/*
 * Receipts: what one request cost and why, signed by the server. A receipt is
 * a text without spaces: its JSON in base 64 for URLs, a point, the signature
 * over that JSON in the same. The JSON has fixed members in a fixed order, so
 * the same entry always makes the same text. It holds numbers, names and
 * times: nothing of what was asked or answered. Pure; admin process and
 * tools.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/sign.h"
#include "base/str.h"
#include "billing/records.h"
#include "billing/usage.h"
#include "shm/books.h"

/* Longest receipt that is read. */
#define RECEIPT_MAX 8192u
/* Of a public key: 16 hex digits and a NUL. */
#define RECEIPT_KEY_ID 17

void receipt_key_id(const uint8_t public_key[SIGN_PUBLIC],
		    char out[RECEIPT_KEY_ID]);

/* What publishes the public key: a JSON object. */
void receipt_key_page(struct buf *out, const uint8_t public_key[SIGN_PUBLIC]);

/* The JSON of an entry; `row` is the row of its price version. */
void receipt_payload(struct buf *out, const struct entry *e,
		     const uint8_t uuid[LEDGER_UUID],
		     const struct book_row *row, const char *key_id);
/* The receipt of this JSON; false: out of memory. */
NODISCARD bool receipt_sign(struct buf *out, struct str payload,
			    const uint8_t secret[SIGN_SECRET]);

enum receipt_fault {
	RECEIPT_FINE,
	RECEIPT_MALFORMED,  /* not a receipt */
	RECEIPT_FORGED,	    /* not signed by this key */
	RECEIPT_UNREADABLE, /* signed, but not in a form that is known here */
	RECEIPT_WRONG, /* its charge is not what its tokens and prices make */
};
const char *receipt_fault_text(enum receipt_fault f);

/* What can be read of a receipt. */
struct receipt {
	uint64_t seq;
	uint8_t uuid[LEDGER_UUID];
	char key_id[RECEIPT_KEY_ID];
	int64_t charge_nano;
	int64_t recomputed_nano;
};

/* Checks signature and charge; `payload` gets the JSON, also of one that is
 * wrong, as soon as its signature is right. */
NODISCARD enum receipt_fault
receipt_check(struct str text, const uint8_t public_key[SIGN_PUBLIC],
	      struct buf *payload, struct receipt *out);
