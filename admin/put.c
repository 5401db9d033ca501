/* Members of a JSON object, by type. */
#include <string.h>

#include "admin/views.h"
#include "base/clock.h"

void
put_str(struct json_out *o, const char *name, struct str text)
{
	json_name(o, name);
	json_put_str(o, text);
}

void
put_text(struct json_out *o, const char *name, const char *text)
{
	put_str(o, name, str_of(text));
}

void
put_u64(struct json_out *o, const char *name, uint64_t value)
{
	json_name(o, name);
	json_put_u64(o, value);
}

void
put_i64(struct json_out *o, const char *name, int64_t value)
{
	json_name(o, name);
	json_put_i64(o, value);
}

void
put_bool(struct json_out *o, const char *name, bool value)
{
	json_name(o, name);
	json_put_bool(o, value);
}

void
put_money(struct json_out *o, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];
	size_t n = money_text(money_nano(nano), text);

	put_str(o, name, str_make(text, n));
}

void
put_time_ms(struct json_out *o, const char *name, uint64_t wall_ms)
{
	char text[TIME_TEXT];

	json_name(o, name);
	if (wall_ms == 0) {
		json_put_null(o);
		return;
	}
	json_put_str(o,
		     str_make(text, time_text(wall_ms * NS_PER_MS, 3, text)));
}

void
put_list(struct json_out *o, const char *name, const char *commas)
{
	struct str rest = str_of(commas);

	json_name(o, name);
	json_open(o, '[');
	while (rest.p && rest.n > 0)
		json_put_str(o, str_trim(str_cut(&rest, ',')));
	json_close(o, ']');
}
