/* Events framed as elements of an array. Called by stream.c and reply.c. */
#include "worker/array.h"

void
array_put(struct buf *out, struct str text, bool *begun)
{
	while (text.n > 0) {
		struct str line = str_cut(&text, '\n');

		if (!str_starts(line, STR("data: ")))
			continue;
		buf_add_cstr(out, *begun ? ",\r\n" : "[");
		buf_add_str(out, str_from(line, sizeof("data: ") - 1));
		*begun = true;
	}
}

void
array_end(struct buf *out, bool *begun)
{
	buf_add_cstr(out, *begun ? "]" : "[]");
	*begun = true;
}
