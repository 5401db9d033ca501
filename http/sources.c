/*
 * Owns the count of connections per client address: a chained hash table,
 * keyed per process because clients choose their addresses.
 */
#include "http/sources.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "base/str.h"

#define BUCKETS 4096

/* The address without what one subscriber may vary. */
struct source_key {
	uint8_t family;
	uint8_t bytes[8];
};

struct source {
	struct source *next;
	uint32_t count;
	uint32_t bucket;
	struct source_key key;
};

struct sources {
	struct sip_key sip;
	struct source *spare;
	struct source *bucket[BUCKETS];
};

struct sources *
sources_new(void)
{
	struct sources *s = calloc(1, sizeof(*s));

	if (s)
		random_bytes(&s->sip, sizeof(s->sip));
	return s;
}

static void
free_chain(struct source *one)
{
	while (one) {
		struct source *next = one->next;

		free(one);
		one = next;
	}
}

void
sources_free(struct sources *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		free_chain(s->bucket[i]);
	free_chain(s->spare);
	free(s);
}

static bool
key_of(const struct sockaddr *addr, struct source_key *key)
{
	memset(key, 0, sizeof(*key));
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, addr, sizeof(in));
		key->family = 4;
		memcpy(key->bytes, &in.sin_addr, 4);
		return true;
	}
	if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, addr, sizeof(in6));
		key->family = 6;
		memcpy(key->bytes, &in6.sin6_addr, 8);
		return true;
	}
	return false;
}

static struct source *
new_source(struct sources *s)
{
	struct source *one = s->spare;

	if (one)
		s->spare = one->next;
	else
		one = malloc(sizeof(*one));
	return one;
}

struct source *
source_take(struct sources *s, const struct sockaddr *addr)
{
	struct source_key key;
	struct source *one;
	uint32_t bucket;

	if (!key_of(addr, &key))
		return NULL;
	bucket = (uint32_t)siphash(&s->sip,
				   str_make((const char *)&key, sizeof(key))) %
		 BUCKETS;
	for (one = s->bucket[bucket]; one; one = one->next) {
		if (memcmp(&one->key, &key, sizeof(key)) == 0) {
			one->count++;
			return one;
		}
	}
	one = new_source(s);
	if (!one)
		return NULL;
	*one = (struct source){s->bucket[bucket], 1, bucket, key};
	s->bucket[bucket] = one;
	return one;
}

uint32_t
source_count(const struct source *one)
{
	return one ? one->count : 0;
}

void
source_give(struct sources *s, struct source *one)
{
	struct source **at;

	if (!one)
		return;
	must(one->count > 0);
	if (--one->count > 0)
		return;
	at = &s->bucket[one->bucket];
	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	one->next = s->spare;
	s->spare = one;
}
