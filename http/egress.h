#pragma once
/*
 * The way out to an upstream: from an address of ours, through a proxy, or
 * both. A proxy is asked for a tunnel (HTTP CONNECT, RFC 9110 section 9.3.6)
 * by name, so that it looks the upstream up; all else passes inside.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attrs.h"
#include "base/str.h"

struct egress {
	struct str host; /* the upstream, for the proxy; n == 0: no proxy */
	uint16_t port;
	struct str credential; /* USER:PASSWORD for the proxy; n == 0: none */
	/* of either family, port 0; NULL: any */
	const struct sockaddr_storage *source;
};

static inline bool
egress_is_proxied(const struct egress *e)
{
	return e && e->host.n > 0;
}

/* A TCP socket of the family that does not block, bound as `e` (may be NULL)
 * says. -1 with errno: EADDRNOTAVAIL if this machine has no such address. */
int egress_socket(const struct egress *e, int family);

/* The talk with the proxy on a connected socket that does not block, until
 * the tunnel is open. */
struct tunnel;
/* Room for a reason, in words; never a credential or what the proxy wrote. */
#define TUNNEL_WHY 160
enum tunnel_state {
	TUNNEL_READS,  /* waits until the socket has bytes */
	TUNNEL_WRITES, /* or takes some */
	TUNNEL_OPEN,
	TUNNEL_FAILED
};
/* NULL: out of memory. `e` need not live longer. */
struct tunnel *tunnel_new(const struct egress *e);
/* Goes on as far as the socket allows; at TUNNEL_FAILED `why` is set. */
enum tunnel_state tunnel_step(struct tunnel *t, int fd, char why[TUNNEL_WHY]);
/* More of the proxy's answer (for tests: tunnel_step() reads it itself). */
enum tunnel_state tunnel_hear(struct tunnel *t, struct str bytes,
			      char why[TUNNEL_WHY]);
/* Wipes; NULL is fine. */
void tunnel_free(struct tunnel *t);
