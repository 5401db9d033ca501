/*
 * SHA-256 of eight texts side by side (FIPS 180-4), one 32-bit lane of a
 * vector register each. A hash chain cannot be made this way, since each link
 * needs the one before, but it can be checked: then all links are known.
 */
#include <string.h>

#include "base/hash.h"

#define BLOCK 64

typedef uint32_t lanes __attribute__((vector_size(4 * SHA256_LANES)));

#if defined(__x86_64__)

static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define AVX2	   __attribute__((target("avx2")))
#define ROTR(x, n) ((x) >> (n) | (x) << (32 - (n)))

struct state {
	lanes h[8];
};

AVX2 static inline void
rounds(struct state *s, lanes w[16])
{
	lanes a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3];
	lanes e = s->h[4], f = s->h[5], g = s->h[6], h = s->h[7];

	for (unsigned i = 0; i < 64; i++) {
		lanes t1, t2;

		if (i >= 16) {
			lanes w15 = w[(i - 15) & 15], w2 = w[(i - 2) & 15];

			w[i & 15] += (ROTR(w15, 7) ^ ROTR(w15, 18) ^ w15 >> 3) +
				     w[(i - 7) & 15] +
				     (ROTR(w2, 17) ^ ROTR(w2, 19) ^ w2 >> 10);
		}
		t1 = h + (ROTR(e, 6) ^ ROTR(e, 11) ^ ROTR(e, 25)) +
		     (g ^ (e & (f ^ g))) + k[i] + w[i & 15];
		t2 = (ROTR(a, 2) ^ ROTR(a, 13) ^ ROTR(a, 22)) +
		     ((a & b) | (c & (a | b)));
		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
	s->h[5] += f;
	s->h[6] += g;
	s->h[7] += h;
}

/* Word i of the block of each lane. */
AVX2 static inline void
load(lanes w[16], const uint8_t block[SHA256_LANES][BLOCK])
{
	for (unsigned i = 0; i < 16; i++)
		for (unsigned lane = 0; lane < SHA256_LANES; lane++) {
			uint32_t word;

			memcpy(&word, block[lane] + 4 * i, sizeof(word));
			w[i][lane] = __builtin_bswap32(word);
		}
}

/* The block at `at` of a text with its padding. */
static void
block_of(uint8_t out[BLOCK], const uint8_t *text, size_t n, size_t at)
{
	size_t have = at < n ? MIN_OF(n - at, (size_t)BLOCK) : 0;
	uint64_t bits = __builtin_bswap64((uint64_t)n * 8);

	if (have)
		memcpy(out, text + at, have);
	if (have == BLOCK)
		return;
	memset(out + have, 0, BLOCK - have);
	if (at <= n)
		out[have] = 0x80;
	if (at + BLOCK >= n + 9)
		memcpy(out + BLOCK - 8, &bits, sizeof(bits));
}

AVX2 static void
lanes_avx2(const uint8_t *text, size_t n,
	   uint8_t out[SHA256_LANES][SHA256_BYTES])
{
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	uint8_t block[SHA256_LANES][BLOCK];
	struct state s;
	lanes w[16];

	for (unsigned i = 0; i < 8; i++)
		s.h[i] = start[i] - (lanes){0};
	for (size_t at = 0; at < n + 9; at += BLOCK) {
		for (unsigned lane = 0; lane < SHA256_LANES; lane++)
			block_of(block[lane], text + lane * n, n, at);
		load(w, (const uint8_t(*)[BLOCK])block);
		rounds(&s, w);
	}
	for (unsigned i = 0; i < 8; i++)
		for (unsigned lane = 0; lane < SHA256_LANES; lane++) {
			uint32_t word = __builtin_bswap32(s.h[i][lane]);

			memcpy(out[lane] + 4 * i, &word, sizeof(word));
		}
}
#endif

void
sha256_lanes(const uint8_t *text, size_t n,
	     uint8_t out[SHA256_LANES][SHA256_BYTES])
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2")) {
		lanes_avx2(text, n, out);
		return;
	}
#endif
	for (unsigned lane = 0; lane < SHA256_LANES; lane++)
		sha256(text + lane * n, n, out[lane]);
}
