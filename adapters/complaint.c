/* What is wrong, in our own words: the same in every dialect. */
#include "adapters/adapter.h"

void
complaint_put_text(struct json_out *o, const struct complaint *c)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const char *pattern = err_row(c->err)->text;
	const char *hole = strstr(pattern, "%s");

	if (!hole) {
		json_put_str(o, str_of(pattern));
		return;
	}
	buf_add(&text, pattern, (size_t)(hole - pattern));
	buf_add_cstr(&text, c->detail ? c->detail : "");
	buf_add_cstr(&text, hole + 2);
	json_put_str(o, buf_str(&text));
}
