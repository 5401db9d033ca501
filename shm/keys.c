/*
 * Client keys: the table from a key's hash to its row, and the list of
 * addresses a key may be used from. Looked up by workers without a lock;
 * published by the writer, never taken out (a revoked key keeps its row).
 */
#include "shm/keys.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/must.h"
#include "base/str.h"

static uint32_t
table_start(const struct region *r, const uint8_t hash[SHA256_BYTES])
{
	uint64_t h;

	/* The hash is a keyed one already; the secret only keeps the places
	 * of one segment from saying anything about another. */
	memcpy(&h, hash, sizeof(h));
	h = (h ^ r->head->table_secret[0]) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32) & (KEY_TABLE_SIZE - 1);
}

static bool
row_has(const struct key_row *k, const uint8_t hash[SHA256_BYTES],
	uint64_t now_ms)
{
	if (bytes_equal(k->hash, hash, SHA256_BYTES))
		return true;
	return now_ms < atomic_load_explicit(&k->old_until_ms,
					     memory_order_acquire) &&
	       bytes_equal(k->old_hash, hash, SHA256_BYTES);
}

/* The place of the hash, or of the gap where it belongs; SHM_NONE: full. A
 * rotated key keeps the places of its former secrets. */
static uint32_t
table_place(const struct region *r, const uint8_t hash[SHA256_BYTES],
	    uint64_t now_ms, uint32_t *entry)
{
	uint32_t at = table_start(r, hash);

	for (uint32_t n = 0; n < KEY_TABLE_SIZE; n++) {
		*entry = atomic_load_explicit(&r->key_table[at],
					      memory_order_acquire);
		if (*entry == 0)
			return at;
		if (*entry <= SHM_KEYS &&
		    row_has(&r->keys[*entry - 1], hash, now_ms))
			return at;
		at = (at + 1) & (KEY_TABLE_SIZE - 1);
	}
	return SHM_NONE;
}

uint32_t
key_find(const struct region *r, const uint8_t hash[SHA256_BYTES],
	 uint64_t now_ms)
{
	uint32_t entry = 0;

	if (table_place(r, hash, now_ms, &entry) == SHM_NONE || entry == 0)
		return SHM_NONE;
	return entry - 1;
}

/* Of a secret that its key does not have any more. */
static bool
place_is_dead(const struct region *r, uint32_t at, uint32_t entry)
{
	const struct key_row *k = &r->keys[entry - 1];
	uint32_t other;

	return entry <= SHM_KEYS &&
	       table_place(r, k->hash, UINT64_MAX, &other) != at &&
	       (k->old_until_ms == 0 ||
		table_place(r, k->old_hash, 0, &other) != at);
}

/* The first place for the hash that nobody needs; `last` is the gap behind. */
static uint32_t
place_to_use(const struct region *r, const uint8_t hash[SHA256_BYTES],
	     uint32_t last)
{
	uint32_t at = table_start(r, hash);

	for (; at != last; at = (at + 1) & (KEY_TABLE_SIZE - 1))
		if (place_is_dead(r, at, r->key_table[at]))
			return at;
	return last;
}

void
key_publish(struct region *r, uint32_t index)
{
	uint32_t entry = 0, at;

	must(index < SHM_KEYS);
	at = table_place(r, r->keys[index].hash, UINT64_MAX, &entry);
	must(at != SHM_NONE);
	if (entry != 0)
		return;
	at = place_to_use(r, r->keys[index].hash, at);
	atomic_store_explicit(&r->key_table[at], index + 1,
			      memory_order_release);
}

void
key_set_texts(struct region *r, uint32_t index, const struct key_texts *t)
{
	struct key_row *k = &r->keys[index];
	uint32_t now = k->text_at & 1;

	if (memcmp(&k->texts[now], t, sizeof(*t)) == 0)
		return;
	k->texts[now ^ 1] = *t;
	atomic_store_explicit(&k->text_at, now ^ 1, memory_order_release);
}

