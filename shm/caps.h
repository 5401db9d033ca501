#pragma once
/*
 * Caps: what the operator lets a channel, one of its credentials or a model
 * cost per day. Here is which caps there are and how high; the money of each
 * is in counter_of_cap(its number). A row is matched by what the cap is on,
 * by name, so that it is the same one after a reload, and never freed.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/channels.h"
#include "shm/region.h"

#define CAP_NAME 128

/* Stored in the ledger; never renumbered. */
enum cap_kind {
	CAP_CHANNEL,
	CAP_CREDENTIAL, /* of a channel */
	CAP_MODEL,	/* over all channels */
	CAP_KINDS
};

/* What a cap is on. */
struct cap_of {
	enum cap_kind kind;
	struct str channel; /* "" for a model */
	struct str name;    /* of the credential or the model, else "" */
};

/* All but the two numbers is fixed before the row counts. */
struct cap_row {
	_Atomic int64_t limit_nano; /* master: per day; 0 = no more wanted */
	_Atomic uint32_t number;    /* writer: its number + 1; 0 = not yet */
	uint32_t kind;		    /* enum cap_kind */
	uint64_t hash;		    /* of what it is on */
	char channel[CHANNEL_NAME];
	char name[CAP_NAME];
};
_Static_assert(sizeof(struct cap_row) == 24 + CHANNEL_NAME + CAP_NAME,
	       "cap_row");

/* Equal for equal ones, in every process. */
uint64_t cap_hash(const struct cap_of *of);
/* The texts are the row's. */
struct cap_of cap_row_of(const struct cap_row *c);
bool cap_same(const struct cap_of *a, const struct cap_of *b);
/* Any process: NULL = there is none. */
const struct cap_row *cap_find(const struct region *r, const struct cap_of *of);
/* Rows that count, from the first on. */
uint32_t cap_rows(const struct region *r);
/* Master: the index of the row, made if need be, with its limit; SHM_NONE: no
 * room. */
uint32_t cap_want(struct region *r, const struct cap_of *of,
		  int64_t limit_nano);
/* The counter of its money; SHM_NONE: the writer has not set it up yet. */
uint32_t cap_counter(const struct cap_row *c);
/* What is left of it now, which may be less than nothing; 0 as long as it is
 * not set up. */
int64_t cap_left(const struct region *r, const struct cap_row *c);
/* "channel", "key", "model" */
const char *cap_kind_name(uint32_t kind);
