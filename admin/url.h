#pragma once
/* Parts of a request target. */
#include <stdbool.h>
#include <stddef.h>

#include "base/attrs.h"
#include "base/str.h"

/* Percent-decodes into a NUL-terminated text; false: a bad escape, a NUL, or
 * too long. `+` stays `+`. */
NODISCARD bool url_decode(struct str in, char *out, size_t cap);
/* The value of `name` in "a=1&b=2", decoded; false when absent or bad, then
 * `out` is "". */
NODISCARD bool url_query(struct str query, const char *name, char *out,
			 size_t cap);
