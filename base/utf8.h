#pragma once
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates. */
#include <stdbool.h>

#include "base/str.h"

bool utf8_valid(struct str s);
/* Bytes of the well-formed character that `s` begins with; 0 when there is
 * none. */
size_t utf8_char(struct str s);
/* Where the first byte stands that is not UTF-8; s.n when all is. */
size_t utf8_valid_to(struct str s);
/* Writes `code` (a scalar value) and returns its bytes, 1 to 4. */
size_t utf8_put(uint32_t code, char out[4]);
