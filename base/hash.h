#pragma once
/* Hashes, MACs, random bytes. The only door to OpenSSL's digests. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attrs.h"
#include "base/str.h"

#define SHA256_BYTES 32

struct sip_key {
	uint64_t k[2];
};

/* SipHash-1-3; keys come from clients, so tables are keyed per process. */
uint64_t siphash(const struct sip_key *key, struct str text);
/* 128 bits of SipHash-2-4: an identity under a secret key. */
void siphash128(const struct sip_key *key, struct str text, uint64_t out[2]);
/* CRC-32C (Castagnoli), hardware where there is some. */
uint32_t crc32c(uint32_t seed, const void *p, size_t n);
/* The CRC-32 of zip, PNG and AWS (IEEE 802.3). */
uint32_t crc32_ieee(uint32_t seed, const void *p, size_t n);
void sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES]);
/* Of pieces that lie apart. */
void sha256_pieces(const struct iovec *iov, unsigned n,
		   uint8_t out[SHA256_BYTES]);
/* Eight texts of the same length, one behind the other, at once: where the
 * machine has wide registers several times faster than one by one. */
#define SHA256_LANES 8u
void sha256_lanes(const uint8_t *text, size_t n,
		  uint8_t out[SHA256_LANES][SHA256_BYTES]);
void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
		 uint8_t out[SHA256_BYTES]);
/* Constant time. */
bool bytes_equal(const void *a, const void *b, size_t n);
/* Wipes memory in a way that is not optimised out. */
void bytes_wipe(void *p, size_t n);
/* From the kernel; aborts when it has none. */
void random_bytes(void *p, size_t n);
