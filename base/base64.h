#pragma once
/* Base 64 as RFC 4648 has it: plain with padding, and for URLs without. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

void base64_put(struct buf *out, const void *p, size_t n);
void base64url_put(struct buf *out, const void *p, size_t n);
/* Either alphabet, padding or none; false: anything else in it, or bits left
 * over that are not 0: of each value there is one text. */
NODISCARD bool base64_get(struct str text, struct buf *out);
