/*
 * Hashes and MACs. SHA-256 uses OpenSSL's plain functions: they neither
 * allocate nor look anything up, so they cannot fail in the middle of a
 * request; in OpenSSL 3 they are marked deprecated for exactly that reason.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <errno.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/must.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define HMAC_BLOCK 64

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

INLINE void
sip_rounds(struct sip *s, int n)
{
	for (int i = 0; i < n; i++)
		sip_round(s);
}

static uint64_t
load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v)); /* little endian machines only */
	return v;
}

INLINE void
sip_absorb(struct sip *s, struct str text, int rounds)
{
	uint64_t last = (uint64_t)text.n << 56;
	size_t whole = text.n & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t m = load64(text.p + i);

		s->v3 ^= m;
		sip_rounds(s, rounds);
		s->v0 ^= m;
	}
	for (size_t i = whole; i < text.n; i++)
		last |= (uint64_t)(unsigned char)text.p[i] << (8 * (i - whole));
	s->v3 ^= last;
	sip_rounds(s, rounds);
	s->v0 ^= last;
}

static struct sip
sip_start(const struct sip_key *key)
{
	return (struct sip){
		key->k[0] ^ 0x736f6d6570736575ull,
		key->k[1] ^ 0x646f72616e646f6dull,
		key->k[0] ^ 0x6c7967656e657261ull,
		key->k[1] ^ 0x7465646279746573ull,
	};
}

uint64_t
siphash(const struct sip_key *key, struct str text)
{
	struct sip s = sip_start(key);

	sip_absorb(&s, text, 1);
	s.v2 ^= 0xff;
	sip_rounds(&s, 3);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void
siphash128(const struct sip_key *key, struct str text, uint64_t out[2])
{
	struct sip s = sip_start(key);

	s.v1 ^= 0xee;
	sip_absorb(&s, text, 2);
	s.v2 ^= 0xee;
	sip_rounds(&s, 4);
	out[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	sip_rounds(&s, 4);
	out[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* Four bits a step. */
static uint32_t
crc_plain(const uint32_t table[16], uint32_t crc, const unsigned char *p,
	  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return crc;
}

uint32_t
crc32_ieee(uint32_t seed, const void *p, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	return ~crc_plain(table, ~seed, p, n);
}

/* For machines without the instruction. */
static uint32_t
crc32c_plain(uint32_t crc, const unsigned char *p, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	return crc_plain(table, crc, p, n);
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		wide = _mm_crc32_u64(wide, v);
	}
	crc = (uint32_t)wide;
	for (; n; p++, n--)
		crc = _mm_crc32_u8(crc, *p);
	return crc;
}
#endif

uint32_t
crc32c(uint32_t seed, const void *p, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc32c_sse42(~seed, p, n);
#endif
	return ~crc32c_plain(~seed, p, n);
}

void
sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES])
{
	SHA256_CTX c;

	(void)SHA256_Init(&c);
	(void)SHA256_Update(&c, p, n);
	(void)SHA256_Final(out, &c);
}

void
sha256_pieces(const struct iovec *iov, unsigned n, uint8_t out[SHA256_BYTES])
{
	SHA256_CTX c;

	(void)SHA256_Init(&c);
	for (unsigned i = 0; i < n; i++)
		(void)SHA256_Update(&c, iov[i].iov_base, iov[i].iov_len);
	(void)SHA256_Final(out, &c);
}

void
hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
	    uint8_t out[SHA256_BYTES])
{
	uint8_t pad[HMAC_BLOCK] = {0};
	uint8_t inner[SHA256_BYTES];
	SHA256_CTX c;

	if (key_n > HMAC_BLOCK)
		sha256(key, key_n, pad);
	else if (key_n)
		memcpy(pad, key, key_n);
	for (size_t i = 0; i < HMAC_BLOCK; i++)
		pad[i] ^= 0x36;
	(void)SHA256_Init(&c);
	(void)SHA256_Update(&c, pad, HMAC_BLOCK);
	(void)SHA256_Update(&c, p, n);
	(void)SHA256_Final(inner, &c);
	for (size_t i = 0; i < HMAC_BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	(void)SHA256_Init(&c);
	(void)SHA256_Update(&c, pad, HMAC_BLOCK);
	(void)SHA256_Update(&c, inner, sizeof(inner));
	(void)SHA256_Final(out, &c);
	bytes_wipe(pad, sizeof(pad));
	bytes_wipe(inner, sizeof(inner));
}

bool
bytes_equal(const void *a, const void *b, size_t n)
{
	return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}

void
bytes_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

void
random_bytes(void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		must(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}
