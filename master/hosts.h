#pragma once
/* The hosts file: names that need no name server. */
#include <stddef.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/channels.h"

/* The addresses of `name` in the text of a hosts file, ports zero. */
unsigned hosts_find(struct str text, struct str name,
		    struct channel_address *out, unsigned cap);
/* `name` is itself an address. */
NODISCARD bool hosts_numeric(struct str name, struct channel_address *out);
/* IPv4 (4 bytes) or IPv6 (16 bytes), port zero. */
void hosts_address(int family, const void *bytes, struct channel_address *out);
/* Puts the port into it. */
void hosts_set_port(struct channel_address *a, uint16_t port);
