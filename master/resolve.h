#pragma once
/*
 * Names to addresses, without blocking: numbers and the hosts file at once,
 * the rest by the name servers of the configuration or of resolv.conf. Only
 * the master resolves.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/channels.h"

struct event_base;
struct lookup;
struct resolver;

/* What came of a lookup. */
struct resolved {
	unsigned n;	 /* 0: no address was found, */
	const char *why; /* and why, in words */
	uint32_t ttl_s;	 /* ask again then */
	struct channel_address address[CHANNEL_ADDRESSES]; /* ports: zero */
};

/* The lookup is dead after it. */
typedef void resolve_fn(void *user, const struct resolved *found);

/* `conf`: the file that names the servers, /etc/resolv.conf; its text must
 * stay. NULL when out of memory. */
struct resolver *resolver_new(struct event_base *base, const char *conf);
/* Ask these servers, "ADDRESS:PORT", and not those of the file; n == 0: those
 * of the file. Counts from the next reload on, or at once if nobody was asked
 * yet. */
void resolver_use(struct resolver *r, const struct str *servers, unsigned n);
/* Reads that file again; lookups under way ask the new servers. */
void resolver_reload(struct resolver *r);
/* Without callbacks. */
void resolver_free(struct resolver *r);
/* NULL: answered already (or out of memory, with n == 0), within the call. */
struct lookup *resolver_ask(struct resolver *r, struct str name,
			    resolve_fn *done, void *user);
/* No callback any more. */
void lookup_cancel(struct lookup *l);
