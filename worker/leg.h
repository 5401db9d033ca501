#pragma once
/*
 * One attempt of a request: who is asked, and what came of it so far. A
 * request has one at a time, its `leg`, which every function works on; where
 * two run side by side (hedge.h) it is the one whose callback runs. Private to
 * worker/.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/adapter.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/frames.h"
#include "shm/slots.h"

struct call;
struct fallback;
struct offer;
struct pool;
struct reply;
struct sink;
struct source;

/* How far it has come, for the access log. */
enum phase { PHASE_REQUEST, PHASE_CONNECT, PHASE_HEAD, PHASE_BODY };

/* Collected bytes in pool memory. */
struct gather {
	char *p;
	size_t n;
	size_t cap;
};

struct leg {
	struct offer *offer;
	unsigned key_index;
	enum phase phase;
	struct str token;	/* of a service account, in `wire` */
	uint32_t token_version; /* 0 = none was presented */
	int upstream_status;
	struct call *call;
	struct arena wire;   /* the upstream request, until its answer begins */
	struct hold attempt; /* attempt.h */
	uint64_t attempt_ns;
	uint64_t connect_ns;
	uint64_t first_byte_ns; /* of the upstream's content; 0 = none yet */
	uint64_t seen_bytes;	/* billable text that arrived */
	struct usage usage;	/* the upstream's */

	const struct fallback *model; /* the one of a race; NULL = asked */
	bool second;		      /* began beside another one */
	bool failed;		      /* and the other one goes on */
	bool in_flight;		      /* counted at the channel */
	bool was_sent;		      /* to its end, when it was left */
	bool paused;		      /* the upstream waits for the client */
	bool raw;	  /* neither JSON nor events: handed on as it comes */
	bool tokens_said; /* by the upstream, in usage */
	bool upstream_done;
	bool array_begun; /* of a stream that is a JSON array */
	bool kept;	  /* the last events of a native stream have begun */
	bool whole;	  /* delta.whole */
	bool substituted; /* another model answered than was asked */
	bool gave_up; /* the model did, and the dialect has no word for it */
	uint8_t upstream_id_len;
	char upstream_id[40];
	uint64_t upstream_id_hash;

	/* convert.c */
	struct str converted;  /* its body */
	struct str dropped;    /* fields its upstream knows nothing of */
	struct source *source; /* NULL: the wire needs none */
	struct sink *sink;
	struct reply *reply;
	const char *lost_media; /* its type; NULL = none was */

	struct str type;       /* content-type of the answer */
	struct str error_type; /* of a refusal, where the head says it */
	struct usage *counted; /* by a header (wire.count_field); NULL = not */
	struct buf startup;    /* what is held back: startup.c */
	struct gather body;
	struct frames frames;
	struct answer *answer; /* in the arena, once there is one */
	size_t charged;	       /* leg_charge() */
	struct buf usage_data; /* the usage event, or those: kept back */
	struct str served;     /* model that answered, if another name */
};

/* Of zeroed memory: nobody is asked yet. */
void leg_init(struct leg *l, struct pool *pool);
/* An attempt has failed and its body is given back: what it came to is
 * forgotten, but for who was asked and what he said of it. The decoder of
 * its frames stays until the next one's head: this may be decided inside of
 * it. */
void leg_reset(struct leg *l);
void leg_free(struct leg *l, struct pool *pool);
/* What it holds in buffers of its own counts against the pool's cap; false:
 * it is reached. */
NODISCARD bool leg_charge(struct leg *l, struct pool *pool);
