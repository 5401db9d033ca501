#pragma once
/*
 * Access tokens of the channels that have a service account: one row each,
 * by the number of its channel row. The master alone fetches and stores them,
 * under a sequence lock; all workers present them. Until when one is good
 * stands in the channel's row. Like all of the segment they are in no core
 * dump, and the file is its owner's alone (0600).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/region.h"

#define TOKEN_OWNER 32
#define TOKEN_MAX   4016u

/* Of channel_row.token_until_ns. */
#define TOKEN_NOT_NEEDED 0u
#define TOKEN_MISSING	 1u

struct token_row {
	/* Odd while it changes; the number is the token's version. */
	_Alignas(CACHE_LINE) _Atomic uint32_t seq;
	_Atomic uint32_t refused; /* version that was refused: workers */
	uint32_t n;
	uint32_t spare;
	/* Master: since when, when to fetch the next one (monotonic); whose. */
	_Atomic uint64_t since_ns;
	_Atomic uint64_t renew_ns;
	uint8_t owner[TOKEN_OWNER];
	char text[TOKEN_MAX];
};

/* Master: this channel needs tokens, and has none yet unless one of the
 * same owner is there. E_OVERLOAD: run_dir is full. */
NODISCARD enum err token_need(struct region *r, uint32_t row,
			      const uint8_t owner[TOKEN_OWNER]);
/* Master: it needs none (any more). */
void token_no_need(struct region *r, uint32_t row);
struct token_times {
	uint64_t since_ns, renew_ns, until_ns; /* monotonic */
};
/* Master. At most TOKEN_MAX bytes. */
void token_set(struct region *r, uint32_t row, struct str token,
	       const struct token_times *times);
/* Any process: has the channel the token it needs, if it needs one. */
bool token_usable(const struct region *r, uint32_t row, uint64_t now_ns);
/* Any process: a copy; returns its length, 0 = there is none. */
size_t token_get(const struct region *r, uint32_t row, char out[TOKEN_MAX],
		 uint32_t *version);
/* Worker: the upstream refuses this version. Nobody uses it any more, and the
 * master fetches another. */
void token_refuse(struct region *r, uint32_t row, uint32_t version);
/* Master: is the present one refused. */
bool token_refused(const struct region *r, uint32_t row);
