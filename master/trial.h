#pragma once
/*
 * One trial of an upstream, by a connection (knock.c) or by a request
 * (query.c): what both need to know, and how they end.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "shm/channels.h"

struct conf_channel;
struct egress;
struct tls_client;

/* All that it points to lives until the trial is over. */
struct trial_plan {
	const struct conf_channel *conf;
	const struct egress *egress;
	struct tls_client *tls;	   /* NULL = plain */
	struct str host;	   /* whose certificate it must be */
	struct channel_address to; /* the upstream's, or its proxy's */
	uint32_t row;
	uint32_t timeout_ms; /* of all of it */
};

/* It is over. `why`: what is to be said, "" = nothing; a channel can be well
 * whose key is not. */
typedef void trial_done(void *user, bool well, const char *why);