void
key_set_secret(struct region *r, uint32_t index,
	       const uint8_t hash[SHA256_BYTES],
	       const uint8_t old_hash[SHA256_BYTES], uint64_t old_until_ms)
{
	struct key_row *k = &r->keys[index];

	/* Never half of one: the old one is not good while it is written, and
	 * whoever has found the key by its text looks again. */
	k->old_until_ms = 0;
	memcpy(k->old_hash, old_hash, sizeof(k->old_hash));
	atomic_store_explicit(&k->old_until_ms, old_until_ms,
			      memory_order_release);
	if (memcmp(k->hash, hash, sizeof(k->hash)) != 0) {
		memcpy(k->hash, hash, sizeof(k->hash));
		atomic_fetch_add(&k->secrets, 1);
	}
	key_publish(r, index);
}

struct ip {
	uint8_t byte[16];
	uint32_t bits; /* 32 or 128 */
};

static bool
ip_of_sockaddr(const struct sockaddr *addr, struct ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(ip, 0, sizeof(*ip));
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, addr, sizeof(in));
		memcpy(ip->byte, &in.sin_addr, 4);
		ip->bits = 32;
		return true;
	}
	if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, addr, sizeof(in6));
		memcpy(ip->byte, &in6.sin6_addr, 16);
		ip->bits = 128;
		if (memcmp(ip->byte, mapped, sizeof(mapped)) == 0) {
			memmove(ip->byte, ip->byte + 12, 4);
			ip->bits = 32;
		}
		return true;
	}
	return false;
}

static bool
ip_parse(struct str text, struct ip *ip)
{
	char c[INET6_ADDRSTRLEN];

	memset(ip, 0, sizeof(*ip));
	if (!str_copy(c, sizeof(c), text))
		return false;
	ip->bits = 32;
	if (inet_pton(AF_INET, c, ip->byte) == 1)
		return true;
	ip->bits = 128;
	return inet_pton(AF_INET6, c, ip->byte) == 1;
}

static bool
prefix_equal(const struct ip *a, const struct ip *b, uint64_t bits)
{
	uint32_t whole = (uint32_t)bits / 8, rest = (uint32_t)bits % 8;

	if (memcmp(a->byte, b->byte, whole) != 0)
		return false;
	return rest == 0 ||
	       (a->byte[whole] ^ b->byte[whole]) >> (8 - rest) == 0;
}

/* One "address" or "address/bits"; false when it is not one. */
static bool
cidr_matches(struct str item, const struct ip *ip, bool *match)
{
	struct str rest = str_trim(item);
	struct str address = str_cut(&rest, '/');
	struct ip net;
	uint64_t bits;

	if (!ip_parse(address, &net))
		return false;
	bits = net.bits;
	if (rest.p && (!str_to_u64(rest, &bits) || bits > net.bits))
		return false;
	*match = net.bits == ip->bits && prefix_equal(&net, ip, bits);
	return true;
}

bool
key_allows_address(const char *allow, const struct sockaddr *addr)
{
	struct str rest = {allow, strnlen(allow, KEY_ALLOW)};
	bool allowed = false;
	struct ip ip;

	if (rest.n == 0)
		return true;
	if (!ip_of_sockaddr(addr, &ip))
		return false;
	while (rest.p) {
		struct str item = str_cut(&rest, ',');
		bool match = false;

		/* A list that cannot be read allows nobody. */
		if (!cidr_matches(item, &ip, &match))
			return false;
		allowed = allowed || match;
	}
	return allowed;
}

const char *
budget_window_name(uint32_t window)
{
	static const char *const name[] = {
		[BUDGET_TOTAL] = "total",
		[BUDGET_DAY] = "day",
		[BUDGET_MONTH] = "month",
	};

	return window < ARRAY_LEN(name) ? name[window] : "";
}
