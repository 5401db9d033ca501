#pragma once
/*
 * The ledger as the admin process reads it: opened read-only, each look a
 * short transaction, and the roll-up of usage that is kept up with it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "billing/ledger.h"

struct conf;
struct rollup;

struct history;

/* After the fork. NULL: out of memory, or the ledger cannot be read (said in
 * the log): the pages that need it answer 503. */
struct history *history_new(const struct conf *conf);
void history_free(struct history *h);
/* A few milliseconds of reading, if there is something to read. */
void history_tick(struct history *h, uint64_t committed_seq);
/* The roll-up with everything in it that was committed before the call;
 * NULL: it is still being read. */
const struct rollup *history_usage(struct history *h);
struct ledger *history_ledger(struct history *h);
