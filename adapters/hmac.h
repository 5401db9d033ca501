#pragma once
/*
 * A signature for upstreams of one's own: one header field that proves who
 * sends a request, when, and that nobody changed it. Pure.
 *
 *	FIELD: t=SECONDS,v1=HEX
 *
 * HEX is the HMAC-SHA256, under the key, of four lines with a line feed
 * between them: the method, the target of the request line (path and query),
 * SECONDS (since 1970), and the SHA-256 of the body in hex digits.
 */
#include <stdint.h>

#include "adapters/chat.h"
#include "base/arena.h"
#include "base/str.h"

/* The value of the field; {NULL, 0}: out of memory. */
struct str hmac_value(struct arena *a, struct str key, struct str method,
		      struct str target, uint64_t now_s,
		      const struct pieces *body);
