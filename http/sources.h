#pragma once
/*
 * How many connections each client address has. IPv6 clients are counted by
 * their /64: that is what one subscriber is given.
 */
#include <stdint.h>
#include <sys/socket.h>

#include "base/attrs.h"

struct source;
struct sources;

/* NULL = out of memory. */
struct sources *sources_new(void);
void sources_free(struct sources *s);
/* One more connection of this address; NULL for a Unix socket or when out of
 * memory: not counted. */
struct source *source_take(struct sources *s, const struct sockaddr *addr);
uint32_t source_count(const struct source *one);
/* Gives it back; NULL is accepted. */
void source_give(struct sources *s, struct source *one);
