#pragma once
/* Rules across keys, and what a reload may change. */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"

struct conf;

/* False with "file: key: reason" when `next` changes a key that only a
 * restart can change. Both are valid configurations. */
NODISCARD bool conf_reload_allowed(const struct conf *running,
				   const struct conf *next, struct buf *error);
