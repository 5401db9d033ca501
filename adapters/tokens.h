#pragma once
/*
 * Estimates where no usage is known: for the size of holds and for answers
 * that broke off. Bytes of text divided by the model's bytes per token.
 */
#include <stdint.h>

#include "adapters/chat.h"

/* What an image or another embedded file counts, whatever its size. */
#define TOKENS_PER_FILE 1536u

/* As entries and prices count them. */
static inline uint32_t
tokens_clamp(uint64_t tokens)
{
	return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

/* Tokens of `bytes` at `milli` thousandths of a byte per token, rounded up;
 * milli 0 counts as 4000. */
uint64_t tokens_of_bytes(uint64_t bytes, uint32_t milli);
/* Tokens of the request's input. Data URLs and base64 files count
 * TOKENS_PER_FILE each. */
uint64_t tokens_of_input(const struct ask *ask, uint32_t milli);
