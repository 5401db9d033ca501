#pragma once
/* Text that grows in an arena: the inside of a JSON string, still escaped. */
#include "adapters/talk.h"

struct rope_chunk;

/* Zeroed = empty. */
struct rope {
	struct rope_chunk *first, *last;
};

/* False when out of memory, as the next one. */
NODISCARD bool rope_add(struct arena *a, struct rope *r, struct str s);
NODISCARD bool rope_join(struct arena *a, struct rope *r,
			 const struct rope *more);
void rope_write(struct buf *out, const struct rope *r);
/* Between quotes. */
void put_rope(struct json_out *o, const struct rope *r);
/* Of the inside of a JSON string: does it hold a whole object. */
bool rope_is_object(const struct rope *r);
