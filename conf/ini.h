#pragma once
/* Files of sections and keys, as the shared credentials file of AWS. */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/str.h"

/* The value of `key` in the first [section] that has it, without the blanks
 * around it; false: it is not there. Lines that begin with # or ; are
 * comments. */
NODISCARD bool ini_find(struct str text, struct str section, struct str key,
			struct str *value);
