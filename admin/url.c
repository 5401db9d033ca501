/* Parts of a request target. */
#include "admin/url.h"

#include "base/digits.h"

/* The byte at in.p[*i], which moves behind it; -1: bad. */
static int
next_byte(struct str in, size_t *i)
{
	int high, low;

	if (in.p[*i] != '%')
		return (unsigned char)in.p[(*i)++];
	if (in.n - *i < 3)
		return -1;
	high = hex_digit(in.p[*i + 1]);
	low = hex_digit(in.p[*i + 2]);
	*i += 3;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool
url_decode(struct str in, char *out, size_t cap)
{
	size_t n = 0, i = 0;

	out[0] = '\0';
	while (i < in.n) {
		int c = next_byte(in, &i);

		if (c <= 0 || n + 1 >= cap) {
			out[0] = '\0';
			return false;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

bool
url_query(struct str query, const char *name, char *out, size_t cap)
{
	out[0] = '\0';
	while (query.p) {
		struct str value = str_cut(&query, '&');
		struct str key = str_cut(&value, '=');

		if (str_eq(key, str_of(name)))
			return value.p && url_decode(value, out, cap);
	}
	return false;
}
