#pragma once
/*
 * The OpenAI wire format, as an upstream. Source: the official SDK's types
 * and captured traffic; docs/wire.md names what is relied upon.
 */
#include "adapters/adapter.h"

enum err openai_build(struct arena *a, const struct ask *ask,
		      const struct target *t, struct pieces *out);
enum err openai_parse_answer(const struct ask *ask, struct str body,
			     struct answer *out);
enum err openai_parse_event(const struct ask *ask, struct str data,
			    struct delta *out);
void openai_parse_error(int status, struct str body,
			struct upstream_error *out);

/* Path of an endpoint below the version: "/chat/completions". */
struct str openai_path(enum ask_kind kind);
