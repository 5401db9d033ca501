#pragma once
/*
 * The Anthropic dialect, between its units: dialect_anthropic.c and
 * anthropic_read.c are a client's side, anthropic.c and anthropic_write.c the
 * upstream's.
 */
#include "adapters/adapter.h"
#include "adapters/names.h"

/* At Vertex this is said in the body, and the model is not. */
#define ANTHROPIC_AT_VERTEX "vertex-2023-10-16"

/* Of tools, and of calls' ids. */
extern const struct name_rule anthropic_names;

/*
 * The signature of a call (Gemini has them) has no place of its own here. It
 * travels as that of an empty thought behind the call, with this before it;
 * no signature of Anthropic's holds a colon.
 */
#define ANTHROPIC_CALL_SIGN "call:"

/* stop_reason, and back; `calls`: the answer holds some. */
enum finish anthropic_finish(struct str reason);
struct str anthropic_stop_reason(enum finish finish, bool calls);

/* dialect.read and wire.write. */
enum err anthropic_read(struct conversation *c, const struct ask *ask,
			const char **detail);
enum err anthropic_write(struct writing *w);
