/* What one program tells the next: any text is read without harm, and what
 * is read is written the same way again. */
#include <stdlib.h>

#include "master/handover.h"
#include "tests/fuzz/replay.h"

static bool
read_it(struct str text, struct arena *arena, struct handover *h)
{
	const char *why = "";

	return handover_read(text, arena, h, &why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	CLEANUP(buf_free) struct buf once = BUF_INIT;
	CLEANUP(buf_free) struct buf twice = BUF_INIT;
	CLEANUP(arena_free) struct arena arena;
	struct handover h;

	arena_init(&arena);
	if (!read_it(str_make((const char *)input, n), &arena, &h))
		return 0;
	handover_write(&h, &once);
	if (!read_it(buf_str(&once), &arena, &h))
		abort();
	handover_write(&h, &twice);
	if (!str_eq(buf_str(&once), buf_str(&twice)))
		abort();
	return 0;
}
