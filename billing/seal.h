#pragma once
/*
 * Seals of days (struct seal_record). The writer makes one in the transaction
 * of the first commit of a new day, or after midnight when nothing comes;
 * readers check them. Any process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"
#include "billing/records.h"

/* Days since 1970-01-01, UTC. */
uint32_t seal_day(uint64_t wall_ms);
/* There are entries that no seal covers, and their day is over. */
bool seal_is_due(const struct meta_record *m, uint64_t now_ms);
/* The seal of the open entries of `m`. */
void seal_make(struct seal_record *out, const struct meta_record *m,
	       uint64_t now_ms);
void seal_root(const struct seal_record *r, const uint8_t uuid[LEDGER_UUID],
	       uint8_t root[SHA256_BYTES]);
/* Stores the seal of the open entries and notes it in `m`, which is the
 * caller's to store. */
NODISCARD enum store seal_put(struct ledger *l, struct meta_record *m,
			      uint64_t now_ms);
/* An entry of that time comes next. */
void seal_open_day(struct meta_record *m, uint64_t now_ms);
