#pragma once
/*
 * The embedded provider: deterministic text with counted tokens, no key and
 * no network. It speaks the OpenAI wire format; the responder that serves it
 * lives in worker/demo.c, so that routing, sending and streaming are the
 * real ones.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/adapter.h"

struct demo_reply {
	const struct ask *ask;
	uint64_t id;
	uint64_t prompt_tokens;
	uint32_t words; /* = completion tokens */
};

/* Plans the answer: tokens are words; the prompt is counted the same way. */
void demo_plan(const struct ask *ask, uint64_t id, struct demo_reply *out);
/* The whole answer. */
void demo_answer(const struct demo_reply *r, struct buf *out);
/* Event i of the stream, framing included: 0 = role, 1..words = a word each,
 * then finish, usage (if asked for), [DONE]. False beyond the end. */
bool demo_event(const struct demo_reply *r, uint32_t i, struct buf *out);
/* An error body as OpenAI would send it. */
void demo_error(int status, struct buf *out);
