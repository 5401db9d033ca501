#pragma once
/*
 * The chunked coding, reading: strict, resumable at any byte. Chunk
 * extensions and trailers are checked, counted and dropped.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

enum chunk_state { CHUNK_MORE, CHUNK_DATA, CHUNK_END, CHUNK_BAD };

/* Zeroed = before the first byte. */
struct chunked {
	uint64_t left;	   /* of the current chunk */
	uint32_t overhead; /* bytes of extensions and trailers */
	uint8_t state;
	uint8_t digits;
};

/* Takes bytes from the front of `in`. CHUNK_DATA: `piece` is content, a span
 * of `in`; call again. CHUNK_MORE: all of `in` is taken. CHUNK_END: the body
 * is complete, `in` starts after it. CHUNK_BAD: the framing is broken. */
NODISCARD enum chunk_state chunked_next(struct chunked *c, struct str *in,
					struct str *piece);

/* Decodes a whole arrival in place: the content of `bytes` is moved to its
 * front, `n` bytes of it; `used` counts what was taken. CHUNK_DATA is never
 * returned. */
NODISCARD enum chunk_state chunked_squeeze(struct chunked *c, char *bytes,
					   size_t size, size_t *n,
					   size_t *used);
