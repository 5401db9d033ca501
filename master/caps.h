#pragma once
/* Which caps the configuration wants. Master only. */
#include <stdbool.h>

#include "base/attrs.h"

struct buf;
struct conf;
struct region;

/* Tells the writer: those of `c` and no others. False with a reason: there is
 * no room for all. */
NODISCARD bool caps_publish(struct region *r, const struct conf *c,
			    struct buf *error);
