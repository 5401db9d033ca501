#pragma once
/* What a conversation begins with, and who speaks: for what belongs together.
 * The body was parsed. */
#include "adapters/chat.h"

/* At most `n` spans of `bytes` bytes in all: tools and system text, and the
 * messages up to the first of the user. They stay the same as the conversation
 * goes on. Returns how many there are. */
unsigned ask_prefix(const struct ask *ask, size_t bytes, struct str *out,
		    unsigned n);
/* Whom it is for, as the client says: prompt_cache_key, user or
 * metadata.user_id, the first that is there; with its quotes. n == 0: it does
 * not say. */
struct str ask_user(const struct ask *ask);
