#pragma once
/* JSON schemas for upstreams that take only closed objects. */
#include "base/json.h"

/* A copy in which every object that does not say what other members it may
 * have has none ("additionalProperties":false). */
void json_put_closed(struct json_out *o, struct json_value schema);
