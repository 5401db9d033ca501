#pragma once
/*
 * Events for the operator's own systems: a balance that fell below its
 * threshold is posted, once for each time it falls, to webhook.url. Nothing
 * waits for it. An event that could not be delivered is sent again, later and
 * later, for as long as the balance stays low: so it may arrive twice, but it
 * arrives.
 *
 *	POST url   content-type: application/json
 *	x-tollgate-signature: t=SECONDS,v1=HEX
 *
 * HEX is the HMAC-SHA256 under webhook.secret of "SECONDS.BODY".
 */
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

struct admin;
struct region;
struct webhook;

/* NULL: none is configured, or out of memory (*fine says which). */
struct webhook *webhook_new(const struct admin *a, bool *fine);
void webhook_free(struct webhook *w);
/* Looks at some accounts, sends what is due. */
void webhook_tick(struct webhook *w, uint64_t now_ns);

/* The event of an account as it is now. */
void webhook_body(struct buf *out, const struct region *r, uint32_t account,
		  uint64_t wall_ms);
/* The value of x-tollgate-signature. */
void webhook_signature(struct buf *out, struct str secret, uint64_t seconds,
		       struct str body);
