#pragma once
/* The cache of keys that this worker has seen. */
#include <stdint.h>

struct key_cache;

struct key_cache *key_cache_new(const uint8_t *pepper);
/* Wipes. */
void key_cache_free(struct key_cache *c);
