#pragma once
/*
 * Interned texts: entries name channels, models and notes by id. Held in
 * memory as a whole; ids are given once and never reused. An upstream that
 * answers with ever new model names cannot fill the memory: beyond NAMES_MAX
 * everything new is NAME_OTHER.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/hash.h"
#include "base/str.h"
#include "billing/ledger.h"

#define NAME_NONE  0u
#define NAME_OTHER 1u
#define NAME_FIRST 2u
#define NAMES_MAX  65536u

struct names {
	uint32_t next;	 /* first free id */
	char **text;	 /* NAMES_MAX, by id */
	uint32_t *table; /* open addressing: id, 0 = empty */
	struct sip_key secret;
};

/* Reads ids NAME_FIRST .. next - 1 in the current transaction. */
NODISCARD enum store names_load(struct names *n, struct ledger *l,
				uint32_t next);
void names_free(struct names *n);
/* The id of `text`, NAME_NONE for the empty one; a new one is stored in the
 * current write transaction: call names_forget() if that fails. */
NODISCARD enum store names_intern(struct names *n, struct ledger *l,
				  struct str text, uint32_t *id);
/* Back to the first `next` ids. */
void names_forget(struct names *n, uint32_t next);
/* "" for NAME_NONE, "?" for an id that is not known. */
const char *names_text(const struct names *n, uint32_t id);
