/* Bills of providers: whatever stands in them, what is read lies within the
 * text, and the same text says the same twice. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/bill.h"
#include "tests/fuzz/replay.h"

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void
look(const struct bill *b)
{
	bool ids = false, models = false;
	size_t texts = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct bill_line *line = &b->lines[i];

		for (size_t k = 0; k < line->id.n; k++)
			texts += (unsigned char)line->id.p[k];
		for (size_t k = 0; k < line->model.n; k++)
			texts += (unsigned char)line->model.p[k];
		ids |= line->id.n > 0;
		models |= line->model.n > 0;
		REQUIRE(line->ms || line->id.n);
	}
	REQUIRE(ids == b->has_ids && models == b->has_models);
	REQUIRE(texts || !(ids || models) || b->n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct str text = {(const char *)input, n};
	struct buf why = BUF_INIT, again = BUF_INIT;
	struct bill b, c;
	bool read = bill_read(&b, text, &why);

	REQUIRE(read == bill_read(&c, text, &again));
	REQUIRE(read ? b.n == c.n : why.n > 0 && b.n == 0);
	look(&b);
	bill_free(&b);
	bill_free(&c);
	buf_free(&why);
	buf_free(&again);
	return 0;
}
