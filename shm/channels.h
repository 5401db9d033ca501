#pragma once
/*
 * Channels as all processes share them: addresses and state by the master,
 * load and passive outcomes by the workers. A row is matched by the channel's
 * name over reloads, so health survives them.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/region.h"

#define CHANNEL_NAME	  64
#define CHANNEL_ADDRESSES 8
#define CHANNEL_KEYS	  64
#define CHANNEL_REASON	  128

enum channel_state {
	CHANNEL_UNUSED,
	CHANNEL_UP,
	CHANNEL_DEGRADED,
	CHANNEL_OPEN,  /* the breaker is open: no traffic */
	CHANNEL_HALF,  /* one probe decides */
	CHANNEL_DRAIN, /* operator: no new requests */
	CHANNEL_OFF,   /* operator */
};

/* Until the first byte: answers that come whole take as long as all of it. */
enum channel_pace { PACE_STREAM, PACE_WHOLE };
#define CHANNEL_PACES 2
/* Four to an octave, from 64 us to 9 min: no bucket is more than 25 % wide. */
#define PACE_BUCKETS 96u

/* What took how long within half a minute; workers. */
struct pace_half {
	_Atomic uint32_t turn; /* which one it counts, 0 = none yet */
	_Atomic uint32_t n[PACE_BUCKETS];
};

struct channel_address {
	uint8_t sockaddr[28]; /* sockaddr_in or sockaddr_in6 */
	uint32_t len;
};

struct channel_row {
	_Alignas(CACHE_LINE) _Atomic uint32_t state; /* master */
	_Atomic uint32_t
		operator_state;	   /* 0, CHANNEL_DRAIN, CHANNEL_OFF: admin */
	_Atomic uint64_t since_ms; /* wall; of the state: master */
	_Atomic uint64_t fault_until_ns; /* monotonic; workers by CAS (refused,
					    reset), master */
	_Atomic int32_t in_flight;	 /* workers; the writer heals it */
	_Atomic uint32_t cached_ppm;	 /* workers: of the input of requests
					    that affinity brought, the share
					    read from the provider's cache */
	/* Outcomes, only ever added to; the master takes differences. */
	_Atomic uint64_t ok;
	_Atomic uint64_t faults;    /* 5xx, timeouts, cuts */
	_Atomic uint64_t late;	    /* of them, timeouts */
	_Atomic uint64_t refused;   /* connect refused or reset */
	_Atomic uint64_t limited;   /* 429 */
	_Atomic uint32_t fault_ppm; /* of the last 10 s: master */
	/* Master: it fails, but a model has no other one: only for requests
	 * that nobody else can answer. */
	_Atomic uint32_t kept;
	/* Workers: channel_note_pace(). By enum channel_pace, when 32 (s,
	 * monotonic) | us 32; 0 = not known. */
	_Atomic uint64_t pace[CHANNEL_PACES];
	/* Workers: requests with an affinity that it answered, and those of
	 * them that came because of it (affinity.h). */
	_Atomic uint64_t affine, affine_hits;
	/* Until when its access token is good (monotonic): master, tokens.h. */
	_Atomic uint64_t token_until_ns;
	char name[CHANNEL_NAME];
	uint32_t generations;	   /* master: how many live ones use the row */
	uint8_t last_fault;	   /* call_fault or status class: workers */
	_Atomic uint8_t has_queue; /* queue.h: master */
	uint8_t spare[2];
	_Atomic uint64_t last_fault_ms; /* wall */
	/* Why the last probe failed, in words, "" = it did not; master. For
	 * display: a reader may see it change. Ends with 0 at all times. */
	char reason[CHANNEL_REASON];
	/* Provider keys: cooled down one by one (429), or out (401). */
	_Atomic uint64_t key_until_ns[CHANNEL_KEYS];
	/* Of those that are out: for how long, s; 0 = not out. Workers, and the
	 * master when the key is another one. */
	_Atomic uint32_t key_out_s[CHANNEL_KEYS];
	_Atomic uint32_t key_next; /* rotation */
	/* Addresses under a sequence lock of the master, and whose they are: a
	 * generation that goes another way must not use them. */
	_Atomic uint32_t addr_seq;
	uint32_t n_addr;
	uint64_t way;
	struct channel_address addr[CHANNEL_ADDRESSES];
	/* Workers: channel_note_pace(). The present half and the one before,
	 * by turns. */
	struct pace_half halves[CHANNEL_PACES][2];
};

/* Any process: so many rows, from the first one, have had a name. */
uint32_t channel_rows(const struct region *r);

/* Master: the row of `name`, made if need be; SHM_NONE when all are used. */
uint32_t channel_bind(struct region *r, struct str name);
void channel_unbind(struct region *r, uint32_t row);
/* Master. `way`: what they are the addresses of (conf_way()). */
void channel_set_addresses(struct region *r, uint32_t row, uint64_t way,
			   const struct channel_address *addr, uint32_t n);
/* Any process: a consistent copy; returns the count. */
uint32_t channel_addresses(const struct region *r, uint32_t row,
			   struct channel_address out[CHANNEL_ADDRESSES],
			   uint64_t *way);
/* May a new request go there now (state, operator, fault_until, token). */
bool channel_usable(const struct region *r, uint32_t row, uint64_t now_ns);
/* Worker: one more request in flight there; false: `most` (0 = no limit) are,
 * over all workers. */
NODISCARD bool channel_enter(struct channel_row *c, uint32_t most);
/* Worker: one less; true: with it there were `most` or more. */
bool channel_leave(struct channel_row *c, uint32_t most);
/* Worker: the first byte took so long. */
void channel_note_pace(struct channel_row *c, enum channel_pace kind,
		       uint64_t us, uint64_t now_ns);
/* What it takes on average (0 = not known). What nobody has confirmed for a
 * while counts less and less, so that a channel that once was slow is tried
 * again. */
uint64_t channel_pace_us(const struct channel_row *c, enum channel_pace kind,
			 uint64_t now_ns);
/* What 95 of 100 did not exceed in the last half minute to minute, within
 * 12 %; 0 = there were too few (PACE_ENOUGH) to say. Any process. */
#define PACE_ENOUGH 20u
uint64_t channel_p95_us(const struct channel_row *c, enum channel_pace kind,
			uint64_t now_ns);
/* Worker: of a request that affinity brought. */
void channel_note_cached(struct channel_row *c, uint32_t ppm);
/* Worker: the provider refuses the key, so it is left alone: for a minute, and
 * twice as long each time it is refused again, up to an hour. True: it was
 * not out yet. */
bool channel_key_refused(struct channel_row *c, uint32_t key, uint64_t now_ns);
/* Worker: the key may be used now. Of one that was out a single request tries
 * it, the others go on without. */
bool channel_key_take(struct channel_row *c, uint32_t key, uint64_t now_ns);
/* Worker: the provider has answered to it. True: it had been out. */
bool channel_key_proved(struct channel_row *c, uint32_t key);
/* Master: another key stands in its place. */
void channel_key_reset(struct channel_row *c, uint32_t key);
/* Keys that the provider refuses. */
uint32_t channel_keys_out(const struct channel_row *c);
const char *channel_state_name(enum channel_state s);
