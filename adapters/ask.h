#pragma once
/* Fields that every client dialect has, read alike for dialect.parse(). */
#include "adapters/chat.h"

static inline bool
ask_absent(struct json_value v)
{
	return v.type == JSON_ABSENT || v.type == JSON_NULL;
}

/* Of a body json_members() refused. */
enum err ask_fault(struct arena *a, const struct json_error *fault,
		   const char **detail);
/* The model's name, into ask->model and ask->model_value. */
NODISCARD enum err ask_model(struct arena *a, struct ask *ask,
			     struct json_value v);
/* Absent and null are false. */
NODISCARD enum err ask_flag(struct json_value v, bool *flag);
/* The most tokens wanted, if it is said, into ask->max_output. */
NODISCARD enum err ask_maximum(struct ask *ask, struct json_value v);
