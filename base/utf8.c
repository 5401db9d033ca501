/* UTF-8 by RFC 3629; runs of ASCII are skipped eight bytes at a time. */
#include "base/utf8.h"

static bool
tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the well-formed character at `c`, 0 when there is none. */
static size_t
character(const unsigned char *c, size_t n)
{
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2)
		return 0;
	if (c[0] < 0xe0)
		return n >= 2 && tail(c[1]) ? 2 : 0;
	if (c[0] < 0xf0) {
		if (n < 3 || !tail(c[1]) || !tail(c[2]))
			return 0;
		if ((c[0] == 0xe0 && c[1] < 0xa0) ||
		    (c[0] == 0xed && c[1] > 0x9f))
			return 0; /* overlong, surrogate */
		return 3;
	}
	if (c[0] > 0xf4 || n < 4 || !tail(c[1]) || !tail(c[2]) || !tail(c[3]))
		return 0;
	if ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0; /* overlong, beyond U+10FFFF */
	return 4;
}

static bool
ascii8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (v & 0x8080808080808080ull) == 0;
}

bool
utf8_valid(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		size_t n;

		if (s.n - i >= 8 && ascii8(s.p + i)) {
			i += 8;
			continue;
		}
		n = character((const unsigned char *)s.p + i, s.n - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}
