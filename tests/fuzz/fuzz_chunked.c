/* Chunked bodies: the content does not depend on the split. */
#include <stdlib.h>

#include "http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum chunk_state
feed(struct str text, size_t step, char *out, size_t *n)
{
	struct chunked c = {0};
	enum chunk_state state = CHUNK_MORE;
	size_t at = 0;

	*n = 0;
	while (state == CHUNK_MORE && at < text.n) {
		size_t size = MIN_OF(step, text.n - at);
		char *piece = malloc(size);
		size_t got, used;

		if (!piece)
			abort();
		memcpy(piece, text.p + at, size);
		state = chunked_squeeze(&c, piece, size, &got, &used);
		if (got > used || used > size)
			abort();
		memcpy(out + *n, piece, got);
		free(piece);
		*n += got;
		at += used;
	}
	return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static char whole[4096], split[4096];
	enum chunk_state a, b;
	struct str text;
	size_t n, m;

	if (size < 2 || size > sizeof(whole))
		return 0;
	text = str_make((const char *)bytes + 1, size - 1);
	a = feed(text, size, whole, &n);
	b = feed(text, bytes[0] + 1u, split, &m);
	if (a != b)
		abort();
	if (a != CHUNK_BAD && !str_eq(str_make(whole, n), str_make(split, m)))
		abort();
	return 0;
}
