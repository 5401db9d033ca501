/* Price lists of others: whatever comes, configuration text or a reason. */
#include <stdlib.h>

#include "tests/fuzz/replay.h"
#include "tools/prices.h"

static void
import(struct str text, bool litellm)
{
	struct buf out = BUF_INIT, said = BUF_INIT, error = BUF_INIT;
	struct price_list l = {.out = &out, .said = &said};
	bool fine = litellm ? prices_of_litellm(&l, text, &error)
			    : prices_of_newapi(&l, text, &error);

	if (fine != (error.n == 0))
		abort();
	buf_free(&out);
	buf_free(&said);
	buf_free(&error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct str text = str_make((const char *)input, n);

	import(text, true);
	import(text, false);
	return 0;
}
