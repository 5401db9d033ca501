#pragma once
/*
 * What one worker process has: made once in worker.c, read by every step.
 * Private to worker/.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/adapter.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "conf/conf.h"
#include "http/client.h"
#include "http/egress.h"
#include "http/server.h"
#include "shm/accounts.h"
#include "shm/books.h"
#include "shm/channels.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/metrics.h"
#include "shm/region.h"
#include "shm/slots.h"
#include "shm/tokens.h"
#include "shm/workers.h"
#include "worker/admit.h"
#include "worker/worker.h"

struct access_log;
struct cap_row;
struct demo_server;
struct event;
struct key_cache;
struct pin_rows;
struct queue;
struct request;
struct tls_client;
struct waiter;

/* A channel as this worker uses it. */
struct lane {
	const struct conf_channel *conf;
	const struct adapter *adapter;
	struct channel_row *row;
	uint32_t index;	    /* of conf->channels */
	uint32_t row_index; /* of the shared table; also the pool key */
	struct str host_field;
	struct egress egress;
	struct series *series;
	struct queue *queue; /* NULL = nobody waits there */
	/* The last ones that were of its way: another generation may go
	 * another one. */
	uint64_t way;
	uint32_t n_addresses;
	struct channel_address addresses[CHANNEL_ADDRESSES];
	uint32_t next_address;
	/* caps.h; NULL = none, of key_caps: of no key. */
	const struct cap_row *cap;
	const struct cap_row **key_caps; /* as conf->keys */
};

/* Its credentials, each with its place in shared memory: keys, or one service
 * account. */
static inline uint32_t
lane_keys(const struct lane *l)
{
	if (secret_is_set(l->conf->service_account))
		return 1;
	return MIN_OF(l->conf->n_keys, (uint32_t)CHANNEL_KEYS);
}

/* Looks for new addresses; false: there are only those of another way. */
bool lane_look(const struct worker *w, struct lane *l);

/* A lane that offers a model. */
struct offer {
	struct lane *lane;
	const struct conf_channel_model *model;
	struct str upstream_json; /* its upstream name as JSON string */
	struct series *series;
};

/* A model of the price book and who offers it, best priority first. Of rows
 * with one name the first; nobody offers the others. */
struct product {
	const struct conf_model *conf;
	const struct book_row *prices; /* its first; see prices.h */
	uint16_t index;		       /* row of the book */
	const struct cap_row *cap;     /* caps.h; NULL = none */
	unsigned n_offers;
	struct offer *offers;
	struct series *requests[ROUTE_COUNT];
};

struct worker {
	const struct worker_args *args;
	const struct conf *conf;
	struct region *region;
	struct worker_row *row;
	struct event_base *base;
	struct pool *pool;
	struct wheel *wheel;
	struct http_server *server;
	struct http_client *client;
	struct tls_client *tls;
	struct slot_owner *slots;
	struct hint_ring *ring;
	struct metrics_block *metrics;
	struct access_log *access;
	struct key_cache *keys;
	struct demo_server *demo;
	struct id_source ids;
	struct buf fields; /* scratch: header lines of one answer */
	struct buf text;   /* scratch: body of one answer */
	uint32_t price_version;
	uint64_t random; /* state of weighted choices */
	struct lane *lanes;
	unsigned n_lanes;
	struct product *products; /* as conf->models */
	uint32_t *product_table;  /* by hash of the name, index + 1 */
	uint32_t product_mask;
	struct pin_rows *pins;	 /* one a book, prices.c */
	struct request *waiting; /* for their commit */
	struct waiter *waiters;	 /* queue.c: for a place at a channel */
	struct request *spare;	 /* free structs */
	unsigned running;
	unsigned drains; /* that read on */
	unsigned inside; /* questions to the admin process under way */
	bool draining;
	unsigned look; /* rules.c: what rules ask about */
	struct admit admit;
	uint64_t impatient; /* settle.c: answers without commit, to be told, */
	uint64_t told_ns;   /* and when the last ones were */
	uint64_t lag_ns;    /* of the last tick */
	uint64_t now_ns;    /* monotonic, of this callback */
};

/* ---- tables.c ---- */
NODISCARD bool tables_build(struct worker *w);
void tables_free(struct worker *w);
/* NULL = not sold here. */
struct product *product_find(const struct worker *w, struct str name);
/* The list "a,b*,c" allows `name`; "" allows all. */
bool names_allow(const char *list, struct str name);
/* Is `group` (index into conf->groups) served by this lane. */
bool lane_serves(const struct lane *l, uint32_t group);
