#pragma once
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates. */
#include <stdbool.h>

#include "base/str.h"

bool utf8_valid(struct str s);
