/* UTF-8: the wide check agrees with the plain one at any alignment. */
#include <stdlib.h>

#include "base/utf8.h"
#include "tests/fuzz/replay.h"

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct str s = str_make((const char *)input, n);

	for (size_t from = 0; from < 4; from++) {
		struct str part = str_from(s, from);

		if (utf8_valid(part) != (utf8_valid_to(part) == part.n))
			abort();
	}
	return 0;
}
